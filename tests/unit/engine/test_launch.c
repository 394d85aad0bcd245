#include "engine/launch.h"
#include "faked.h"

#define TEXT                                                                        \
        "id: launch\nlauncher: fake\n"                                              \
        "tasks:\n"                                                                  \
        "  m.Task: {params: {n: int}, command: [echo, \"{{n}}\"], env: {A: own},\n" \
        "           requirements: \"cpu(mem=1G) & duration=1h\"}\n"                 \
        "plan: {s: {task: m.Task, params: {n: 42}}}\n"

static void render(struct scene *scene, double memory, double duration, xpm_rendered *rendered)
{
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_rendered_init_scaled(rendered, scene->experiment, scene_job(scene, 0), "local.sh", memory, duration,
                                     &err) != 0)
                fail_msg("%s", err.message);
}

static void launch_has_all_that_a_worker_needs(void **state)
{
        struct scene *scene = *state;
        xpm_rendered rendered;
        char path[700];
        scene_open(scene, TEXT);
        render(scene, 1, 1, &rendered);
        const xpm_launch launch = xpm_rendered_launch(&rendered, 7, 2, true);
        assert_int_equal(launch.tag, 7);
        assert_int_equal(launch.attempt, 2);
        assert_true(launch.again);
        snprintf(path, sizeof path, "%s/%s", scene->place->path, scene_job_path(scene, 0, ""));
        path[strlen(path) - 1] = '\0';
        assert_string_equal(launch.path, path);
        assert_int_equal(launch.params_length, strlen(launch.params));
        assert_int_equal(launch.script_length, strlen(launch.script));
        assert_non_null(strstr(launch.params, "42"));
        assert_non_null(strstr(launch.script, path));
        xpm_rendered_release(&rendered);
        assert_null(rendered.arena);
}

static void environment_of_the_experiment_stands_last(void **state)
{
        static const char *const pairs[] = {"A", "settings", "B", "settings", NULL};
        struct scene *scene = *state;
        xpm_rendered rendered;
        scene_open(scene, TEXT);
        const char *const *before = scene->experiment->choice.env;
        scene->experiment->choice.env = pairs;
        render(scene, 1, 1, &rendered);
        assert_int_equal(rendered.spec.env_count, 3);
        assert_string_equal(rendered.spec.env[0].value, "settings");
        assert_string_equal(rendered.spec.env[1].name, "B");
        assert_string_equal(rendered.spec.env[2].name, "A");
        assert_string_equal(rendered.spec.env[2].value, "own");
        xpm_rendered_release(&rendered);
        scene->experiment->choice.env = before;
}

static void template_that_is_not_there_leaves_nothing(void **state)
{
        struct scene *scene = *state;
        xpm_rendered rendered;
        xpm_error err = XPM_ERROR_NONE;
        scene_open(scene, TEXT);
        assert_int_not_equal(xpm_rendered_init(&rendered, scene->experiment, scene_job(scene, 0), "no-such.sh", &err),
                             0);
        assert_non_null(strstr(err.message, "no-such.sh"));
        assert_null(rendered.arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(launch_has_all_that_a_worker_needs),
                T(environment_of_the_experiment_stands_last),
                T(template_that_is_not_there_leaves_nothing),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
