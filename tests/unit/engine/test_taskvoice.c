#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "experimaestro/task.h"
#include "failing_malloc.h"
#include "place.h"

static const char file[] = ".experimaestro/events/event-0.jsonl";

static int enter(void **state)
{
        int rc = place_enter(state);
        setenv("XPM_JOB_DIR", ((struct place *)*state)->path, 1);
        setenv("XPM_JOB_ID", "0a1b", 1);
        setenv("XPM_TASK_ID", "demo.task", 1);
        unsetenv("XPM_DEADLINE");
        return rc;
}

static void progress_is_appended_line_by_line(void **state)
{
        char text[4096];
        assert_int_equal(xpm_task_progress(0.25, "first \"half\"", 0, NULL), 0);
        assert_int_equal(xpm_task_progress(1, NULL, 2, NULL), 0);
        place_get(*state, file, text);
        char *end = strchr(text, '\n');
        assert_non_null(end);
        json_t *one = json_loadb(text, (size_t)(end - text), 0, NULL), *two = json_loads(end + 1, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(one, "event_type")), "JobProgressEvent");
        assert_string_equal(json_string_value(json_object_get(one, "job_id")), "0a1b");
        assert_string_equal(json_string_value(json_object_get(one, "task_id")), "demo.task");
        assert_string_equal(json_string_value(json_object_get(one, "desc")), "first \"half\"");
        assert_true(json_real_value(json_object_get(one, "progress")) == 0.25);
        assert_true(json_real_value(json_object_get(one, "timestamp")) > 1e9);
        assert_int_equal(json_integer_value(json_object_get(two, "level")), 2);
        assert_true(json_is_null(json_object_get(two, "desc")));
        json_decref(one);
        json_decref(two);
}

static void what_is_out_of_bounds_is_refused(void **state)
{
        assert_int_equal(xpm_task_progress(-0.1, NULL, 0, NULL), XPM_ERANGE);
        assert_int_equal(xpm_task_progress(1.1, NULL, 0, NULL), XPM_ERANGE);
        assert_int_equal(xpm_task_progress(NAN, NULL, 0, NULL), XPM_ERANGE);
        assert_int_equal(xpm_task_progress(1, NULL, -1, NULL), XPM_ERANGE);
        assert_int_equal(xpm_task_progress(1, NULL, XPM_TASK_LEVELS, NULL), XPM_ERANGE);
        assert_int_equal(place_count(*state, "."), 0);
}

static void outside_of_a_job_it_is_wrong_usage(void **state)
{
        (void)state;
        unsetenv("XPM_JOB_DIR");
        assert_int_equal(xpm_task_progress(1, NULL, 0, NULL), XPM_EUSAGE);
        setenv("XPM_JOB_DIR", "/nowhere/at/all", 1);
        assert_int_equal(xpm_task_progress(1, NULL, 0, NULL), XPM_EIO);
}

static void remaining_time_ends_at_nothing(void **state)
{
        char text[32];
        double seconds = -1;
        (void)state;
        assert_int_equal(xpm_task_remaining(&seconds, NULL), 0);
        assert_true(isinf(seconds));
        snprintf(text, sizeof text, "%lld", (long long)time(NULL) + 100000);
        setenv("XPM_DEADLINE", text, 1);
        assert_int_equal(xpm_task_remaining(&seconds, NULL), 0);
        assert_true(seconds > 90000 && seconds <= 100000);
        setenv("XPM_DEADLINE", "1000000000", 1);
        assert_int_equal(xpm_task_remaining(&seconds, NULL), 0);
        assert_true(seconds == 0);
        setenv("XPM_DEADLINE", "soon", 1);
        assert_int_equal(xpm_task_remaining(&seconds, NULL), XPM_EFORMAT);
}

static void the_sooner_end_counts(void **state)
{
        char text[32];
        double seconds = -1;
        (void)state;
        setenv("SLURM_JOB_ID", "7", 1);
        snprintf(text, sizeof text, "%lld", (long long)time(NULL) + 1000);
        setenv("SLURM_JOB_END_TIME", text, 1);
        assert_int_equal(xpm_task_remaining(&seconds, NULL), 0);
        assert_true(seconds > 900 && seconds <= 1000);
        snprintf(text, sizeof text, "%lld", (long long)time(NULL) + 100);
        setenv("XPM_DEADLINE", text, 1);
        assert_int_equal(xpm_task_remaining(&seconds, NULL), 0);
        assert_true(seconds > 50 && seconds <= 100);
        setenv("SLURM_JOB_END_TIME", "1000000000", 1);
        assert_int_equal(xpm_task_remaining(&seconds, NULL), 0);
        assert_true(seconds == 0);
        unsetenv("SLURM_JOB_ID");
        unsetenv("SLURM_JOB_END_TIME");
}

static void lack_of_memory_is_an_error(void **state)
{
        char text[4096];
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                failing_malloc_arm(n);
                int rc = xpm_task_progress(0.5, "half", 0, NULL);
                bool failed = failing_malloc_disarm();
                assert_true(rc == 0 || (failed && rc == XPM_ENOMEM));
                if (!failed)
                        break;
        }
        place_get(*state, file, text);
        assert_int_equal(text[strlen(text) - 1], '\n');
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(progress_is_appended_line_by_line),
                T(what_is_out_of_bounds_is_refused),
                T(outside_of_a_job_it_is_wrong_usage),
                T(remaining_time_ends_at_nothing),
                T(the_sooner_end_counts),
                T(lack_of_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
