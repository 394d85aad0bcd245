/* status.json of a run: the fields of the reference implementation, whose readers stumble over a job state that is no
 * string and give other meanings to the names events_count, workdir, total_jobs, finished_jobs, failed_jobs, job_infos
 * and jobs: those are never written. */

#include "base/file.h"
#include "base/json.h"
#include "workspace/runstate.h"
#include "workspace/status.h"

static void put_string(xpm_text *text, const char *key, const char *value)
{
        xpm_json_key(text, key);
        xpm_json_cstring(text, value);
}

static void put_time(xpm_text *text, const char *key, int64_t microseconds)
{
        char iso[XPM_ISO_TIME_SIZE];
        if (microseconds)
                xpm_iso_time(microseconds, iso);
        put_string(text, key, microseconds ? iso : NULL);
}

static void put_states(const xpm_run *run, xpm_text *text)
{
        xpm_json_key(text, "job_states");
        xpm_text_putc(text, '{');
        for (size_t i = 0; i < run->count; i++) {
                const xpm_run_entry *entry = &run->entries[i];
                put_string(text, entry->job_id, xpm_job_state_word((enum xpm_job_state)entry->state));
                if (entry->state == XPM_JOB_ERROR) {
                        xpm_text_cut(text, text->length - 1);
                        xpm_text_putc(text, ':');
                        xpm_text_puts(text, xpm_failure_status((enum xpm_failure)entry->failure));
                        xpm_text_putc(text, '"');
                }
        }
        xpm_text_putc(text, '}');
}

static void put_counts(const xpm_run *run, xpm_text *text)
{
        xpm_json_key(text, "counts");
        xpm_text_putc(text, '{');
        for (size_t i = 0; i < XPM_RUN_STATES; i++)
                if (run->counts[i] > 0) {
                        xpm_json_key(text, xpm_job_state_word((enum xpm_job_state)i));
                        xpm_json_int(text, (int64_t)run->counts[i]);
                }
        xpm_text_putc(text, '}');
}

void xpm_run_status_json(const xpm_run *run, const char *status, bool cancelled, int64_t ended, xpm_text *text)
{
        xpm_text_reserve(text, 1024 + run->count * 90 + run->dependencies.length);
        xpm_text_puts(text, "{\"version\": 1");
        put_string(text, "experiment_id", run->info.experiment_id);
        put_string(text, "run_id", run->name);
        put_string(text, "status", status);
        if (cancelled)
                xpm_text_puts(text, ", \"cancelled\": true");
        put_string(text, "hostname", run->host);
        put_time(text, "started_at", run->started);
        put_time(text, "ended_at", ended);
        put_string(text, "title", run->info.title);
        put_string(text, "subtitle", run->info.subtitle);
        put_string(text, "description", run->info.description);
        put_string(text, "paper", run->info.paper);
        put_counts(run, text);
        xpm_json_key(text, "requests");
        xpm_json_int(text, (int64_t)run->requests);
        xpm_text_puts(text, ", \"services\": {}, \"actions\": {}, \"run_tags\": []");
        put_time(text, "last_updated", xpm_time_now());
        put_states(run, text);
        xpm_json_key(text, "dependencies");
        xpm_text_putc(text, '{');
        xpm_text_append(text, run->dependencies.data, run->dependencies.length);
        xpm_text_puts(text, "}}\n");
}

int xpm_run_write_status(xpm_run *run, const char *status, bool cancelled, int64_t ended, xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        xpm_run_status_json(run, status, cancelled, ended, &text);
        int rc = text.failed ? xpm_fail_memory(err)
                             : xpm_file_replace(run->dir, "status.json", text.data, text.length,
                                                run->workspace->file_mode, &inner);
        if (inner.code)
                xpm_fail(err, inner.code, "%s (in '%s')", inner.message, run->path);
        xpm_text_release(&text);
        if (rc == 0)
                run->changed = false;
        return rc;
}
