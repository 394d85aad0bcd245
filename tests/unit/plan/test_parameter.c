#include "declared.h"

/* `x: DECLARATION` in a task with partial `p`; the message, without the place when it begins with it. */
struct declaration {
        const char *yaml, *message;
};

static void check(const char *before, const char *after, const struct declaration *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                xpm_text text = XPM_TEXT_INIT;
                xpm_text_printf(&text, "%s%s%s", before, cases[i].yaml, after);
                declared_expect(text.data, cases[i].message);
                xpm_text_release(&text);
        }
}

#define CHECK(before, after, cases) check(before, after, cases, sizeof cases / sizeof *cases)

static void parameter_needs_a_type_that_exists(void **state)
{
        static const struct declaration cases[] = {
                {"int", ""},
                {"\"list[int?]\"", ""},
                {"{type: \"dict[str, T]\"}", ""},
                {"", "t.yaml:4:6: 'x' of 'T' needs a type"},
                {"{}", "t.yaml:4:7: 'x' needs a 'type'"},
                {"{default: 3}", "t.yaml:4:7: 'x' needs a 'type'"},
                {"flot", "t.yaml:4:7: 'x': unknown type 'flot': did you mean 'float'?"},
                {"{type: [int]}",
                 "t.yaml:4:14: 'x': expected the name of a type, in quotes if it has brackets: \"list[int]\""},
                {"[int]", "t.yaml:4:7: 'x': expected the name of a type, in quotes if it has brackets: \"list[int]\""},
                {"{type: \"int\\0\"}", "t.yaml:4:14: 'x': a type cannot hold a NUL"},
                {"{type: int, meta: 1}", "t.yaml:4:25: 'meta': expected true or false, found '1'"},
                {"{type: int, help: {}}", "t.yaml:4:25: 'help': expected a text, found a mapping"},
                {"{type: int, groups: g}", "t.yaml:4:27: 'x': expected a list of groups: [name]"},
                {"{type: int, groups: [[g]]}", "t.yaml:4:28: 'groups': expected a text, found a list"},
                {"{type: int, partial: p}", "t.yaml:4:19: 'x': 'partial' goes with 'generated'"},
                {"{type: int, ignore_default: true}", "t.yaml:4:19: 'x': 'ignore_default' needs a 'default'"},
        };
        (void)state;
        CHECK("configs:\n T:\n  params:\n   x: ", "\n", cases);
}

static void name_of_a_parameter_is_checked(void **state)
{
        static const struct declaration cases[] = {
                {"type", "t.yaml:2:1: no parameter can be called 'type': it names the type of a nested config"},
                {"a.b",
                 "t.yaml:2:1: 'a.b' cannot be the name of a parameter: expected letters, digits and _, no digit first"},
                {"1",
                 "t.yaml:2:1: '1' cannot be the name of a parameter: expected letters, digits and _, no digit first"},
                {"Type", ""},
                {"job", ""},
        };
        (void)state;
        CHECK("configs: {T: {params: {\n", ": int}}}", cases);
        declared_expect("configs: {T: {params: [a]}}", "t.yaml:1:23: 'params' is a mapping from names to declarations");
}

static void path_is_in_no_identifier(void **state)
{
#define REMEDY                                                                                                         \
        "is a path, which is never part of the identifier: add 'meta: true', or use the type 'file', which is by its " \
        "content"
        static const struct declaration cases[] = {
                {"path", "t.yaml:1:27: 'x' " REMEDY},
                {"\"list[path?]?\"", "t.yaml:1:27: 'x' " REMEDY},
                {"{type: \"dict[str, list[path]]\"}", "t.yaml:1:27: 'x' " REMEDY},
                {"{type: path, meta: true}", ""},
                {"{type: \"list[path]\", meta: true}", ""},
                {"{type: path, constant: /etc}", "t.yaml:1:27: 'x' " REMEDY},
                {"{type: path, constant: /etc, meta: true}", ""},
                {"file", ""},
        };
#undef REMEDY
        (void)state;
        CHECK("configs: {T: {params: {x: ", "}}}", cases);
}

static void constant_has_its_own_type_or_the_given_one(void **state)
{
        static const struct {
                const char *yaml;
                enum xpm_kind type;
                const char *json;
        } cases[] = {
                {"{constant: 3}", XPM_INT, "3"},
                {"{constant: 2.1}", XPM_FLOAT, "2.1"},
                {"{constant: \"2.1\"}", XPM_STR, "\"2.1\""},
                {"{constant: true}", XPM_BOOL, "true"},
                {"{constant: 1.2.3}", XPM_STR, "\"1.2.3\""},
                {"{type: float, constant: 3}", XPM_FLOAT, "3.0"},
                {"{type: str, constant: 3}", XPM_STR, "\"3\""},
                {"{type: \"list[int]\", constant: [1]}", XPM_LIST, "[1]"},
                {"{type: U, constant: {}}", XPM_CONFIG, "{\"type\": \"U\"}"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct declared declared;
                xpm_text text = XPM_TEXT_INIT, json = XPM_TEXT_INIT;
                xpm_text_printf(&text, "configs: {T: {params: {x: %s}}, U: {}}", cases[i].yaml);
                assert_int_equal(declared_read(&declared, text.data), 0);
                const xpm_param *param = declared_param(&declared, "T", "x");
                assert_true(param->constant);
                assert_int_equal(param->type->kind, cases[i].type);
                assert_int_equal(xpm_value_json(&param->fallback, NULL, &json), 0);
                assert_string_equal(json.data, cases[i].json);
                xpm_text_release(&text);
                xpm_text_release(&json);
                declared_release(&declared);
        }
}

static void constant_that_makes_no_sense_is_refused(void **state)
{
        static const struct declaration cases[] = {
                {"{constant: }", "t.yaml:1:38: 'x': a constant that is no number, bool or text needs a 'type'"},
                {"{constant: [1]}", "t.yaml:1:38: 'x': a constant that is no number, bool or text needs a 'type'"},
                {"{constant: .nan}",
                 "t.yaml:1:38: 'x': a NaN equals nothing, not even itself, so it cannot identify a job"},
                {"{constant: 3, default: 3}", "t.yaml:1:41: 'x': 'default' has no meaning beside 'constant'"},
                {"{constant: 3, ignore_default: true}",
                 "t.yaml:1:41: 'x': 'ignore_default' has no meaning beside 'constant'"},
                {"{constant: 3, generated: f}", "t.yaml:1:41: 'x': 'generated' has no meaning beside 'constant'"},
                {"{constant: 3, min: 1}", "t.yaml:1:41: 'x': 'min' has no meaning beside 'constant'"},
                {"{type: int, constant: a}", "t.yaml:1:49: 'x': expected int, found 'a'"},
        };
        (void)state;
        CHECK("configs: {T: {params: {x: ", "}}}", cases);
}

static void generated_is_a_name_in_the_directory(void **state)
{
        static const struct declaration cases[] = {
                {"{generated: a/b.bin}", ""},
                {"{generated: a, type: path}", ""},
                {"{generated: a, meta: true, help: h, groups: [g]}", ""},
                {"{generated: ../a}", "t.yaml:1:39: '../a' cannot be a generated file: expected a relative name inside "
                                      "the job's directory, without '.' or '..'"},
                {"{generated: /a}", "t.yaml:1:39: '/a' cannot be a generated file: expected a relative name inside the "
                                    "job's directory, without '.' or '..'"},
                {"{generated: \"a\\nb\"}",
                 "t.yaml:1:39: the name of a generated file cannot hold the character U+000A: "
                 "choose a name without it"},
                {"{generated: params.json}",
                 "t.yaml:1:39: 'params.json' cannot be a generated file: the job keeps 'params.json' for itself"},
                {"{generated: }", "t.yaml:1:39: 'generated': expected a text, found nothing"},
                {"{generated: [a]}", "t.yaml:1:39: 'generated': expected a text, found a list"},
                {"{generated: a, type: str}", "t.yaml:1:48: 'x': what is generated is a path"},
                {"{generated: a, type: path?}", "t.yaml:1:48: 'x': what is generated is a path"},
                {"{generated: a, default: b}", "t.yaml:1:42: 'x': 'default' has no meaning beside 'generated'"},
                {"{generated: a, choices: [b]}", "t.yaml:1:42: 'x': 'choices' has no meaning beside 'generated'"},
        };
        (void)state;
        CHECK("configs: {T: {params: {x: ", "}}}", cases);
}

static void limits_suit_their_type(void **state)
{
        static const struct declaration cases[] = {
                {"{type: int, min: 1, max: 2}", ""},
                {"{type: \"list[float?]\", min: 1, max: 1}", ""},
                {"{type: E, choices: [A]}", ""},
                {"{type: \"list[str]\", choices: [a], pattern: .*}", ""},
                {"{type: int, min: 0.5}", "t.yaml:1:44: 'x': expected int, found '0.5'"},
                {"{type: int, min: 3, max: 2}", "t.yaml:1:47: 'x': its minimum is more than its maximum"},
                {"{type: str, min: 3}", "t.yaml:1:39: 'x': 'min' goes with an int or a float"},
                {"{type: bool, max: 3}", "t.yaml:1:40: 'x': 'max' goes with an int or a float"},
                {"{type: int, choices: [1, a]}", "t.yaml:1:52: 'x': expected int, found 'a'"},
                {"{type: int, choices: []}", "t.yaml:1:48: 'x': 'choices' is empty, so no value is allowed"},
                {"{type: int, choices: 3}", "t.yaml:1:48: 'x': expected list[int], found '3': write the items in [ ]"},
                {"{type: T?, choices: [{}]}", "t.yaml:1:38: 'x': 'choices' goes with an int, float, bool, str or enum"},
                {"{type: file, choices: [a]}",
                 "t.yaml:1:40: 'x': 'choices' goes with an int, float, bool, str or enum"},
                {"{type: int, pattern: a}", "t.yaml:1:39: 'x': 'pattern' goes with a str"},
                {"{type: str, pattern: [a]}", "t.yaml:1:48: 'pattern': expected a text, found a list"},
                {"{type: str, pattern: \"(a\"}",
                 "t.yaml:1:48: 'x': '(a' is no regular expression: missing closing parenthesis, at character 3"},
        };
        (void)state;
        CHECK("configs: {T: {params: {x: ", "}}}\nenums: {E: [A]}", cases);
}

static void inherited_parameter_changes_by_its_default_and_narrower_type_alone(void **state)
{
        static const struct declaration cases[] = {
                {"x: {default: 4}", ""},
                {"x: int", ""},
                {"x: {type: int, default: 4, help: Other.}", ""},
                {"m: D", ""},
                {"l: \"list[D]\"", ""},
                {"x: {default: 9}", "t.yaml:8:28: 'x': 9 is more than its maximum 5"},
                {"x: {default: 4, ignore_default: true}",
                 "t.yaml:8:31: 'x' is inherited by 'S', which can give it another 'default' or a narrower 'type', but "
                 "no 'ignore_default'"},
                {"x: {meta: true}", "t.yaml:8:19: 'x' is inherited by 'S', which can give it another 'default' or a "
                                    "narrower 'type', but no 'meta'"},
                {"x: float",
                 "t.yaml:8:18: 'x' is inherited by 'S' as int: it can only become a config type that extends that one"},
                {"x: int?",
                 "t.yaml:8:18: 'x' is inherited by 'S' as int: it can only become a config type that extends that one"},
                {"m: N",
                 "t.yaml:8:18: 'm' is inherited by 'S' as M: it can only become a config type that extends that one"},
                {"l: \"set[D]\"", "t.yaml:8:18: 'l' is inherited by 'S' as list[M]: it can only become a config type "
                                  "that extends that one"},
                {"x: flot", "t.yaml:8:18: 'x': unknown type 'flot': did you mean 'float'?"},
                {"c: {default: 3}", "t.yaml:8:15: 'c' is inherited by 'S' and constant: it cannot be declared again"},
                {"g: {generated: o}",
                 "t.yaml:8:15: 'g' is inherited by 'S' and generated: it cannot be declared again"},
                {"x: {help: []}", "t.yaml:8:25: 'help': expected a text, found a list"},
        };
        (void)state;
        CHECK("configs:\n"
              "  M: {}\n"
              "  D: {extends: M}\n"
              "  N: {}\n"
              "  T:\n"
              "    params: {x: {type: int, default: 3, max: 5}, m: M, l: \"list[M]\", c: {constant: 3}, g: {generated: "
              "o}}\n"
              "  S: {extends: T, params:\n"
              "            { ",
              "}}\n", cases);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parameter_needs_a_type_that_exists),
                cmocka_unit_test(name_of_a_parameter_is_checked),
                cmocka_unit_test(path_is_in_no_identifier),
                cmocka_unit_test(constant_has_its_own_type_or_the_given_one),
                cmocka_unit_test(constant_that_makes_no_sense_is_refused),
                cmocka_unit_test(generated_is_a_name_in_the_directory),
                cmocka_unit_test(limits_suit_their_type),
                cmocka_unit_test(inherited_parameter_changes_by_its_default_and_narrower_type_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
