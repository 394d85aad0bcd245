#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/words.h"

static void one_slip_is_told_from_none_and_two(void **state)
{
        (void)state;
        static const struct {
                const char *a, *b;
                bool slip;
        } table[] = {
                {"command", "command", false},
                {"command", "comand", true},
                {"command", "commmand", true},
                {"command", "commend", true},
                {"command", "ocmmand", true},
                {"command", "commadn", true},
                {"command", "Command", true},
                {"command", "COMMAND", true},
                {"command", "COMAND", true},
                {"command", "omman", false},
                {"command", "ocmmadn", false},
                {"command", "dommanc", false},
                {"ab", "ba", true},
                {"abc", "cba", false},
                {"", "", false},
                {"", "a", true},
                {"", "ab", false},
                {"caf\xC3\xA9", "cafe", true},
                {"caf\xC3\xA9", "caf", true},
                {"caf\xC3\xA9",
                 "ca\xC3\xA9"
                 "f",
                 true},
                {"\xFF", "a", true},
        };
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                assert_int_equal(xpm_words_slip(table[i].a, table[i].b), table[i].slip);
                assert_int_equal(xpm_words_slip(table[i].b, table[i].a), table[i].slip);
        }
}

static void very_long_words_are_near_nothing(void **state)
{
        (void)state;
        char a[500], b[500];
        memset(a, 'x', sizeof a);
        memset(b, 'x', sizeof b);
        a[498] = b[499] = '\0';
        const char *candidates[] = {b};
        assert_false(xpm_words_slip(a, b));
        assert_null(xpm_words_nearest(a, candidates, 1));
        assert_null(xpm_words_nearest("x", candidates, 1));
}

static void nearest_word_is_suggested_when_it_is_near(void **state)
{
        (void)state;
        static const char *const keys[] = {"command", "outputs", "requirements", "env", "cwd", "Tags", NULL, "x"};
        static const struct {
                const char *word, *nearest;
        } table[] = {
                {"comand", "command"},
                {"COMMAND", "command"},
                {"requirement", "requirements"},
                {"requiremets", "requirements"},
                {"requermets", "requirements"},
                {"evn", "env"},
                {"cdw", "cwd"},
                {"tags", "Tags"},
                {"tasg", "Tags"},
                {"output", "outputs"},
                {"putput", "outputs"},
                {"zebra", NULL},
                {"commander-in-chief", NULL},
                {"y", NULL},
                {"X", "x"},
                {"", NULL},
        };
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                const char *found = xpm_words_nearest(table[i].word, keys, sizeof keys / sizeof *keys);
                if (table[i].nearest)
                        assert_string_equal(found ? found : "(none)", table[i].nearest);
                else
                        assert_null(found);
        }
        assert_null(xpm_words_nearest("x", NULL, 0));
}

static void nearer_and_then_earlier_candidate_wins(void **state)
{
        (void)state;
        static const char *const words[] = {"abcdefxy", "abcdefx", "abcdefz", "ABCDEF"};
        assert_ptr_equal(xpm_words_nearest("abcdefg", words, 4), words[1]);
        assert_ptr_equal(xpm_words_nearest("abcdef", words, 4), words[3]);
        assert_ptr_equal(xpm_words_nearest("abcdef", words, 3), words[1]);
}

static void first_invalid_byte_is_found(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                size_t length, offset;
        } table[] = {
                {"", 0, 0},
                {"ascii only, longer than eight bytes", 35, 35},
                {"a\0b", 3, 3},
                {"\xC2\x80", 2, 2},
                {"\xDF\xBF", 2, 2},
                {"\xE0\xA0\x80", 3, 3},
                {"\xED\x9F\xBF", 3, 3},
                {"\xEE\x80\x80", 3, 3},
                {"\xEF\xBF\xBF", 3, 3},
                {"\xF0\x90\x80\x80", 4, 4},
                {"\xF4\x8F\xBF\xBF", 4, 4},
                {"ok\x80", 3, 2},
                {"ok\xC0\x80", 4, 2},
                {"ok\xC1\xBF", 4, 2},
                {"\xE0\x9F\xBF", 3, 0},
                {"\xED\xA0\x80", 3, 0},
                {"\xED\xBF\xBF", 3, 0},
                {"\xF0\x8F\xBF\xBF", 4, 0},
                {"\xF4\x90\x80\x80", 4, 0},
                {"\xF5\x80\x80\x80", 4, 0},
                {"\xFE", 1, 0},
                {"\xC3", 1, 0},
                {"\xE2\x82", 2, 0},
                {"\xF0\x9F\x90", 3, 0},
                {"\xE2\x82z", 3, 0},
                {"\xF0\x9F\x90z", 4, 0},
                {"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3", 9, 8},
                {"12345678901234567890\xFF", 21, 20},
        };
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
                assert_int_equal(xpm_utf8_check(table[i].text, table[i].length), table[i].offset);
}

static void patterns_match_whole_names(void **state)
{
        (void)state;
        static const struct {
                const char *pattern, *text;
                bool match;
        } table[] = {
                {"*", "anything/at all", true}, {"", "", true},        {"", "x", false},     {"exp-*", "exp-1", true},
                {"exp-*", "my-exp", false},     {"?x", "ax", true},    {"?x", "x", false},   {"[ab]1", "b1", true},
                {"[!ab]1", "b1", false},        {"[a-c]", "b", true},  {"a\\*", "a*", true}, {"a\\*", "ab", false},
                {"abc", "abcd", false},         {"ABC", "abc", false},
        };
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
                assert_int_equal(xpm_words_match(table[i].pattern, table[i].text), table[i].match);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_slip_is_told_from_none_and_two),
                cmocka_unit_test(very_long_words_are_near_nothing),
                cmocka_unit_test(nearest_word_is_suggested_when_it_is_near),
                cmocka_unit_test(nearer_and_then_earlier_candidate_wins),
                cmocka_unit_test(first_invalid_byte_is_found),
                cmocka_unit_test(patterns_match_whole_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
