#include "yaml_case.h"

#include "base/words.h"
#include "plan/yamltext.h"

static void bytes_that_cannot_stand_in_a_file_have_a_position(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                size_t length;
                const char *message; /* NULL: fine */
        } cases[] = {
                {"a\tb\r\nc\xc2\x85", 8, NULL},
                {"\xf0\x9f\x98\x80\xef\xbf\xbd", 7, NULL},
                {"a\nb\xff", 4, "x.yaml:2:2: the text is not UTF-8 (byte 0xFF): save it in that encoding"},
                {"\xc3\xa9\r\xc3\xa9\xe9", 6,
                 "x.yaml:2:2: the text is not UTF-8 (byte 0xE9): save it in that encoding"},
                {"a\r\n\r\n\x07", 6,
                 "x.yaml:3:1: the control character U+0007 cannot stand in a file: write it \"\\u0007\", in "
                 "double quotes"},
                {"a\0b", 3,
                 "x.yaml:1:2: the control character U+0000 cannot stand in a file: write it \"\\u0000\", in double "
                 "quotes"},
                {"\x7f", 1,
                 "x.yaml:1:1: the control character U+007F cannot stand in a file: write it \"\\u007f\", in double "
                 "quotes"},
                {"\xc2\x80", 2,
                 "x.yaml:1:1: the control character U+0080 cannot stand in a file: write it \"\\u0080\", in "
                 "double quotes"},
                {"a\xef\xbf\xbe", 4,
                 "x.yaml:1:2: the control character U+FFFE cannot stand in a file: write it \"\\ufffe\", in "
                 "double quotes"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_error err = XPM_ERROR_NONE;
                int rc = xpm_yaml_text_check(&yaml_case_source, cases[i].text, cases[i].length, &err);
                yaml_case_check_error(cases[i].text, rc, cases[i].message ? XPM_EPLAN : 0, &err,
                                      cases[i].message ? cases[i].message : "");
        }
}

static void nothing_is_copied_when_nothing_needs_hiding(void **state)
{
        (void)state;
        static const char *const texts[] = {"",
                                            "plain",
                                            "\\ud83d alone",
                                            "\\ude00\\ud83d",
                                            "\\ud83d\\u0041",
                                            "\\\\ud83d\\ude0",
                                            "\\\\ud83d\\ude00",
                                            "\\ud83d\\ude0"};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                bool failed;
                xpm_yaml_hidden how;
                assert_null(xpm_yaml_hide(texts[i], strlen(texts[i]), &how, &failed));
                assert_false(failed);
        }
}

static void what_is_hidden_has_the_same_length_and_comes_back(void **state)
{
        (void)state;
        static const char *const texts[] = {"\\ud83d\\ude00",
                                            "\\uD83D\\uDE00",
                                            "x\\uDbfF\\udFfFy",
                                            "\\uD800\\uDc00\\ud800\\udC00",
                                            "a\xe2\x80\xa8"
                                            "b\xe2\x80\xa9"
                                            "c\xc2\x85",
                                            "\xde\xbf\xef\xb7\x90\xef\xb7\x91\xe2\x80\xa8\xe2\x80\xa9\xc2\x85",
                                            "\\uFFFE000000\xe2\x80\xa8",
                                            "\\\\\\ud83d\\ude00"};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                bool failed;
                xpm_yaml_hidden how;
                size_t length = strlen(texts[i]);
                char *hidden = xpm_yaml_hide(texts[i], length, &how, &failed);
                assert_non_null(hidden);
                assert_memory_not_equal(hidden, texts[i], length);
                assert_int_equal(xpm_utf8_check(hidden, length), length);
                assert_int_equal(xpm_yaml_show(&how, hidden, length, false), length);
                assert_memory_equal(hidden, texts[i], length);
                free(hidden);
        }
}

static void a_decoded_pair_is_its_character(void **state)
{
        (void)state;
        static const struct {
                const char *escaped, *character;
        } cases[] = {{"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
                     {"\\uD800\\uDC00", "\xf0\x90\x80\x80"},
                     {"\\udbff\\udfff", "\xf4\x8f\xbf\xbf"}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                bool failed;
                xpm_yaml_hidden how;
                char *hidden = xpm_yaml_hide(cases[i].escaped, 12, &how, &failed), text[16];
                assert_non_null(hidden);
                assert_memory_equal(hidden, "\\uFFFE", 6);
                /* What libyaml makes of it. */
                memcpy(text, "\xef\xbf\xbe", 3);
                memcpy(text + 3, hidden + 6, 6);
                assert_int_equal(xpm_yaml_show(&how, text, 9, true), 4);
                assert_memory_equal(text, cases[i].character, 4);
                free(hidden);
        }
}

static void an_offset_counts_characters(void **state)
{
        (void)state;
        const char *text = "a\xc3\xa9\xf0\x9f\x98\x80"
                           "b";
        static const size_t offsets[] = {0, 1, 3, 7, 8, 8};
        for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
                assert_int_equal(xpm_yaml_offset(text, 8, 0, i), offsets[i]);
        assert_int_equal(xpm_yaml_offset(text, 8, 3, 1), 7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bytes_that_cannot_stand_in_a_file_have_a_position),
                cmocka_unit_test(nothing_is_copied_when_nothing_needs_hiding),
                cmocka_unit_test(what_is_hidden_has_the_same_length_and_comes_back),
                cmocka_unit_test(a_decoded_pair_is_its_character),
                cmocka_unit_test(an_offset_counts_characters),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
