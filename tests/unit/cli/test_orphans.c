#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commanded.h"

static void what_no_experiment_names_is_an_orphan(void **state)
{
        char id[65], path[256];
        struct commanded made = commanded(*state);
        memset(id, 97, 64);
        id[64] = 0;
        snprintf(path, sizeof path, "%s/jobs/good/%s", made.workdir, id);
        assert_int_equal(mkdir(path, 0700), 0);
        struct said *said = SAY(xpm_command_orphans, "orphans", "--workdir", made.workdir);
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, id));
        assert_int_equal(access(path, F_OK), 0);
        said = SAY(xpm_command_orphans, "orphans", "--workdir", made.workdir, "--clean");
        assert_int_equal(said->status, 0);
        assert_int_not_equal(access(path, F_OK), 0);
        said = SAY(xpm_command_orphans, "orphans", "--workdir", made.workdir);
        assert_null(strstr(said->out, id));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(what_no_experiment_names_is_an_orphan)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
