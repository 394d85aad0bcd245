/* Launchers are opened before the run begins, so that one that cannot be had leaves nothing behind, and told apart by
 * name only. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "engine/runner.h"
#include "exec/channel.h"

/* The cores that this process may use. */
static int allowed_cores(void)
{
        cpu_set_t set;
        int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
        return cores > 0 ? cores : 1;
}

static enum xpm_failure failure_of(const xpm_launch_event *event)
{
        int failure = event->reason ? xpm_failure_parse(event->reason) : XPM_FAILURE_FAILED;
        return failure > 0 ? (enum xpm_failure)failure : XPM_FAILURE_FAILED;
}

static void on_event(const xpm_core *core, const xpm_launch_event *event)
{
        xpm_runner *runner = core->data;
        xpm_job_end end = {.code = event->code, .message = event->message, .wall = event->wall};
        switch (event->kind) {
        case XPM_LAUNCH_ACCEPTED: break;
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
                xpm_runner_advance(runner, event->tag, XPM_EVENT_FAILED, &end);
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
        const xpm_runner *runner = core->data;
        xpm_log_write(&runner->experiment->log, (enum xpm_log_level)level, "%s", line);
}

static void make_core(xpm_runner *runner)
{
        const xpm_experiment *experiment = runner->experiment;
        runner->core = (xpm_core){
                .abi = XPM_LAUNCHER_ABI,
                .size = sizeof runner->core,
                .data = runner,
                .executable = experiment->executable,
                .workspace = experiment->workspace->path,
                .slots = experiment->options.slots > 0 ? experiment->options.slots : allowed_cores(),
                .directory_mode = experiment->workspace->directory_mode,
                .file_mode = experiment->workspace->file_mode,
                .durable = experiment->choice.durable,
                .cautious = experiment->options.max_fails > 0,
                .event = on_event,
                .log = on_log,
        };
        xpm_channel_lend(&runner->core);
}

static int open_port(xpm_runner *runner, const char *name, uint8_t *port)
{
        for (size_t i = 0; i < runner->port_count; i++)
                if (strcmp(runner->ports[i].name, name) == 0) {
                        *port = (uint8_t)i;
                        return 0;
                }
        if (runner->port_count == XPM_PORTS)
                return xpm_fail(runner->err, XPM_ELAUNCHER, "an experiment may use at most %d launchers", XPM_PORTS);
        if (runner->port_count == 0)
                make_core(runner);

        xpm_port *added = &runner->ports[runner->port_count];
        *added = (xpm_port){.name = name};
        const char *config;
        int rc = xpm_experiment_module(runner->experiment, name, &added->ops, &config, runner->err);
        if (rc == 0)
                rc = xpm_queue_init(&added->ready, runner->plan->job_count, runner->err);
        if (rc == 0)
                rc = added->ops->open(&runner->core, config, &added->instance, runner->err);
        if (rc != 0) {
                xpm_queue_release(&added->ready);
                return rc;
        }
        *port = (uint8_t)runner->port_count++;
        return 0;
}

int xpm_runner_open_ports(xpm_runner *runner)
{
        int rc = 0;
        for (size_t job = 0; rc == 0 && job < runner->plan->job_count; job++)
                rc = open_port(runner, xpm_experiment_launcher(runner->experiment, runner->plan->jobs[job]),
                               &runner->jobs[job].port);
        return rc;
}

void xpm_runner_close_ports(xpm_runner *runner)
{
        for (size_t i = 0; i < runner->port_count; i++) {
                runner->ports[i].ops->close(runner->ports[i].instance);
                xpm_queue_release(&runner->ports[i].ready);
        }
        runner->port_count = 0;
}
