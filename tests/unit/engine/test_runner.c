/* The loop against a launcher whose jobs end as a test says. */
#include "faked.h"

static const char chain[] = "id: chain\n"
                            "launcher: fake\n"
                            "tasks:\n"
                            "  first: {params: {n: int}, command: [\"true\"]}\n"
                            "  second: {params: {x: first}, command: [\"true\"]}\n"
                            "  third: {params: {parts: 'list[second]'}, command: [\"true\"]}\n"
                            "plan:\n"
                            "  c: {task: third, params: {parts: {all: b}}}\n"
                            "  b: {task: second, params: {x: {each: a}}}\n"
                            "  a: {task: first, sweep: {n: {range: [0, 4]}}}\n";

static void dependencies_end_before_those_that_need_them(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, chain);
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_DONE);
        assert_int_equal(scene->counts.done, 9);
        assert_int_equal(scene->ends, 9);
        assert_string_equal(scene->steps[8], "c");
        size_t a = 0, b = 0;
        for (size_t i = 0; i < 8; i++) {
                a += strcmp(scene->steps[i], "a") == 0;
                b += strcmp(scene->steps[i], "b") == 0;
                assert_true(b <= a);
        }
}

static void launcher_never_gets_more_than_it_has_room_for(void **state)
{
        struct scene *scene = *state;
        scene->fake->room = 3;
        scene_open(scene, chain);
        scene_run(scene);
        assert_int_equal(scene->fake->most, 3);
        assert_int_equal(scene->fake->submitted, 9);
}

static bool fail_second(void *data, const char *path, xpm_launch_event *event)
{
        size_t *left = data;
        if (strstr(path, "/first/") && (*left)-- == 1) {
                event->done = false;
                event->code = 3;
                event->reason = "failed";
                event->message = "exit status 3";
        }
        return true;
}

static void failure_bars_what_depends_on_it_and_nothing_else(void **state)
{
        struct scene *scene = *state;
        size_t which = 2;
        scene->fake->outcome = fail_second;
        scene->fake->data = &which;
        scene_open(scene, chain);
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_FAILED);
        assert_int_equal(scene->counts.done, 6);
        assert_int_equal(scene->counts.failed, 3);
        assert_int_equal(scene->counts.failed_dependency, 2);
        assert_int_equal(scene->fake->submitted, 7);
}

static bool fail_all(void *data, const char *path, xpm_launch_event *event)
{
        (void)path;
        event->done = false;
        event->code = -1;
        event->kind = *(enum xpm_launch_event_kind *)data;
        event->reason = "failed";
        return true;
}

static void run_stops_after_so_many_failures(void **state)
{
        struct scene *scene = *state;
        enum xpm_launch_event_kind kind = XPM_LAUNCH_ENDED;
        scene->fake->room = 1;
        scene->fake->outcome = fail_all;
        scene->fake->data = &kind;
        scene->options.max_fails = 2;
        scene_open(scene, chain);
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_STOPPED);
        assert_int_equal(scene->fake->submitted, 2);
        assert_int_equal(scene->counts.failed - scene->counts.failed_dependency, 2);
}

static void lost_and_refused_jobs_fail_with_that_reason(void **state)
{
        static const struct {
                enum xpm_launch_event_kind kind;
                enum xpm_failure failure;
        } cases[] = {{XPM_LAUNCH_LOST, XPM_FAILURE_LOST}, {XPM_LAUNCH_REFUSED, XPM_FAILURE_LAUNCH}};
        struct scene *scene = *state;
        for (size_t i = 0; i < 2; i++) {
                enum xpm_launch_event_kind kind = cases[i].kind;
                scene->fake->outcome = fail_all;
                scene->fake->data = &kind;
                scene->ends = 0;
                scene_open(scene, chain);
                scene_run(scene);
                assert_int_equal(scene->failures[0], cases[i].failure);
                assert_int_equal(scene->counts.failed, 9);
                scene_close(scene);
        }
}

static bool return_once(void *data, const char *path, xpm_launch_event *event)
{
        size_t *returned = data;
        (void)path;
        if (*returned < 3) {
                ++*returned;
                event->kind = XPM_LAUNCH_RETURNED;
                event->done = false;
        }
        return true;
}

static void job_that_came_back_is_handed_over_again(void **state)
{
        struct scene *scene = *state;
        size_t returned = 0;
        scene->fake->outcome = return_once;
        scene->fake->data = &returned;
        scene_open(scene, chain);
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_DONE);
        assert_int_equal(scene->fake->submitted, 12);
        assert_int_equal(scene->counts.done, 9);
}

/* Interrupts when the first job is asked about; jobs end at the second question. */
struct interruption {
        struct scene *scene;
        size_t asked, times;
};

static bool interrupt(void *data, const char *path, xpm_launch_event *event)
{
        struct interruption *one = data;
        (void)path;
        (void)event;
        if (one->asked++ == 0)
                for (size_t i = 0; i < one->times; i++)
                        xpm_experiment_interrupt(one->scene->experiment);
        return one->asked > 4;
}

static void first_interrupt_waits_for_what_runs(void **state)
{
        struct scene *scene = *state;
        struct interruption one = {.scene = scene, .times = 1};
        scene->fake->outcome = interrupt;
        scene->fake->data = &one;
        scene_open(scene, chain);
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_INTERRUPTED);
        assert_int_equal(scene->fake->submitted, 2);
        assert_int_equal(scene->counts.done, 2);
        assert_int_equal(scene->fake->cancelled, 0);
}

static void second_interrupt_kills_what_runs(void **state)
{
        struct scene *scene = *state;
        struct interruption one = {.scene = scene, .times = 2};
        scene->fake->outcome = interrupt;
        scene->fake->data = &one;
        scene_open(scene, chain);
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_INTERRUPTED);
        assert_int_equal(scene->fake->cancelled, 2);
        assert_int_equal(scene->counts.done, 0);
        assert_int_equal(scene->failures[0], XPM_FAILURE_CANCELLED);
}

static bool leave(void *data, const char *path, xpm_launch_event *event)
{
        struct interruption *one = data;
        (void)path;
        (void)event;
        if (one->asked++ == 0)
                xpm_experiment_leave(one->scene->experiment);
        return one->asked > 4;
}

static void who_leaves_ends_what_runs_here(void **state)
{
        struct scene *scene = *state;
        struct interruption one = {.scene = scene};
        scene->fake->outcome = leave;
        scene->fake->data = &one;
        scene_open(scene, chain);
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_LEFT);
        assert_int_equal(scene->fake->submitted, 2);
        assert_int_equal(scene->fake->cancelled, 2);
        assert_int_equal(scene->failures[0], XPM_FAILURE_CANCELLED);
}

static void unknown_launcher_is_refused_before_anything_is_written(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        scene->options.launcher = "locla";
        assert_int_equal(scene_try(scene, chain, &err), XPM_EUSAGE);
        assert_string_equal(err.message, "there is no launcher 'locla' in launchers.yaml: did you mean 'local'?");
        assert_int_equal(xpm_file_exists(AT_FDCWD, scene->work, NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(dependencies_end_before_those_that_need_them),
                T(launcher_never_gets_more_than_it_has_room_for),
                T(failure_bars_what_depends_on_it_and_nothing_else),
                T(run_stops_after_so_many_failures),
                T(lost_and_refused_jobs_fail_with_that_reason),
                T(job_that_came_back_is_handed_over_again),
                T(first_interrupt_waits_for_what_runs),
                T(who_leaves_ends_what_runs_here),
                T(second_interrupt_kills_what_runs),
                T(unknown_launcher_is_refused_before_anything_is_written),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
