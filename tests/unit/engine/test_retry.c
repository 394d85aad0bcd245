#include "faked.h"

#define TASK "id: retry\nlauncher: fake\ntasks: {t: {params: {n: int}, command: [\"true\"]"
#define PLAN "}}\nplan: {s: {task: t, params: {n: 1}}}\n"

static void start(struct scene *scene, const char *text)
{
        scene_open(scene, text);
        scene_start(scene, NULL);
}

static bool retries(struct scene *scene, enum xpm_failure failure, int code)
{
        const xpm_job_end end = {.failure = failure, .code = code};
        return xpm_runner_retries(&scene->runner, 0, &end);
}

static void only_what_did_nothing_wrong_is_run_again_unasked(void **state)
{
        struct scene *scene = *state;
        start(scene, TASK PLAN);
        assert_false(retries(scene, XPM_FAILURE_FAILED, 75)); /* it is not resumable */
        assert_false(retries(scene, XPM_FAILURE_TIMEOUT, -1));
        assert_false(retries(scene, XPM_FAILURE_MEMORY, -1));
        assert_false(retries(scene, XPM_FAILURE_CANCELLED, -1));
        assert_int_equal(scene->runner.jobs[0].restarts, 0);
        assert_true(retries(scene, XPM_FAILURE_LOST, -1));
        assert_true(retries(scene, XPM_FAILURE_PREEMPTED, -1));
        /* Three tries of a run, unless something else is said. */
        assert_true(retries(scene, XPM_FAILURE_LOST, -1));
        assert_false(retries(scene, XPM_FAILURE_LOST, -1));
        scene_finish(scene);
}

static void resumable_job_goes_on_when_stopped_or_when_it_asks(void **state)
{
        struct scene *scene = *state;
        start(scene, TASK ", resumable: true" PLAN);
        assert_false(retries(scene, XPM_FAILURE_FAILED, 1));
        assert_false(retries(scene, XPM_FAILURE_MEMORY, -1));
        assert_true(retries(scene, XPM_FAILURE_FAILED, 75));
        assert_true(retries(scene, XPM_FAILURE_TIMEOUT, -1));
        scene_finish(scene);
}

static void listed_reasons_count_up_to_times(void **state)
{
        struct scene *scene = *state;
        start(scene, TASK ", retry: {on: [failed], times: 1}" PLAN);
        assert_false(retries(scene, XPM_FAILURE_MEMORY, -1));
        assert_true(retries(scene, XPM_FAILURE_FAILED, 1));
        assert_false(retries(scene, XPM_FAILURE_FAILED, 1));
        assert_false(retries(scene, XPM_FAILURE_OUTPUT, 0));
        assert_true(retries(scene, XPM_FAILURE_LOST, -1)); /* which needs no listing */
        assert_int_equal(scene->runner.jobs[0].times, 1);
        assert_int_equal(scene->runner.jobs[0].restarts, 2);
        scene_finish(scene);
}

static void max_retries_bounds_all_tries(void **state)
{
        struct scene *scene = *state;
        start(scene, TASK ", retry: {on: [failed], times: 9}, max_retries: 2" PLAN);
        assert_true(retries(scene, XPM_FAILURE_FAILED, 1));
        assert_true(retries(scene, XPM_FAILURE_LOST, -1));
        assert_false(retries(scene, XPM_FAILURE_FAILED, 1));
        assert_false(retries(scene, XPM_FAILURE_LOST, -1));
        assert_non_null(strstr(xpm_text_string(&scene->log), "lost; it is run again (2 of at most 2 times)"));
        scene_finish(scene);
}

static void nothing_is_run_again_when_the_run_stops(void **state)
{
        struct scene *scene = *state;
        start(scene, TASK PLAN);
        scene->runner.stopping = true;
        assert_false(retries(scene, XPM_FAILURE_LOST, -1));
        scene->runner.stopping = false;
        scene->experiment->interrupts = 1;
        assert_false(retries(scene, XPM_FAILURE_LOST, -1));
        scene->experiment->interrupts = 0;
        assert_true(retries(scene, XPM_FAILURE_LOST, -1));
        scene_finish(scene);
}

static void each_lack_scales_what_lacked(void **state)
{
        struct scene *scene = *state;
        start(scene, TASK ", retry: {on: [memory, timeout], times: 9, scale: {mem: 2, duration: 1.5}}" PLAN);
        assert_true(xpm_runner_memory_scale(&scene->runner, 0) == 1);
        assert_true(retries(scene, XPM_FAILURE_MEMORY, -1));
        assert_true(retries(scene, XPM_FAILURE_MEMORY, -1));
        assert_true(xpm_runner_memory_scale(&scene->runner, 0) == 4);
        assert_true(xpm_runner_duration_scale(&scene->runner, 0) == 1);
        assert_true(retries(scene, XPM_FAILURE_TIMEOUT, -1));
        assert_true(xpm_runner_memory_scale(&scene->runner, 0) == 4);
        assert_true(xpm_runner_duration_scale(&scene->runner, 0) == 1.5);
        scene_finish(scene);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(only_what_did_nothing_wrong_is_run_again_unasked),
                T(resumable_job_goes_on_when_stopped_or_when_it_asks),
                T(listed_reasons_count_up_to_times),
                T(max_retries_bounds_all_tries),
                T(nothing_is_run_again_when_the_run_stops),
                T(each_lack_scales_what_lacked),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
