/* A job's own run file starts a worker for that job alone: the pool with one slot and no engine. What it refuses it
 * refuses before anything is written. Ctrl-C is meant for the job here, since nobody else would be told. */
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/file.h"
#include "exec/guardian.h"
#include "exec/pool.h"
#include "exec/runfile.h"
#include "exec/worker.h"
#include "workspace/locktrial.h"

enum { DONE = 0, FAILED = 1, INTERRUPTED = 130 };

extern char **environ;

typedef struct by_hand {
        uv_loop_t loop;
        uv_signal_t signals[2];
        xpm_site site;
        xpm_pool *pool;
        const xpm_jobspec *spec;
        xpm_error *err;
        int stock, status;
        const char *note; /* of the stock, or NULL */
        bool interrupted;
        int64_t begun;  /* microseconds since the epoch */
        bool scheduled; /* by a scheduler: what is not ours to run is no error */
        bool requeue;   /* which starts it again when it was interrupted; others follow it by our exit status */
} by_hand;

static void say(const char *text, const char *path)
{
        fprintf(stderr, "xpm: %s '%s'\n", text, path);
}

/* Another attempt has the job, or has ended it. Ours is lost, too, when the guardian is killed: it had begun. */
static bool is_given_away(const by_hand *hand, const xpm_launch_event *event)
{
        return hand->scheduled && event->reason && strcmp(event->reason, "lost") == 0 && !xpm_guardian_is_gone();
}

static void on_event(void *data, const xpm_launch_event *event, bool broken)
{
        by_hand *hand = data;
        if (event->kind == XPM_LAUNCH_STARTED)
                return;
        if (broken)
                hand->status = xpm_error_exit_status(xpm_fail(hand->err, XPM_EIO, "%s", event->message));
        else if (event->done) {
                hand->status = DONE;
                if (!hand->scheduled)
                        say("done: the output is in", hand->spec->path);
        } else if (is_given_away(hand, event)) {
                hand->status = hand->requeue ? FAILED : DONE;
                say("not run: it was given to somebody else, or has ended:", hand->spec->path);
        } else if (event->kind == XPM_LAUNCH_RETURNED && hand->interrupted) {
                hand->status = INTERRUPTED;
                say("interrupted before it began:", hand->spec->path);
        } else {
                hand->status = hand->interrupted ? INTERRUPTED : FAILED;
                fprintf(stderr, "xpm: %s: %s; see '%s/%s.err'\n", event->reason ? event->reason : "not run",
                        event->message ? event->message : "it was not started", hand->spec->path, hand->spec->script);
        }
        for (int i = 0; i < 2; i++)
                uv_close((uv_handle_t *)&hand->signals[i], NULL);
}

static void on_note(void *data, const char *line)
{
        (void)data;
        fprintf(stderr, "xpm: %s\n", line);
}

static void on_flush(void *data)
{
        (void)data;
}

/* A scheduler warns some time before the end, up to a minute earlier than it was asked to. */
static bool is_near_the_limit(const by_hand *hand)
{
        enum { EARLY = 100 };
        int64_t limit = hand->spec->need.duration, ran = (xpm_time_now() - hand->begun) / 1000000;
        return hand->scheduled && limit > 0 && limit - ran <= EARLY;
}

static void on_signal(uv_signal_t *handle, int number)
{
        by_hand *hand = handle->data;
        (void)number;
        hand->interrupted = true;
        /* Who lets jobs start again takes them from their nodes by the same signal as who ends them for good. */
        enum xpm_failure stopped = hand->requeue ? XPM_FAILURE_PREEMPTED : XPM_FAILURE_CANCELLED;
        enum xpm_failure reason = is_near_the_limit(hand) ? XPM_FAILURE_TIMEOUT : stopped;
        xpm_pool_end(hand->pool, xpm_guardian_is_gone() ? XPM_FAILURE_LOST : reason);
}

/* Everything that a command needs from elsewhere. */
static int check_environment(const xpm_jobspec *spec, xpm_error *err)
{
        for (size_t i = 0; i < spec->required_env_count; i++)
                if (!getenv(spec->required_env[i]))
                        return xpm_fail(err, XPM_EFORMAT,
                                        "the variable '%s' is not set: the experiment was given it by --env, so this "
                                        "run file needs it",
                                        spec->required_env[i]);
        return 0;
}

/* Another host's file shows up when its directory is opened anew. */
static bool is_there(const char *directory, const char *name)
{
        int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool there = dir >= 0 && faccessat(dir, name, F_OK, 0) == 0;
        if (dir >= 0)
                close(dir);
        return there;
}

/* `task/job` is done when its marker is there. */
static bool is_done(const xpm_jobspec *spec, const char *dependency)
{
        const char *slash = strrchr(dependency, '/'), *dot = slash;
        if (!slash)
                return false;
        while (dot > dependency && dot[-1] != '.')
                dot--;
        xpm_text path = XPM_TEXT_INIT;
        xpm_text_printf(&path, "%s/jobs/%s/%.*s.done", spec->workspace, dependency, (int)(slash - dot), dot);
        char *name = path.failed ? NULL : strrchr(path.data, '/');
        if (name)
                *name = '\0';
        bool done = name && is_there(path.data, name + 1);
        xpm_text_release(&path);
        return done;
}

static bool has_marker(const xpm_jobspec *spec)
{
        xpm_text name = XPM_TEXT_INIT;
        xpm_text_printf(&name, "%s.done", spec->script);
        bool there = !name.failed && is_there(spec->path, name.data);
        xpm_text_release(&name);
        return there;
}

static int check_dependencies(const xpm_jobspec *spec, xpm_error *err)
{
        xpm_text missing = XPM_TEXT_INIT;
        for (size_t i = 0; i < spec->dependency_count; i++)
                if (!is_done(spec, spec->dependencies[i]))
                        xpm_text_printf(&missing, "%s'%s'", missing.length ? ", " : "", spec->dependencies[i]);
        int rc = missing.length == 0 ? 0
                                     : xpm_fail(err, XPM_EFORMAT, "not run: what it needs is not done: %s",
                                                xpm_text_string(&missing));
        xpm_text_release(&missing);
        return rc;
}

/* Files get the access that the directory has: 0600 in one of 0700, 0660 in one of 02770. */
static int share(by_hand *hand, xpm_error *err)
{
        struct stat st;
        if (stat(hand->spec->path, &st) != 0)
                return xpm_fail_errno(err, "cannot look at '%s'", hand->spec->path);
        xpm_site_share(&hand->site, st.st_mode & 07777, st.st_mode & 0666);
        return 0;
}

static int open_loop(by_hand *hand, xpm_error *err)
{
        static const int numbers[2] = {SIGTERM, SIGINT};
        int rc = uv_loop_init(&hand->loop);
        for (int i = 0; rc == 0 && i < 2; i++) {
                uv_signal_init(&hand->loop, &hand->signals[i]);
                hand->signals[i].data = hand;
                rc = uv_signal_start(&hand->signals[i], on_signal, numbers[i]);
        }
        signal(SIGHUP, SIG_IGN);
        return rc == 0 ? 0 : xpm_fail(err, XPM_EIO, "cannot make an event loop: %s", uv_strerror(rc));
}

/* Whether it was done already; XPM_ELOCKED when another process has it. */
static int look(const by_hand *hand, bool *done)
{
        xpm_jobdir job = XPM_JOBDIR_INIT;
        xpm_job_past past = XPM_JOB_PAST_INIT;
        job.path = hand->spec->path;
        job.script = hand->spec->script;
        job.directory_mode = hand->site.directory_mode;
        job.file_mode = hand->site.file_mode;
        int rc = xpm_jobdir_open(&job, false, hand->err);
        if (rc == 0)
                rc = xpm_jobdir_lock(&job, hand->err);
        if (rc == 0)
                rc = xpm_jobdir_past(&job, &past, hand->err);
        *done = past.state == XPM_JOB_DONE;
        xpm_job_past_release(&past);
        xpm_jobdir_release(&job);
        return rc;
}

/* Nobody on this host knows of this worker. Where it can have no heartbeat the lock alone speaks for the job. */
static void give_signs_of_life(by_hand *hand)
{
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_heartbeat_start(hand->spec->workspace, hand->spec->experiment_id, hand->site.directory_mode,
                                hand->site.file_mode, &hand->site.heartbeat, &err) != 0)
                on_note(hand, err.message);
}

static int try_locks(by_hand *hand)
{
        xpm_text told = XPM_TEXT_INIT;
        int rc = xpm_locktrial_make(hand->spec->workspace, hand->site.heartbeat, &told, hand->err);
        if (rc == 0 && told.length > 0) {
                on_note(hand, told.data);
                rc = xpm_locktrial_wait(hand->spec->workspace, hand->site.heartbeat, hand->err);
        }
        xpm_text_release(&told);
        return rc;
}

static int run(by_hand *hand, xpm_order *order)
{
        const xpm_pool_sink sink = {hand, on_event, on_note, on_note, on_flush};
        const xpm_pool_options options = {.slots = 1,
                                          .stock = hand->stock,
                                          .note = hand->note,
                                          .devices = hand->spec->need.gpu_count > 0,
                                          .label = hand->spec->task_id};
        hand->site.signals = xpm_spawn_signals();
        int rc = xpm_pool_create(&hand->loop, &hand->site, &options, &sink, &hand->pool, hand->err);
        if (hand->spec->need.memory > 0)
                xpm_site_limit_memory(&hand->site, (pid_t[]){getppid()}, 1); /* the guardian */
        if (rc == 0)
                rc = xpm_pool_add(hand->pool, order, hand->err);
        else
                xpm_order_destroy(order);
        if (rc == 0) {
                hand->begun = xpm_time_now();
                if (!hand->scheduled)
                        say("running: logs and outcome go to", hand->spec->path);
                uv_run(&hand->loop, UV_RUN_DEFAULT);
        }
        xpm_pool_close(hand->pool);
        uv_run(&hand->loop, UV_RUN_NOWAIT);
        xpm_pool_free(hand->pool);
        uv_loop_close(&hand->loop);
        return rc;
}

static int load(const char *job_dir, xpm_order *order, xpm_error *err)
{
        char *cwd = getcwd(NULL, 0);
        char *path = cwd ? xpm_path_join(cwd, job_dir) : NULL;
        int rc = path ? xpm_runfile_load(order->arena, path, &order->spec, err) : xpm_fail_memory(err);
        free(path);
        free(cwd);
        order->submitted = xpm_time_now();
        order->attempt = 1;
        return rc;
}

/* Whether it is done, or may be run. What is done wants nothing; but only a job with a marker is looked at before it is
 * known that it may be run, since that takes its lock, which is a file. */
static int check(const by_hand *hand, bool *done)
{
        bool marked = has_marker(hand->spec);
        int rc = marked ? look(hand, done) : 0;
        if (rc != 0 || *done)
                return rc;
        if (!hand->scheduled)
                rc = check_environment(hand->spec, hand->err);
        if (rc == 0)
                rc = check_dependencies(hand->spec, hand->err);
        return rc == 0 && !marked ? look(hand, done) : rc;
}

/* Takes ORDER. */
static int bar(by_hand *hand, xpm_order *order, int rc)
{
        xpm_attempt attempt;
        xpm_attempt_init(&attempt, order);
        int barred = xpm_attempt_bar(&hand->site, &attempt, hand->err->message, NULL);
        xpm_attempt_release(&attempt);
        return barred == XPM_ELOCKED ? barred : rc;
}

/* Takes ORDER. */
static int serve(by_hand *hand, xpm_order *order)
{
        bool done = false;
        int rc = xpm_site_init(&hand->site, environ, hand->err);
        hand->site.told_together = hand->scheduled;
        if (rc == 0)
                rc = share(hand, hand->err);
        if (rc == 0)
                rc = check(hand, &done);
        if (rc == XPM_EFORMAT && hand->requeue)
                return bar(hand, order, rc);
        /* Whoever runs it, his end is ours; one that has been silent for long enough is given up. */
        if (rc == XPM_ELOCKED && hand->requeue) {
                *hand->err = XPM_ERROR_NONE;
                rc = 0;
        }
        if (rc == 0 && !done)
                give_signs_of_life(hand);
        if (rc == 0 && hand->site.heartbeat)
                rc = try_locks(hand);
        if (rc == 0 && !done)
                rc = open_loop(hand, hand->err);
        if (rc == 0 && !done)
                return run(hand, order);
        if (rc == 0 && !hand->scheduled)
                say("done already:", hand->spec->path);
        xpm_order_destroy(order);
        return rc;
}

/* Takes ORDER. */
static int work(by_hand *hand, const char *job_dir, xpm_order *order)
{
        int rc = load(job_dir, order, hand->err);
        if (rc == 0)
                rc = serve(hand, order);
        else
                xpm_order_destroy(order);
        xpm_heartbeat_stop(hand->site.heartbeat);
        xpm_site_release(&hand->site);
        if (rc == XPM_ELOCKED && hand->scheduled) {
                *hand->err = XPM_ERROR_NONE;
                return hand->requeue ? FAILED : DONE;
        }
        return rc == 0 ? hand->status : xpm_error_exit_status(rc);
}

int xpm_worker_run_job(const char *job_dir, int stock, const char *note, xpm_error *err)
{
        xpm_order *order = xpm_order_create();
        if (!order)
                return xpm_error_exit_status(xpm_fail_memory(err));
        by_hand hand = {.spec = &order->spec, .stock = stock, .note = note, .err = err};
        order->by_hand = true;
        return work(&hand, job_dir, order);
}

/* Line INDEX of the manifest. */
static int read_manifest(const char *file, size_t index, xpm_order *order, const char **job_dir, xpm_error *err)
{
        enum { MANIFEST_LIMIT = 256 << 20 };
        xpm_text text = XPM_TEXT_INIT;
        int rc = xpm_file_read(AT_FDCWD, file, MANIFEST_LIMIT, &text, err);
        const char *line = rc == 0 ? xpm_text_string(&text) : NULL;
        for (size_t i = 0; line && i < index; i++) {
                line = strchr(line, '\n');
                line = line ? line + 1 : NULL;
        }
        json_t *entry = line ? json_loads(line, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
        const char *path = json_string_value(json_object_get(entry, "job"));
        const char *nonce = json_string_value(json_object_get(entry, "nonce"));
        if (rc == 0 && path && nonce) {
                *job_dir = xpm_arena_strdup(order->arena, path);
                order->nonce = xpm_arena_strdup(order->arena, nonce);
                order->requeue = json_is_true(json_object_get(entry, "requeue"));
                rc = *job_dir && order->nonce ? 0 : xpm_fail_memory(err);
        } else if (rc == 0)
                rc = xpm_fail(err, XPM_EFORMAT, "'%s' has no job %zu", file, index);
        json_decref(entry);
        xpm_text_release(&text);
        return rc;
}

/* The scheduler's log of this job is our standard error: one that says nothing is in the way. */
static void drop_empty_log(void)
{
        char link[64], path[PATH_MAX];
        struct stat st, named;
        snprintf(link, sizeof link, "/proc/self/fd/%d", STDERR_FILENO);
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (length <= 0)
                return;
        path[length] = '\0';
        const char *dot = strrchr(path, '.');
        if (dot && strcmp(dot, ".log") == 0 && strstr(path, "/batches/") && fstat(STDERR_FILENO, &st) == 0 &&
            S_ISREG(st.st_mode) && st.st_size == 0 && stat(path, &named) == 0 && named.st_ino == st.st_ino)
                unlink(path);
}

int xpm_worker_run_batch(const char *file, size_t index, unsigned restart, int stock, xpm_error *err)
{
        const char *job_dir = NULL;
        xpm_order *order = xpm_order_create();
        if (!order)
                return xpm_error_exit_status(xpm_fail_memory(err));
        by_hand hand = {.spec = &order->spec, .stock = stock, .err = err, .scheduled = true};
        int rc = read_manifest(file, index, order, &job_dir, err);
        if (rc != 0) {
                xpm_order_destroy(order);
                return xpm_error_exit_status(rc);
        }
        hand.requeue = order->requeue;
        order->restart = order->requeue ? restart : 0;
        int status = work(&hand, job_dir, order);
        drop_empty_log();
        return status;
}
