#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exec/judge.h"
#include "jobs.h"

enum { EXIT_3 = 3 << 8, MIB = 1 << 20 };

static void check(const struct place *place, int status, enum xpm_failure asked, uint64_t memory, int64_t used,
                  const char *output, enum xpm_failure failure, const char *message)
{
        struct job job;
        static const char *const command[] = {"true", NULL};
        job_init(&job, place, command);
        const char *const outputs[] = {output, NULL};
        job.spec.outputs = outputs;
        job.spec.output_count = output != NULL;
        job.spec.need.memory = memory;
        const xpm_launch launch = job_launch(&job);
        xpm_attempt attempt;
        xpm_attempt_init(&attempt, job_order(&launch));
        attempt.dir.dir = dup(place->dir);
        attempt.asked = asked;
        xpm_judge(&attempt, status, used);
        assert_int_equal(attempt.outcome.failure, failure);
        assert_int_equal(attempt.outcome.done, failure == XPM_FAILURE_NONE);
        assert_string_equal(attempt.outcome.message, message);
        xpm_attempt_release(&attempt);
}

static void the_exit_status_decides(void **state)
{
        check(*state, 0, XPM_FAILURE_NONE, 0, MIB, NULL, XPM_FAILURE_NONE, "");
        check(*state, EXIT_3, XPM_FAILURE_NONE, 0, MIB, NULL, XPM_FAILURE_FAILED, "exit status 3");
        check(*state, SIGSEGV, XPM_FAILURE_NONE, 0, MIB, NULL, XPM_FAILURE_FAILED, "killed by signal 11 (SIGSEGV)");
}

static void who_was_told_to_end_has_not_succeeded(void **state)
{
        check(*state, 0, XPM_FAILURE_TIMEOUT, 0, MIB, NULL, XPM_FAILURE_TIMEOUT, "");
        check(*state, SIGKILL, XPM_FAILURE_CANCELLED, 0, MIB, NULL, XPM_FAILURE_CANCELLED,
              "killed by signal 9 (SIGKILL)");
        check(*state, SIGKILL, XPM_FAILURE_LOST, 0, MIB, NULL, XPM_FAILURE_LOST,
              "the guardian of its worker was killed");
}

static void without_its_outputs_it_has_not_succeeded(void **state)
{
        const struct place *place = *state;
        place_put(place, "there", "");
        check(place, 0, XPM_FAILURE_NONE, 0, MIB, "there", XPM_FAILURE_NONE, "");
        check(place, 0, XPM_FAILURE_NONE, 0, MIB, "gone", XPM_FAILURE_OUTPUT,
              "the command succeeded, but its output 'gone' is missing");
        check(place, EXIT_3, XPM_FAILURE_NONE, 0, MIB, "gone", XPM_FAILURE_FAILED, "exit status 3");
}

static void more_memory_than_it_asked_for_is_no_success(void **state)
{
        check(*state, 0, XPM_FAILURE_NONE, 2 * MIB, 2 * MIB, NULL, XPM_FAILURE_NONE, "");
        check(*state, 0, XPM_FAILURE_NONE, 2 * MIB, 3 * MIB, NULL, XPM_FAILURE_MEMORY,
              "it used 3 MiB of memory, and asked for 2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_exit_status_decides),
                TEST(who_was_told_to_end_has_not_succeeded),
                TEST(without_its_outputs_it_has_not_succeeded),
                TEST(more_memory_than_it_asked_for_is_no_success),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
