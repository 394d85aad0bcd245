#include "faked.h"

#include <signal.h>

#include "engine/planprogram.h"

/* An executable file NAME, which TEXT is the content of; its path is good until the next call. */
static const char *program(const struct scene *scene, const char *name, const char *text)
{
        static char path[128];
        place_put(scene->place, name, text);
        assert_int_equal(fchmodat(scene->place->dir, name, 0700, 0), 0);
        snprintf(path, sizeof path, "%s/%s", scene->place->path, name);
        return path;
}

static int run(struct scene *scene, const char *path, bool python, xpm_text *output, xpm_error *err)
{
        xpm_text input = XPM_TEXT_INIT;
        xpm_text_puts(&input, "{\"a\": 1}");
        int rc = xpm_planprogram_run(&scene->options, path, python, scene->place->path, &input, output, err);
        xpm_text_release(&input);
        return rc;
}

static void program_gets_the_configuration_the_words_and_its_directory(void **state)
{
        static const char *const args[] = {"one", "two words", "$HOME;", NULL};
        struct scene *scene = *state;
        xpm_text output = XPM_TEXT_INIT, expected = XPM_TEXT_INIT;
        scene->options.args = args;
        const char *path = program(scene, "plan", "#!/bin/sh\ncat\nprintf ' [%s]' \"$@\"\nprintf ' '; pwd\n");
        assert_int_equal(run(scene, path, false, &output, NULL), 0);
        xpm_text_printf(&expected, "{\"a\": 1} [one] [two words] [$HOME;] %s\n", scene->place->path);
        assert_string_equal(xpm_text_string(&output), xpm_text_string(&expected));
        xpm_text_release(&output);
        xpm_text_release(&expected);
}

static void python_plan_is_given_to_the_interpreter(void **state)
{
        struct scene *scene = *state;
        xpm_text output = XPM_TEXT_INIT;
        char path[128];
        place_put(scene->place, "plan.py", "import json, sys\nprint(json.load(sys.stdin)['a'] + 1)\n");
        snprintf(path, sizeof path, "%s/plan.py", scene->place->path);
        assert_int_equal(run(scene, path, true, &output, NULL), 0);
        assert_string_equal(xpm_text_string(&output), "2\n");
        xpm_text_release(&output);
}

static void what_a_program_says_beside_is_logged_line_by_line(void **state)
{
        struct scene *scene = *state;
        xpm_text output = XPM_TEXT_INIT;
        const char *path = program(scene, "plan", "#!/bin/sh\necho out\necho first >&2\necho the second >&2\n");
        assert_int_equal(run(scene, path, false, &output, NULL), 0);
        assert_string_equal(xpm_text_string(&output), "out\n");
        assert_string_equal(xpm_text_string(&scene->log), "first\nthe second\n");
        xpm_text_release(&output);
}

static void program_that_fails_is_told_with_its_last_words(void **state)
{
        static const struct {
                const char *text, *words;
        } cases[] = {
                {"#!/bin/sh\necho 'no data' >&2\nexit 3\n", "ended with status 3:\nno data"},
                {"#!/bin/sh\nexit 4\n", "ended with status 4"},
                {"#!/bin/sh\necho so >&2\nkill -KILL $$\n", "was ended by signal 9:\nso"},
        };
        struct scene *scene = *state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_text output = XPM_TEXT_INIT;
                xpm_error err = XPM_ERROR_NONE;
                char expected[256];
                const char *path = program(scene, "plan", cases[i].text);
                assert_int_equal(run(scene, path, false, &output, &err), XPM_EPLAN);
                snprintf(expected, sizeof expected, "the plan '%s' %s", path, cases[i].words);
                assert_string_equal(err.message, expected);
                xpm_text_release(&output);
        }
        assert_string_equal(xpm_text_string(&scene->log), ""); /* nothing is told twice */
}

static void of_many_words_the_end_is_told(void **state)
{
        struct scene *scene = *state;
        xpm_text output = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        const char *path = program(scene, "plan",
                                   "#!/bin/sh\necho the beginning >&2\ni=0\nwhile [ $i -lt 300 ]; do echo line $i >&2; "
                                   "i=$((i + 1)); done\nexit 1\n");
        assert_int_equal(run(scene, path, false, &output, &err), XPM_EPLAN);
        assert_null(strstr(err.message, "the beginning"));
        assert_string_equal(err.message + strlen(err.message) - strlen("line 298\nline 299"), "line 298\nline 299");
        xpm_text_release(&output);
}

static void what_cannot_be_started_is_a_wrong_plan(void **state)
{
        struct scene *scene = *state;
        char path[128];
        place_put(scene->place, "text", "#!/bin/sh\n");
        place_put(scene->place, "strange", "neither\n");
        assert_int_equal(fchmodat(scene->place->dir, "strange", 0700, 0), 0);
        program(scene, "lost", "#!/no/such/interpreter\n");
        static const char *const names[] = {"text", "strange", "lost", "missing"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                xpm_text output = XPM_TEXT_INIT;
                xpm_error err = XPM_ERROR_NONE;
                snprintf(path, sizeof path, "%s/%s", scene->place->path, names[i]);
                assert_int_equal(run(scene, path, false, &output, &err), XPM_EPLAN);
                assert_int_equal(err.code, XPM_EPLAN);
                assert_non_null(strstr(err.message, path));
                assert_int_equal(run(scene, path, false, &output, NULL), XPM_EPLAN);
                xpm_text_release(&output);
        }
}

/* Through the experiment, which knows where the plan is named. */
static void wrong_plan_is_told_where_it_is_named_and_where_its_output_is_wrong(void **state)
{
        static const struct {
                const char *text, *words;
        } cases[] = {
                {"#!/bin/sh\nexit 3\n", "e.yaml:3:7: the plan "},
                {"#!/bin/sh\necho 'tasks: {a'\n", "output of 'plan':1:8: "},
                {"#!/bin/sh\necho '[1]'\n", "output of 'plan':1:1: a mapping with any of"},
                {"#!/bin/sh\necho 'task: {}'\n", "output of 'plan':1:1: a plan may print enums"},
        };
        static const char text[] = "id: x\nlauncher: fake\nfile: plan\n";
        struct scene *scene = *state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_error err = XPM_ERROR_NONE;
                program(scene, "plan", cases[i].text);
                assert_int_equal(scene_try(scene, text, &err), XPM_EPLAN);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("%s", err.message);
        }
        program(scene, "plan",
                "#!/bin/sh\necho 'tasks: {t: {params: {n: int}, command: [\"true\"]}}'\n"
                "echo 'plan: {s: {task: t, params: {n: 1}}}'\n");
        scene_open(scene, text);
        assert_int_equal(xpm_experiment_job_count(scene->experiment), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(program_gets_the_configuration_the_words_and_its_directory),
                T(python_plan_is_given_to_the_interpreter),
                T(what_a_program_says_beside_is_logged_line_by_line),
                T(program_that_fails_is_told_with_its_last_words),
                T(of_many_words_the_end_is_told),
                T(what_cannot_be_started_is_a_wrong_plan),
                T(wrong_plan_is_told_where_it_is_named_and_where_its_output_is_wrong),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
