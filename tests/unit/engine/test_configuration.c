#include "faked.h"

static char *configuration_of(struct scene *scene, const char *text)
{
        xpm_text json = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        scene_open(scene, text);
        if (xpm_experiment_configuration(scene->experiment, &json, &err) != 0)
                fail_msg("%s", err.message);
        char *taken = xpm_text_take(&json);
        assert_non_null(taken);
        return taken;
}

#define REST                                                    \
        "tasks: {t: {params: {n: int}, command: [\"true\"]}}\n" \
        "plan: {s: {task: t, params: {n: 1}}}\n"

static void values_of_the_environment_are_hidden_wherever_they_stand(void **state)
{
        setenv("XPM_TEST_WORD", "surely-secret", 1);
        setenv("XPM_TEST_NUMBER", "4711", 1);
        char *json = configuration_of(*state, "id: x\n"
                                              "top: ${oc.env:XPM_TEST_WORD}\n"
                                              "deep: {er: [plain, '${oc.env:XPM_TEST_NUMBER}', {a.b: 'is ${top}'}]}\n"
                                              "list: [[1, '${oc.env:XPM_TEST_WORD}s']]\n" REST);
        assert_null(strstr(json, "surely-secret"));
        assert_null(strstr(json, "4711"));
        assert_non_null(strstr(json, "\"top\": \"<from environment>\""));
        assert_non_null(strstr(json, "[\"plain\", \"<from environment>\", {\"a.b\": \"<from environment>\"}]"));
        assert_non_null(strstr(json, "\"list\": [[1, \"<from environment>\"]]"));
        free(json);
        unsetenv("XPM_TEST_WORD");
        unsetenv("XPM_TEST_NUMBER");
}

static void what_was_merged_is_saved(void **state)
{
        static const char *const settings[] = {"more.k=1", "list=[1, two, null]", NULL};
        struct scene *scene = *state;
        scene->options.settings = settings;
        char *json = configuration_of(scene, "id: x\n" REST);
        assert_non_null(strstr(json, "\"more\": {\"k\": 1}"));
        assert_non_null(strstr(json, "\"list\": [1, \"two\", null]"));
        free(json);
}

static void value_that_is_hidden_is_used_all_the_same(void **state)
{
        struct scene *scene = *state;
        char content[4096];
        setenv("XPM_TEST_NUMBER", "4711", 1);
        char *json = configuration_of(scene, "id: x\nlauncher: fake\ntokens: {a: '${oc.env:XPM_TEST_NUMBER}'}\n" REST);
        assert_non_null(strstr(json, "\"tokens\": {\"a\": \"<from environment>\"}"));
        free(json);
        scene_start(scene, NULL);
        scene_finish(scene);
        assert_string_equal(place_get(scene->place, "work/tokens/a.counter/informations.json", content),
                            "{\"total\": 4711}\n");
        unsetenv("XPM_TEST_NUMBER");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(values_of_the_environment_are_hidden_wherever_they_stand),
                T(what_was_merged_is_saved),
                T(value_that_is_hidden_is_used_all_the_same),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
