#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "failing_malloc.h"
#include "model/filter.h"

/* n = 3, x = 0.5, big = 2^53 + 1, s = text, num = "010", yes = true, no = null; nothing else. */
static int look_up(void *data, const char *name, xpm_filter_value *out, xpm_error *err)
{
        (void)err;
        size_t *calls = data;
        if (calls)
                ++*calls;
        if (strcmp(name, "n") == 0)
                *out = (xpm_filter_value){.kind = XPM_INT, .integer = 3};
        else if (strcmp(name, "x") == 0)
                *out = (xpm_filter_value){.kind = XPM_FLOAT, .number = 0.5};
        else if (strcmp(name, "big") == 0)
                *out = (xpm_filter_value){.kind = XPM_INT, .integer = 9007199254740993};
        else if (strcmp(name, "yes") == 0)
                *out = (xpm_filter_value){.kind = XPM_BOOL, .boolean = true};
        else if (strcmp(name, "no") == 0)
                *out = (xpm_filter_value){.kind = XPM_NULL};
        else if (strcmp(name, "s") == 0 || strcmp(name, "num") == 0 || strcmp(name, "@state") == 0 ||
                 strcmp(name, "a-b.c_1") == 0) {
                out->kind = XPM_STR;
                out->string = strcmp(name, "num") == 0 ? "010" : strcmp(name, "s") == 0 ? "text" : "DONE";
                out->length = strlen(out->string);
        } else if (strcmp(name, "fails") == 0)
                return XPM_EIO;
        return 0;
}

static void conditions_hold_or_not(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int holds;
        } cases[] = {
                {"@state = \"DONE\"", 1},
                {"@state = 'DONE' and s in [\"a\", \"text\"]", 1},
                {"s = \"text\"", 1},
                {"s == \"text\"", 1},
                {"s = \"Text\"", 0},
                {"s != \"text\"", 0},
                {"s=\"text\"and n=3", 1},
                {"a-b.c_1 = 'DONE'", 1},
                /* numbers by value, also when one is a text */
                {"n = 3", 1},
                {"n = 3.0", 1},
                {"n = 0x3", 1},
                {"n = \"3\"", 1},
                {"n = \"3e0\"", 1},
                {"n = \"x\"", 0},
                {"n = -3", 0},
                {"num = 10", 1},
                {"num = \"10\"", 0},
                {"x = .5", 1},
                {"x = 5e-1", 1},
                {"big = 9007199254740993", 1},
                {"big = 9007199254740992", 0},
                {"big = 9007199254740992.0", 0},
                {"n = x", 0},
                {"n = n", 1},
                /* bools and null */
                {"yes = true", 1},
                {"yes = \"true\"", 1},
                {"yes = \"True\"", 1},
                {"yes = false", 0},
                {"yes = 1", 0},
                {"no = null", 1},
                {"missing = null", 1},
                {"missing = no", 1},
                {"missing = \"x\"", 0},
                {"missing != \"x\"", 1},
                {"missing = other", 1},
                {"s = null", 0},
                /* lists */
                {"n in [1, 2, 3]", 1},
                {"n in [\"3\"]", 1},
                {"n not in [1, 2]", 1},
                {"n not in [3]", 0},
                {"missing in [\"a\"]", 0},
                {"missing not in [\"a\"]", 1},
                {"missing in [null]", 1},
                /* regular expressions, from the beginning */
                {"s ~ \"te\"", 1},
                {"s ~ \"ext\"", 0},
                {"s ~ \".*ext\"", 1},
                {"s ~ \"t..t$\"", 1},
                {"s ~ '\\w+'", 1},
                {"s ~ \"TE\"", 0},
                {"@state ~ 'done'", 1},
                {"@state ~ 'D|e'", 1},
                {"n ~ \"3\"", 1},
                {"x ~ '0\\.5'", 1},
                {"yes ~ 'tr'", 1},
                {"missing ~ \".*\"", 0},
                {"no ~ \".*\"", 0},
                /* and before or */
                {"n = 3 or n = 4 and n = 5", 1},
                {"(n = 3 or n = 4) and n = 5", 0},
                {"n = 5 and n = 4 or n = 3", 1},
                {"n = 5 and (n = 4 or n = 3)", 0},
                {"((n = 3))", 1},
                {"n = 1 or n = 2 or n = 3", 1},
                {"n = 3 and x = 0.5 and s = 'text'", 1},
                {" n\t=\n3 ", 1},
                {"s = 'it is \"so\"'", 0},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_filter *filter = NULL;
                xpm_error err = XPM_ERROR_NONE;
                int rc = xpm_filter_parse(arena, cases[i].text, &filter, &err);
                if (rc == 0)
                        rc = xpm_filter_eval(filter, look_up, NULL, &err);
                if (rc != cases[i].holds)
                        fail_msg("%s: %d %s", cases[i].text, rc, err.message);
                xpm_arena_destroy(arena);
        }
}

static void filters_that_are_wrong(void **state)
{
        (void)state;
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"", "filter '', column 1: expected the name of a tag, found the end"},
                {"3 = n", "filter '3 = n', column 1: expected the name of a tag, found '3'"},
                {"n", "filter 'n', column 2: expected '=', '!=', '~', 'in' or 'not in', found the end"},
                {"n > 3", "filter 'n > 3', column 3: expected '=', '!=', '~', 'in' or 'not in', found '>'"},
                {"n =", "filter 'n =', column 4: expected a name, a number or a text in quotes, found the end"},
                {"n = 2026-01-01",
                 "filter 'n = 2026-01-01', column 5: expected a number, or quotes around the text, found '2026-01-01'"},
                {"s = \"abc", "filter 's = \"abc', column 5: the quote is never closed"},
                {"n not 3", "filter 'n not 3', column 7: expected 'in', found '3'"},
                {"n in 3", "filter 'n in 3', column 6: expected '[', found '3'"},
                {"n in []", "filter 'n in []', column 7: expected a number or a text in quotes, found ']'"},
                {"n in [a]", "filter 'n in [a]', column 7: expected a number or a text in quotes, found 'a'"},
                {"n in [1 2]", "filter 'n in [1 2]', column 9: expected ',' or ']', found '2'"},
                {"n in [1", "filter 'n in [1', column 8: expected ',' or ']', found the end"},
                {"s ~ abc", "filter 's ~ abc', column 5: expected a regular expression in quotes, found 'abc'"},
                {"s ~ \"(\"", "filter 's ~ \"(\"', column 7: missing closing parenthesis"},
                {"n = 3 n = 4", "filter 'n = 3 n = 4', column 7: expected 'and', 'or' or the end, found 'n'"},
                {"(n = 3", "filter '(n = 3', column 7: expected 'and', 'or' or ')', found the end"},
                {"n = 3)", "filter 'n = 3)', column 6: expected 'and', 'or' or the end, found ')'"},
                {"n = 3 and", "filter 'n = 3 and', column 10: expected the name of a tag, found the end"},
                {"n = $", "filter 'n = $', column 5: expected a name, a number or a text in quotes, found '$'"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_filter *filter = NULL;
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(xpm_filter_parse(arena, cases[i].text, &filter, &err), XPM_EUSAGE);
                assert_string_equal(err.message, cases[i].message);
                assert_null(filter);
                xpm_arena_destroy(arena);
        }
}

static void parentheses_nest_so_far_and_no_further(void **state)
{
        (void)state;
        char text[100000];
        xpm_arena *arena = xpm_arena_create();
        xpm_filter *filter = NULL;
        xpm_error err = XPM_ERROR_NONE;
        snprintf(text, sizeof text, "%0200dn = 3%0200d", 0, 0);
        for (char *c = text; *c; c++)
                *c = *c != '0' ? *c : c < text + 200 ? '(' : ')';
        assert_int_equal(xpm_filter_parse(arena, text, &filter, &err), 0);
        memset(text, '(', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        assert_int_equal(xpm_filter_parse(arena, text, &filter, &err), XPM_EUSAGE);
        assert_string_equal(err.message, "a filter has more than 200 parentheses in one another");
        xpm_arena_destroy(arena);
}

static void names_are_listed_in_order_of_writing(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_filter *filter = NULL;
        assert_int_equal(xpm_filter_parse(arena, "b = a and (@state ~ 'x' or b in [1])", &filter, NULL), 0);
        assert_string_equal(xpm_filter_name(filter, 0), "b");
        assert_string_equal(xpm_filter_name(filter, 1), "a");
        assert_string_equal(xpm_filter_name(filter, 2), "@state");
        assert_string_equal(xpm_filter_name(filter, 3), "b");
        assert_null(xpm_filter_name(filter, 4));
        xpm_arena_destroy(arena);
}

static void evaluation_stops_when_the_answer_is_known(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_filter *filter = NULL;
        size_t calls = 0;
        assert_int_equal(xpm_filter_parse(arena, "n = 3 or n = 4 or n = 5", &filter, NULL), 0);
        assert_int_equal(xpm_filter_eval(filter, look_up, &calls, NULL), 1);
        assert_int_equal(calls, 1);
        calls = 0;
        assert_int_equal(xpm_filter_parse(arena, "n = 4 and n = 3 and n = 3", &filter, NULL), 0);
        assert_int_equal(xpm_filter_eval(filter, look_up, &calls, NULL), 0);
        assert_int_equal(calls, 1);
        xpm_arena_destroy(arena);
}

static void error_of_the_lookup_ends_the_evaluation(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_filter *filter = NULL;
        assert_int_equal(xpm_filter_parse(arena, "n = fails or n = 3", &filter, NULL), 0);
        assert_int_equal(xpm_filter_eval(filter, look_up, NULL, NULL), XPM_EIO);
        xpm_arena_destroy(arena);
}

/* A value on which `(a+)+$` tries every way to cut it into pieces. */
static int look_up_long(void *data, const char *name, xpm_filter_value *out, xpm_error *err)
{
        (void)data;
        (void)name;
        (void)err;
        *out = (xpm_filter_value){.kind = XPM_STR};
        out->string = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
        out->length = strlen(out->string);
        return 0;
}

static void expression_that_needs_too_long_is_an_error(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_filter *filter = NULL;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_filter_parse(arena, "v ~ '(a+)+$'", &filter, &err), 0);
        assert_int_equal(xpm_filter_eval(filter, look_up_long, NULL, &err), XPM_EUSAGE);
        assert_string_equal(err.message, "the regular expression for 'v' takes too long on "
                                         "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'");
        xpm_arena_destroy(arena);
}

static void no_allocation_that_fails_is_forgotten(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_filter *filter = NULL;
                failing_malloc_arm(n);
                int rc = xpm_filter_parse(arena, "n in [1, 'a'] and (s ~ 'a(b)' or x = y)", &filter, NULL);
                bool struck = failing_malloc_disarm();
                xpm_arena_destroy(arena);
                assert_int_equal(rc, struck ? XPM_ENOMEM : 0);
                if (!struck)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(conditions_hold_or_not),
                cmocka_unit_test(filters_that_are_wrong),
                cmocka_unit_test(parentheses_nest_so_far_and_no_further),
                cmocka_unit_test(names_are_listed_in_order_of_writing),
                cmocka_unit_test(evaluation_stops_when_the_answer_is_known),
                cmocka_unit_test(error_of_the_lookup_ends_the_evaluation),
                cmocka_unit_test(expression_that_needs_too_long_is_an_error),
                cmocka_unit_test(no_allocation_that_fails_is_forgotten),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
