#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commanded.h"

static void a_host_is_drawn_and_listed(void **state)
{
        (void)state;
        setenv("HWLOC_SYNTHETIC", "numa:2(memory=1GB) core:4 pu:1", 1);
        struct said *said = SAY(xpm_command_resources, "resources");
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "8 cores"));
        assert_non_null(strstr(said->out, "NUMA 1"));
        said = SAY(xpm_command_resources, "resources", "--json");
        assert_int_equal(said->out[0], 123);
        setenv("HWLOC_SYNTHETIC", "nonsense", 1);
        assert_int_not_equal(SAY(xpm_command_resources, "resources")->status, 0);
        unsetenv("HWLOC_SYNTHETIC");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(a_host_is_drawn_and_listed)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
