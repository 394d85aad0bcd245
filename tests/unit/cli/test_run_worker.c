#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commanded.h"

static void one_source_of_jobs_is_needed(void **state)
{
        (void)state;
        struct said *said = SAY(xpm_command_worker, "worker");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "--job"));
        assert_int_equal(SAY(xpm_command_worker, "worker", "--job", "d", "--fd", "3")->status, 2);
        said = SAY(xpm_command_worker, "worker", "--fd", "0");
        assert_int_equal(said->status, 2);
        assert_int_equal(SAY(xpm_command_worker, "worker", "--help")->status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(one_source_of_jobs_is_needed)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
