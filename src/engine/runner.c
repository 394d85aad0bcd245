/* The loop: while there are ready jobs and room, submit; wait for a launcher, an interrupt or a deadline; dispatch.
 * What happens to jobs arrives as events (ports.c) and is acted on in advance.c. The loop ends when nothing is handed
 * over and nothing more is going to be: all jobs have ended, or it was told to stop. */
#include "engine/runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "engine/launch.h"
#include "engine/transient.h"
#include "workspace/heartbeat.h"

/* Milliseconds between looks at what others run, for few jobs and for many, and at the tokens that others hold. */
enum { BATCH = 64, KILLS = 2, FEW = 64, FEW_INTERVAL = 100, ELSEWHERE_INTERVAL = 500, TOKENS_INTERVAL = 200 };

/* Milliseconds in which a second interrupt cancels what would go on without us. */
enum { LEAVE = 1500 };

static int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int render(const xpm_runner *runner, const xpm_port *port, size_t job, xpm_rendered *rendered)
{
        return xpm_rendered_init_scaled(rendered, runner->experiment, runner->plan->jobs[job], port->ops->script,
                                        xpm_runner_memory_scale(runner, job), xpm_runner_duration_scale(runner, job),
                                        runner->err);
}

static xpm_launch launch_of(xpm_runner *runner, const xpm_rendered *rendered, size_t job)
{
        xpm_tracked *tracked = &runner->jobs[job];
        xpm_launch launch = xpm_rendered_launch(rendered, job, ++tracked->attempt, tracked->again);
        launch.after = xpm_runner_after(runner, job, rendered->arena);
        return launch;
}

/* Render the next COUNT ready jobs of PORT and hand them over. */
static int submit(xpm_runner *runner, xpm_port *port, size_t count)
{
        xpm_rendered rendered[BATCH];
        xpm_launch launches[BATCH];
        const xpm_launch *batch[BATCH];
        size_t made = 0;
        int rc = 0;
        while (rc == 0 && made < count) {
                size_t job = xpm_queue_pop(&port->ready);
                rc = render(runner, port, job, &rendered[made]);
                if (rc != 0)
                        break;
                launches[made] = launch_of(runner, &rendered[made], job);
                batch[made] = &launches[made];
                made++;
                xpm_runner_advance(runner, job, XPM_EVENT_SUBMITTED, NULL);
        }
        if (rc == 0)
                rc = port->ops->submit(port->instance, batch, made, runner->err);
        if (rc == 0)
                rc = xpm_runner_reattach(runner);
        for (size_t i = 0; i < made; i++)
                xpm_rendered_release(&rendered[i]);
        return rc;
}

/* The same for JOB, which wants tokens or partials, if it gets them. */
static int submit_claimant(xpm_runner *runner, xpm_port *port, size_t job, bool *full)
{
        xpm_rendered rendered;
        bool taken = false;
        int rc = render(runner, port, job, &rendered);
        if (rc != 0)
                return rc;
        const xpm_demand demand = xpm_demand_of(&rendered.spec.need);
        const xpm_shape shape = {.cores = (int64_t)demand.cores, .need = &rendered.spec.need, .at_once = true};
        *full = port->ops->room(port->instance, &shape) == 0;
        if (!*full)
                rc = xpm_claims_take(&runner->claims, job, &rendered.spec, &taken, runner->err);
        if (rc == 0 && taken) {
                xpm_launch launch = launch_of(runner, &rendered, job);
                const xpm_launch *batch = &launch;
                xpm_runner_advance(runner, job, XPM_EVENT_SUBMITTED, NULL);
                rc = port->ops->submit(port->instance, &batch, 1, runner->err);
        }
        if (rc == 0)
                rc = xpm_runner_reattach(runner);
        xpm_rendered_release(&rendered);
        return rc;
}

/* What a job holds should not lie idle, so those that want something go first, and only when they can start at once:
 * for a moment no other is handed over. */
static int fill_claimants(xpm_runner *runner, size_t number, bool *wait)
{
        static const xpm_shape at_once = {.at_once = true};
        xpm_port *port = &runner->ports[number];
        int64_t job = -1;
        bool full = false;
        int rc = 0;
        while (rc == 0 && !full && !runner->stopping && (job = xpm_claims_next(&runner->claims, number)) >= 0) {
                if (port->ops->room(port->instance, &at_once) == 0)
                        break;
                rc = submit_claimant(runner, port, (size_t)job, &full);
        }
        *wait = job >= 0;
        return rc;
}

static int fill(xpm_runner *runner)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < runner->port_count; i++) {
                xpm_port *port = &runner->ports[i];
                bool wait;
                rc = fill_claimants(runner, i, &wait);
                while (rc == 0 && !wait && !runner->stopping && xpm_queue_length(&port->ready) > 0) {
                        size_t count = port->ops->room(port->instance, NULL), ready = xpm_queue_length(&port->ready);
                        count = count < ready ? count : ready;
                        if (count == 0)
                                break;
                        rc = submit(runner, port, count < BATCH ? count : BATCH);
                }
        }
        return rc;
}

static int stop(xpm_runner *runner)
{
        int rc = 0;
        runner->stopping = true;
        runner->leave_at = now_ms() + LEAVE;
        for (size_t i = 0; rc == 0 && i < runner->port_count; i++)
                rc = runner->ports[i].ops->withdraw(runner->ports[i].instance, runner->err);
        return rc;
}

/* The jobs that PORT has and that are to end; what another engine has submitted, which goes on, is its affair. */
static size_t name_doomed(xpm_runner *runner, size_t port, uint64_t *tags)
{
        char experiment[256] = "";
        bool goes_on = false;
        size_t count = 0;
        for (size_t job = 0; job < runner->plan->job_count; job++) {
                xpm_tracked *tracked = &runner->jobs[job];
                bool there = tracked->state == XPM_JOB_SCHEDULED || tracked->state == XPM_JOB_RUNNING;
                if (tracked->port != port || tracked->elsewhere || !there)
                        continue;
                if (!tracked->spared && xpm_runner_is_anothers(runner, job, experiment, &goes_on)) {
                        tracked->spared = true;
                        runner->spared++;
                }
                if (!tracked->spared)
                        tags[count++] = job;
        }
        return count;
}

/* What runs is told to end; LASTING: what would go on without us, too. */
static int cancel(xpm_runner *runner, bool lasting)
{
        uint64_t *tags = calloc(runner->plan->job_count + 1, sizeof *tags);
        if (!tags)
                return xpm_fail_memory(runner->err);
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < runner->port_count; i++) {
                if (runner->ports[i].ops->lasting && !lasting)
                        continue;
                size_t count = name_doomed(runner, i, tags);
                if (count > 0)
                        rc = runner->ports[i].ops->cancel(runner->ports[i].instance, tags, count, runner->err);
        }
        free(tags);
        return rc;
}

static int obey(xpm_runner *runner)
{
        const xpm_experiment *experiment = runner->experiment;
        size_t failures = runner->by_state[XPM_JOB_ERROR] - runner->kept_failed - runner->failed_dependency;
        bool enough = experiment->options.max_fails > 0 && failures >= experiment->options.max_fails;
        int rc = 0;
        if (!runner->stopping && (enough || experiment->interrupts > 0 || experiment->leaves))
                rc = stop(runner);
        if (rc == 0 && experiment->leaves && !runner->leaving) {
                runner->leaving = true;
                rc = cancel(runner, false);
        }
        /* The second time politely, the third time not: launchers kill at once what they were told to end before. */
        if (rc == 0 && runner->kills < KILLS && experiment->interrupts > runner->kills + 1) {
                runner->kills++;
                rc = cancel(runner, true);
        }
        return rc;
}

static void look_elsewhere(xpm_runner *runner, int64_t now)
{
        if (xpm_queue_length(&runner->elsewhere) == 0 || now < runner->look_again)
                return;
        runner->listens = now >= runner->listen_again;
        if (runner->listens)
                runner->listen_again = now + xpm_beat();
        for (size_t n = xpm_queue_length(&runner->elsewhere); n > 0; n--)
                xpm_runner_look(runner, xpm_queue_pop(&runner->elsewhere));
        runner->look_again = now + (xpm_queue_length(&runner->elsewhere) <= FEW ? FEW_INTERVAL : ELSEWHERE_INTERVAL);
}

/* Others may have given back tokens, or changed their number. */
static void ask_for_tokens(xpm_runner *runner, int64_t now)
{
        if (runner->claims.waiting == 0 || now < runner->ask_again)
                return;
        xpm_claims_unblock(&runner->claims);
        runner->ask_again = now + TOKENS_INTERVAL;
}

static void earlier(int64_t *deadline, int64_t other)
{
        if (other >= 0 && (*deadline < 0 || other < *deadline))
                *deadline = other;
}

/* Wait until something wants to be done; which launchers do stands in READY. */
static int wait(xpm_runner *runner, int64_t deadline, bool *ready)
{
        struct pollfd fds[XPM_PORTS + 1] = {{.fd = runner->experiment->wake, .events = POLLIN}};
        for (size_t i = 0; i < runner->port_count; i++) {
                const xpm_port *port = &runner->ports[i];
                fds[i + 1] = (struct pollfd){.fd = port->ops->fd(port->instance),
                                             .events = port->ops->events(port->instance)};
                earlier(&deadline, port->ops->deadline(port->instance));
        }
        if (xpm_queue_length(&runner->elsewhere) > 0)
                earlier(&deadline, runner->look_again);
        if (runner->claims.waiting > 0)
                earlier(&deadline, runner->ask_again);
        int64_t now = now_ms();
        if (runner->stopping && now < runner->leave_at) /* a moment that is past would make this a busy loop */
                earlier(&deadline, runner->leave_at);
        int timeout = deadline < 0 ? -1 : deadline <= now ? 0 : deadline - now > 60000 ? 60000 : (int)(deadline - now);
        if (poll(fds, runner->port_count + 1, timeout) < 0 && errno != EINTR)
                return xpm_fail_errno(runner->err, "cannot wait for events");
        now = now_ms();
        for (size_t i = 0; i < runner->port_count; i++) {
                int64_t due = runner->ports[i].ops->deadline(runner->ports[i].instance);
                ready[i] = fds[i + 1].revents != 0 || (due >= 0 && due <= now);
        }
        eventfd_t count;
        if (fds[0].revents)
                eventfd_read(runner->experiment->wake, &count);
        return 0;
}

static int dispatch(xpm_runner *runner, const bool *ready)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < runner->port_count; i++)
                if (ready[i])
                        rc = runner->ports[i].ops->dispatch(runner->ports[i].instance, runner->err);
        return rc;
}

static bool finished(const xpm_runner *runner)
{
        /* What lasts is left alone when nobody wants it cancelled, and when it was told to end as often as can be. */
        bool left = runner->kills == 0 ? now_ms() >= runner->leave_at : runner->kills == KILLS;
        size_t lasting = !runner->stopping ? 0 : left ? xpm_runner_lasting(runner) : runner->spared;
        if (runner->handed_over > lasting + (runner->stopping ? 0 : runner->accepted))
                return false;
        if (runner->stopping)
                return true;
        return runner->by_state[XPM_JOB_READY] == 0 && xpm_queue_length(&runner->elsewhere) == 0;
}

static void report(const xpm_runner *runner)
{
        if (runner->observer && runner->observer->progress) {
                xpm_counts counts = xpm_runner_counts(runner);
                runner->observer->progress(runner->observer->data, &counts);
        }
}

static int loop(xpm_runner *runner)
{
        bool ready[XPM_PORTS];
        int rc = 0;
        while (rc == 0) {
                int64_t next = -1, now = now_ms();
                rc = obey(runner);
                ask_for_tokens(runner, now);
                if (rc == 0)
                        rc = fill(runner);
                look_elsewhere(runner, now);
                xpm_run_set_requests(runner->run, runner->experiment->requests);
                if (rc == 0)
                        rc = xpm_run_tick(runner->run, now, &next, runner->err);
                if (rc == 0)
                        rc = runner->rc;
                report(runner);
                if (rc != 0 || finished(runner))
                        break;
                if (runner->observer && runner->observer->interval > 0)
                        earlier(&next, now + runner->observer->interval);
                rc = wait(runner, next, ready);
                if (rc == 0)
                        rc = dispatch(runner, ready);
        }
        return rc;
}

static enum xpm_job_state state_of(const void *data, size_t job)
{
        return (enum xpm_job_state)((const xpm_runner *)data)->jobs[job].state;
}

static int look(void *data, xpm_error *err)
{
        (void)err; /* the runner's own */
        return xpm_runner_survey(data);
}

static int start(xpm_runner *runner)
{
        const xpm_survey survey = {runner, look, state_of};
        size_t count = runner->plan->job_count;
        runner->jobs = calloc(count + 1, sizeof *runner->jobs);
        runner->slots = calloc(count + 1, sizeof *runner->slots);
        if (!runner->jobs || !runner->slots)
                return xpm_fail_memory(runner->err);
        int rc = xpm_queue_init(&runner->elsewhere, count, runner->err);
        if (rc == 0)
                rc = xpm_runner_open_unattended(runner);
        if (rc == 0)
                rc = xpm_experiment_graph(runner->experiment, &runner->graph, runner->err);
        if (rc == 0)
                rc = xpm_runner_open_ports(runner);
        if (rc == 0)
                rc = xpm_experiment_begin(runner->experiment, &survey, runner->slots, &runner->run, runner->err);
        if (rc == 0)
                rc = xpm_claims_open(&runner->claims, runner->experiment, xpm_run_name(runner->run), runner->err);
        if (rc == 0) {
                runner->experiment->core.run = xpm_run_path(runner->run);
                rc = xpm_runner_reattach(runner);
        }
        if (rc == 0)
                xpm_runner_release_jobs(runner);
        return rc;
}

static enum xpm_verdict judge(const xpm_runner *runner)
{
        if (runner->experiment->interrupts > 0)
                return XPM_VERDICT_INTERRUPTED;
        if (runner->leaving)
                return XPM_VERDICT_LEFT;
        if (runner->stopping)
                return XPM_VERDICT_STOPPED;
        if (runner->by_state[XPM_JOB_ERROR] > 0)
                return XPM_VERDICT_FAILED;
        return runner->accepted > 0 ? XPM_VERDICT_SUBMITTED : XPM_VERDICT_DONE;
}

static int finish(xpm_runner *runner, int rc, enum xpm_verdict verdict)
{
        static const enum xpm_run_outcome outcomes[] = {
                [XPM_VERDICT_DONE] = XPM_RUN_DONE,      [XPM_VERDICT_FAILED] = XPM_RUN_FAILED,
                [XPM_VERDICT_STOPPED] = XPM_RUN_FAILED, [XPM_VERDICT_INTERRUPTED] = XPM_RUN_CANCELLED,
                [XPM_VERDICT_LEFT] = XPM_RUN_CANCELLED, [XPM_VERDICT_SUBMITTED] = XPM_RUN_DETACHED,
        };
        /* Its jobs still need what stands in this run. */
        bool detached = xpm_runner_lasting(runner) > 0;
        xpm_runner_close_ports(runner);
        if (rc == 0 && runner->run)
                rc = xpm_runner_remove_transients(runner);
        xpm_claims_close(&runner->claims);
        if (runner->run) {
                xpm_run_set_requests(runner->run, runner->experiment->requests);
                enum xpm_run_outcome outcome = rc != 0    ? XPM_RUN_FAILED
                                               : detached ? XPM_RUN_DETACHED
                                                          : outcomes[verdict];
                int ended = xpm_run_end(runner->run, outcome, rc == 0 ? runner->err : NULL);
                rc = rc == 0 ? ended : rc;
        }
        xpm_runner_close_unattended(runner);
        xpm_graph_release(&runner->graph);
        xpm_queue_release(&runner->elsewhere);
        xpm_runner_close_attached(runner);
        free(runner->jobs);
        free(runner->slots);
        return rc;
}

/* After all was told to end. */
static void tell_of_rest(const xpm_runner *runner)
{
        const xpm_log *log = &runner->experiment->log;
        size_t left = xpm_runner_lasting(runner) - runner->spared;
        if (left > 0)
                xpm_warn(log,
                         "%zu jobs were told to end, and their scheduler has not said that they have; the same command "
                         "finds out",
                         left);
        if (runner->spared > 0)
                xpm_note(log, "%zu job%s of other experiments, which go on, stay%s with the scheduler", runner->spared,
                         runner->spared == 1 ? "" : "s", runner->spared == 1 ? "s" : "");
}

int xpm_experiment_run(xpm_experiment *experiment, const xpm_observer *observer, xpm_counts *counts,
                       enum xpm_verdict *verdict, xpm_error *err)
{
        xpm_error own = XPM_ERROR_NONE;
        xpm_runner runner = {
                .experiment = experiment, .plan = experiment->plan, .observer = observer, .err = err ? err : &own};
        int rc = xpm_unattended_check(experiment, runner.err);
        if (rc == 0)
                rc = xpm_experiment_prepare(experiment, runner.err);
        if (rc != 0)
                return rc;
        experiment->runner = &runner;
        rc = start(&runner);
        if (rc == 0)
                rc = loop(&runner);
        if (rc == 0 && runner.kills > 0)
                tell_of_rest(&runner);
        /* What is left with schedulers is told of. */
        for (size_t i = 0; rc == 0 && runner.accepted > 0 && i < runner.port_count; i++)
                rc = runner.ports[i].ops->withdraw(runner.ports[i].instance, runner.err);
        *counts = xpm_runner_counts(&runner);
        *verdict = judge(&runner);
        rc = finish(&runner, rc, *verdict);
        experiment->runner = NULL;
        return rc;
}
