#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"
#include "plan/pattern.h"

/* How values of `where` and `exclude` compare with those of tags. */
static void patterns_match(void **state)
{
        static const struct {
                const char *param, *swept, *pattern;
                bool matches;
        } cases[] = {
                {"int", "5", "5", true},
                {"int", "5", "5.0", true},
                {"int", "5", "0x5", true},
                {"int", "5", "'5'", false},
                {"int", "5", "[4, 5]", true},
                {"int", "5", "[]", false},
                {"float", "0.1", "1e-1", true},
                {"float", "0.1", "0.11", false},
                {"float", ".inf", ".inf", true},
                {"bool", "true", "true", true},
                {"bool", "true", "'true'", false},
                {"bool", "true", "1", false},
                {"str", "a b", "a b", true},
                {"str", "010", "'010'", true},
                {"str", "010", "10", false},
                {"str", "no", "no", true},
                {"str", "no", "[yes, no]", true},
                {"str", "null", "null", true},
                {"int?", "null", "null", true},
                {"int?", "null", "~", true},
                {"int?", "1", "null", false},
                {"e", "red", "red", true},
                {"e", "red", "green", false},
                {"'list[int]'", "[1, 2]", "[[1, 2]]", true},
                {"'list[int]'", "[1, 2]", "[1, 2]", false},
                {"'list[int]'", "[1, 2]", "[[1, 2, 3], [1.0, 2]]", true},
                {"m", "{h: 4}", "{h: 4}", true},
                {"m", "{h: 4}", "{h: 4, lr: 0.5}", true},
                {"m", "{h: 4}", "{h: [3, 4]}", false},
                {"m", "{h: 4}", "{type: m}", true},
                {"m", "{h: 4}", "{type: deep}", false},
                {"m", "{h: 4}", "{l: null}", true},
                {"m", "{type: deep}", "{type: deep, l: 3}", true},
                {"m", "{h: 4}", "[{h: 3}, {h: 4}]", true},
                {"'dict[str, int]'", "{a: 1, b: 2}", "{a: 1}", true},
                {"'dict[str, int]'", "{a: 1, b: 2}", "{a: 2}", false},
                {"'dict[str, int]'", "{\"a\\0b\": 1}", "{\"a\\0b\": 1}", true},
                {"'dict[str, int]'", "{a: 1}", "{\"a\\0b\": 1}", false},
                {"path", "d/x", "d/x", true},
                {"path", "d/x", "d/y", false},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[1024];
                struct expansion e;
                bool path = strcmp(cases[i].param, "path") == 0;
                snprintf(text, sizeof text,
                         "id: x\nenums: {e: [red, green]}\nconfigs:\n"
                         "  m: {params: {h: {type: int, default: 1}, lr: {type: float, default: 0.5}}}\n"
                         "  deep: {extends: m, params: {l: {type: int, default: 3}}}\n"
                         "tasks:\n  t: {params: {v: {type: %s%s}}, command: 'true'}\n"
                         "plan:\n  t: {task: t, %s: {v: %s%s%s}, tags: [v], exclude: [{v: %s}]}\n",
                         cases[i].param, path ? ", meta: true" : "", path ? "params" : "sweep", path ? "" : "[",
                         cases[i].swept, path ? "" : "]", cases[i].pattern);
                expansion_read(*state, text, (xpm_plan_options){0}, &e);
                if (e.rc != 0 || e.plan->job_count != !cases[i].matches)
                        fail_msg("%s %s %s: %s", cases[i].param, cases[i].swept, cases[i].pattern, e.err.message);
                expansion_release(&e);
        }
}

/* Texts of values that are equal are equal, and no others. */
static void keys_are_equal_for_equal_values(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        const xpm_value values[] = {
                {.kind = XPM_NULL},
                {.kind = XPM_INT, .integer = 1},
                {.kind = XPM_INT, .integer = -1},
                {.kind = XPM_INT, .integer = 9007199254740993},
                {.kind = XPM_FLOAT, .number = 1.0},
                {.kind = XPM_FLOAT, .number = 0.5},
                {.kind = XPM_FLOAT, .number = -0.0},
                {.kind = XPM_INT, .integer = 0},
                {.kind = XPM_FLOAT, .number = 1e300},
                {.kind = XPM_FLOAT, .number = 9007199254740992},
                {.kind = XPM_BOOL, .boolean = true},
                {.kind = XPM_BOOL, .boolean = false},
                {.kind = XPM_STR, .string = xpm_string_create(arena, "1", 1)},
                {.kind = XPM_STR, .string = xpm_string_create(arena, "null", 4)},
                {.kind = XPM_STR, .string = xpm_string_create(arena, "a\0b", 3)},
                {.kind = XPM_STR, .string = xpm_string_create(arena, "a\0c", 3)},
                {.kind = XPM_STR, .string = xpm_string_create(arena, "a", 1)},
        };
        enum { COUNT = sizeof values / sizeof *values };
        for (size_t i = 0; i < COUNT; i++)
                for (size_t j = 0; j < COUNT; j++) {
                        xpm_text one = XPM_TEXT_INIT, other = XPM_TEXT_INIT;
                        assert_int_equal(xpm_tag_key(&values[i], &one), 0);
                        assert_int_equal(xpm_tag_key(&values[j], &other), 0);
                        assert_int_equal(strcmp(one.data, other.data) == 0, xpm_value_equal(&values[i], &values[j]));
                        assert_int_equal(strlen(one.data), one.length);
                        xpm_text_release(&one);
                        xpm_text_release(&other);
                }
        xpm_arena_destroy(arena);
}

static void lacking_tag_has_the_key_of_null(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        const xpm_value lacking = {.kind = XPM_UNSET};
        assert_int_equal(xpm_tag_key(&lacking, &text), 0);
        assert_string_equal(xpm_text_string(&text), "null");
        xpm_text_release(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(patterns_match, place_enter, place_leave),
                cmocka_unit_test(keys_are_equal_for_equal_values),
                cmocka_unit_test(lacking_tag_has_the_key_of_null),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
