/* A job that fails for want of a dependency, or of a launcher, or that its scheduler ended before it began, never
 * reaches a worker, and one that was lost for good has none any more, so the engine writes its end, in the same way and
 * under the same lock. A directory that somebody else holds, or that is done after all, is left to them. */
#include <string.h>

#include "engine/runner.h"
#include "workspace/jobdir.h"

/* HANDLE: only while a scheduler has it under that name; NULL: in any case. */
static int write_end(xpm_jobdir *dir, const xpm_job *job, const char *handle, enum xpm_failure failure,
                     const char *message, xpm_error *err)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_job_past past = XPM_JOB_PAST_INIT;
        int rc = xpm_jobdir_lock(dir, NULL);
        if (rc == XPM_ELOCKED)
                return 0;
        if (rc != 0)
                return xpm_jobdir_lock(dir, err);
        rc = xpm_jobdir_past(dir, &past, err);
        xpm_job_identifier(job, id);
        bool meant = !handle || (past.state == XPM_JOB_SCHEDULED && strcmp(past.handle, handle) == 0);
        bool ended = past.state == XPM_JOB_DONE || (failure == XPM_FAILURE_LOST && past.state == XPM_JOB_ERROR);
        if (rc == 0 && meant && !ended) {
                int64_t now = xpm_time_now();
                const xpm_job_status status = {
                        .job_id = id,
                        .task_id = xpm_job_task(job),
                        .path = dir->path,
                        .state = XPM_JOB_ERROR,
                        .failure = failure,
                        .message = message,
                        .code = -1,
                        .submitted = now,
                        .ended = now,
                        .attempt = past.attempt,
                        .attempts = xpm_text_string(&past.attempts),
                };
                rc = xpm_jobdir_commit(dir, &status, false, err);
        }
        xpm_job_past_release(&past);
        return rc;
}

static int open_directory(const xpm_runner *runner, size_t index, xpm_text *path, xpm_jobdir *dir, xpm_error *err)
{
        const xpm_workspace *workspace = runner->experiment->workspace;
        const xpm_job *job = runner->plan->jobs[index];
        char id[XPM_JOB_ID_SIZE];
        xpm_job_identifier(job, id);
        xpm_text_printf(path, "%s/jobs/%s/%s", workspace->path, xpm_job_task(job), id);
        dir->path = xpm_text_string(path);
        dir->script = xpm_job_script(job);
        dir->directory_mode = workspace->directory_mode;
        dir->file_mode = workspace->file_mode;
        return path->failed ? xpm_fail_memory(err) : xpm_jobdir_open(dir, true, err);
}

static int record(xpm_runner *runner, size_t index, const char *handle, enum xpm_failure failure, const char *message,
                  xpm_error *err)
{
        xpm_text path = XPM_TEXT_INIT;
        xpm_jobdir dir = XPM_JOBDIR_INIT;
        int rc = open_directory(runner, index, &path, &dir, err);
        if (rc == 0)
                rc = write_end(&dir, runner->plan->jobs[index], handle, failure, message, err);
        xpm_jobdir_release(&dir);
        xpm_text_release(&path);
        return rc;
}

int xpm_runner_record_barred(xpm_runner *runner, size_t index, enum xpm_failure failure, const char *message,
                             xpm_error *err)
{
        return record(runner, index, NULL, failure, message, err);
}

int xpm_runner_record_unbegun(xpm_runner *runner, size_t index, const char *handle, const xpm_job_end *end,
                              xpm_error *err)
{
        return record(runner, index, handle, end->failure, end->message, err);
}

int xpm_runner_record_verdict(xpm_runner *runner, size_t index, enum xpm_failure failure, xpm_error *err)
{
        xpm_text path = XPM_TEXT_INIT;
        xpm_jobdir dir = XPM_JOBDIR_INIT;
        xpm_error inner = XPM_ERROR_NONE;
        int rc = open_directory(runner, index, &path, &dir, err);
        if (rc == 0 && xpm_jobdir_lock(&dir, &inner) == 0)
                rc = xpm_jobdir_amend(&dir, failure, err);
        xpm_jobdir_release(&dir);
        xpm_text_release(&path);
        return rc;
}
