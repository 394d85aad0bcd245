#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "monitor/viewstate.h"

enum { COUNT = 5 };

/* The last needs the one before it, and so on; the second needs the first. */
static void make(xpm_view_job jobs[COUNT], xpm_view_job *list[COUNT], xpm_map *index)
{
        static const char *const keys[COUNT] = {"t/0", "t/1", "t/2", "t/3", "t/4"};
        static const char *const dependencies[COUNT] = {NULL, "[\"t/0\"]", "[\"t/1\", \"t/none\"]", "[\"t/2\"]", "[]"};
        for (size_t i = 0; i < COUNT; i++) {
                jobs[i] = (xpm_view_job){.state = XPM_JOB_SCHEDULED, .dependencies = dependencies[i]};
                list[COUNT - 1 - i] = &jobs[i]; /* the wrong way round */
                assert_int_equal(xpm_map_put(index, keys[i], &jobs[i]), 0);
        }
}

static void what_is_scheduled_behind_a_failure_failed(void **state)
{
        (void)state;
        xpm_view_job jobs[COUNT], *list[COUNT];
        xpm_map index = XPM_MAP_INIT;
        make(jobs, list, &index);
        xpm_view_bar(&index, list, COUNT);
        for (size_t i = 0; i < COUNT; i++)
                assert_int_equal(jobs[i].state, XPM_JOB_SCHEDULED);
        jobs[0].state = XPM_JOB_ERROR;
        jobs[0].failure = XPM_FAILURE_TIMEOUT;
        xpm_view_bar(&index, list, COUNT);
        for (size_t i = 1; i < 4; i++) {
                assert_int_equal(jobs[i].state, XPM_JOB_ERROR);
                assert_int_equal(jobs[i].failure, XPM_FAILURE_DEPENDENCY);
        }
        assert_int_equal(jobs[0].failure, XPM_FAILURE_TIMEOUT);
        assert_int_equal(jobs[4].state, XPM_JOB_SCHEDULED);
        xpm_map_release(&index);
}

static void what_runs_is_not_barred(void **state)
{
        (void)state;
        xpm_view_job jobs[COUNT], *list[COUNT];
        xpm_map index = XPM_MAP_INIT;
        make(jobs, list, &index);
        jobs[0].state = XPM_JOB_ERROR;
        jobs[1].state = XPM_JOB_RUNNING;
        xpm_view_bar(&index, list, COUNT);
        assert_int_equal(jobs[1].state, XPM_JOB_RUNNING);
        assert_int_equal(jobs[2].state, XPM_JOB_SCHEDULED);
        xpm_map_release(&index);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_scheduled_behind_a_failure_failed),
                cmocka_unit_test(what_runs_is_not_barred),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
