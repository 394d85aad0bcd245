/* Jobs that a scheduler has, which goes on without an engine: found again by what their status says, left alone when
 * the engine leaves, and judged by their directories when the scheduler has them no more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "engine/runner.h"
#include "workspace/probe.h"

static int remember(xpm_runner *runner, size_t job, const char *handle)
{
        if (runner->attached_count == runner->attached_capacity) {
                size_t capacity = runner->attached_capacity ? 2 * runner->attached_capacity : 64;
                size_t *grown = realloc(runner->attached, capacity * sizeof *grown);
                if (!grown)
                        return -1;
                runner->attached = grown;
                runner->attached_capacity = capacity;
        }
        char *copy = strdup(handle);
        if (!copy)
                return -1;
        free(runner->jobs[job].handle);
        runner->jobs[job].handle = copy;
        runner->jobs[job].adopted = true;
        runner->attached[runner->attached_count++] = job;
        return 0;
}

/* The port of the scheduler that has JOB. false: a launcher that is not to be had any more; the next attempt takes the
 * job from it. */
static bool find(xpm_runner *runner, size_t job, const xpm_probe *found, uint8_t *port)
{
        size_t candidate;
        return xpm_candidates_find(&runner->experiment->candidates, found->launcher, &candidate, NULL) == 0 &&
               xpm_runner_open_port(runner, candidate, port) == 0 && runner->ports[*port].ops->lasting &&
               remember(runner, job, found->handle) == 0;
}

bool xpm_runner_attach(xpm_runner *runner, size_t job, const xpm_probe *found)
{
        xpm_tracked *tracked = &runner->jobs[job];
        uint8_t port;
        if (!find(runner, job, found, &port))
                return false;
        tracked->port = port;
        tracked->state = XPM_JOB_SCHEDULED;
        tracked->attempt = 1;
        runner->handed_over++;
        runner->ports[port].handed_over++;
        return true;
}

/* It is still with its scheduler, and will be submitted anew. */
static int detach(xpm_runner *runner, size_t job)
{
        xpm_tracked *tracked = &runner->jobs[job];
        runner->handed_over--;
        runner->ports[tracked->port].handed_over--;
        tracked->state = XPM_JOB_WAITING;
        tracked->attempt = 0;
        return xpm_runner_open_port(runner, runner->experiment->choices[job].candidate, &tracked->port);
}

static void forget_detached(xpm_runner *runner)
{
        size_t kept = 0;
        for (size_t i = 0; i < runner->attached_count; i++)
                if (runner->jobs[runner->attached[i]].state == XPM_JOB_SCHEDULED)
                        runner->attached[kept++] = runner->attached[i];
        runner->attached_count = kept;
}

static bool runs(const xpm_runner *runner, size_t job)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_probe found;
        const xpm_job *one = runner->plan->jobs[job];
        xpm_job_identifier(one, id);
        return xpm_probe_job(runner->experiment->workspace, xpm_job_task(one), xpm_job_script(one), id, false, &found,
                             NULL) == 0 &&
               found.state == XPM_JOB_RUNNING;
}

int xpm_runner_detach_followers(xpm_runner *runner)
{
        xpm_queue work;
        int rc = xpm_queue_init(&work, runner->plan->job_count, runner->err);
        for (size_t job = 0; rc == 0 && job < runner->plan->job_count; job++)
                if (runner->jobs[job].state == XPM_JOB_WAITING && !runner->jobs[job].seen)
                        xpm_queue_push(&work, job);
        while (rc == 0 && xpm_queue_length(&work) > 0) {
                size_t count;
                const uint32_t *list = xpm_graph_dependents(&runner->graph, xpm_queue_pop(&work), &count);
                for (size_t i = 0; rc == 0 && i < count; i++)
                        if (runner->jobs[list[i]].state == XPM_JOB_SCHEDULED && !runs(runner, list[i])) {
                                rc = detach(runner, list[i]);
                                xpm_queue_push(&work, list[i]);
                        }
        }
        forget_detached(runner);
        xpm_queue_release(&work);
        return rc;
}

/* Handles begin with the run whose batch they are of. */
static bool is_of_this_run(const xpm_runner *runner, const char *handle)
{
        const char *run = runner->experiment->core.run;
        size_t workspace = strlen(runner->experiment->workspace->path);
        if (!run || strlen(run) <= workspace)
                return false;
        run += workspace + (run[workspace] == '/');
        return strncmp(handle, run, strlen(run)) == 0 && handle[strlen(run)] == '/';
}

bool xpm_runner_is_anothers(const xpm_runner *runner, size_t job, char experiment[256], bool *goes_on)
{
        static const char top[] = "experiments/";
        char lock[300];
        const xpm_tracked *tracked = &runner->jobs[job];
        if (!tracked->adopted || strncmp(tracked->handle, top, strlen(top)) != 0)
                return false;
        const char *id = tracked->handle + strlen(top);
        size_t length = strcspn(id, "/");
        if (length >= 256 || (strlen(runner->plan->id) == length && strncmp(runner->plan->id, id, length) == 0))
                return false;
        if (strlen(experiment) != length || strncmp(experiment, id, length) != 0) {
                memcpy(experiment, id, length);
                experiment[length] = '\0';
                snprintf(lock, sizeof lock, "experiments/%s/lock", experiment);
                *goes_on = xpm_lock_is_held(runner->experiment->workspace->dir, lock, NULL) == 1;
        }
        return *goes_on;
}

/* What another engine has submitted follows what that one knew of, and not what this one has submitted instead. */
static bool follows_ours(const xpm_runner *runner, const xpm_job *job)
{
        bool follows = false;
        for (size_t i = 0; runner->handles && i < job->dependency_count && !follows; i++) {
                size_t needed = job->dependencies[i]->index;
                follows = runner->jobs[needed].accepted && is_of_this_run(runner, runner->handles[needed]);
        }
        return follows;
}

/* Without the job's lock: who writes the directory at this moment is found the next time, as our attempt is given away
 * then. */
bool xpm_runner_adopt(xpm_runner *runner, size_t job)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_probe found;
        uint8_t port;
        const xpm_job *one = runner->plan->jobs[job];
        xpm_tracked *tracked = &runner->jobs[job];
        xpm_job_identifier(one, id);
        if (tracked->again || follows_ours(runner, one) ||
            xpm_probe_job(runner->experiment->workspace, xpm_job_task(one), xpm_job_script(one), id, false, &found,
                          NULL) != 0)
                return false;
        if (found.state != XPM_JOB_SCHEDULED || is_of_this_run(runner, found.handle) ||
            (tracked->handle && strcmp(tracked->handle, found.handle) == 0) || !find(runner, job, &found, &port))
                return false;
        runner->ports[tracked->port].handed_over--;
        runner->ports[port].handed_over++;
        tracked->port = port;
        return true;
}

static int reattach(xpm_runner *runner, const xpm_port *port, uint64_t *tags, const char **handles)
{
        size_t count = 0;
        for (size_t i = 0; i < runner->attached_count; i++) {
                const xpm_tracked *tracked = &runner->jobs[runner->attached[i]];
                if (&runner->ports[tracked->port] == port) {
                        tags[count] = runner->attached[i];
                        handles[count++] = tracked->handle;
                }
        }
        return count == 0 ? 0 : port->ops->reattach(port->instance, tags, handles, count, runner->err);
}

int xpm_runner_reattach(xpm_runner *runner)
{
        if (runner->attached_count == 0)
                return 0;
        uint64_t *tags = calloc(runner->attached_count, sizeof *tags);
        const char **handles = calloc(runner->attached_count, sizeof *handles);
        int rc = tags && handles ? 0 : xpm_fail_memory(runner->err);
        for (size_t i = 0; rc == 0 && i < runner->port_count; i++)
                rc = reattach(runner, &runner->ports[i], tags, handles);
        free(tags);
        free(handles);
        xpm_runner_forget_attached(runner);
        return rc;
}

void xpm_runner_close_attached(xpm_runner *runner)
{
        xpm_runner_forget_attached(runner);
        for (size_t job = 0; runner->jobs && job < runner->plan->job_count; job++)
                free(runner->jobs[job].handle);
}

void xpm_runner_forget_attached(xpm_runner *runner)
{
        free(runner->attached);
        runner->attached = NULL;
        runner->attached_count = runner->attached_capacity = 0;
}

/* A scheduler that was to keep it back has let go of it, since what it depends on failed or was given up. */
static void give_back(xpm_runner *runner, size_t job, const xpm_job_end *end)
{
        const xpm_job *one = runner->plan->jobs[job];
        if (runner->graph.missing[job] > 0) {
                xpm_runner_advance(runner, job, XPM_EVENT_WITHHELD, NULL);
                for (size_t i = 0; i < one->dependency_count; i++)
                        if (runner->jobs[one->dependencies[i]->index].state == XPM_JOB_ERROR)
                                xpm_runner_bar_dependents(runner, one->dependencies[i]->index);
        } else if (runner->handles && end->failure == XPM_FAILURE_DEPENDENCY) {
                int rc = xpm_runner_record_barred(runner, job, XPM_FAILURE_DEPENDENCY, end->message, runner->err);
                runner->rc = rc != 0 ? rc : runner->rc;
                runner->failed_dependency++;
                xpm_runner_advance(runner, job, XPM_EVENT_FAILED, end);
        } else
                xpm_runner_advance(runner, job, XPM_EVENT_RETURNED, end);
}

/* The worker knows that it was told to end, or that the command failed; the scheduler knows why. */
static bool knows_better(enum xpm_failure verdict, enum xpm_failure recorded)
{
        switch (verdict) {
        case XPM_FAILURE_TIMEOUT:
        case XPM_FAILURE_CANCELLED:
        case XPM_FAILURE_PREEMPTED:
        case XPM_FAILURE_LOST: return recorded == XPM_FAILURE_CANCELLED || recorded == XPM_FAILURE_TIMEOUT;
        case XPM_FAILURE_MEMORY: return recorded == XPM_FAILURE_FAILED;
        default: return false;
        }
}

enum xpm_failure xpm_runner_judge(xpm_runner *runner, size_t job, enum xpm_failure recorded)
{
        enum xpm_failure verdict = (enum xpm_failure)runner->jobs[job].verdict;
        if (verdict == recorded || !knows_better(verdict, recorded))
                return recorded;
        if (xpm_runner_record_verdict(runner, job, verdict, runner->err) != 0)
                runner->rc = XPM_EIO;
        return verdict;
}

/* Its directory waits for an attempt that its scheduler has ended. */
static void record_unbegun(xpm_runner *runner, size_t job, const char *handle, const xpm_job_end *end)
{
        const xpm_tracked *tracked = &runner->jobs[job];
        bool ours = is_of_this_run(runner, handle) || (tracked->handle && strcmp(tracked->handle, handle) == 0);
        if (ours && tracked->state == XPM_JOB_ERROR &&
            xpm_runner_record_unbegun(runner, job, handle, end, runner->err) != 0)
                runner->rc = XPM_EIO;
}

void xpm_runner_left(xpm_runner *runner, size_t job, const xpm_job_end *end, bool began)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_probe found;
        const xpm_job *one = runner->plan->jobs[job];
        xpm_job_identifier(one, id);
        int rc = xpm_probe_job(runner->experiment->workspace, xpm_job_task(one), xpm_job_script(one), id, false, &found,
                               runner->err);
        xpm_claims_release(&runner->claims, job, true);
        runner->jobs[job].verdict = began ? end->failure : XPM_FAILURE_NONE;
        if (rc == 0 && found.state == XPM_JOB_DONE && !runner->jobs[job].again) {
                xpm_runner_advance(runner, job, XPM_EVENT_DONE, &(xpm_job_end){0});
        } else if (rc == 0 && found.state == XPM_JOB_RUNNING) {
                xpm_runner_advance(runner, job, XPM_EVENT_ELSEWHERE, NULL);
        } else if (rc == 0 && found.state == XPM_JOB_ERROR) {
                const xpm_job_end own = {.failure = xpm_runner_judge(runner, job, found.failure),
                                         .code = found.code,
                                         .message = found.message[0] ? found.message : NULL};
                xpm_runner_advance(runner, job, XPM_EVENT_FAILED, &own);
        } else if ((began && end->failure != XPM_FAILURE_DEPENDENCY) || found.failure == XPM_FAILURE_LOST) {
                xpm_runner_advance(runner, job, XPM_EVENT_FAILED, end);
                if (rc == 0 && found.state == XPM_JOB_SCHEDULED)
                        record_unbegun(runner, job, found.handle, end);
        } else
                give_back(runner, job, end);
}

size_t xpm_runner_lasting(const xpm_runner *runner)
{
        size_t count = 0;
        for (size_t i = 0; i < runner->port_count; i++)
                count += runner->ports[i].ops->lasting ? runner->ports[i].handed_over : 0;
        return count;
}
