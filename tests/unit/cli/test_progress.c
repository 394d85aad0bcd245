#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/progress.h"
#include "commanded.h"

static void the_end_says_what_was_done_and_what_to_type_next(void **state)
{
        struct commanded made = commanded(*state);
        static volatile int interrupts;
        const xpm_experiment_options options = {.file = made.file, .workdir = made.workdir};
        xpm_experiment *experiment;
        xpm_progress progress;
        char text[2048];
        int saved;
        assert_int_equal(xpm_experiment_open(&options, &experiment, NULL), 0);
        xpm_progress_init(&progress, experiment, &interrupts);
        const xpm_counts counts = {.total = 3, .done_before = 1, .done = 1, .failed = 1, .mismatched = 2};
        int file = said_begin(STDOUT_FILENO, stdout, &saved);
        xpm_progress_end(&progress, &counts, XPM_VERDICT_FAILED);
        said_end(STDOUT_FILENO, stdout, saved, file, text, sizeof text);
        assert_non_null(strstr(text, "e: 3 jobs: 2 done (1 before), 1 failed, in "));
        assert_non_null(strstr(text, "2 warnings above"));
        assert_non_null(strstr(text, "xpm jobs list --workdir"));
        assert_non_null(strstr(text, "the same command again continues"));
        xpm_experiment_close(experiment);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(the_end_says_what_was_done_and_what_to_type_next)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
