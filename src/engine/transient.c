/* Transient jobs: run only for the sake of others. What is to run needs what it depends on; a transient job that
 * nothing of the kind needs, directly or through other transient jobs, is spared. One that is to be removed goes when
 * the run ends and all that needed it is done. */
#include "engine/transient.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "engine/runner.h"
#include "plan/template.h"
#include "workspace/jobdir.h"

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

/* One that somebody else runs or reads under its lock stays. */
static int remove_directory(const xpm_runner *runner, const xpm_job *job, xpm_error *err)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_text path = XPM_TEXT_INIT;
        xpm_jobdir dir = XPM_JOBDIR_INIT;
        xpm_job_identifier(job, id);
        xpm_text_printf(&path, "%s/jobs/%s/%s", runner->experiment->workspace->path, xpm_job_task(job), id);
        dir.path = xpm_text_string(&path);
        dir.script = xpm_job_script(job);
        dir.directory_mode = runner->experiment->workspace->directory_mode;
        dir.file_mode = runner->experiment->workspace->file_mode;
        int rc = path.failed ? xpm_fail_memory(err) : xpm_jobdir_open(&dir, false, NULL);
        if (rc == 0)
                rc = xpm_jobdir_lock(&dir, NULL);
        if (rc == 0)
                rc = xpm_remove_tree(AT_FDCWD, dir.path, err);
        else if (rc != XPM_ENOMEM)
                rc = 0;
        xpm_jobdir_release(&dir);
        xpm_text_release(&path);
        return rc;
}

int xpm_runner_remove_transients(xpm_runner *runner)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < runner->plan->job_count; i++)
                if (is_of_no_more_use(runner, i))
                        rc = remove_directory(runner, runner->plan->jobs[i], runner->err);
        return rc;
}
