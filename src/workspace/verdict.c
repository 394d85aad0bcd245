/* The worker of a job knows that it was told to end, and writes that down; a scheduler knows why, and says so later.
 * The status is amended first, since it decides, then the marker. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "workspace/jobdir.h"

static const char status_name[] = ".experimaestro/status.json";

/* Status JSON with FAILURE in it; NULL: it tells of no failure, or there is no memory. The caller frees. */
static char *amended(const char *text, size_t length, enum xpm_failure failure)
{
        json_t *status = json_loadb(text, length, 0, NULL);
        const char *state = json_string_value(json_object_get(status, "state"));
        char *line = NULL;
        if (state && strcmp(state, xpm_job_state_word(XPM_JOB_ERROR)) == 0 &&
            json_object_set_new(status, "reason", json_string(xpm_failure_word(failure))) == 0 &&
            json_object_set_new(status, "failure_reason", json_string(xpm_failure_status(failure))) == 0)
                line = json_dumps(status, JSON_COMPACT | JSON_REAL_PRECISION(15));
        json_decref(status);
        return line;
}

int xpm_jobdir_amend(const xpm_jobdir *job, enum xpm_failure failure, xpm_error *err)
{
        enum { LIMIT = 16 << 20 };
        xpm_text text = XPM_TEXT_INIT;
        xpm_job_past past = XPM_JOB_PAST_INIT;
        xpm_jobdir_name name;
        int rc = xpm_file_read(job->dir, status_name, LIMIT, &text, err);
        char *line = rc == 0 ? amended(xpm_text_string(&text), text.length, failure) : NULL;
        if (line) {
                rc = xpm_jobdir_content(job, status_name, line, strlen(line), err);
                if (rc == 0)
                        rc = xpm_job_past_read(job->dir, &past, err);
                xpm_text_clear(&text);
                xpm_job_failed_json(failure, past.code, past.message, &text);
                xpm_jobdir_file(job, "failed", name);
                if (rc == 0)
                        rc = text.failed ? xpm_fail_memory(err)
                                         : xpm_jobdir_content(job, name, text.data, text.length, err);
        }
        free(line);
        xpm_job_past_release(&past);
        xpm_text_release(&text);
        return rc;
}
