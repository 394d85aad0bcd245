/* RUN is made under .tmp/ of the workspace, whole, and renamed to its place, because everything beside the runs of an
 * experiment counts as a run for others, and one without status.json as a run that crashed. `current` comes into being
 * the same way. All of this happens under the experiment's lock, so a name that is free stays free; and under
 * that of discard.h, so that a later engine knows what one that died there has left. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "workspace/discard.h"
#include "workspace/runstate.h"

enum { TRIES = 1000, SHORTEST = 20, LONGEST = 640 }; /* milliseconds */

static const char *experiment_path(const xpm_run *run)
{
        return xpm_arena_printf(run->arena, "%s/experiments/%s", run->workspace->path, run->info.experiment_id);
}

/* A blocking flock() would be started again after a signal, and Ctrl-C have no effect; poll() never is, and what comes
 * outside of it is seen afterwards. */
static int wait_for_lock(xpm_run *run, int experiment, xpm_error *err)
{
        int rc = XPM_ELOCKED;
        for (int pause = SHORTEST; rc == XPM_ELOCKED; pause = pause < LONGEST ? pause * 2 : pause) {
                *err = XPM_ERROR_NONE;
                if (poll(NULL, 0, pause) < 0 || (run->info.interrupts && *run->info.interrupts > 0))
                        return xpm_fail(err, XPM_EINTERRUPTED, "interrupted while waiting for another run of '%s'",
                                        run->info.experiment_id);
                rc = xpm_lock_take(experiment, "lock", run->workspace->file_mode, false, &run->lock, err);
        }
        return rc;
}

static int take_lock(xpm_run *run, int experiment, const char *path, bool wait, const xpm_log *log, xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE;
        int rc = xpm_lock_take(experiment, "lock", run->workspace->file_mode, false, &run->lock, &inner);
        if (rc == XPM_ELOCKED && wait) {
                xpm_note(log, "waiting for another run of '%s': %s (in '%s')", run->info.experiment_id, inner.message,
                         path);
                inner = XPM_ERROR_NONE;
                rc = wait_for_lock(run, experiment, &inner);
        }
        if (rc == XPM_EINTERRUPTED)
                return xpm_fail(err, rc, "%s", inner.message);
        if (rc != 0)
                return xpm_fail(err, rc, "%s (in '%s')", inner.message, path);
        rc = xpm_lock_check(experiment, "lock", &inner);
        if (rc != 0)
                return xpm_fail(err, rc, "%s (in '%s')", inner.message, path);
        xpm_lock_sign(run->lock, NULL);
        return 0;
}

/* Where `current` leads, when there is such a run. */
static int find_previous(xpm_run *run, int experiment, xpm_error *err)
{
        char target[256];
        struct stat st;
        ssize_t length = readlinkat(experiment, "current", target, sizeof target - 1);
        if (length <= 0)
                return 0;
        target[length] = '\0';
        const char *slash = strrchr(target, '/');
        if (fstatat(experiment, "current", &st, 0) != 0 || !S_ISDIR(st.st_mode))
                return 0;
        run->previous = xpm_arena_strdup(run->arena, slash ? slash + 1 : target);
        return run->previous ? 0 : xpm_fail_memory(err);
}

/* A name under .tmp/ that nobody else has. */
static const char *temporary(xpm_run *run, const char *what, xpm_error *err)
{
        uint64_t number;
        xpm_error inner = XPM_ERROR_NONE;
        if (getrandom(&number, sizeof number, 0) != sizeof number) {
                xpm_fail_errno(err, "cannot get random bytes");
                return NULL;
        }
        const char *directory = xpm_arena_printf(run->arena, "%s/.tmp", run->workspace->path);
        const char *path = directory ? xpm_arena_printf(run->arena, "%s/%s-%0*llx", directory, what, XPM_DISCARD_DIGITS,
                                                        (unsigned long long)number)
                                     : NULL;
        if (!path) {
                xpm_fail_memory(err);
                return NULL;
        }
        if (xpm_mkdir_p(AT_FDCWD, directory, run->workspace->directory_mode, &inner) == 0)
                return path;
        xpm_fail(err, inner.code, "cannot make '%s': %s", directory, inner.message);
        return NULL;
}

static int choose_name(xpm_run *run, int experiment, xpm_error *err)
{
        char base[32], name[48];
        struct stat st;
        time_t seconds = (time_t)(run->started / 1000000);
        struct tm tm;
        localtime_r(&seconds, &tm);
        snprintf(base, sizeof base, "%04d%02d%02d_%02d%02d%02d", (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        snprintf(name, sizeof name, "%s", base);
        for (int i = 1; i < TRIES && fstatat(experiment, name, &st, AT_SYMLINK_NOFOLLOW) == 0; i++)
                snprintf(name, sizeof name, "%s.%d", base, i);
        run->name = xpm_arena_strdup(run->arena, name);
        return run->name ? 0 : xpm_fail_memory(err);
}

static int make_in(int dir, const char *path, const char *name, mode_t mode, xpm_error *err)
{
        if (mkdirat(dir, name, mode) != 0)
                return xpm_fail_errno(err, "cannot make '%s/%s'", path, name);
        return 0;
}

static int link_previous(const xpm_run *run, const char *path, xpm_error *err)
{
        if (!run->previous)
                return 0;
        const char *target = xpm_arena_printf(run->arena, "../%s/jobs", run->previous);
        if (!target)
                return xpm_fail_memory(err);
        if (symlinkat(target, run->dir, "jobs.bak") != 0)
                return xpm_fail_errno(err, "cannot make the link '%s/jobs.bak'", path);
        return 0;
}

/* Everything that a run has from its first instant. PATH is where it is being made. */
static int fill(xpm_run *run, const char *path, xpm_error *err)
{
        mode_t mode = run->workspace->directory_mode;
        xpm_error inner = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        run->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (run->dir < 0)
                return xpm_fail_errno(err, "cannot open '%s'", path);
        int rc = make_in(run->dir, path, "jobs", mode, err);
        if (rc == 0)
                rc = make_in(run->dir, path, "results", mode, err);
        if (rc == 0)
                rc = link_previous(run, path, err);
        if (rc != 0)
                return rc;
        xpm_run_status_json(run, "running", false, 0, &text);
        rc = text.failed ? xpm_fail_memory(err)
                         : xpm_file_write(run->dir, "status.json", text.data, text.length, run->workspace->file_mode,
                                          &inner);
        if (inner.code)
                xpm_fail(err, inner.code, "%s (in '%s')", inner.message, path);
        xpm_text_release(&text);
        return rc;
}

static int make_run(xpm_run *run, int experiment, const char *parent, xpm_error *err)
{
        int rc = choose_name(run, experiment, err);
        if (rc != 0)
                return rc;
        run->path = xpm_arena_printf(run->arena, "%s/%s", parent, run->name);
        const char *path = run->path ? temporary(run, "run", err) : NULL;
        if (!path)
                return run->path ? (err && err->code ? err->code : XPM_EIO) : xpm_fail_memory(err);
        if (mkdir(path, run->workspace->directory_mode) != 0)
                return xpm_fail_errno(err, "cannot make '%s'", path);
        rc = fill(run, path, err);
        if (rc == 0 && renameat(AT_FDCWD, path, experiment, run->name) != 0)
                rc = xpm_fail_errno(err, "cannot make '%s'", run->path);
        if (rc != 0)
                xpm_remove_tree(AT_FDCWD, path, NULL);
        return rc;
}

static int point_current(xpm_run *run, int experiment, const char *parent, xpm_error *err)
{
        const char *link = temporary(run, "current", err);
        if (!link)
                return err && err->code ? err->code : XPM_EIO;
        if (symlink(run->name, link) != 0)
                return xpm_fail_errno(err, "cannot make the link '%s'", link);
        if (renameat(AT_FDCWD, link, experiment, "current") == 0)
                return 0;
        int rc = xpm_fail_errno(err, "cannot replace the link '%s/current'", parent);
        unlink(link);
        return rc;
}

int xpm_run_make(xpm_run *run, bool wait, const xpm_log *log, xpm_error *err)
{
        const char *path = experiment_path(run);
        if (!path)
                return xpm_fail_memory(err);
        xpm_error inner = XPM_ERROR_NONE;
        int hold = -1, rc = xpm_mkdir_p(AT_FDCWD, path, run->workspace->directory_mode, &inner);
        if (rc != 0)
                return xpm_fail(err, rc, "cannot make '%s': %s", path, inner.message);
        int experiment = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (experiment < 0)
                return xpm_fail_errno(err, "cannot open '%s'", path);
        rc = take_lock(run, experiment, path, wait, log, err);
        if (rc == 0)
                rc = find_previous(run, experiment, err);
        if (rc == 0)
                rc = xpm_discard_hold_off(run->workspace, &hold, err);
        if (rc == 0)
                rc = make_run(run, experiment, path, err);
        if (rc == 0)
                rc = point_current(run, experiment, path, err);
        xpm_lock_release(hold);
        close(experiment);
        return rc;
}

int xpm_run_forget_previous(xpm_run *run, xpm_error *err)
{
        if (unlinkat(run->dir, "jobs.bak", 0) != 0 && errno != ENOENT)
                return xpm_fail_errno(err, "cannot remove '%s/jobs.bak'", run->path);
        return 0;
}
