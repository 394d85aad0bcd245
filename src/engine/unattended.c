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

/* What keeps JOB from being left to its scheduler; NULL: nothing. */
static const char *find_obstacle(const xpm_experiment *experiment, const xpm_job *job)
{
        const xpm_retry *retry = &job->step->templates->retry;
        const xpm_candidate *candidate = &experiment->candidates.list[experiment->choices[job->index].candidate];
        if (retry->on_timeout || retry->on_memory || retry->on_lost || retry->on_failed)
                return "it has a 'retry', which an engine has to see to";
        if (xpm_claims_wanted(job))
                return "it wants tokens or partials, which an engine has to hand out";
        if (!candidate->ops || !candidate->ops->chains)
                return "its launcher cannot let jobs follow each other: give it one of Slurm's, by --launcher or in "
                       "the file";
        return NULL;
}

/* A job that is to be submitted; what runs already is let be. */
static bool is_to_go(const xpm_experiment *experiment, const xpm_job *job)
{
        switch (xpm_job_outlook(experiment, job)) {
        case XPM_OUTLOOK_RUN:
        case XPM_OUTLOOK_BLOCKED:
        case XPM_OUTLOOK_UNFIT: return true;
        case XPM_OUTLOOK_FAILED: return !experiment->options.keep_failed;
        default: return false;
        }
}

static int check(xpm_experiment *experiment, const xpm_job *job, xpm_error *err)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_text why = XPM_TEXT_INIT;
        bool unfit = experiment->choices[job->index].unfit;
        const char *words = unfit ? NULL : find_obstacle(experiment, job);
        if (!is_to_go(experiment, job) || (!unfit && !words))
                return 0;
        int rc = unfit ? xpm_experiment_explain_unfit(experiment, job, &why, err) : 0;
        xpm_job_identifier(job, id);
        if (rc == 0)
                rc = xpm_fail(err, XPM_EUSAGE,
                              "nothing is submitted: %s/%.8s of step '%s' cannot be left to a scheduler: %s; run it "
                              "without --submit-all, or leave it out with --only or --where",
                              xpm_job_task(job), id, xpm_job_step(job), words ? words : xpm_text_string(&why));
        xpm_text_release(&why);
        return rc;
}

int xpm_unattended_check(xpm_experiment *experiment, xpm_error *err)
{
        if (!experiment->options.submit_all)
                return 0;
        int rc = xpm_experiment_look(experiment, NULL, err);
        for (size_t i = 0; rc == 0 && i < experiment->plan->job_count; i++)
                rc = check(experiment, experiment->plan->jobs[i], err);
        return rc;
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
