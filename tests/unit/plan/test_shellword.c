#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/spawn.h"
#include "base/text.h"
#include "plan/shellword.h"

/* The place of the last @ of SCRIPT; the others are values that stand before it. */
static enum xpm_shell_place place_of(const char *script)
{
        xpm_shell_state state = XPM_SHELL_START;
        const char *last = strrchr(script, '@');
        for (; script < last; script++)
                if (*script == '@')
                        xpm_shell_value(&state);
                else
                        xpm_shell_step(&state, *script);
        return xpm_shell_place(&state);
}

struct sample {
        const char *script;
        enum xpm_shell_place place;
};

static void check(const struct sample *samples, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (place_of(samples[i].script) != samples[i].place)
                        fail_msg("«%s» is %s, not %s", samples[i].script,
                                 xpm_shell_place_text(place_of(samples[i].script)),
                                 xpm_shell_place_text(samples[i].place));
}
#define CHECK(samples) check(samples, sizeof(samples) / sizeof *(samples))

static void words_are_plain(void **state)
{
        static const struct sample samples[] = {
                {"@", XPM_SHELL_PLAIN},
                {"echo @", XPM_SHELL_PLAIN},
                {"echo --x=@", XPM_SHELL_PLAIN},
                {"echo 'a'@", XPM_SHELL_PLAIN},
                {"echo \"a\"@\"b\" @", XPM_SHELL_PLAIN},
                {"echo \\\" @", XPM_SHELL_PLAIN},
                {"echo \\' @", XPM_SHELL_PLAIN},
                {"echo \"\\\"\" @", XPM_SHELL_PLAIN},
                {"echo '\\' @", XPM_SHELL_PLAIN},
                {"echo $'\\'' @", XPM_SHELL_PLAIN},
                {"echo `date` @", XPM_SHELL_PLAIN},
                {"echo `date \\`x\\` '` @", XPM_SHELL_PLAIN},
                {"echo ${x} ${x:-a} @", XPM_SHELL_PLAIN},
                {"echo ${x:-'}'} @", XPM_SHELL_PLAIN},
                {"echo $((1 + (2))) @", XPM_SHELL_PLAIN},
                {"echo $((16#ff)) @", XPM_SHELL_PLAIN},
                {"((i++)); echo @", XPM_SHELL_PLAIN},
                {"echo $[1 + a[2]] @", XPM_SHELL_PLAIN},
                {"(cd /tmp; echo @", XPM_SHELL_PLAIN},
                {"x=(a b @", XPM_SHELL_PLAIN},
                {"$(x=a; (@", XPM_SHELL_PLAIN},
                {"cat <@", XPM_SHELL_PLAIN},
                {"cat <<<@", XPM_SHELL_PLAIN},
                {"cat <<< @", XPM_SHELL_PLAIN},
                {"diff <(sort @", XPM_SHELL_PLAIN},
                {"tee >(sort @) @", XPM_SHELL_PLAIN},
                {"echo >&2 @", XPM_SHELL_PLAIN},
                {"echo >@ <> @", XPM_SHELL_PLAIN},
                {"diff <(sort @) @", XPM_SHELL_PLAIN},
                {"a && b || c | d & e; f @", XPM_SHELL_PLAIN},
                {"case x in a) echo @;; esac; echo @", XPM_SHELL_PLAIN},
                {"echo a\\\n@", XPM_SHELL_PLAIN},
                {"if [[ $a =~ ^(x|y)$ ]]; then echo @", XPM_SHELL_PLAIN},
                {"f() { echo @", XPM_SHELL_PLAIN},
                {"echo $# $$ $? @", XPM_SHELL_PLAIN},
        };
        (void)state;
        CHECK(samples);
}

static void quotes_are_seen(void **state)
{
        static const struct sample samples[] = {
                {"echo '@", XPM_SHELL_SINGLE},
                {"echo $'@", XPM_SHELL_SINGLE},
                {"echo $'\\'@", XPM_SHELL_SINGLE},
                {"echo '\"' \"@", XPM_SHELL_DOUBLE},
                {"echo \"@", XPM_SHELL_DOUBLE},
                {"echo $\"@", XPM_SHELL_DOUBLE},
                {"echo \"it's @", XPM_SHELL_DOUBLE},
                {"echo \"$'@", XPM_SHELL_DOUBLE},
                {"echo \"a\\\"@", XPM_SHELL_DOUBLE},
                {"echo \"$(date)@", XPM_SHELL_DOUBLE},
                {"echo \"$(echo \")\")@", XPM_SHELL_DOUBLE},
                {"echo \"${x}@", XPM_SHELL_DOUBLE},
                {"echo \"${x:-\"a}b\"}@", XPM_SHELL_DOUBLE},
                {"echo \"`date \"x\"`@", XPM_SHELL_DOUBLE},
                {"echo \"$@\"; echo \"@", XPM_SHELL_DOUBLE},
                {"echo `@", XPM_SHELL_BACKTICK},
                {"echo \"`@", XPM_SHELL_BACKTICK},
                {"echo `a \\` @", XPM_SHELL_BACKTICK},
                {"echo \\@", XPM_SHELL_BACKSLASH},
                {"echo $@", XPM_SHELL_DOLLAR},
                {"echo ${x:-@", XPM_SHELL_EXPANSION},
                {"echo \"${x:-@", XPM_SHELL_EXPANSION},
                {"echo $((@", XPM_SHELL_ARITHMETIC},
                {"echo $((1 + (@", XPM_SHELL_ARITHMETIC},
                {"((@", XPM_SHELL_ARITHMETIC},
                {"for ((i = 0; i < @", XPM_SHELL_ARITHMETIC},
                {"echo $[@", XPM_SHELL_ARITHMETIC},
        };
        (void)state;
        CHECK(samples);
}

static void substitution_is_a_script_of_its_own(void **state)
{
        static const struct sample samples[] = {
                {"echo $(@", XPM_SHELL_PLAIN},
                {"echo \"$(@", XPM_SHELL_PLAIN},
                {"echo \"a $(echo @", XPM_SHELL_PLAIN},
                {"echo \"$(echo \"@", XPM_SHELL_DOUBLE},
                {"echo \"$(echo \"$(echo '@", XPM_SHELL_SINGLE},
                {"echo \"$(echo \"$(echo ')' @", XPM_SHELL_PLAIN},
                {"echo \"$(cat <<X\n@", XPM_SHELL_HEREDOC},
                {"echo \"$(cat <<X\n\"\nX\n) @", XPM_SHELL_DOUBLE},
                {"echo \"$(echo # )\necho @", XPM_SHELL_PLAIN},
                {"echo $(echo a)#@", XPM_SHELL_PLAIN},
                {"echo $(( $(echo @", XPM_SHELL_PLAIN},
                {"echo \"$( (echo a) @", XPM_SHELL_PLAIN},
        };
        (void)state;
        CHECK(samples);
}

static void comment_begins_at_a_word(void **state)
{
        static const struct sample samples[] = {
                {"# @", XPM_SHELL_COMMENT},           {"echo # @", XPM_SHELL_COMMENT},
                {"echo;# it's @", XPM_SHELL_COMMENT}, {"(#@", XPM_SHELL_COMMENT},
                {"echo a#@", XPM_SHELL_PLAIN},        {"echo \\# @", XPM_SHELL_PLAIN},
                {"echo '#' @", XPM_SHELL_PLAIN},      {"echo $# @", XPM_SHELL_PLAIN},
                {"echo ${#x} @", XPM_SHELL_PLAIN},    {"# it's\n@", XPM_SHELL_PLAIN},
                {"# a \\\n@", XPM_SHELL_PLAIN},       {"echo @# it's @", XPM_SHELL_SINGLE},
                {"echo \"#\" @", XPM_SHELL_PLAIN},    {"#\n#\n@", XPM_SHELL_PLAIN},
        };
        (void)state;
        CHECK(samples);
}

static void document_ends_at_its_delimiter(void **state)
{
        static const struct sample samples[] = {
                {"cat <<@", XPM_SHELL_HEREDOC},
                {"cat << @", XPM_SHELL_HEREDOC},
                {"cat <<E@", XPM_SHELL_HEREDOC},
                {"cat <<E @", XPM_SHELL_PLAIN},
                {"cat <<E\n@", XPM_SHELL_HEREDOC},
                {"cat <<E\na\n@", XPM_SHELL_HEREDOC},
                {"cat <<E\na\nE\n@", XPM_SHELL_PLAIN},
                {"cat <<E\na\n E\n@", XPM_SHELL_HEREDOC},
                {"cat <<E\na\nEE\n@", XPM_SHELL_HEREDOC},
                {"cat <<E\na\nE \n@", XPM_SHELL_HEREDOC},
                {"cat <<E\n\tE\n@", XPM_SHELL_HEREDOC},
                {"cat <<-E\n\t\tE\n@", XPM_SHELL_PLAIN},
                {"cat <<-E\n\tit's\n\tE\n@", XPM_SHELL_PLAIN},
                {"cat <<'E'\nit's\nE\n@", XPM_SHELL_PLAIN},
                {"cat <<\"E F\"\nE\nE F\n@", XPM_SHELL_PLAIN},
                {"cat <<\\E\n'\nE\n@", XPM_SHELL_PLAIN},
                {"cat <<E\\F\nE\nEF\n@", XPM_SHELL_PLAIN},
                {"cat <<A <<B\nA\n@", XPM_SHELL_HEREDOC},
                {"cat <<A <<B\nA\nB\n@", XPM_SHELL_PLAIN},
                {"cat <<A; echo 'x\ny'\nit's\nA\n@", XPM_SHELL_PLAIN},
                {"cat <<E\na \\\nE\n@", XPM_SHELL_HEREDOC},
                {"cat <<'E'\na \\\nE\n@", XPM_SHELL_PLAIN},
                {"cat <<E\na \\\\\nE\n@", XPM_SHELL_PLAIN},
                {"cat <<E\n@\nE\n@", XPM_SHELL_PLAIN},
                {"cat <<''\n'\n\n@", XPM_SHELL_PLAIN},
                {"cat <<E && echo @", XPM_SHELL_PLAIN},
                {"(cat <<E)\nit's\nE\n@", XPM_SHELL_PLAIN},
                {"(cat <<E >@", XPM_SHELL_HEREDOC},
                {"echo '<<E'\n@", XPM_SHELL_PLAIN},
                {"echo $((1<<2))\n@", XPM_SHELL_PLAIN},
        };
        (void)state;
        CHECK(samples);
}

static void what_cannot_be_followed_is_lost(void **state)
{
        static const struct sample samples[] = {
                {"echo \"$(case x in x) echo \" @", XPM_SHELL_LOST},
                {"echo \"${x:-'} @", XPM_SHELL_LOST},
                {"echo $((1 ' )) @", XPM_SHELL_LOST},
                {"cat <<E $(echo @", XPM_SHELL_LOST},
                {"cat <<E <(echo @", XPM_SHELL_LOST},
                {"$(cat <<E)\nE\n@", XPM_SHELL_LOST},
                {"$(x=(@", XPM_SHELL_LOST},
                {"tee >(x=(@", XPM_SHELL_LOST},
                {"$(y; (x+=(@", XPM_SHELL_LOST},
                {"echo $((echo a) | cat) @", XPM_SHELL_LOST},
                {"echo $((1 # )) @", XPM_SHELL_LOST},
                {"cat <<$x\n$x\n@", XPM_SHELL_LOST},
                {"cat <<@\n@", XPM_SHELL_LOST},
                {"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((@", XPM_SHELL_LOST},
        };
        (void)state;
        CHECK(samples);
}

static void lost_is_for_good(void **state)
{
        (void)state;
        xpm_shell_state shell = XPM_SHELL_START;
        xpm_shell_lose(&shell);
        for (const char *c = "'\"\n`)}]\n"; *c; c++) {
                xpm_shell_step(&shell, *c);
                xpm_shell_value(&shell);
                assert_int_equal(xpm_shell_place(&shell), XPM_SHELL_LOST);
        }
}

static void value_before_a_redirection_is_a_descriptor(void **state)
{
        static const struct {
                const char *script;
                bool number;
        } samples[] = {{"echo @>", true},    {"echo 1@<", true},  {"echo @1>", true},   {"echo @ >", false},
                       {"echo a@>", false},  {"echo @a>", false}, {"echo ''@>", false}, {"echo 2>", false},
                       {"echo x=@>", false}, {"echo $(@>", true}};
        (void)state;
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                xpm_shell_state shell = XPM_SHELL_START;
                enum xpm_shell_event event = XPM_SHELL_BREAK;
                for (const char *c = samples[i].script; *c; c++)
                        if (*c == '@')
                                xpm_shell_value(&shell);
                        else
                                event = xpm_shell_step(&shell, *c);
                if ((event == XPM_SHELL_NUMBER) != samples[i].number)
                        fail_msg("«%s»", samples[i].script);
        }
}

static void expansion_is_seen_where_the_shell_expands(void **state)
{
        static const struct {
                const char *before;
                bool expands;
        } samples[] = {{"echo ", true},        {"echo \"", true},
                       {"echo '", false},      {"echo \\", false},
                       {"echo \"\\", false},   {"# ", false},
                       {"cat <<E\n", true},    {"cat <<'E'\n", false},
                       {"cat <<\\E\n", false}, {"cat <<A <<'B'\nA\n", false},
                       {"echo `", true},       {"echo $'", false}};
        (void)state;
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                xpm_shell_state shell = XPM_SHELL_START;
                for (const char *c = samples[i].before; *c; c++)
                        xpm_shell_step(&shell, *c);
                if (xpm_shell_expands(&shell) != samples[i].expands)
                        fail_msg("«%s»", samples[i].before);
        }
}

/* --- bash has the last word --- */

static const char *const fragments[] = {
        "echo ",   " ",     "'",       "\"",         "\\",
        "`",       "$(",    ")",       "(",          "\n",
        "#",       "${x:-", "}",       "$((",        "))",
        "((",      "$[",    "]",       "<<E\n",      "<<-E\n",
        "<<'E'\n", "\nE\n", "\n\tE\n", "$'",         "case x in x) ",
        ";; esac", ";",     "a",       "1",          "$",
        "=",       "{ ",    "\n}\n",   "<<<",        "if true; then ",
        "\nfi\n",  "[[ ",   " ]]",     "cat <<E $(", "$\"",
        "&& ",     "x=(",   "!",       "\\\n",
};
enum { FRAGMENTS = sizeof fragments / sizeof *fragments, LONGEST = 12 };

/* Ends whatever quotes could be around it, and then writes to descriptor 9. */
static const char payload[] = "'\" $(echo HIT >&9) `echo HIT >&9` ; echo HIT >&9 # ' ; echo HIT >&9 \" ; echo HIT >&9\n"
                              "E\necho HIT >&9\n) ; echo HIT >&9 )) ; echo HIT >&9 } ; echo HIT >&9\n";

static uint64_t next(uint64_t *seed)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        return *seed ^= *seed << 17;
}

/* A script with a value in each of some plain places; false when there is no such place. */
static bool make_script(uint64_t *seed, const char *value, xpm_text *script)
{
        xpm_shell_state state = XPM_SHELL_START;
        bool placed = false;
        xpm_text_clear(script);
        for (size_t count = 1 + next(seed) % LONGEST; count > 0; count--) {
                const char *fragment = fragments[next(seed) % FRAGMENTS];
                xpm_text_puts(script, fragment);
                for (; *fragment; fragment++)
                        xpm_shell_step(&state, *fragment);
                if (next(seed) % 3 == 0 && xpm_shell_place(&state) == XPM_SHELL_PLAIN) {
                        xpm_text_shell_quote(script, value, strlen(value));
                        xpm_shell_value(&state);
                        placed = true;
                }
        }
        return placed;
}

/* What the script, run by bash, writes to descriptor 9: its length; *COMPLAINS when bash found it malformed. */
static ssize_t run(const char *option, const xpm_text *script, bool *complains)
{
        const char *const argv[] = {"/bin/bash", option, xpm_text_string(script), NULL};
        const char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
        int pipes[2], status;
        xpm_spawn spawn = XPM_SPAWN_INIT;
        xpm_child child;
        char hit[8];
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        spawn.argv = argv;
        spawn.env = env;
        spawn.cwd = "/";
        spawn.keep[0] = (xpm_kept){pipes[1], 9};
        assert_int_equal(xpm_spawn_start(&spawn, &child, NULL, NULL), 0);
        close(pipes[1]);
        ssize_t length = read(pipes[0], hit, sizeof hit);
        close(pipes[0]);
        close(child.pidfd);
        waitpid(child.pid, &status, 0);
        *complains = status != 0;
        return length;
}

static void value_in_a_plain_place_is_never_run(void **state)
{
        (void)state;
        const char *scripts = getenv("XPM_FUZZ_SCRIPTS");
        uint64_t seed = getenv("XPM_FUZZ_SEED") ? strtoull(getenv("XPM_FUZZ_SEED"), NULL, 10) : 88172645463325252u;
        xpm_text script = XPM_TEXT_INIT;
        for (long left = scripts ? atol(scripts) : 100; left > 0;) {
                bool malformed;
                uint64_t again = seed;
                if (!make_script(&seed, "a", &script))
                        continue;
                run("-nc", &script, &malformed);
                if (malformed)
                        continue;
                left--;
                make_script(&again, payload, &script);
                if (run("-c", &script, &malformed) > 0)
                        fail_msg("the value was run in «%s»", xpm_text_string(&script));
        }
        xpm_text_release(&script);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(words_are_plain),
                cmocka_unit_test(quotes_are_seen),
                cmocka_unit_test(substitution_is_a_script_of_its_own),
                cmocka_unit_test(comment_begins_at_a_word),
                cmocka_unit_test(document_ends_at_its_delimiter),
                cmocka_unit_test(what_cannot_be_followed_is_lost),
                cmocka_unit_test(lost_is_for_good),
                cmocka_unit_test(value_before_a_redirection_is_a_descriptor),
                cmocka_unit_test(expansion_is_seen_where_the_shell_expands),
                cmocka_unit_test(value_in_a_plain_place_is_never_run),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
