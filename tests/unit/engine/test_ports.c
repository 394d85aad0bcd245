#include "faked.h"

#include "base/file.h"
#include "base/lock.h"
#include "base/sha256.h"
#include "engine/launch.h"

static const char pair[] = "id: pair\nlauncher: fake\n"
                           "tasks:\n"
                           "  t: {params: {n: int}, command: [\"true\"]}\n"
                           "  u: {params: {of: t}, command: [\"true\"]}\n"
                           "plan:\n"
                           "  a: {task: t, params: {n: 1}}\n"
                           "  b: {task: u, params: {of: {each: a}}}\n";

/* What a launcher would say of JOB. */
static void say(const struct scene *scene, size_t job, xpm_launch_event event)
{
        const xpm_core *core = &scene->experiment->core;
        event.tag = job;
        core->event(core, &event);
}

/* Started, as a runner that a launcher may talk to; its first job is handed over. */
static void start(struct scene *scene)
{
        scene_open(scene, pair);
        scene_start(scene, NULL);
        scene->experiment->runner = &scene->runner;
        assert_int_equal(xpm_queue_pop(&scene->runner.ports[0].ready), 0);
        scene_advance(scene, 0, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
}

static void finish(struct scene *scene)
{
        scene->experiment->runner = NULL;
        scene_finish(scene);
        scene_close(scene);
}

static void what_a_launcher_tells_happens_to_the_job(void **state)
{
        static const struct {
                xpm_launch_event event;
                enum xpm_job_state state;
                enum xpm_failure failure;
        } cases[] = {
                {{.kind = XPM_LAUNCH_ACCEPTED, .handle = "7"}, XPM_JOB_SCHEDULED, XPM_FAILURE_NONE},
                {{.kind = XPM_LAUNCH_STARTED}, XPM_JOB_RUNNING, XPM_FAILURE_NONE},
                {{.kind = XPM_LAUNCH_RETURNED}, XPM_JOB_READY, XPM_FAILURE_NONE},
                {{.kind = XPM_LAUNCH_ENDED, .done = true}, XPM_JOB_DONE, XPM_FAILURE_NONE},
                {{.kind = XPM_LAUNCH_ENDED, .reason = "timeout"}, XPM_JOB_ERROR, XPM_FAILURE_TIMEOUT},
                {{.kind = XPM_LAUNCH_ENDED, .reason = "cancelled"}, XPM_JOB_ERROR, XPM_FAILURE_CANCELLED},
                /* Words that mean nothing, and none. */
                {{.kind = XPM_LAUNCH_ENDED, .reason = "moonlight"}, XPM_JOB_ERROR, XPM_FAILURE_FAILED},
                {{.kind = XPM_LAUNCH_ENDED, .reason = ""}, XPM_JOB_ERROR, XPM_FAILURE_FAILED},
                {{.kind = XPM_LAUNCH_ENDED}, XPM_JOB_ERROR, XPM_FAILURE_FAILED},
                {{.kind = XPM_LAUNCH_REFUSED, .message = "no"}, XPM_JOB_ERROR, XPM_FAILURE_LAUNCH},
                /* Lost before it began, as far as its directory tells: another try that does not count. */
                {{.kind = XPM_LAUNCH_LOST}, XPM_JOB_READY, XPM_FAILURE_NONE},
                {{.kind = XPM_LAUNCH_ENDED, .reason = "lost"}, XPM_JOB_READY, XPM_FAILURE_NONE},
        };
        struct scene *scene = *state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                start(scene);
                say(scene, 0, cases[i].event);
                const xpm_tracked *job = &scene->runner.jobs[0];
                if (job->state != cases[i].state || job->failure != cases[i].failure)
                        fail_msg("%zu: %s, %s", i, xpm_job_state_word((enum xpm_job_state)job->state),
                                 xpm_failure_word((enum xpm_failure)job->failure));
                assert_int_equal(job->restarts, 0);
                assert_int_equal(scene->runner.jobs[1].state, job->state == XPM_JOB_DONE    ? XPM_JOB_READY
                                                              : job->state == XPM_JOB_ERROR ? XPM_JOB_ERROR
                                                                                            : XPM_JOB_WAITING);
                finish(scene);
        }
}

/* Its worker found that it was given to somebody else, and wrote nothing; who that was has let go of it since. */
static void job_that_began_and_left_without_a_trace_is_ready_again(void **state)
{
        struct scene *scene = *state;
        start(scene);
        say(scene, 0, (xpm_launch_event){.kind = XPM_LAUNCH_STARTED});
        say(scene, 0, (xpm_launch_event){.kind = XPM_LAUNCH_LEFT, .message = "Slurm says COMPLETED"});
        assert_int_equal(scene->runner.jobs[0].state, XPM_JOB_READY);
        assert_int_equal(scene->runner.handed_over, 0);
        assert_int_equal(xpm_queue_pop(&scene->runner.ports[0].ready), 0);
        finish(scene);
}

/* A launcher that prepares it goes on with the others: this is no error of theirs. */
static void job_that_somebody_holds_is_left_to_him(void **state)
{
        struct scene *scene = *state;
        xpm_rendered rendered;
        char nonce[XPM_LAUNCH_NONCE];
        xpm_error err = XPM_ERROR_NONE;
        int lock;
        start(scene);
        assert_int_equal(xpm_rendered_init(&rendered, scene->experiment, scene->runner.plan->jobs[0], "local.sh", NULL),
                         0);
        xpm_launch launch = xpm_rendered_launch(&rendered, 0, 1, false);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, 0, ""), 0700, NULL), 0);
        assert_int_equal(xpm_lock_take(scene->place->dir, scene_job_path(scene, 0, "t.lock"), 0600, false, &lock, NULL),
                         0);
        const xpm_core *core = &scene->experiment->core;
        assert_int_equal(core->prepare(core, &launch, "fake", "1", nonce, &err), 1);
        assert_int_equal(err.code, 0);
        assert_int_not_equal(scene->runner.jobs[0].state, XPM_JOB_SCHEDULED);
        xpm_lock_release(lock);
        xpm_rendered_release(&rendered);
        finish(scene);
}

/* Another engine has given it to the scheduler since this run began: to submit it, too, would take it from there. */
static void job_that_another_engine_has_submitted_is_waited_for_once(void **state)
{
        struct scene *scene = *state;
        xpm_rendered rendered;
        char nonce[XPM_LAUNCH_NONCE];
        start(scene);
        xpm_runner *runner = &scene->runner;
        const xpm_core *core = &scene->experiment->core;
        xpm_launcher ops = *runner->ports[0].ops;
        ops.lasting = true;
        runner->ports[0].ops = &ops;
        assert_int_equal(xpm_rendered_init(&rendered, scene->experiment, runner->plan->jobs[0], "local.sh", NULL), 0);
        xpm_launch launch = xpm_rendered_launch(&rendered, 0, 1, false);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, 0, ".experimaestro"), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, 0, ".experimaestro/status.json"),
                  "{\"state\": \"scheduled\", \"launcher\": \"fake\", \"handle\": \"b#0\", \"attempt\": 1}");
        assert_int_equal(core->prepare(core, &launch, "fake", "c#0", nonce, NULL), 1);
        assert_int_equal(runner->jobs[0].state, XPM_JOB_SCHEDULED);
        assert_int_equal(runner->attached_count, 1);
        assert_string_equal(runner->jobs[0].handle, "b#0");
        assert_int_equal(runner->ports[0].handed_over, 1);
        /* The scheduler does not know it. */
        xpm_runner_forget_attached(runner);
        assert_int_equal(core->prepare(core, &launch, "fake", "c#0", nonce, NULL), 0);
        assert_int_equal(runner->attached_count, 0);
        xpm_rendered_release(&rendered);
        finish(scene);
}

static void words_of_the_launcher_are_told_on(void **state)
{
        struct scene *scene = *state;
        start(scene);
        const xpm_core *core = &scene->experiment->core;
        core->log(core, XPM_LOG_NOTE, "the queue is long");
        assert_string_equal(xpm_text_string(&scene->log), "the queue is long\n");
        say(scene, 0, (xpm_launch_event){.kind = XPM_LAUNCH_REFUSED, .message = "the partition is closed"});
        assert_int_equal(scene->failures[0], XPM_FAILURE_LAUNCH);
        assert_int_equal(scene->ends, 2); /* b needed it */
        finish(scene);
}

static void launcher_that_many_jobs_have_is_opened_once(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, pair);
        scene_start(scene, NULL);
        assert_int_equal(scene->runner.port_count, 1);
        assert_int_equal(scene->runner.jobs[0].port, 0);
        assert_int_equal(scene->runner.jobs[1].port, 0);
        assert_non_null(scene->experiment->candidates.list[scene->runner.ports[0].candidate].instance);
        size_t candidate = scene->runner.ports[0].candidate;
        scene_finish(scene);
        assert_null(scene->experiment->candidates.list[candidate].instance);
        assert_int_equal(scene->runner.port_count, 0);
}

/* A job for each of COUNT launchers. */
static void open_many(struct scene *scene, int count)
{
        xpm_text launchers = XPM_TEXT_INIT, text = XPM_TEXT_INIT;
        unsetenv("XPM_MODULEDIR"); /* the real one */
        xpm_text_puts(&launchers, "launchers:\n");
        xpm_text_puts(&text, "id: x\ntasks: {t: {params: {n: int}, command: [\"true\"]}}\nplan:\n");
        for (int i = 0; i < count; i++) {
                xpm_text_printf(&launchers, "  l%d: {type: local}\n", i);
                xpm_text_printf(&text, "  s%d: {task: t, params: {n: %d}, launcher: l%d}\n", i, i, i);
        }
        place_put(scene->place, "launchers.yaml", xpm_text_string(&launchers));
        scene_open(scene, xpm_text_string(&text));
        xpm_text_release(&launchers);
        xpm_text_release(&text);
}

static void each_launcher_has_the_jobs_that_are_its_own(void **state)
{
        struct scene *scene = *state;
        open_many(scene, XPM_PORTS);
        scene_start(scene, NULL);
        assert_int_equal(scene->runner.port_count, XPM_PORTS);
        for (size_t i = 0; i < XPM_PORTS; i++) {
                assert_int_equal(scene->runner.jobs[i].port, i);
                assert_int_equal(xpm_queue_pop(&scene->runner.ports[i].ready), i);
                assert_int_equal(xpm_queue_length(&scene->runner.ports[i].ready), 0);
        }
        scene_finish(scene);
}

static void what_cannot_be_opened_ends_the_run_before_it_begins(void **state)
{
        static const struct {
                int launchers;
                bool gone;
                const char *words;
        } cases[] = {{XPM_PORTS + 1, false, "at most 8 launchers"}, {1, true, "there is no launcher 'local'"}};
        struct scene *scene = *state;
        for (size_t i = 0; i < 2; i++) {
                xpm_error err = XPM_ERROR_NONE;
                open_many(scene, cases[i].launchers);
                if (cases[i].gone) { /* since it was chosen */
                        setenv("XPM_MODULEDIR", scene->place->path, 1);
                        scene->experiment->candidates.list[0].ops = NULL;
                }
                assert_int_equal(xpm_experiment_run(scene->experiment, NULL, &scene->counts, &scene->verdict, &err),
                                 XPM_ELAUNCHER);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("%s", err.message);
                assert_null(xpm_experiment_run_path(scene->experiment));
                assert_int_equal(place_count(scene->place, "work/experiments"), -1);
                scene_close(scene);
        }
}

static void launcher_is_lent_what_it_needs_to_know(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        const xpm_need wide = {.cores = 9};
        const xpm_shape shape = {.cores = 9, .need = &wide}, unknown = {.cores = 9};
        const xpm_host_limits all = {0};
        scene->options.max_fails = 1;
        scene->options.slots = 0;
        scene_open(scene, pair);
        scene_start(scene, NULL);
        const xpm_core *core = &scene->experiment->core;
        assert_int_equal(core->abi, XPM_LAUNCHER_ABI);
        assert_int_equal(core->size, sizeof *core);
        assert_string_equal(core->workspace, scene->work);
        assert_string_equal(core->label, "pair");
        assert_int_equal(core->directory_mode, 0700);
        assert_int_equal(core->file_mode, 0600);
        assert_true(core->cautious);
        assert_int_equal(core->cores, 8);
        assert_int_equal(core->slots, 8); /* without -j, as many as cores */
        assert_non_null(core->worker_start);
        assert_int_equal(core->host_check(core, &all, &shape, &err), XPM_ELAUNCHER);
        assert_string_equal(err.message, "it wants 9 cores, and this host has 8");
        assert_int_equal(core->host_check(core, &all, &unknown, NULL), 0);
        scene_finish(scene);
        scene_close(scene);
        scene->options.max_fails = 0;
        scene->options.slots = 3;
        scene_open(scene, pair);
        scene_start(scene, NULL);
        assert_false(scene->experiment->core.cautious);
        assert_int_equal(scene->experiment->core.slots, 3);
        scene_finish(scene);
}

int main(void)
{
        setenv("HWLOC_SYNTHETIC", "core:8 pu:1", 1);
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(what_a_launcher_tells_happens_to_the_job),
                T(job_that_began_and_left_without_a_trace_is_ready_again),
                T(job_that_somebody_holds_is_left_to_him),
                T(job_that_another_engine_has_submitted_is_waited_for_once),
                T(words_of_the_launcher_are_told_on),
                T(launcher_that_many_jobs_have_is_opened_once),
                T(each_launcher_has_the_jobs_that_are_its_own),
                T(what_cannot_be_opened_ends_the_run_before_it_begins),
                T(launcher_is_lent_what_it_needs_to_know),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
