/* What a slot does with the job that it took, seen through its pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pools.h"

static const char *const sleeper[] = {"/bin/sleep", "1000", NULL};

/* A pipe with a name, in the test's place. */
static char word[128];

static void make_word(const struct place *place)
{
        snprintf(word, sizeof word, "%s/word", place->path);
        assert_int_equal(mkfifo(word, 0600), 0);
}

/* A job of one core. */
static struct job *add_narrow(struct fixture *fixture, const struct place *place, uint64_t tag, const char *const *argv)
{
        struct job *job = make_job(fixture, place, tag, argv);
        job->spec.need.cores = 1;
        add_job(fixture, tag);
        return job;
}

static const struct event *last_event(const struct fixture *fixture)
{
        assert_true(fixture->count > 0);
        return &fixture->events[fixture->count - 1];
}

static void job_that_takes_too_long_is_ended_and_says_so(void **state)
{
        struct fixture *fixture = enter(1);
        struct job *job = make_job(fixture, *state, 0, sleeper);
        job->spec.need.duration = 1;
        add_job(fixture, 0);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_string_equal(last_event(fixture)->reason, "timeout");
        assert_string_equal(last_event(fixture)->message, "it ran for longer than the 1 s that it asked for");
        assert_non_null(strstr(job_read(job, "work.failed"), "\"timeout\""));
        leave(fixture);
}

static void job_that_is_done_in_time_is_not_ended(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "sleep 0.1", NULL};
        struct fixture *fixture = enter(1);
        make_job(fixture, *state, 0, argv)->spec.need.duration = 1000;
        add_job(fixture, 0);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_int_equal(count(fixture, XPM_LAUNCH_STARTED), 1);
        assert_true(last_event(fixture)->done);
        leave(fixture);
}

static void job_that_uses_too_much_memory_is_killed_at_once(void **state)
{
        /* It would not end by SIGTERM, and the grace is long. */
        static const char *const argv[] = {
                "/bin/sh", "-c",
                "trap '' TERM; x=$(head -c 50000000 /dev/zero | tr '\\0' x); while :; do sleep 1000; done", NULL};
        struct fixture *fixture = enter(1);
        fixture->site.grace = 1000;
        make_job(fixture, *state, 0, argv)->spec.need.memory = 16 << 20;
        add_job(fixture, 0);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_string_equal(last_event(fixture)->reason, "memory");
        assert_int_equal(strncmp(last_event(fixture)->message, "it used ", 8), 0);
        assert_non_null(strstr(last_event(fixture)->message, "and asked for 16"));
        leave(fixture);
}

static void ask_for_the_end(struct fixture *fixture, const struct event *event)
{
        if (event->kind == XPM_LAUNCH_STARTED)
                job_write(&fixture->jobs[0], ".experimaestro/kill", "");
}

static void job_is_ended_when_somebody_asks_for_it_in_its_directory(void **state)
{
        struct fixture *fixture = enter(1);
        fixture->react = ask_for_the_end;
        add(fixture, *state, 0, sleeper);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_string_equal(last_event(fixture)->reason, "cancelled");
        leave(fixture);
}

/* Once it has said that it is deaf. */
static void end_it_politely(struct fixture *fixture, const struct event *event)
{
        char text[8];
        if (event->kind != XPM_LAUNCH_STARTED)
                return;
        int fd = open(word, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, text, sizeof text), 5);
        close(fd);
        xpm_pool_kill(fixture->pool, NULL, 0);
}

static void job_that_does_not_hear_is_killed_when_the_grace_is_over(void **state)
{
        const char *const deaf[] = {"/bin/sh", "-c", "trap '' TERM; echo what >\"$0\"; while :; do sleep 1000; done",
                                    word, NULL};
        make_word(*state);
        struct fixture *fixture = enter(1);
        fixture->site.grace = 0;
        fixture->react = end_it_politely;
        add(fixture, *state, 0, deaf);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_string_equal(last_event(fixture)->reason, "cancelled");
        assert_non_null(strstr(last_event(fixture)->message, "signal 9"));
        leave(fixture);
}

/* Job 0 waits for a word; it gets it when job 2 has ended. */
static void free_the_first(struct fixture *fixture, const struct event *event)
{
        (void)fixture;
        if (event->kind != XPM_LAUNCH_ENDED || event->tag != 2)
                return;
        int fd = open(word, O_WRONLY | O_CLOEXEC);
        assert_int_equal(write(fd, "go\n", 3), 3);
        close(fd);
}

static void job_that_has_a_place_goes_by_one_that_has_none(void **state)
{
        static const char *const yes[] = {"/bin/true", NULL};
        const char *const reader[] = {"/bin/sh", "-c", "read line <\"$0\"", word, NULL};
        make_word(*state);
        struct fixture *fixture = enter_with((xpm_pool_options){.slots = 2, .cores = 3});
        uint64_t order[3];
        size_t ended = 0;
        fixture->react = free_the_first;
        add(fixture, *state, 0, reader); /* two cores */
        add(fixture, *state, 1, yes);    /* two as well, of which one is there */
        add_narrow(fixture, *state, 2, yes);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        for (size_t i = 0; i < fixture->count; i++)
                if (fixture->events[i].kind == XPM_LAUNCH_ENDED)
                        order[ended++] = fixture->events[i].tag;
        assert_int_equal(ended, 3);
        assert_true(order[0] == 2 && order[1] == 0 && order[2] == 1);
        leave(fixture);
}

static void job_gets_the_cores_that_are_its_own(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "echo $XPM_CORES $OMP_NUM_THREADS", NULL};
        struct fixture *fixture = enter_with((xpm_pool_options){.slots = 2, .cores = 3});
        struct job *one = add_narrow(fixture, *state, 0, argv);
        struct job *many = make_job(fixture, *state, 1, argv);
        many->spec.need.cores = 100; /* more than there are: all of them, and a warning where it lasts */
        add_job(fixture, 1);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_int_equal(count(fixture, XPM_LAUNCH_ENDED), 2);
        assert_string_equal(job_read(one, "work.out"), "1 1\n");
        assert_string_equal(job_read(many, "work.out"), "3 3\n");
        leave(fixture);
}

static void job_that_cannot_be_started_ends_and_its_place_is_free(void **state)
{
        static const char *const none[] = {"/no/such/program", NULL}, *const yes[] = {"/bin/true", NULL};
        struct fixture *fixture = enter_with((xpm_pool_options){.slots = 1, .cores = 2});
        add(fixture, *state, 0, none);
        add(fixture, *state, 1, yes);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_int_equal(count(fixture, XPM_LAUNCH_STARTED), 0);
        assert_int_equal(count(fixture, XPM_LAUNCH_ENDED), 2);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(fixture->events[i].done, fixture->events[i].tag == 1);
        leave(fixture);
}

int main(void)
{
        /* A host with room for all, whatever this one has: nothing is bound then. */
        setenv("HWLOC_SYNTHETIC", "core:16 pu:1", 1);
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(job_that_takes_too_long_is_ended_and_says_so),
                T(job_that_is_done_in_time_is_not_ended),
                T(job_that_uses_too_much_memory_is_killed_at_once),
                T(job_is_ended_when_somebody_asks_for_it_in_its_directory),
                T(job_that_does_not_hear_is_killed_when_the_grace_is_over),
                T(job_that_has_a_place_goes_by_one_that_has_none),
                T(job_gets_the_cores_that_are_its_own),
                T(job_that_cannot_be_started_ends_and_its_place_is_free),
#undef T
        };
        /* The first loop of a process opens what stays. */
        uv_loop_t loop;
        if (uv_loop_init(&loop) == 0)
                uv_loop_close(&loop);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
