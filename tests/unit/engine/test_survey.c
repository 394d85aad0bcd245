#include "base/lock.h"
#include "faked.h"

static const char pair[] = "id: survey\n"
                           "launcher: fake\n"
                           "tasks: {t: {params: {n: int}, command: [\"true\"]}}\n"
                           "plan:\n"
                           "  a: {task: t, params: {n: 1}}\n"
                           "  b: {task: t, params: {n: 2}, after: [a]}\n";
enum { A, B };

static void open_it(struct scene *scene)
{
        scene_open(scene, pair);
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
}

static void put(const struct scene *scene, const char *name, const char *content)
{
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, A, ".experimaestro"), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, A, name), content);
}

static enum xpm_job_state state_of(const struct scene *scene, size_t job)
{
        return scene_state(&scene->runner, job);
}

/* As the loop does. */
static void hand_over(struct scene *scene, size_t job)
{
        assert_int_equal(xpm_queue_pop(&scene->runner.ports[0].ready), job);
        scene_advance(scene, job, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
        scene_advance(scene, job, XPM_EVENT_STARTED, XPM_FAILURE_NONE);
}

static void what_is_done_frees_what_comes_after(void **state)
{
        struct scene *scene = *state;
        open_it(scene);
        put(scene, "t.done", "");
        scene_start(scene, NULL);
        assert_int_equal(state_of(scene, A), XPM_JOB_DONE);
        assert_int_equal(state_of(scene, B), XPM_JOB_READY);
        assert_int_equal(scene->runner.done_before, 1);
        scene_finish(scene);
}

static void what_is_done_is_run_again_when_that_was_asked_for(void **state)
{
        struct scene *scene = *state;
        scene->options.rerun = XPM_RERUN_ALL;
        open_it(scene);
        put(scene, "t.done", "");
        scene_start(scene, NULL);
        assert_true(scene->runner.jobs[A].again);
        assert_int_equal(state_of(scene, A), XPM_JOB_READY);
        assert_int_equal(state_of(scene, B), XPM_JOB_WAITING);
        assert_int_equal(scene->runner.done_before, 0);
        scene_finish(scene);
}

static void what_failed_is_run_again_unless_kept(void **state)
{
        struct scene *scene = *state;
        open_it(scene);
        put(scene, "t.failed", "{\"code\": 3, \"reason\": \"failed\"}\n");
        scene_start(scene, NULL);
        assert_int_equal(state_of(scene, A), XPM_JOB_READY);
        scene_finish(scene);
        scene_close(scene);
        scene->options.keep_failed = true;
        open_it(scene);
        scene_start(scene, NULL);
        assert_int_equal(state_of(scene, A), XPM_JOB_ERROR);
        assert_int_equal(scene->runner.jobs[A].failure, XPM_FAILURE_FAILED);
        assert_int_equal(scene->runner.jobs[B].failure, XPM_FAILURE_DEPENDENCY);
        assert_int_equal(scene->runner.kept_failed, 1);
        scene_finish(scene);
}

static void what_somebody_runs_is_waited_for_and_takes_a_slot(void **state)
{
        struct scene *scene = *state;
        int lock;
        open_it(scene);
        put(scene, ".experimaestro/status.json", "{\"state\": \"running\", \"attempt\": 1}\n");
        assert_int_equal(xpm_lock_take(scene->place->dir, scene_job_path(scene, A, "t.lock"), 0600, false, &lock, NULL),
                         0);
        scene_start(scene, NULL);
        assert_true(scene->runner.jobs[A].seen);
        xpm_runner_look(&scene->runner, A);
        assert_int_equal(state_of(scene, A), XPM_JOB_RUNNING);
        assert_true(scene->runner.jobs[A].elsewhere);
        assert_int_equal(scene->runner.handed_over, 0);
        assert_int_equal(scene->experiment->core.occupied, 1);
        assert_int_equal(state_of(scene, B), XPM_JOB_WAITING);
        /* It succeeds there. */
        put(scene, "t.done", "");
        xpm_lock_release(lock);
        xpm_runner_look(&scene->runner, A);
        assert_int_equal(scene->experiment->core.occupied, 0);
        assert_int_equal(state_of(scene, A), XPM_JOB_DONE);
        assert_int_equal(state_of(scene, B), XPM_JOB_READY);
        assert_int_equal(scene->fake->submitted, 0);
        scene_finish(scene);
}

static void end_that_was_recorded_counts_although_the_worker_is_gone(void **state)
{
        const xpm_job_end end = {.failure = XPM_FAILURE_LOST, .code = -1};
        struct scene *scene = *state;
        open_it(scene);
        scene_start(scene, NULL);
        hand_over(scene, A);
        put(scene, "t.done", "");
        xpm_runner_lost(&scene->runner, A, &end);
        assert_int_equal(state_of(scene, A), XPM_JOB_DONE);
        /* b's worker left nothing: another try. */
        hand_over(scene, B);
        xpm_runner_lost(&scene->runner, B, &end);
        assert_int_equal(state_of(scene, B), XPM_JOB_READY);
        assert_int_equal(scene->runner.jobs[B].restarts, 1);
        scene_finish(scene);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(what_is_done_frees_what_comes_after),
                T(what_is_done_is_run_again_when_that_was_asked_for),
                T(what_failed_is_run_again_unless_kept),
                T(what_somebody_runs_is_waited_for_and_takes_a_slot),
                T(end_that_was_recorded_counts_although_the_worker_is_gone),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
