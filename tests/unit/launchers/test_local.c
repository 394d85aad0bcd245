/* The local launcher as an engine drives it; the worker that it starts is this program again. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exec/channel.h"
#include "exec/loader.h"
#include "exec/worker.h"
#include "jobs.h"

enum { SLOTS = 2 };

struct fixture {
        xpm_core core;
        const xpm_launcher *launcher;
        void *instance;
        struct job job;
        size_t done, lost, returned;
};

static void on_event(const xpm_core *core, const xpm_launch_event *event)
{
        struct fixture *fixture = core->data;
        fixture->done += event->kind == XPM_LAUNCH_ENDED && event->done;
        fixture->lost += event->kind == XPM_LAUNCH_LOST;
        fixture->returned += event->kind == XPM_LAUNCH_RETURNED;
}

static void on_log(const xpm_core *core, int level, const char *line)
{
        (void)core;
        (void)level;
        (void)line;
}

/* NULL when the module is not built. */
static struct fixture *enter(void)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        assert_non_null(fixture);
        if (xpm_launcher_find("local", &fixture->launcher, NULL) != 0) {
                free(fixture);
                return NULL;
        }
        fixture->core = (xpm_core){.abi = XPM_LAUNCHER_ABI,
                                   .size = sizeof fixture->core,
                                   .data = fixture,
                                   .executable = "/proc/self/exe",
                                   .slots = SLOTS,
                                   .directory_mode = 0700,
                                   .file_mode = 0600,
                                   .event = on_event,
                                   .log = on_log};
        xpm_channel_lend(&fixture->core);
        assert_int_equal(fixture->launcher->open(&fixture->core, NULL, &fixture->instance, NULL), 0);
        return fixture;
}

#define ENTER()                            \
        struct fixture *fixture = enter(); \
        if (!fixture)                      \
        skip()

static void leave(struct fixture *fixture)
{
        fixture->launcher->close(fixture->instance);
        free(fixture);
}

static void submit(struct fixture *fixture, const struct place *place, char last, const char *const *argv)
{
        job_init(&fixture->job, place, argv);
        fixture->job.path[strlen(fixture->job.path) - 1] = last;
        const xpm_launch launch = job_launch(&fixture->job), *const batch[] = {&launch};
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
        ENTER();
        assert_int_equal(fixture->launcher->fd(fixture->instance), -1);
        assert_int_equal(fixture->launcher->dispatch(fixture->instance, NULL), 0);
        assert_int_equal(fixture->launcher->withdraw(fixture->instance, NULL), 0);
        assert_true(fixture->launcher->room(fixture->instance, NULL) >= SLOTS);
        leave(fixture);
}

static void job_is_run_by_a_worker(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        ENTER();
        submit(fixture, *state, 'a', argv);
        serve(fixture, &fixture->done, 1);
        assert_true(job_has(&fixture->job, "work.done"));
        leave(fixture);
}

static void room_is_for_a_few_jobs_more_than_slots(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        ENTER();
        size_t room = fixture->launcher->room(fixture->instance, NULL);
        assert_in_range(room, 2 * SLOTS, 4 * SLOTS);
        for (size_t i = 0; i < room; i++)
                submit(fixture, *state, (char)('a' + i), argv);
        assert_int_equal(fixture->launcher->room(fixture->instance, NULL), 0);
        serve(fixture, &fixture->done, room);
        assert_int_equal(fixture->launcher->room(fixture->instance, NULL), room);
        leave(fixture);
}

static void worker_that_died_is_replaced_for_the_next_job(void **state)
{
        static const char *const killer[] = {"/bin/sh", "-c", "kill -9 $PPID", NULL}, *const yes[] = {"/bin/true",
                                                                                                      NULL};
        ENTER();
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
        ENTER();
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
        ENTER();
        assert_int_equal(fixture->launcher->reattach(fixture->instance, tags, handles, 2, NULL), 0);
        assert_int_equal(fixture->returned, 2);
        leave(fixture);
}

int main(int argc, char **argv)
{
        if (argc == 6 && strcmp(argv[1], "worker") == 0)
                return xpm_worker_serve(atoi(argv[3]), atoi(argv[5]), NULL);
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(nothing_is_started_before_there_is_a_job), T(job_is_run_by_a_worker),
                T(room_is_for_a_few_jobs_more_than_slots),   T(worker_that_died_is_replaced_for_the_next_job),
                T(job_for_many_nodes_is_not_for_this_host),  T(nothing_is_attached_to),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
