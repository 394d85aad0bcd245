/* Failures one after the other, on a runner that hands nothing over. */
#include "faked.h"

#include <sysexits.h>

#include "engine/launch.h"

enum { JOB, ATTEMPTS = 6 };

/* A task with these KEYS beside its command, and its one job. */
static void open_task(struct scene *scene, const char *keys)
{
        char text[512];
        snprintf(text, sizeof text,
                 "id: again\nlauncher: fake\ntasks: {t: {params: {n: int}, command: [\"true\"], %s}}\n"
                 "plan: {s: {task: t, params: {n: 1}}}\n",
                 keys);
        scene_open(scene, text);
        scene_start(scene, NULL);
}

/* How many tries more it gets when it fails like that each time. */
static int tries(struct scene *scene, enum xpm_failure failure, int code)
{
        const xpm_job_end end = {.failure = failure, .code = code, .message = "so it is"};
        int count = 0;
        while (count < ATTEMPTS && xpm_runner_retries(&scene->runner, JOB, &end))
                count++;
        return count;
}

static void reason_and_the_task_say_who_gets_another_try(void **state)
{
        static const struct {
                const char *keys;
                enum xpm_failure failure;
                int code, tries;
        } cases[] = {
                /* Nothing is said: what was not the job's fault. */
                {"resumable: false", XPM_FAILURE_LOST, -1, 3},
                {"resumable: false", XPM_FAILURE_PREEMPTED, -1, 3},
                {"resumable: false", XPM_FAILURE_FAILED, 1, 0},
                {"resumable: false", XPM_FAILURE_FAILED, EX_TEMPFAIL, 0},
                {"resumable: false", XPM_FAILURE_TIMEOUT, -1, 0},
                {"resumable: false", XPM_FAILURE_MEMORY, -1, 0},
                {"resumable: false", XPM_FAILURE_OUTPUT, 0, 0},
                {"resumable: true", XPM_FAILURE_TIMEOUT, -1, 3},
                {"resumable: true", XPM_FAILURE_FAILED, EX_TEMPFAIL, 3},
                {"resumable: true", XPM_FAILURE_FAILED, 1, 0},
                {"resumable: true", XPM_FAILURE_MEMORY, -1, 0},
                /* What `retry` names. */
                {"retry: {on: [timeout]}", XPM_FAILURE_TIMEOUT, -1, 3},
                {"retry: {on: [timeout]}", XPM_FAILURE_MEMORY, -1, 0},
                {"retry: {on: [memory]}", XPM_FAILURE_MEMORY, -1, 3},
                {"retry: {on: [memory]}", XPM_FAILURE_FAILED, 1, 0},
                {"retry: {on: [failed]}", XPM_FAILURE_FAILED, 1, 3},
                {"retry: {on: [failed]}", XPM_FAILURE_OUTPUT, 0, 3},
                {"retry: {on: [failed]}", XPM_FAILURE_TIMEOUT, -1, 0},
                {"retry: {on: [failed]}", XPM_FAILURE_CANCELLED, -1, 0},
                {"retry: {on: [failed]}", XPM_FAILURE_LAUNCH, -1, 0},
                {"retry: {on: [failed]}", XPM_FAILURE_DEPENDENCY, -1, 0},
                {"retry: {on: [failed, memory], times: 1}", XPM_FAILURE_MEMORY, -1, 1},
                {"retry: {on: [failed], times: 0}", XPM_FAILURE_FAILED, 1, 0},
                /* max_retries bounds all of it, and `times` what is named alone. */
                {"retry: {on: [failed], times: 5}", XPM_FAILURE_FAILED, 1, 3},
                {"retry: {on: [failed], times: 5}, max_retries: 4", XPM_FAILURE_FAILED, 1, 4},
                {"max_retries: 1", XPM_FAILURE_LOST, -1, 1},
                {"max_retries: 0, retry: {on: [failed]}", XPM_FAILURE_FAILED, 1, 0},
                {"resumable: true, retry: {on: [timeout], times: 1}", XPM_FAILURE_TIMEOUT, -1, 3},
        };
        struct scene *scene = *state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                open_task(scene, cases[i].keys);
                int got = tries(scene, cases[i].failure, cases[i].code);
                if (got != cases[i].tries)
                        fail_msg("%s, %s: %d", cases[i].keys, xpm_failure_word(cases[i].failure), got);
                scene_finish(scene);
                scene_close(scene);
        }
}

static void settings_bound_the_tries_where_the_task_does_not(void **state)
{
        struct scene *scene = *state;
        char text[256];
        snprintf(text, sizeof text, "workspaces: [{id: w, path: %s, max_retries: 1}]\n", scene->work);
        place_put(scene->place, "settings.yaml", text);
        scene->options.workdir = NULL;
        scene->options.workspace = "w";
        open_task(scene, "resumable: false");
        assert_int_equal(tries(scene, XPM_FAILURE_LOST, -1), 1);
        scene_finish(scene);
        scene_close(scene);
        open_task(scene, "max_retries: 2");
        assert_int_equal(tries(scene, XPM_FAILURE_LOST, -1), 2);
        scene_finish(scene);
}

static void run_that_ends_tries_nothing_again(void **state)
{
        struct scene *scene = *state;
        open_task(scene, "retry: {on: [failed]}");
        scene->runner.stopping = true;
        assert_int_equal(tries(scene, XPM_FAILURE_FAILED, 1), 0);
        scene->runner.stopping = false;
        xpm_experiment_interrupt(scene->experiment);
        assert_int_equal(tries(scene, XPM_FAILURE_FAILED, 1), 0);
        scene->experiment->interrupts = 0;
        assert_int_equal(tries(scene, XPM_FAILURE_FAILED, 1), 3);
        scene_finish(scene);
}

static void every_try_is_told_with_its_reason(void **state)
{
        struct scene *scene = *state;
        char id[XPM_JOB_ID_SIZE], expected[512];
        open_task(scene, "retry: {on: [memory], times: 2}");
        assert_int_equal(tries(scene, XPM_FAILURE_MEMORY, -1), 2);
        assert_int_equal(tries(scene, XPM_FAILURE_LOST, -1), 1); /* which `times` does not count */
        xpm_job_identifier(scene_job(scene, JOB), id);
        snprintf(expected, sizeof expected,
                 "t/%.8s: memory: so it is; it is run again (1 of at most 2 times)\n"
                 "t/%.8s: memory: so it is; it is run again (2 of at most 2 times)\n"
                 "t/%.8s: lost: so it is; it is run again (3 of at most 3 times)\n",
                 id, id, id);
        assert_non_null(strstr(xpm_text_string(&scene->log), expected));
        scene_finish(scene);
}

static void each_lack_of_memory_or_time_gives_more_of_that(void **state)
{
        struct scene *scene = *state;
        xpm_runner *runner = &scene->runner;
        xpm_rendered rendered;
        open_task(scene, "requirements: 'duration=10s & cpu(mem=1G)', max_retries: 5, "
                         "retry: {on: [timeout, memory, lost], scale: {mem: 2.0, duration: 1.5}}");
        static const enum xpm_failure failures[] = {XPM_FAILURE_MEMORY, XPM_FAILURE_LOST, XPM_FAILURE_TIMEOUT,
                                                    XPM_FAILURE_MEMORY, XPM_FAILURE_TIMEOUT};
        static const double memory[] = {2, 2, 2, 4, 4}, duration[] = {1, 1, 1.5, 1.5, 2.25};
        assert_true(xpm_runner_memory_scale(runner, JOB) == 1 && xpm_runner_duration_scale(runner, JOB) == 1);
        for (size_t i = 0; i < 5; i++) {
                const xpm_job_end end = {.failure = failures[i], .code = -1};
                assert_true(xpm_runner_retries(runner, JOB, &end));
                assert_true(xpm_runner_memory_scale(runner, JOB) == memory[i]);
                assert_true(xpm_runner_duration_scale(runner, JOB) == duration[i]);
        }
        assert_int_equal(xpm_rendered_init_scaled(&rendered, scene->experiment, scene_job(scene, JOB), "local.sh",
                                                  xpm_runner_memory_scale(runner, JOB),
                                                  xpm_runner_duration_scale(runner, JOB), NULL),
                         0);
        assert_int_equal(rendered.spec.need.memory, (uint64_t)4 << 30);
        assert_in_range(rendered.spec.need.duration, 22, 23);
        xpm_rendered_release(&rendered);
        scene_finish(scene);
}

static void without_a_scale_a_try_gets_what_was_asked_for(void **state)
{
        struct scene *scene = *state;
        open_task(scene, "retry: {on: [memory, timeout]}");
        assert_int_equal(tries(scene, XPM_FAILURE_MEMORY, -1), 3);
        assert_true(xpm_runner_memory_scale(&scene->runner, JOB) == 1);
        assert_true(xpm_runner_duration_scale(&scene->runner, JOB) == 1);
        scene_finish(scene);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(reason_and_the_task_say_who_gets_another_try),
                T(settings_bound_the_tries_where_the_task_does_not),
                T(run_that_ends_tries_nothing_again),
                T(every_try_is_told_with_its_reason),
                T(each_lack_of_memory_or_time_gives_more_of_that),
                T(without_a_scale_a_try_gets_what_was_asked_for),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
