#include "yaml_case.h"

/* TEXT is wrong; the message behind the position and the position itself. */
static void check(const char *text, const char *message)
{
        xpm_arena *arena = xpm_arena_create();
        xpm_error err = XPM_ERROR_NONE;
        xpm_node *node;
        int rc = xpm_yaml_parse(arena, &yaml_case_source, text, strlen(text), 0, &node, &err);
        yaml_case_check_error(text, rc, XPM_EPLAN, &err, message);
        xpm_arena_destroy(arena);
}

static void a_template_that_yaml_takes_for_a_mapping_is_shown_in_quotes(void **state)
{
        (void)state;
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"cwd: {{job.path}}\n", "x.yaml:1:6: YAML takes '{{job.path}}' for a mapping: write \"{{job.path}}\""},
                {"cwd: {{{job.path}}}\n",
                 "x.yaml:1:6: YAML takes '{{{job.path}}}' for a mapping: write \"{{{job.path}}}\""},
                {"a: [{{x}}]\n", "x.yaml:1:5: YAML takes '{{x}}' for a mapping: write \"{{x}}\""},
                {"a: [cmd, -o, {{out}}/x.txt, --flag]\n",
                 "x.yaml:1:14: YAML takes '{{out}}/x.txt' for a mapping: write \"{{out}}/x.txt\""},
                {"a: {n: {{n}}}\n", "x.yaml:1:8: YAML takes '{{n}}' for a mapping: write \"{{n}}\""},
                {"command: {{experiment.dir}}/train\n", "x.yaml:1:10: YAML takes '{{experiment.dir}}/train' for a "
                                                        "mapping: write \"{{experiment.dir}}/train\""},
                {"a:\n  - b\n  - {{y}} # why\n", "x.yaml:3:5: YAML takes '{{y}}' for a mapping: write \"{{y}}\""},
                {"a: {{#runs}}x{{/runs}} y\n",
                 "x.yaml:1:4: YAML takes '{{#runs}}x{{/runs}} y' for a mapping: write \"{{#runs}}x{{/runs}} y\""},
                {"a: {{x}} 'abc\n", "x.yaml:1:4: YAML takes '{{x}} 'abc' for a mapping: write \"{{x}} 'abc\""},
                {"a: {{x}} it's: b\n", "x.yaml:1:4: YAML takes '{{x}} it's: b' for a mapping: write \"{{x}} it's: b\""},
                {"a: {{x}} \"b\\c\"\n",
                 "x.yaml:1:4: YAML takes '{{x}} \"b\\c\"' for a mapping: write '{{x}} \"b\\c\"'"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                check(cases[i].text, cases[i].message);
}

static void a_scalar_that_is_taken_apart_inside_brackets_is_shown_in_quotes(void **state)
{
        (void)state;
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"env: {PATH: ${HOME}/bin}\n",
                 "x.yaml:1:13: inside [ ] and { } YAML takes '${HOME}/bin' apart at '{': write \"${HOME}/bin\""},
                {"env: {\n  PATH: ${HOME}/bin,\n  b: c\n}\n",
                 "x.yaml:2:9: inside [ ] and { } YAML takes '${HOME}/bin' apart at '{': write \"${HOME}/bin\""},
                {"a: {type: list[int]}\n",
                 "x.yaml:1:11: inside [ ] and { } YAML takes 'list[int]' apart at '[': write \"list[int]\""},
                {"a: {type: dict[str, int], help: b}\n",
                 "x.yaml:1:11: inside [ ] and { } YAML takes 'dict[str, int]' apart at '[': write \"dict[str, int]\""},
                {"a: [--lr={{lr}}]\n",
                 "x.yaml:1:5: inside [ ] and { } YAML takes '--lr={{lr}}' apart at '{': write \"--lr={{lr}}\""},
                {"a: {range: [0, ${k}]}\n",
                 "x.yaml:1:16: inside [ ] and { } YAML takes '${k}' apart at '{': write \"${k}\""},
                {"a: {requirements: cpu(cores=2, mem=2G)}\n",
                 "x.yaml:1:19: inside [ ] and { } YAML cuts 'cpu(cores=2, mem=2G)' at the comma: write "
                 "\"cpu(cores=2, mem=2G)\""},
                {"a: [x, cpu(cores=2, mem=2G) & duration=3h, b]\n",
                 "x.yaml:1:8: inside [ ] and { } YAML cuts 'cpu(cores=2, mem=2G) & duration=3h' at the comma: write "
                 "\"cpu(cores=2, mem=2G) & duration=3h\""},
                {"a: {f: g(h(x), y)}\n",
                 "x.yaml:1:8: inside [ ] and { } YAML cuts 'g(h(x), y)' at the comma: write \"g(h(x), y)\""},
                {"a: {requirements: cpu(cores={{n}}, mem=2G)}\n",
                 "x.yaml:1:19: inside [ ] and { } YAML takes 'cpu(cores={{n}}, mem=2G)' apart at '{': write "
                 "\"cpu(cores={{n}}, mem=2G)\""},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                check(cases[i].text, cases[i].message);
}

static void a_value_that_needs_quotes_is_shown_with_them(void **state)
{
        (void)state;
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"a: @foo\n", "x.yaml:1:4: a value cannot begin with '@' without quotes: write \"@foo\""},
                {"a: `ls` # b\n", "x.yaml:1:4: a value cannot begin with '`' without quotes: write \"`ls`\""},
                {"a: %foo\n", "x.yaml:1:4: a value cannot begin with '%' without quotes: write \"%foo\""},
                {"a: *.txt\n", "x.yaml:1:4: a value cannot begin with '*' without quotes: write \"*.txt\""},
                {"a: ]\n", "x.yaml:1:4: a value cannot begin with ']' without quotes: write \"]\""},
                {"command: echo foo: {{bar}}\n",
                 "x.yaml:1:10: YAML takes ': ' in 'echo foo: {{bar}}' for the end of a key: "
                 "write \"echo foo: {{bar}}\""},
                {"a: ${oc.env: X}x\n",
                 "x.yaml:1:4: YAML takes ': ' in '${oc.env: X}x' for the end of a key: write \"${oc.env: X}x\""},
                {"a: \"{{x}}\"/train\n",
                 "x.yaml:1:4: there is text after the closing quote in '\"{{x}}\"/train': write \"{{x}}/train\""},
                {"a: {b: 'x' y}\n", "x.yaml:1:8: there is text after the closing quote in ''x' y': write \"x y\""},
                {"a: 'it's'\n", "x.yaml:1:4: there is text after the closing quote in ''it's'': write \"it's\""},
                {"a: \"b\" and \"c\"\n",
                 "x.yaml:1:4: there is text after the closing quote in '\"b\" and \"c\"': write '\"b\" and \"c\"'"},
                {"a: \"\\${x}\"\n",
                 "x.yaml:1:5: '\\$' is no escape in double quotes: use single quotes around '\\${\xe2\x80\xa6}'"},
                {"a: \"\\d\"\n",
                 "x.yaml:1:5: '\\d' is no escape in double quotes: use single quotes, or write '\\\\d'"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                check(cases[i].text, cases[i].message);
}

static void other_errors_say_what_is_expected(void **state)
{
        (void)state;
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"a: [1, 2\n", "x.yaml:1:4: the list that begins here is never closed: ']' is missing"},
                {"a: {b: c\n", "x.yaml:1:4: the mapping that begins here is never closed: '}' is missing"},
                {"a: \"abc\n", "x.yaml:1:4: the quote that opens here is never closed"},
                {"b: 1\na: 'abc\n---\n", "x.yaml:2:4: the quote that opens here is never closed"},
                {"a: 1\n b: 2\n",
                 "x.yaml:2:3: a key cannot stand here: indent it as its neighbours, or put quotes around a "
                 "value that has ': ' in it"},
                {"a: [1\nb: 2\n", "x.yaml:2:2: ',' or ']' is expected here, inside the list that begins at line 1"},
                {"a: 1\n- b\n",
                 "x.yaml:2:1: a key and ':' are expected here, indented as the other keys of the mapping that "
                 "begins at line 1"},
                {"- a\nb: 1\n",
                 "x.yaml:2:1: '- ' is expected here, as before the other items of the list that begins at "
                 "line 1"},
                {"a: - b\n", "x.yaml:1:4: a list item cannot stand here: begin it on a line of its own"},
                {"a: 1\nb:2\nc: 1\n", "x.yaml:2:1: a key ends with ':' and a blank, which are missing here"},
                {"a: 1\n...\nb: 1\n",
                 "x.yaml:3:1: the end of the file is expected here: something before it is not indented "
                 "as it should be"},
                {"a: \"\\ud83d\"\n",
                 "x.yaml:1:7: this escape is no character: it is half of a surrogate pair, or beyond "
                 "U+10FFFF"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                check(cases[i].text, cases[i].message);
}

static void a_very_long_scalar_is_not_shown(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, "a: {{x}} ");
        for (int i = 0; i < 400; i++)
                xpm_text_puts(&text, "long ");
        check(xpm_text_string(&text), "x.yaml:1:4: YAML takes 'this text' for a mapping: put quotes around all of it");
        xpm_text_release(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_template_that_yaml_takes_for_a_mapping_is_shown_in_quotes),
                cmocka_unit_test(a_scalar_that_is_taken_apart_inside_brackets_is_shown_in_quotes),
                cmocka_unit_test(a_value_that_needs_quotes_is_shown_with_them),
                cmocka_unit_test(other_errors_say_what_is_expected),
                cmocka_unit_test(a_very_long_scalar_is_not_shown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
