/* A few are looked for one by one, whatever else their task has. When there are many, a task's directory is listed: on
 * a shared filesystem that is a request for some hundred of them, not one for each. What is in no list is looked for
 * all the same: a link, or what has come since. */
#include "monitor/presence.h"

#include <errno.h>
#include <sys/stat.h>

#include "monitor/viewstate.h"

static int list(xpm_presence *presence, const char *task_id, xpm_error *err)
{
        xpm_arena *arena = presence->view->arena;
        const char **names, *path = xpm_arena_printf(arena, "jobs/%s", task_id);
        size_t count = 0;
        int rc = path ? xpm_view_directories(presence->view, path, false, &names, &count, err) : xpm_fail_memory(err);
        if (rc == 0 && xpm_map_put(&presence->tasks, task_id, presence) != 0)
                rc = xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < count; i++) {
                const char *job = xpm_arena_printf(arena, "%s/%s", path, names[i]);
                if (!job || xpm_map_put(&presence->jobs, job, presence) != 0)
                        rc = xpm_fail_memory(err);
        }
        return rc;
}

int xpm_presence_look(xpm_presence *presence, const xpm_view_job *job, xpm_error *err)
{
        struct stat st;
        const char *path = xpm_arena_printf(presence->view->arena, "jobs/%s/%s", job->task_id, job->job_id);
        int rc = path ? 0 : xpm_fail_memory(err);
        if (rc == 0 && presence->asked++ >= XPM_PRESENCE_FEW && !xpm_map_get(&presence->tasks, job->task_id))
                rc = list(presence, job->task_id, err);
        if (rc != 0)
                return rc;
        if (xpm_map_get(&presence->jobs, path) || fstatat(presence->view->workspace->dir, path, &st, 0) == 0)
                return 1;
        if (errno == ENOENT || errno == ENOTDIR)
                return 0;
        return xpm_fail_errno(err, "cannot look at '%s/%s'", presence->view->workspace->path, path);
}

void xpm_presence_release(xpm_presence *presence)
{
        xpm_map_release(&presence->tasks);
        xpm_map_release(&presence->jobs);
}
