#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commanded.h"

static void a_job_is_explained(void **state)
{
        char path[512], word[16];
        struct commanded made = commanded(*state);
        snprintf(word, sizeof word, "%.10s", commanded_job(&made, path));
        struct said *said = SAY(xpm_command_explain, "explain", "--workdir", made.workdir, word);
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, word));
        assert_non_null(strstr(said->out, "n"));
        said = SAY(xpm_command_explain, "explain", "--workdir", made.workdir, "zzzz");
        assert_int_equal(said->status, 2);
        assert_int_equal(SAY(xpm_command_explain, "explain")->status, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(a_job_is_explained)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
