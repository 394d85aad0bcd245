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

static void what_was_merged_is_saved_and_the_plan_is_untouched(void **state)
{
        static const char *const settings[] = {"more.k=1", "list=[1, two, null]", NULL};
        struct scene *scene = *state;
        setenv("XPM_TEST_NUMBER", "4711", 1);
        scene->options.settings = settings;
        char *json = configuration_of(scene, "id: x\nlauncher: fake\n"
                                             "tasks: {t: {params: {n: int}, command: [\"true\"]}}\n"
                                             "plan: {s: {task: t, params: {n: '${oc.env:XPM_TEST_NUMBER}'}}}\n");
        assert_non_null(strstr(json, "\"more\": {\"k\": 1}"));
        assert_non_null(strstr(json, "\"list\": [1, \"two\", null]"));
        assert_non_null(strstr(json, "\"n\": \"<from environment>\""));
        free(json);
        /* It hid a copy: jobs get the value. */
        char *again = NULL;
        size_t length = 0;
        FILE *stream = open_memstream(&again, &length);
        assert_non_null(stream);
        assert_int_equal(xpm_experiment_look(scene->experiment, NULL, NULL), 0);
        assert_int_equal(xpm_experiment_write_json(scene->experiment, stream, NULL), 0);
        fclose(stream);
        assert_non_null(strstr(again, "\"n\": 4711"));
        free(again);
        unsetenv("XPM_TEST_NUMBER");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(values_of_the_environment_are_hidden_wherever_they_stand),
                T(what_was_merged_is_saved_and_the_plan_is_untouched),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
