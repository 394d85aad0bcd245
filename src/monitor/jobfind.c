/* From what a person types to one job. Those of the current runs are looked through first, from their lists; the
 * directories only when none of them fits: a job of an earlier run, or of none. */
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "monitor/viewstate.h"

enum { LISTED = 8, SHOWN = 16 };

typedef struct wanted {
        const char *task; /* not NUL-terminated; NULL: any */
        size_t task_length;
        const char *beginning;
        size_t length;
} wanted;

/* What fits, and how it is told apart. */
typedef struct fits {
        xpm_view_job first;
        size_t count;
        xpm_text names; /* of the first few */
} fits;

static wanted parse(const char *name)
{
        const char *slash = strrchr(name, '/');
        if (!slash)
                return (wanted){.beginning = name, .length = strlen(name)};
        return (wanted){name, (size_t)(slash - name), slash + 1, strlen(slash + 1)};
}

static bool is_task(const wanted *want, const char *task_id)
{
        const char *script = xpm_view_script(task_id);
        if (!want->task)
                return true;
        return (strlen(task_id) == want->task_length && strncasecmp(task_id, want->task, want->task_length) == 0) ||
               (strlen(script) == want->task_length && strncasecmp(script, want->task, want->task_length) == 0);
}

static bool begins(const wanted *want, const char *job_id)
{
        return strncasecmp(job_id, want->beginning, want->length) == 0;
}

static void add(fits *found, const xpm_view_job *job)
{
        if (found->count++ == 0)
                found->first = *job;
        if (found->count <= LISTED)
                xpm_text_printf(&found->names, "%s'%s/%.*s'", found->count > 1 ? ", " : "", job->task_id, SHOWN,
                                job->job_id);
}

static int look_in_runs(xpm_view *view, const wanted *want, fits *found, xpm_error *err)
{
        xpm_view_jobs jobs;
        int rc = xpm_view_collect_jobs(view, NULL, false, &jobs, err);
        for (size_t i = 0; rc == 0 && i < jobs.count; i++)
                if (begins(want, jobs.items[i].job_id) && is_task(want, jobs.items[i].task_id))
                        add(found, &jobs.items[i]);
        return rc;
}

static int look_in_task(xpm_view *view, const wanted *want, const char *task_id, fits *found, xpm_error *err)
{
        const char **jobs, *path = xpm_arena_printf(view->arena, "jobs/%s", task_id);
        size_t count;
        int rc = path ? xpm_view_directories(view, path, true, &jobs, &count, err) : xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < count; i++)
                if (begins(want, jobs[i]))
                        add(found, &(xpm_view_job){.task_id = task_id, .job_id = jobs[i], .tags_json = "{}"});
        return rc;
}

static int look_in_directories(xpm_view *view, const wanted *want, fits *found, xpm_error *err)
{
        const char **tasks;
        size_t count;
        int rc = xpm_view_directories(view, "jobs", true, &tasks, &count, err);
        for (size_t i = 0; rc == 0 && i < count; i++)
                if (is_task(want, tasks[i]))
                        rc = look_in_task(view, want, tasks[i], found, err);
        return rc;
}

/* What the run recorded explains why the directory says nothing. */
static int refresh(xpm_view *view, const fits *found, xpm_view_job *out, xpm_error *err)
{
        enum xpm_job_state recorded = found->first.state;
        *out = found->first;
        int rc = xpm_view_refresh(view, out, err);
        if (rc != 0 || out->state != XPM_JOB_UNSCHEDULED || out->failure != XPM_FAILURE_NONE)
                return rc;
        if (recorded == XPM_JOB_TRANSIENT)
                out->state = recorded;
        out->removed = recorded == XPM_JOB_DONE || recorded == XPM_JOB_ERROR;
        return 0;
}

static int judge(xpm_view *view, const char *name, fits *found, xpm_view_job *out, xpm_error *err)
{
        if (found->names.failed)
                return xpm_fail_memory(err);
        if (found->count == 0)
                return xpm_fail(err, XPM_ENOTFOUND, "there is no job '%s' in '%s'", name, xpm_view_path(view));
        if (found->count > 1)
                return xpm_fail(err, XPM_EUSAGE, "'%s' may be any of %zu jobs: %s%s", name, found->count,
                                xpm_text_string(&found->names), found->count > LISTED ? ", …" : "");
        return refresh(view, found, out, err);
}

int xpm_view_find(xpm_view *view, const char *name, xpm_view_job *out, xpm_error *err)
{
        wanted want = parse(name);
        fits found = {.names = XPM_TEXT_INIT};
        if (want.length == 0)
                return xpm_fail(err, XPM_EUSAGE,
                                "'%s' names no job: give the beginning of an identifier, or task/beginning", name);
        int rc = look_in_runs(view, &want, &found, err);
        if (rc == 0 && found.count == 0)
                rc = look_in_directories(view, &want, &found, err);
        if (rc == 0)
                rc = judge(view, name, &found, out, err);
        xpm_text_release(&found.names);
        return rc;
}
