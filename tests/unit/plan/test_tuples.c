#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"

#define TYPES                                                                                           \
        "id: x\n"                                                                                       \
        "tasks:\n"                                                                                      \
        "  make: {params: {n: {type: int, default: 0}, k: {type: int, default: 0}}, command: 'true'}\n" \
        "  on: {params: {j: make, i: {type: int, default: 0}}, command: 'true'}\n"                      \
        "  two: {params: {a: on, b: on}, command: 'true'}\n"                                            \
        "  three: {params: {a: on, b: on, c: make}, command: 'true'}\n"                                 \
        "  sum: {params: {a: 'list[make]', b: 'list[make]'}, command: 'true'}\n"                        \
        "  lots: {params: {js: 'list[make]'}, command: 'true'}\n"                                       \
        "  pair: {params: {a: lots, b: lots}, command: 'true'}\n"                                       \
        "plan:\n"                                                                                       \
        "  m: {task: make, sweep: {n: [1, 2], k: [5, 6]}}\n"

/* The lines of step `t` alone. */
static void expect_tuples(void *place, const char *steps, const char *expected)
{
        char text[4096];
        struct expansion e;
        xpm_text jobs = XPM_TEXT_INIT, found = XPM_TEXT_INIT;
        snprintf(text, sizeof text, TYPES "%s", steps);
        expansion_read(place, text, (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        for (size_t i = 0; i < e.plan->job_count; i++)
                if (strcmp(e.plan->jobs[i]->step->name, "t") == 0) {
                        expansion_put_config(e.plan->jobs[i]->config, &found, " ");
                        xpm_text_putc(&found, '\n');
                }
        assert_string_equal(xpm_text_string(&found), expected);
        xpm_text_release(&jobs);
        xpm_text_release(&found);
        expansion_release(&e);
}

/* Jobs 0 to 3 are of m; 4 to 7 and 8 to 11 those of o and p on them. */
#define ON                                          \
        "  o: {task: on, params: {j: {each: m}}}\n" \
        "  p: {task: on, params: {j: {each: m}, i: 1}}\n"

static void match_by_a_tag_pairs_equal_values(void **state)
{
        expect_tuples(*state, ON "  t: {task: two, params: {a: {each: o}, b: {each: p}}, match: [n, k]}\n",
                      "a=#4 b=#8\na=#5 b=#9\na=#6 b=#10\na=#7 b=#11\n");
        expect_tuples(*state, ON "  t: {task: two, params: {a: {each: o}, b: {each: p}}, match: [k]}\n",
                      "a=#4 b=#8\na=#4 b=#10\na=#5 b=#9\na=#5 b=#11\na=#6 b=#8\na=#6 b=#10\na=#7 b=#9\na=#7 b=#11\n");
}

static void match_by_a_step_pairs_descendants_of_one_job(void **state)
{
        expect_tuples(*state, ON "  t: {task: two, params: {a: {each: o}, b: {each: p}}, match: [m]}\n",
                      "a=#4 b=#8\na=#5 b=#9\na=#6 b=#10\na=#7 b=#11\n");
}

static void step_counts_itself_as_ancestor(void **state)
{
        expect_tuples(
                *state,
                ON
                "  t: {task: three, params: {a: {each: o}, b: {each: p, where: {n: 1}}, c: {each: m}}, match: [m]}\n",
                "a=#4 b=#8 c=#0\na=#5 b=#9 c=#1\n");
}

static void step_goes_before_a_tag_of_its_name(void **state)
{
        expect_tuples(*state,
                      "  k: {task: on, params: {j: {each: m, where: {n: 1}}}}\n"
                      "  t: {task: two, params: {a: {each: k}, b: {each: k}}, match: [k]}\n",
                      "a=#4 b=#4\na=#5 b=#5\n");
}

static void ancestors_that_are_several_meet_when_one_is_shared(void **state)
{
        expect_tuples(*state,
                      "  l: {task: lots, params: {js: {all: m, by: [n]}}}\n"
                      "  r: {task: lots, params: {js: {all: m, by: [k]}}}\n"
                      "  one: {task: lots, params: {js: {all: m, where: {n: 1, k: 6}}}}\n"
                      "  t: {task: pair, params: {a: {each: l}, b: {each: [r, one]}}, match: [m]}\n",
                      /* 4 is of {0, 1}, 5 of {2, 3}; 6 of {0, 2}, 7 of {1, 3}; 8 of {1} */
                      "a=#4 b=#6\na=#4 b=#7\na=#4 b=#8\na=#5 b=#6\na=#5 b=#7\n");
}

static void lists_by_a_shared_name_are_matched_on_it(void **state)
{
        expect_tuples(*state, "  t: {task: sum, params: {a: {all: m, by: [n]}, b: {all: m, by: [n]}}}\n",
                      "a=[#0 #1] b=[#0 #1]\na=[#2 #3] b=[#2 #3]\n");
}

static void lists_multiply_over_the_names_that_only_one_has(void **state)
{
        expect_tuples(*state, "  t: {task: sum, params: {a: {all: m, by: [n]}, b: {all: m, by: [k]}}}\n",
                      "a=[#0 #1] b=[#0 #2]\na=[#0 #1] b=[#1 #3]\na=[#2 #3] b=[#0 #2]\na=[#2 #3] b=[#1 #3]\n");
        expect_tuples(*state, "  t: {task: sum, params: {a: {all: m, by: [n]}, b: {all: m, by: [k, n]}}}\n",
                      "a=[#0 #1] b=[#0]\na=[#0 #1] b=[#1]\na=[#2 #3] b=[#2]\na=[#2 #3] b=[#3]\n");
}

static void list_without_partner_gives_no_job(void **state)
{
        expect_tuples(*state,
                      "  w: {task: make, sweep: {n: [2, 3]}}\n"
                      "  t: {task: sum, params: {a: {all: m, by: [n]}, b: {all: w, by: [n]}}}\n",
                      "a=[#2 #3] b=[#4]\n");
}

static void step_that_matches_nothing_gives_a_warning(void **state)
{
        expect_warning(*state,
                       TYPES "  o: {task: on, params: {j: {each: m, where: {n: 1}}}}\n"
                             "  p: {task: on, params: {j: {each: m, where: {n: 2}}}}\n"
                             "  t: {task: two, params: {a: {each: o}, b: {each: p}}, match: [n]}\n",
                       "e.yaml:14:63: step 't' has no job: no jobs of its 'each' agree in what 'match' names\n");
        expect_warning(
                *state,
                TYPES "  t: {task: sum, params: {a: {all: m, by: [n], where: {n: 1}}, b: {all: m, by: [n], where: {n: "
                      "2}}}}\n",
                "e.yaml:12:6: step 't' has no job: no lists of its 'all' agree in the tags that their 'by' share\n");
        expect_warning(*state,
                       TYPES
                       "  o: {task: on, params: {j: {each: m}}}\n"
                       "  t: {task: two, params: {a: {each: o, where: {n: [9]}, allow_empty: true}, b: {each: o}}}\n",
                       "");
}

static void values_match_by_value_and_null_matches_null(void **state)
{
        expect_tuples(*state,
                      "  w: {task: make, tags: {n: 1.0}}\n"
                      "  v: {task: make, params: {n: 9}}\n"
                      "  t: {task: sum, params: {a: {all: m, by: [n]}, b: {all: [w, v], by: [n]}}}\n",
                      "a=[#0 #1] b=[#4]\n");
}

static void matches_that_are_wrong(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"  t: {task: two, params: {a: {each: o}, b: {each: p}}, match: [nn]}\n",
                 "e.yaml:14:64: step 'o' has no tag 'nn': did you mean 'n'?"},
                {"  t: {task: on, params: {j: {each: m}}, match: [n]}\n",
                 "e.yaml:14:48: step 't' has one 'each', and 'match' says which of several go together"},
                {"  t: {task: on, params: {j: {n: 1}}, match: [n]}\n",
                 "e.yaml:14:45: step 't' has no 'each', and 'match' says which of several go together"},
                {"  t: {task: two, params: {a: {each: o}, b: {each: p}}, match: n}\n",
                 "e.yaml:14:63: 'match' takes a list of tags or steps, as in [seed]"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[4096];
                snprintf(text, sizeof text, TYPES ON "%s", cases[i].text);
                expect_error(*state, text, cases[i].message);
        }
}

static void product_of_references_is_refused_before_it_is_made(void **state)
{
        expect_error(*state,
                     "id: x\ntasks:\n  make: {params: {n: int}, command: 'true'}\n"
                     "  two: {params: {a: make, b: make, c: {type: int, default: 0}}, command: 'true'}\nplan:\n"
                     "  m: {task: make, sweep: {n: {range: [0, 2000]}}}\n"
                     "  t: {task: two, params: {a: {each: m}, b: {each: m}}, sweep: {c: [1, 2, 3]}}\n",
                     "e.yaml:7:3: step 't' has 12000000 combinations, and a step has at most 10000000");
}

/* A product of 4,000,000 pairs, of which 2,000 match: found by keys, not one by one. */
static void match_is_a_join(void **state)
{
        struct expansion e;
        expansion_read(*state,
                       "id: x\ntasks:\n  make: {params: {n: int}, command: 'true'}\n"
                       "  two: {params: {a: make, b: make, c: make}, command: 'true'}\nplan:\n"
                       "  m: {task: make, sweep: {n: {range: [0, 2000]}}}\n"
                       "  t: {task: two, params: {a: {each: m}, b: {each: m}, c: {each: m}}, match: [n]}\n",
                       (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        assert_int_equal(e.plan->job_count, 4000);
        expansion_release(&e);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(match_by_a_tag_pairs_equal_values),
                T(match_by_a_step_pairs_descendants_of_one_job),
                T(step_counts_itself_as_ancestor),
                T(step_goes_before_a_tag_of_its_name),
                T(ancestors_that_are_several_meet_when_one_is_shared),
                T(lists_by_a_shared_name_are_matched_on_it),
                T(lists_multiply_over_the_names_that_only_one_has),
                T(list_without_partner_gives_no_job),
                T(step_that_matches_nothing_gives_a_warning),
                T(values_match_by_value_and_null_matches_null),
                T(matches_that_are_wrong),
                T(product_of_references_is_refused_before_it_is_made),
                T(match_is_a_join),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
