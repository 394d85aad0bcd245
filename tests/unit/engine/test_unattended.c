#include "faked.h"

#include "workspace/probe.h"

static const char chain[] = "id: chain\n"
                            "launcher: fake\n"
                            "tasks:\n"
                            "  first: {params: {n: int}, command: [\"true\"]}\n"
                            "  second: {params: {x: first}, command: [\"true\"]}\n"
                            "  third: {params: {parts: 'list[second]'}, command: [\"true\"]}\n"
                            "plan:\n"
                            "  a: {task: first, sweep: {n: {range: [0, 3]}}}\n"
                            "  b: {task: second, params: {x: {each: a}}}\n"
                            "  c: {task: third, params: {parts: {all: b}}}\n";

static void accept_all(struct scene *scene)
{
        scene->options.submit_all = true;
        scene->fake->accepts = true;
        scene->fake->room = 100;
}

static void all_are_handed_over_with_what_they_come_after(void **state)
{
        struct scene *scene = *state;
        accept_all(scene);
        scene_open(scene, chain);
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_SUBMITTED);
        assert_int_equal(scene->counts.submitted, 7);
        assert_int_equal(scene->fake->submitted, 7);
        for (size_t i = 0; i < 7; i++)
                assert_int_equal(scene->fake->after[i], i < 3 ? 0 : i < 6 ? 1 : 3);
        assert_int_equal(scene->ends, 0);
}

static void what_is_done_is_nothing_to_come_after(void **state)
{
        struct scene *scene = *state;
        accept_all(scene);
        scene_open(scene, chain);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, 1, ".experimaestro"), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, 1, "first.done"), "");
        scene_run(scene);
        assert_int_equal(scene->counts.submitted, 6);
        size_t none = 0;
        for (size_t i = 0; i < 6; i++)
                none += scene->fake->after[i] == 0;
        assert_int_equal(none, 3); /* two of the sweep, and what follows the one that is done */
}

static void refuse(struct scene *scene, const char *text, const char *words)
{
        xpm_error err = XPM_ERROR_NONE;
        accept_all(scene);
        scene_open(scene, text);
        assert_int_equal(xpm_experiment_run(scene->experiment, &scene->observer, &scene->counts, &scene->verdict, &err),
                         XPM_ELAUNCHER);
        assert_non_null(strstr(err.message, words));
        assert_int_equal(scene->fake->submitted, 0);
}

static void a_retry_is_refused(void **state)
{
        refuse(*state,
               "id: x\nlauncher: fake\n"
               "tasks: {t: {params: {n: int}, command: [\"true\"], retry: {on: [failed]}}}\n"
               "plan: {a: {task: t, params: {n: 1}}}\n",
               "has 'retry'");
}

static void tokens_are_refused(void **state)
{
        refuse(*state,
               "id: x\nlauncher: fake\ntokens: {seat: 1}\n"
               "tasks: {t: {params: {n: int}, command: [\"true\"], tokens: {seat: 1}}}\n"
               "plan: {a: {task: t, params: {n: 1}}}\n",
               "holds tokens");
}

static void a_job_that_its_scheduler_gave_up_waits_for_what_it_needs(void **state)
{
        struct scene *scene = *state;
        xpm_runner *runner = &scene->runner;
        const xpm_job_end never = {.failure = XPM_FAILURE_DEPENDENCY, .code = -1};
        scene_open(scene, chain);
        scene_start(scene, NULL);
        /* A scheduler has what follows the first job, as an earlier run left it; that first job is run again. */
        size_t follower = 0;
        while (strcmp(xpm_job_step(scene_job(scene, follower)), "b") != 0)
                follower++;
        size_t first = scene->experiment->plan->jobs[follower]->dependencies[0]->index;
        runner->jobs[follower].state = XPM_JOB_SCHEDULED;
        runner->by_state[XPM_JOB_WAITING]--;
        runner->by_state[XPM_JOB_SCHEDULED]++;
        runner->handed_over++;
        runner->ports[0].handed_over++;
        xpm_runner_left(runner, follower, &never, true);
        assert_int_equal(runner->jobs[follower].state, XPM_JOB_WAITING);
        assert_int_equal(runner->handed_over, 0);
        while (xpm_queue_length(&runner->ports[0].ready) > 0)
                xpm_queue_pop(&runner->ports[0].ready);
        scene_advance(scene, first, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
        scene_advance(scene, first, XPM_EVENT_DONE, XPM_FAILURE_NONE);
        assert_int_equal(runner->jobs[follower].state, XPM_JOB_READY);
        scene_finish(scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(all_are_handed_over_with_what_they_come_after),
                TEST(what_is_done_is_nothing_to_come_after),
                TEST(a_retry_is_refused),
                TEST(tokens_are_refused),
                TEST(a_job_that_its_scheduler_gave_up_waits_for_what_it_needs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
