/* Both ends of the channel: this program is the engine, and the worker that it starts is this program again. */
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/channel.h"
#include "exec/worker.h"
#include "jobs.h"
#include "workspace/jobdir.h"

enum { JOBS = 40 };

struct fixture {
        xpm_core core;
        xpm_channel *channel;
        struct job jobs[JOBS];
        size_t ended, done, returned, started, lost;
        char message[1536], reason[32], line[1536];
        void (*react)(struct fixture *fixture, const xpm_launch_event *event);
};

static void on_event(const xpm_core *core, const xpm_launch_event *event)
{
        struct fixture *fixture = core->data;
        fixture->ended += event->kind == XPM_LAUNCH_ENDED;
        fixture->done += event->kind == XPM_LAUNCH_ENDED && event->done;
        fixture->returned += event->kind == XPM_LAUNCH_RETURNED;
        fixture->started += event->kind == XPM_LAUNCH_STARTED;
        fixture->lost += event->kind == XPM_LAUNCH_LOST;
        if (event->message)
                snprintf(fixture->message, sizeof fixture->message, "%s", event->message);
        if (event->reason)
                snprintf(fixture->reason, sizeof fixture->reason, "%s", event->reason);
        if (fixture->react)
                fixture->react(fixture, event);
}

static void on_log(const xpm_core *core, int level, const char *line)
{
        struct fixture *fixture = core->data;
        (void)level;
        snprintf(fixture->line, sizeof fixture->line, "%s", line);
}

static struct fixture *enter(int slots)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        assert_non_null(fixture);
        fixture->core = (xpm_core){.abi = XPM_LAUNCHER_ABI,
                                   .size = sizeof fixture->core,
                                   .data = fixture,
                                   .executable = "/proc/self/exe",
                                   .slots = slots,
                                   .directory_mode = 0700,
                                   .file_mode = 0600,
                                   .event = on_event,
                                   .log = on_log};
        xpm_channel_lend(&fixture->core);
        assert_int_equal(fixture->core.worker_start(&fixture->core, &(xpm_host_limits){0}, &fixture->channel, NULL), 0);
        return fixture;
}

static void leave(struct fixture *fixture)
{
        fixture->core.worker_close(fixture->channel);
        free(fixture);
}

static struct job *submit(struct fixture *fixture, const struct place *place, size_t tag, const char *const *argv)
{
        struct job *job = &fixture->jobs[tag];
        job_init(job, place, argv);
        job->path[strlen(job->path) - 1] = (char)('A' + tag);
        xpm_launch launch = job_launch(job);
        launch.tag = tag;
        assert_int_equal(fixture->core.worker_submit(fixture->channel, &launch, NULL), 0);
        return job;
}

/* Until nothing is pending. Returns the code of dispatch. */
static int serve(struct fixture *fixture, xpm_error *err)
{
        const xpm_core *core = &fixture->core;
        int rc = core->worker_flush(fixture->channel, err);
        while (rc == 0 && core->worker_pending(fixture->channel) > 0) {
                struct pollfd poll_ = {.fd = core->worker_fd(fixture->channel), .events = POLLIN};
                if (core->worker_wants_write(fixture->channel))
                        poll_.events |= POLLOUT;
                poll(&poll_, 1, -1);
                rc = core->worker_dispatch(fixture->channel, err);
        }
        return rc;
}

static void every_job_ends_once(void **state)
{
        static const char *const yes[] = {"/bin/true", NULL}, *const no[] = {"/bin/false", NULL};
        struct fixture *fixture = enter(2);
        for (size_t tag = 0; tag < JOBS; tag++)
                submit(fixture, *state, tag, tag % 4 ? yes : no);
        assert_int_equal(serve(fixture, NULL), 0);
        assert_int_equal(fixture->ended, JOBS);
        assert_int_equal(fixture->done, JOBS - JOBS / 4);
        assert_string_equal(fixture->message, "exit status 1");
        for (size_t tag = 0; tag < JOBS; tag++)
                assert_true(job_has(&fixture->jobs[tag], tag % 4 ? "work.done" : "work.failed"));
        leave(fixture);
}

static void job_is_in_a_session_of_its_own_with_no_input(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c",
                                           "read x || echo eof; test $(ps -o sid= -p $$) -eq $$ && echo leader", NULL};
        struct fixture *fixture = enter(1);
        const struct job *job = submit(fixture, *state, 0, argv);
        assert_int_equal(serve(fixture, NULL), 0);
        assert_string_equal(job_read(job, "work.out"), "eof\nleader\n");
        leave(fixture);
}

static void withdraw_once(struct fixture *fixture, const xpm_launch_event *event)
{
        if (event->kind == XPM_LAUNCH_STARTED)
                fixture->core.worker_withdraw(fixture->channel, NULL);
        else if (event->kind == XPM_LAUNCH_RETURNED)
                fixture->core.worker_kill(fixture->channel, NULL, 0, NULL);
}

static void what_has_not_begun_comes_back_and_what_runs_is_killed(void **state)
{
        static const char *const argv[] = {"/bin/sleep", "1000", NULL};
        struct fixture *fixture = enter(1);
        fixture->react = withdraw_once;
        submit(fixture, *state, 0, argv);
        submit(fixture, *state, 1, argv);
        assert_int_equal(serve(fixture, NULL), 0);
        assert_int_equal(fixture->returned, 1);
        assert_int_equal(fixture->ended, 1);
        assert_string_equal(fixture->reason, "cancelled");
        leave(fixture);
}

static void job_of_many_megabytes_gets_through(void **state)
{
        static const char *const argv[] = {"/bin/cmp", "big.txt", "big.txt", NULL};
        enum { SIZE = 20 << 20 };
        struct fixture *fixture = enter(1);
        struct job *job = &fixture->jobs[0];
        char *content = malloc(SIZE);
        struct stat st;
        char path[512];
        memset(content, 'x', SIZE);
        const xpm_input_file file = {"big.txt", content, SIZE};
        job_init(job, *state, argv);
        job->spec.files = &file;
        job->spec.file_count = 1;
        const xpm_launch launch = job_launch(job);
        assert_int_equal(fixture->core.worker_submit(fixture->channel, &launch, NULL), 0);
        assert_int_equal(serve(fixture, NULL), 0);
        assert_int_equal(fixture->done, 1);
        snprintf(path, sizeof path, "%s/big.txt", job->path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, SIZE);
        free(content);
        leave(fixture);
}

static void jobs_of_a_worker_that_dies_are_lost_each_once(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "kill -9 $PPID; exit 0", NULL};
        struct fixture *fixture = enter(1);
        xpm_error err = XPM_ERROR_NONE;
        for (size_t tag = 0; tag < 3; tag++)
                submit(fixture, *state, tag, argv);
        assert_int_equal(serve(fixture, &err), 0);
        assert_int_equal(fixture->lost, 3);
        assert_int_equal(fixture->ended, 0);
        assert_string_equal(fixture->reason, "lost");
        assert_non_null(strstr(fixture->message, "killed by signal 9"));
        assert_int_equal(fixture->core.worker_fd(fixture->channel), -1);
        const xpm_launch launch = job_launch(&fixture->jobs[0]);
        assert_int_equal(fixture->core.worker_submit(fixture->channel, &launch, &err), XPM_ELAUNCHER);
        leave(fixture);
}

static void workspace_that_cannot_be_written_ends_the_run(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        struct fixture *fixture = enter(1);
        xpm_error err = XPM_ERROR_NONE;
        struct job *job = &fixture->jobs[0];
        job_init(job, *state, argv);
        job_write(job, "x", "");
        strcat(job->path, "/x");
        const xpm_launch launch = job_launch(job);
        assert_int_equal(fixture->core.worker_submit(fixture->channel, &launch, NULL), 0);
        assert_int_equal(serve(fixture, &err), XPM_EIO);
        assert_non_null(strstr(err.message, job->path));
        assert_int_equal(fixture->ended, 1);
        assert_int_equal(fixture->done, 0);
        leave(fixture);
}

static void lock_held_by_another_is_noted(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        struct fixture *fixture = enter(1);
        xpm_jobdir other = XPM_JOBDIR_INIT;
        const struct job *job = submit(fixture, *state, 0, argv);
        other.path = job->path;
        other.script = "work";
        other.directory_mode = 0700;
        other.file_mode = 0600;
        assert_int_equal(xpm_jobdir_open(&other, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&other, NULL), 0);
        assert_int_equal(fixture->core.worker_flush(fixture->channel, NULL), 0);
        while (!*fixture->line) {
                struct pollfd poll_ = {.fd = fixture->core.worker_fd(fixture->channel), .events = POLLIN};
                poll(&poll_, 1, -1);
                assert_int_equal(fixture->core.worker_dispatch(fixture->channel, NULL), 0);
        }
        assert_non_null(strstr(fixture->line, job->path));
        xpm_jobdir_release(&other);
        assert_int_equal(serve(fixture, NULL), 0);
        assert_int_equal(fixture->done, 1);
        leave(fixture);
}

/* How many descriptors the process PID waits for. */
static size_t count_awaited(pid_t pid)
{
        char path[512], line[256];
        size_t count = 0;
        snprintf(path, sizeof path, "/proc/%d/fdinfo", (int)pid);
        DIR *dir = opendir(path);
        assert_non_null(dir);
        for (const struct dirent *entry; (entry = readdir(dir));) {
                snprintf(path, sizeof path, "/proc/%d/fdinfo/%s", (int)pid, entry->d_name);
                FILE *stream = fopen(path, "re");
                while (stream && fgets(line, sizeof line, stream))
                        count += strncmp(line, "tfd:", 4) == 0;
                if (stream)
                        fclose(stream);
        }
        closedir(dir);
        return count;
}

static void worker_that_finds_no_engine_finishes_what_runs(void **state)
{
        /* The job is told through a fifo that the engine has gone. */
        static const char *const argv[] = {"/bin/sh", "-c", "echo $PPID; read x < fifo", NULL};
        static const char *const never[] = {"/bin/true", NULL};
        struct fixture *fixture = enter(1);
        char path[512];
        const struct job *job = submit(fixture, *state, 0, argv), *queued = submit(fixture, *state, 1, never);
        struct job kept = *job, dropped = *queued;
        snprintf(path, sizeof path, "%s/fifo", job->path);
        xpm_mkdir_p(AT_FDCWD, job->path, 0700, NULL);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(fixture->core.worker_flush(fixture->channel, NULL), 0);
        while (fixture->started == 0) {
                struct pollfd poll_ = {.fd = fixture->core.worker_fd(fixture->channel), .events = POLLIN};
                poll(&poll_, 1, -1);
                assert_int_equal(fixture->core.worker_dispatch(fixture->channel, NULL), 0);
        }
        kept.spec.path = kept.path;
        dropped.spec.path = dropped.path;
        pid_t worker = atoi(job_read(&kept, "work.out"));
        size_t awaited = count_awaited(worker);
        leave(fixture);
        while (count_awaited(worker) == awaited)
                sched_yield();
        int fifo = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(write(fifo, "x\n", 2), 2);
        close(fifo);
        /* It was our child: it has left when it can be waited for. */
        int status = -1;
        assert_int_equal(waitpid(worker, &status, 0), worker);
        assert_int_equal(status, 0);
        assert_true(job_has(&kept, "work.done"));
        assert_false(job_has(&dropped, "work.done"));
}

static void worker_that_cannot_be_started_is_an_error(void **state)
{
        (void)state;
        xpm_core core = {.executable = "/no/such/xpm", .slots = 1};
        xpm_channel *channel = NULL;
        xpm_error err = XPM_ERROR_NONE;
        xpm_channel_lend(&core);
        assert_int_equal(core.worker_start(&core, &(xpm_host_limits){0}, &channel, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "/no/such/xpm"));
        core.worker_close(NULL);
}

int main(int argc, char **argv)
{
        /* A host with room for all, whatever this one has: nothing is bound then. */
        setenv("HWLOC_SYNTHETIC", "core:16 pu:1", 1);
        if (argc == 6 && strcmp(argv[1], "worker") == 0)
                return xpm_worker_serve(atoi(argv[3]), atoi(argv[5]), -1, NULL, NULL);
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(every_job_ends_once),
                T(job_is_in_a_session_of_its_own_with_no_input),
                T(what_has_not_begun_comes_back_and_what_runs_is_killed),
                T(job_of_many_megabytes_gets_through),
                T(jobs_of_a_worker_that_dies_are_lost_each_once),
                T(workspace_that_cannot_be_written_ends_the_run),
                T(lock_held_by_another_is_noted),
                T(worker_that_finds_no_engine_finishes_what_runs),
                T(worker_that_cannot_be_started_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
