#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "experimaestro/state.h"

static void word_of_each_state_reads_back(void **state)
{
        (void)state;
#define X(name, word)                                                  \
        assert_string_equal(xpm_job_state_word(XPM_JOB_##name), word); \
        assert_int_equal(xpm_job_state_parse(word), XPM_JOB_##name);
        XPM_JOB_STATES(X)
#undef X
}

static void word_of_each_failure_reads_back(void **state)
{
        (void)state;
#define X(name, word, status)                                                \
        assert_string_equal(xpm_failure_word(XPM_FAILURE_##name), word);     \
        assert_string_equal(xpm_failure_status(XPM_FAILURE_##name), status); \
        assert_int_equal(xpm_failure_parse(word), XPM_FAILURE_##name);
        XPM_FAILURES(X)
#undef X
}

static void status_of_several_failures_is_the_one_of_that_name(void **state)
{
        (void)state;
        assert_int_equal(xpm_failure_parse("CANCELLED"), XPM_FAILURE_CANCELLED);
        assert_int_equal(xpm_failure_parse("FAILED"), XPM_FAILURE_FAILED);
        assert_int_equal(xpm_failure_parse("MISSING_OUTPUTS"), XPM_FAILURE_OUTPUT);
        assert_int_equal(xpm_failure_parse("REJECTED_OTHER"), XPM_FAILURE_LAUNCH);
}

static void case_does_not_matter(void **state)
{
        (void)state;
        assert_int_equal(xpm_job_state_parse("DONE"), XPM_JOB_DONE);
        assert_int_equal(xpm_job_state_parse("Waiting"), XPM_JOB_WAITING);
        assert_int_equal(xpm_failure_parse("TimeOut"), XPM_FAILURE_TIMEOUT);
}

static void word_that_is_none_is_refused(void **state)
{
        static const char *const words[] = {"doing", "don", "donee", " done", "error:"};
        (void)state;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
                assert_int_equal(xpm_job_state_parse(words[i]), -1);
                assert_int_equal(xpm_failure_parse(words[i]), -1);
        }
        assert_int_equal(xpm_job_state_parse(""), -1);
}

static void value_outside_of_the_table_has_a_word(void **state)
{
        (void)state;
        assert_non_null(xpm_job_state_word((enum xpm_job_state)99));
        assert_non_null(xpm_failure_word((enum xpm_failure)99));
        assert_non_null(xpm_failure_status((enum xpm_failure)99));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(word_of_each_state_reads_back),
                cmocka_unit_test(word_of_each_failure_reads_back),
                cmocka_unit_test(status_of_several_failures_is_the_one_of_that_name),
                cmocka_unit_test(case_does_not_matter),
                cmocka_unit_test(word_that_is_none_is_refused),
                cmocka_unit_test(value_outside_of_the_table_has_a_word),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
