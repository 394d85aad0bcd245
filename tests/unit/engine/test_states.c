#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/states.h"

enum { STATES = XPM_JOB_TRANSIENT + 1, NO = -1 };

enum {
        U = XPM_JOB_UNSCHEDULED,
        W = XPM_JOB_WAITING,
        Y = XPM_JOB_READY,
        S = XPM_JOB_SCHEDULED,
        R = XPM_JOB_RUNNING,
        D = XPM_JOB_DONE,
        E = XPM_JOB_ERROR,
        T = XPM_JOB_TRANSIENT
};

/* The whole matrix, written out: what is not a transition is refused. */
static void every_pair_of_state_and_event_is_as_written(void **state)
{
        (void)state;
        static const int expected[STATES][XPM_EVENT_COUNT] = {
                /*      freed barred submitted returned withheld retried started elsewhere released done failed */
                [U] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO}, [W] = {Y, E, NO, NO, NO, NO, NO, NO, NO, NO, NO},
                [Y] = {NO, NO, S, NO, NO, NO, NO, R, NO, NO, E},    [S] = {NO, NO, NO, Y, W, Y, R, R, NO, D, E},
                [R] = {NO, NO, NO, Y, W, Y, NO, R, Y, D, E},        [D] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
                [E] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO}, [T] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
        };
        for (int from = 0; from < STATES; from++)
                for (int event = 0; event < XPM_EVENT_COUNT; event++)
                        assert_int_equal(xpm_state_after((enum xpm_job_state)from, (enum xpm_job_event)event),
                                         expected[from][event]);
}

static void every_event_has_a_word(void **state)
{
        (void)state;
        for (int event = 0; event < XPM_EVENT_COUNT; event++)
                assert_string_not_equal(xpm_job_event_word((enum xpm_job_event)event), "?");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_pair_of_state_and_event_is_as_written),
                cmocka_unit_test(every_event_has_a_word),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
