/* `submit_all`: nobody waits for jobs to end. A job that a scheduler has accepted counts as done for those that depend
 * on it; they are handed over with its handle, and the scheduler keeps the order. So the loop is the usual one, and
 * ends when there is nothing left to hand over. What only an engine can do is refused before anything is submitted. */
#include <stdlib.h>
#include <string.h>

#include "engine/runner.h"
#include "plan/template.h"

int xpm_runner_open_unattended(xpm_runner *runner)
{
        if (!runner->experiment->options.submit_all)
                return 0;
        runner->handles = calloc(runner->plan->job_count + 1, sizeof *runner->handles);
        return runner->handles ? 0 : xpm_fail_memory(runner->err);
}

void xpm_runner_close_unattended(xpm_runner *runner)
{
        for (size_t job = 0; runner->handles && job < runner->plan->job_count; job++)
                free(runner->handles[job]);
        free(runner->handles);
        runner->handles = NULL;
}

/* What keeps JOB from being left to its scheduler, in words that go on after its name; NULL: nothing. */
static const char *find_obstacle(const xpm_runner *runner, size_t job)
{
        const xpm_job *one = runner->plan->jobs[job];
        const xpm_retry *retry = &one->step->templates->retry;
        const xpm_port *port = &runner->ports[runner->jobs[job].port];
        if (!port->ops->chains)
                return "runs here, by a launcher that ends with xpm; give it one of Slurm's, or run it before";
        if (retry->on_timeout || retry->on_memory || retry->on_lost || retry->on_failed)
                return "has 'retry', and nobody would try again; run without --submit-all, or with --submit";
        if (xpm_claims_wanted(one))
                return "holds tokens or a partial, and nobody would hand them on; run without --submit-all, or with "
                       "--submit";
        return NULL;
}

int xpm_runner_check_unattended(xpm_runner *runner)
{
        if (!runner->experiment->options.submit_all)
                return 0;
        for (size_t job = 0; job < runner->plan->job_count; job++) {
                const char *obstacle = runner->jobs[job].state == XPM_JOB_WAITING && !runner->jobs[job].seen &&
                                                       !runner->experiment->choices[job].unfit
                                               ? find_obstacle(runner, job)
                                               : NULL;
                if (!obstacle)
                        continue;
                char id[XPM_JOB_ID_SIZE];
                xpm_job_identifier(runner->plan->jobs[job], id);
                return xpm_fail(runner->err, XPM_ELAUNCHER, "nothing was submitted: %s/%.8s %s",
                                xpm_job_task(runner->plan->jobs[job]), id, obstacle);
        }
        return 0;
}

void xpm_runner_accepted(xpm_runner *runner, size_t job, const char *handle)
{
        xpm_tracked *tracked = &runner->jobs[job];
        if (!runner->handles || tracked->accepted)
                return;
        free(runner->handles[job]);
        runner->handles[job] = strdup(handle);
        if (!runner->handles[job]) {
                runner->rc = xpm_fail_memory(runner->err);
                return;
        }
        tracked->accepted = true;
        runner->accepted++;
        xpm_runner_free_dependents(runner, job);
}

const char *const *xpm_runner_after(const xpm_runner *runner, size_t job, xpm_arena *arena)
{
        const xpm_job *one = runner->plan->jobs[job];
        size_t count = 0;
        const char **after = runner->handles && one->dependency_count > 0
                                     ? xpm_arena_calloc(arena, one->dependency_count + 1, sizeof *after)
                                     : NULL;
        for (size_t i = 0; after && i < one->dependency_count; i++) {
                size_t needed = one->dependencies[i]->index;
                if (runner->jobs[needed].accepted)
                        after[count++] = runner->handles[needed];
        }
        return after;
}
