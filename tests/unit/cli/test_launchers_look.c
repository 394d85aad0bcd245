#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commanded.h"

static void launchers_are_listed_best_first(void **state)
{
        const struct place *place = *state;
        place_put(place, "launchers.yaml", "launchers:\n  one: {type: local}\n  two: {type: local, priority: 3}\n");
        struct said *said = SAY(xpm_command_launchers, "launchers", "list", "--xpm-config-dir", place->path);
        assert_int_equal(said->status, 0);
        const char *one = strstr(said->out, "one"), *two = strstr(said->out, "two");
        assert_true(one && two && two < one);
        assert_int_equal(SAY(xpm_command_launchers, "launchers", "check", "--xpm-config-dir", place->path)->status, 0);
}

static void a_slip_in_the_file_is_told_with_its_place(void **state)
{
        const struct place *place = *state;
        place_put(place, "launchers.yaml", "launchers:\n  one: {type: local, prioritty: 3}\n");
        struct said *said = SAY(xpm_command_launchers, "launchers", "check", "--xpm-config-dir", place->path);
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "launchers.yaml:2:"));
        assert_non_null(strstr(said->err, "priority"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(launchers_are_listed_best_first),
                                           TEST(a_slip_in_the_file_is_told_with_its_place)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
