#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exec/nonce.h"

static const char given[] = "00000000000000ff", other[] = "00000000000000aa";

static bool expects(enum xpm_job_state state, const char *named, bool requeue, uint32_t restart)
{
        char nonce[XPM_NONCE_SIZE];
        const xpm_order order = {.nonce = given, .requeue = requeue};
        xpm_job_past past = {.state = state};
        strcpy(past.nonce, named);
        xpm_nonce_number(given, restart, nonce);
        return xpm_nonce_is_expected(&order, nonce, &past);
}

static void each_start_has_a_nonce_of_its_own(void **state)
{
        (void)state;
        char first[XPM_NONCE_SIZE], second[XPM_NONCE_SIZE];
        xpm_nonce_number(given, 1, first);
        assert_string_equal(first, "0000000000000100");
        xpm_nonce_number("ffffffffffffffff", 1, first);
        assert_string_equal(first, "0000000000000000");
        assert_int_equal(xpm_nonce_draw(first, NULL), 0);
        assert_int_equal(xpm_nonce_draw(second, NULL), 0);
        assert_int_equal(strspn(first, "0123456789abcdef"), XPM_NONCE_SIZE - 1);
        assert_string_not_equal(first, second);
}

static void a_scheduler_starts_what_is_named_alone(void **state)
{
        (void)state;
        assert_true(expects(XPM_JOB_SCHEDULED, given, false, 0));
        assert_false(expects(XPM_JOB_SCHEDULED, other, false, 0));
        assert_false(expects(XPM_JOB_RUNNING, given, false, 0));
        assert_false(expects(XPM_JOB_DONE, given, false, 0));
}

static void what_others_follow_is_started_unless_it_has_ended_or_is_the_same_start(void **state)
{
        (void)state;
        assert_true(expects(XPM_JOB_SCHEDULED, other, true, 0));
        assert_true(expects(XPM_JOB_RUNNING, other, true, 0));
        assert_true(expects(XPM_JOB_RUNNING, given, true, 1));
        assert_false(expects(XPM_JOB_RUNNING, given, true, 0));
        assert_false(expects(XPM_JOB_ERROR, given, true, 1));
        assert_false(expects(XPM_JOB_UNSCHEDULED, "", true, 0));
}

static void an_attempt_that_no_scheduler_was_given_asks_nobody(void **state)
{
        (void)state;
        const xpm_order order = {.nonce = NULL};
        const xpm_job_past past = {.state = XPM_JOB_RUNNING};
        assert_true(xpm_nonce_is_expected(&order, other, &past));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_start_has_a_nonce_of_its_own),
                cmocka_unit_test(a_scheduler_starts_what_is_named_alone),
                cmocka_unit_test(what_others_follow_is_started_unless_it_has_ended_or_is_the_same_start),
                cmocka_unit_test(an_attempt_that_no_scheduler_was_given_asks_nobody),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
