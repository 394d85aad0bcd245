#include "failing_malloc.h"
#include "yaml_case.h"

#include "plan/merge.h"

static void later_layers_are_merged_by_the_rules(void **state)
{
        (void)state;
        static const struct {
                const char *layers[4], *json;
        } cases[] = {
                {{"{a: 1, b: 2}", "{b: 3, c: 4}"}, "{\"a\": 1, \"b\": 3, \"c\": 4}"},
                {{"{a: {b: {c: 1, d: 2}}}", "{a: {b: {d: 3}, e: 4}}"},
                 "{\"a\": {\"b\": {\"c\": 1, \"d\": 3}, \"e\": 4}}"},
                {{"{a: [1, 2]}", "{a: [3]}"}, "{\"a\": [3]}"},
                {{"{a: {b: 1}}", "{a: 2}"}, "{\"a\": 2}"},
                {{"{a: 2}", "{a: {b: 1}}"}, "{\"a\": {\"b\": 1}}"},
                {{"{a: {b: 1}}", "{a: }"}, "{\"a\": null}"},
                {{"{a: {b: 1}}", "{a: {}}"}, "{\"a\": {\"b\": 1}}"},
                /* types */
                {{"{a: {type: A, b: 1}}", "{a: {type: B, c: 2}}"}, "{\"a\": {\"type\": \"B\", \"c\": 2}}"},
                {{"{a: {type: A, b: 1}}", "{a: {type: A, c: 2}}"}, "{\"a\": {\"type\": \"A\", \"b\": 1, \"c\": 2}}"},
                {{"{a: {type: A, b: 1}}", "{a: {c: 2}}"}, "{\"a\": {\"type\": \"A\", \"b\": 1, \"c\": 2}}"},
                {{"{a: {b: 1}}", "{a: {type: A}}"}, "{\"a\": {\"b\": 1, \"type\": \"A\"}}"},
                {{"{a: {type: A, b: 1}}", "{a: {type: !remove A}}"}, "{\"a\": {\"b\": 1}}"},
                /* references and ranges */
                {{"{a: {each: s, where: {x: 1}}}", "{a: {each: t}}"}, "{\"a\": {\"each\": \"t\"}}"},
                {{"{a: {b: 1}}", "{a: {from: x.y}}"}, "{\"a\": {\"from\": \"x.y\"}}"},
                {{"{a: {all: s}}", "{a: {b: 1}}"}, "{\"a\": {\"b\": 1}}"},
                {{"{a: {range: [0, 5]}}", "{a: {linspace: [0, 1, 3]}}"}, "{\"a\": {\"linspace\": [0, 1, 3]}}"},
                /* but not names of tasks, steps and parameters */
                {{"{plan: {all: {task: x}}}", "{plan: {other: {task: y}}}"},
                 "{\"plan\": {\"all\": {\"task\": \"x\"}, \"other\": {\"task\": \"y\"}}}"},
                {{"{plan: {s: {params: {tag: 1}}}}", "{plan: {s: {params: {from: 2}}}}"},
                 "{\"plan\": {\"s\": {\"params\": {\"tag\": 1, \"from\": 2}}}}"},
                {{"{plan: {s: {sweep: {range: [1, 2]}}}}", "{plan: {s: {sweep: {x: [3]}}}}"},
                 "{\"plan\": {\"s\": {\"sweep\": {\"range\": [1, 2], \"x\": [3]}}}}"},
                {{"{plan: {s: {params: {x: {each: a}}}}}", "{plan: {s: {params: {x: {y: 2}}}}}"},
                 "{\"plan\": {\"s\": {\"params\": {\"x\": {\"y\": 2}}}}}"},
                {{"{tasks: {t: {params: {n: {type: int, default: 1}}}}}", "{tasks: {t: {params: {n: {type: float}}}}}"},
                 "{\"tasks\": {\"t\": {\"params\": {\"n\": {\"type\": \"float\"}}}}}"},
                {{"{tag: 1}", "{from: 2}"}, "{\"tag\": 1, \"from\": 2}"},
                {{"{type: A, b: 1}", "{type: B}"}, "{\"type\": \"B\", \"b\": 1}"},
                /* tags */
                {{"{a: {b: 1}}", "{a: !replace {c: 2}}"}, "{\"a\": {\"c\": 2}}"},
                {{"{a: 1, b: 2, c: 3}", "{b: !remove }"}, "{\"a\": 1, \"c\": 3}"},
                {{"{a: {b: 1, c: 2}}", "{a: {b: !remove x}}"}, "{\"a\": {\"c\": 2}}"},
                {{"{a: 1}", "{b: !remove , c: {d: !remove , e: [{f: !remove , g: 1}]}}"},
                 "{\"a\": 1, \"c\": {\"e\": [{\"g\": 1}]}}"},
                {{"{a: !remove , b: !replace {c: 1}}", "{a: 2, b: {d: 2}}"}, "{\"b\": {\"c\": 1, \"d\": 2}, \"a\": 2}"},
                {{"{a: 1}", "{a: !remove }", "{a: 3}"}, "{\"a\": 3}"},
                {{"{a: {b: 1}}", "!replace {c: 2}"}, "{\"c\": 2}"},
                /* a key keeps its place */
                {{"{a: 1, b: 2, c: 3}", "{c: 4, d: 5, a: 6}", "{b: 7}"}, "{\"a\": 6, \"b\": 7, \"c\": 4, \"d\": 5}"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_node *root = NULL;
                for (uint32_t j = 0; cases[i].layers[j]; j++)
                        assert_int_equal(
                                xpm_merge_root(arena, &root, yaml_case_parse(arena, cases[i].layers[j], 0), j + 1), 0);
                yaml_case_check(cases[i].layers[1], root, cases[i].json);
                xpm_arena_destroy(arena);
        }
}

static void a_node_has_the_layer_that_set_it(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_node *root = NULL;
        assert_int_equal(
                xpm_merge_root(arena, &root, yaml_case_parse(arena, "{a: {b: 1, c: [2]}, d: {type: A}}", 0), 1), 0);
        assert_int_equal(
                xpm_merge_root(arena, &root, yaml_case_parse(arena, "{a: {b: 3}, d: {type: B}, e: {f: 1}}", 0), 2), 0);
        const xpm_node *a = xpm_node_get(root, "a");
        assert_int_equal(root->layer, 1);
        assert_int_equal(a->layer, 1);
        assert_int_equal(xpm_node_get(a, "b")->layer, 2);
        assert_int_equal(xpm_node_get(a, "c")->items[0]->layer, 1);
        assert_int_equal(xpm_node_get(root, "d")->layer, 2);
        assert_int_equal(xpm_node_get(xpm_node_get(root, "e"), "f")->layer, 2);
        /* The position is that of the value that won. */
        assert_int_equal(xpm_node_get(a, "b")->pos.column, 9);
        xpm_arena_destroy(arena);
}

static void large_mappings_merge(void **state)
{
        (void)state;
        enum { MANY = 50000 };
        xpm_arena *arena = xpm_arena_create();
        xpm_text old = XPM_TEXT_INIT, new_text = XPM_TEXT_INIT;
        for (int i = 0; i < MANY; i++) {
                xpm_text_printf(&old, "k%d: %d\n", i, i);
                xpm_text_printf(&new_text, "k%d: %s\n", i, i % 2 ? "new" : "!remove");
        }
        xpm_node *root = NULL;
        assert_int_equal(xpm_merge_root(arena, &root, yaml_case_parse(arena, old.data, 0), 1), 0);
        assert_int_equal(xpm_merge_root(arena, &root, yaml_case_parse(arena, new_text.data, 0), 2), 0);
        assert_int_equal(root->pair_count, MANY / 2);
        assert_string_equal(xpm_node_get(root, "k49999")->text, "new");
        assert_null(xpm_node_get(root, "k0"));
        xpm_text_release(&old);
        xpm_text_release(&new_text);
        xpm_arena_destroy(arena);
}

static void memory_may_run_out_at_any_time(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        xpm_text many = XPM_TEXT_INIT;
        for (int i = 0; i < 3000; i++)
                xpm_text_printf(&many, "k%d: %d\n", i, i);
        bool struck = true;
        for (long n = 1; struck; n++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_node *root = yaml_case_parse(arena, "{a: {b: 1}, c: 2}", 0);
                xpm_node *layer = yaml_case_parse(arena, many.data, 0);
                failing_malloc_arm(n);
                int rc = xpm_merge_root(arena, &root, layer, 2);
                struck = failing_malloc_disarm();
                assert_int_equal(rc, struck ? XPM_ENOMEM : 0);
                xpm_arena_destroy(arena);
        }
        xpm_text_release(&many);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(later_layers_are_merged_by_the_rules),
                cmocka_unit_test(a_node_has_the_layer_that_set_it),
                cmocka_unit_test(large_mappings_merge),
                cmocka_unit_test(memory_may_run_out_at_any_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
