#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commanded.h"

static void nothing_is_done_without_perform(void **state)
{
        char path[512], marker[600];
        struct commanded made = commanded(*state);
        commanded_job(&made, path);
        snprintf(marker, sizeof marker, "%s/good.done", path);
        close(open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        struct said *said = SAY(xpm_command_jobs, "jobs", "clean", "--workdir", made.workdir);
        assert_int_equal(said->status, 0);
        assert_int_equal(access(path, F_OK), 0);
        said = SAY(xpm_command_jobs, "jobs", "clean", "--workdir", made.workdir, "--perform");
        assert_int_equal(said->status, 2); /* which ones? */
        assert_non_null(strstr(said->err, "--all"));
        said = SAY(xpm_command_jobs, "jobs", "clean", "--workdir", made.workdir, "--perform", "--all");
        assert_int_equal(said->status, 0);
        assert_int_not_equal(access(path, F_OK), 0);
}

static void a_choice_by_a_tag_that_no_job_has_is_told(void **state)
{
        char path[512], marker[600];
        struct commanded made = commanded(*state);
        commanded_job(&made, path);
        snprintf(marker, sizeof marker, "%s/good.done", path);
        close(open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        struct said *said = SAY(xpm_command_jobs, "jobs", "clean", "--workdir", made.workdir, "--filter", "N != 1");
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "remove"));
        assert_non_null(strstr(said->err, "xpm: note: no job has the tag 'N': did you mean 'n'?\n"));
}

static void what_does_not_run_is_not_killed(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_jobs, "jobs", "kill", "--workdir", made.workdir, "--perform", "--all");
        assert_int_equal(said->status, 0);
        assert_string_equal(said->out, "");
        assert_string_equal(said->err, "no jobs\n");
}

static void a_choice_is_made_in_one_way(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_jobs, "jobs", "clean", "--workdir", made.workdir, "--all", "abc");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "neither --experiment nor --all"));
        said = SAY(xpm_command_jobs, "jobs", "clean", "--workdir", made.workdir, "--perform", "--experiment", "f");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "there is no experiment 'f'"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(nothing_is_done_without_perform),
                                           TEST(a_choice_by_a_tag_that_no_job_has_is_told),
                                           TEST(what_does_not_run_is_not_killed), TEST(a_choice_is_made_in_one_way)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
