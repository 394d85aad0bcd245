#include "engine/planprogram.h"
#include "faked.h"

/* What running the plan `program` of this TEXT returns; its output is in OUTPUT. */
static int run(struct scene *scene, const char *text, mode_t mode, xpm_text *output, xpm_error *err)
{
        xpm_text input = XPM_TEXT_INIT;
        char path[128];
        place_put(scene->place, "program", text);
        assert_int_equal(fchmodat(scene->place->dir, "program", mode, 0), 0);
        snprintf(path, sizeof path, "%s/program", scene->place->path);
        xpm_text_puts(&input, "n: 1\n");
        int rc = xpm_planprogram_run(&scene->options, path, false, scene->place->path, &input, output, err);
        xpm_text_release(&input);
        return rc;
}

static void program_gets_the_configuration_the_arguments_and_the_directory(void **state)
{
        static const char *const args[] = {"one", "$two three", NULL};
        struct scene *scene = *state;
        xpm_text output = XPM_TEXT_INIT;
        char expected[256];
        scene->options.args = args;
        assert_int_equal(run(scene, "#!/bin/sh\ncat\necho \"$1|$2|$#\"\npwd -P\n", 0700, &output, NULL), 0);
        snprintf(expected, sizeof expected, "n: 1\none|$two three|2\n%s\n", scene->place->path);
        assert_string_equal(xpm_text_string(&output), expected);
        xpm_text_release(&output);
}

static void what_it_says_is_logged_line_by_line(void **state)
{
        struct scene *scene = *state;
        xpm_text output = XPM_TEXT_INIT;
        assert_int_equal(run(scene, "#!/bin/sh\necho out\nprintf 'first\\nsecond' >&2\n", 0700, &output, NULL), 0);
        assert_string_equal(xpm_text_string(&output), "out\n");
        assert_string_equal(xpm_text_string(&scene->log), "first\nsecond\n");
        xpm_text_release(&output);
}

static void program_that_fails_is_a_wrong_plan(void **state)
{
        struct scene *scene = *state;
        xpm_text output = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(run(scene, "#!/bin/sh\necho no such corpus >&2\nexit 7\n", 0700, &output, &err), XPM_EPLAN);
        assert_non_null(strstr(err.message, "/program' ended with status 7:\nno such corpus"));
        assert_int_equal(scene->log.length, 0);
        err = XPM_ERROR_NONE;
        assert_int_equal(run(scene, "#!/bin/sh\nkill -KILL $$\n", 0700, &output, &err), XPM_EPLAN);
        assert_non_null(strstr(err.message, "/program' was ended by signal 9"));
        xpm_text_release(&output);
}

static void program_that_cannot_be_started_is_a_wrong_plan(void **state)
{
        struct scene *scene = *state;
        xpm_text output = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(run(scene, "#!/bin/sh\ncat\n", 0600, &output, &err), XPM_EPLAN);
        assert_int_equal(err.code, XPM_EPLAN);
        assert_non_null(strstr(err.message, "/program"));
        assert_int_equal(run(scene, "#!/no/such/interpreter\n", 0700, &output, &err), XPM_EPLAN);
        xpm_text_release(&output);
}

static void what_it_prints_is_the_plan(void **state)
{
        static const char text[] = "id: x\nlauncher: fake\nfile: ./program.sh\n";
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        place_put(scene->place, "program.sh", "#!/bin/sh\necho 'plan: {s: [}'\n");
        assert_int_equal(fchmodat(scene->place->dir, "program.sh", 0700, 0), 0);
        assert_int_equal(scene_try(scene, text, &err), XPM_EPLAN);
        assert_non_null(strstr(err.message, "program.sh"));
        place_put(scene->place, "program.sh",
                  "#!/bin/sh\necho 'tasks: {t: {params: {n: int}, command: [\"true\"]}}'\n"
                  "echo 'plan: {s: {task: t, sweep: {n: [1, 2]}}}'\n");
        scene_open(scene, text);
        assert_int_equal(scene->experiment->plan->job_count, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(program_gets_the_configuration_the_arguments_and_the_directory),
                T(what_it_says_is_logged_line_by_line),
                T(program_that_fails_is_a_wrong_plan),
                T(program_that_cannot_be_started_is_a_wrong_plan),
                T(what_it_prints_is_the_plan),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
