/* A run looks once at the jobs that are done, when it has named them all (experiment.c). Here it is the other way
 * round: under the job's lock its marker is put in doubt, so that whoever looks from now on sees a job that is held,
 * and comes again; then it is asked whether a run that goes on names the job. So either the run is seen here, and the
 * job stays, or the run sees that the job is held, waits, and runs it again. Nothing is lost when we die: a doubt is
 * none without the lock.
 *
 * The directory is moved away under the lock, and removed then (discard.h): from one instant to the next the job is one
 * that never ran, and nobody sees half of it. A task that is a link is refused. */
#include "workspace/jobremove.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"
#include "workspace/discard.h"
#include "workspace/heartbeat.h"
#include "workspace/jobdir.h"

typedef struct removal {
        const xpm_workspace *workspace;
        xpm_underway *underway;
        const char *task_id, *job_id;
        bool done;  /* also when it is done */
        char *path; /* of the job, absolute */
        int task;   /* jobs/TASK, open */
        xpm_error *err;
} removal;

static int gone(const removal *of)
{
        return xpm_fail(of->err, XPM_ENOTFOUND, "there is no '%s'", of->path);
}

static bool is_same(const removal *of, int dir)
{
        struct stat ours, theirs;
        return fstat(dir, &ours) == 0 && fstatat(of->task, of->job_id, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
               ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* 0 when no run counts on it. */
static int ask(const removal *of)
{
        const char *run = NULL;
        int rc = xpm_underway_names(of->underway, of->job_id, &run, of->err);
        return rc > 0 ? xpm_fail(of->err, XPM_ELOCKED, "the run '%s', which goes on, counts on it", run) : rc;
}

/* Whoever was to remove what had failed would lose what was done since. */
static int look(const removal *of, const xpm_jobdir *job)
{
        xpm_job_past past = XPM_JOB_PAST_INIT;
        int rc = of->done ? 0 : xpm_jobdir_past(job, &past, of->err);
        if (rc == 0 && past.state == XPM_JOB_DONE)
                rc = xpm_fail(of->err, XPM_ELOCKED, "it has been done meanwhile");
        xpm_job_past_release(&past);
        return rc;
}

static int move_away(const removal *of, const xpm_jobdir *job)
{
        xpm_error inner = XPM_ERROR_NONE;
        int rc = look(of, job);
        if (rc == 0)
                rc = xpm_jobdir_doubt(job, of->err);
        if (rc == 0)
                rc = ask(of);
        if (rc != 0) {
                xpm_jobdir_trust(job, NULL);
                return rc;
        }
        rc = xpm_discard(of->workspace, of->task, of->job_id, &inner);
        if (rc == XPM_ENOTFOUND)
                return gone(of);
        return rc == 0 ? 0 : xpm_fail(of->err, rc, "cannot remove '%s': %s", of->path, inner.message);
}

static int remove_directory(const removal *of, int dir)
{
        const char *dot = strrchr(of->task_id, '.');
        xpm_jobdir job = {
                .path = of->path,
                .script = dot ? dot + 1 : of->task_id,
                .dir = dir,
                .lock = -1,
                .directory_mode = of->workspace->directory_mode,
                .file_mode = of->workspace->file_mode,
        };
        xpm_error inner = XPM_ERROR_NONE;
        xpm_jobdir_name name;
        xpm_jobdir_file(&job, "lock", name);
        int rc = xpm_lock_take(dir, name, job.file_mode, false, &job.lock, &inner);
        if (rc == XPM_ELOCKED)
                return xpm_fail(of->err, rc, "it runs: %s", inner.message);
        /* While we waited for nothing it may have been removed and made again. */
        if (!is_same(of, dir))
                rc = gone(of);
        else if (rc != 0)
                rc = xpm_fail(of->err, rc, "%s (in '%s')", inner.message, of->path);
        else if (xpm_heartbeat_of_job(of->workspace->dir, dir) == XPM_LIFE_BEATS)
                rc = xpm_fail(of->err, XPM_ELOCKED, "it runs: its worker, on another host, gives signs of life");
        else
                rc = move_away(of, &job);
        xpm_lock_release(job.lock);
        return rc;
}

/* There is no lock of ours behind it. So it goes for an instant, and comes back when a run counts on it. */
static int remove_link(const removal *of)
{
        char target[PATH_MAX];
        int rc = ask(of);
        if (rc != 0)
                return rc;
        ssize_t length = readlinkat(of->task, of->job_id, target, sizeof target - 1);
        if (length < 0 || unlinkat(of->task, of->job_id, 0) != 0)
                return errno == ENOENT ? gone(of) : xpm_fail_errno(of->err, "cannot remove '%s'", of->path);
        rc = ask(of);
        if (rc == 0)
                return 0;
        target[length] = '\0';
        if (symlinkat(target, of->task, of->job_id) != 0 && errno != EEXIST)
                return xpm_fail_errno(of->err, "cannot make the link '%s' again", of->path);
        return rc;
}

static int remove_it(const removal *of)
{
        struct stat st;
        if (fstatat(of->task, of->job_id, &st, AT_SYMLINK_NOFOLLOW) != 0)
                return errno == ENOENT ? gone(of) : xpm_fail_errno(of->err, "cannot look at '%s'", of->path);
        if (S_ISLNK(st.st_mode))
                return remove_link(of);
        int dir = openat(of->task, of->job_id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
                return errno == ENOENT ? gone(of) : xpm_fail_errno(of->err, "cannot open '%s'", of->path);
        int rc = remove_directory(of, dir);
        close(dir);
        return rc;
}

int xpm_job_remove(const xpm_workspace *workspace, xpm_underway *underway, const char *task_id, const char *job_id,
                   bool done, xpm_error *err)
{
        removal of = {workspace, underway, task_id, job_id, done, NULL, -1, err};
        char parent[NAME_MAX + sizeof "jobs/"];
        snprintf(parent, sizeof parent, "jobs/%s", task_id);
        if (asprintf(&of.path, "%s/%s/%s", workspace->path, parent, job_id) < 0)
                return xpm_fail_memory(err);
        int rc = 0;
        of.task = openat(workspace->dir, parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (of.task < 0)
                rc = errno == ENOENT ? gone(&of) : xpm_fail_errno(err, "cannot open '%s/%s'", workspace->path, parent);
        else
                rc = remove_it(&of);
        if (of.task >= 0)
                close(of.task);
        free(of.path);
        return rc;
}
