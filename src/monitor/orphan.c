/* Directories are listed before the runs are read: a run names a job before its directory is made, so that what is made
 * meanwhile is not taken for an orphan. A run names jobs in jobs.jsonl, and by its links, which is all that old runs of
 * the reference implementation have; runs of workspaces that find finished jobs here (`folders` in the settings) count
 * as those of this one do. Who asks is about to remove what nobody names: what cannot be read is an error, never an
 * empty list. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/map.h"
#include "experimaestro/experiment.h"
#include "monitor/act.h"
#include "monitor/viewstate.h"

typedef struct search {
        xpm_view *view;
        xpm_map named; /* `task/job` */
        xpm_view_job *jobs;
        size_t count, capacity;
        xpm_error *err;
} search;

/* TASK in lower case, as in the names of directories. */
static const char *key_of(search *of, const char *task, const char *job)
{
        char *key = xpm_arena_printf(of->view->arena, "%s/%s", task, job);
        if (!key)
                xpm_fail_memory(of->err);
        for (char *at = key; at && *at != '/'; at++)
                *at = (char)tolower((unsigned char)*at);
        return key;
}

static int name(search *of, const char *task, const char *job)
{
        static char yes;
        const char *key = key_of(of, task, job);
        if (!key)
                return XPM_ENOMEM;
        return xpm_map_put(&of->named, key, &yes) != 0 ? xpm_fail_memory(of->err) : 0;
}

/* A line that is not understood may name any job. The last one may be torn, by an engine that died: it has no newline
 * yet. Zeros are what a host that crashed leaves of lines that never reached the disk. */
static int read_line(search *of, const char *run, const char *line, size_t length, bool last)
{
        json_t *json;
        bool zeros = memchr(line, '\0', length) != NULL;
        int rc = xpm_view_parse(line, length, &json, of->err);
        const char *task = json_string_value(json_object_get(json, "task_id"));
        const char *job = json_string_value(json_object_get(json, "job_id"));
        if (rc == 0 && task && job)
                rc = name(of, task, job);
        else if (rc == 0 && (!last || zeros))
                rc = xpm_fail(of->err, XPM_EFORMAT,
                              "'%s/%s/jobs.jsonl' is damaged: a job that it named would pass for an orphan; repair "
                              "the file, or remove the run",
                              of->view->workspace->path, run);
        json_decref(json);
        return rc;
}

static int read_lines(search *of, const char *run)
{
        xpm_text text = XPM_TEXT_INIT;
        const char *path = xpm_arena_printf(of->view->arena, "%s/jobs.jsonl", run);
        int rc = path ? xpm_file_read(of->view->workspace->dir, path, 0, &text, of->err) : xpm_fail_memory(of->err);
        if (rc == XPM_ENOTFOUND) {
                rc = 0;
                if (of->err)
                        *of->err = XPM_ERROR_NONE;
        }
        const char *line = xpm_text_string(&text), *stop = line + text.length;
        while (rc == 0 && line < stop) {
                const char *newline = memchr(line, '\n', (size_t)(stop - line)), *end = newline ? newline : stop;
                rc = read_line(of, run, line, (size_t)(end - line), !newline);
                line = end + 1;
        }
        xpm_text_release(&text);
        return rc;
}

/* Call EACH for every TASK/JOB below DIR. */
static int walk(search *of, const char *dir, int (*each)(search *of, const char *task, const char *job))
{
        const char **tasks, **jobs;
        size_t task_count, job_count;
        int rc = xpm_view_directories(of->view, dir, false, &tasks, &task_count, of->err);
        for (size_t i = 0; rc == 0 && i < task_count; i++) {
                const char *path = xpm_arena_printf(of->view->arena, "%s/%s", dir, tasks[i]);
                rc = path ? xpm_view_directories(of->view, path, true, &jobs, &job_count, of->err)
                          : xpm_fail_memory(of->err);
                for (size_t j = 0; rc == 0 && j < job_count; j++)
                        rc = each(of, tasks[i], jobs[j]);
        }
        return rc;
}

static int read_run(search *of, const char *experiment, const char *run)
{
        const char *path = xpm_arena_printf(of->view->arena, "experiments/%s/%s", experiment, run);
        const char *links = path ? xpm_arena_printf(of->view->arena, "%s/jobs", path) : NULL;
        int rc = links ? read_lines(of, path) : xpm_fail_memory(of->err);
        return rc == 0 ? walk(of, links, name) : rc;
}

/* What stood there may have named any job. That a link `current` leads nowhere hides nothing. */
static int refuse_broken_links(search *of)
{
        xpm_view_links links = {0};
        int rc = xpm_view_broken_links(of->view, &links, of->err);
        for (size_t i = 0; rc == 0 && i < links.count; i++)
                if (!links.items[i].current)
                        rc = xpm_fail(of->err, XPM_EFORMAT,
                                      "'%s/%s' is a link to '%s', which is not there: a job that it named would pass "
                                      "for an orphan; mount what is missing, or remove the link",
                                      of->view->workspace->path, links.items[i].path, links.items[i].target);
        return rc;
}

static int read_runs(search *of)
{
        const char **ids, **runs;
        size_t id_count, run_count;
        int rc = refuse_broken_links(of);
        if (rc == 0)
                rc = xpm_view_directories(of->view, "experiments", true, &ids, &id_count, of->err);
        for (size_t i = 0; rc == 0 && i < id_count; i++) {
                const char *path = xpm_arena_printf(of->view->arena, "experiments/%s", ids[i]);
                rc = path ? xpm_view_directories(of->view, path, true, &runs, &run_count, of->err)
                          : xpm_fail_memory(of->err);
                for (size_t j = 0; rc == 0 && j < run_count; j++)
                        rc = read_run(of, ids[i], runs[j]);
        }
        return rc;
}

/* The runs of another workspace, which names jobs by the same names. */
static int read_user(search *of, const char *path)
{
        xpm_view *view = of->view, other = {.arena = view->arena};
        int rc = xpm_workspace_open(path, false, false, &other.workspace, of->err);
        if (rc != 0)
                return rc;
        if (faccessat(other.workspace->dir, ".__experimaestro__", F_OK, 0) != 0)
                rc = xpm_fail(of->err, XPM_ENOTFOUND,
                              "the workspace '%s' of the settings, which uses jobs of this one, is not there: those "
                              "would pass for orphans; mount it, or take it out of the settings",
                              path);
        of->view = &other;
        if (rc == 0)
                rc = read_runs(of);
        of->view = view;
        xpm_workspace_close(other.workspace);
        return rc;
}

static int read_users(search *of)
{
        const char *const *users;
        int rc = xpm_settings_users(of->view->settings, of->view->workspace->path, &users, of->err);
        for (size_t i = 1; rc == 0 && users[i]; i++)
                rc = read_user(of, users[i]);
        return rc;
}

/* What has another name than an identifier is no job: somebody has put it there. */
static bool is_identifier(const char *name)
{
        return strspn(name, "0123456789abcdef") == XPM_JOB_ID_SIZE - 1 && !name[XPM_JOB_ID_SIZE - 1];
}

static int add(search *of, const char *task, const char *job)
{
        if (!is_identifier(job))
                return 0;
        if (xpm_arena_reserve(of->view->arena, &of->jobs, &of->capacity, of->count + 1, sizeof *of->jobs) != 0)
                return xpm_fail_memory(of->err);
        of->jobs[of->count++] = (xpm_view_job){.task_id = task, .job_id = job, .tags_json = "{}"};
        return 0;
}

int xpm_act_orphans(xpm_view *view, xpm_view_jobs *out, xpm_error *err)
{
        search of = {.view = view, .err = err};
        size_t kept = 0;
        int rc = walk(&of, "jobs", add);
        if (rc == 0)
                rc = read_runs(&of);
        if (rc == 0)
                rc = read_users(&of);
        for (size_t i = 0; rc == 0 && i < of.count; i++) {
                const char *key = key_of(&of, of.jobs[i].task_id, of.jobs[i].job_id);
                if (!key)
                        rc = XPM_ENOMEM;
                else if (!xpm_map_get(&of.named, key))
                        of.jobs[kept++] = of.jobs[i];
        }
        for (size_t i = 0; rc == 0 && i < kept; i++)
                rc = xpm_view_refresh(view, &of.jobs[i], err);
        xpm_map_release(&of.named);
        if (rc == 0)
                *out = (xpm_view_jobs){.items = of.jobs, .count = kept};
        return rc;
}
