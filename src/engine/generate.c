/* Run files without running: every job that is not done gets its directory, params.json and run file, and a RUN lists
 * them all, so that what a person then runs by hand is found again as if the engine had run it. */
#include <stdlib.h>

#include "engine/claim.h"
#include "engine/launch.h"
#include "exec/runfile.h"
#include "workspace/probe.h"

static enum xpm_job_state outlook_state(const void *data, size_t job)
{
        const xpm_experiment *experiment = data;
        switch ((enum xpm_outlook)experiment->outlooks[job]) {
        case XPM_OUTLOOK_DONE:
        case XPM_OUTLOOK_CHANGED: return XPM_JOB_DONE;
        case XPM_OUTLOOK_RUNNING: return XPM_JOB_RUNNING;
        case XPM_OUTLOOK_SPARED: return XPM_JOB_TRANSIENT;
        default: return XPM_JOB_UNSCHEDULED;
        }
}

static int write_job(xpm_experiment *experiment, const xpm_job *job, xpm_error *err)
{
        xpm_rendered rendered;
        size_t chosen = experiment->choices[job->index].candidate;
        int rc = xpm_candidates_load(&experiment->candidates, chosen, err);
        if (rc == 0)
                rc = xpm_rendered_init(&rendered, experiment, job, experiment->candidates.list[chosen].ops->script,
                                       err);
        if (rc != 0)
                return rc;
        rc = xpm_runfile_write(&rendered.spec, xpm_text_string(&rendered.script), rendered.script.length,
                               xpm_text_string(&rendered.params), rendered.params.length,
                               experiment->workspace->directory_mode, experiment->workspace->file_mode, err);
        xpm_rendered_release(&rendered);
        return rc;
}

static int look(void *data, xpm_error *err)
{
        return xpm_experiment_look(data, NULL, err);
}

static int write_all(xpm_experiment *experiment, size_t *written, xpm_error *err)
{
        const xpm_survey survey = {experiment, look, outlook_state};
        size_t count = experiment->plan->job_count;
        xpm_run *run;
        size_t *slots = calloc(count + 1, sizeof *slots);
        if (!slots)
                return xpm_fail_memory(err);
        int rc = xpm_experiment_begin(experiment, &survey, slots, &run, err);
        free(slots);
        if (rc != 0)
                return rc;
        /* Run files take their tokens themselves. */
        xpm_claims claims;
        rc = xpm_claims_open(&claims, experiment, xpm_run_name(run), err);
        xpm_claims_close(&claims);
        for (size_t i = 0; rc == 0 && i < count; i++)
                if (outlook_state(experiment, i) == XPM_JOB_UNSCHEDULED) {
                        rc = write_job(experiment, experiment->plan->jobs[i], err);
                        *written += rc == 0;
                }
        int ended = xpm_run_end(run, rc == 0 ? XPM_RUN_DONE : XPM_RUN_FAILED, rc == 0 ? err : NULL);
        return rc == 0 ? ended : rc;
}

bool xpm_experiment_schedules(const xpm_experiment *experiment)
{
        for (size_t i = 0; i < experiment->plan->job_count; i++) {
                const xpm_candidate *chosen = &experiment->candidates.list[experiment->choices[i].candidate];
                if (chosen->ops && chosen->ops->directives)
                        return true;
        }
        return false;
}

int xpm_experiment_generate(xpm_experiment *experiment, size_t *written, xpm_error *err)
{
        size_t count = 0;
        int rc = xpm_experiment_prepare(experiment, err);
        if (rc == 0)
                rc = write_all(experiment, &count, err);
        if (rc == 0 && written)
                *written = count;
        return rc;
}
