#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "failing_malloc.h"

#define assert_text(text, expected)                                      \
        do {                                                             \
                assert_string_equal(xpm_text_string(&(text)), expected); \
                xpm_text_clear(&(text));                                 \
        } while (0)

static void strings_are_escaped_where_json_says_so(void **state)
{
        (void)state;
        static const struct {
                const char *in, *out;
        } table[] = {
                {"", "\"\""},
                {"plain", "\"plain\""},
                {"say \"x\" \\ /", "\"say \\\"x\\\" \\\\ /\""},
                {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
                {"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""},
                {"caf\xC3\xA9 \xF0\x9F\x90\x8C", "\"caf\xC3\xA9 \xF0\x9F\x90\x8C\""},
                {"a\xFFz", "\"a\xEF\xBF\xBDz\""},
                {"\xC3", "\"\xEF\xBF\xBD\""},
                {"\xC3\"", "\"\xEF\xBF\xBD\\\"\""},
                {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        };
        xpm_text text = XPM_TEXT_INIT;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_json_cstring(&text, table[i].in);
                assert_text(text, table[i].out);
        }
        xpm_json_string(&text, "a\0b", 3);
        assert_text(text, "\"a\\u0000b\"");
        xpm_json_cstring(&text, NULL);
        assert_text(text, "null");
        xpm_text_release(&text);
}

static void numbers_and_bools_are_written(void **state)
{
        (void)state;
        static const struct {
                int64_t value;
                const char *out;
        } ints[] = {
                {0, "0"},
                {-1, "-1"},
                {1234567890, "1234567890"},
                {INT64_MAX, "9223372036854775807"},
                {INT64_MIN, "-9223372036854775808"},
        };
        static const struct {
                double value;
                const char *out;
        } floats[] = {
                {1, "1.0"},       {-0.0, "-0.0"}, {1e-5, "1e-05"}, {INFINITY, "\"inf\""}, {-INFINITY, "\"-inf\""},
                {NAN, "\"nan\""},
        };
        xpm_text text = XPM_TEXT_INIT;
        for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
                xpm_json_int(&text, ints[i].value);
                assert_text(text, ints[i].out);
        }
        for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
                xpm_json_float(&text, floats[i].value);
                assert_text(text, floats[i].out);
        }
        xpm_json_bool(&text, true);
        xpm_json_bool(&text, false);
        assert_text(text, "truefalse");
        xpm_text_release(&text);
}

static void write_document(xpm_text *text)
{
        xpm_text_putc(text, '{');
        xpm_json_key(text, "a");
        xpm_json_int(text, 1);
        xpm_json_key(text, "b\n");
        xpm_text_putc(text, '[');
        for (int i = 0; i < 3; i++) {
                xpm_json_item(text);
                xpm_json_float(text, i);
        }
        xpm_text_putc(text, ']');
        xpm_json_key(text, "c");
        xpm_text_puts(text, "{}");
        xpm_text_putc(text, '}');
}

static void commas_stand_between_items_alone(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_json_item(&text);
        xpm_json_key(&text, "first");
        assert_text(text, "\"first\": ");
        write_document(&text);
        assert_text(text, "{\"a\": 1, \"b\\n\": [0.0, 1.0, 2.0], \"c\": {}}");
        xpm_text_release(&text);
}

static void every_allocation_may_fail(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                xpm_text text = XPM_TEXT_INIT;
                failing_malloc_arm(n);
                for (int i = 0; i < 20; i++)
                        write_document(&text);
                bool struck = failing_malloc_disarm();
                assert_int_equal(text.failed, struck);
                xpm_text_release(&text);
                if (!struck)
                        break;
        }
}

static void a_nul_is_hidden_where_it_is_one(void **state)
{
        (void)state;
        static const char *const table[][2] = {
                {"{\"a\\u0000b\": \"\\u0000\\u0000\"}", "{\"a\\ufffdb\": \"\\ufffd\\ufffd\"}"},
                {"\"\\\\u0000\"", NULL},
                {"\"\\\\\\u0000\"", "\"\\\\\\ufffd\""},
                {"\"\\u000", NULL},
                {"\\", NULL},
                {"", NULL},
        };
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                char text[64];
                strcpy(text, table[i][0]);
                assert_int_equal(xpm_json_hide_nul(text, strlen(text)), table[i][1] != NULL);
                assert_string_equal(text, table[i][1] ? table[i][1] : table[i][0]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(strings_are_escaped_where_json_says_so),
                cmocka_unit_test(numbers_and_bools_are_written),
                cmocka_unit_test(commas_stand_between_items_alone),
                cmocka_unit_test(a_nul_is_hidden_where_it_is_one),
                cmocka_unit_test(every_allocation_may_fail),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
