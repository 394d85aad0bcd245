#include "faked.h"

#define REST                                                    \
        "tasks: {t: {params: {n: int}, command: [\"true\"]}}\n" \
        "plan: {s: {task: t, params: {n: 1}}}\n"

static void what_a_secret_is_given_is_in_the_environment(void **state)
{
        struct scene *scene = *state;
        setenv("XPM_TEST_BASE", "base", 1);
        unsetenv("XPM_TEST_PLAIN");
        scene_open(scene, "id: x\n"
                          "secrets: [XPM_TEST_KEY, XPM_TEST_NONE]\n"
                          "env: {XPM_TEST_KEY: '${XPM_TEST_BASE}-key $XPM_TEST_BASE', XPM_TEST_PLAIN: shown}\n" REST);
        scene_close(scene);
        assert_null(getenv("XPM_TEST_NONE"));
        assert_null(getenv("XPM_TEST_PLAIN"));
        assert_string_equal(getenv("XPM_TEST_KEY"), "base-key base");
        unsetenv("XPM_TEST_KEY");
        unsetenv("XPM_TEST_BASE");
}

static void what_the_settings_give_stands_before_what_the_experiment_gives(void **state)
{
        struct scene *scene = *state;
        unsetenv("XPM_TEST_KEY");
        place_put(scene->place, "settings.yaml", "env: {XPM_TEST_KEY: site, XPM_TEST_OTHER: other}\n");
        scene->options.config_dir = scene->place->path;
        scene_open(scene, "id: x\n"
                          "secrets: [XPM_TEST_KEY, XPM_TEST_OTHER]\n"
                          "env: {XPM_TEST_KEY: 'own of $XPM_TEST_KEY'}\n" REST);
        scene_close(scene);
        assert_string_equal(getenv("XPM_TEST_KEY"), "own of site");
        assert_string_equal(getenv("XPM_TEST_OTHER"), "other");
        unsetenv("XPM_TEST_KEY");
        unsetenv("XPM_TEST_OTHER");
}

#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                T(what_a_secret_is_given_is_in_the_environment),
                T(what_the_settings_give_stands_before_what_the_experiment_gives),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
