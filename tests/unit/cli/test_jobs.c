#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commanded.h"

static void jobs_are_listed_by_tag(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_jobs, "jobs", "list", "--workdir", made.workdir, "--tags", "e");
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "good/"));
        said = SAY(xpm_command_jobs, "jobs", "list", "--workdir", made.workdir, "--json", "--filter", "n = 2");
        assert_int_equal(said->status, 0);
        const char *first = strstr(said->out, "job_id");
        assert_non_null(first);
        assert_null(strstr(first + 1, "job_id"));
        said = SAY(xpm_command_jobs, "jobs", "list", "--workdir", made.workdir, "--filter", "n = (");
        assert_int_equal(said->status, 2);
}

static void a_tag_that_no_job_has_is_told(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_jobs, "jobs", "list", "--workdir", made.workdir, "--filter", "N = 2");
        assert_int_equal(said->status, 0);
        assert_string_equal(said->err, "xpm: note: no job has the tag 'N': did you mean 'n'?\nno jobs\n");
        said = SAY(xpm_command_jobs, "jobs", "list", "--workdir", made.workdir, "--filter", "n = 2");
        assert_string_equal(said->err, "");
}

static void no_count_is_told_to_be_left_out(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_jobs, "jobs", "list", "--workdir", made.workdir, "-c", "0");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "'0': --count takes a whole number from 1 to 2147483647; leave it out"));
        said = SAY(xpm_command_jobs, "jobs", "list", "--workdir", made.workdir, "-c", "2", "--json");
        assert_int_equal(said->status, 0);
        const char *second = strchr(said->out, '\n') + 1;
        assert_string_equal(strchr(second, '\n'), "\n");
}

static void a_job_is_named_by_the_beginning_of_its_identifier(void **state)
{
        char path[512], word[16], job[32];
        struct commanded made = commanded(*state);
        snprintf(word, sizeof word, "%.10s", commanded_job(&made, path));
        snprintf(job, sizeof job, "good/%s", word);
        struct said *said = SAY(xpm_command_jobs, "jobs", "path", "--workdir", made.workdir, job);
        assert_int_equal(said->status, 0);
        assert_int_equal(strncmp(said->out, path, strlen(path)), 0);
        said = SAY(xpm_command_jobs, "jobs", "path", "--workdir", made.workdir, "zzzz");
        assert_int_equal(said->status, 2);
        said = SAY(xpm_command_jobs, "jobs", "log", "--workdir", made.workdir, word);
        assert_int_not_equal(said->status, 0); /* it has not begun */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(jobs_are_listed_by_tag), TEST(a_tag_that_no_job_has_is_told),
                                           TEST(no_count_is_told_to_be_left_out),
                                           TEST(a_job_is_named_by_the_beginning_of_its_identifier)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
