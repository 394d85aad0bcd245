#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"

#define TASK                                                                                                         \
        "id: x\n"                                                                                                    \
        "configs:\n"                                                                                                 \
        "  m: {params: {h: {type: int, default: 1}}}\n"                                                              \
        "  deep: {extends: m, params: {l: int}}\n"                                                                   \
        "  flat: {extends: m, params: {w: {type: int, default: 9}}}\n"                                               \
        "tasks:\n"                                                                                                   \
        "  t: {params: {a: {type: int, default: 0}, b: {type: int, default: 0}, s: str?, m: m?}, command: 'true'}\n" \
        "plan:\n"                                                                                                    \
        "  s:\n"                                                                                                     \
        "    task: t\n"

static void product_has_the_last_parameter_fastest(void **state)
{
        expect_jobs(*state, TASK "    sweep: {b: [1, 2], a: [3, 4]}\n",
                    "s a=3 b=1 s=null m=null {b=1 a=3}\n"
                    "s a=4 b=1 s=null m=null {b=1 a=4}\n"
                    "s a=3 b=2 s=null m=null {b=2 a=3}\n"
                    "s a=4 b=2 s=null m=null {b=2 a=4}\n");
}

static void scalar_in_a_sweep_is_a_list_of_one(void **state)
{
        expect_jobs(*state, TASK "    sweep: {a: 5}\n", "s a=5 b=0 s=null m=null {a=5}\n");
}

static void empty_mapping_is_no_sweep(void **state)
{
        expect_jobs(*state, TASK "    sweep: {}\n", "s a=0 b=0 s=null m=null\n");
        expect_jobs(*state, TASK "    sweep:\n", "s a=0 b=0 s=null m=null\n");
}

static void mappings_in_a_list_are_united(void **state)
{
        expect_jobs(*state, TASK "    sweep: [{a: [1, 2]}, {b: [3, 4], a: 2}]\n",
                    "s a=1 b=0 s=null m=null {a=1 b=0}\n"
                    "s a=2 b=0 s=null m=null {a=2 b=0}\n"
                    "s a=2 b=3 s=null m=null {a=2 b=3}\n"
                    "s a=2 b=4 s=null m=null {a=2 b=4}\n");
}

static void alternatives_have_names_that_are_the_tag(void **state)
{
        expect_jobs(*state,
                    TASK "    sweep: {m: {one_of: {x: {type: deep, l: 2}, y: {type: flat}, none: null}}, a: [1, 2]}\n",
                    "s a=1 b=0 s=null m=deep(h=1 l=2) {m=x a=1}\n"
                    "s a=2 b=0 s=null m=deep(h=1 l=2) {m=x a=2}\n"
                    "s a=1 b=0 s=null m=flat(h=1 w=9) {m=y a=1}\n"
                    "s a=2 b=0 s=null m=flat(h=1 w=9) {m=y a=2}\n"
                    "s a=1 b=0 s=null m=null {m=none a=1}\n"
                    "s a=2 b=0 s=null m=null {m=none a=2}\n");
}

static void alternatives_may_be_of_any_type(void **state)
{
        expect_jobs(*state, TASK "    sweep: {a: {one_of: {few: 1, many: 1000}}}\n",
                    "s a=1 b=0 s=null m=null {a=few}\n"
                    "s a=1000 b=0 s=null m=null {a=many}\n");
}

static void unnamed_config_has_its_tree_as_tag(void **state)
{
        expect_jobs(*state, TASK "    sweep: {m: [{h: 2}, {type: deep, l: 4}]}\n",
                    "s a=0 b=0 s=null m=m(h=2) {m=m(h=2)}\n"
                    "s a=0 b=0 s=null m=deep(h=1 l=4) {m=deep(h=1 l=4)}\n");
}

static void zipped_paths_advance_together_where_the_first_stands(void **state)
{
        expect_jobs(*state, TASK "    sweep: {a: [1, 2], s: [x, y], b: [10, 20]}\n    zip: [[a, b]]\n",
                    "s a=1 b=10 s=x m=null {a=1 s=x b=10}\n"
                    "s a=1 b=10 s=y m=null {a=1 s=y b=10}\n"
                    "s a=2 b=20 s=x m=null {a=2 s=x b=20}\n"
                    "s a=2 b=20 s=y m=null {a=2 s=y b=20}\n");
        expect_jobs(*state, TASK "    sweep: {a: [1, 2], s: [x, y], b: [10, 20]}\n    zip: [[b, a]]\n",
                    "s a=1 b=10 s=x m=null {a=1 s=x b=10}\n"
                    "s a=2 b=20 s=x m=null {a=2 s=x b=20}\n"
                    "s a=1 b=10 s=y m=null {a=1 s=y b=10}\n"
                    "s a=2 b=20 s=y m=null {a=2 s=y b=20}\n");
}

static void groups_of_zip_multiply(void **state)
{
        expect_jobs(*state,
                    TASK "    sweep: {a: [1, 2], b: [3, 4], s: [x, y], m.h: [5, 6]}\n    zip: [[a, b], [s, m.h]]\n",
                    "s a=1 b=3 s=x m=m(h=5) {a=1 b=3 s=x m.h=5}\n"
                    "s a=1 b=3 s=y m=m(h=6) {a=1 b=3 s=y m.h=6}\n"
                    "s a=2 b=4 s=x m=m(h=5) {a=2 b=4 s=x m.h=5}\n"
                    "s a=2 b=4 s=y m=m(h=6) {a=2 b=4 s=y m.h=6}\n");
}

static void zip_applies_to_each_mapping_that_has_the_group(void **state)
{
        expect_jobs(*state, TASK "    sweep: [{a: [1, 2], b: [3, 4]}, {s: [x]}, {b: 6, a: 5}]\n    zip: [[b, a]]\n",
                    "s a=1 b=3 s=null m=null {a=1 b=3 s=null}\n"
                    "s a=2 b=4 s=null m=null {a=2 b=4 s=null}\n"
                    "s a=0 b=0 s=x m=null {a=0 b=0 s=x}\n"
                    "s a=5 b=6 s=null m=null {a=5 b=6 s=null}\n");
}

static void include_follows_the_product_untouched_by_exclude(void **state)
{
        expect_jobs(*state,
                    TASK "    params: {b: 9}\n    sweep: {a: [1, 2]}\n    include: [{a: 7}, {b: 3}, {a: 1}]\n"
                         "    exclude: [{a: [1, 7]}]\n",
                    "s a=2 b=9 s=null m=null {a=2 b=9}\n"
                    "s a=7 b=9 s=null m=null {a=7 b=9}\n"
                    "s a=0 b=3 s=null m=null {a=0 b=3}\n"
                    "s a=1 b=9 s=null m=null {a=1 b=9}\n");
}

static void include_without_sweep_stands_alone(void **state)
{
        expect_jobs(*state, TASK "    include: [{a: 1}, {a: 2, b: 3}]\n",
                    "s a=1 b=0 s=null m=null {a=1 b=0}\n"
                    "s a=2 b=3 s=null m=null {a=2 b=3}\n");
        expect_jobs(*state, TASK "    sweep: {}\n    include: [{a: 1}]\n", "s a=1 b=0 s=null m=null {a=1}\n");
        expect_jobs(*state, TASK "    include: []\n", "s a=0 b=0 s=null m=null\n");
}

static void value_of_an_include_is_one_value(void **state)
{
        expect_jobs(*state,
                    "id: x\ntasks:\n  t: {params: {v: 'list[int]'}, command: 'true'}\nplan:\n  s:\n    task: t\n"
                    "    sweep: {v: [[1, 2], []]}\n    include: [{v: [3, 4]}]\n",
                    "s v=[1 2] {v=[1 2]}\ns v=[] {v=[]}\ns v=[3 4] {v=[3 4]}\n");
}

static void include_may_name_an_alternative(void **state)
{
        expect_jobs(*state,
                    TASK
                    "    sweep: {m: {one_of: {x: {type: deep, l: 2}, y: {type: flat}}}}\n    include: [{m: x, a: 5}]\n",
                    "s a=0 b=0 s=null m=deep(h=1 l=2) {m=x a=0}\n"
                    "s a=0 b=0 s=null m=flat(h=1 w=9) {m=y a=0}\n"
                    "s a=5 b=0 s=null m=deep(h=1 l=2) {m=x a=5}\n");
}

static void params_beside_a_sweep_serve_include(void **state)
{
        expect_jobs(*state, TASK "    params: {a: 100}\n    sweep: {a: [1], b: [2]}\n    include: [{b: 5}]\n",
                    "s a=1 b=2 s=null m=null {a=1 b=2}\n"
                    "s a=100 b=5 s=null m=null {a=100 b=5}\n");
}

static void sweeps_that_are_wrong(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"    sweep: []\n", "e.yaml:11:12: the sweep of step 's' is empty: no job would be left"},
                {"    sweep: {a: []}\n", "e.yaml:11:16: the sweep of 'a' is empty: no job would be left"},
                {"    sweep: {m: {one_of: {}}}\n", "e.yaml:11:16: the sweep of 'm' is empty: no job would be left"},
                {"    sweep: {m: {one_of: [1]}}\n",
                 "e.yaml:11:25: 'one_of' takes a mapping from names to alternatives, as in {small: {…}, big: {…}}"},
                {"    sweep: {m: {h: 3}}\n",
                 "e.yaml:11:16: the sweep of 'm' takes a list, a range or {one_of: {name: value, …}}: "
                 "write [ ] around a single mapping"},
                {"    sweep: [a, b]\n",
                 "e.yaml:11:13: 'sweep' takes a mapping from parameters to lists or ranges, or a list of "
                 "such mappings"},
                {"    sweep: a\n",
                 "e.yaml:11:12: 'sweep' takes a mapping from parameters to lists or ranges, or a list of such "
                 "mappings"},
                {"    sweep: {a..b: [1]}\n",
                 "e.yaml:11:13: what is swept is a path of parameters such as 'model.hidden', found 'a..b'"},
                {"    sweep: {a: [1, 2], b: [1, 2, 3]}\n    zip: [[a, b]]\n",
                 "e.yaml:12:15: zipped paths need equally many values: 'a' has 2 and 'b' has 3"},
                {"    sweep: {a: [1, 2], b: [1, 2]}\n    zip: [[a, b], [b, a]]\n", "e.yaml:12:20: 'b' is zipped twice"},
                {"    sweep: {a: [1, 2]}\n    zip: [[a, b]]\n", "e.yaml:12:15: 'a' and 'b' are zipped, so one mapping "
                                                                "of 'sweep' must have both, and 'b' is not there"},
                {"    sweep: [{a: [1]}, {b: [1]}]\n    zip: [[a, b]]\n",
                 "e.yaml:12:15: 'a' and 'b' are zipped, so one mapping of 'sweep' must have both, and 'b' is not "
                 "there"},
                {"    sweep: {m.h: [1, 2]}\n    zip: [[m.hh]]\n",
                 "e.yaml:12:12: 'm.hh' is zipped but not swept: did you mean 'm.h'?"},
                {"    zip: [[a, b]]\n", "e.yaml:11:12: 'a' is zipped but not swept"},
                {"    zip: [a, b]\n",
                 "e.yaml:11:11: 'zip' takes a list of groups of swept parameters, as in [[a, b], [c, d]]"},
                {"    include: {a: 1}\n", "e.yaml:11:14: 'include' takes a list of combinations, as in [{lr: 0.5}]"},
                {"    include: [a]\n", "e.yaml:11:15: an entry of 'include' is a mapping from parameters to values"},
                {"    sweep: {a: {range: [0, 10000]}, b: {range: [0, 10000]}, m.h: {range: [0, 10000]}}\n",
                 "e.yaml:11:12: step 's' has 1000000000000 combinations, and a step has at most 10000000"},
                {"    sweep: {a: {range: [0, 1000000]}, b: {range: [0, 1000000]}}\n    exclude: [{a: 1}]\n",
                 "e.yaml:11:12: step 's' has 1000000000000 combinations, and a step has at most 10000000"},
                {"    sweep: {a: [1, x, 3]}\n", "e.yaml:11:20: 'a': expected int, found 'x'"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[2048];
                snprintf(text, sizeof text, TASK "%s", cases[i].text);
                expect_error(*state, text, cases[i].message);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(product_has_the_last_parameter_fastest),
                T(scalar_in_a_sweep_is_a_list_of_one),
                T(empty_mapping_is_no_sweep),
                T(mappings_in_a_list_are_united),
                T(alternatives_have_names_that_are_the_tag),
                T(alternatives_may_be_of_any_type),
                T(unnamed_config_has_its_tree_as_tag),
                T(zipped_paths_advance_together_where_the_first_stands),
                T(groups_of_zip_multiply),
                T(zip_applies_to_each_mapping_that_has_the_group),
                T(include_follows_the_product_untouched_by_exclude),
                T(include_without_sweep_stands_alone),
                T(value_of_an_include_is_one_value),
                T(include_may_name_an_alternative),
                T(params_beside_a_sweep_serve_include),
                T(sweeps_that_are_wrong),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
