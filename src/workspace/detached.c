/* A job is reached by its link in RUN/jobs, which an engine makes before it leaves. */
#include "workspace/detached.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "experimaestro/state.h"

enum { ENVIRONMENT_LIMIT = 16 << 20, STATUS_LIMIT = 16 << 20 };

/* NULL where there is none that can be read as JSON; XPM_ENOMEM goes to *RC. */
static json_t *load(int dir, const char *path, size_t limit, int *rc)
{
        xpm_text text = XPM_TEXT_INIT;
        json_t *json = NULL;
        int read = xpm_file_read(dir, path, limit, &text, NULL);
        if (read == 0)
                json = json_loadb(xpm_text_string(&text), text.length, 0, NULL);
        else if (read == XPM_ENOMEM)
                *rc = XPM_ENOMEM;
        xpm_text_release(&text);
        return json;
}

static int state_of(const json_t *object, const char *key)
{
        const char *word = json_string_value(json_object_get(object, key));
        return word ? xpm_job_state_parse(word) : -1;
}

static bool was_detached(int run, int *rc)
{
        json_t *environment = load(run, "environment.json", ENVIRONMENT_LIMIT, rc);
        const char *word = json_string_value(json_object_get(json_object_get(environment, "run"), "status"));
        bool detached = word && strcmp(word, "detached") == 0;
        json_decref(environment);
        return detached;
}

/* Jobs by `task/job`, with the words for their states as they are now. */
typedef struct left {
        json_t *states;  /* of those that the engine left, and of those that had failed */
        json_t *waiting; /* a list of lines: of those that a scheduler has */
        json_t *keys;    /* a list: of all that it left */
} left;

static json_t *key_of(const json_t *line)
{
        return json_sprintf("%s/%s", json_string_value(json_object_get(line, "task_id")),
                            json_string_value(json_object_get(line, "job_id")));
}

static const char *word_of(const left *left_, const json_t *key)
{
        const char *word = json_string_value(json_object_get(left_->states, json_string_value(key)));
        return word ? word : "";
}

static void look_at(int run, json_t *line, left *left_, int *rc)
{
        char path[PATH_MAX];
        json_t *key = key_of(line);
        snprintf(path, sizeof path, "jobs/%s/.experimaestro/status.json", json_string_value(key));
        json_t *status = load(run, path, STATUS_LIMIT, rc);
        json_t *state = json_object_get(status, "state");
        if (state)
                json_object_set(left_->states, json_string_value(key), state);
        if (state_of(status, "state") == XPM_JOB_SCHEDULED)
                json_array_append(left_->waiting, line);
        json_array_append_new(left_->keys, key);
        json_decref(status);
}

/* Each line of jobs.jsonl, by what the run's status says of its job. */
static void read_lines(int run, const char *line, const json_t *states, left *left_, int *rc)
{
        for (const char *end; *rc == 0 && *line; line = end + (*end == '\n')) {
                end = strchrnul(line, '\n');
                json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL), *key = NULL;
                const char *job_id = json_string_value(json_object_get(json, "job_id"));
                const char *word = job_id ? json_string_value(json_object_get(states, job_id)) : NULL;
                int state = word ? xpm_job_state_parse(word) : -1;
                if (state == XPM_JOB_SCHEDULED || state == XPM_JOB_RUNNING)
                        look_at(run, json, left_, rc);
                else if (word && strncmp(word, "error", strlen("error")) == 0 && (key = key_of(json)))
                        json_object_set_new(left_->states, json_string_value(key), json_string("error"));
                json_decref(key);
                json_decref(json);
        }
}

/* What a scheduler was to start behind one that failed, it ends, and nobody writes that down. */
static void bar(left *left_)
{
        size_t i, k;
        json_t *line, *other;
        for (bool changed = true; changed;) {
                changed = false;
                json_array_foreach(left_->waiting, i, line)
                {
                        json_t *key = key_of(line);
                        bool failed = false;
                        json_array_foreach(json_object_get(line, "depends_on"), k, other)
                        {
                                failed |= strcmp(word_of(left_, other), "error") == 0;
                        }
                        if (failed && strcmp(word_of(left_, key), "error") != 0) {
                                json_object_set_new(left_->states, json_string_value(key), json_string("error"));
                                changed = true;
                        }
                        json_decref(key);
                }
        }
}

static void count(const left *left_, xpm_detached *out)
{
        size_t i;
        json_t *key;
        json_array_foreach(left_->keys, i, key)
        {
                switch (xpm_job_state_parse(word_of(left_, key))) {
                case XPM_JOB_SCHEDULED: out->scheduled++; break;
                case XPM_JOB_RUNNING: out->running++; break;
                case XPM_JOB_DONE: out->done++; break;
                case XPM_JOB_ERROR: out->failed++; break;
                default: out->gone++; break;
                }
        }
}

int xpm_detached_look(int run, xpm_detached *out, xpm_error *err)
{
        int rc = 0;
        xpm_text lines = XPM_TEXT_INIT;
        *out = (xpm_detached){0};
        if (!was_detached(run, &rc))
                return rc == 0 ? 0 : xpm_fail_memory(err);
        json_t *status = load(run, "status.json", 0, &rc);
        if (rc == 0 && xpm_file_read(run, "jobs.jsonl", 0, &lines, NULL) == XPM_ENOMEM)
                rc = XPM_ENOMEM;
        const json_t *states = json_object_get(status, "job_states");
        left left_ = {json_object(), json_array(), json_array()};
        if (states)
                read_lines(run, xpm_text_string(&lines), states, &left_, &rc);
        else
                out->scheduled = 1; /* for all that is known */
        bar(&left_);
        count(&left_, out);
        json_decref(left_.states);
        json_decref(left_.waiting);
        json_decref(left_.keys);
        xpm_text_release(&lines);
        json_decref(status);
        return rc == 0 ? 1 : xpm_fail_memory(err);
}
