#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commanded.h"

static void experiments_are_listed_with_what_became_of_them(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_experiments, "experiments", "list", "--workdir", made.workdir);
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "EXPERIMENT"));
        assert_non_null(strstr(said->out, "\ne "));
        said = SAY(xpm_command_experiments, "experiments", "list", "--json", "--workdir", made.workdir);
        assert_non_null(strstr(said->out, "\"e\""));
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
                                           TEST(a_workspace_that_is_not_there_is_told)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
