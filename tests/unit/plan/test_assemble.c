#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"

#define TYPES                                                                                                        \
        "id: x\n"                                                                                                    \
        "tasks:\n"                                                                                                   \
        "  t: {params: {a: {type: int, default: 0}, b: {type: int, default: 0}, s: str?, top: {type: int, default: " \
        "0, max: 5}}, command: 'true'}\n"                                                                            \
        "  u: {params: {j: t, c: {type: int, default: 0}}, command: 'true'}\n"                                       \
        "plan:\n"

static void all_tags_of_an_entry_must_match(void **state)
{
        expect_jobs(*state,
                    TYPES
                    "  s: {task: t, sweep: {a: [1, 2], b: [3, 4]}, exclude: [{a: 1, b: 4}, {a: 2.0, b: [3, 5]}]}\n",
                    "s a=1 b=3 s=null top=0 {a=1 b=3}\ns a=2 b=4 s=null top=0 {a=2 b=4}\n");
}

static void tags_from_above_may_be_named(void **state)
{
        expect_jobs(*state,
                    TYPES "  s: {task: t, sweep: {a: [1, 2]}}\n"
                          "  v: {task: u, params: {j: {each: s}}, sweep: {c: [7, 8]}, exclude: [{a: 1, c: 7}]}\n",
                    "s a=1 b=0 s=null top=0 {a=1}\n"
                    "s a=2 b=0 s=null top=0 {a=2}\n"
                    "v j=#0 c=8 {c=8 j.a=1}\n"
                    "v j=#1 c=7 {c=7 j.a=2}\n"
                    "v j=#1 c=8 {c=8 j.a=2}\n");
}

static void other_tags_may_be_named(void **state)
{
        expect_jobs(*state,
                    TYPES "  s: {task: t, params: {b: {from: a}}, sweep: {a: [1, 2]}, tags: [b], exclude: [{b: 2}]}\n",
                    "s a=1 b=1 s=null top=0 {a=1 b=1}\n");
}

static void lacking_tag_is_null(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: t, sweep: {a: [1, 2]}, exclude: [{a: 1, other: null}]}\n",
                    "s a=2 b=0 s=null top=0 {a=2}\n");
}

static void exclude_is_judged_before_values_are_checked(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: t, sweep: {top: [5, 6]}, exclude: [{top: 6}]}\n",
                    "s a=0 b=0 s=null top=5 {top=5}\n");
        expect_error(*state, TYPES "  s: {task: t, sweep: {top: [5, 6]}, exclude: [{top: 5}]}\n",
                     "e.yaml:6:33: 'top': 6 is more than its maximum 5");
}

static void step_whose_every_combination_is_excluded_has_no_jobs(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: t, sweep: {a: [1, 2]}, exclude: [{a: [1, 2]}]}\n", "");
}

static void entry_that_matches_nothing_warns(void **state)
{
        expect_warning(*state, TYPES "  s: {task: t, sweep: {a: [1, 2]}, exclude: [{a: 1}, {a: 3}, {aa: 1}]}\n",
                       "e.yaml:6:54: this entry of 'exclude' matches no combination of step 's'\n"
                       "e.yaml:6:62: this entry of 'exclude' matches no combination of step 's': it has no tag 'aa': "
                       "did you mean "
                       "'a'?\n");
}

static void excludes_that_are_wrong(void **state)
{
        expect_error(*state, TYPES "  s: {task: t, exclude: {a: 1}}\n",
                     "e.yaml:6:25: 'exclude' takes a list of combinations of tags, as in [{lr: 0.1, hidden: 128}]");
        expect_error(*state, TYPES "  s: {task: t, exclude: [a]}\n",
                     "e.yaml:6:26: 'exclude' takes a list of combinations of tags, as in [{lr: 0.1, hidden: 128}]");
        expect_error(*state, TYPES "  s: {task: t, exclude: [{}]}\n",
                     "e.yaml:6:26: this entry of 'exclude' names no tag: it would exclude every combination");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(all_tags_of_an_entry_must_match),
                T(tags_from_above_may_be_named),
                T(other_tags_may_be_named),
                T(lacking_tag_is_null),
                T(exclude_is_judged_before_values_are_checked),
                T(step_whose_every_combination_is_excluded_has_no_jobs),
                T(entry_that_matches_nothing_warns),
                T(excludes_that_are_wrong),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
