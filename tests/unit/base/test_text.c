#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "failing_malloc.h"

static void empty_text_is_the_empty_string(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        assert_string_equal(xpm_text_string(&text), "");
        xpm_text_clear(&text);
        xpm_text_cut(&text, 0);
        char *taken = xpm_text_take(&text);
        assert_string_equal(taken, "");
        free(taken);
        xpm_text_release(&text);
}

static void pieces_are_joined_and_terminated(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, "ab");
        xpm_text_putc(&text, 'c');
        xpm_text_append(&text, "d\0e", 3);
        xpm_text_append(&text, NULL, 0);
        xpm_text_printf(&text, "-%d-", 42);
        assert_int_equal(text.length, 10);
        assert_memory_equal(xpm_text_string(&text), "abcd\0e-42-", 11);
        xpm_text_release(&text);
        assert_null(text.data);
}

static void every_length_around_the_capacity_fits(void **state)
{
        (void)state;
        char expected[300];
        for (size_t length = 0; length < sizeof expected; length++) {
                xpm_text by_char = XPM_TEXT_INIT, by_format = XPM_TEXT_INIT, whole = XPM_TEXT_INIT;
                memset(expected, 'q', length);
                expected[length] = '\0';
                for (size_t i = 0; i < length; i++)
                        xpm_text_putc(&by_char, 'q');
                xpm_text_printf(&by_format, "%s", expected);
                xpm_text_append(&whole, expected, length);
                xpm_text *texts[] = {&by_char, &by_format, &whole};
                for (int i = 0; i < 3; i++) {
                        assert_string_equal(xpm_text_string(texts[i]), expected);
                        assert_true(texts[i]->capacity == 0 || texts[i]->capacity > texts[i]->length);
                        xpm_text_release(texts[i]);
                }
        }
}

static void cut_and_clear_keep_the_memory(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, "abcdef");
        size_t capacity = text.capacity;
        xpm_text_cut(&text, 7);
        assert_string_equal(text.data, "abcdef");
        xpm_text_cut(&text, 2);
        assert_string_equal(text.data, "ab");
        xpm_text_clear(&text);
        assert_string_equal(text.data, "");
        assert_int_equal(text.length, 0);
        assert_int_equal(text.capacity, capacity);
        xpm_text_release(&text);
}

static void take_leaves_an_empty_text(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, "one");
        char *one = xpm_text_take(&text);
        xpm_text_puts(&text, "two");
        assert_string_equal(one, "one");
        assert_string_equal(xpm_text_string(&text), "two");
        free(one);
        xpm_text_release(&text);
}

static void reserve_makes_room_for_writing_directly(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, "x");
        xpm_text_reserve(&text, 5000);
        assert_true(text.capacity > 5001);
        assert_string_equal(text.data, "x");
        xpm_text_release(&text);
}

static void impossible_length_fails_and_is_remembered(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, "kept");
        xpm_text_reserve(&text, SIZE_MAX - 2);
        assert_true(text.failed);
        xpm_text_append(&text, "ignored", 7);
        assert_string_equal(xpm_text_string(&text), "kept");
        xpm_text_clear(&text);
        assert_true(text.failed);
        assert_null(xpm_text_take(&text));
        assert_false(text.failed);
}

static void memory_failure_is_asked_once_at_the_end(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                xpm_text text = XPM_TEXT_INIT;
                failing_malloc_arm(n);
                for (int i = 0; i < 100; i++) {
                        xpm_text_puts(&text, "some text ");
                        xpm_text_printf(&text, "%d %s", i, "and more of it than there was room for before");
                        xpm_text_shell_quote(&text, "it's", 4);
                }
                bool struck = failing_malloc_disarm();
                assert_int_equal(text.failed, struck);
                if (text.data)
                        assert_int_equal(strlen(text.data), text.length);
                char *taken = xpm_text_take(&text);
                assert_int_equal(taken == NULL, struck);
                free(taken);
                if (!struck)
                        break;
        }
}

static void shell_reads_back_what_was_quoted(void **state)
{
        (void)state;
        static const struct {
                const char *in, *out;
        } table[] = {
                {"", "''"},
                {"plain", "plain"},
                {"a/B-9_@%+=:,.", "a/B-9_@%+=:,."},
                {"two words", "'two words'"},
                {"it's", "'it'\\''s'"},
                {"'", "''\\'''"},
                {"''", "''\\'''\\'''"},
                {"$HOME `x` \"y\" \\ \n*", "'$HOME `x` \"y\" \\ \n*'"},
                {"~", "'~'"},
                {"{{x}}", "'{{x}}'"},
                {"caf\xC3\xA9", "'caf\xC3\xA9'"},
        };
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_text text = XPM_TEXT_INIT, command = XPM_TEXT_INIT;
                xpm_text_shell_quote(&text, table[i].in, strlen(table[i].in));
                assert_string_equal(xpm_text_string(&text), table[i].out);

                xpm_text_printf(&command, "printf %%s %s", xpm_text_string(&text));
                char echoed[100] = "";
                FILE *shell = popen(xpm_text_string(&command), "r");
                assert_non_null(shell);
                size_t length = fread(echoed, 1, sizeof echoed - 1, shell);
                assert_int_equal(pclose(shell), 0);
                assert_int_equal(length, strlen(table[i].in));
                assert_string_equal(echoed, table[i].in);
                xpm_text_release(&command);
                xpm_text_release(&text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(empty_text_is_the_empty_string),
                cmocka_unit_test(pieces_are_joined_and_terminated),
                cmocka_unit_test(every_length_around_the_capacity_fits),
                cmocka_unit_test(cut_and_clear_keep_the_memory),
                cmocka_unit_test(take_leaves_an_empty_text),
                cmocka_unit_test(reserve_makes_room_for_writing_directly),
                cmocka_unit_test(impossible_length_fails_and_is_remembered),
                cmocka_unit_test(memory_failure_is_asked_once_at_the_end),
                cmocka_unit_test(shell_reads_back_what_was_quoted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
