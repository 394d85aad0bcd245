#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/options.h"
#include "experimaestro/error.h"
#include "said.h"

static struct {
        const char *workdir;
        bool json;
        xpm_strings settings, env, words;
        long count, port;
} got;

static int parse(int argc, char **argv)
{
        const xpm_option options[] = {
                {"--workdir", "-w", XPM_OPTION_STRING, &got.workdir, "PATH", "the workspace"},
                {"--json", NULL, XPM_OPTION_FLAG, &got.json, NULL, "as JSON"},
                {"--conf", "-c", XPM_OPTION_LIST, &got.settings, "KEY=VALUE", "a setting"},
                {"--env", NULL, XPM_OPTION_PAIRS, &got.env, "NAME VALUE", "a variable"},
                {"--jobs", "-j", XPM_OPTION_COUNT, &got.count, "N", "how many"},
                {"--port", NULL, XPM_OPTION_PORT, &got.port, "PORT", "own: where; one-two: there"},
                {0}};
        const xpm_usage usage = {"try", "[OPTIONS] FILE", "Tries.", options, 1, 2, false};
        return xpm_options_parse(&usage, argc, argv, &got.words);
}

static void reset(void)
{
        xpm_strings_release(&got.settings);
        xpm_strings_release(&got.env);
        xpm_strings_release(&got.words);
        memset(&got, 0, sizeof got);
}

static void every_spelling_is_understood(void **state)
{
        (void)state;
        reset();
        struct said *said = SAY(parse, "try", "-j4", "--workdir=/w", "a", "-c", "x=1", "--json", "--conf=y=2", "--env",
                                "N", "v w", "--", "--b");
        assert_int_equal(said->status, XPM_OPTIONS_GO);
        assert_int_equal(got.count, 4);
        assert_true(got.json);
        assert_int_equal(got.settings.count, 2);
        assert_int_equal(got.env.count, 2);
        assert_int_equal(got.words.count, 2);
        assert_string_equal(said->err, "");
}

static void a_port_is_any_that_tcp_has(void **state)
{
        (void)state;
        reset();
        assert_int_equal(SAY(parse, "try", "--port", "65535", "a")->status, XPM_OPTIONS_GO);
        assert_int_equal(got.port, 65535);
        assert_int_equal(SAY(parse, "try", "--port=0")->status, XPM_OPTIONS_GO);
        assert_int_equal(got.port, 0);
        reset();
}

static void mistakes_are_told_with_what_was_meant(void **state)
{
        static const struct {
                const char *words[4], *said;
        } table[] = {
                {{"try", "--jsn", "a"}, "did you mean '--json'?"},
                {{"try", "--one-two", "a"}, "did you mean '--port one-two'?"},
                {{"try", "--workdir"}, "--workdir"},
                {{"try", "-j", "0", "a"}, "'0': --jobs takes a whole number from 1 to 2147483647; leave it out"},
                {{"try", "-j", "many", "a"}, "many"},
                {{"try", "--port", "xx", "a"}, "'xx': --port takes a whole number from 0 to 65535\n"},
                {{"try", "--port", "65536", "a"}, "'65536': --port takes"},
                {{"try", "--port=-1", "a"}, "'-1': --port takes"},
                {{"try", "--port=", "a"}, "'': --port takes"},
                {{"try"}, "FILE"},
                {{"try", "a", "b", "c"}, "'c'"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                reset();
                const char *words[5] = {0};
                memcpy(words, table[i].words, sizeof table[i].words);
                struct said *said = say(parse, words);
                assert_int_equal(said->status, 2);
                if (!strstr(said->err, table[i].said))
                        fail_msg("%zu: %s", i, said->err);
        }
}

static void help_is_every_commands(void **state)
{
        (void)state;
        reset();
        struct said *said = SAY(parse, "try", "--help");
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "usage: xpm try [OPTIONS] FILE"));
        assert_non_null(strstr(said->out, "--workdir"));
        assert_string_equal(said->err, "");
}

static void an_error_has_its_exit_status(void **state)
{
        xpm_error err = XPM_ERROR_NONE;
        (void)state;
        xpm_fail(&err, XPM_EPLAN, "nothing");
        int saved, file = said_begin(STDERR_FILENO, stderr, &saved);
        char text[256];
        int status = xpm_report(&err);
        said_end(STDERR_FILENO, stderr, saved, file, text, sizeof text);
        assert_int_equal(status, 2);
        assert_string_equal(text, "xpm: nothing\n");
        reset();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_spelling_is_understood),          cmocka_unit_test(a_port_is_any_that_tcp_has),
                cmocka_unit_test(mistakes_are_told_with_what_was_meant), cmocka_unit_test(help_is_every_commands),
                cmocka_unit_test(an_error_has_its_exit_status),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
