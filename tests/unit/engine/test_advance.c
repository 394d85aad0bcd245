/* Events by hand, on a runner that hands nothing over by itself. */
#include "faked.h"

/* 0: x, 1: y, 2: lone; 3: xy needs both, 4: end needs xy, 5: side needs x. */
static const char net[] = "id: net\n"
                          "launcher: fake\n"
                          "tasks:\n"
                          "  leaf: {params: {n: int}, command: [\"true\"]}\n"
                          "  both: {params: {a: leaf, b: leaf}, command: [\"true\"]}\n"
                          "  over: {params: {of: both}, command: [\"true\"]}\n"
                          "  one: {params: {of: leaf}, command: [\"true\"]}\n"
                          "plan:\n"
                          "  x: {task: leaf, params: {n: 1}}\n"
                          "  y: {task: leaf, params: {n: 2}}\n"
                          "  lone: {task: leaf, params: {n: 3}}\n"
                          "  xy: {task: both, params: {a: {each: x}, b: {each: y}}}\n"
                          "  end: {task: over, params: {of: {each: xy}}}\n"
                          "  side: {task: one, params: {of: {each: x}}}\n";
enum { X, Y, LONE, XY, END, SIDE, JOBS };

static enum xpm_job_state state_of(const struct scene *scene, size_t job)
{
        return (enum xpm_job_state)scene->runner.jobs[job].state;
}

/* Handed over and begun. */
static void begin(struct scene *scene, size_t job)
{
        scene_advance(scene, job, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
        scene_advance(scene, job, XPM_EVENT_STARTED, XPM_FAILURE_NONE);
}

static void job_is_ready_when_all_that_it_needs_is_done(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, net);
        scene_start(scene, NULL);
        begin(scene, X);
        assert_int_equal(state_of(scene, SIDE), XPM_JOB_WAITING);
        scene_advance(scene, X, XPM_EVENT_DONE, XPM_FAILURE_NONE);
        assert_int_equal(state_of(scene, SIDE), XPM_JOB_READY);
        assert_int_equal(state_of(scene, XY), XPM_JOB_WAITING);
        begin(scene, Y);
        scene_advance(scene, Y, XPM_EVENT_DONE, XPM_FAILURE_NONE);
        assert_int_equal(state_of(scene, XY), XPM_JOB_READY);
        assert_int_equal(state_of(scene, END), XPM_JOB_WAITING);
        scene_finish(scene);
}

static void failure_is_carried_to_all_that_need_the_job_once(void **state)
{
        struct scene *scene = *state;
        char expected[128], id[XPM_JOB_ID_SIZE], text[4096];
        scene_open(scene, net);
        scene_start(scene, NULL);
        begin(scene, X);
        scene_advance(scene, X, XPM_EVENT_FAILED, XPM_FAILURE_FAILED);
        static const size_t barred[] = {XY, END, SIDE};
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(state_of(scene, barred[i]), XPM_JOB_ERROR);
                assert_int_equal(scene->runner.jobs[barred[i]].failure, XPM_FAILURE_DEPENDENCY);
                assert_non_null(
                        strstr(scene_job_file(scene, barred[i], ".experimaestro/status.json", text), "\"DEPENDENCY\""));
        }
        assert_int_equal(state_of(scene, Y), XPM_JOB_READY);
        assert_int_equal(state_of(scene, LONE), XPM_JOB_READY);
        assert_int_equal(scene->ends, 4);
        assert_int_equal(scene->failures[0], XPM_FAILURE_FAILED);
        for (size_t i = 1; i < 4; i++)
                assert_int_equal(scene->failures[i], XPM_FAILURE_DEPENDENCY);
        /* Also the last one is told of the job that failed, and not of what stands between. */
        xpm_job_identifier(scene_job(scene, X), id);
        snprintf(expected, sizeof expected, "it needs leaf/%.8s, which failed", id);
        assert_string_equal(scene->message, expected);

        begin(scene, Y);
        scene_advance(scene, Y, XPM_EVENT_FAILED, XPM_FAILURE_FAILED);
        assert_int_equal(scene->ends, 5);
        assert_int_equal(xpm_runner_counts(&scene->runner).failed_dependency, 3);
        scene_finish(scene);
}

static void event_that_the_table_refuses_changes_nothing(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, net);
        scene_start(scene, NULL);
        scene_advance(scene, XY, XPM_EVENT_DONE, XPM_FAILURE_NONE);
        scene_advance(scene, X, XPM_EVENT_STARTED, XPM_FAILURE_NONE);
        assert_int_equal(state_of(scene, XY), XPM_JOB_WAITING);
        assert_int_equal(state_of(scene, X), XPM_JOB_READY);
        assert_int_equal(state_of(scene, END), XPM_JOB_WAITING);
        assert_int_equal(scene->ends + scene->begun, 0);
        assert_int_equal(scene->runner.handed_over, 0);
        assert_non_null(strstr(xpm_text_string(&scene->log), "job 3 is waiting: 'done' is refused\n"));
        assert_non_null(strstr(xpm_text_string(&scene->log), "job 0 is ready: 'started' is refused\n"));
        scene_finish(scene);
}

static void counts_tell_of_every_job_where_it_stands(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, net);
        scene_start(scene, NULL);
        begin(scene, X);
        scene_advance(scene, X, XPM_EVENT_DONE, XPM_FAILURE_NONE);
        begin(scene, Y);
        scene_advance(scene, LONE, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
        scene_advance(scene, SIDE, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
        xpm_counts counts = xpm_runner_counts(&scene->runner);
        assert_int_equal(counts.total, JOBS);
        assert_int_equal(counts.done, 1);
        assert_int_equal(counts.waiting, 2);
        assert_int_equal(counts.ready, 0);
        /* Of the two others that the worker was given it is not known that they have begun. */
        assert_int_equal(counts.running, 1);
        assert_int_equal(counts.scheduled, 2);
        assert_int_equal(scene->runner.handed_over, 3);
        assert_int_equal(scene->begun, 2);
        scene_advance(scene, Y, XPM_EVENT_FAILED, XPM_FAILURE_TIMEOUT);
        counts = xpm_runner_counts(&scene->runner);
        assert_int_equal(counts.failed, 3);
        assert_int_equal(counts.failed_dependency, 2);
        assert_int_equal(counts.waiting, 0);
        assert_int_equal(scene->runner.handed_over, 2);
        assert_non_null(strstr(scene->path, "/work/jobs/leaf/"));
        scene_finish(scene);
}

static void job_that_came_back_stands_before_the_others(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, net);
        scene_start(scene, NULL);
        xpm_queue *ready = &scene->runner.ports[0].ready;
        assert_int_equal(xpm_queue_length(ready), 3);
        assert_int_equal(xpm_queue_pop(ready), X);
        scene_advance(scene, X, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
        scene_advance(scene, X, XPM_EVENT_RETURNED, XPM_FAILURE_NONE);
        assert_int_equal(state_of(scene, X), XPM_JOB_READY);
        assert_int_equal(scene->runner.handed_over, 0);
        assert_int_equal(xpm_queue_pop(ready), X);
        assert_int_equal(xpm_queue_pop(ready), Y);
        assert_int_equal(scene->ends, 0);
        scene_finish(scene);
}

static void job_of_somebody_else_is_not_one_that_was_handed_over(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, net);
        scene_start(scene, NULL);
        xpm_runner *runner = &scene->runner;
        scene_advance(scene, X, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
        scene_advance(scene, X, XPM_EVENT_ELSEWHERE, XPM_FAILURE_NONE);
        assert_int_equal(state_of(scene, X), XPM_JOB_RUNNING);
        assert_int_equal(runner->handed_over, 0);
        assert_int_equal(xpm_queue_length(&runner->elsewhere), 1);
        /* He let go of it without a result: it is ours again. */
        while (xpm_queue_length(&runner->ports[0].ready) > 0)
                xpm_queue_pop(&runner->ports[0].ready);
        scene_advance(scene, X, XPM_EVENT_RELEASED, XPM_FAILURE_NONE);
        assert_int_equal(state_of(scene, X), XPM_JOB_READY);
        assert_false(runner->jobs[X].elsewhere);
        assert_int_equal(xpm_queue_pop(&runner->ports[0].ready), X);
        scene_finish(scene);
}

static void failure_with_another_try_is_no_end(void **state)
{
        static const char text[] = "id: again\n"
                                   "launcher: fake\n"
                                   "tasks:\n"
                                   "  t: {params: {n: int}, command: [\"true\"], retry: {on: [failed], times: 1}}\n"
                                   "  u: {params: {of: t}, command: [\"true\"]}\n"
                                   "plan:\n"
                                   "  a: {task: t, params: {n: 1}}\n"
                                   "  b: {task: u, params: {of: {each: a}}}\n";
        struct scene *scene = *state;
        scene_open(scene, text);
        scene_start(scene, NULL);
        for (int failures = 0; failures < 2; failures++) {
                assert_int_equal(scene->ends, 0);
                assert_int_equal(state_of(scene, 0), XPM_JOB_READY);
                assert_int_equal(state_of(scene, 1), XPM_JOB_WAITING);
                assert_int_equal(scene->runner.handed_over, 0);
                assert_int_equal(xpm_queue_pop(&scene->runner.ports[0].ready), 0);
                begin(scene, 0);
                scene_advance(scene, 0, XPM_EVENT_FAILED, XPM_FAILURE_FAILED);
        }
        assert_int_equal(scene->ends, 2);
        assert_int_equal(state_of(scene, 0), XPM_JOB_ERROR);
        assert_int_equal(state_of(scene, 1), XPM_JOB_ERROR);
        scene_finish(scene);
}

/* Tells of every job that it failed, but of those of PATH that they are done. */
static bool fail_but(void *data, const char *path, xpm_launch_event *event)
{
        const char *fine = data;
        if (fine && strstr(path, fine))
                return true;
        event->done = false;
        event->code = 1;
        event->reason = "failed";
        return true;
}

static void one_failure_is_enough_for_fail_fast(void **state)
{
        struct scene *scene = *state;
        scene->fake->room = 1;
        scene->fake->outcome = fail_but;
        scene->options.max_fails = 1;
        scene_open(scene, net);
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_STOPPED);
        assert_int_equal(scene->fake->submitted, 1);
        assert_int_equal(scene->counts.ready, 2);
}

static void failures_for_want_of_a_dependency_do_not_stop_the_run(void **state)
{
        struct scene *scene = *state;
        scene->fake->outcome = fail_but;
        scene->options.max_fails = 4; /* three leaves fail, and with them three more jobs */
        scene_open(scene, net);
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_FAILED);
        assert_int_equal(scene->counts.failed, 6);
        assert_int_equal(scene->counts.failed_dependency, 3);
}

static void failure_that_cannot_be_written_stops_the_run(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        scene_open(scene, net);
        scene_start(scene, &err);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, "work/jobs", 0700, NULL), 0);
        place_put(scene->place, "work/jobs/one", "in the way");
        begin(scene, X);
        assert_false(scene->runner.stopping);
        scene_advance(scene, X, XPM_EVENT_FAILED, XPM_FAILURE_FAILED);
        assert_true(scene->runner.stopping);
        assert_int_equal(scene->runner.rc, XPM_EIO);
        assert_non_null(strstr(err.message, "/work/jobs/one"));
        scene_finish(scene);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(job_is_ready_when_all_that_it_needs_is_done),
                T(failure_is_carried_to_all_that_need_the_job_once),
                T(event_that_the_table_refuses_changes_nothing),
                T(counts_tell_of_every_job_where_it_stands),
                T(job_that_came_back_stands_before_the_others),
                T(job_of_somebody_else_is_not_one_that_was_handed_over),
                T(failure_with_another_try_is_no_end),
                T(one_failure_is_enough_for_fail_fast),
                T(failures_for_want_of_a_dependency_do_not_stop_the_run),
                T(failure_that_cannot_be_written_stops_the_run),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
