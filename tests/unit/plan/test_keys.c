#include "declared.h"

static const char *const keys[] = {"task", "params", "sweep", NULL};

static void check(const char *text, const char *message)
{
        static const xpm_source source = {.name = "t.yaml"};
        xpm_arena *arena = xpm_arena_create();
        xpm_node *root;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_yaml_parse(arena, &source, text, strlen(text), 0, &root, NULL), 0);
        int rc = xpm_check_keys(xpm_node_get(root, "s"), "a step", keys, &err);
        assert_string_equal(err.message, message);
        assert_int_equal(rc, *message ? XPM_EPLAN : 0);
        xpm_arena_destroy(arena);
}

static void known_keys_pass(void **state)
{
        (void)state;
        check("s: {}", "");
        check("s: {sweep: 1, task: 2}", "");
}

static void unknown_key_is_quoted_where_it_stands(void **state)
{
        (void)state;
        check("s: {task: 1, swep: 2}", "t.yaml:1:14: unknown key 'swep' in a step: did you mean 'sweep'?");
        check("s: {Task: 1}", "t.yaml:1:5: unknown key 'Task' in a step: did you mean 'task'?");
        check("s: {tas: 1}", "t.yaml:1:5: unknown key 'tas' in a step: did you mean 'task'?");
        check("s: {quux: 1}", "t.yaml:1:5: unknown key 'quux' in a step: expected one of task, params, sweep");
        check("s: {\"\": 1}", "t.yaml:1:5: unknown key '' in a step: expected one of task, params, sweep");
}

static void other_than_a_mapping_is_refused(void **state)
{
        (void)state;
        check("s: [task]", "t.yaml:1:4: a step is a mapping: expected 'key: value'");
        check("s: task", "t.yaml:1:4: a step is a mapping: expected 'key: value'");
}

static void name_is_letters_digits_and_underscores(void **state)
{
        static const struct {
                const char *name;
                bool plain, dotted;
        } cases[] = {
                {"a", true, true},      {"_", true, true},    {"Z9_", true, true},   {"a.b", false, true},
                {"a.b.c", false, true}, {"", false, false},   {"9", false, false},   {"a-b", false, false},
                {"a b", false, false},  {".a", false, false}, {"a.", false, false},  {"a..b", false, false},
                {"a.9", false, false},  {"é", false, false},  {"a\n", false, false},
        };
        xpm_pos pos = {0};
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                assert_int_equal(xpm_check_name(cases[i].name, pos, false, "a thing", NULL),
                                 cases[i].plain ? 0 : XPM_EPLAN);
                assert_int_equal(xpm_check_name(cases[i].name, pos, true, "a thing", NULL),
                                 cases[i].dotted ? 0 : XPM_EPLAN);
        }
}

static void wrong_name_says_what_is_expected(void **state)
{
        static const xpm_source source = {.name = "f"};
        xpm_pos pos = {&source, 2, 3};
        xpm_error plain = XPM_ERROR_NONE, dotted = XPM_ERROR_NONE;
        (void)state;
        xpm_check_name("a-b", pos, false, "a step", &plain);
        xpm_check_name("a-b", pos, true, "a task", &dotted);
        assert_string_equal(
                plain.message,
                "f:2:3: 'a-b' cannot be the name of a step: expected letters, digits and _, no digit first");
        assert_string_equal(
                dotted.message,
                "f:2:3: 'a-b' cannot be the name of a task: expected letters, digits and _, no digit first; "
                "dots between such names");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(known_keys_pass),
                cmocka_unit_test(unknown_key_is_quoted_where_it_stands),
                cmocka_unit_test(other_than_a_mapping_is_refused),
                cmocka_unit_test(name_is_letters_digits_and_underscores),
                cmocka_unit_test(wrong_name_says_what_is_expected),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
