#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sched.h>

#include "failing_malloc.h"
#include "pools.h"

static void every_job_ends_once(void **state)
{
        static const char *const yes[] = {"/bin/true", NULL}, *const no[] = {"/bin/false", NULL};
        struct fixture *fixture = enter(2);
        bool seen[JOBS] = {false};
        for (uint64_t tag = 0; tag < JOBS; tag++)
                add(fixture, *state, tag, tag % 2 ? yes : no);
        assert_int_equal(xpm_pool_count(fixture->pool), JOBS);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_int_equal(count(fixture, XPM_LAUNCH_ENDED), JOBS);
        for (size_t i = 0; i < fixture->count; i++) {
                const struct event *event = &fixture->events[i];
                if (event->kind != XPM_LAUNCH_ENDED)
                        continue;
                assert_false(seen[event->tag]);
                seen[event->tag] = true;
                assert_int_equal(event->done, event->tag % 2);
                assert_string_equal(event->reason, event->tag % 2 ? "" : "failed");
        }
        leave(fixture);
}

static void never_more_at_once_than_slots(void **state)
{
        /* A job fails when more than two have made their mark at once. */
        char script[512], root[80];
        snprintf(root, sizeof root, "%s/marks", ((struct place *)*state)->path);
        snprintf(script, sizeof script,
                 "mkdir -p %s; touch %s/$$; test $(ls %s | wc -l) -le 2; s=$?; rm %s/$$; exit $s", root, root, root,
                 root);
        const char *const argv[] = {"/bin/sh", "-c", script, NULL};
        struct fixture *fixture = enter(2);
        for (uint64_t tag = 0; tag < JOBS; tag++)
                add(fixture, *state, tag, argv);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        for (size_t i = 0; i < fixture->count; i++)
                assert_true(fixture->events[i].kind == XPM_LAUNCH_STARTED || fixture->events[i].done);
        leave(fixture);
}

static void withdraw_when_one_has_started(struct fixture *fixture, const struct event *event)
{
        if (event->kind == XPM_LAUNCH_STARTED)
                xpm_pool_withdraw(fixture->pool);
        else if (count(fixture, XPM_LAUNCH_RETURNED) == 2)
                xpm_pool_kill(fixture->pool, NULL, 0);
}

static void what_has_not_begun_is_sent_back(void **state)
{
        static const char *const argv[] = {"/bin/sleep", "1000", NULL};
        struct fixture *fixture = enter(1);
        fixture->react = withdraw_when_one_has_started;
        for (uint64_t tag = 0; tag < 3; tag++)
                add(fixture, *state, tag, argv);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_int_equal(count(fixture, XPM_LAUNCH_RETURNED), 2);
        assert_int_equal(count(fixture, XPM_LAUNCH_ENDED), 1);
        leave(fixture);
}

static void kill_when_it_has_started(struct fixture *fixture, const struct event *event)
{
        static const uint64_t tags[] = {0};
        if (event->kind == XPM_LAUNCH_STARTED)
                xpm_pool_kill(fixture->pool, tags, 1);
}

static void job_that_lasts_is_said_to_run_and_can_be_killed(void **state)
{
        static const char *const argv[] = {"/bin/sleep", "1000", NULL};
        struct fixture *fixture = enter(1);
        fixture->react = kill_when_it_has_started;
        add(fixture, *state, 0, argv);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_int_equal(fixture->count, 2);
        assert_int_equal(fixture->events[0].kind, XPM_LAUNCH_STARTED);
        assert_int_equal(fixture->events[1].kind, XPM_LAUNCH_ENDED);
        assert_string_equal(fixture->events[1].reason, "cancelled");
        leave(fixture);
}

static void kill_twice_when_it_is_deaf(struct fixture *fixture, const struct event *event)
{
        if (event->kind != XPM_LAUNCH_STARTED)
                return;
        xpm_pool_kill(fixture->pool, NULL, 0);
        xpm_pool_kill(fixture->pool, NULL, 0);
}

static void second_kill_cannot_be_ignored(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "trap '' TERM; while :; do sleep 1000; done", NULL};
        struct fixture *fixture = enter(1);
        fixture->react = kill_twice_when_it_is_deaf;
        add(fixture, *state, 0, argv);
        add(fixture, *state, 1, argv);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_int_equal(count(fixture, XPM_LAUNCH_RETURNED), 1);
        assert_int_equal(count(fixture, XPM_LAUNCH_ENDED), 1);
        assert_string_equal(fixture->events[fixture->count - 1].reason, "cancelled");
        leave(fixture);
}

/* Another process has a job; it lets go when the job behind it has ended in the one slot. */
static xpm_jobdir other;

static void let_go(struct fixture *fixture, const struct event *event)
{
        (void)fixture;
        (void)event;
        xpm_jobdir_release(&other);
}

/* As another process would. */
static void hold_the_first(const struct place *place, const char *const *argv)
{
        static char path[sizeof((struct job *)0)->path];
        struct job job;
        job_init(&job, place, argv);
        strrchr(job.path, '/')[1] = '0';
        snprintf(path, sizeof path, "%s", job.path);
        other = XPM_JOBDIR_INIT;
        other.path = path;
        other.script = "work";
        other.directory_mode = 0700;
        other.file_mode = 0600;
        assert_int_equal(xpm_jobdir_open(&other, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&other, NULL), 0);
}

/* Also when a slot tries just then whether it may begin. */
static void job_that_another_process_has_is_sent_back(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        hold_the_first(*state, argv);
        for (int i = 0; i < 200; i++) {
                struct fixture *fixture = enter(1);
                add(fixture, *state, 0, argv);
                for (int j = 0; j < i; j++) /* a little later each time */
                        sched_yield();
                xpm_pool_withdraw(fixture->pool);
                uv_run(&fixture->loop, UV_RUN_DEFAULT);
                assert_int_equal(count(fixture, XPM_LAUNCH_RETURNED), 1);
                leave(fixture);
        }
        xpm_jobdir_release(&other);
}

static void job_that_another_process_has_waits_aside(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        struct fixture *fixture = enter(1);
        hold_the_first(*state, argv);
        fixture->react = let_go;
        add(fixture, *state, 0, argv);
        add(fixture, *state, 1, argv);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_non_null(strstr(fixture->note, other.path));
        assert_int_equal(count(fixture, XPM_LAUNCH_ENDED), 2);
        assert_int_equal(fixture->events[0].tag, 1);
        assert_int_equal(fixture->events[fixture->count - 1].tag, 0);
        leave(fixture);
}

static void pool_without_memory_leaves_no_stock_open(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        struct fixture *fixture = enter(1);
        const xpm_pool_sink sink = {fixture, on_event, on_note, on_note, on_flush};
        for (long n = 1; n <= 3; n++) { /* the pool, its threads, the first thing of the estate's */
                const xpm_pool_options options = {.slots = 1, .stock = open("/dev/null", O_RDWR | O_CLOEXEC)};
                xpm_pool *pool = NULL;
                assert_true(options.stock >= 0);
                failing_malloc_arm(n);
                int rc = xpm_pool_create(&fixture->loop, &fixture->site, &options, &sink, &pool, NULL);
                assert_true(failing_malloc_disarm());
                assert_int_equal(rc, XPM_ENOMEM);
                assert_null(pool);
                assert_int_equal(fcntl(options.stock, F_GETFD), -1);
        }
        leave(fixture);
}

int main(void)
{
        /* A host with room for all, whatever this one has: nothing is bound then. */
        setenv("HWLOC_SYNTHETIC", "core:16 pu:1", 1);
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(every_job_ends_once),
                T(never_more_at_once_than_slots),
                T(what_has_not_begun_is_sent_back),
                T(job_that_lasts_is_said_to_run_and_can_be_killed),
                T(second_kill_cannot_be_ignored),
                T(job_that_another_process_has_is_sent_back),
                T(job_that_another_process_has_waits_aside),
                T(pool_without_memory_leaves_no_stock_open),
#undef T
        };
        /* The first loop of a process opens what stays. */
        uv_loop_t loop;
        if (uv_loop_init(&loop) == 0)
                uv_loop_close(&loop);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
