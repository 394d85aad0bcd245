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

static void look_at(int run, const char *task_id, const char *job_id, xpm_detached *out, int *rc)
{
        char path[PATH_MAX];
        snprintf(path, sizeof path, "jobs/%s/%s/.experimaestro/status.json", task_id, job_id);
        json_t *status = load(run, path, STATUS_LIMIT, rc);
        switch (state_of(status, "state")) {
        case XPM_JOB_SCHEDULED: out->scheduled++; break;
        case XPM_JOB_RUNNING: out->running++; break;
        case XPM_JOB_DONE: out->done++; break;
        case XPM_JOB_ERROR: out->failed++; break;
        default: out->gone++; break;
        }
        json_decref(status);
}

/* Each line of jobs.jsonl whose job had not ended, as far as STATES tells. */
static void look_at_lines(int run, const char *line, const json_t *states, xpm_detached *out, int *rc)
{
        for (const char *end; *rc == 0 && *line; line = end + (*end == '\n')) {
                end = strchrnul(line, '\n');
                json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL);
                const char *job_id = json_string_value(json_object_get(json, "job_id"));
                const char *task_id = json_string_value(json_object_get(json, "task_id"));
                int state = job_id ? state_of(states, job_id) : -1;
                if (task_id && (state == XPM_JOB_SCHEDULED || state == XPM_JOB_RUNNING))
                        look_at(run, task_id, job_id, out, rc);
                json_decref(json);
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
        if (states)
                look_at_lines(run, xpm_text_string(&lines), states, out, &rc);
        else
                out->scheduled = 1; /* for all that is known */
        xpm_text_release(&lines);
        json_decref(status);
        return rc == 0 ? 1 : xpm_fail_memory(err);
}
