/* Transient jobs: run only for the sake of others. What is to run needs what it depends on; a transient job that
 * nothing of the kind needs, directly or through other transient jobs, is spared. One that is to be removed goes when
 * the run ends and all that needed it is done. */
#include "engine/transient.h"

#include <stdlib.h>

#include "engine/runner.h"
#include "plan/template.h"
#include "workspace/jobremove.h"

static int kind_of(const xpm_job *job)
{
        return job->step->templates->transient;
}

static bool has_transients(const xpm_plan *plan)
{
        for (size_t i = 0; i < plan->step_count; i++)
                if (plan->steps[i].templates && plan->steps[i].templates->transient != XPM_TRANSIENT_NO)
                        return true;
        return false;
}

/* What is to run needs what it depends on; what is needed runs, and needs in its turn. */
static void follow_needs(const xpm_plan *plan, xpm_queue *needed, bool *spared)
{
        while (xpm_queue_length(needed) > 0) {
                const xpm_job *job = plan->jobs[xpm_queue_pop(needed)];
                for (size_t i = 0; i < job->dependency_count; i++) {
                        size_t dependency = job->dependencies[i]->index;
                        if (!spared[dependency])
                                continue;
                        spared[dependency] = false;
                        xpm_queue_push(needed, dependency);
                }
        }
}

int xpm_transients_spare(const xpm_plan *plan, const xpm_transient_source *source, bool **out, xpm_error *err)
{
        xpm_queue needed;
        *out = NULL;
        if (!has_transients(plan))
                return 0;
        bool *spared = calloc(plan->job_count + 1, sizeof *spared);
        if (!spared)
                return xpm_fail_memory(err);
        int rc = xpm_queue_init(&needed, plan->job_count, err);
        if (rc != 0) {
                free(spared);
                return rc;
        }
        for (size_t i = 0; i < plan->job_count; i++) {
                if (!source->would_run(source->data, i))
                        continue;
                spared[i] = kind_of(plan->jobs[i]) != XPM_TRANSIENT_NO;
                if (!spared[i])
                        xpm_queue_push(&needed, i);
        }
        follow_needs(plan, &needed, spared);
        xpm_queue_release(&needed);
        *out = spared;
        return 0;
}

/* Done, and so is all that needs it. */
static bool is_of_no_more_use(const xpm_runner *runner, size_t job)
{
        size_t count;
        const uint32_t *dependents = xpm_graph_dependents(&runner->graph, job, &count);
        if (runner->jobs[job].state != XPM_JOB_DONE || kind_of(runner->plan->jobs[job]) != XPM_TRANSIENT_REMOVE)
                return false;
        for (size_t i = 0; i < count; i++) {
                enum xpm_job_state state = runner->jobs[dependents[i]].state;
                if (state != XPM_JOB_DONE && state != XPM_JOB_TRANSIENT)
                        return false;
        }
        return true;
}

/* One that somebody runs, or that another run counts on, stays. */
static int remove_job(const xpm_runner *runner, xpm_underway *underway, size_t index)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_error inner = XPM_ERROR_NONE;
        const xpm_job *job = runner->plan->jobs[index];
        xpm_job_identifier(job, id);
        int rc = xpm_job_remove(runner->experiment->workspace, underway, xpm_job_task(job), id, true, &inner);
        if (rc == 0)
                return xpm_run_forget_link(runner->run, runner->slots[index], runner->err);
        return rc == XPM_ELOCKED || rc == XPM_ENOTFOUND ? 0 : xpm_fail(runner->err, rc, "%s", inner.message);
}

int xpm_runner_remove_transients(xpm_runner *runner)
{
        const xpm_experiment *experiment = runner->experiment;
        const char *const *users;
        xpm_underway *underway = NULL;
        if (!has_transients(runner->plan))
                return 0;
        int rc = xpm_settings_users(experiment->settings, experiment->workspace->path, &users, runner->err);
        if (rc == 0)
                rc = xpm_underway_open(users, experiment->plan->id, &underway, runner->err);
        for (size_t i = 0; rc == 0 && i < runner->plan->job_count; i++)
                if (is_of_no_more_use(runner, i))
                        rc = remove_job(runner, underway, i);
        xpm_underway_close(underway);
        return rc;
}
