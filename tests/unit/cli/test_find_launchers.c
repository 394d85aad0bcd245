#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commanded.h"

static void a_requirement_finds_its_launcher(void **state)
{
        const struct place *place = *state;
        place_put(place, "launchers.yaml",
                  "launchers:\n  small: {type: local, cores: 1}\n  wide: {type: local, priority: -1}\n");
        setenv("HWLOC_SYNTHETIC", "core:8 pu:1", 1);
        struct said *said =
                SAY(xpm_command_find_launchers, "find-launchers", "--xpm-config-dir", place->path, "cpu(cores=4)");
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "wide"));
        said = SAY(xpm_command_find_launchers, "find-launchers", "--xpm-config-dir", place->path, "cpu(cores=9)");
        assert_int_equal(said->status, 1);
        said = SAY(xpm_command_find_launchers, "find-launchers", "--xpm-config-dir", place->path, "cpu(mem=32)");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "32G"));
        unsetenv("HWLOC_SYNTHETIC");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(a_requirement_finds_its_launcher)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
