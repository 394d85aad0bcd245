#include "faked.h"

#define TASKS                                                                                                       \
        "tasks: {t: {params: {n: int}, command: [\"true\"]}, u: {params: {n: int}, command: [\"true\"], launcher: " \
        "fake}}\n"

static const char *launcher_of(const struct scene *scene, size_t job)
{
        return xpm_experiment_launcher(scene->experiment, scene_job(scene, job));
}

static void nearest_name_counts(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, "id: x\nlauncher: local\n" TASKS
                          "plan: {a: {task: t, params: {n: 1}}, b: {task: u, params: {n: 1}},\n"
                          "       c: {task: t, params: {n: 2}, launcher: fake}}\n");
        assert_string_equal(launcher_of(scene, 0), "local");
        assert_string_equal(launcher_of(scene, 1), "fake");
        assert_string_equal(launcher_of(scene, 2), "fake");
}

static void option_outweighs_all_names(void **state)
{
        struct scene *scene = *state;
        scene->options.launcher = "fake";
        scene_open(scene, "id: x\nlauncher: local\n" TASKS "plan: {a: {task: t, params: {n: 1}, launcher: local}}\n");
        assert_string_equal(launcher_of(scene, 0), "fake");
}

static void unknown_name_is_shown_where_it_stands(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(
                scene_try(scene, "id: x\nlauncher: nosuch\n" TASKS "plan: {a: {task: t, params: {n: 1}}}\n", &err),
                XPM_EPLAN);
        assert_non_null(strstr(err.message, "nosuch"));
        assert_non_null(strstr(err.message, "e.yaml:2:"));
}

static void unknown_name_of_the_option_is_wrong_usage(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        scene->options.launcher = "nosuch";
        assert_int_equal(scene_try(scene, "id: x\n" TASKS "plan: {a: {task: t, params: {n: 1}}}\n", &err), XPM_EUSAGE);
        assert_non_null(strstr(err.message, "nosuch"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(nearest_name_counts),
                T(option_outweighs_all_names),
                T(unknown_name_is_shown_where_it_stands),
                T(unknown_name_of_the_option_is_wrong_usage),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
