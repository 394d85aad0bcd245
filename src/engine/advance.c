/* One action per event. The table of engine/states.c decides whether an event may happen at all; what follows from it
 * (counts, the run's files, dependents, the observer) is done here and nowhere else, so that they never disagree. A
 * failure is carried to dependents by a worklist, not by recursion: a chain may be 100,000 long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "engine/runner.h"

static void fail_run(xpm_runner *runner, int rc)
{
        if (runner->rc == 0)
                runner->rc = rc;
        runner->stopping = true;
}

static void enter(xpm_runner *runner, size_t job, enum xpm_job_state state)
{
        xpm_tracked *tracked = &runner->jobs[job];
        runner->by_state[tracked->state]--;
        runner->by_state[state]++;
        tracked->state = (uint8_t)state;
        int rc = xpm_run_set_state(runner->run, runner->slots[job], state, (enum xpm_failure)tracked->failure,
                                   runner->err);
        if (rc != 0)
                fail_run(runner, rc);
}

static void tell(const xpm_runner *runner, size_t job, const xpm_job_end *end)
{
        if (runner->observer && runner->observer->job)
                runner->observer->job(runner->observer->data, runner->plan->jobs[job], end);
}

static void queue(xpm_runner *runner, size_t job)
{
        const xpm_job *one = runner->plan->jobs[job];
        if (xpm_claims_wanted(one)) {
                int rc = xpm_claims_queue(&runner->claims, one, runner->jobs[job].port, runner->err);
                if (rc != 0)
                        fail_run(runner, rc);
                return;
        }
        xpm_queue_push(&runner->ports[runner->jobs[job].port].ready, job);
}

void xpm_runner_free_dependents(xpm_runner *runner, size_t job)
{
        size_t count;
        if (runner->jobs[job].freed)
                return;
        runner->jobs[job].freed = true;
        const uint32_t *dependents = xpm_graph_dependents(&runner->graph, job, &count);
        for (size_t i = 0; i < count; i++)
                if (xpm_graph_satisfy(&runner->graph, dependents[i]) == 0 &&
                    runner->jobs[dependents[i]].state == XPM_JOB_WAITING)
                        xpm_runner_advance(runner, dependents[i], XPM_EVENT_FREED, NULL);
}

/* JOB has failed without having been handed to a launcher. */
static void end_unstarted(xpm_runner *runner, size_t job, enum xpm_failure failure, const char *message)
{
        runner->jobs[job].failure = (uint8_t)failure;
        enter(runner, job, XPM_JOB_ERROR);
        int rc = xpm_runner_record_barred(runner, job, failure, message, runner->err);
        if (rc != 0)
                fail_run(runner, rc);
        tell(runner, job, &(xpm_job_end){.failure = failure, .code = -1, .message = message});
}

/* Mark JOB as failed for want of CAUSE. */
static void bar(xpm_runner *runner, size_t job, size_t cause)
{
        char id[XPM_JOB_ID_SIZE], message[512];
        const xpm_job *failed = runner->plan->jobs[cause];
        xpm_job_identifier(failed, id);
        snprintf(message, sizeof message, "it needs %s/%.8s, which failed", xpm_job_task(failed), id);
        runner->failed_dependency++;
        end_unstarted(runner, job, XPM_FAILURE_DEPENDENCY, message);
}

void xpm_runner_refuse(xpm_runner *runner, size_t job)
{
        xpm_text why = XPM_TEXT_INIT;
        if (xpm_state_after((enum xpm_job_state)runner->jobs[job].state, XPM_EVENT_BARRED) < 0)
                return;
        int rc = xpm_experiment_explain_unfit(runner->experiment, runner->plan->jobs[job], &why, runner->err);
        if (rc != 0)
                fail_run(runner, rc);
        end_unstarted(runner, job, XPM_FAILURE_LAUNCH, xpm_text_string(&why));
        xpm_text_release(&why);
        xpm_runner_bar_dependents(runner, job);
}

void xpm_runner_bar_dependents(xpm_runner *runner, size_t failed)
{
        xpm_queue work;
        if (xpm_queue_init(&work, runner->plan->job_count, runner->err) != 0) {
                fail_run(runner, XPM_ENOMEM);
                return;
        }
        xpm_queue_push(&work, failed);
        while (xpm_queue_length(&work) > 0) {
                size_t count, cause = xpm_queue_pop(&work);
                const uint32_t *dependents = xpm_graph_dependents(&runner->graph, cause, &count);
                for (size_t i = 0; i < count; i++)
                        if (xpm_state_after(runner->jobs[dependents[i]].state, XPM_EVENT_BARRED) >= 0) {
                                bar(runner, dependents[i], failed);
                                xpm_queue_push(&work, dependents[i]);
                        }
        }
        xpm_queue_release(&work);
}

static void ended(xpm_runner *runner, size_t job, enum xpm_job_event event, const xpm_job_end *end)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_job_end told = *end;
        const xpm_job *one = runner->plan->jobs[job];
        xpm_job_identifier(one, id);
        char *path = NULL;
        if (asprintf(&path, "%s/jobs/%s/%s", runner->experiment->workspace->path, xpm_job_task(one), id) < 0)
                path = NULL;
        told.path = path;
        /* A courtesy: without it the directory tells of an attempt without an end. */
        if (event == XPM_EVENT_FAILED && end->failure == XPM_FAILURE_LOST)
                xpm_runner_record_barred(runner, job, end->failure, end->message, NULL);
        tell(runner, job, &told);
        free(path);
        if (event == XPM_EVENT_DONE)
                xpm_runner_free_dependents(runner, job);
        else
                xpm_runner_bar_dependents(runner, job);
}

/* Nobody runs JOB any more. Whoever ran it has given its tokens back, if he could: a failed call must not keep them
 * from others for as long as we live. */
static void hand_back(xpm_runner *runner, size_t job)
{
        xpm_tracked *tracked = &runner->jobs[job];
        if (tracked->elsewhere && tracked->seen)
                runner->experiment->core.occupied--;
        tracked->elsewhere = tracked->seen = false;
        xpm_claims_release(&runner->claims, job, true);
}

/* One job more, or one less, is with the launcher of TRACKED. */
static void count_handed_over(xpm_runner *runner, const xpm_tracked *tracked, int change)
{
        runner->handed_over += (size_t)change;
        runner->ports[tracked->port].handed_over += (size_t)change;
}

/* What follows from EVENT, which has happened to JOB. */
static void act(xpm_runner *runner, size_t job, enum xpm_job_event event, const xpm_job_end *end)
{
        xpm_tracked *tracked = &runner->jobs[job];
        switch (event) {
        case XPM_EVENT_SUBMITTED:
                tracked->adopted = false;
                count_handed_over(runner, tracked, 1);
                break;
        case XPM_EVENT_RETURNED:
                xpm_claims_release(&runner->claims, job, true);
                xpm_runner_look(runner, job);
                break;
        case XPM_EVENT_RETRIED:
                hand_back(runner, job);
                queue(runner, job);
                break;
        case XPM_EVENT_STARTED: tell(runner, job, NULL); break;
        case XPM_EVENT_ELSEWHERE:
                /* It may be what our own worker left: what it holds is given back when it has let go. */
                tracked->elsewhere = true;
                runner->experiment->core.occupied += tracked->seen;
                xpm_queue_push(&runner->elsewhere, job);
                break;
        case XPM_EVENT_FREED:
                if (tracked->seen)
                        xpm_runner_look(runner, job);
                else
                        queue(runner, job);
                break;
        case XPM_EVENT_RELEASED:
                hand_back(runner, job);
                queue(runner, job);
                break;
        case XPM_EVENT_DONE:
        case XPM_EVENT_FAILED:
                hand_back(runner, job);
                runner->fruitless = 0;
                ended(runner, job, event, end);
                break;
        default: break;
        }
}

void xpm_runner_advance(xpm_runner *runner, size_t job, enum xpm_job_event event, const xpm_job_end *end)
{
        xpm_tracked *tracked = &runner->jobs[job];
        int next = xpm_state_after((enum xpm_job_state)tracked->state, event);
        if (next < 0) {
                xpm_debug(&runner->experiment->log, "job %zu is %s: '%s' is refused", job,
                          xpm_job_state_word((enum xpm_job_state)tracked->state), xpm_job_event_word(event));
                return;
        }
        bool handed = tracked->state == XPM_JOB_SCHEDULED || (tracked->state == XPM_JOB_RUNNING && !tracked->elsewhere);
        bool begun = tracked->state == XPM_JOB_SCHEDULED || tracked->state == XPM_JOB_RUNNING;
        if (event == XPM_EVENT_FAILED && begun && xpm_runner_retries(runner, job, end)) {
                event = XPM_EVENT_RETRIED;
                next = XPM_JOB_READY;
        }
        if (event == XPM_EVENT_FAILED)
                tracked->failure = (uint8_t)end->failure;
        enter(runner, job, (enum xpm_job_state)next);
        if (handed && event != XPM_EVENT_STARTED) {
                count_handed_over(runner, tracked, -1);
                runner->accepted -= tracked->accepted;
                runner->spared -= tracked->spared;
                tracked->accepted = tracked->spared = false;
        }
        act(runner, job, event, end);
}

xpm_counts xpm_runner_counts(const xpm_runner *runner)
{
        const size_t *by_state = runner->by_state;
        return (xpm_counts){
                .total = runner->plan->job_count,
                .done_before = runner->done_before,
                .done = by_state[XPM_JOB_DONE] - runner->done_before,
                .failed = by_state[XPM_JOB_ERROR] - runner->kept_failed,
                .failed_dependency = runner->failed_dependency,
                .kept_failed = runner->kept_failed,
                .running = by_state[XPM_JOB_RUNNING],
                .scheduled = by_state[XPM_JOB_SCHEDULED],
                .ready = by_state[XPM_JOB_READY],
                .waiting = by_state[XPM_JOB_WAITING],
                .submitted = runner->accepted,
                .lasting = xpm_runner_lasting(runner),
                .mismatched = runner->mismatched,
                .requests = runner->experiment->requests,
        };
}
