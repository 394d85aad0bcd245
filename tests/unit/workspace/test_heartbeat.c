#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "runs.h"
#include "workspace/heartbeat.h"

/* A place with a run that is the current one of the experiment `e`. */
static void make_run(const struct place *place)
{
        runs_mkdir(place, "experiments/e/RUN");
        assert_int_equal(symlinkat("RUN", place->dir, "experiments/e/current"), 0);
}

static xpm_heartbeat *start(const struct place *place)
{
        xpm_heartbeat *heartbeat;
        assert_int_equal(xpm_heartbeat_start(place->path, "e", 0700, 0600, &heartbeat, NULL), 0);
        return heartbeat;
}

static bool exists(const struct place *place, const char *name)
{
        return faccessat(place->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* As if it had been touched AGE milliseconds ago. */
static void make_old(const struct place *place, const char *path, int64_t age)
{
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
        clock_gettime(CLOCK_REALTIME, &times[1]);
        times[1].tv_sec -= (time_t)(age / 1000);
        assert_int_equal(utimensat(place->dir, path, times, 0), 0);
}

static void one_that_is_stopped_leaves_nothing(void **state)
{
        const struct place *place = *state;
        make_run(place);
        xpm_heartbeat *heartbeat = start(place);
        assert_int_equal(strncmp(xpm_heartbeat_path(heartbeat), "experiments/e/RUN/workers/", 26), 0);
        assert_true(exists(place, xpm_heartbeat_path(heartbeat)));
        xpm_heartbeat_stop(heartbeat);
        assert_false(exists(place, "experiments/e/RUN/workers"));
        xpm_heartbeat_stop(NULL);
}

static void directory_stays_while_others_use_it(void **state)
{
        const struct place *place = *state;
        make_run(place);
        xpm_heartbeat *heartbeat = start(place);
        place_put(place, "experiments/e/RUN/workers/other-1", "");
        xpm_heartbeat_stop(heartbeat);
        assert_true(exists(place, "experiments/e/RUN/workers/other-1"));
}

static void experiment_without_a_run_has_none(void **state)
{
        const struct place *place = *state;
        xpm_heartbeat *heartbeat = start(place);
        assert_null(heartbeat);
        assert_null(xpm_heartbeat_path(heartbeat));
        assert_int_equal(xpm_heartbeat_gaps(heartbeat), 0);
}

static void what_cannot_be_made_is_named(void **state)
{
        const struct place *place = *state;
        xpm_heartbeat *heartbeat;
        xpm_error err = XPM_ERROR_NONE;
        make_run(place);
        place_put(place, "experiments/e/RUN/workers", "a file");
        assert_int_equal(xpm_heartbeat_start(place->path, "e", 0700, 0600, &heartbeat, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "experiments/e/RUN/workers/"));
        assert_null(heartbeat);
}

static void two_leases_without_a_touch_are_silence(void **state)
{
        const struct place *place = *state;
        make_run(place);
        xpm_heartbeat *heartbeat = start(place);
        const char *path = xpm_heartbeat_path(heartbeat);
        assert_int_equal(xpm_heartbeat_judge(place->dir, path), XPM_LIFE_BEATS);
        make_old(place, path, 2 * xpm_lease() - 20000);
        assert_int_equal(xpm_heartbeat_judge(place->dir, path), XPM_LIFE_BEATS);
        make_old(place, path, 2 * xpm_lease() + 2000);
        assert_int_equal(xpm_heartbeat_judge(place->dir, path), XPM_LIFE_SILENT);
        xpm_heartbeat_touch(heartbeat);
        assert_int_equal(xpm_heartbeat_judge(place->dir, path), XPM_LIFE_BEATS);
        xpm_heartbeat_stop(heartbeat);
}

static void judging_leaves_nothing(void **state)
{
        const struct place *place = *state;
        runs_mkdir(place, "experiments/e/RUN/workers");
        place_put(place, "experiments/e/RUN/workers/h-1", "");
        make_old(place, "experiments/e/RUN/workers/h-1", 2 * xpm_lease() + 2000);
        assert_int_equal(xpm_heartbeat_judge(place->dir, "experiments/e/RUN/workers/h-1"), XPM_LIFE_SILENT);
        assert_int_equal(unlinkat(place->dir, "experiments/e/RUN/workers/h-1", 0), 0);
        assert_int_equal(unlinkat(place->dir, "experiments/e/RUN/workers", AT_REMOVEDIR), 0);
}

static void one_that_is_not_there_says_nothing(void **state)
{
        static const char *const paths[] = {
                "experiments/e/RUN/workers/h-1", "no/such", "name", "", "../x/y", "/etc/motd"};
        const struct place *place = *state;
        make_run(place);
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
                assert_int_equal(xpm_heartbeat_judge(place->dir, paths[i]), XPM_LIFE_UNKNOWN);
}

static void silence_counts_for_attempts_without_an_end_alone(void **state)
{
        static const char nonce[] = "0123456789abcdef", path[] = "experiments/e/RUN/workers/h-1";
        static const struct {
                enum xpm_job_state state;
                const char *nonce, *path;
                enum xpm_life life;
        } cases[] = {
                {XPM_JOB_RUNNING, nonce, path, XPM_LIFE_SILENT},      {XPM_JOB_DONE, nonce, path, XPM_LIFE_UNKNOWN},
                {XPM_JOB_ERROR, nonce, path, XPM_LIFE_UNKNOWN},       {XPM_JOB_RUNNING, nonce, "", XPM_LIFE_UNKNOWN},
                {XPM_JOB_RUNNING, "../../x", path, XPM_LIFE_UNKNOWN}, {XPM_JOB_RUNNING, "", path, XPM_LIFE_UNKNOWN},
        };
        const struct place *place = *state;
        runs_mkdir(place, "experiments/e/RUN/workers");
        place_put(place, path, "");
        make_old(place, path, 2 * xpm_lease() + 2000);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_job_past past = XPM_JOB_PAST_INIT;
                past.state = cases[i].state;
                snprintf(past.nonce, sizeof past.nonce, "%s", cases[i].nonce);
                snprintf(past.heartbeat, sizeof past.heartbeat, "%s", cases[i].path);
                assert_int_equal(xpm_heartbeat_life(place->dir, &past), cases[i].life);
        }
}

static void run_is_in_use_while_one_of_them_beats(void **state)
{
        const struct place *place = *state;
        runs_mkdir(place, "experiments/e/RUN/workers");
        int run = openat(place->dir, "experiments/e/RUN", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_false(xpm_heartbeat_any(run));
        place_put(place, "experiments/e/RUN/workers/h-1", "");
        place_put(place, "experiments/e/RUN/workers/h-2", "");
        assert_true(xpm_heartbeat_any(run));
        make_old(place, "experiments/e/RUN/workers/h-1", 2 * xpm_lease() + 2000);
        assert_true(xpm_heartbeat_any(run));
        make_old(place, "experiments/e/RUN/workers/h-2", 2 * xpm_lease() + 2000);
        assert_false(xpm_heartbeat_any(run));
        close(run);
}

static void lease_is_a_whole_number_of_seconds(void **state)
{
        static const struct {
                const char *text;
                int64_t lease;
        } cases[] = {{"1", 1000},   {"30", 30000},  {"", 90000}, {"0", 90000},
                     {"-1", 90000}, {"1.5", 90000}, {"x", 90000}};
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                setenv("XPM_LEASE", cases[i].text, 1);
                assert_int_equal(xpm_lease(), cases[i].lease);
        }
        unsetenv("XPM_LEASE");
        assert_int_equal(xpm_lease(), 90000);
        assert_int_equal(xpm_beat(), 20000);
        assert_true(xpm_beat() < xpm_doubt() && xpm_doubt() < xpm_lease());
}

static void lack_of_memory_is_an_error(void **state)
{
        if (!failing_malloc_works)
                skip();
        const struct place *place = *state;
        make_run(place);
        for (long n = 1;; n++) {
                xpm_heartbeat *heartbeat;
                failing_malloc_arm(n);
                int rc = xpm_heartbeat_start(place->path, "e", 0700, 0600, &heartbeat, NULL);
                bool failed = failing_malloc_disarm();
                assert_int_equal(rc, failed ? XPM_ENOMEM : 0);
                xpm_heartbeat_stop(heartbeat);
                if (!failed)
                        break;
        }
}

int main(void)
{
        unsetenv("XPM_LEASE");
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(one_that_is_stopped_leaves_nothing),
                T(directory_stays_while_others_use_it),
                T(experiment_without_a_run_has_none),
                T(what_cannot_be_made_is_named),
                T(two_leases_without_a_touch_are_silence),
                T(judging_leaves_nothing),
                T(one_that_is_not_there_says_nothing),
                T(silence_counts_for_attempts_without_an_end_alone),
                T(run_is_in_use_while_one_of_them_beats),
                T(lease_is_a_whole_number_of_seconds),
                T(lack_of_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
