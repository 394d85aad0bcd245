#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "said.h"

#define XPM_VERSION "1.2.3"

/* The program itself, under another name. */
#define main xpm_main
#include "cli/main.c"
#undef main

static void each_command_is_found_by_its_name(void **state)
{
        (void)state;
        struct said *said = SAY(xpm_main, "xpm", "--help");
        assert_int_equal(said->status, 0);
        for (size_t i = 0; i < COMMANDS; i++)
                assert_true((strstr(said->out, commands[i].name) != NULL) >= (commands[i].summary != NULL));
        assert_int_equal(SAY(xpm_main, "xpm", "--version")->status, 0);
        assert_int_equal(SAY(xpm_main, "xpm", "run-experiment", "--help")->status, 0);
        assert_non_null(strstr(SAY(xpm_main, "xpm", "why", "--help")->out, "explain"));
}

static void help_of_a_command_may_be_asked_for_first(void **state)
{
        static const struct {
                const char *words[5], *usage;
        } table[] = {
                {{"xpm", "help", "jobs"}, "usage: xpm jobs COMMAND"},
                {{"xpm", "--help", "jobs"}, "usage: xpm jobs COMMAND"},
                {{"xpm", "help", "jobs", "list"}, "usage: xpm jobs list [OPTIONS]"},
                {{"xpm", "help", "run-experiment", "e.yaml"}, "usage: xpm run-experiment [OPTIONS]"},
                {{"xpm", "help", "help"}, "usage: xpm COMMAND"},
                {{"xpm", "--help", "--version"}, "usage: xpm COMMAND"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                struct said *said = say(xpm_main, (const char *const *)table[i].words);
                assert_int_equal(said->status, 0);
                assert_string_equal(said->err, "");
                if (strncmp(said->out, table[i].usage, strlen(table[i].usage)) != 0)
                        fail_msg("%zu: %s", i, said->out);
        }
        struct said *said = SAY(xpm_main, "xpm", "help", "jbos");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "unknown command 'jbos': did you mean 'jobs'?"));
}

static void what_is_unknown_is_told_with_what_was_meant(void **state)
{
        (void)state;
        struct said *said = SAY(xpm_main, "xpm", "job");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "unknown command 'job': did you mean 'jobs'?"));
        assert_non_null(strstr(SAY(xpm_main, "xpm", "--versoin")->err, "did you mean '--version'?"));
        assert_int_equal(SAY(xpm_main, "xpm")->status, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_command_is_found_by_its_name),
                cmocka_unit_test(help_of_a_command_may_be_asked_for_first),
                cmocka_unit_test(what_is_unknown_is_told_with_what_was_meant),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
