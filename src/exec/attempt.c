/* Order of what is done to a directory: lock (after whatever a dead worker left has been killed), look for an outcome,
 * replace the status of the attempt before, remove its marker and outputs, run, check outputs, commit (status, then
 * marker), give the tokens back, let go of the lock.
 *
 * A failure to start is an outcome like another: it is written to SCRIPT.err for the user and committed. Only what
 * cannot be written at all is the workspace's fault, and marked as such: it must never look like a success, nor be
 * blamed on the job. */
#include "exec/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "exec/hold.h"
#include "exec/judge.h"
#include "exec/leftover.h"
#include "exec/nonce.h"
#include "exec/script.h"
#include "exec/sessiondir.h"

enum { NANO = 1000000000, MICRO = 1000000, ORPHAN_TRIES = 20 };

static int64_t monotonic(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * NANO + now.tv_nsec;
}

void xpm_attempt_init(xpm_attempt *attempt, xpm_order *order)
{
        *attempt = (xpm_attempt){.order = order,
                                 .dir = XPM_JOBDIR_INIT,
                                 .child = {.pid = -1, .pidfd = -1},
                                 .group = XPM_CGROUP_JOB_INIT,
                                 .logs = {-1, -1},
                                 .number = order->attempt ? order->attempt : 1,
                                 .outcome = {.code = -1}};
        attempt->dir.path = order->spec.path;
        attempt->dir.script = order->spec.script;
}

static void close_logs(xpm_attempt *attempt)
{
        for (int i = 0; i < 2; i++) {
                if (attempt->logs[i] >= 0)
                        close(attempt->logs[i]);
                attempt->logs[i] = -1;
        }
}

void xpm_attempt_close(xpm_attempt *attempt)
{
        close_logs(attempt);
        if (attempt->child.pidfd >= 0)
                close(attempt->child.pidfd);
        attempt->child.pidfd = -1;
        xpm_hold_release(attempt);
        xpm_jobdir_release(&attempt->dir);
}

void xpm_attempt_release(xpm_attempt *attempt)
{
        xpm_attempt_close(attempt);
        xpm_text_release(&attempt->before);
        xpm_order_destroy(attempt->order);
        attempt->order = NULL;
}

static enum xpm_attempt_step over(xpm_attempt *attempt, enum xpm_failure failure, const char *message)
{
        xpm_judge_as(&attempt->outcome, failure, message);
        return XPM_ATTEMPT_OVER;
}

/* The workspace cannot be written. */
static enum xpm_attempt_step broken(xpm_attempt *attempt, enum xpm_failure failure, const xpm_error *err)
{
        attempt->outcome.broken = true;
        return over(attempt, failure, err->message);
}

static int write_content(const xpm_attempt *attempt, xpm_error *err)
{
        const xpm_order *order = attempt->order;
        const xpm_jobspec *spec = &order->spec;
        xpm_jobdir_name script;
        int rc = 0;
        xpm_jobdir_file(&attempt->dir, "sh", script);
        if (order->params)
                rc = xpm_jobdir_content(&attempt->dir, "params.json", order->params, order->params_length, err);
        if (rc == 0 && order->script)
                rc = xpm_jobdir_content(&attempt->dir, script, order->script, order->script_length, err);
        for (size_t i = 0; rc == 0 && i < spec->file_count; i++)
                rc = xpm_jobdir_content(&attempt->dir, spec->files[i].name, spec->files[i].content,
                                        spec->files[i].length, err);
        return rc;
}

static xpm_job_status status_of(const xpm_site *site, const xpm_attempt *attempt)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        const xpm_demand demand = xpm_demand_of(&spec->need);
        xpm_job_status status = {
                .job_id = spec->job_id,
                .task_id = spec->task_id,
                .path = spec->path,
                .state = XPM_JOB_RUNNING,
                .code = -1,
                .submitted = attempt->order->submitted,
                .started = attempt->started,
                .attempt = attempt->number,
                .nonce = attempt->nonce,
                .resumable = spec->resumable,
                .recipe = spec->recipe,
                .command = spec->command,
                .host = site->host,
                .cores = (int64_t)demand.cores,
                .memory = demand.memory,
                .attempts = attempt->before.length ? attempt->before.data : NULL,
        };
        status.gpus = (int64_t)demand.gpu_count;
        if (attempt->handle[0]) {
                status.launcher = attempt->launcher;
                status.handle = attempt->handle;
        }
        if (attempt->seat) {
                status.cpuset = attempt->seat->cpuset;
                status.devices = attempt->seat->devices;
                status.seen = attempt->seen;
        }
        return status;
}

static xpm_job_process process_of(const xpm_site *site, const xpm_attempt *attempt)
{
        return (xpm_job_process){.host = site->host,
                                 .boot = xpm_boot_id(),
                                 .worker = site->pid,
                                 .command = attempt->child.pid,
                                 .start_time = site->start_time,
                                 .command_start = attempt->command_start,
                                 .heartbeat = xpm_heartbeat_path(site->heartbeat)};
}

/* Commit the outcome that stands. */
static void commit(const xpm_site *site, xpm_attempt *attempt, const xpm_job_usage *usage)
{
        xpm_outcome *outcome = &attempt->outcome;
        xpm_error err = XPM_ERROR_NONE;
        xpm_job_status status = status_of(site, attempt);
        status.state = outcome->done ? XPM_JOB_DONE : XPM_JOB_ERROR;
        status.failure = outcome->failure;
        status.code = outcome->code;
        status.message = *outcome->message ? outcome->message : NULL;
        status.ended = attempt->started + (int64_t)(outcome->wall * 1e6);
        status.usage = usage;
        if (xpm_jobdir_commit(&attempt->dir, &status, attempt->announced, &err) == 0)
                return;
        if (xpm_jobdir_is_gone(&attempt->dir)) {
                /* The job's own doing, or its user's: no reason to stop the others. */
                outcome->code = -1;
                over(attempt, outcome->done ? XPM_FAILURE_OUTPUT : outcome->failure,
                     "its directory was deleted while it ran");
        } else
                broken(attempt, outcome->done ? XPM_FAILURE_OUTPUT : outcome->failure, &err);
}

/* Whether an outcome that is there already settles the matter. */
static bool settled(xpm_attempt *attempt, const xpm_job_past *past, bool waited)
{
        /* The end of an attempt before the one that was waited for is none of today's. */
        bool stale = attempt->holder.ended && past->attempt == attempt->holder.attempt;
        bool theirs = waited && attempt->holder.before && !stale;
        if (past->state == XPM_JOB_DONE && (!attempt->order->again || theirs)) {
                attempt->outcome.code = 0;
                over(attempt, XPM_FAILURE_NONE, NULL);
                return true;
        }
        if (past->state == XPM_JOB_ERROR && theirs) {
                attempt->outcome.code = past->code;
                over(attempt, past->failure, past->message);
                return true;
        }
        return false;
}

/* What is left of an attempt without an end, as far as PAST tells where that ran. */
static int sweep(const xpm_site *site, xpm_attempt *attempt, const xpm_job_past *past)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        const char *lock = xpm_arena_printf(attempt->order->arena, "%s/%s.lock", spec->path, spec->script);
        bool here = past && strcmp(past->host, site->host) == 0 && strcmp(past->boot, xpm_boot_id()) == 0;
        const xpm_leftover leftover = {spec->path, lock, here ? past->command : 0, here ? past->command_start : 0,
                                       NULL};
        return lock ? xpm_sweep(&leftover) : 0;
}

/* The lock is held: remember what stands there; when its holder is dead, kill what holds it. */
static int see_holder(xpm_attempt *attempt, xpm_error *err)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        xpm_job_past past = XPM_JOB_PAST_INIT;
        if (xpm_job_past_read(attempt->dir.dir, &past, NULL) == 0 && !attempt->holder.looked) {
                attempt->holder.looked = true;
                attempt->holder.ended = past.state == XPM_JOB_ERROR || past.state == XPM_JOB_DONE;
                attempt->holder.attempt = past.attempt;
        }
        xpm_job_past_release(&past);
        int rc = XPM_ELOCKED;
        if (xpm_sweep_job(spec->path, spec->script)) {
                for (int i = 0; i < ORPHAN_TRIES && rc == XPM_ELOCKED; i++)
                        rc = xpm_jobdir_lock(&attempt->dir, NULL);
                if (rc == 0 && err)
                        *err = XPM_ERROR_NONE;
        }
        attempt->holder.now = rc == XPM_ELOCKED;
        attempt->holder.before |= attempt->holder.now;
        return rc;
}

/* Another attempt in a directory that was there: 1 when there is nothing to run. */
static int take_over(const xpm_site *site, xpm_attempt *attempt, bool waited, xpm_error *err)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        xpm_job_past past = XPM_JOB_PAST_INIT;
        int rc = xpm_jobdir_past(&attempt->dir, &past, err);
        if (rc == 0 && settled(attempt, &past, waited))
                rc = 1;
        if (rc == 0 && attempt->order->nonce) {
                memcpy(attempt->launcher, past.launcher, sizeof attempt->launcher);
                memcpy(attempt->handle, past.handle, sizeof attempt->handle);
        }
        if (rc == 0 && !xpm_nonce_is_expected(attempt->order, attempt->nonce, &past))
                rc = over(attempt, XPM_FAILURE_LOST, "it is not this attempt's any more") == XPM_ATTEMPT_OVER;
        if (rc != 0)
                goto out;
        /* Somebody may have come, and have died, between the making of the directory and the lock. */
        bool begun = xpm_jobdir_has_begun(&attempt->dir);
        if (attempt->dir.fresh && past.state == XPM_JOB_UNSCHEDULED && !begun)
                goto out;
        if (begun && past.attempt == 0)
                past.attempt = 1;            /* it left no status */
        if (past.attempt >= attempt->number) /* what a scheduler has was counted when it was given it */
                attempt->number = past.attempt + (past.state != XPM_JOB_SCHEDULED);
        if (past.state != XPM_JOB_DONE && past.state != XPM_JOB_ERROR && begun)
                sweep(site, attempt, &past);
        attempt->before = past.attempts;
        past.attempts = XPM_TEXT_INIT;
        attempt->dir.fresh = false;
        xpm_job_status status = status_of(site, attempt);
        size_t old = spec->resumable ? 0 : spec->output_count - spec->input_output_count;
        rc = xpm_jobdir_begin(&attempt->dir, &status, spec->outputs, old, err);
out:
        xpm_job_past_release(&past);
        return rc;
}

/* Why the command could not be started, in words that name it. */
static int describe(const xpm_jobspec *spec, const char *command, enum xpm_spawn_step step, int error, xpm_error *words)
{
        bool script = error == ENOENT && strchr(command, '/') && access(command, F_OK) == 0;
        errno = error;
        if (step == XPM_SPAWN_CHDIR)
                return xpm_fail_errno(words, "the working directory '%s' %s", spec->cwd ? spec->cwd : spec->path,
                                      error == ENOENT ? "is gone" : "cannot be entered");
        if (step == XPM_SPAWN_EXEC && script)
                return xpm_fail_errno(words, "the interpreter that the first line of '%s' names is missing", command);
        if (step == XPM_SPAWN_EXEC && error == ENOENT)
                return xpm_script_fail_missing(command, words);
        if (step == XPM_SPAWN_EXEC && error == EACCES)
                return xpm_fail_errno(words, "the command '%s' is not executable", command);
        if (step == XPM_SPAWN_EXEC && error == ENOEXEC)
                return xpm_fail_errno(words, "the command '%s' is neither a program nor a script that begins with '#!'",
                                      command);
        return xpm_fail_errno(words, "cannot run '%s'", command);
}

/* What is executed: the command itself, or the shell on the run file. */
static const char *const *command_of(const xpm_attempt *attempt, xpm_error *err)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        if (xpm_order_is_direct(spec))
                return spec->argv;
        size_t count = 0;
        while (spec->shell[count])
                count++;
        const char **argv = xpm_arena_calloc(attempt->order->arena, count + 2, sizeof *argv);
        char *script = xpm_arena_printf(attempt->order->arena, "%s/%s.sh", spec->path, spec->script);
        if (!argv || !script) {
                xpm_fail_memory(err);
                return NULL;
        }
        memcpy(argv, spec->shell, count * sizeof *argv);
        argv[count] = script;
        return argv;
}

static int spawn(const xpm_site *site, xpm_attempt *attempt, enum xpm_spawn_step *step, const char *const **argv,
                 xpm_error *err)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        const char *const *env;
        attempt->started = xpm_time_now();
        int64_t deadline = spec->need.duration > 0 ? attempt->started / MICRO + spec->need.duration : 0;
        const xpm_environ_attempt own = {attempt->seat, attempt->nonce, deadline, !xpm_order_is_alone(attempt->order)};
        int rc = xpm_environ_make(&site->environment, attempt->order->arena, spec, !xpm_order_is_direct(spec), &own,
                                  &env, err);
        if (rc != 0)
                return rc;
        if (!(*argv = command_of(attempt, err)))
                return XPM_ENOMEM;
        xpm_spawn child = XPM_SPAWN_INIT;
        child.argv = *argv;
        child.env = env;
        child.cwd = spec->cwd;
        child.cwd_fd = spec->cwd ? -1 : attempt->dir.dir;
        child.stdio[1] = attempt->logs[0];
        child.stdio[2] = attempt->logs[1];
        child.keep[0] = (xpm_kept){attempt->dir.lock, XPM_LOCK_FD};
        if (attempt->seat)
                child.keep[1] = (xpm_kept){attempt->seat->stock, XPM_STOCK_FD};
        child.session = true;
        child.signals = site->signals;
        if (attempt->seat && attempt->seat->this_system && !attempt->on_seat) {
                child.cpus = attempt->seat->cpus.words;
                child.cpu_words = XPM_BITS_WORDS;
        }
        if (attempt->seat && attempt->seat->bind_memory) {
                child.nodes = attempt->seat->nodes.words;
                child.node_words = XPM_BITS_WORDS;
        }
        if (spec->need.ranks > 0)
                xpm_sessiondir_make(env, site->host);
        uint64_t memory = xpm_attempt_memory(attempt);
        if (memory > 0 && site->cgroup && xpm_cgroup_begin(site->cgroup, memory, &attempt->group))
                child.cgroup_fd = attempt->group.procs;
        attempt->begun = monotonic();
        attempt->command_start = xpm_process_clock();
        return xpm_spawn_start(&child, &attempt->child, step, err);
}

/* The command could not be started: say so where its own words would stand. */
static enum xpm_attempt_step not_started(const xpm_site *site, xpm_attempt *attempt, const char *message)
{
        xpm_text line = XPM_TEXT_INIT;
        over(attempt, XPM_FAILURE_LAUNCH, message);
        xpm_text_printf(&line, "xpm: %s\n", attempt->outcome.message);
        if (!line.failed && xpm_write_all(attempt->logs[1], line.data, line.length) != 0)
                errno = 0; /* the message is in SCRIPT.failed as well */
        xpm_text_release(&line);
        attempt->outcome.wall = 0;
        commit(site, attempt, NULL);
        return XPM_ATTEMPT_OVER;
}

/* The directory, made if need be, and its lock. */
static int open_and_lock(const xpm_site *site, xpm_attempt *attempt, xpm_error *err)
{
        attempt->dir.directory_mode = site->directory_mode;
        attempt->dir.file_mode = site->file_mode;
        int rc = xpm_jobdir_open(&attempt->dir, true, err);
        if (rc == 0)
                rc = xpm_jobdir_lock(&attempt->dir, err);
        return rc == XPM_ELOCKED ? see_holder(attempt, err) : rc;
}

/* All that the directory has when the command starts: 0, or 1 when there is nothing to run, or an error. */
static int enter(const xpm_site *site, xpm_attempt *attempt, bool waited, xpm_error *err)
{
        int rc = attempt->order->nonce ? 0 : xpm_nonce_draw(attempt->nonce, err);
        if (attempt->order->nonce)
                xpm_nonce_number(attempt->order->nonce, attempt->order->restart, attempt->nonce);
        if (rc == 0)
                rc = open_and_lock(site, attempt, err);
        if (rc == 0)
                rc = xpm_hold_take(site, attempt, err);
        if (rc == 1)
                return over(attempt, XPM_FAILURE_LOST, "its tokens were given to others before it began"), 1;
        if (rc == 0)
                rc = take_over(site, attempt, waited, err);
        if (rc == 0)
                rc = write_content(attempt, err);
        if (rc == 0)
                rc = xpm_jobdir_logs(&attempt->dir, attempt->number - 1, attempt->logs, err);
        return rc;
}

int xpm_attempt_schedule(const xpm_site *site, xpm_attempt *attempt, const char *launcher, const char *handle,
                         xpm_error *err)
{
        int rc = xpm_nonce_draw(attempt->nonce, err);
        if (rc == 0)
                rc = open_and_lock(site, attempt, err);
        if (rc == 0)
                rc = take_over(site, attempt, false, err);
        if (rc == 0)
                rc = write_content(attempt, err);
        if (rc == 0) {
                xpm_job_status status = status_of(site, attempt);
                status.state = XPM_JOB_SCHEDULED;
                status.host = NULL;
                status.launcher = launcher;
                status.handle = handle;
                rc = xpm_jobdir_schedule(&attempt->dir, &status, err);
        }
        xpm_jobdir_release(&attempt->dir);
        return rc;
}

static enum xpm_attempt_step launch(const xpm_site *site, xpm_attempt *attempt)
{
        xpm_error err = XPM_ERROR_NONE, words = XPM_ERROR_NONE;
        enum xpm_attempt_step result = XPM_ATTEMPT_RUNS;
        enum xpm_spawn_step step = XPM_SPAWN_OK;
        const char *const *argv = NULL;
        int rc = spawn(site, attempt, &step, &argv, &err);
        if (rc != 0 && step != XPM_SPAWN_OK)
                describe(&attempt->order->spec, argv[0], step, errno, &words);
        if (rc != 0) {
                xpm_cgroup_end(site->cgroup, &attempt->group);
                result = not_started(site, attempt, words.code ? words.message : err.message);
        }
        close_logs(attempt);
        return result;
}

enum xpm_attempt_step xpm_attempt_start(const xpm_site *site, xpm_attempt *attempt, bool waited)
{
        xpm_error err = XPM_ERROR_NONE;
        attempt->gaps = xpm_heartbeat_gaps(site->heartbeat);
        attempt->outcome.message[0] = '\0'; /* who held the lock when it was tried before */
        attempt->holder.now = false;
        int rc = enter(site, attempt, waited, &err);
        if (rc == XPM_ELOCKED) {
                snprintf(attempt->outcome.message, sizeof attempt->outcome.message, "%s", err.message);
                xpm_hold_release(attempt);
                xpm_jobdir_release(&attempt->dir);
                return XPM_ATTEMPT_HELD;
        }
        enum xpm_attempt_step step = XPM_ATTEMPT_OVER;
        if (rc < 0)
                broken(attempt, XPM_FAILURE_LAUNCH, &err);
        else if (rc == 0)
                step = launch(site, attempt);
        if (step == XPM_ATTEMPT_OVER)
                xpm_hold_give_back(attempt);
        return step;
}

void xpm_attempt_doubt(const xpm_site *site, xpm_attempt *attempt, int64_t gap)
{
        attempt->doubtful |= gap > xpm_doubt() || xpm_heartbeat_gaps(site->heartbeat) != attempt->gaps;
}

bool xpm_attempt_is_ours(const xpm_attempt *attempt)
{
        return xpm_jobdir_is_ours(&attempt->dir, attempt->nonce);
}

bool xpm_attempt_see(xpm_attempt *attempt)
{
        if (!attempt->seat || attempt->seen)
                return false;
        attempt->seen = xpm_seat_mismatch(attempt->seat, attempt->child.pid, attempt->order->arena);
        return attempt->seen != NULL;
}

void xpm_attempt_announce(const xpm_site *site, xpm_attempt *attempt)
{
        xpm_job_status status = status_of(site, attempt);
        xpm_attempt_see(attempt);
        attempt->command_start = xpm_process_start_time(attempt->child.pid);
        xpm_job_process process = process_of(site, attempt);
        status.process = &process;
        attempt->announced = true;
        /* A courtesy to whoever looks: the lock says that it runs, and what cannot be written now will be told at the
         * end. */
        xpm_jobdir_announce(&attempt->dir, &status, NULL);
}

/* Somebody else runs it, or has run it: what we saw counts for nothing, and its tokens are his. */
static void yield_to_other(xpm_attempt *attempt)
{
        attempt->outcome.done = false;
        over(attempt, XPM_FAILURE_LOST, "this host was cut off, and the job was given to somebody else");
}

static double seconds(struct timeval time)
{
        return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* A scheduler that starts it again finds it as it was given. That it was ended for good instead, only the scheduler
 * knows. */
static bool put_back(const xpm_site *site, xpm_attempt *attempt)
{
        const xpm_order *order = attempt->order;
        if (!order->requeue || attempt->outcome.failure != XPM_FAILURE_PREEMPTED)
                return false;
        xpm_error err = XPM_ERROR_NONE;
        attempt->number++;
        xpm_job_status status = status_of(site, attempt);
        status.state = XPM_JOB_SCHEDULED;
        status.nonce = order->nonce;
        status.host = NULL;
        if (xpm_jobdir_schedule(&attempt->dir, &status, &err) != 0)
                broken(attempt, XPM_FAILURE_PREEMPTED, &err);
        return true;
}

int xpm_attempt_bar(const xpm_site *site, xpm_attempt *attempt, const char *message, xpm_error *err)
{
        xpm_job_past past = XPM_JOB_PAST_INIT;
        int rc = open_and_lock(site, attempt, err);
        if (rc == 0)
                rc = xpm_jobdir_past(&attempt->dir, &past, err);
        if (rc == 0 && xpm_nonce_is_named(attempt->order, &past)) {
                attempt->number = past.attempt;
                attempt->started = xpm_time_now();
                over(attempt, XPM_FAILURE_DEPENDENCY, message);
                commit(site, attempt, NULL);
        }
        xpm_job_past_release(&past);
        xpm_jobdir_release(&attempt->dir);
        return rc;
}

/* Who was killed could not end what he had started, and who failed may be run again: not beside the rest of himself. */
static void end_rest(xpm_attempt *attempt)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        /* In the place of a directory that is gone there may be another attempt's, with its lock. */
        bool gone = xpm_jobdir_is_gone(&attempt->dir);
        const char *lock =
                gone ? NULL : xpm_arena_printf(attempt->order->arena, "%s/%s.lock", spec->path, spec->script);
        const xpm_leftover leftover = {spec->path, lock, attempt->child.pid, attempt->command_start, attempt->nonce};
        xpm_cgroup_kill(&attempt->group);
        xpm_sweep(&leftover);
}

void xpm_attempt_finish(const xpm_site *site, xpm_attempt *attempt, int status, const struct rusage *usage)
{
        /* Microseconds: more digits are noise, and cost in every reader. */
        attempt->outcome.wall = (double)((monotonic() - attempt->begun) / 1000) / 1e6;
        xpm_job_usage used = {seconds(usage->ru_utime), seconds(usage->ru_stime), attempt->outcome.wall,
                              (int64_t)usage->ru_maxrss * 1024};
        xpm_judge(attempt, status, used.max_rss);
        if (!attempt->outcome.done)
                end_rest(attempt);
        attempt->child.pid = -1;
        xpm_cgroup_end(site->cgroup, &attempt->group);
        xpm_attempt_doubt(site, attempt, 0);
        if (attempt->doubtful && !xpm_attempt_is_ours(attempt))
                return yield_to_other(attempt);
        if (!put_back(site, attempt))
                commit(site, attempt, &used);
        xpm_hold_give_back(attempt);
}
