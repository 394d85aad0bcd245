#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lock.h"
#include "failing_malloc.h"
#include "runs.h"
#include "workspace/underway.h"

static char ids[3][65];

static int enter(void **state)
{
        int rc = place_enter(state);
        for (int i = 0; i < 3; i++)
                runs_id(ids[i], (const char[]){(char)('a' + i), '\0'});
        return rc;
}

/* A run of EXPERIMENT that names the job ID; `current` leads to it. */
static void put_run(const struct place *place, const char *experiment, const char *run, const char *id,
                    const char *environment)
{
        char path[256], line[256];
        runs_mkdir(place, "experiments/%s/%s", experiment, run);
        snprintf(path, sizeof path, "experiments/%s/%s/jobs.jsonl", experiment, run);
        snprintf(line, sizeof line, "{\"job_id\": \"%s\", \"task_id\": \"demo.task\"}\n", id);
        place_put(place, path, line);
        snprintf(path, sizeof path, "experiments/%s/%s/environment.json", experiment, run);
        if (environment)
                place_put(place, path, environment);
        snprintf(path, sizeof path, "experiments/%s/current", experiment);
        unlinkat(place->dir, path, 0);
        assert_int_equal(symlinkat(run, place->dir, path), 0);
}

static int hold(const struct place *place, const char *experiment)
{
        char path[128];
        int fd;
        snprintf(path, sizeof path, "experiments/%s/lock", experiment);
        assert_int_equal(xpm_lock_take(place->dir, path, 0600, false, &fd, NULL), 0);
        return fd;
}

/* Which of the jobs are named, by their first digits. */
static const char *named(xpm_underway *underway, char digits[4])
{
        size_t count = 0;
        for (int i = 0; i < 3; i++) {
                int rc = xpm_underway_names(underway, ids[i], NULL, NULL);
                assert_true(rc >= 0);
                if (rc)
                        digits[count++] = *ids[i];
        }
        digits[count] = '\0';
        return digits;
}

static void only_current_runs_that_go_on_count_and_answers_are_of_now(void **state)
{
        const struct place *place = *state;
        const char *const paths[] = {place->path, NULL};
        const char *run = NULL;
        char digits[4], expected[256];
        xpm_underway *underway;
        assert_int_equal(xpm_underway_open(paths, NULL, &underway, NULL), 0);
        assert_string_equal(named(underway, digits), "");
        put_run(place, "one", "1", ids[0], NULL);
        put_run(place, "two", "1", ids[1], NULL);
        assert_string_equal(named(underway, digits), "");
        int one = hold(place, "one"), two = hold(place, "two");
        assert_string_equal(named(underway, digits), "ab");
        put_run(place, "one", "2", ids[2], NULL);
        assert_string_equal(named(underway, digits), "bc");
        assert_int_equal(xpm_underway_names(underway, ids[2], &run, NULL), 1);
        snprintf(expected, sizeof expected, "%s/experiments/one/2", place->path);
        assert_string_equal(run, expected);
        xpm_lock_release(two);
        assert_string_equal(named(underway, digits), "c");
        /* It announces another one. */
        int fd = openat(place->dir, "experiments/one/2/jobs.jsonl", O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_true(dprintf(fd, "{\"job_id\":\"%s\"}\n", ids[0]) > 0);
        close(fd);
        assert_string_equal(named(underway, digits), "ac");
        xpm_lock_release(one);
        assert_string_equal(named(underway, digits), "");
        xpm_underway_close(underway);
}

static void one_that_left_its_jobs_in_a_queue_goes_on(void **state)
{
        const struct place *place = *state;
        const char *const paths[] = {place->path, NULL};
        char digits[4];
        xpm_underway *underway;
        assert_int_equal(xpm_underway_open(paths, NULL, &underway, NULL), 0);
        put_run(place, "one", "1", ids[0], "{\"run\": {\"status\": \"detached\"}}");
        put_run(place, "two", "1", ids[1], "{\"run\": {\"status\": \"failed\"}}");
        put_run(place, "three", "1", ids[2], "{");
        assert_string_equal(named(underway, digits), "a");
        unlinkat(place->dir, "experiments/one/1/environment.json", 0);
        assert_string_equal(named(underway, digits), "");
        xpm_underway_close(underway);
}

static void others_count_and_our_own_does_not(void **state)
{
        const struct place *place = *state;
        char here[256], there[256], digits[4];
        snprintf(here, sizeof here, "%s/here", place->path);
        snprintf(there, sizeof there, "%s/there", place->path);
        const char *const paths[] = {here, there, NULL};
        xpm_underway *underway;
        runs_mkdir(place, "here");
        runs_mkdir(place, "there");
        struct place first = *place, second = *place;
        first.dir = openat(place->dir, "here", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        second.dir = openat(place->dir, "there", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        put_run(&first, "own", "1", ids[0], NULL);
        put_run(&first, "other", "1", ids[1], NULL);
        put_run(&second, "own", "1", ids[2], NULL);
        int locks[] = {hold(&first, "own"), hold(&first, "other"), hold(&second, "own")};
        assert_int_equal(xpm_underway_open(paths, "own", &underway, NULL), 0);
        assert_string_equal(named(underway, digits), "bc");
        xpm_underway_close(underway);
        for (int i = 0; i < 3; i++)
                xpm_lock_release(locks[i]);
        close(first.dir);
        close(second.dir);
}

static void what_cannot_be_read_is_an_error(void **state)
{
        const struct place *place = *state;
        const char *const paths[] = {place->path, NULL};
        xpm_underway *underway;
        assert_int_equal(xpm_underway_open(paths, NULL, &underway, NULL), 0);
        put_run(place, "one", "1", ids[0], NULL);
        unlinkat(place->dir, "experiments/one/1/jobs.jsonl", 0);
        runs_mkdir(place, "experiments/one/1/jobs.jsonl");
        int lock = hold(place, "one");
        assert_int_equal(xpm_underway_names(underway, ids[0], NULL, NULL), XPM_EIO);
        assert_int_equal(xpm_underway_names(underway, ids[0], NULL, NULL), XPM_EIO);
        xpm_lock_release(lock);
        xpm_underway_close(underway);
}

static void lack_of_memory_is_an_error(void **state)
{
        if (!failing_malloc_works)
                skip();
        const struct place *place = *state;
        const char *const paths[] = {place->path, NULL}, *run;
        put_run(place, "one", "1", ids[0], NULL);
        int lock = hold(place, "one");
        for (long n = 1;; n++) {
                xpm_underway *underway = NULL;
                failing_malloc_arm(n);
                int rc = xpm_underway_open(paths, NULL, &underway, NULL);
                if (rc == 0)
                        rc = xpm_underway_names(underway, ids[0], &run, NULL);
                bool failed = failing_malloc_disarm();
                assert_true(rc == 1 || (failed && (rc == XPM_ENOMEM || rc == XPM_EIO)));
                xpm_underway_close(underway);
                if (!failed)
                        break;
        }
        xpm_lock_release(lock);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(only_current_runs_that_go_on_count_and_answers_are_of_now),
                T(one_that_left_its_jobs_in_a_queue_goes_on),
                T(others_count_and_our_own_does_not),
                T(what_cannot_be_read_is_an_error),
                T(lack_of_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
