#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "workspace/environment.h"

static json_t *write_down(const xpm_run_info *info, int64_t ended, const char *status)
{
        xpm_environment environment = XPM_ENVIRONMENT_INIT;
        xpm_text text = XPM_TEXT_INIT;
        assert_int_equal(xpm_environment_begin(&environment, info, NULL), 0);
        xpm_environment_json(&environment, "here", 1000000, ended, status, &text);
        xpm_environment_release(&environment);
        json_t *json = json_loads(xpm_text_string(&text), 0, NULL);
        xpm_text_release(&text);
        assert_non_null(json);
        return json;
}

static void run_stands_there_as_others_read_it(void **state)
{
        (void)state;
        setenv("TZ", "UTC", 1);
        json_t *json = write_down(&(xpm_run_info){0}, 0, NULL), *run = json_object_get(json, "run");
        assert_string_equal(json_string_value(json_object_get(run, "hostname")), "here");
        assert_string_equal(json_string_value(json_object_get(run, "started_at")), "1970-01-01T00:00:01.000000");
        assert_true(json_is_null(json_object_get(run, "ended_at")));
        assert_true(json_is_null(json_object_get(run, "status")));
        json_decref(json);
        json = write_down(&(xpm_run_info){0}, 2000000, "completed");
        run = json_object_get(json, "run");
        assert_string_equal(json_string_value(json_object_get(run, "ended_at")), "1970-01-01T00:00:02.000000");
        assert_string_equal(json_string_value(json_object_get(run, "status")), "completed");
        json_decref(json);
}

static void circumstances_are_written(void **state)
{
        (void)state;
        setenv("LOGNAME", "somebody", 1);
        setenv("LOADEDMODULES", "gcc/12:openmpi/4::", 1);
        xpm_run_info info = {
                .argv = (const char *const[]){"xpm", "a \"b\"\n", NULL},
                .configuration = "{\"lr\": [0.1]}",
                .experiment_dir = "/nonexistent/here",
        };
        json_t *json = write_down(&info, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(json, "user")), "somebody");
        assert_int_equal(json_array_size(json_object_get(json, "modules")), 2);
        assert_string_equal(json_string_value(json_array_get(json_object_get(json, "modules"), 1)), "openmpi/4");
        assert_string_equal(json_string_value(json_array_get(json_object_get(json, "command_line"), 1)), "a \"b\"\n");
        assert_true(json_is_array(json_object_get(json_object_get(json, "configuration"), "lr")));
        assert_true(json_is_null(json_object_get(json, "git")));
        assert_true(json_is_string(json_object_get(json_object_get(json, "versions"), "experimaestro")));
        json_decref(json);
}

static void secrets_of_the_environment_are_not(void **state)
{
        (void)state;
        setenv("XPM_TEST_TOKEN", "hunter2hunter2", 1);
        json_t *json = write_down(&(xpm_run_info){0}, 0, NULL);
        char *text = json_dumps(json, 0);
        assert_null(strstr(text, "hunter2"));
        assert_null(strstr(text, "XPM_TEST_TOKEN"));
        free(text);
        json_decref(json);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(run_stands_there_as_others_read_it),
                cmocka_unit_test(circumstances_are_written),
                cmocka_unit_test(secrets_of_the_environment_are_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
