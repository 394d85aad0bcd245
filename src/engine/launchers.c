/* Which launcher each job gets: the one that the option, the step, the task or the experiment names, else whichever can
 * run it (choice.h). Jobs of a step that ask for the same get the same, so one of them is asked for. */
#include <stdlib.h>
#include <string.h>

#include "engine/experiment.h"
#include "plan/template.h"

/* Where a job's launcher is named, or NULL when the option names it, or nothing does. */
static const xpm_node *named_at(const xpm_experiment *experiment, const xpm_job *job)
{
        const xpm_node *own = job->step->launcher ? job->step->launcher : job->step->task->launcher;
        if (experiment->options.launcher)
                return NULL;
        return own ? own : experiment->plan->launcher;
}

/* -1: nothing names one. */
static int find_named(xpm_experiment *experiment, const xpm_job *job, int *named, xpm_error *err)
{
        const xpm_node *node = named_at(experiment, job);
        const char *name = node ? node->text : experiment->options.launcher;
        xpm_error own = XPM_ERROR_NONE;
        size_t index;
        *named = -1;
        if (!name)
                return 0;
        int rc = xpm_candidates_find(&experiment->candidates, name, &index, &own);
        if (rc == XPM_EUSAGE && node)
                return xpm_fail_at(err, node->pos, "%s", own.message);
        if (rc != 0)
                return xpm_fail(err, rc, "%s", own.message);
        *named = (int)index;
        return 0;
}

static int choose(xpm_experiment *experiment, const xpm_job *job, xpm_choice *out, bool *fixed, xpm_text *why,
                  xpm_error *err)
{
        int named;
        xpm_requirement requirement;
        xpm_arena *arena = xpm_arena_create();
        if (!arena)
                return xpm_fail_memory(err);
        int rc = find_named(experiment, job, &named, err);
        if (rc == 0)
                rc = xpm_render_requirement(&experiment->render, arena, job, &requirement, fixed, err);
        if (rc == 0)
                rc = xpm_candidates_choose(&experiment->candidates, named, NULL, 0, &requirement, out, why, err);
        if (rc == 0 && requirement.alternatives[out->alternative].gpu_count > 0)
                experiment->core.devices = true;
        xpm_arena_destroy(arena);
        return rc;
}

int xpm_experiment_choose(xpm_experiment *experiment, xpm_error *err)
{
        const xpm_plan *plan = experiment->plan;
        const xpm_step *last = NULL;
        int rc = xpm_candidates_init(&experiment->candidates, experiment->launchers, &experiment->core, err);
        experiment->choices = calloc(plan->job_count + 1, sizeof *experiment->choices);
        if (rc == 0 && !experiment->choices)
                return xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < plan->job_count; i++) {
                bool fixed = false;
                if (plan->jobs[i]->step == last) {
                        experiment->choices[i] = experiment->choices[i - 1];
                        continue;
                }
                rc = choose(experiment, plan->jobs[i], &experiment->choices[i], &fixed, NULL, err);
                last = fixed ? plan->jobs[i]->step : NULL;
        }
        return rc;
}

const char *xpm_experiment_launcher(const xpm_experiment *experiment, const xpm_job *job)
{
        return experiment->candidates.list[experiment->choices[job->index].candidate].name;
}

const xpm_launcher_entry *xpm_experiment_entry(const xpm_experiment *experiment, const xpm_job *job)
{
        return experiment->candidates.list[experiment->choices[job->index].candidate].entry;
}

int xpm_experiment_explain_unfit(xpm_experiment *experiment, const xpm_job *job, xpm_text *why, xpm_error *err)
{
        xpm_choice choice;
        bool fixed;
        return choose(experiment, job, &choice, &fixed, why, err);
}
