/* Order of what is done to a directory: lock, look for an outcome, replace the status of the attempt before, remove its
 * marker and outputs, run, check outputs, commit (status, then marker), let go of the lock.
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

enum { NANO = 1000000000 };

static int64_t monotonic(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * NANO + now.tv_nsec;
}

/* The 22nd field of /proc/self/stat; the second is in parentheses and may hold anything. */
static uint64_t read_start_time(void)
{
        char text[1024] = "";
        int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
                close(fd);
        char *at = length > 0 ? strrchr(text, ')') : NULL;
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        return at ? strtoull(at, NULL, 10) : 0;
}

int xpm_site_init(xpm_site *site, char *const *environment, xpm_error *err)
{
        *site = (xpm_site){.pid = getpid(), .start_time = read_start_time(), .directory_mode = 0700, .file_mode = 0600};
        if (gethostname(site->host, sizeof site->host - 1) != 0)
                strcpy(site->host, "localhost");
        return xpm_environ_init(&site->environment, environment, err);
}

void xpm_site_share(xpm_site *site, mode_t directory_mode, mode_t file_mode)
{
        site->directory_mode = directory_mode;
        site->file_mode = file_mode;
        mode_t mask = umask(077);
        umask(file_mode & 0070 ? mask & ~(mode_t)0070 : mask);
}

void xpm_site_release(xpm_site *site)
{
        xpm_environ_release(&site->environment);
}

void xpm_attempt_init(xpm_attempt *attempt, xpm_order *order)
{
        *attempt = (xpm_attempt){.order = order,
                                 .dir = XPM_JOBDIR_INIT,
                                 .child = {.pid = -1, .pidfd = -1},
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
        attempt->outcome.done = failure == XPM_FAILURE_NONE;
        attempt->outcome.failure = failure;
        if (message != attempt->outcome.message)
                snprintf(attempt->outcome.message, sizeof attempt->outcome.message, "%s", message ? message : "");
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

static int make_partials(const xpm_site *site, const xpm_jobspec *spec, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < spec->partial_count; i++)
                rc = xpm_mkdir_p(AT_FDCWD, spec->partials[i], site->directory_mode, err);
        return rc;
}

static xpm_job_status status_of(const xpm_site *site, const xpm_attempt *attempt)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        xpm_job_status status = {
                .job_id = spec->job_id,
                .task_id = spec->task_id,
                .path = spec->path,
                .state = XPM_JOB_RUNNING,
                .code = -1,
                .submitted = attempt->order->submitted,
                .started = attempt->started,
                .attempt = attempt->number,
                .resumable = spec->resumable,
                .recipe = spec->recipe,
                .command = spec->command,
                .host = site->host,
                .cores = spec->need.cores,
                .memory = spec->need.memory,
                .attempts = attempt->before.length ? attempt->before.data : NULL,
        };
        for (size_t i = 0; i < spec->need.gpu_count; i++)
                status.gpus += spec->need.gpus[i].count;
        return status;
}

static xpm_job_process process_of(const xpm_site *site, const xpm_attempt *attempt)
{
        return (xpm_job_process){site->host, site->pid, attempt->child.pid, site->start_time};
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
        if (xpm_jobdir_commit(&attempt->dir, &status, attempt->announced, &err) != 0)
                broken(attempt, outcome->done ? XPM_FAILURE_OUTPUT : outcome->failure, &err);
}

/* Whether an outcome that is there already settles the matter. */
static bool settled(xpm_attempt *attempt, const xpm_job_past *past, bool waited)
{
        if (past->state == XPM_JOB_DONE && (!attempt->order->again || waited)) {
                attempt->outcome.code = 0;
                over(attempt, XPM_FAILURE_NONE, NULL);
                return true;
        }
        if (past->state == XPM_JOB_ERROR && waited) {
                attempt->outcome.code = past->code;
                over(attempt, past->failure, past->message);
                return true;
        }
        return false;
}

/* Another attempt in a directory that was there: 1 when there is nothing to run. */
static int take_over(const xpm_site *site, xpm_attempt *attempt, bool waited, xpm_error *err)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        xpm_job_past past = XPM_JOB_PAST_INIT;
        int rc = xpm_jobdir_past(&attempt->dir, &past, err);
        if (rc == 0 && settled(attempt, &past, waited))
                rc = 1;
        if (rc != 0 || (attempt->dir.fresh && past.state == XPM_JOB_UNSCHEDULED))
                goto out;
        if (past.attempt >= attempt->number)
                attempt->number = past.attempt + 1;
        attempt->before = past.attempts;
        past.attempts = XPM_TEXT_INIT;
        /* Somebody may have come between the making of the directory and the lock. */
        attempt->dir.fresh = false;
        xpm_job_status status = status_of(site, attempt);
        rc = xpm_jobdir_begin(&attempt->dir, &status, spec->outputs, spec->resumable ? 0 : spec->output_count, err);
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
                return xpm_fail_errno(words, "the command '%s' is missing%s", command,
                                      strchr(command, '/') ? "" : " (it is nowhere in PATH)");
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
        int rc = xpm_environ_make(&site->environment, attempt->order->arena, spec, !xpm_order_is_direct(spec), &env,
                                  err);
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
        child.keep_fd = attempt->dir.lock;
        child.keep_as = XPM_LOCK_FD;
        child.session = true;
        attempt->started = xpm_time_now();
        attempt->begun = monotonic();
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

/* All that the directory has when the command starts: 0, or 1 when there is nothing to run, or an error. */
static int enter(const xpm_site *site, xpm_attempt *attempt, bool waited, xpm_error *err)
{
        attempt->dir.directory_mode = site->directory_mode;
        attempt->dir.file_mode = site->file_mode;
        int rc = xpm_jobdir_open(&attempt->dir, true, err);
        if (rc == 0)
                rc = xpm_jobdir_lock(&attempt->dir, err);
        if (rc == 0)
                rc = take_over(site, attempt, waited, err);
        if (rc == 0)
                rc = write_content(attempt, err);
        if (rc == 0)
                rc = make_partials(site, &attempt->order->spec, err);
        if (rc == 0)
                rc = xpm_jobdir_logs(&attempt->dir, attempt->number - 1, attempt->logs, err);
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
        if (rc != 0)
                result = not_started(site, attempt, words.code ? words.message : err.message);
        close_logs(attempt);
        return result;
}

enum xpm_attempt_step xpm_attempt_start(const xpm_site *site, xpm_attempt *attempt, bool waited)
{
        xpm_error err = XPM_ERROR_NONE;
        attempt->outcome.message[0] = '\0'; /* who held the lock when it was tried before */
        int rc = enter(site, attempt, waited, &err);
        if (rc == XPM_ELOCKED) {
                snprintf(attempt->outcome.message, sizeof attempt->outcome.message, "%s", err.message);
                xpm_jobdir_release(&attempt->dir);
                return XPM_ATTEMPT_HELD;
        }
        if (rc == 1)
                return XPM_ATTEMPT_OVER;
        return rc == 0 ? launch(site, attempt) : broken(attempt, XPM_FAILURE_LAUNCH, &err);
}

void xpm_attempt_announce(const xpm_site *site, xpm_attempt *attempt)
{
        xpm_job_status status = status_of(site, attempt);
        xpm_job_process process = process_of(site, attempt);
        status.process = &process;
        attempt->announced = true;
        /* A courtesy to whoever looks: the lock says that it runs, and what cannot be written now will be told at the
         * end. */
        xpm_jobdir_announce(&attempt->dir, &status, NULL);
}

static void judge_outputs(xpm_attempt *attempt)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        for (size_t i = 0; i < spec->output_count; i++) {
                struct stat st;
                if (fstatat(attempt->dir.dir, spec->outputs[i], &st, 0) == 0)
                        continue;
                attempt->outcome.done = false;
                attempt->outcome.failure = XPM_FAILURE_OUTPUT;
                snprintf(attempt->outcome.message, sizeof attempt->outcome.message,
                         "the command succeeded, but its output '%s' is missing", spec->outputs[i]);
                return;
        }
}

static void judge(xpm_attempt *attempt, int status)
{
        xpm_outcome *outcome = &attempt->outcome;
        if (WIFEXITED(status)) {
                outcome->code = WEXITSTATUS(status);
                outcome->done = outcome->code == 0;
                if (!outcome->done)
                        snprintf(outcome->message, sizeof outcome->message, "exit status %d", outcome->code);
        } else {
                int number = WTERMSIG(status);
                const char *name = sigabbrev_np(number);
                snprintf(outcome->message, sizeof outcome->message, "killed by signal %d (SIG%s)", number,
                         name ? name : "?");
        }
        if (outcome->done)
                judge_outputs(attempt);
        else
                outcome->failure = attempt->asked ? attempt->asked : XPM_FAILURE_FAILED;
}

static double seconds(struct timeval time)
{
        return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void xpm_attempt_finish(const xpm_site *site, xpm_attempt *attempt, int status, const struct rusage *usage)
{
        /* Microseconds: more digits are noise, and cost in every reader. */
        attempt->outcome.wall = (double)((monotonic() - attempt->begun) / 1000) / 1e6;
        xpm_job_usage used = {seconds(usage->ru_utime), seconds(usage->ru_stime), attempt->outcome.wall,
                              (int64_t)usage->ru_maxrss * 1024};
        attempt->child.pid = -1;
        judge(attempt, status);
        commit(site, attempt, &used);
}
