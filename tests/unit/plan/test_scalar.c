#include <math.h>

#include "yaml_case.h"

static int resolve(xpm_arena *arena, const char *text, xpm_value *value, xpm_error *err)
{
        return xpm_scalar_resolve(arena, xpm_node_get(yaml_case_parse(arena, text, 0), "a"), value, err);
}

static void a_plain_scalar_is_what_the_core_schema_says(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                enum xpm_kind kind;
                double number; /* of a number or a bool */
        } cases[] = {
                {"a:", XPM_NULL, 0},
                {"a: ~", XPM_NULL, 0},
                {"a: null", XPM_NULL, 0},
                {"a: NULL", XPM_NULL, 0},
                {"a: nULL", XPM_STR, 0},
                {"a: true", XPM_BOOL, 1},
                {"a: True", XPM_BOOL, 1},
                {"a: TRUE", XPM_BOOL, 1},
                {"a: tRue", XPM_STR, 0},
                {"a: false", XPM_BOOL, 0},
                {"a: False", XPM_BOOL, 0},
                {"a: FALSE", XPM_BOOL, 0},
                {"a: yes", XPM_STR, 0},
                {"a: no", XPM_STR, 0},
                {"a: on", XPM_STR, 0},
                {"a: 0", XPM_INT, 0},
                {"a: 010", XPM_INT, 10},
                {"a: -12", XPM_INT, -12},
                {"a: +3", XPM_INT, 3},
                {"a: 0x1F", XPM_INT, 31},
                {"a: 0o17", XPM_INT, 15},
                {"a: 1:30", XPM_STR, 0},
                {"a: 1_000", XPM_STR, 0},
                {"a: 0b1", XPM_STR, 0},
                {"a: 1.", XPM_FLOAT, 1},
                {"a: .5", XPM_FLOAT, 0.5},
                {"a: 1e-3", XPM_FLOAT, 0.001},
                {"a: 1E3", XPM_FLOAT, 1000},
                {"a: -1.5e+2", XPM_FLOAT, -150},
                {"a: .inf", XPM_FLOAT, INFINITY},
                {"a: -.Inf", XPM_FLOAT, -INFINITY},
                {"a: .", XPM_STR, 0},
                {"a: 1e", XPM_STR, 0},
                {"a: 2026-01-01", XPM_STR, 0},
                {"a: '1'", XPM_STR, 0},
                {"a: \"true\"", XPM_STR, 0},
                {"a: ''", XPM_STR, 0},
                {"a: |\n  1", XPM_STR, 0},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_value value;
                assert_int_equal(resolve(arena, cases[i].text, &value, NULL), 0);
                double number = value.kind == XPM_INT     ? (double)value.integer
                                : value.kind == XPM_BOOL  ? value.boolean
                                : value.kind == XPM_FLOAT ? value.number
                                                          : 0;
                if (value.kind != cases[i].kind || number != cases[i].number)
                        fail_msg("%s: kind %d, %g", cases[i].text, value.kind, number);
                xpm_arena_destroy(arena);
        }
}

static void a_string_keeps_its_bytes(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_value value;
        assert_int_equal(resolve(arena, "a: \"x\\0y\"", &value, NULL), 0);
        assert_int_equal(value.string->length, 3);
        assert_memory_equal(value.string->data, "x\0y", 4);
        xpm_arena_destroy(arena);
}

static void a_number_out_of_range_is_an_error(void **state)
{
        (void)state;
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"a: 9223372036854775808",
                 "x.yaml:1:4: '9223372036854775808' is beyond 64 bits: put quotes around it if it is a text"},
                {"a: -9223372036854775809",
                 "x.yaml:1:4: '-9223372036854775809' is beyond 64 bits: put quotes around it if it is a text"},
                {"a: 1e999",
                 "x.yaml:1:4: '1e999' is beyond the range of a float: put quotes around it if it is a text"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                xpm_value value;
                yaml_case_check_error(cases[i].text, resolve(arena, cases[i].text, &value, &err), XPM_EPLAN, &err,
                                      cases[i].message);
                xpm_arena_destroy(arena);
        }
}

static void a_tree_is_written_as_json(void **state)
{
        (void)state;
        static const struct {
                const char *text, *json;
        } cases[] = {
                {"[]", "[]"},
                {"[[], {}, [[1]]]", "[[], {}, [[1]]]"},
                {"{a: [1, 1.0, 1e-5, x, 'y', ~, true]}", "{\"a\": [1, 1.0, 1e-05, \"x\", \"y\", null, true]}"},
                {"[.inf, -.inf]", "[\"inf\", \"-inf\"]"},
                {"[9223372036854775808, 12e4567]", "[\"9223372036854775808\", \"12e4567\"]"},
                {"{\"a\\\"b\": \"c\\n\"}", "{\"a\\\"b\": \"c\\n\"}"},
                {"'{'", "\"{\""},
                {"['[', x]", "[\"[\", \"x\"]"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                yaml_case_check(cases[i].text, yaml_case_parse(arena, cases[i].text, 0), cases[i].json);
                xpm_arena_destroy(arena);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_plain_scalar_is_what_the_core_schema_says),
                cmocka_unit_test(a_string_keeps_its_bytes),
                cmocka_unit_test(a_number_out_of_range_is_an_error),
                cmocka_unit_test(a_tree_is_written_as_json),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
