/* Launchers are opened before the run begins, so that one that cannot be had leaves nothing behind. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/runner.h"
#include "exec/channel.h"
#include "exec/launcherfile.h"

static enum xpm_failure failure_of(const xpm_launch_event *event)
{
        int failure = event->reason ? xpm_failure_parse(event->reason) : XPM_FAILURE_FAILED;
        return failure > 0 ? (enum xpm_failure)failure : XPM_FAILURE_FAILED;
}

static void on_event(const xpm_core *core, const xpm_launch_event *event)
{
        xpm_runner *runner = ((const xpm_experiment *)core->data)->runner;
        xpm_job_end end = {.code = event->code, .message = event->message, .wall = event->wall};
        switch (event->kind) {
        case XPM_LAUNCH_ACCEPTED: xpm_runner_accepted(runner, event->tag, event->handle); break;
        case XPM_LAUNCH_STARTED: xpm_runner_advance(runner, event->tag, XPM_EVENT_STARTED, NULL); break;
        case XPM_LAUNCH_RETURNED: xpm_runner_advance(runner, event->tag, XPM_EVENT_RETURNED, NULL); break;
        case XPM_LAUNCH_ENDED:
                end.failure = event->done ? XPM_FAILURE_NONE : failure_of(event);
                if (end.failure == XPM_FAILURE_LOST)
                        xpm_runner_lost(runner, event->tag, &end);
                else
                        xpm_runner_advance(runner, event->tag, event->done ? XPM_EVENT_DONE : XPM_EVENT_FAILED, &end);
                break;
        case XPM_LAUNCH_REFUSED:
                end.failure = XPM_FAILURE_LAUNCH;
                end.code = -1;
                if (xpm_runner_record_barred(runner, event->tag, XPM_FAILURE_LAUNCH, event->message, runner->err) != 0)
                        runner->rc = XPM_EIO;
                xpm_runner_advance(runner, event->tag, XPM_EVENT_FAILED, &end);
                break;
        case XPM_LAUNCH_LEFT:
                end.failure = event->reason ? failure_of(event) : XPM_FAILURE_LOST;
                end.code = -1;
                xpm_runner_left(runner, event->tag, &end, event->reason != NULL);
                break;
        case XPM_LAUNCH_LOST:
                end.failure = XPM_FAILURE_LOST;
                end.code = -1;
                xpm_runner_lost(runner, event->tag, &end);
                break;
        }
}

static void on_log(const xpm_core *core, int level, const char *line)
{
        const xpm_experiment *experiment = core->data;
        if (level == XPM_LOG_WARNING && experiment->runner)
                experiment->runner->mismatched++;
        xpm_log_write(&experiment->log, (enum xpm_log_level)level, "%s", line);
}

static void requested(const xpm_core *core, size_t count)
{
        ((xpm_experiment *)core->data)->requests += count;
}

static int prepare(const xpm_core *core, const xpm_launch *launch, const char *launcher, const char *handle,
                   char nonce[XPM_LAUNCH_NONCE], xpm_error *err)
{
        const xpm_experiment *experiment = core->data;
        xpm_attempt attempt;
        xpm_error inner = XPM_ERROR_NONE;
        if (xpm_runner_adopt(experiment->runner, launch->tag))
                return 1;
        xpm_order *order = xpm_order_create();
        if (!order)
                return xpm_fail_memory(err);
        order->spec = *launch->spec;
        order->attempt = launch->attempt;
        order->again = launch->again;
        order->submitted = xpm_time_now();
        order->params = launch->params;
        order->params_length = launch->params_length;
        order->script = launch->script;
        order->script_length = launch->script_length;
        xpm_attempt_init(&attempt, order);
        int rc = xpm_attempt_schedule(&experiment->runner->site, &attempt, launcher, handle, &inner);
        memcpy(nonce, attempt.nonce, sizeof attempt.nonce);
        xpm_attempt_release(&attempt);
        if (rc != XPM_ELOCKED && rc != 1)
                return rc == 0 ? 0 : xpm_fail(err, rc, "%s", inner.message);
        /* No error: its directory says what is the matter. */
        const xpm_launch_event event = {
                .kind = XPM_LAUNCH_LEFT, .tag = launch->tag, .attempt = launch->attempt, .code = -1};
        on_event(core, &event);
        return 1;
}

static int host_check(const xpm_core *core, const xpm_host_limits *limits, const xpm_shape *shape, xpm_error *err)
{
        xpm_experiment *experiment = core->data;
        return shape->need ? xpm_host_check(&experiment->host, limits, shape->need, err) : 0;
}

void xpm_experiment_lend(xpm_experiment *experiment)
{
        experiment->core = (xpm_core){
                .abi = XPM_LAUNCHER_ABI,
                .size = sizeof experiment->core,
                .data = experiment,
                .executable = experiment->executable,
                .workspace = experiment->workspace->path,
                .label = experiment->plan->id,
                .directory_mode = experiment->workspace->directory_mode,
                .file_mode = experiment->workspace->file_mode,
                .durable = experiment->choice.durable,
                .cautious = experiment->options.max_fails > 0,
                .unattended = experiment->options.submit_all,
                .event = on_event,
                .log = on_log,
                .host_limits = xpm_launcher_limits,
                .host_check = host_check,
                .prepare = prepare,
                .requested = requested,
        };
        xpm_channel_lend(&experiment->core);
}

/* What stands in the status of jobs that a scheduler is given. */
static int open_site(xpm_runner *runner)
{
        const xpm_core *core = &runner->experiment->core;
        int rc = xpm_site_init(&runner->site, environ, runner->err);
        runner->site.directory_mode = core->directory_mode;
        runner->site.file_mode = core->file_mode;
        return rc;
}

/* What only those who run jobs need to know. */
static int count_cores(xpm_runner *runner)
{
        xpm_core *core = &runner->experiment->core;
        size_t cores = 1;
        int rc = xpm_host_cores(&runner->experiment->host, core->devices, &cores, runner->err);
        core->cores = cores > 0 ? (int)cores : 1;
        core->slots = runner->experiment->options.slots > 0 ? runner->experiment->options.slots : core->cores;
        core->occupied = 0;
        return rc;
}

int xpm_runner_open_port(xpm_runner *runner, size_t candidate, uint8_t *port)
{
        for (size_t i = 0; i < runner->port_count; i++)
                if (runner->ports[i].candidate == candidate) {
                        *port = (uint8_t)i;
                        return 0;
                }
        if (runner->port_count == XPM_PORTS)
                return xpm_fail(runner->err, XPM_ELAUNCHER, "an experiment may use at most %d launchers", XPM_PORTS);
        xpm_candidates *candidates = &runner->experiment->candidates;
        xpm_port *added = &runner->ports[runner->port_count];
        *added = (xpm_port){.candidate = candidate};
        int rc = xpm_candidates_open(candidates, candidate, runner->err);
        if (rc == 0)
                rc = xpm_queue_init(&added->ready, runner->plan->job_count, runner->err);
        if (rc != 0)
                return rc;
        added->ops = candidates->list[candidate].ops;
        added->instance = candidates->list[candidate].instance;
        *port = (uint8_t)runner->port_count++;
        return 0;
}

int xpm_runner_open_ports(xpm_runner *runner)
{
        int rc = count_cores(runner);
        if (rc == 0)
                rc = open_site(runner);
        for (size_t job = 0; rc == 0 && job < runner->plan->job_count; job++)
                rc = xpm_runner_open_port(runner, runner->experiment->choices[job].candidate, &runner->jobs[job].port);
        return rc;
}

void xpm_runner_close_ports(xpm_runner *runner)
{
        for (size_t i = 0; i < runner->port_count; i++) {
                runner->ports[i].ops->close(runner->ports[i].instance);
                runner->experiment->candidates.list[runner->ports[i].candidate].instance = NULL;
                xpm_queue_release(&runner->ports[i].ready);
        }
        runner->port_count = 0;
        xpm_site_release(&runner->site);
}
