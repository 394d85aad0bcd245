#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>

#include "commanded.h"

static void experiments_are_listed_with_what_became_of_them(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_experiments, "experiments", "list", "--workdir", made.workdir);
        assert_int_equal(said->status, 0);
        assert_memory_equal(said->out, "EXPERIMENT  RUN  ", strlen("EXPERIMENT  RUN  "));
        assert_non_null(strstr(said->out, "\ne           "));
        assert_non_null(strstr(said->out, "  done    0     0       0        3     "));
        said = SAY(xpm_command_experiments, "experiments", "list", "--json", "--workdir", made.workdir);
        json_t *json = json_loads(said->out, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(json, "experiment")), "e");
        assert_string_equal(json_string_value(json_object_get(json, "title")), "An experiment");
        assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "jobs"), "total")), 3);
        json_decref(json);
}

static void older_runs_are_listed_when_asked_for(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_run_experiment, "run-experiment", "--run-mode", "generate", "--workdir",
                                made.workdir, made.file);
        assert_int_equal(said->status, 0);
        said = SAY(xpm_command_experiments, "experiments", "list", "--json", "--workdir", made.workdir, "e");
        assert_string_equal(strchr(said->out, '\n'), "\n");
        said = SAY(xpm_command_experiments, "experiments", "list", "--json", "--runs", "--workdir", made.workdir, "e");
        const char *second = strchr(said->out, '\n') + 1;
        assert_string_equal(strchr(second, '\n'), "\n");
}

static void what_is_missing_is_told(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_experiments, "experiments", "list", "--workdir", made.workdir, "f");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "there is no experiment 'f'"));
        char link[256];
        snprintf(link, sizeof link, "%s/experiments/gone", made.workdir);
        assert_int_equal(symlink("nowhere", link), 0);
        said = SAY(xpm_command_experiments, "experiments", "list", "--workdir", made.workdir);
        assert_int_equal(said->status, 1); /* the list is not whole */
        assert_non_null(strstr(said->out, "\ne "));
        assert_non_null(strstr(said->err, "experiments/gone' is a link to 'nowhere', which is not there"));
}

static void a_workspace_that_is_not_there_is_told(void **state)
{
        char path[128];
        snprintf(path, sizeof path, "%s/none", ((struct place *)*state)->path);
        struct said *said = SAY(xpm_command_experiments, "experiments", "list", "--workdir", path);
        assert_int_not_equal(said->status, 0);
        assert_non_null(strstr(said->err, path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(experiments_are_listed_with_what_became_of_them),
                                           TEST(older_runs_are_listed_when_asked_for), TEST(what_is_missing_is_told),
                                           TEST(a_workspace_that_is_not_there_is_told)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
