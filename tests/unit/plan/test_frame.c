#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"

#define TYPES                                                                                                          \
        "id: x\n"                                                                                                      \
        "configs:\n"                                                                                                   \
        "  in: {params: {x: {type: int, default: 1}, y: {type: int, default: 2}, v: {type: int, meta: true, default: " \
        "0}}}\n"                                                                                                       \
        "  m: {params: {h: {type: int, default: 1}, in: {type: in, default: {x: 5}}, c: {constant: 7}}}\n"             \
        "  deep: {extends: m, params: {l: int, log: {type: int, default: 0, meta: true}}}\n"                           \
        "  flat: {extends: m, params: {w: {type: int, default: 9}}}\n"                                                 \
        "tasks:\n"                                                                                                     \
        "  t: {params: {m: m?, o: m?, ins: 'list[in]?', d: 'dict[str, int]?', n: {type: int, default: 0},\n"           \
        "               mm: {type: in, meta: true, default: {}}, g: {generated: g}, k: {constant: 1}}, command: "      \
        "'true'}\n"                                                                                                    \
        "plan:\n  s:\n    task: t\n"

/* Only parameter m of the jobs, and the tags; a line for each. */
static void expect_models(void *place, const char *step, const char *expected)
{
        char text[4096];
        struct expansion e;
        xpm_text found = XPM_TEXT_INIT;
        snprintf(text, sizeof text, TYPES "%s", step);
        expansion_read(place, text, (xpm_plan_options){0}, &e);
        if (e.rc != 0)
                xpm_text_puts(&found, e.err.message);
        for (size_t i = 0; e.plan && i < e.plan->job_count; i++) {
                const xpm_config *config = e.plan->jobs[i]->config;
                long param = xpm_param_find(config->type, "m", 1);
                expansion_put_value(&config->values[param], &found);
                xpm_text_putc(&found, '\n');
        }
        assert_string_equal(xpm_text_string(&found), expected);
        xpm_text_release(&found);
        expansion_release(&e);
}

static void path_changes_one_parameter_of_what_params_give(void **state)
{
        expect_models(*state, "    params: {m: {type: deep, l: 4, h: 8}}\n    sweep: {m.h: [1, 2], m.l: [3, 4]}\n",
                      "deep(h=1 in=in(x=5 y=2 v=0) c=7 l=3 log=0)\n"
                      "deep(h=1 in=in(x=5 y=2 v=0) c=7 l=4 log=0)\n"
                      "deep(h=2 in=in(x=5 y=2 v=0) c=7 l=3 log=0)\n"
                      "deep(h=2 in=in(x=5 y=2 v=0) c=7 l=4 log=0)\n");
}

static void path_into_an_absent_config_starts_from_an_empty_mapping(void **state)
{
        expect_models(*state, "    sweep: {m.h: [3]}\n", "m(h=3 in=in(x=5 y=2 v=0) c=7)\n");
        expect_models(*state, "    params: {m: null}\n    sweep: {m.h: [3]}\n", "m(h=3 in=in(x=5 y=2 v=0) c=7)\n");
        /* The default {x: 5} of `in` gives way to an empty mapping. */
        expect_models(*state, "    sweep: {m.in.y: [3, 4]}\n",
                      "m(h=1 in=in(x=1 y=3 v=0) c=7)\nm(h=1 in=in(x=1 y=4 v=0) c=7)\n");
        expect_models(*state, "    params: {m: {in: {x: 6}}}\n    sweep: {m.in.y: [3]}\n",
                      "m(h=1 in=in(x=6 y=3 v=0) c=7)\n");
}

static void path_into_a_swept_config_follows_its_type(void **state)
{
        expect_models(*state, "    sweep: {m: [{type: deep}, {type: deep, h: 6}], m.l: [3, 4]}\n",
                      "deep(h=1 in=in(x=5 y=2 v=0) c=7 l=3 log=0)\n"
                      "deep(h=1 in=in(x=5 y=2 v=0) c=7 l=4 log=0)\n"
                      "deep(h=6 in=in(x=5 y=2 v=0) c=7 l=3 log=0)\n"
                      "deep(h=6 in=in(x=5 y=2 v=0) c=7 l=4 log=0)\n");
        expect_models(*state,
                      "    sweep: {m.l: {range: [3, 5]}, m: {one_of: {d: {type: deep}, f: {type: flat}}}}\n"
                      "    exclude: [{m: f, l: 4}]\n    zip: [[m, m.l]]\n",
                      "deep(h=1 in=in(x=5 y=2 v=0) c=7 l=3 log=0)\n");
}

static void combination_that_cannot_be_is_dropped_by_exclude_before_it_is_checked(void **state)
{
        expect_models(*state,
                      "    sweep: {m: {one_of: {d: {type: deep, l: 1}, f: {type: flat}}}, m.w: [1, 2]}\n"
                      "    exclude: [{m: d}]\n",
                      "flat(h=1 in=in(x=5 y=2 v=0) c=7 w=1)\nflat(h=1 in=in(x=5 y=2 v=0) c=7 w=2)\n");
        expect_models(*state, "    sweep: {m: {one_of: {d: {type: deep, l: 1}, f: {type: flat}}}, m.w: [1, 2]}\n",
                      "e.yaml:13:68: 'deep' has no parameter 'w': it has 'h', 'in', 'l', 'log'");
        expect_models(*state, "    sweep: {m.h: [1, bad, 3, '4']}\n    exclude: [{h: bad}, {m.h: 3}, {h: '4'}]\n",
                      "m(h=1 in=in(x=5 y=2 v=0) c=7)\n");
        expect_models(*state, "    sweep: {m.l: [4, 5], m: [{type: deep}]}\n    exclude: [{m: {type: deep, l: 5}}]\n",
                      "deep(h=1 in=in(x=5 y=2 v=0) c=7 l=4 log=0)\n");
}

static void lists_and_dicts_may_be_on_the_way(void **state)
{
        expect_jobs(*state, TYPES "    params: {ins: [{x: 3}, {}]}\n    sweep: {ins.1.y: [5, 6], d.a: [7]}\n",
                    "s m=null o=null ins=[in(x=3 y=2 v=0) in(x=1 y=5 v=0)] d={a:7} n=0 mm=in(x=1 y=2 v=0) k=1 "
                    "{ins.1.y=5 d.a=7}\n"
                    "s m=null o=null ins=[in(x=3 y=2 v=0) in(x=1 y=6 v=0)] d={a:7} n=0 mm=in(x=1 y=2 v=0) k=1 "
                    "{ins.1.y=6 d.a=7}\n");
        expect_jobs(*state,
                    TYPES
                    "    params: {d: {a: 1, b: 2}, ins: [{}]}\n    sweep: {d.b: {range: [5, 7]}, ins.0: [{x: 4}]}\n",
                    "s m=null o=null ins=[in(x=4 y=2 v=0)] d={a:1 b:5} n=0 mm=in(x=1 y=2 v=0) k=1 {d.b=5 ins.0=in(x=4 "
                    "y=2 v=0)}\n"
                    "s m=null o=null ins=[in(x=4 y=2 v=0)] d={a:1 b:6} n=0 mm=in(x=1 y=2 v=0) k=1 {d.b=6 ins.0=in(x=4 "
                    "y=2 v=0)}\n");
}

static void equal_values_of_a_group_are_one_object(void **state)
{
        struct expansion e;
        expansion_read(*state, TYPES "    params: {o: {}}\n    sweep: {n: [1, 2], m.h: [3, 4]}\n",
                       (xpm_plan_options){0}, &e);
        assert_int_equal(e.plan->job_count, 4);
        const xpm_config *configs[4];
        for (size_t i = 0; i < 4; i++)
                configs[i] = e.plan->jobs[i]->config;
        long m = xpm_param_find(configs[0]->type, "m", 1), o = xpm_param_find(configs[0]->type, "o", 1);
        assert_ptr_equal(configs[0]->values[m].config, configs[2]->values[m].config);
        assert_ptr_not_equal(configs[0]->values[m].config, configs[1]->values[m].config);
        assert_ptr_equal(configs[0]->values[o].config, configs[3]->values[o].config);
        /* What is not on the path is shared even between different values. */
        long in = xpm_param_find(configs[0]->values[m].config->type, "in", 2);
        assert_ptr_equal(configs[0]->values[m].config->values[in].config,
                         configs[1]->values[m].config->values[in].config);
        expansion_release(&e);
}

static void value_beside_its_sweep_is_not_checked_unless_used(void **state)
{
        expect_models(*state, "    params: {m: {h: bad}}\n    sweep: {m.h: [3]}\n", "m(h=3 in=in(x=5 y=2 v=0) c=7)\n");
        expect_models(*state, "    params: {m: {h: bad}}\n    sweep: {m.h: [3]}\n    include: [{n: 1}]\n",
                      "e.yaml:13:21: 'h': expected int, found 'bad'");
}

static void paths_that_are_wrong(void **state)
{
        static const struct {
                const char *step, *message;
        } cases[] = {
                {"    sweep: {nn: [1]}\n", "e.yaml:13:13: task 't' has no parameter 'nn': did you mean 'n'?"},
                {"    sweep: {m.hh: [1]}\n",
                 "e.yaml:13:13: 'm.hh': config 'm' has no parameter 'hh': did you mean 'h'?"},
                {"    params: {m: {type: flat}}\n    sweep: {m.l: [1]}\n",
                 "e.yaml:14:13: 'm.l': config 'flat' has no parameter 'l'"},
                {"    sweep: {m.l: [1]}\n", "e.yaml:13:13: 'm.l': config 'm' has no parameter 'l'"},
                {"    sweep: {n.x: [1]}\n", "e.yaml:13:13: 'n.x': 'n' is int and has no 'x'"},
                {"    sweep: {mm: [{}]}\n",
                 "e.yaml:13:13: 'mm' cannot be swept: 'mm' is meta, no part of the identifier, so all "
                 "these jobs would be one: take its 'meta: true' away"},
                {"    sweep: {mm.x: [1]}\n",
                 "e.yaml:13:13: 'mm.x' cannot be swept: 'mm' is meta, no part of the identifier, so all "
                 "these jobs would be one: take its 'meta: true' away"},
                {"    sweep: {m.in.v: [1]}\n",
                 "e.yaml:13:13: 'm.in.v' cannot be swept: 'v' is meta, no part of the identifier, so "
                 "all these jobs would be one: take its 'meta: true' away"},
                {"    params: {m: {type: deep, l: 1}}\n    sweep: {m.log: [1]}\n",
                 "e.yaml:14:13: 'm.log' cannot be swept: 'log' is meta, no part of the identifier, so all these jobs "
                 "would be one: take its 'meta: true' away"},
                {"    sweep: {m: [{type: deep, l: 1}], m.log: [1]}\n",
                 "e.yaml:13:38: 'm.log' cannot be swept: 'log' is meta, no part of the identifier, so all these jobs "
                 "would be one: take its 'meta: true' away"},
                {"    include: [{mm: {}}]\n",
                 "e.yaml:13:16: 'mm' cannot be swept: 'mm' is meta, no part of the identifier, so all "
                 "these jobs would be one: take its 'meta: true' away"},
                {"    sweep: {k: [1]}\n", "e.yaml:13:13: 'k' cannot be swept: 'k' is a constant"},
                {"    sweep: {m.c: [1]}\n", "e.yaml:13:13: 'm.c' cannot be swept: 'c' is a constant"},
                {"    sweep: {g: [a]}\n", "e.yaml:13:13: 'g' cannot be swept: 'g' is generated"},
                {"    params: {m: 5}\n    sweep: {m.h: [1]}\n",
                 "e.yaml:14:13: 'm.h' leads into 'm', which is '5' and no config"},
                {"    params: {ins: [{}]}\n    sweep: {ins.1.x: [1]}\n",
                 "e.yaml:14:13: 'ins.1.x': 'ins' is a list of 1 items and has no '1'"},
                {"    sweep: {m: [{type: deep}]}\n", "e.yaml:11:3: step 's': parameter 'm.l' of task 't' has no value: "
                                                     "give it one in 'params' or in 'sweep'"},
                {"    params: {m: {type: deep}}\n    sweep: {n: [1]}\n",
                 "e.yaml:13:13: step 's': parameter 'm.l' of task 't' has no value: give it one in 'params' or in "
                 "'sweep'"},
                {"    params: {m: {type: deep}}\n    sweep: {m.l: [1]}\n    include: [{n: 4}]\n",
                 "e.yaml:15:15: step 's': parameter 'm.l' of task 't' has no value: give it one in 'params' or here"},
                {"    params: {type: other}\n", "e.yaml:13:20: unknown type 'other': expected 't'"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[4096];
                snprintf(text, sizeof text, TYPES "%s", cases[i].step);
                expect_error(*state, text, cases[i].message);
        }
}

static void task_is_chosen_by_task_alone(void **state)
{
        expect_error(*state,
                     "id: x\ntasks:\n  a: {params: {n: {type: int, default: 0}}, command: 'true'}\n  b: {extends: a}\n"
                     "plan:\n  s: {task: a, params: {type: b, n: 1}}\n",
                     "e.yaml:6:24: step 's' runs 'a': another task is chosen by 'task', not by 'type'");
}

static void every_entry_of_include_may_have_a_base_of_its_own(void **state)
{
        expect_models(*state,
                      "    params: {m: {h: 4}}\n    include: [{m.h: 1}, {m.h: 2}, {m.in.x: 8}, {m.h: 3, m.in.x: 9}, "
                      "{n: 1}]\n",
                      "m(h=1 in=in(x=5 y=2 v=0) c=7)\n"
                      "m(h=2 in=in(x=5 y=2 v=0) c=7)\n"
                      "m(h=4 in=in(x=8 y=2 v=0) c=7)\n"
                      "m(h=3 in=in(x=9 y=2 v=0) c=7)\n"
                      "m(h=4 in=in(x=5 y=2 v=0) c=7)\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(path_changes_one_parameter_of_what_params_give),
                T(path_into_an_absent_config_starts_from_an_empty_mapping),
                T(path_into_a_swept_config_follows_its_type),
                T(combination_that_cannot_be_is_dropped_by_exclude_before_it_is_checked),
                T(lists_and_dicts_may_be_on_the_way),
                T(equal_values_of_a_group_are_one_object),
                T(value_beside_its_sweep_is_not_checked_unless_used),
                T(paths_that_are_wrong),
                T(task_is_chosen_by_task_alone),
                T(every_entry_of_include_may_have_a_base_of_its_own),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
