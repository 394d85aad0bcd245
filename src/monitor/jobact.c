/* What is done to jobs is asked of their workers, or done under their locks (jobremove.h). */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "monitor/act.h"
#include "monitor/viewstate.h"
#include "workspace/discard.h"
#include "workspace/jobremove.h"

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
        if (job->state == XPM_JOB_SCHEDULED)
                return 0;
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

/* Every run that has a jobs.jsonl, which tells of its jobs without links. */
static int list_runs(xpm_view *view, xpm_error *err)
{
        const char **ids, **names;
        size_t id_count, count, capacity = 0;
        int rc = xpm_view_directories(view, "experiments", true, &ids, &id_count, err);
        view->run_count = 0;
        for (size_t i = 0; rc == 0 && i < id_count; i++) {
                const char *path = xpm_arena_printf(view->arena, "experiments/%s", ids[i]);
                rc = path ? xpm_view_directories(view, path, false, &names, &count, err) : xpm_fail_memory(err);
                for (size_t j = 0; rc == 0 && j < count; j++) {
                        const char *run = xpm_arena_printf(view->arena, "%s/%s", path, names[j]);
                        const char *lines = run ? xpm_arena_printf(view->arena, "%s/jobs.jsonl", run) : NULL;
                        if (!lines || xpm_arena_reserve(view->arena, &view->runs, &capacity, view->run_count + 1,
                                                        sizeof *view->runs) != 0)
                                rc = xpm_fail_memory(err);
                        else if (faccessat(view->workspace->dir, lines, F_OK, 0) == 0)
                                view->runs[view->run_count++] = run;
                }
        }
        if (rc != 0)
                view->runs = NULL;
        return rc;
}

static int forget_link(const xpm_view *view, const char *link, xpm_error *err)
{
        struct stat st;
        int dir = view->workspace->dir;
        bool leads_nowhere = fstatat(dir, link, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
                             fstatat(dir, link, &st, 0) != 0 && errno == ENOENT;
        if (leads_nowhere && unlinkat(dir, link, 0) != 0 && errno != ENOENT)
                return xpm_fail_errno(err, "cannot remove the link '%s/%s'", view->workspace->path, link);
        return 0;
}

/* The links of runs to JOB, which is no more, would lead nowhere. */
static int forget_links(xpm_view *view, const xpm_view_job *job, xpm_error *err)
{
        xpm_text link = XPM_TEXT_INIT;
        int rc = view->runs ? 0 : list_runs(view, err);
        for (size_t i = 0; rc == 0 && i < view->run_count; i++) {
                xpm_text_clear(&link);
                xpm_text_printf(&link, "%s/jobs/%s/%s", view->runs[i], job->task_id, job->job_id);
                rc = link.failed ? xpm_fail_memory(err) : forget_link(view, link.data, err);
        }
        xpm_text_release(&link);
        return rc;
}

static int open_underway(xpm_view *view, xpm_error *err)
{
        const char *const *users;
        if (view->underway)
                return 0;
        int rc = xpm_settings_users(view->settings, view->workspace->path, &users, err);
        return rc == 0 ? xpm_underway_open(users, NULL, &view->underway, err) : rc;
}

int xpm_act_remove(xpm_view *view, const xpm_view_job *job, xpm_error *err)
{
        bool done = job->state == XPM_JOB_DONE;
        int rc = open_underway(view, err);
        if (rc == 0)
                rc = xpm_job_remove(view->workspace, view->underway, job->task_id, job->job_id, done, err);
        return rc == 0 ? forget_links(view, job, err) : rc;
}

int xpm_act_sweep(xpm_view *view, bool everywhere, xpm_error *err)
{
        return xpm_discard_sweep(view->workspace, everywhere, err);
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
