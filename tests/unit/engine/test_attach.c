#include "faked.h"

#include "workspace/probe.h"

static const char three[] = "id: x\nlauncher: fake\n"
                            "tasks:\n  t: {params: {n: int}, command: [\"true\"]}\n"
                            "plan:\n  a: {task: t, sweep: {n: [1, 2, 3]}}\n";

/* Three jobs that a scheduler has. */
static void hand_over(struct scene *scene)
{
        scene_open(scene, three);
        scene_start(scene, NULL);
        for (size_t job = 0; job < 3; job++)
                assert_int_equal(xpm_queue_pop(&scene->runner.ports[0].ready), job);
        for (size_t job = 0; job < 3; job++)
                xpm_runner_advance(&scene->runner, job, XPM_EVENT_SUBMITTED, NULL);
}

static void put(const struct scene *scene, size_t job, const char *name, const char *text)
{
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, job, ".experimaestro"), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, job, name), text);
}

static void what_a_directory_says_counts_when_the_scheduler_has_it_no_more(void **state)
{
        struct scene *scene = *state;
        xpm_runner *runner = &scene->runner;
        const xpm_job_end timeout = {.failure = XPM_FAILURE_TIMEOUT, .code = -1},
                          lost = {.failure = XPM_FAILURE_LOST, .code = -1};
        hand_over(scene);
        put(scene, 0, "t.done", "");
        put(scene, 1, "t.failed", "{\"code\": 3, \"reason\": \"failed\"}");
        put(scene, 2, ".experimaestro/status.json", "{\"state\": \"error\", \"reason\": \"cancelled\"}");
        xpm_runner_left(runner, 0, &lost, false);
        xpm_runner_left(runner, 1, &timeout, true);
        xpm_runner_left(runner, 2, &timeout, true);
        assert_int_equal(runner->jobs[0].state, XPM_JOB_DONE);
        assert_int_equal(runner->jobs[1].state, XPM_JOB_ERROR);
        assert_int_equal(runner->jobs[1].failure, XPM_FAILURE_FAILED);
        /* The worker was told to end; why, the scheduler knows. */
        assert_int_equal(runner->jobs[2].failure, XPM_FAILURE_TIMEOUT);
        assert_int_equal(runner->handed_over, 0);
        scene_finish(scene);
}

static void what_never_began_is_ready_again(void **state)
{
        struct scene *scene = *state;
        xpm_runner *runner = &scene->runner;
        const xpm_job_end lost = {.failure = XPM_FAILURE_LOST, .code = -1};
        hand_over(scene);
        put(scene, 0, ".experimaestro/status.json",
            "{\"state\": \"scheduled\", \"launcher\": \"s\", \"handle\": \"b#0\", \"attempt\": 1}");
        xpm_runner_left(runner, 0, &lost, false);
        assert_int_equal(runner->jobs[0].state, XPM_JOB_READY);
        assert_int_equal(runner->jobs[0].restarts, 0);
        scene_finish(scene);
}

static void what_is_not_a_launcher_of_ours_is_not_attached_to(void **state)
{
        struct scene *scene = *state;
        xpm_probe found = {.state = XPM_JOB_SCHEDULED, .launcher = "gone", .handle = "b#0"};
        scene_open(scene, three);
        scene_start(scene, NULL);
        assert_false(xpm_runner_attach(&scene->runner, 0, &found));
        snprintf(found.launcher, sizeof found.launcher, "fake"); /* whose jobs end with the engine */
        assert_false(xpm_runner_attach(&scene->runner, 0, &found));
        assert_int_equal(xpm_runner_lasting(&scene->runner), 0);
        scene_finish(scene);
}

static void what_was_attached_to_is_forgotten_when_the_run_cannot_begin(void **state)
{
        struct scene *scene = *state;
        xpm_runner *runner = &scene->runner;
        const xpm_probe found = {.state = XPM_JOB_SCHEDULED, .launcher = "fake", .handle = "b#0"};
        scene_open(scene, three);
        scene_start(scene, NULL);
        xpm_launcher ops = *runner->ports[0].ops;
        ops.lasting = true;
        runner->ports[0].ops = &ops;
        assert_true(xpm_runner_attach(runner, 0, &found));
        assert_string_equal(runner->jobs[runner->attached[0]].handle, "b#0");
        assert_int_equal(xpm_runner_lasting(runner), 1);
        xpm_runner_forget_attached(runner);
        assert_null(runner->attached);
        assert_int_equal(runner->attached_count, 0);
        scene_finish(scene);
}

/* Each of three is followed by one, and that by another. */
static void what_follows_a_job_that_is_submitted_anew_is_submitted_anew(void **state)
{
        static const char chain[] = "id: x\nlauncher: fake\n"
                                    "tasks:\n  t: {params: {n: int}, command: [\"true\"]}\n"
                                    "  u: {params: {t: t}, command: [\"true\"]}\n"
                                    "  v: {params: {u: u}, command: [\"true\"]}\n"
                                    "plan:\n  a: {task: t, sweep: {n: [1, 2, 3]}}\n"
                                    "  b: {task: u, params: {t: {each: a}}}\n"
                                    "  c: {task: v, params: {u: {each: b}}}\n";
        struct scene *scene = *state;
        xpm_runner *runner = &scene->runner;
        const xpm_probe found = {.state = XPM_JOB_SCHEDULED, .launcher = "fake", .handle = "b#0"};
        scene_open(scene, chain);
        scene_start(scene, NULL);
        xpm_launcher ops = *runner->ports[0].ops;
        ops.lasting = true;
        runner->ports[0].ops = &ops;
        /* The first has failed, the second is done, the third is with the scheduler as well. */
        runner->jobs[0].state = XPM_JOB_WAITING;
        runner->jobs[1].state = XPM_JOB_DONE;
        for (size_t job = 2; job < 9; job++)
                assert_true(xpm_runner_attach(runner, job, &found));
        assert_int_equal(xpm_runner_detach_followers(runner), 0);
        for (size_t job = 2; job < 9; job++)
                assert_int_equal(runner->jobs[job].state, job % 3 == 0 ? XPM_JOB_WAITING : XPM_JOB_SCHEDULED);
        assert_int_equal(runner->attached_count, 5);
        assert_int_equal(xpm_runner_lasting(runner), 5);
        assert_int_equal(runner->handed_over, 5);
        xpm_runner_forget_attached(runner);
        scene_finish(scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_a_directory_says_counts_when_the_scheduler_has_it_no_more),
                TEST(what_never_began_is_ready_again),
                TEST(what_is_not_a_launcher_of_ours_is_not_attached_to),
                TEST(what_was_attached_to_is_forgotten_when_the_run_cannot_begin),
                TEST(what_follows_a_job_that_is_submitted_anew_is_submitted_anew),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
