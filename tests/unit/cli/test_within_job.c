#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "commanded.h"

static void what_is_no_job_is_told_so(void **state)
{
        (void)state;
        unsetenv("XPM_JOB_DIR");
        unsetenv("XPM_DEADLINE");
        assert_int_not_equal(SAY(xpm_command_progress, "progress", "0.5")->status, 0);
        assert_int_equal(SAY(xpm_command_progress, "progress", "half")->status, 2);
        assert_int_equal(SAY(xpm_command_progress, "progress", "0.5", "x", "--level", "-1")->status, 2);
}

static void how_far_it_is_stands_in_the_jobs_events(void **state)
{
        char text[4096];
        const struct place *place = *state;
        assert_int_equal(mkdirat(place->dir, ".experimaestro", 0700), 0);
        setenv("XPM_JOB_DIR", place->path, 1);
        struct said *said = SAY(xpm_command_progress, "progress", "0.25", "epoch 3", "--level", "1");
        assert_int_equal(said->status, 0);
        assert_string_equal(said->out, "");
        place_get(place, ".experimaestro/events/event-0.jsonl", text);
        assert_non_null(strstr(text, "\"level\": 1"));
        assert_non_null(strstr(text, "\"progress\": 0.25"));
        assert_non_null(strstr(text, "\"desc\": \"epoch 3\""));
        said = SAY(xpm_command_progress, "progress", "half");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "'half' is no fraction: write 0.5"));
        unsetenv("XPM_JOB_DIR");
}

static void the_time_that_is_left_is_printed(void **state)
{
        char deadline[32];
        setenv("XPM_JOB_DIR", ((struct place *)*state)->path, 1);
        snprintf(deadline, sizeof deadline, "%lld", (long long)time(NULL) + 1000);
        setenv("XPM_DEADLINE", deadline, 1);
        struct said *said = SAY(xpm_command_remaining_time, "remaining-time");
        assert_int_equal(said->status, 0);
        assert_in_range(atoi(said->out), 900, 1000);
        unsetenv("XPM_DEADLINE");
        assert_string_equal(SAY(xpm_command_remaining_time, "remaining-time")->out, "inf\n");
        unsetenv("XPM_JOB_DIR");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(what_is_no_job_is_told_so),
                                           TEST(how_far_it_is_stands_in_the_jobs_events),
                                           TEST(the_time_that_is_left_is_printed)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
