#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runs.h"

static int count_links(const struct place *place)
{
        int count = place_count(place, "experiments/e/current/jobs/demo.task");
        return count < 0 ? 0 : count;
}

static void job_that_begins_gets_a_link(void **state)
{
        static const enum xpm_job_state states[] = {XPM_JOB_READY, XPM_JOB_SCHEDULED, XPM_JOB_RUNNING, XPM_JOB_DONE};
        char target[256] = "";
        int64_t next;
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        size_t slot = runs_add(run, "a", "{}", XPM_JOB_WAITING);
        for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
                xpm_run_set_state(run, slot, states[i], XPM_FAILURE_NONE, NULL);
                assert_int_equal(xpm_run_tick(run, 1000, &next, NULL), 0);
                assert_int_equal(count_links(*state), i > 0);
        }
        runs_job_file(*state, "a", "here", "");
        assert_true(readlinkat(workspace->dir, "experiments/e/current/jobs/demo.task/a", target, sizeof target - 1) >
                    0);
        assert_string_equal(target, "../../../../../jobs/demo.task/a");
        assert_int_equal(faccessat(workspace->dir, "experiments/e/current/jobs/demo.task/a/here", F_OK, 0), 0);
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        xpm_workspace_close(workspace);
}

static void few_are_made_at_once_and_all_in_the_end(void **state)
{
        enum { JOBS = 100 };
        int64_t next;
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        size_t slots[JOBS];
        for (int i = 0; i < JOBS; i++) {
                char id[16];
                snprintf(id, sizeof id, "j%d", i);
                slots[i] = runs_add(run, id, "{}", XPM_JOB_WAITING);
        }
        for (int i = 0; i < JOBS; i++)
                xpm_run_set_state(run, slots[i], XPM_JOB_SCHEDULED, XPM_FAILURE_NONE, NULL);
        assert_int_equal(xpm_run_tick(run, 1000, &next, NULL), 0);
        assert_true(count_links(*state) > 0 && count_links(*state) < JOBS);
        assert_int_equal(next, 1000); /* it wants to go on */
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        assert_int_equal(count_links(*state), JOBS);
        xpm_workspace_close(workspace);
}

static void job_that_never_began_is_linked_if_it_has_a_directory(void **state)
{
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        runs_add(run, "generated", "{}", XPM_JOB_UNSCHEDULED);
        runs_add(run, "before", "{}", XPM_JOB_DONE);
        runs_add(run, "nothing", "{}", XPM_JOB_WAITING);
        runs_job_file(*state, "generated", NULL, NULL);
        runs_job_file(*state, "before", "task.done", "");
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        assert_int_equal(count_links(*state), 2);
        xpm_workspace_close(workspace);
}

static void big_run_has_none(void **state)
{
        enum { JOBS = 10001 };
        int64_t next;
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        for (int i = 0; i < JOBS; i++) {
                char id[16];
                snprintf(id, sizeof id, "j%d", i);
                runs_add(run, id, "{}", XPM_JOB_READY);
        }
        runs_job_file(*state, "j1", NULL, NULL);
        xpm_run_set_state(run, 0, XPM_JOB_DONE, XPM_FAILURE_NONE, NULL);
        assert_int_equal(xpm_run_tick(run, 1000, &next, NULL), 0);
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        assert_int_equal(count_links(*state), 0);
        xpm_workspace_close(workspace);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(job_that_begins_gets_a_link),
                T(few_are_made_at_once_and_all_in_the_end),
                T(job_that_never_began_is_linked_if_it_has_a_directory),
                T(big_run_has_none),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
