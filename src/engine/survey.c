/* Where each job stands before anything is started, and what others make of jobs that are not ours: both from what the
 * job's directory says. */
#include <stdlib.h>
#include <string.h>

#include "engine/runner.h"
#include "engine/transient.h"
#include "exec/leftover.h"
#include "workspace/folder.h"
#include "workspace/jobdir.h"

/* So many jobs come back from dead workers before that is taken for their fault. */
enum { FRUITLESS = 256 };

static int probe(const xpm_runner *runner, size_t job, bool want_recipe, xpm_probe *out, xpm_error *err)
{
        char id[XPM_JOB_ID_SIZE];
        const xpm_job *one = runner->plan->jobs[job];
        xpm_job_identifier(one, id);
        return xpm_probe_job(runner->experiment->workspace, xpm_job_task(one), xpm_job_script(one), id, want_recipe,
                             out, err);
}

/* A finished job is run again only when that was asked for. */
static int wanted_again(xpm_runner *runner, size_t job, const xpm_probe *found, bool *again)
{
        const char *recipe;
        *again = runner->experiment->options.rerun == XPM_RERUN_ALL;
        if (runner->experiment->options.rerun != XPM_RERUN_CHANGED || !found->recipe[0])
                return 0;
        int rc = xpm_render_recipe(&runner->experiment->render, runner->plan->jobs[job], &recipe, runner->err);
        if (rc == 0)
                *again = strcmp(recipe, found->recipe) != 0;
        return rc;
}

/* What is elsewhere stays as it is: the next attempt gets a directory here. */
static int leave_folder(const xpm_runner *runner, size_t job, bool done)
{
        char id[XPM_JOB_ID_SIZE];
        const xpm_workspace *workspace = runner->experiment->workspace;
        const char *task = xpm_job_task(runner->plan->jobs[job]);
        xpm_job_identifier(runner->plan->jobs[job], id);
        return done ? xpm_folder_leave(workspace, task, id, runner->err)
                    : xpm_folder_forsake(workspace, task, id, runner->err);
}

static void put_path(const xpm_runner *runner, size_t job, xpm_text *path)
{
        char id[XPM_JOB_ID_SIZE];
        const xpm_job *one = runner->plan->jobs[job];
        xpm_job_identifier(one, id);
        xpm_text_printf(path, "%s/jobs/%s/%s", runner->experiment->workspace->path, xpm_job_task(one), id);
}

/* The disk was full when its worker would have made the marker, which others go by. */
static void mark(const xpm_runner *runner, size_t job)
{
        xpm_text path = XPM_TEXT_INIT;
        xpm_jobdir dir = XPM_JOBDIR_INIT;
        xpm_job_past past = XPM_JOB_PAST_INIT;
        const xpm_workspace *workspace = runner->experiment->workspace;
        put_path(runner, job, &path);
        dir.path = xpm_text_string(&path);
        dir.script = xpm_job_script(runner->plan->jobs[job]);
        dir.directory_mode = workspace->directory_mode;
        dir.file_mode = workspace->file_mode;
        if (!path.failed && xpm_jobdir_open(&dir, false, NULL) == 0 && xpm_jobdir_lock(&dir, NULL) == 0)
                xpm_jobdir_past(&dir, &past, NULL);
        xpm_job_past_release(&past);
        xpm_jobdir_release(&dir);
        xpm_text_release(&path);
}

static int place(xpm_runner *runner, size_t job)
{
        xpm_tracked *tracked = &runner->jobs[job];
        const xpm_experiment_options *options = &runner->experiment->options;
        xpm_probe found;
        int rc = probe(runner, job, options->rerun == XPM_RERUN_CHANGED, &found, runner->err);
        if (rc != 0)
                return rc;
        tracked->state = XPM_JOB_WAITING;
        bool begun = found.state == XPM_JOB_RUNNING;
        /* Also one that was interrupted: the scheduler may start it again. */
        bool with_scheduler = begun || found.state == XPM_JOB_SCHEDULED || found.failure == XPM_FAILURE_LOST;
        if (with_scheduler && found.handle[0] && xpm_runner_attach(runner, job, &found))
                return 0;
        tracked->seen = begun;
        tracked->ended_attempt = begun ? found.ended : 0;
        if (found.state == XPM_JOB_DONE) {
                if (found.unmarked)
                        mark(runner, job);
                rc = wanted_again(runner, job, &found, &tracked->again);
                if (rc == 0 && tracked->again)
                        rc = leave_folder(runner, job, true);
                if (!tracked->again) {
                        tracked->state = XPM_JOB_DONE;
                        runner->done_before++;
                }
        } else if (found.state == XPM_JOB_ERROR && options->keep_failed && found.failure != XPM_FAILURE_DEPENDENCY) {
                tracked->state = XPM_JOB_ERROR;
                tracked->failure = (uint8_t)found.failure;
                runner->kept_failed++;
        } else if (!tracked->seen) {
                rc = leave_folder(runner, job, false);
        }
        return rc;
}

static bool would_run(const void *data, size_t job)
{
        const xpm_tracked *tracked = &((const xpm_runner *)data)->jobs[job];
        return tracked->state == XPM_JOB_WAITING && !tracked->seen;
}

static int spare_transients(xpm_runner *runner)
{
        const xpm_transient_source source = {runner, would_run};
        bool *spared;
        int rc = xpm_transients_spare(runner->plan, &source, &spared, runner->err);
        for (size_t job = 0; rc == 0 && spared && job < runner->plan->job_count; job++)
                if (spared[job])
                        runner->jobs[job].state = XPM_JOB_TRANSIENT;
        free(spared);
        return rc;
}

int xpm_runner_survey(xpm_runner *runner)
{
        int rc = 0;
        for (size_t job = 0; rc == 0 && job < runner->plan->job_count; job++)
                rc = place(runner, job);
        if (rc == 0 && runner->handles)
                rc = xpm_runner_detach_followers(runner);
        if (rc == 0)
                rc = spare_transients(runner);
        for (size_t job = 0; rc == 0 && job < runner->plan->job_count; job++)
                runner->by_state[runner->jobs[job].state]++;
        return rc;
}

/* It came back from its launcher. */
static void queue_again(xpm_runner *runner, size_t job)
{
        xpm_tracked *tracked = &runner->jobs[job];
        const xpm_job *one = runner->plan->jobs[job];
        if (!xpm_claims_wanted(one))
                xpm_queue_push_front(&runner->ports[tracked->port].ready, job);
        else if (xpm_claims_queue(&runner->claims, one, tracked->port, runner->err) != 0) {
                runner->rc = XPM_ENOMEM;
                runner->stopping = true;
        }
}

/* The guardian of a killed worker kills what that orphaned; so do we, in case that it was killed, too. */
static bool sweep(const xpm_runner *runner, size_t job)
{
        xpm_text path = XPM_TEXT_INIT;
        put_path(runner, job, &path);
        bool swept = !path.failed && xpm_sweep_job(path.data, xpm_job_script(runner->plan->jobs[job]));
        xpm_text_release(&path);
        return swept;
}

/* Whether an attempt was lost, and not only its place in the queue of a worker. */
static bool has_begun(xpm_runner *runner, size_t job)
{
        xpm_tracked *tracked = &runner->jobs[job];
        xpm_text path = XPM_TEXT_INIT;
        put_path(runner, job, &path);
        xpm_jobdir dir = XPM_JOBDIR_INIT;
        dir.path = xpm_text_string(&path);
        dir.script = xpm_job_script(runner->plan->jobs[job]);
        uint32_t last = path.failed ? 0 : xpm_jobdir_lost_attempt(&dir);
        bool begun = tracked->state == XPM_JOB_RUNNING || last > tracked->lost_attempt;
        if (last > 0)
                tracked->lost_attempt = last;
        xpm_text_release(&path);
        return begun;
}

/* A worker may have recorded the end before it died; what it left may still run. */
void xpm_runner_lost(xpm_runner *runner, size_t job, const xpm_job_end *end)
{
        xpm_probe found;
        bool known = probe(runner, job, false, &found, runner->err) == 0;
        if (known && found.state == XPM_JOB_RUNNING && sweep(runner, job))
                known = probe(runner, job, false, &found, runner->err) == 0;
        if (known && found.state == XPM_JOB_RUNNING) {
                xpm_runner_advance(runner, job, XPM_EVENT_ELSEWHERE, NULL);
                return;
        }
        /* Nobody holds the job's lock, so its tokens are of no use to anybody; also when its worker recorded the end,
         * and died before it gave them back: else they would be taken for held as long as this engine lives. */
        xpm_claims_release(&runner->claims, job, true);
        if (known && found.state == XPM_JOB_DONE && !runner->jobs[job].again) {
                xpm_runner_advance(runner, job, XPM_EVENT_DONE, &(xpm_job_end){0});
                return;
        }
        bool begun = has_begun(runner, job) || runner->fruitless++ > FRUITLESS;
        xpm_runner_advance(runner, job, begun ? XPM_EVENT_FAILED : XPM_EVENT_RETURNED, end);
}

/* A held lock says that a job runs, unless its worker, on another host, has been silent for too long. */
static bool is_silent(const xpm_runner *runner, size_t job)
{
        char id[XPM_JOB_ID_SIZE];
        const xpm_job *one = runner->plan->jobs[job];
        if (!runner->listens)
                return false;
        xpm_job_identifier(one, id);
        if (!xpm_probe_is_silent(runner->experiment->workspace, xpm_job_task(one), id))
                return false;
        xpm_note(&runner->experiment->log,
                 "%s/%.8s: its worker has given no sign of life for too long; it is run again", xpm_job_task(one), id);
        return true;
}

void xpm_runner_look(xpm_runner *runner, size_t job)
{
        xpm_probe found;
        int rc = probe(runner, job, false, &found, runner->err);
        /* What is left of a worker that died with its guardian and its engine keeps the lock, and nobody waits for it.
         */
        if (rc == 0 && found.state == XPM_JOB_RUNNING && sweep(runner, job))
                rc = probe(runner, job, false, &found, runner->err);
        if (rc != 0)
                found.state = XPM_JOB_UNSCHEDULED; /* the worker that gets it will say what is wrong */
        if (found.state == XPM_JOB_RUNNING && is_silent(runner, job))
                found.state = XPM_JOB_UNSCHEDULED;
        bool ready = runner->jobs[job].state == XPM_JOB_READY, again = runner->jobs[job].again;
        /* Who held its lock may have waited for something, and have let go of it without a run. */
        bool stale = found.ended > 0 && found.ended == runner->jobs[job].ended_attempt;
        if (found.state == XPM_JOB_RUNNING) {
                if (ready) {
                        runner->jobs[job].ended_attempt = found.ended;
                        xpm_runner_advance(runner, job, XPM_EVENT_ELSEWHERE, NULL);
                } else
                        xpm_queue_push(&runner->elsewhere, job);
        } else if (ready) {
                queue_again(runner, job);
        } else if (found.state == XPM_JOB_DONE && !again) {
                xpm_runner_advance(runner, job, XPM_EVENT_DONE, &(xpm_job_end){0});
        } else if (found.state == XPM_JOB_ERROR && !again && !stale) {
                xpm_job_end end = {.failure = xpm_runner_judge(runner, job, found.failure),
                                   .code = found.code,
                                   .message = found.message[0] ? found.message : NULL};
                xpm_runner_advance(runner, job, XPM_EVENT_FAILED, &end);
        } else if (found.state == XPM_JOB_UNSCHEDULED && runner->jobs[job].verdict != XPM_FAILURE_NONE) {
                xpm_job_end end = {.failure = (enum xpm_failure)runner->jobs[job].verdict, .code = -1};
                xpm_runner_advance(runner, job, XPM_EVENT_FAILED, &end);
        } else {
                xpm_runner_advance(runner, job, XPM_EVENT_RELEASED, NULL);
        }
}

void xpm_runner_release_jobs(xpm_runner *runner)
{
        size_t count = runner->plan->job_count;
        for (size_t job = 0; job < count; job++) {
                size_t dependents;
                const uint32_t *list = xpm_graph_dependents(&runner->graph, job, &dependents);
                for (size_t i = 0; runner->jobs[job].state == XPM_JOB_DONE && i < dependents; i++)
                        xpm_graph_satisfy(&runner->graph, list[i]);
        }
        for (size_t job = 0; job < count; job++)
                if (runner->experiment->choices[job].unfit && !runner->jobs[job].seen)
                        xpm_runner_refuse(runner, job);
        for (size_t job = 0; job < count; job++)
                if (runner->jobs[job].state == XPM_JOB_WAITING && runner->graph.missing[job] == 0)
                        xpm_runner_advance(runner, job, XPM_EVENT_FREED, NULL);
        for (size_t job = 0; job < count; job++)
                if (runner->jobs[job].state == XPM_JOB_ERROR && runner->jobs[job].failure != XPM_FAILURE_DEPENDENCY)
                        xpm_runner_bar_dependents(runner, job);
}
