/* The jobs of the current runs: who they are from jobs.jsonl, how they are from status.json, so that a list of a
 * hundred thousand jobs reads two files. Directories of jobs are asked only where that file is no last word: for jobs
 * that had no end when it was written (a generated job may have been run by hand since), and, when they are few, for
 * those that failed, since another experiment may have done them. Of the others only whether they are still there: a
 * job that was cleaned is not done any more. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/map.h"
#include "base/number.h"
#include "monitor/presence.h"
#include "monitor/viewstate.h"
#include "workspace/probe.h"

enum { FEW = 1000 };

/* Jobs while they are collected; `index` finds them by `task/job`. */
typedef struct collection {
        xpm_view *view;
        xpm_view_job **jobs;
        size_t count, capacity;
        size_t order; /* of the last one that was read */
        xpm_map index;
        xpm_presence presence;
        xpm_error *err;
} collection;

/* The run whose jobs are being read. */
typedef struct source {
        const char *experiment, *directory;
        xpm_view_run run;
        json_t *states; /* borrowed */
} source;

/* `..` or a slash in a file that anybody may have written must not lead elsewhere. */
static bool is_name(const char *name)
{
        return name && *name && *name != '.' && !strchr(name, '/');
}

static const char *keep(collection *jobs, const char *string)
{
        const char *kept = xpm_arena_strdup(jobs->view->arena, string);
        if (!kept)
                xpm_fail_memory(jobs->err);
        return kept;
}

/* JSON as text, in the arena. */
static const char *dump(collection *jobs, const json_t *json)
{
        char *text = json_dumps(json, JSON_ENCODE_ANY);
        const char *kept = text ? keep(jobs, text) : NULL;
        if (!text)
                xpm_fail_memory(jobs->err);
        free(text);
        return kept;
}

static int read_tag(collection *jobs, const char *name, const json_t *json, xpm_view_tag *tag)
{
        char number[XPM_FLOAT_SIZE];
        tag->name = keep(jobs, name);
        switch (json_typeof(json)) {
        case JSON_STRING:
                tag->text = keep(jobs, json_string_value(json));
                tag->value = (xpm_filter_value){.kind = XPM_STR, .string = tag->text};
                tag->value.length = tag->text ? strlen(tag->text) : 0;
                break;
        case JSON_REAL:
                tag->value = (xpm_filter_value){.kind = XPM_FLOAT, .number = json_real_value(json)};
                xpm_float_format(number, tag->value.number);
                tag->text = keep(jobs, number);
                break;
        case JSON_INTEGER:
                tag->value = (xpm_filter_value){.kind = XPM_INT, .integer = json_integer_value(json)};
                tag->text = dump(jobs, json);
                break;
        case JSON_TRUE:
        case JSON_FALSE:
                tag->value = (xpm_filter_value){.kind = XPM_BOOL, .boolean = json_is_true(json)};
                tag->text = dump(jobs, json);
                break;
        default: tag->text = dump(jobs, json);
        }
        return tag->name && tag->text ? 0 : XPM_ENOMEM;
}

static int read_tags(collection *jobs, const json_t *object, xpm_view_job *job)
{
        const char *name;
        json_t *value;
        size_t count = json_object_size(object);
        xpm_view_tag *tags = xpm_arena_calloc(jobs->view->arena, count, sizeof *tags);
        job->tags = tags;
        job->tags_json = json_is_object(object) ? dump(jobs, object) : "{}";
        if (!tags || !job->tags_json)
                return xpm_fail_memory(jobs->err);
        json_object_foreach((json_t *)object, name, value)
        {
                int rc = read_tag(jobs, name, value, &tags[job->tag_count++]);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

/* What the run recorded. */
static void read_state(const source *from, xpm_view_job *job)
{
        const char *word = json_string_value(json_object_get(from->states, job->job_id));
        if (!xpm_view_parse_state(word, &job->state, &job->failure))
                job->state = XPM_JOB_UNSCHEDULED;
}

static int grow(collection *jobs)
{
        if (jobs->count < jobs->capacity)
                return 0;
        size_t capacity = jobs->capacity ? jobs->capacity * 2 : 256;
        xpm_view_job **more = realloc(jobs->jobs, capacity * sizeof *more);
        if (!more)
                return xpm_fail_memory(jobs->err);
        jobs->jobs = more;
        jobs->capacity = capacity;
        return 0;
}

/* The place of TASK_ID/JOB_ID: one that an earlier submission has already gets the later one's. */
static int find_place(collection *jobs, const char *task_id, const char *job_id, double submitted, xpm_view_job **out)
{
        const char *key = xpm_arena_printf(jobs->view->arena, "%s/%s", task_id, job_id);
        xpm_view_job *job = key ? xpm_map_get(&jobs->index, key) : NULL;
        *out = NULL;
        if (!key)
                return xpm_fail_memory(jobs->err);
        if (job && job->submitted > submitted)
                return 0;
        if (!job) {
                job = xpm_arena_alloc(jobs->view->arena, sizeof *job);
                if (!job || xpm_map_put(&jobs->index, key, job) != 0)
                        return xpm_fail_memory(jobs->err);
                int rc = grow(jobs);
                if (rc != 0)
                        return rc;
                jobs->jobs[jobs->count++] = job;
        }
        *job = (xpm_view_job){.submitted = submitted, .order = ++jobs->order, .job_id = strrchr(key, '/') + 1};
        job->task_id = xpm_arena_strndup(jobs->view->arena, key, (size_t)(job->job_id - 1 - key));
        if (!job->task_id)
                return xpm_fail_memory(jobs->err);
        *out = job;
        return 0;
}

static int read_job(collection *jobs, const source *from, const json_t *line)
{
        const char *task_id = json_string_value(json_object_get(line, "task_id"));
        const char *job_id = json_string_value(json_object_get(line, "job_id"));
        xpm_view_job *job;
        if (!is_name(task_id) || !is_name(job_id))
                return 0;
        int rc = find_place(jobs, task_id, job_id, json_number_value(json_object_get(line, "timestamp")), &job);
        if (rc != 0 || !job)
                return rc;
        const json_t *dependencies = json_object_get(line, "depends_on");
        job->experiment = from->experiment;
        job->run = from->run.name;
        rc = xpm_view_string(jobs->view, line, "step", &job->step, jobs->err);
        if (rc == 0)
                rc = read_tags(jobs, json_object_get(line, "tags"), job);
        if (rc == 0 && json_is_array(dependencies) && !(job->dependencies = dump(jobs, dependencies)))
                rc = XPM_ENOMEM;
        read_state(from, job);
        return rc;
}

/* A line that is cut off at the end is one that is being written. */
static int read_lines(collection *jobs, const source *from)
{
        xpm_text text = XPM_TEXT_INIT;
        const char *path = xpm_arena_printf(jobs->view->arena, "%s/jobs.jsonl", from->directory);
        if (!path)
                return xpm_fail_memory(jobs->err);
        int rc = xpm_file_read(jobs->view->workspace->dir, path, 0, &text, NULL);
        if (rc != 0)
                return rc == XPM_ENOMEM ? xpm_fail_memory(jobs->err) : 0;
        for (const char *line = xpm_text_string(&text), *end; rc == 0 && *line; line = end + (*end == '\n')) {
                end = strchrnul(line, '\n');
                json_t *json;
                rc = xpm_view_parse(line, (size_t)(end - line), &json, jobs->err);
                if (rc == 0)
                        rc = read_job(jobs, from, json);
                json_decref(json);
        }
        xpm_text_release(&text);
        return rc;
}

/* What the run recorded of a job whose directory tells of nothing. */
static void correct(const source *from, const xpm_probe *found, xpm_view_job *job)
{
        bool open = job->state != XPM_JOB_DONE && job->state != XPM_JOB_ERROR && job->state != XPM_JOB_TRANSIENT;
        if (found->state != XPM_JOB_UNSCHEDULED) {
                job->state = found->state;
                job->failure = found->failure;
        } else if (open && from->run.status != XPM_RUN_IS_RUNNING && from->run.status != XPM_RUN_IS_DETACHED) {
                job->state = XPM_JOB_UNSCHEDULED;
                job->failure = found->failure;
        }
}

static int probe(xpm_view *view, const xpm_view_job *job, xpm_probe *found, xpm_error *err)
{
        return xpm_probe_job(view->workspace, job->task_id, xpm_view_script(job->task_id), job->job_id, false, found,
                             err);
}

/* JOB, which has ended, may have been removed since, here or in the folder that it was done in. What failed for want of
 * another may never have had a directory. */
static int look_whether_it_is_there(collection *jobs, xpm_view_job *job)
{
        xpm_probe found;
        if (job->failure == XPM_FAILURE_DEPENDENCY)
                return 0;
        int rc = xpm_presence_look(&jobs->presence, job, jobs->err);
        if (rc != 0)
                return rc < 0 ? rc : 0;
        rc = probe(jobs->view, job, &found, jobs->err);
        if (rc == 0) {
                job->state = found.state;
                job->failure = found.failure;
                job->removed = found.state == XPM_JOB_UNSCHEDULED;
        }
        return rc;
}

/* Ask the directories of the jobs of a run that are not done. */
static int look(collection *jobs, const source *from)
{
        enum xpm_run_status status = from->run.status;
        bool ended = status == XPM_RUN_IS_DONE || status == XPM_RUN_IS_FAILED || status == XPM_RUN_IS_CANCELLED;
        size_t failures = ended ? FEW : SIZE_MAX;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < jobs->count; i++) {
                xpm_view_job *job = jobs->jobs[i];
                xpm_probe found;
                if (job->experiment != from->experiment)
                        continue;
                if (job->state != XPM_JOB_DONE && (job->state != XPM_JOB_ERROR || failures > 0)) {
                        failures -= job->state == XPM_JOB_ERROR;
                        rc = probe(jobs->view, job, &found, jobs->err);
                        if (rc == 0)
                                correct(from, &found, job);
                }
                if (rc == 0 && (job->state == XPM_JOB_DONE || job->state == XPM_JOB_ERROR))
                        rc = look_whether_it_is_there(jobs, job);
        }
        return rc;
}

static int read_experiment(collection *jobs, const char *id, bool want_probe)
{
        const char **names, *current;
        size_t count;
        json_t *status = NULL;
        source from = {.experiment = id};
        int rc = xpm_view_run_names(jobs->view, id, &names, &count, &current, jobs->err);
        if (rc != 0 || !current)
                return rc;
        rc = xpm_view_read_run(jobs->view, id, current, true, &from.run, &status, jobs->err);
        from.directory = xpm_arena_printf(jobs->view->arena, "experiments/%s/%s", id, current);
        from.states = json_object_get(status, "job_states");
        if (rc == 0)
                rc = from.directory ? read_lines(jobs, &from) : xpm_fail_memory(jobs->err);
        json_decref(status);
        return rc == 0 && want_probe ? look(jobs, &from) : rc;
}

/* The latest first; of those submitted at the same time the last one. */
static int by_time(const void *a, const void *b)
{
        const xpm_view_job *const *left = a, *const *right = b;
        if ((*left)->submitted != (*right)->submitted)
                return (*left)->submitted < (*right)->submitted ? 1 : -1;
        return (*left)->order < (*right)->order ? 1 : -1;
}

static int finish(collection *jobs, xpm_view_jobs *out)
{
        if (jobs->count > 0)
                qsort(jobs->jobs, jobs->count, sizeof *jobs->jobs, by_time);
        out->count = jobs->count;
        out->items = xpm_arena_calloc(jobs->view->arena, jobs->count + 1, sizeof *out->items);
        for (size_t i = 0; out->items && i < jobs->count; i++)
                out->items[i] = *jobs->jobs[i];
        return out->items ? 0 : xpm_fail_memory(jobs->err);
}

int xpm_view_collect_jobs(xpm_view *view, const char *const *experiments, bool want_probe, xpm_view_jobs *out,
                          xpm_error *err)
{
        const char **ids;
        size_t count;
        collection jobs = {.view = view, .presence = {.view = view}, .err = err};
        int rc = xpm_view_ids(view, experiments, &ids, &count, err);
        for (size_t i = 0; rc == 0 && i < count; i++)
                rc = read_experiment(&jobs, ids[i], want_probe);
        if (rc == 0)
                rc = finish(&jobs, out);
        xpm_presence_release(&jobs.presence);
        xpm_map_release(&jobs.index);
        free(jobs.jobs);
        return rc;
}

int xpm_view_list_jobs(xpm_view *view, const char *const *experiments, xpm_view_jobs *out, xpm_error *err)
{
        return xpm_view_collect_jobs(view, experiments, true, out, err);
}

const char *xpm_view_job_path(xpm_view *view, const xpm_view_job *job)
{
        return xpm_arena_printf(view->arena, "%s/jobs/%s/%s", view->workspace->path, job->task_id, job->job_id);
}

int xpm_view_refresh(xpm_view *view, xpm_view_job *job, xpm_error *err)
{
        xpm_probe found;
        int rc = probe(view, job, &found, err);
        if (rc == 0) {
                job->state = found.state;
                job->failure = found.failure;
        }
        return rc;
}
