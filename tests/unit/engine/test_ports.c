#include "faked.h"

static const char text[] = "id: ports\n"
                           "launcher: fake\n"
                           "tasks: {t: {params: {n: int}, command: [\"true\"]}}\n"
                           "plan: {s: {task: t, sweep: {n: [1, 2]}}}\n";

static void open_it(struct scene *scene)
{
        scene_open(scene, text);
        scene_start(scene, NULL);
        scene->experiment->runner = &scene->runner;
}

static void close_it(struct scene *scene)
{
        scene->experiment->runner = NULL;
        scene_finish(scene);
}

static void say(struct scene *scene, const xpm_launch_event *event)
{
        scene->experiment->core.event(&scene->experiment->core, event);
}

static void launcher_that_several_jobs_name_is_opened_once(void **state)
{
        struct scene *scene = *state;
        open_it(scene);
        assert_int_equal(scene->runner.port_count, 1);
        assert_string_equal(scene->runner.ports[0].ops->name, "fake");
        assert_int_equal(scene->runner.jobs[0].port, scene->runner.jobs[1].port);
        assert_int_equal(scene->experiment->core.slots, 2);
        close_it(scene);
        assert_int_equal(scene->runner.port_count, 0);
}

static void end_is_handed_to_its_job(void **state)
{
        struct scene *scene = *state;
        open_it(scene);
        for (size_t job = 0; job < 2; job++) {
                scene_advance(scene, job, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
                say(scene, &(xpm_launch_event){.kind = XPM_LAUNCH_STARTED, .tag = job, .attempt = 1});
                assert_int_equal(scene->runner.jobs[job].state, XPM_JOB_RUNNING);
        }
        say(scene, &(xpm_launch_event){.kind = XPM_LAUNCH_ENDED, .tag = 1, .attempt = 1, .done = true});
        assert_int_equal(scene->runner.jobs[0].state, XPM_JOB_RUNNING);
        assert_int_equal(scene->runner.jobs[1].state, XPM_JOB_DONE);
        say(scene, &(xpm_launch_event){.kind = XPM_LAUNCH_ENDED, .attempt = 1, .code = 9, .reason = "memory"});
        assert_int_equal(scene->runner.jobs[0].state, XPM_JOB_ERROR);
        assert_int_equal(scene->runner.jobs[0].failure, XPM_FAILURE_MEMORY);
        close_it(scene);
}

static void reason_that_nobody_knows_is_a_failure(void **state)
{
        struct scene *scene = *state;
        open_it(scene);
        scene_advance(scene, 0, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
        say(scene, &(xpm_launch_event){.kind = XPM_LAUNCH_STARTED, .attempt = 1});
        say(scene, &(xpm_launch_event){.kind = XPM_LAUNCH_ENDED, .attempt = 1, .code = 1, .reason = "moonshine"});
        assert_int_equal(scene->runner.jobs[0].failure, XPM_FAILURE_FAILED);
        close_it(scene);
}

static void job_that_is_refused_never_began(void **state)
{
        struct scene *scene = *state;
        open_it(scene);
        scene_advance(scene, 0, XPM_EVENT_SUBMITTED, XPM_FAILURE_NONE);
        say(scene, &(xpm_launch_event){.kind = XPM_LAUNCH_REFUSED, .attempt = 1, .message = "no such partition"});
        assert_int_equal(scene->runner.jobs[0].state, XPM_JOB_ERROR);
        assert_int_equal(scene->runner.jobs[0].failure, XPM_FAILURE_LAUNCH);
        assert_string_equal(scene->message, "no such partition");
        close_it(scene);
}

static void warning_of_a_launcher_is_counted(void **state)
{
        struct scene *scene = *state;
        open_it(scene);
        scene->experiment->core.log(&scene->experiment->core, XPM_LOG_NOTE, "by the way");
        assert_int_equal(scene->runner.mismatched, 0);
        scene->experiment->core.log(&scene->experiment->core, XPM_LOG_WARNING, "too few cores");
        assert_int_equal(scene->runner.mismatched, 1);
        assert_non_null(strstr(xpm_text_string(&scene->log), "too few cores"));
        close_it(scene);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(launcher_that_several_jobs_name_is_opened_once),
                T(end_is_handed_to_its_job),
                T(reason_that_nobody_knows_is_a_failure),
                T(job_that_is_refused_never_began),
                T(warning_of_a_launcher_is_counted),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
