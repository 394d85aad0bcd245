/* A directory that is to go is moved away under the job's lock, and removed then (discard.h): from one instant to the
 * next the job is one that never ran, and nobody sees half of it, also when we die. A task that is a link is refused, a
 * link in the place of a job is removed as one. */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "monitor/act.h"
#include "monitor/viewstate.h"
#include "workspace/discard.h"
#include "workspace/heartbeat.h"

enum { BLOCK = 512 };

static const char request[] = ".experimaestro/kill";

static const char *path_of(xpm_view *view, const xpm_view_job *job, xpm_error *err)
{
        const char *path = xpm_arena_printf(view->arena, "jobs/%s/%s", job->task_id, job->job_id);
        if (!path)
                xpm_fail_memory(err);
        return path;
}

int xpm_act_kill(xpm_view *view, const xpm_view_job *job, xpm_error *err)
{
        const char *path = path_of(view, job, err);
        int dir = path ? openat(view->workspace->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (!path)
                return XPM_ENOMEM;
        if (dir < 0)
                return xpm_fail_errno(err, "cannot open '%s/%s'", view->workspace->path, path);
        int fd = openat(dir, request, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, view->workspace->file_mode);
        int rc = fd < 0 ? xpm_fail_errno(err, "cannot create '%s/%s/%s'", view->workspace->path, path, request) : 0;
        if (fd >= 0)
                close(fd);
        close(dir);
        return rc;
}

/* An attempt begins by removing the request, after it has taken the lock and ended what an earlier one left: a request
 * from that time is gone, though the job runs. So whatever runs without one is asked again. */
int xpm_act_has_ended(xpm_view *view, xpm_view_job *job, xpm_error *err)
{
        struct stat st;
        const char *path = path_of(view, job, err);
        const char *file = path ? xpm_arena_printf(view->arena, "%s/%s", path, request) : NULL;
        if (!file)
                return xpm_fail_memory(err);
        int rc = xpm_view_refresh(view, job, err);
        if (rc != 0)
                return rc;
        if (job->state != XPM_JOB_RUNNING)
                return 1;
        if (fstatat(view->workspace->dir, file, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
                return xpm_act_kill(view, job, err);
        return 0;
}

int xpm_act_has_directory(xpm_view *view, const xpm_view_job *job, xpm_error *err)
{
        struct stat st;
        const char *path = path_of(view, job, err);
        if (!path)
                return XPM_ENOMEM;
        if (fstatat(view->workspace->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode);
        if (errno == ENOENT || errno == ENOTDIR)
                return 0;
        return xpm_fail_errno(err, "cannot look at '%s/%s'", view->workspace->path, path);
}

static bool is_same(int dir, int task, const char *name)
{
        struct stat ours, theirs;
        return fstat(dir, &ours) == 0 && fstatat(task, name, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
               ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static int remove_locked(xpm_view *view, int task, int dir, const xpm_view_job *job, const char *path, xpm_error *err)
{
        int lock = -1;
        xpm_error inner = XPM_ERROR_NONE;
        const char *name = xpm_arena_printf(view->arena, "%s.lock", xpm_view_script(job->task_id));
        if (!name)
                return xpm_fail_memory(err);
        int rc = xpm_lock_take(dir, name, view->workspace->file_mode, false, &lock, &inner);
        if (rc == XPM_ELOCKED)
                return xpm_fail(err, rc, "'%s' runs: %s", path, inner.message);
        if (rc != 0)
                return xpm_fail(err, rc, "%s (in '%s')", inner.message, path);
        if (xpm_heartbeat_of_job(view->workspace->dir, dir) == XPM_LIFE_BEATS)
                rc = xpm_fail(err, XPM_ELOCKED, "'%s' runs: its worker, on another host, gives signs of life", path);
        /* While we waited for nothing it may have been removed and made again. */
        else if (!is_same(dir, task, job->job_id))
                rc = xpm_fail(err, XPM_ENOTFOUND, "'%s' was removed by somebody else", path);
        else if ((rc = xpm_discard(view->workspace, task, job->job_id, &inner)) != 0)
                xpm_fail(err, rc, "cannot remove '%s/%s': %s", view->workspace->path, path, inner.message);
        xpm_lock_release(lock);
        return rc;
}

static int remove_from(xpm_view *view, int task, const xpm_view_job *job, const char *path, xpm_error *err)
{
        struct stat st;
        if (fstatat(task, job->job_id, &st, AT_SYMLINK_NOFOLLOW) != 0)
                return errno == ENOENT ? xpm_fail(err, XPM_ENOTFOUND, "there is no '%s'", path)
                                       : xpm_fail_errno(err, "cannot look at '%s'", path);
        if (S_ISLNK(st.st_mode))
                return unlinkat(task, job->job_id, 0) == 0 ? 0 : xpm_fail_errno(err, "cannot remove '%s'", path);
        int dir = openat(task, job->job_id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
                return xpm_fail_errno(err, "cannot open '%s'", path);
        int rc = remove_locked(view, task, dir, job, path, err);
        close(dir);
        return rc;
}

int xpm_act_remove(xpm_view *view, const xpm_view_job *job, xpm_error *err)
{
        const char *path = path_of(view, job, err);
        const char *parent = path ? xpm_arena_printf(view->arena, "jobs/%s", job->task_id) : NULL;
        if (!parent)
                return xpm_fail_memory(err);
        int task = openat(view->workspace->dir, parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (task < 0)
                return xpm_fail_errno(err, "cannot open '%s/%s'", view->workspace->path, parent);
        int rc = remove_from(view, task, job, path, err);
        close(task);
        return rc;
}

int xpm_act_size(xpm_view *view, const xpm_view_job *job, uint64_t *bytes, xpm_error *err)
{
        char *path = xpm_arena_printf(view->arena, "%s/jobs/%s/%s", view->workspace->path, job->task_id, job->job_id);
        FTS *walk = path ? fts_open((char *[]){path, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
        *bytes = 0;
        if (!walk)
                return xpm_fail_memory(err);
        for (const FTSENT *entry; (entry = fts_read(walk));)
                if (entry->fts_info != FTS_DP && entry->fts_info != FTS_NS && entry->fts_statp)
                        *bytes += (uint64_t)entry->fts_statp->st_blocks * BLOCK;
        fts_close(walk);
        return 0;
}
