#include "failing_malloc.h"
#include "yaml_case.h"

#include "plan/interpolate.h"

static const char *environment(void *data, const char *name)
{
        assert_string_equal(data, "data");
        if (strcmp(name, "NAME") == 0)
                return "12";
        if (strcmp(name, "EMPTY") == 0)
                return "";
        return strcmp(name, "LATIN") == 0 ? "\xe9" : NULL;
}

static int interpolate(xpm_arena *arena, const char *text, xpm_document *document, xpm_error *err)
{
        *document = (xpm_document){.root = yaml_case_parse(arena, text, 1), .source = &yaml_case_source};
        return xpm_interpolate(arena, document, environment, "data", err);
}

static void release(xpm_document *document)
{
        xpm_map_release(&document->env_values);
        xpm_map_release(&document->keys_read);
}

static void values_are_taken_whole_or_as_text(void **state)
{
        (void)state;
        static const struct {
                const char *text, *json; /* of key a */
        } cases[] = {
                {"{a: '${b}', b: 1e3}", "1000.0"},
                {"{a: \"${b}\", b: '1'}", "\"1\""},
                {"{a: '${b}', b: {c: [1, x]}}", "{\"c\": [1, \"x\"]}"},
                {"{a: '${b}', b: }", "null"},
                {"{a: '${b.c.1.d}', b: {c: [0, {d: 5}]}}", "5"},
                {"a: ${ b }\nb: 2", "2"},
                {"{a: '${b.c.d}', b: {c.d: 3, c: {d: 4}}}", "3"},
                {"a: ${b}${c}\nb: 1\nc: 2", "12"},
                {"a: '${b}${c}'\nb: 1\nc: 2", "\"12\""},
                {"a: x-${b.0}.txt\nb: [0.10]", "\"x-0.10.txt\""},
                {"a: '${b} '\nb: 1", "\"1 \""},
                {"a: \\${b}", "\"${b}\""},
                {"a: '\\${b}${b}'\nb: 1", "\"${b}1\""},
                {"a: '$b $ {b} $$ ${b}$'\nb: 1", "\"$b $ {b} $$ 1$\""},
                {"a: ${b}\nb: ${c}\nc: ${d.e}\nd: {e: 9}", "9"},
                {"a: {x: '${a.y}', y: 2}", "{\"x\": 2, \"y\": 2}"},
                {"a: ${b}\nb: ['${c}', {d: '${c}'}]\nc: 1", "[1, {\"d\": 1}]"},
                {"a: ${b.x.y}\nb: ${c}\nc: {x: {y: 7}}", "7"},
                {"a: ${b}\nb: \\${c}", "\"${c}\""},
                {"a: ${oc.env:NAME}", "12"},
                {"a: '${oc.env:NAME}'", "12"},
                {"a: '${oc.env:NAME}th'", "\"12th\""},
                {"a: ${oc.env:EMPTY}", "null"},
                {"a: ${oc.env:EMPTY,x}", "null"},
                {"a: ${oc.env:NONE,0.5}", "0.5"},
                {"a: '${oc.env: NONE , a, b }'", "\"a, b\""},
                {"a: ${oc.env:NONE,}", "null"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                xpm_document document;
                if (interpolate(arena, cases[i].text, &document, &err) != 0)
                        fail_msg("%s: %s", cases[i].text, err.message);
                yaml_case_check(cases[i].text, xpm_node_get(document.root, "a"), cases[i].json);
                release(&document);
                xpm_arena_destroy(arena);
        }
}

static void shells_and_environments_keep_their_dollars(void **state)
{
        (void)state;
        static const struct {
                const char *text, *json;
        } cases[] = {
                {"tasks: {t: {command: '${X}', setup: '${X}', files: {f: {content: '${X}'}}, env: {A: '${X}'}}}",
                 "{\"tasks\": {\"t\": {\"command\": \"${X}\", \"setup\": \"${X}\", \"files\": {\"f\": {\"content\": "
                 "\"${X}\"}}, "
                 "\"env\": {\"A\": \"${X}\"}}}}"},
                {"tasks: {t: {command: ['${X}', '\\${Y}']}}",
                 "{\"tasks\": {\"t\": {\"command\": [\"${X}\", \"\\\\${Y}\"]}}}"},
                {"plan: {s: {env: {A: '${X}'}}}", "{\"plan\": {\"s\": {\"env\": {\"A\": \"${X}\"}}}}"},
                {"env: {A: '${X}'}", "{\"env\": {\"A\": \"${X}\"}}"},
                {"parent: ${X}", "{\"parent\": \"${X}\"}"},
                /* parameters may have such names */
                {"k: 1\ntasks: {t: {params: {command: '${k}', env: {default: '${k}'}}, cwd: '${k}'}}",
                 "{\"k\": 1, \"tasks\": {\"t\": {\"params\": {\"command\": 1, \"env\": {\"default\": 1}}, \"cwd\": "
                 "1}}}"},
                {"k: 1\nplan: {env: {params: {env: '${k}', command: '${k}'}}}",
                 "{\"k\": 1, \"plan\": {\"env\": {\"params\": {\"env\": 1, \"command\": 1}}}}"},
                {"k: 1\ncommand: '${k}'\nconfigs: {c: {command: '${k}'}}",
                 "{\"k\": 1, \"command\": 1, \"configs\": {\"c\": {\"command\": 1}}}"},
                /* what is taken from there stays as it is */
                {"a: ${tasks.t.env}\nb: ${a.X}\ntasks: {t: {env: {X: '${HOME}/bin'}}}",
                 "{\"a\": {\"X\": \"${HOME}/bin\"}, \"b\": \"${HOME}/bin\", \"tasks\": {\"t\": {\"env\": {\"X\": "
                 "\"${HOME}/bin\"}}}}"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                xpm_document document;
                if (interpolate(arena, cases[i].text, &document, &err) != 0)
                        fail_msg("%s: %s", cases[i].text, err.message);
                yaml_case_check(cases[i].text, document.root, cases[i].json);
                release(&document);
                xpm_arena_destroy(arena);
        }
}

static void what_cannot_be_is_said_with_the_path_of_keys(void **state)
{
        (void)state;
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"a: ${b}\nb: ${c}\nc: ${a}",
                 "x.yaml:3:4: '${\xe2\x80\xa6}' goes round in a circle: a \xe2\x86\x92 b \xe2\x86\x92 c "
                 "\xe2\x86\x92 a"},
                {"a: ${a}", "x.yaml:1:4: '${\xe2\x80\xa6}' goes round in a circle: a \xe2\x86\x92 a"},
                {"a: {b: '${a}'}", "x.yaml:1:8: '${\xe2\x80\xa6}' goes round in a circle: a.b \xe2\x86\x92 a.b"},
                {"x: ${y}\ny: ['${z.0}']\nz: ['t${y}']",
                 "x.yaml:3:5: '${\xe2\x80\xa6}' goes round in a circle: y.0 \xe2\x86\x92 z.0 \xe2\x86\x92 y.0"},
                {"model: {hidden: 1}\nplan: {s: {params: {n: '${model.hiden}'}}}",
                 "x.yaml:2:24: '${model.hiden}' at 'plan.s.params.n': there is no key 'hiden' in 'model': did you mean "
                 "'hidden'?"},
                {"a: {\"k\\0\": '${x}'}",
                 "x.yaml:1:12: '${x}' at 'a.k?': there is no key 'x' (a literal '${' is written '\\${')"},
                /* what is being defined is not what was meant */
                {"a1: ${b1}\nb: 1", "x.yaml:1:5: '${b1}' at 'a1': there is no key 'b1': did you mean 'b'?"},
                {"m: {lr: '${m.l}'}", "x.yaml:1:9: '${m.l}' at 'm.lr': there is no key 'l' in 'm' (a literal '${' is "
                                      "written '\\${')"},
                {"a: ${b}\nb: {x1: '${b1}'}", "x.yaml:2:9: '${b1}' at 'a \xe2\x86\x92 b.x1': there is no key 'b1' (a "
                                              "literal '${' is written '\\${')"},
                {"a: ${bb}\nb: 1", "x.yaml:1:4: '${bb}' at 'a': there is no key 'bb': did you mean 'b'?"},
                {"a1: ${b1}\nx: 1",
                 "x.yaml:1:5: '${b1}' at 'a1': there is no key 'b1' (a literal '${' is written '\\${')"},
                {"a1: ${b1}\nx: 1\nc1: 1", "x.yaml:1:5: '${b1}' at 'a1': there is no key 'b1': did you mean 'c1'?"},
                {"a: ${b}\nb: ${c}\nx: 1",
                 "x.yaml:2:4: '${c}' at 'a \xe2\x86\x92 b': there is no key 'c' (a literal '${' is "
                 "written '\\${')"},
                {"a: [x, '${HOME}']",
                 "x.yaml:1:8: '${HOME}' at 'a.1': there is no key 'HOME': write '${oc.env:HOME}' for the "
                 "environment variable"},
                {"a: ${b.3}\nb: [1, 2]",
                 "x.yaml:1:4: '${b.3}' at 'a': the list 'b' has 2 items, counted from 0, and no '3'"},
                {"a: ${b.x.y}\nb: 3", "x.yaml:1:4: '${b.x.y}' at 'a': 'b' is no mapping and has no 'x'"},
                {"a: x${b}\nb: [1]", "x.yaml:1:4: '${b}' at 'a': it is a list, which cannot stand inside a text"},
                {"a: x${b}\nb: {}", "x.yaml:1:4: '${b}' at 'a': it is a mapping, which cannot stand inside a text"},
                {"a: ${b", "x.yaml:1:4: '${' without '}' (a literal '${' is written '\\${')"},
                {"a: ${}", "x.yaml:1:4: '${}' at 'a': a key is missing"},
                {"a: ${b.}\nb: 1", "x.yaml:1:4: '${b.}' at 'a': a key is missing"},
                {"a: ${.b}\nb: 1", "x.yaml:1:4: '${.b}' at 'a': a key is missing"},
                {"a: ${b${c}}", "x.yaml:1:4: '${b${c}' at 'a': one '${\xe2\x80\xa6}' cannot stand inside another"},
                {"a: ${b:-c}",
                 "x.yaml:1:4: '${b:-c}' at 'a': only '${oc.env:NAME}' has a colon (a literal '${' is written "
                 "'\\${')"},
                {"a: ${oc.env:NONE}",
                 "x.yaml:1:4: '${oc.env:NONE}' at 'a': the environment variable 'NONE' is not set: set it, "
                 "or give a default: '${oc.env:NONE,\xe2\x80\xa6}'"},
                {"secrets: [KEY, NAME]\na: 'x${oc.env:NAME,1}'",
                 "x.yaml:2:4: '${oc.env:NAME,1}' at 'a': 'NAME' is one of the secrets, which are written to no file: "
                 "jobs have $NAME in their environment"},
                {"a: ${oc.env:}", "x.yaml:1:4: '${oc.env:}' at 'a': the name of an environment variable is expected"},
                {"a: ${oc.env:LATIN}",
                 "x.yaml:1:4: '${oc.env:LATIN}' at 'a': the value of the environment variable 'LATIN' is not UTF-8"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                xpm_document document;
                int rc = interpolate(arena, cases[i].text, &document, &err);
                yaml_case_check_error(cases[i].text, rc, XPM_EPLAN, &err, cases[i].message);
                release(&document);
                xpm_arena_destroy(arena);
        }
}

static void a_value_keeps_where_it_was_written_and_gets_the_layer_of_its_place(void **state)
{
        (void)state;
        static const xpm_source base = {.name = "base.yaml", .path = "/base/base.yaml", .dir = "/base"};
        xpm_arena *arena = xpm_arena_create();
        xpm_document document;
        assert_int_equal(interpolate(arena, "", &document, NULL), 0);
        xpm_node *data;
        assert_int_equal(xpm_yaml_parse(arena, &base, "{file: data.bin}", 16, 4, &data, NULL), 0);
        xpm_node *root = yaml_case_parse(arena, "{a: '${data}'}", 2);
        assert_int_equal(xpm_node_put(arena, root, "data", 4, data->pos, data), 0);
        document.root = root;
        assert_int_equal(xpm_interpolate(arena, &document, NULL, NULL, NULL), 0);
        const xpm_node *file = xpm_node_get(xpm_node_get(root, "a"), "file");
        assert_string_equal(file->pos.source->dir, "/base");
        assert_int_equal(file->pos.column, 8);
        assert_int_equal(file->layer, 2);
        assert_int_equal(xpm_node_get(data, "file")->layer, 4);
        release(&document);
        xpm_arena_destroy(arena);
}

static void values_from_the_environment_are_recorded_where_they_went(void **state)
{
        (void)state;
        static const char *const expected[] = {"a", "b.c.1", "d", "e.x", "e.y"};
        xpm_arena *arena = xpm_arena_create();
        xpm_document document;
        assert_int_equal(interpolate(arena,
                                     "a: ${oc.env:NAME}\nb: {c: [0, 'x${oc.env:NONE,1}']}\nd: ${a}\n"
                                     "e: {x: '${b.c.1}', y: 'z${a}', z: '${f}'}\nf: 1\n",
                                     &document, NULL),
                         0);
        assert_int_equal(document.env_values.count, sizeof expected / sizeof *expected);
        for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
                assert_non_null(xpm_map_get(&document.env_values, expected[i]));
        release(&document);
        xpm_arena_destroy(arena);
}

static void keys_that_were_read_are_recorded(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_document document;
        assert_int_equal(
                interpolate(arena, "a: ${x.y}\nb: 'q${n.m.0}'\nc: ${a}\nx.y: 1\nn: {m: [1]}\nz: 1\n", &document, NULL),
                0);
        assert_int_equal(document.keys_read.count, 3);
        assert_non_null(xpm_map_get(&document.keys_read, "x.y"));
        assert_non_null(xpm_map_get(&document.keys_read, "n"));
        assert_non_null(xpm_map_get(&document.keys_read, "a"));
        release(&document);
        xpm_arena_destroy(arena);
}

static void growth_and_depth_have_limits(void **state)
{
        (void)state;
        enum { LIST, TEXT, CHAIN, NEST, SHAPES };
        static const char *const messages[SHAPES] = {
                [LIST] = "x.yaml:6:70: the values of '${\xe2\x80\xa6}' grow beyond 64 MiB",
                [TEXT] = "x.yaml:8:5: the values of '${\xe2\x80\xa6}' grow beyond 64 MiB",
                [CHAIN] = "x.yaml:2000:8: '${\xe2\x80\xa6}' leads from one to another more than 2000 times",
                [NEST] = "x.yaml:1000:8: nested deeper than 1,000 levels by '${\xe2\x80\xa6}'",
        };
        xpm_text texts[SHAPES] = {0};
        xpm_text_puts(&texts[LIST], "a0: [x, x, x, x, x, x, x, x, x, x]\n");
        xpm_text_puts(&texts[TEXT], "a0: xxxxxxxxxx\n");
        for (int i = 1; i < 12; i++) {
                xpm_text_printf(&texts[LIST], "a%d: [", i);
                xpm_text_printf(&texts[TEXT], "a%d: ", i);
                for (int j = 0; j < 10; j++) {
                        xpm_text_printf(&texts[LIST], "\"${a%d}\",", i - 1);
                        xpm_text_printf(&texts[TEXT], "${a%d}", i - 1);
                }
                xpm_text_puts(&texts[LIST], "]\n");
                xpm_text_puts(&texts[TEXT], "\n");
        }
        for (int i = 0; i < 5000; i++)
                xpm_text_printf(&texts[CHAIN], "a%d: ${a%d}\n", i, i + 1);
        xpm_text_puts(&texts[NEST], "a0: [x]\n");
        for (int i = 1; i < 1200; i++)
                xpm_text_printf(&texts[NEST], "a%d: ['${a%d}']\n", i, i - 1);
        for (size_t i = 0; i < SHAPES; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                xpm_document document;
                int rc = interpolate(arena, texts[i].data, &document, &err);
                yaml_case_check_error("growth", rc, XPM_EPLAN, &err, messages[i]);
                release(&document);
                xpm_text_release(&texts[i]);
                xpm_arena_destroy(arena);
        }
}

static void a_long_chain_that_is_resolved_in_order_is_fine(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, "a0: 1\n");
        for (int i = 1; i < 50000; i++)
                xpm_text_printf(&text, "a%d: ${a%d}\n", i, i - 1);
        xpm_arena *arena = xpm_arena_create();
        xpm_document document;
        assert_int_equal(interpolate(arena, text.data, &document, NULL), 0);
        assert_string_equal(xpm_node_get(document.root, "a49999")->text, "1");
        release(&document);
        xpm_text_release(&text);
        xpm_arena_destroy(arena);
}

static void memory_may_run_out_at_any_time(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "a: ${b}\nb: {c: ['${d}', 'x${d}']}\nd: ${oc.env:NAME}\n",
                "a: ${bb}\nb: 1\n",
                "a: ${b}\nb: ${a}\n",
        };
        if (!failing_malloc_works)
                skip();
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                bool struck = true;
                for (long n = 1; struck; n++) {
                        xpm_arena *arena = xpm_arena_create();
                        xpm_error err = XPM_ERROR_NONE;
                        xpm_document document = {.root = yaml_case_parse(arena, texts[i], 1)};
                        for (int fill = 0; fill < 60; fill++) /* so that the arena needs a chunk soon */
                                xpm_arena_alloc(arena, 1000);
                        failing_malloc_arm(n);
                        int rc = xpm_interpolate(arena, &document, environment, "data", &err);
                        struck = failing_malloc_disarm();
                        if (struck && rc != XPM_ENOMEM)
                                fail_msg("%s: allocation %ld: %d %s", texts[i], n, rc, err.message);
                        release(&document);
                        xpm_arena_destroy(arena);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_taken_whole_or_as_text),
                cmocka_unit_test(shells_and_environments_keep_their_dollars),
                cmocka_unit_test(what_cannot_be_is_said_with_the_path_of_keys),
                cmocka_unit_test(a_value_keeps_where_it_was_written_and_gets_the_layer_of_its_place),
                cmocka_unit_test(values_from_the_environment_are_recorded_where_they_went),
                cmocka_unit_test(keys_that_were_read_are_recorded),
                cmocka_unit_test(growth_and_depth_have_limits),
                cmocka_unit_test(a_long_chain_that_is_resolved_in_order_is_fine),
                cmocka_unit_test(memory_may_run_out_at_any_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
