#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/subcommand.h"
#include "said.h"

static char seen[256];

static int remember(int argc, char **argv)
{
        seen[0] = '\0';
        for (int i = 0; i < argc; i++)
                snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s ", argv[i]);
        return 7;
}

static const xpm_subcommand commands[] = {{"list", remember, "list them"}, {"kill", remember, "end them"}, {0}};

static int run(int argc, char **argv)
{
        return xpm_subcommand_run(commands, argc, argv);
}

static void options_may_stand_before_the_second_word(void **state)
{
        (void)state;
        assert_int_equal(SAY(run, "jobs", "list", "--json")->status, 7);
        assert_string_equal(seen, "list --json ");
        assert_int_equal(SAY(run, "jobs", "--workdir", "W", "list", "e")->status, 7);
        assert_string_equal(seen, "list --workdir W e ");
}

static void help_may_name_one_of_them(void **state)
{
        (void)state;
        assert_int_equal(SAY(run, "jobs", "help", "list")->status, 7);
        assert_string_equal(seen, "list --help ");
        assert_int_equal(SAY(run, "jobs", "--workdir", "W", "--help", "kill", "j")->status, 7);
        assert_string_equal(seen, "kill --help ");
        struct said *said = SAY(run, "jobs", "help", "kil");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "unknown command 'kil': did you mean 'kill'?"));
        said = SAY(run, "jobs", "--help", "--workdir", "W");
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "usage: xpm jobs COMMAND"));
}

static void what_is_unknown_or_missing_is_told(void **state)
{
        (void)state;
        struct said *said = SAY(run, "jobs", "lst");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "unknown command 'lst': did you mean 'list'?"));
        assert_int_equal(SAY(run, "jobs")->status, 2);
        said = SAY(run, "jobs", "--help");
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "end them"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(options_may_stand_before_the_second_word),
                cmocka_unit_test(help_may_name_one_of_them),
                cmocka_unit_test(what_is_unknown_or_missing_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
