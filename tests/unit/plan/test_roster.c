#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"

#define TYPES                                                                                                       \
        "id: x\n"                                                                                                   \
        "configs:\n"                                                                                                \
        "  c: {params: {j: t, js: 'list[t]?'}}\n"                                                                   \
        "tasks:\n"                                                                                                  \
        "  t: {params: {a: {type: int, default: 0}, th: {type: int, default: 1, meta: true}}, command: 'true "      \
        "{{th}}'}\n"                                                                                                \
        "  u: {params: {z: t?, m: t?, c: c?, l: 'list[t]?', st: 'set[t]?', d: 'dict[str, t]?'}, command: 'true'}\n" \
        "  w: {params: {v: u}, command: 'true'}\n"                                                                  \
        "plan:\n"

static void equal_combinations_are_one_job(void **state)
{
        expect_jobs(*state, TYPES "  s: {task: t, sweep: {a: [1, 1, 2]}, include: [{a: 2}, {a: 3}]}\n",
                    "s a=1 th=1 {a=1}\ns a=2 th=1 {a=2}\ns a=3 th=1 {a=3}\n");
        expect_warning(*state, TYPES "  s: {task: t, sweep: {a: [1, 1, 2]}, include: [{a: 2}, {a: 3}]}\n", "");
}

static void first_of_jobs_that_would_run_differently_is_used(void **state)
{
        static const char text[] = TYPES "  s: {task: t, params: {a: 1, th: 4}}\n"
                                         "  r: {task: t, params: {th: 8}, sweep: {a: [1, 2, 3]}}\n"
                                         "  q: {task: t, params: {th: 9, a: 3}}\n";
        expect_jobs(*state, text, "s a=1 th=4 {a=1}\nr a=2 th=8 {a=2}\nr a=3 th=8 {a=3}\n");
        expect_warning(
                *state, text,
                "e.yaml:10:3: 1 combination of step 'r' is the same job as another, but would run differently, since "
                "a meta parameter or a setting of the step differs: {} of step 's' and {\"a\": 1}; the first is "
                "used\n"
                "e.yaml:11:3: 1 combination of step 'q' is the same job as another, but would run differently, since "
                "a meta parameter or a setting of the step differs: {\"a\": 3} of step 'r' and {}; the first is "
                "used\n");
}

static void settings_of_a_step_make_a_difference_too(void **state)
{
        expect_warning(
                *state, TYPES "  s: {task: t}\n  r: {task: t, requirements: cpu(cores=2)}\n",
                "e.yaml:10:3: 1 combination of step 'r' is the same job as another, but would run differently, since "
                "a meta parameter or a setting of the step differs: {} of step 's' and {}; the first is used\n");
        expect_warning(*state, TYPES "  s: {task: t, env: {A: b}}\n  r: {task: t, env: {A: b}}\n", "");
}

static void difference_that_changes_no_command_is_none(void **state)
{
        expect_warning(*state,
                       "id: x\ntasks:\n  t: {params: {a: int, th: {type: int, meta: true}}, command: 'true {{a}}'}\n"
                       "plan:\n  s: {task: t, params: {a: 1, th: 4}}\n  r: {task: t, params: {a: 1, th: 5}}\n",
                       "");
        expect_warning(
                *state,
                "id: x\ntasks:\n  t: {params: {a: int, th: {type: int, meta: true}}, command: 'true', requirements: "
                "'cpu(cores={{th}})'}\n"
                "plan:\n  s: {task: t, params: {a: 1, th: 4}}\n  r: {task: t, params: {a: 1, th: 5}}\n",
                "e.yaml:6:3: 1 combination of step 'r' is the same job as another, but would run differently, since "
                "a meta parameter or a setting of the step differs: {} of step 's' and {}; the first is used\n");
}

static void many_differences_are_one_warning(void **state)
{
        expect_warning(*state,
                       TYPES "  s: {task: t, sweep: {a: {range: [0, 50]}}}\n"
                             "  r: {task: t, params: {th: 2}, sweep: {a: {range: [0, 50]}}}\n",
                       "e.yaml:10:3: 50 combinations of step 'r' are the same job as another, but would run "
                       "differently, since "
                       "a meta parameter or a setting of the step differs: {\"a\": 0} of step 's' and {\"a\": 0}; the "
                       "first is "
                       "used\n");
}

static void job_belongs_to_the_step_that_stands_first(void **state)
{
        /* `b` is expanded before `a`, which needs `n`, which needs `b`. */
        static const char text[] = TYPES "  a: {task: t, params: {th: 5}, after: [n], tags: {q: 1}}\n"
                                         "  n: {task: u, params: {m: {each: b}}}\n"
                                         "  b: {task: t, sweep: {a: [3]}, tags: {q: 2}}\n";
        expect_jobs(*state, text,
                    "a a=0 th=5 {q=1} after 1\n"
                    "n z=null m=#2 c=null l=null st=null d=null {m.a=3 m.q=2}\n"
                    "b a=3 th=1 {a=3 q=2}\n");
        expect_jobs(*state,
                    TYPES "  a: {task: t, params: {th: 5}, after: [n], tags: {q: 1}}\n"
                          "  n: {task: t, params: {a: 6}}\n"
                          "  b: {task: u, params: {m: {each: o}}}\n"
                          "  o: {task: t, sweep: {a: [0, 1]}, tags: {q: 2}}\n",
                    "a a=0 th=5 {q=1 a=0} after 1\n"
                    "n a=6 th=1\n"
                    "b z=null m=#0 c=null l=null st=null d=null {m.a=0 m.q=2}\n"
                    "b z=null m=#4 c=null l=null st=null d=null {m.a=1 m.q=2}\n"
                    "o a=1 th=1 {a=1 q=2}\n");
}

static void shared_job_cannot_wait_for_itself(void **state)
{
        expect_error(*state,
                     TYPES "  a: {task: t, after: [n]}\n"
                           "  n: {task: u, params: {m: {each: b}}}\n"
                           "  b: {task: t}\n",
                     "e.yaml:9:3: steps 'a' and 'b' share a job that would have to wait for itself because of the "
                     "'after' of 'a'");
}

/* The dependencies of the last job, by their lines. */
static void expect_dependencies(void *place, const char *steps, const char *expected)
{
        char text[4096];
        struct expansion e;
        xpm_text found = XPM_TEXT_INIT;
        snprintf(text, sizeof text, TYPES "  s: {task: t, sweep: {a: {range: [0, 9]}}}\n%s", steps);
        expansion_read(place, text, (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        const xpm_job *job = e.plan->jobs[e.plan->job_count - 1];
        for (size_t i = 0; i < job->dependency_count; i++)
                xpm_text_printf(&found, "%s%zu", i ? " " : "", job->dependencies[i]->index);
        assert_string_equal(xpm_text_string(&found), expected);
        xpm_text_release(&found);
        expansion_release(&e);
}

static void dependencies_are_found_at_any_depth_in_order_each_once(void **state)
{
        expect_dependencies(*state,
                            "  v:\n    task: u\n    params:\n"
                            "      c: {j: {each: s, where: {a: 1}}, js: {all: s, where: {a: [1, 2]}}}\n"
                            "      d: {x: {each: s, where: {a: 3}}, y: {each: s, where: {a: 2}}}\n"
                            "      z: {each: s, where: {a: 4}}\n"
                            "      st: {all: s, where: {a: [0, 1]}}\n"
                            "      l: [{each: s, where: {a: 5}}, {a: 100}]\n",
                            "4 1 2 5 0 3");
}

static void dependencies_are_not_found_through_other_jobs(void **state)
{
        expect_dependencies(
                *state,
                "  v: {task: u, params: {m: {each: s, where: {a: 1}}}}\n  w: {task: w, params: {v: {each: v}}}\n", "9");
}

static void steps_of_after_come_last(void **state)
{
        expect_dependencies(*state,
                            "  p: {task: t, sweep: {a: [20, 21]}}\n"
                            "  v: {task: u, params: {m: {each: s, where: {a: 1}}}, after: [p, s]}\n",
                            "1 9 10 0 2 3 4 5 6 7 8");
        expect_dependencies(*state, "  p: {task: t, sweep: {a: [20, 21]}}\n  v: {task: u, after: p}\n", "9 10");
}

static void identifier_has_no_part_in_what_must_be_done_before(void **state)
{
        struct expansion e;
        expansion_read(*state, TYPES "  p: {task: t, params: {a: 20}}\n  v: {task: u}\n  w: {task: u, after: p}\n",
                       (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        assert_int_equal(e.plan->job_count, 2);
        expansion_release(&e);
}

static void jobs_of_one_sweep_share_their_dependencies(void **state)
{
        struct expansion e;
        expansion_read(*state,
                       TYPES "  s: {task: t}\n  v: {task: u, params: {l: {all: s}}, sweep: {m: [{a: 1}, {a: 2}]}}\n",
                       (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        assert_int_equal(e.plan->job_count, 3);
        assert_ptr_equal(e.plan->jobs[1]->dependencies, e.plan->jobs[2]->dependencies);
        expansion_release(&e);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(equal_combinations_are_one_job),
                T(first_of_jobs_that_would_run_differently_is_used),
                T(settings_of_a_step_make_a_difference_too),
                T(difference_that_changes_no_command_is_none),
                T(many_differences_are_one_warning),
                T(job_belongs_to_the_step_that_stands_first),
                T(shared_job_cannot_wait_for_itself),
                T(dependencies_are_found_at_any_depth_in_order_each_once),
                T(dependencies_are_not_found_through_other_jobs),
                T(steps_of_after_come_last),
                T(identifier_has_no_part_in_what_must_be_done_before),
                T(jobs_of_one_sweep_share_their_dependencies),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
