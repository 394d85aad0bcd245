/* The local launcher as an engine drives it; the worker that it starts is this program again. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exec/channel.h"
#include "exec/launcherfile.h"
#include "exec/loader.h"
#include "exec/worker.h"
#include "jobs.h"

enum { SLOTS = 2 };

struct fixture {
        xpm_core core;
        const xpm_launcher *launcher;
        void *instance;
        struct job job;
        size_t started, done, cancelled, lost, returned;
        uint64_t tags[8]; /* of what came back */
};

static void on_event(const xpm_core *core, const xpm_launch_event *event)
{
        struct fixture *fixture = core->data;
        fixture->done += event->kind == XPM_LAUNCH_ENDED && event->done;
        fixture->started += event->kind == XPM_LAUNCH_STARTED;
        fixture->cancelled += event->kind == XPM_LAUNCH_ENDED && event->reason && !strcmp(event->reason, "cancelled");
        fixture->lost += event->kind == XPM_LAUNCH_LOST;
        if (event->kind == XPM_LAUNCH_RETURNED && fixture->returned < 8)
                fixture->tags[fixture->returned++] = event->tag;
}

static void on_log(const xpm_core *core, int level, const char *line)
{
        (void)core;
        (void)level;
        (void)line;
}

static int host_check(const xpm_core *core, const xpm_host_limits *limits, const xpm_shape *shape, xpm_error *err)
{
        (void)core;
        (void)limits;
        (void)shape;
        (void)err;
        return 0;
}

static struct fixture *enter(void)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        xpm_error err = XPM_ERROR_NONE;
        assert_non_null(fixture);
        if (xpm_launcher_find("local", &fixture->launcher, &err) != 0)
                fail_msg("%s", err.message);
        fixture->core = (xpm_core){.abi = XPM_LAUNCHER_ABI,
                                   .size = sizeof fixture->core,
                                   .data = fixture,
                                   .executable = "/proc/self/exe",
                                   .slots = SLOTS,
                                   .cores = 2 * SLOTS, /* what jobs of jobs.h ask for */
                                   .host_limits = xpm_launcher_limits,
                                   .host_check = host_check,
                                   .directory_mode = 0700,
                                   .file_mode = 0600,
                                   .event = on_event,
                                   .log = on_log};
        xpm_channel_lend(&fixture->core);
        assert_int_equal(fixture->launcher->open(&fixture->core, "name", NULL, &fixture->instance, NULL), 0);
        return fixture;
}

static void leave(struct fixture *fixture)
{
        fixture->launcher->close(fixture->instance);
        free(fixture);
}

/* The job whose identifier ends in LAST, which is its tag, too. */
static void submit(struct fixture *fixture, const struct place *place, char last, const char *const *argv)
{
        job_init(&fixture->job, place, argv);
        fixture->job.path[strlen(fixture->job.path) - 1] = last;
        xpm_launch launch = job_launch(&fixture->job);
        const xpm_launch *const batch[] = {&launch};
        launch.tag = (uint64_t)last;
        assert_int_equal(fixture->launcher->submit(fixture->instance, batch, 1, NULL), 0);
}

static void serve(struct fixture *fixture, const size_t *counter, size_t until)
{
        const xpm_launcher *launcher = fixture->launcher;
        while (*counter < until) {
                struct pollfd poll_ = {.fd = launcher->fd(fixture->instance),
                                       .events = launcher->events(fixture->instance)};
                poll(&poll_, 1, -1);
                assert_int_equal(launcher->dispatch(fixture->instance, NULL), 0);
        }
}

static void nothing_is_started_before_there_is_a_job(void **state)
{
        (void)state;
        struct fixture *fixture = enter();
        assert_int_equal(fixture->launcher->fd(fixture->instance), -1);
        assert_int_equal(fixture->launcher->dispatch(fixture->instance, NULL), 0);
        assert_int_equal(fixture->launcher->withdraw(fixture->instance, NULL), 0);
        assert_true(fixture->launcher->room(fixture->instance, NULL) >= SLOTS);
        leave(fixture);
}

static void job_is_run_by_a_worker(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        struct fixture *fixture = enter();
        submit(fixture, *state, 'a', argv);
        serve(fixture, &fixture->done, 1);
        assert_true(job_has(&fixture->job, "work.done"));
        leave(fixture);
}

static void room_is_for_a_few_jobs_more_than_slots(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        struct fixture *fixture = enter();
        size_t room = fixture->launcher->room(fixture->instance, NULL);
        assert_in_range(room, 2 * SLOTS, 4 * SLOTS);
        for (size_t i = 0; i < room; i++)
                submit(fixture, *state, (char)('a' + i), argv);
        assert_int_equal(fixture->launcher->room(fixture->instance, NULL), 0);
        serve(fixture, &fixture->done, room);
        assert_int_equal(fixture->launcher->room(fixture->instance, NULL), room);
        leave(fixture);
}

static void room_is_for_slots_alone_when_jobs_must_start_at_once(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        static const xpm_shape at_once = {.at_once = true}, any = {.cores = 1};
        struct fixture *fixture = enter();
        const xpm_launcher *launcher = fixture->launcher;
        assert_int_equal(launcher->room(fixture->instance, &at_once), SLOTS);
        assert_true(launcher->room(fixture->instance, &any) > SLOTS);
        fixture->core.occupied = 1; /* by what an engine before us left running here */
        assert_int_equal(launcher->room(fixture->instance, &any), SLOTS - 1);
        fixture->core.occupied = 0;
        fixture->core.cautious = true; /* the first failure may stop the run */
        assert_int_equal(launcher->room(fixture->instance, &any), SLOTS);
        submit(fixture, *state, 'a', argv);
        assert_int_equal(launcher->room(fixture->instance, &any), SLOTS - 1);
        fixture->core.cautious = false;
        assert_int_equal(launcher->room(fixture->instance, &at_once), SLOTS - 1);
        fixture->core.occupied = 1;
        assert_int_equal(launcher->room(fixture->instance, &any), SLOTS - 2);
        fixture->core.occupied = SLOTS;
        assert_int_equal(launcher->room(fixture->instance, &any), 0);
        serve(fixture, &fixture->done, 1);
        assert_int_equal(launcher->room(fixture->instance, &any), 0);
        leave(fixture);
}

static void what_has_not_begun_comes_back_and_what_runs_is_cancelled(void **state)
{
        static const char *const argv[] = {"/bin/sleep", "1000", NULL};
        static const uint64_t running[] = {'a', 'b'};
        struct fixture *fixture = enter();
        for (char last = 'a'; last < 'a' + 2 * SLOTS; last++)
                submit(fixture, *state, last, argv);
        serve(fixture, &fixture->started, SLOTS);
        assert_int_equal(fixture->launcher->withdraw(fixture->instance, NULL), 0);
        serve(fixture, &fixture->returned, SLOTS);
        assert_int_equal(fixture->tags[0] + fixture->tags[1], 'c' + 'd');
        assert_int_equal(fixture->launcher->cancel(fixture->instance, running, SLOTS, NULL), 0);
        serve(fixture, &fixture->cancelled, SLOTS);
        assert_int_equal(fixture->returned, SLOTS);
        assert_int_equal(fixture->done, 0);
        assert_false(job_has(&fixture->job, "work.failed")); /* that of 'd', which never ran */
        leave(fixture);
}

static void one_job_of_two_is_cancelled(void **state)
{
        static const char *const argv[] = {"/bin/sleep", "1000", NULL};
        static const uint64_t first[] = {'a'}, second[] = {'b'};
        struct fixture *fixture = enter();
        submit(fixture, *state, 'a', argv);
        submit(fixture, *state, 'b', argv);
        serve(fixture, &fixture->started, 2);
        assert_int_equal(fixture->launcher->cancel(fixture->instance, first, 1, NULL), 0);
        serve(fixture, &fixture->cancelled, 1);
        assert_true(job_has(&fixture->job, "work.pid")); /* that of 'b', which runs on */
        assert_false(job_has(&fixture->job, "work.failed"));
        assert_int_equal(fixture->launcher->cancel(fixture->instance, second, 1, NULL), 0);
        serve(fixture, &fixture->cancelled, 2);
        assert_non_null(strstr(job_read(&fixture->job, "work.failed"), "\"cancelled\""));
        leave(fixture);
}

static void what_the_worker_has_not_taken_yet_is_waited_for(void **state)
{
        enum { MUCH = 8 << 20 };
        static const char *const argv[] = {"/bin/true", NULL};
        struct fixture *fixture = enter();
        char *script = malloc(MUCH);
        assert_non_null(script);
        memset(script, '#', MUCH);
        job_init(&fixture->job, *state, argv);
        xpm_launch launch = job_launch(&fixture->job);
        const xpm_launch *const batch[] = {&launch};
        launch.script = script;
        launch.script_length = MUCH;
        assert_int_equal(fixture->launcher->submit(fixture->instance, batch, 1, NULL), 0);
        assert_int_equal(fixture->launcher->events(fixture->instance), POLLIN | POLLOUT);
        serve(fixture, &fixture->done, 1);
        assert_int_equal(fixture->launcher->events(fixture->instance), POLLIN);
        free(script);
        leave(fixture);
}

static void job_that_runs_ends_as_it_would_though_its_launcher_is_closed(void **state)
{
        struct place *place = *state;
        char fifo[128];
        snprintf(fifo, sizeof fifo, "%s/fifo", place->path);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        const char *const argv[] = {"/bin/sh", "-c", "read line < \"$0\"", fifo, NULL};
        struct fixture *fixture = enter();
        submit(fixture, place, 'a', argv);
        serve(fixture, &fixture->started, 1);
        const struct job job = fixture->job;
        leave(fixture);
        assert_false(job_has(&job, "work.done"));
        place_put(place, "fifo", "go\n");
        assert_true(waitpid(-1, NULL, 0) > 0); /* the worker leaves when it has recorded the end */
        assert_true(job_has(&job, "work.done"));
}

static void worker_that_cannot_be_started_is_an_error(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        struct fixture *fixture = enter();
        xpm_error err = XPM_ERROR_NONE;
        fixture->core.executable = "/no/such/program";
        job_init(&fixture->job, *state, argv);
        const xpm_launch launch = job_launch(&fixture->job), *const batch[] = {&launch};
        assert_true(fixture->launcher->submit(fixture->instance, batch, 1, &err) < 0);
        assert_non_null(strstr(err.message, "/no/such/program"));
        assert_int_equal(fixture->launcher->fd(fixture->instance), -1);
        leave(fixture);
}

static void worker_that_died_is_replaced_for_the_next_job(void **state)
{
        static const char *const killer[] = {"/bin/sh", "-c", "kill -9 $PPID", NULL}, *const yes[] = {"/bin/true",
                                                                                                      NULL};
        struct fixture *fixture = enter();
        submit(fixture, *state, 'a', killer);
        serve(fixture, &fixture->lost, 1);
        submit(fixture, *state, 'b', yes);
        serve(fixture, &fixture->done, 1);
        leave(fixture);
}

static void job_for_many_nodes_is_not_for_this_host(void **state)
{
        (void)state;
        xpm_shape shape = {.cores = 1, .nodes = 2};
        xpm_error err = XPM_ERROR_NONE;
        struct fixture *fixture = enter();
        assert_int_equal(fixture->launcher->check(fixture->instance, &shape, &err), XPM_ELAUNCHER);
        assert_non_null(strstr(err.message, "2 nodes"));
        shape.nodes = 0;
        assert_int_equal(fixture->launcher->check(fixture->instance, &shape, NULL), 0);
        leave(fixture);
}

static void nothing_is_attached_to(void **state)
{
        (void)state;
        const uint64_t tags[] = {1, 2};
        const char *const handles[] = {"a", "b"};
        struct fixture *fixture = enter();
        assert_int_equal(fixture->launcher->reattach(fixture->instance, tags, handles, 2, NULL), 0);
        assert_int_equal(fixture->returned, 2);
        assert_true(fixture->tags[0] == 1 && fixture->tags[1] == 2);
        leave(fixture);
}

int main(int argc, char **argv)
{
        /* A host with room for all, whatever this one has: nothing is bound then. */
        setenv("HWLOC_SYNTHETIC", "core:16 pu:1", 1);
        if (argc == 6 && strcmp(argv[1], "worker") == 0)
                return xpm_worker_serve(atoi(argv[3]), atoi(argv[5]), -1, NULL, NULL);
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(nothing_is_started_before_there_is_a_job),
                T(job_is_run_by_a_worker),
                T(room_is_for_a_few_jobs_more_than_slots),
                T(room_is_for_slots_alone_when_jobs_must_start_at_once),
                T(what_has_not_begun_comes_back_and_what_runs_is_cancelled),
                T(one_job_of_two_is_cancelled),
                T(what_the_worker_has_not_taken_yet_is_waited_for),
                T(job_that_runs_ends_as_it_would_though_its_launcher_is_closed),
                T(worker_that_cannot_be_started_is_an_error),
                T(worker_that_died_is_replaced_for_the_next_job),
                T(job_for_many_nodes_is_not_for_this_host),
                T(nothing_is_attached_to),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
