/* What directories say, to a runner that hands nothing over; and whole runs beside somebody who has a job. */
#include "faked.h"

#include "base/lock.h"
#include "workspace/status.h"

/* 0: a; 1: b needs a; 2: c needs b; 3: d needs nothing. */
static const char chain[] = "id: x\nlauncher: fake\n"
                            "tasks:\n"
                            "  first: {params: {n: int}, command: [\"true\"]}\n"
                            "  second: {params: {of: first}, command: [\"true\"]}\n"
                            "  third: {params: {of: second}, command: [\"true\"]}\n"
                            "plan:\n"
                            "  a: {task: first, params: {n: 1}}\n"
                            "  b: {task: second, params: {of: {each: a}}}\n"
                            "  c: {task: third, params: {of: {each: b}}}\n"
                            "  d: {task: first, params: {n: 2}}\n";
enum { A, B, C, D };

#define STATUS ".experimaestro/status.json"

static void open_workspace(struct scene *scene)
{
        scene_open(scene, chain);
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
}

static void put(const struct scene *scene, size_t job, const char *name, const char *text)
{
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, job, ".experimaestro"), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, job, name), text);
}

/* JOB runs somewhere: its lock is held. */
static int hold(const struct scene *scene, size_t job, const char *name)
{
        int lock;
        put(scene, job, name, "");
        assert_int_equal(xpm_lock_take(scene->place->dir, scene_job_path(scene, job, name), 0600, false, &lock, NULL),
                         0);
        return lock;
}

static enum xpm_job_state state_of(const struct scene *scene, size_t job)
{
        return (enum xpm_job_state)scene->runner.jobs[job].state;
}

static void assert_states(const struct scene *scene, enum xpm_job_state a, enum xpm_job_state b, enum xpm_job_state c,
                          enum xpm_job_state d)
{
        const enum xpm_job_state expected[] = {a, b, c, d};
        size_t by_state[XPM_JOB_TRANSIENT + 1] = {0};
        for (size_t job = A; job <= D; job++) {
                if (state_of(scene, job) != expected[job])
                        fail_msg("job %zu is %s", job, xpm_job_state_word(state_of(scene, job)));
                by_state[expected[job]]++;
        }
        assert_memory_equal(by_state, scene->runner.by_state, sizeof by_state);
}

static void what_is_done_frees_what_needs_it(void **state)
{
        struct scene *scene = *state;
        open_workspace(scene);
        put(scene, A, "first.done", "");
        put(scene, C, "third.done", "");
        scene_start(scene, NULL);
        assert_states(scene, XPM_JOB_DONE, XPM_JOB_READY, XPM_JOB_DONE, XPM_JOB_READY);
        assert_int_equal(scene->runner.done_before, 2);
        scene_finish(scene);
}

static void what_is_done_and_has_no_marker_gets_it(void **state)
{
        struct scene *scene = *state;
        open_workspace(scene);
        put(scene, A, STATUS, "{\"state\": \"done\"}");
        scene_start(scene, NULL);
        assert_states(scene, XPM_JOB_DONE, XPM_JOB_READY, XPM_JOB_WAITING, XPM_JOB_READY);
        assert_true(scene_job_has(scene, A, "first.done"));
        scene_finish(scene);
}

static void what_failed_is_run_again_unless_it_is_to_be_kept(void **state)
{
        struct scene *scene = *state;
        open_workspace(scene);
        put(scene, A, "first.failed", "{\"reason\": \"timeout\", \"failure_status\": \"TIMEOUT\"}\n");
        put(scene, D, "first.failed", "{\"reason\": \"dependency\", \"failure_status\": \"DEPENDENCY\"}\n");
        scene_start(scene, NULL);
        assert_states(scene, XPM_JOB_READY, XPM_JOB_WAITING, XPM_JOB_WAITING, XPM_JOB_READY);
        scene_finish(scene);
        scene->experiment->options.keep_failed = true;
        scene_start(scene, NULL);
        assert_states(scene, XPM_JOB_ERROR, XPM_JOB_ERROR, XPM_JOB_ERROR, XPM_JOB_READY);
        assert_int_equal(scene->runner.jobs[A].failure, XPM_FAILURE_TIMEOUT);
        assert_int_equal(scene->runner.kept_failed, 1);
        assert_int_equal(scene->runner.failed_dependency, 2);
        scene_finish(scene);
}

static void rerun_takes_what_is_done_and_what_has_changed(void **state)
{
        static const struct {
                enum xpm_rerun rerun;
                bool same, again;
        } cases[] = {
                {XPM_RERUN_NO, false, false},
                {XPM_RERUN_CHANGED, true, false},
                {XPM_RERUN_CHANGED, false, true},
                {XPM_RERUN_ALL, true, true},
        };
        static const char other[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        struct scene *scene = *state;
        char status[256];
        const char *own;
        open_workspace(scene);
        assert_int_equal(xpm_render_recipe(&scene->experiment->render, scene_job(scene, D), &own, NULL), 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                snprintf(status, sizeof status, "{\"state\": \"done\", \"recipe\": \"%s\"}\n",
                         cases[i].same ? own : other);
                put(scene, D, STATUS, status);
                put(scene, D, "first.done", "");
                scene->experiment->options.rerun = cases[i].rerun;
                scene_start(scene, NULL);
                assert_int_equal(state_of(scene, D), cases[i].again ? XPM_JOB_READY : XPM_JOB_DONE);
                assert_int_equal(scene->runner.jobs[D].again, cases[i].again);
                scene_finish(scene);
        }
}

static void what_is_done_elsewhere_and_run_again_gets_a_directory_here(void **state)
{
        struct scene *scene = *state;
        char other[256];
        open_workspace(scene);
        put(scene, D, "first.done", "");
        const char *path = scene_job_path(scene, D, "");
        snprintf(other, sizeof other, "%.*s", (int)strlen(path) - 1, path);
        assert_int_equal(renameat(scene->place->dir, other, scene->place->dir, "other"), 0);
        assert_int_equal(symlinkat("../../../other", scene->place->dir, other), 0);
        scene_start(scene, NULL);
        assert_int_equal(state_of(scene, D), XPM_JOB_DONE);
        scene_finish(scene);
        scene->experiment->options.rerun = XPM_RERUN_ALL;
        scene_start(scene, NULL);
        assert_int_equal(state_of(scene, D), XPM_JOB_READY);
        assert_false(scene_job_has(scene, D, "."));
        assert_int_equal(xpm_file_exists(scene->place->dir, "other/first.done", NULL), 1);
        scene_finish(scene);
}

static void job_that_runs_is_attached_to_and_counts_among_those_at_once(void **state)
{
        struct scene *scene = *state;
        open_workspace(scene);
        int lock = hold(scene, A, "first.lock");
        scene_start(scene, NULL);
        assert_states(scene, XPM_JOB_RUNNING, XPM_JOB_WAITING, XPM_JOB_WAITING, XPM_JOB_READY);
        assert_int_equal(scene->experiment->core.occupied, 1);
        assert_int_equal(xpm_queue_pop(&scene->runner.elsewhere), A);
        xpm_runner_look(&scene->runner, A);
        assert_int_equal(state_of(scene, A), XPM_JOB_RUNNING);
        assert_int_equal(xpm_queue_pop(&scene->runner.elsewhere), A);
        put(scene, A, "first.done", "");
        xpm_lock_release(lock);
        xpm_runner_look(&scene->runner, A);
        assert_states(scene, XPM_JOB_DONE, XPM_JOB_READY, XPM_JOB_WAITING, XPM_JOB_READY);
        assert_int_equal(scene->experiment->core.occupied, 0);
        assert_int_equal(scene->runner.done_before, 0);
        scene_finish(scene);
}

static void end_of_a_job_that_was_attached_to_is_what_its_directory_says(void **state)
{
        static const struct {
                const char *failed;
                bool again;
                enum xpm_job_state state;
        } cases[] = {
                {"{\"reason\": \"memory\", \"failure_status\": \"MEMORY\", \"message\": \"too much\"}\n", false,
                 XPM_JOB_ERROR},
                {NULL, false, XPM_JOB_READY}, /* he let go of it without a result */
                {"{\"reason\": \"memory\"}\n", true, XPM_JOB_READY},
        };
        struct scene *scene = *state;
        open_workspace(scene);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                int lock = hold(scene, D, "first.lock");
                scene_start(scene, NULL);
                scene->runner.jobs[D].again = cases[i].again;
                assert_int_equal(xpm_queue_pop(&scene->runner.elsewhere), D);
                if (cases[i].failed)
                        put(scene, D, "first.failed", cases[i].failed);
                xpm_lock_release(lock);
                xpm_runner_look(&scene->runner, D);
                if (state_of(scene, D) != cases[i].state)
                        fail_msg("%zu: %s", i, xpm_job_state_word(state_of(scene, D)));
                if (cases[i].state == XPM_JOB_ERROR) {
                        assert_int_equal(scene->failures[0], XPM_FAILURE_MEMORY);
                        assert_string_equal(scene->message, "too much");
                }
                assert_int_equal(scene->experiment->core.occupied, 0);
                scene_finish(scene);
                unlinkat(scene->place->dir, scene_job_path(scene, D, "first.failed"), 0);
        }
}

/* JOB's attempt NUMBER has begun on another host, and has no end. */
static void put_begun(const struct scene *scene, size_t job, uint32_t number)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_text text = XPM_TEXT_INIT;
        xpm_job_identifier(scene_job(scene, job), id);
        const xpm_job_process process = {.host = "another-host",
                                         .boot = "00000000-0000-0000-0000-000000000000",
                                         .worker = 1,
                                         .command = 2,
                                         .heartbeat = "experiments/x/RUN/workers/another-host-1"};
        const xpm_job_status status = {.job_id = id,
                                       .task_id = xpm_job_task(scene_job(scene, job)),
                                       .path = "",
                                       .state = XPM_JOB_RUNNING,
                                       .code = -1,
                                       .attempt = number,
                                       .nonce = "0123456789abcdef",
                                       .host = process.host,
                                       .process = &process};
        xpm_job_status_json(&status, &text);
        put(scene, job, STATUS, xpm_text_string(&text));
        xpm_text_release(&text);
}

static void lock_of_a_worker_that_is_silent_for_too_long_is_no_obstacle(void **state)
{
        static const char beat[] = "work/experiments/x/RUN/workers/another-host-1";
        struct scene *scene = *state;
        const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
        open_workspace(scene);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, "work/experiments/x/RUN/workers", 0700, NULL), 0);
        place_put(scene->place, beat, "");
        put_begun(scene, D, 1);
        int lock = hold(scene, D, "first.lock");
        scene_start(scene, NULL);
        xpm_runner *runner = &scene->runner;
        runner->listens = true;
        xpm_runner_look(runner, xpm_queue_pop(&runner->elsewhere));
        assert_int_equal(state_of(scene, D), XPM_JOB_RUNNING);
        assert_int_equal(utimensat(scene->place->dir, beat, long_ago, 0), 0);
        runner->listens = false; /* not this time: it is dear */
        xpm_runner_look(runner, xpm_queue_pop(&runner->elsewhere));
        assert_int_equal(state_of(scene, D), XPM_JOB_RUNNING);
        runner->listens = true;
        xpm_runner_look(runner, xpm_queue_pop(&runner->elsewhere));
        assert_int_equal(state_of(scene, D), XPM_JOB_READY);
        assert_non_null(strstr(xpm_text_string(&scene->log), "no sign of life"));
        xpm_lock_release(lock);
        scene_finish(scene);
}

/* As if it had been handed over, and its worker were gone. */
static void lose(struct scene *scene, size_t job)
{
        const xpm_job_end end = {.failure = XPM_FAILURE_LOST, .code = -1};
        xpm_queue *ready = &scene->runner.ports[0].ready;
        for (size_t other = xpm_queue_pop(ready); other != job; other = xpm_queue_pop(ready))
                xpm_queue_push(ready, other);
        scene_advance(scene, job, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
        xpm_runner_lost(&scene->runner, job, &end);
}

static void lost_job_whose_end_was_recorded_is_done(void **state)
{
        struct scene *scene = *state;
        open_workspace(scene);
        scene_start(scene, NULL);
        put(scene, A, STATUS, "{\"state\": \"done\"}\n"); /* and died before it made the marker */
        lose(scene, A);
        assert_states(scene, XPM_JOB_DONE, XPM_JOB_READY, XPM_JOB_WAITING, XPM_JOB_READY);
        assert_int_equal(scene->failures[0], XPM_FAILURE_NONE);
        scene_finish(scene);
}

static void lost_job_that_somebody_else_has_is_waited_for(void **state)
{
        struct scene *scene = *state;
        open_workspace(scene);
        scene_start(scene, NULL);
        int lock = hold(scene, D, "first.lock");
        lose(scene, D);
        assert_int_equal(state_of(scene, D), XPM_JOB_RUNNING);
        assert_int_equal(xpm_queue_length(&scene->runner.elsewhere), 1);
        assert_int_equal(scene->runner.handed_over, 0);
        xpm_lock_release(lock);
        scene_finish(scene);
}

static void only_attempts_that_began_count_as_tries(void **state)
{
        struct scene *scene = *state;
        open_workspace(scene);
        scene_start(scene, NULL);
        const xpm_tracked *tracked = &scene->runner.jobs[D];
        lose(scene, D); /* out of the queue of its worker */
        assert_int_equal(tracked->restarts, 0);
        put_begun(scene, D, 1);
        lose(scene, D);
        assert_int_equal(tracked->restarts, 1);
        lose(scene, D); /* that was the same one */
        assert_int_equal(tracked->restarts, 1);
        for (uint32_t number = 2; number <= 4; number++) {
                assert_int_equal(state_of(scene, D), XPM_JOB_READY);
                put_begun(scene, D, number);
                lose(scene, D);
        }
        assert_int_equal(tracked->restarts, 3);
        assert_int_equal(state_of(scene, D), XPM_JOB_ERROR);
        assert_int_equal(scene->failures[0], XPM_FAILURE_LOST);
        scene_finish(scene);
}

static void workers_that_die_before_anything_begins_are_not_replaced_for_ever(void **state)
{
        struct scene *scene = *state;
        open_workspace(scene);
        scene_start(scene, NULL);
        int count = 0;
        for (; count < 1000 && state_of(scene, D) == XPM_JOB_READY; count++)
                lose(scene, D);
        assert_int_equal(state_of(scene, D), XPM_JOB_ERROR);
        assert_in_range(count, 200, 300);
        scene_finish(scene);
}

static void job_that_fits_nowhere_fails_at_once_with_all_that_need_it(void **state)
{
        static const char text[] = "id: x\n"
                                   "tasks:\n"
                                   "  t: {params: {n: int}, command: [\"true\"], requirements: 'cpu(cores=3)'}\n"
                                   "  u: {params: {of: t}, command: [\"true\"], launcher: fake}\n"
                                   "  v: {params: {n: int}, command: [\"true\"], launcher: fake}\n"
                                   "plan:\n"
                                   "  a: {task: t, params: {n: 1}}\n"
                                   "  b: {task: u, params: {of: {each: a}}}\n"
                                   "  c: {task: v, params: {n: 1}}\n";
        struct scene *scene = *state;
        char content[4096];
        place_put(scene->place, "launchers.yaml", "launchers: {tiny: {type: local, cores: 2}}\n");
        scene_open(scene, text);
        /* It is opened, though it gets no job; and it is not there. */
        xpm_candidate *candidates = scene->experiment->candidates.list;
        candidates[0].ops = candidates[scene->experiment->choices[1].candidate].ops;
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_FAILED);
        assert_int_equal(scene->fake->submitted, 1);
        assert_int_equal(scene->ends, 3);
        assert_int_equal(scene->failures[0], XPM_FAILURE_LAUNCH);
        assert_int_equal(scene->failures[1], XPM_FAILURE_DEPENDENCY);
        assert_int_equal(scene->failures[2], XPM_FAILURE_NONE);
        assert_non_null(
                strstr(scene_job_file(scene, 0, "t.failed", content), "tiny: it wants 3 cores, and its hosts have 2"));
        assert_non_null(strstr(scene_job_file(scene, 1, "u.failed", content), "\"dependency\""));
}

/* Ends the job of somebody else once all that did not need it is done. */
struct other {
        struct scene *scene;
        int lock;
};
static struct other beside;

static void end_it(void *data, const xpm_counts *counts)
{
        (void)data;
        if (beside.lock < 0 || counts->done < 1)
                return;
        assert_int_equal(counts->running, 1);
        put(beside.scene, A, "first.done", "");
        xpm_lock_release(beside.lock);
        beside.lock = -1;
}

static void run_waits_for_the_job_of_somebody_else_and_uses_its_result(void **state)
{
        struct scene *scene = *state;
        scene->observer.progress = end_it;
        open_workspace(scene);
        beside = (struct other){scene, hold(scene, A, "first.lock")};
        scene_run(scene);
        assert_int_equal(beside.lock, -1);
        assert_int_equal(scene->verdict, XPM_VERDICT_DONE);
        assert_int_equal(scene->counts.done, 4);
        assert_int_equal(scene->fake->submitted, 3);
        assert_string_equal(scene->steps[0], "d");
        assert_string_equal(scene->steps[1], "a");
}

int main(void)
{
        setenv("HWLOC_SYNTHETIC", "core:8 pu:1", 1);
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(what_is_done_frees_what_needs_it),
                T(what_is_done_and_has_no_marker_gets_it),
                T(what_failed_is_run_again_unless_it_is_to_be_kept),
                T(rerun_takes_what_is_done_and_what_has_changed),
                T(what_is_done_elsewhere_and_run_again_gets_a_directory_here),
                T(job_that_runs_is_attached_to_and_counts_among_those_at_once),
                T(end_of_a_job_that_was_attached_to_is_what_its_directory_says),
                T(lock_of_a_worker_that_is_silent_for_too_long_is_no_obstacle),
                T(lost_job_whose_end_was_recorded_is_done),
                T(lost_job_that_somebody_else_has_is_waited_for),
                T(only_attempts_that_began_count_as_tries),
                T(workers_that_die_before_anything_begins_are_not_replaced_for_ever),
                T(job_that_fits_nowhere_fails_at_once_with_all_that_need_it),
                T(run_waits_for_the_job_of_somebody_else_and_uses_its_result),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
