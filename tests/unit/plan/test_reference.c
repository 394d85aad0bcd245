#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"

/* `make` has jobs that are used by others. */
#define TYPES                                                                                                       \
        "id: x\n"                                                                                                   \
        "configs:\n"                                                                                                \
        "  box: {params: {job: make, n: {type: int, default: 0}}}\n"                                                \
        "tasks:\n"                                                                                                  \
        "  make: {params: {n: {type: int, default: 0}, k: {type: int, default: 0}, out: {generated: o}}, command: " \
        "'true'}\n"                                                                                                 \
        "  more: {extends: make, params: {z: {type: int, default: 0}}}\n"                                           \
        "  use: {params: {j: make, v: int?}, command: 'true'}\n"                                                    \
        "  two: {params: {a: make, b: make}, command: 'true'}\n"                                                    \
        "  sum: {params: {jobs: 'list[make]', v: int?, w: {type: int, default: 0}}, command: 'true'}\n"             \
        "  bag: {params: {jobs: 'set[make]', b: box?, d: 'dict[str, make]?', i: 'dict[str, str]?'}, command: "      \
        "'true'}\n"                                                                                                 \
        "  mix: {params: {jobs: 'list[make]', b: box?}, command: 'true'}\n"                                         \
        "plan:\n"                                                                                                   \
        "  m: {task: make, sweep: {n: [1, 2], k: [5, 6]}}\n"

#define JOBS                    \
        "m n=1 k=5 {n=1 k=5}\n" \
        "m n=1 k=6 {n=1 k=6}\n" \
        "m n=2 k=5 {n=2 k=5}\n" \
        "m n=2 k=6 {n=2 k=6}\n"

static void each_gives_a_job_for_each_job(void **state)
{
        expect_jobs(*state, TYPES "  u: {task: use, params: {j: {each: m}}}\n",
                    JOBS "u j=#0 v=null {j.n=1 j.k=5}\n"
                         "u j=#1 v=null {j.n=1 j.k=6}\n"
                         "u j=#2 v=null {j.n=2 j.k=5}\n"
                         "u j=#3 v=null {j.n=2 j.k=6}\n");
}

static void each_is_slower_than_the_sweep(void **state)
{
        expect_jobs(*state, TYPES "  u: {task: use, sweep: {v: [7, 8]}, params: {j: {each: m, where: {k: 5}}}}\n",
                    JOBS "u j=#0 v=7 {v=7 j.n=1 j.k=5}\n"
                         "u j=#0 v=8 {v=8 j.n=1 j.k=5}\n"
                         "u j=#2 v=7 {v=7 j.n=2 j.k=5}\n"
                         "u j=#2 v=8 {v=8 j.n=2 j.k=5}\n");
}

static void several_each_multiply_in_order_of_writing(void **state)
{
        expect_jobs(*state,
                    TYPES "  t: {task: two, params: {b: {each: m, where: {k: 5}}, a: {each: m, where: {n: 1}}}}\n",
                    JOBS "t a=#0 b=#0 {b.n=1 b.k=5 a.n=1 a.k=5}\n"
                         "t a=#1 b=#0 {b.n=1 b.k=5 a.n=1 a.k=6}\n"
                         "t a=#0 b=#2 {b.n=2 b.k=5 a.n=1 a.k=5}\n"
                         "t a=#1 b=#2 {b.n=2 b.k=5 a.n=1 a.k=6}\n");
}

static void all_gives_a_list_in_job_order(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: sum, params: {jobs: {all: m}}}\n",
                    JOBS "s jobs=[#0 #1 #2 #3] v=null w=0\n");
}

static void all_gives_a_set_where_one_is_wanted(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: bag, params: {jobs: {all: m, where: {n: 1}}}}\n",
                    JOBS "s jobs=<#0 #1> b=null d=null i=null {jobs.n=1}\n");
}

static void by_makes_one_list_for_each_value_in_order_of_appearance(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: sum, params: {jobs: {all: m, by: [k]}}}\n",
                    JOBS "s jobs=[#0 #2] v=null w=0 {jobs.k=5}\n"
                         "s jobs=[#1 #3] v=null w=0 {jobs.k=6}\n");
        expect_jobs(*state, TYPES "  s: {task: sum, params: {jobs: {all: m, by: [k, n]}}}\n",
                    JOBS "s jobs=[#0] v=null w=0 {jobs.n=1 jobs.k=5}\n"
                         "s jobs=[#1] v=null w=0 {jobs.n=1 jobs.k=6}\n"
                         "s jobs=[#2] v=null w=0 {jobs.n=2 jobs.k=5}\n"
                         "s jobs=[#3] v=null w=0 {jobs.n=2 jobs.k=6}\n");
}

static void where_filters_and_a_list_means_any_of(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: sum, params: {jobs: {all: m, where: {n: [2, 3], k: [5, 6, 7]}}}}\n",
                    JOBS "s jobs=[#2 #3] v=null w=0 {jobs.n=2}\n");
}

static void numbers_of_where_compare_by_value(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: sum, params: {jobs: {all: m, where: {n: 2.0, k: [5e0]}}}}\n",
                    JOBS "s jobs=[#2] v=null w=0 {jobs.n=2 jobs.k=5}\n");
}

static void several_steps_are_one_list_in_the_order_of_the_reference(void **state)
{
        expect_jobs(*state,
                    TYPES "  l: {task: more, sweep: {z: [3]}}\n  s: {task: sum, params: {jobs: {all: [l, m]}}}\n",
                    JOBS "l n=0 k=0 z=3 {z=3}\ns jobs=[#4 #0 #1 #2 #3] v=null w=0\n");
        expect_jobs(*state, TYPES "  l: {task: more, sweep: {z: [3]}}\n  u: {task: use, params: {j: {each: [l, m]}}}\n",
                    JOBS "l n=0 k=0 z=3 {z=3}\n"
                         "u j=#4 v=null {j.z=3}\n"
                         "u j=#0 v=null {j.n=1 j.k=5}\n"
                         "u j=#1 v=null {j.n=1 j.k=6}\n"
                         "u j=#2 v=null {j.n=2 j.k=5}\n"
                         "u j=#3 v=null {j.n=2 j.k=6}\n");
}

static void tag_that_some_jobs_lack_is_null(void **state)
{
        expect_jobs(*state,
                    TYPES "  l: {task: more, sweep: {z: [3]}}\n"
                          "  s: {task: sum, params: {jobs: {all: [l, m], by: [z]}}}\n"
                          "  t: {task: sum, params: {jobs: {all: [l, m], where: {n: null}}, w: 1}}\n",
                    JOBS "l n=0 k=0 z=3 {z=3}\n"
                         "s jobs=[#4] v=null w=0 {jobs.z=3}\n"
                         "s jobs=[#0 #1 #2 #3] v=null w=0\n"
                         "t jobs=[#4] v=null w=1 {jobs.z=3}\n");
}

static void job_that_two_steps_have_is_listed_once(void **state)
{
        expect_jobs(*state,
                    TYPES "  l: {task: make, sweep: {n: [1, 9]}, params: {k: 5}}\n"
                          "  s: {task: sum, params: {jobs: {all: [l, m]}}}\n",
                    JOBS "l n=9 k=5 {n=9}\ns jobs=[#0 #4 #1 #2 #3] v=null w=0\n");
}

static void references_stand_at_any_depth(void **state)
{
        expect_jobs(*state,
                    TYPES "  s:\n    task: mix\n    params:\n"
                          "      jobs: [{each: m, where: {n: 1}}, {n: 7}]\n"
                          "      b: {job: {each: m, where: {k: 6}}}\n",
                    JOBS "s jobs=[#0 make(n=7 k=0)] b=box(job=#1 n=0) {jobs.0.n=1 jobs.0.k=5 b.job.n=1 b.job.k=6}\n"
                         "s jobs=[#0 make(n=7 k=0)] b=box(job=#3 n=0) {jobs.0.n=1 jobs.0.k=5 b.job.n=2 b.job.k=6}\n"
                         "s jobs=[#1 make(n=7 k=0)] b=box(job=#1 n=0) {jobs.0.n=1 jobs.0.k=6 b.job.n=1 b.job.k=6}\n"
                         "s jobs=[#1 make(n=7 k=0)] b=box(job=#3 n=0) {jobs.0.n=1 jobs.0.k=6 b.job.n=2 b.job.k=6}\n");
}

static void equal_references_in_a_set_are_one(void **state)
{
        expect_jobs(*state,
                    TYPES "  s:\n    task: bag\n    params:\n"
                          "      jobs: [{each: m, where: {n: 1}}, {from: b.job}]\n"
                          "      b: {job: {each: m, where: {n: 1, k: 5}}}\n",
                    JOBS "s jobs=<#0> b=box(job=#0 n=0) d=null i=null {jobs.n=1 jobs.k=5 b.job.n=1 b.job.k=5}\n"
                         "s jobs=<#1 #0> b=box(job=#0 n=0) d=null i=null {jobs.n=1 b.job.n=1 b.job.k=5}\n");
}

static void mapping_for_a_dict_is_a_literal(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: bag, params: {jobs: [], i: {each: nobody}}}\n",
                    JOBS "s jobs=<> b=null d=null i={each:nobody}\n");
        expect_jobs(*state, TYPES "  s: {task: bag, params: {jobs: [], d: {first: {each: m, where: {n: 1}}}}}\n",
                    JOBS "s jobs=<> b=null d={first:#0} i=null {d.first.n=1 d.first.k=5}\n"
                         "s jobs=<> b=null d={first:#1} i=null {d.first.n=1 d.first.k=6}\n");
}

static void nothing_may_be_found_where_that_is_allowed(void **state)
{
        expect_jobs(*state, TYPES "  u: {task: use, params: {j: {each: m, where: {n: 4}, allow_empty: true}}}\n", JOBS);
        expect_jobs(*state, TYPES "  s: {task: sum, params: {jobs: {all: m, where: {n: 4}, allow_empty: true}}}\n",
                    JOBS "s jobs=[] v=null w=0\n");
        expect_jobs(*state,
                    TYPES "  s: {task: sum, params: {jobs: {all: m, by: n, where: {n: 4}, allow_empty: true}}}\n",
                    JOBS);
}

static void from_is_the_value_in_this_job(void **state)
{
        expect_jobs(*state, TYPES "  u: {task: use, params: {v: {from: j.n}, j: {each: m, where: {k: 5}}}}\n",
                    JOBS "u j=#0 v=1 {j.n=1 j.k=5}\n"
                         "u j=#2 v=2 {j.n=2 j.k=5}\n");
        expect_jobs(*state,
                    TYPES "  s: {task: sum, params: {v: {from: jobs.1.k}, w: {from: v}, jobs: {all: m, by: n}}}\n",
                    JOBS "s jobs=[#0 #1] v=6 w=6 {jobs.n=1}\n"
                         "s jobs=[#2 #3] v=6 w=6 {jobs.n=2}\n");
}

static void from_sees_what_is_swept(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: sum, params: {jobs: [], w: {from: v}}, sweep: {v: [1, 2]}}\n",
                    JOBS "s jobs=[] v=1 w=1 {v=1}\n"
                         "s jobs=[] v=2 w=2 {v=2}\n");
}

static void from_of_a_job_is_that_job(void **state)
{
        expect_jobs(*state, TYPES "  t: {task: two, params: {a: {each: m, where: {k: 5}}, b: {from: a}}}\n",
                    JOBS "t a=#0 b=#0 {a.n=1 a.k=5 b.n=1 b.k=5}\n"
                         "t a=#2 b=#2 {a.n=2 a.k=5 b.n=2 b.k=5}\n");
}

static void from_of_a_config_is_the_same_object(void **state)
{
        struct expansion e;
        expansion_read(
                *state,
                "id: x\nconfigs: {c: {params: {n: int}}}\ntasks: {t: {params: {a: c, b: c, d: c}, command: 'true'}}\n"
                "plan: {s: {task: t, params: {a: {n: {tag: n}}, b: {from: a}, d: {n: 1}}, tags: {n: 1}}}\n",
                (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        const xpm_value *values = e.plan->jobs[0]->config->values;
        assert_ptr_equal(values[0].config, values[1].config);
        assert_ptr_not_equal(values[0].config, values[2].config);
        assert_int_equal(values[0].config->values[0].integer, 1);
        expansion_release(&e);
}

static void tag_is_the_value_of_that_tag(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: sum, params: {jobs: {all: m, by: n}, v: {tag: jobs.n}, w: {tag: n}}}\n",
                    JOBS "s jobs=[#0 #1] v=1 w=1 {jobs.n=1}\n"
                         "s jobs=[#2 #3] v=2 w=2 {jobs.n=2}\n");
        expect_jobs(*state, TYPES "  s: {task: sum, params: {jobs: [], v: {tag: q}, w: {tag: q}}, tags: {q: 17}}\n",
                    JOBS "s jobs=[] v=17 w=17 {q=17}\n");
}

static void tag_may_be_missing_where_that_is_allowed(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: sum, params: {jobs: {all: m}, v: {tag: n, allow_empty: true}}}\n",
                    JOBS "s jobs=[#0 #1 #2 #3] v=null w=0\n");
}

static void name_of_an_alternative_is_what_a_tag_gives(void **state)
{
        expect_jobs(
                *state,
                "id: x\nenums: {e: [few, many]}\ntasks: {t: {params: {a: int, s: str, e: e}, command: 'true'}}\n"
                "plan: {s: {task: t, params: {s: {tag: a}, e: {tag: a}}, sweep: {a: {one_of: {few: 1, many: 9}}}}}\n",
                "s a=1 s=few e=few {a=few}\ns a=9 s=many e=many {a=many}\n");
}

static void from_and_tag_may_stand_in_a_sweep(void **state)
{
        expect_jobs(*state,
                    TYPES "  b:\n    task: mix\n    params: {jobs: {all: m, by: n}}\n"
                          "    sweep: {b: [{job: {from: jobs.0}, n: {tag: jobs.n}}, {job: {from: jobs.1}}]}\n",
                    JOBS "b jobs=[#0 #1] b=box(job=#0 n=1) {b=box(job=#0 n=1) jobs.n=1 b.job.n=1 b.job.k=5}\n"
                         "b jobs=[#0 #1] b=box(job=#1 n=0) {b=box(job=#1 n=0) jobs.n=1 b.job.n=1 b.job.k=6}\n"
                         "b jobs=[#2 #3] b=box(job=#2 n=2) {b=box(job=#2 n=2) jobs.n=2 b.job.n=2 b.job.k=5}\n"
                         "b jobs=[#2 #3] b=box(job=#3 n=0) {b=box(job=#3 n=0) jobs.n=2 b.job.n=2 b.job.k=6}\n");
}

static void reference_that_a_sweep_replaces_serves_include_alone(void **state)
{
        expect_jobs(
                *state,
                TYPES
                "  u: {task: use, params: {j: {each: m, where: {k: 5}}}, sweep: {j: [{n: 8}]}, include: [{v: 3}]}\n",
                JOBS "u j=make(n=8 k=0) v=null {j=make(n=8 k=0) v=null}\n"
                     "u j=#0 v=3 {j=#0 v=3 j.n=1 j.k=5}\n"
                     "u j=#2 v=3 {j=#2 v=3 j.n=2 j.k=5}\n");
}

static void include_follows_the_product_for_each_choice(void **state)
{
        expect_jobs(*state,
                    TYPES
                    "  u: {task: use, params: {j: {each: m, where: {k: 5}}}, sweep: {v: [1]}, include: [{v: 9}]}\n",
                    JOBS "u j=#0 v=1 {v=1 j.n=1 j.k=5}\n"
                         "u j=#0 v=9 {v=9 j.n=1 j.k=5}\n"
                         "u j=#2 v=1 {v=1 j.n=2 j.k=5}\n"
                         "u j=#2 v=9 {v=9 j.n=2 j.k=5}\n");
}

static void references_taken_by_interpolation_are_two(void **state)
{
        expect_jobs(*state,
                    TYPES "  t: {task: two, params: {a: '${any}', b: '${any}'}}\nany: {each: m, where: {k: 5}}\n",
                    JOBS "t a=#0 b=#0 {a.n=1 a.k=5 b.n=1 b.k=5}\n"
                         "t a=#0 b=#2 {a.n=1 a.k=5 b.n=2 b.k=5}\n"
                         "t a=#2 b=#0 {a.n=2 a.k=5 b.n=1 b.k=5}\n"
                         "t a=#2 b=#2 {a.n=2 a.k=5 b.n=2 b.k=5}\n");
}

static void references_that_are_wrong(void **state)
{
        static const struct {
                const char *step, *message;
        } cases[] = {
                {"use, params: {j: {each: mm}}", "e.yaml:14:37: there is no step 'mm': did you mean 'm'?"},
                {"use, params: {j: {each: [m, nowhere]}}", "e.yaml:14:41: there is no step 'nowhere'"},
                {"use, params: {j: {each: []}}", "e.yaml:14:37: this 'each' names no step"},
                {"use, params: {j: {each: {a: m}}}",
                 "e.yaml:14:37: 'each' takes the name of a step, or a list of them"},
                {"use, params: {j: {each: m, by: [n]}}",
                 "e.yaml:14:30: 'by' makes lists of jobs: it goes with 'all', not with 'each'"},
                {"use, params: {j: {each: m, where: n}}",
                 "e.yaml:14:47: 'where' takes a mapping from tags to values, as in {lr: [0.1, 0.01]}"},
                {"use, params: {j: {each: m, allow_empty: yes}}",
                 "e.yaml:14:53: ''allow_empty'': expected true or false, found 'yes'"},
                {"sum, params: {jobs: {each: m}}", "e.yaml:14:33: 'jobs': {each: m} gives one job for each job, and "
                                                   "list[make] is wanted: use 'all' for a list of "
                                                   "them"},
                {"use, params: {j: {all: m}}", "e.yaml:14:30: 'j': {all: m} gives a list, and make is wanted: use "
                                               "'each' for one job per job, or declare a "
                                               "list[make]"},
                {"use, params: {j: {each: m}, v: {each: m}}",
                 "e.yaml:14:44: 'v': {each: m} gives jobs of task 'make', and int? is wanted"},
                {"use, params: {j: {each: other}}",
                 "e.yaml:14:30: 'j': {each: other} gives jobs of task 'use', and make is wanted"},
                {"sum, params: {jobs: {all: [m, other]}}",
                 "e.yaml:14:33: 'jobs': {all: other} gives jobs of task 'use', and make is wanted"},
                {"use, params: {j: {each: m, where: {n: 4}}}",
                 "e.yaml:14:30: 'j': step 'm' has no job that 'where' allows: if that may be, write allow_empty: true"},
                {"use, params: {j: {each: m, where: {nn: 4}}}",
                 "e.yaml:14:48: step 'm' has no tag 'nn': did you mean 'n'?"},
                {"sum, params: {jobs: {all: m, by: [seed]}}",
                 "e.yaml:14:33: step 'm' has no tag 'seed': its tags are n, k"},
                {"use, params: {j: {each: m}}, sweep: {j.n: [1]}",
                 "e.yaml:14:50: 'j.n' leads into the reference 'j', and what another step decided cannot be changed "
                 "here: sweep it "
                 "in that step"},
                {"use, sweep: {j: [{each: m}]}",
                 "e.yaml:14:30: 'each' and 'all' stand in 'params' only: give 'j' the reference there"},
                {"use, params: {v: {from: j.nn}, j: {each: m}}",
                 "e.yaml:14:30: step 's': 'v': {from: j.nn} finds nothing in a job of this step"},
                {"use, params: {v: {from: j}, j: {each: m}}",
                 "e.yaml:14:30: 'v': expected int?, and {from: j} gives make"},
                {"use, params: {v: {from: j.out}, j: {each: m}}",
                 "e.yaml:14:30: 'v': 'j.out' is generated and has no value before the job runs: write {{j.out}} in the "
                 "command"},
                {"use, params: {v: {from: v}, j: {each: m}}",
                 "e.yaml:14:30: step 's': a value refers to itself: v -> v"},
                {"two, params: {a: {n: {from: b.n}}, b: {n: {from: a.n}}}",
                 "e.yaml:14:34: step 's': a value refers to itself: a.n -> b.n -> a.n"},
                {"two, params: {a: {n: {from: b.n}}, b: {from: a}}",
                 "e.yaml:14:34: step 's': a value refers to itself: a.n -> b -> a.n"},
                {"use, params: {v: {tag: v}, j: {each: m}}, tags: [v]",
                 "e.yaml:14:30: step 's': a value refers to itself: v -> v"},
                {"use, params: {v: {tag: kk}, j: {each: m}}",
                 "e.yaml:14:30: step 's' has no tag 'kk': did you mean 'k'?"},
                {"sum, params: {w: {tag: n}, jobs: {all: m}}",
                 "e.yaml:14:30: step 's': 'w': {tag: n} finds nothing in a job of this step"},
                {"two, params: {a: {each: m}, b: {each: m, where: {n: 1}}}, tags: {q: 1}, sweep: {a.k: [1]}",
                 "e.yaml:14:93: 'a.k' leads into the reference 'a', and what another step decided cannot be changed "
                 "here: sweep it "
                 "in that step"},
                {"two, params: {a: {each: m}, b: {n: {tag: n}}}, sweep: {}", NULL},
                {"use, params: {j: {each: m}, v: {from: }}",
                 "e.yaml:14:51: 'from' takes one name, as in {from: model.lr}"},
                {"use, params: {j: {each: m}, v: {from: a..b}}",
                 "e.yaml:14:51: what 'from' takes is a path of parameters such as 'model.hidden', found 'a..b'"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[2048];
                snprintf(text, sizeof text, TYPES "  s: {task: %s}\n  other: {task: use, params: {j: {n: 1}}}\n",
                         cases[i].step);
                if (cases[i].message)
                        expect_error(*state, text, cases[i].message);
        }
}

static void bounds_hold_for_what_a_reference_gives(void **state)
{
        expect_error(*state,
                     "id: x\ntasks: {t: {params: {a: int, b: {type: int, max: 5}}, command: 'true'}}\n"
                     "plan:\n  s: {task: t, params: {b: {from: a}}, sweep: {a: [1, 6]}}\n",
                     "e.yaml:4:28: 'b': 6 is more than its maximum 5");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(each_gives_a_job_for_each_job),
                T(each_is_slower_than_the_sweep),
                T(several_each_multiply_in_order_of_writing),
                T(all_gives_a_list_in_job_order),
                T(all_gives_a_set_where_one_is_wanted),
                T(by_makes_one_list_for_each_value_in_order_of_appearance),
                T(where_filters_and_a_list_means_any_of),
                T(numbers_of_where_compare_by_value),
                T(several_steps_are_one_list_in_the_order_of_the_reference),
                T(tag_that_some_jobs_lack_is_null),
                T(job_that_two_steps_have_is_listed_once),
                T(references_stand_at_any_depth),
                T(equal_references_in_a_set_are_one),
                T(mapping_for_a_dict_is_a_literal),
                T(nothing_may_be_found_where_that_is_allowed),
                T(from_is_the_value_in_this_job),
                T(from_sees_what_is_swept),
                T(from_of_a_job_is_that_job),
                T(from_of_a_config_is_the_same_object),
                T(tag_is_the_value_of_that_tag),
                T(tag_may_be_missing_where_that_is_allowed),
                T(name_of_an_alternative_is_what_a_tag_gives),
                T(from_and_tag_may_stand_in_a_sweep),
                T(reference_that_a_sweep_replaces_serves_include_alone),
                T(include_follows_the_product_for_each_choice),
                T(references_taken_by_interpolation_are_two),
                T(references_that_are_wrong),
                T(bounds_hold_for_what_a_reference_gives),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
