#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"

#define PLAN                                                                                                   \
        "id: x\n"                                                                                              \
        "enums: {e: [red, green]}\n"                                                                           \
        "tasks:\n"                                                                                             \
        "  t: {params: {a: {type: int, default: 0}, e: e?, f: {type: float, default: 0.5}, l: 'list[int]?'}, " \
        "command: 'true'}\n"                                                                                   \
        "  U: {params: {j: t, n: {type: int, default: 0}}, command: 'true'}\n"                                 \
        "plan:\n"                                                                                              \
        "  a: {task: t, sweep: {a: [1, 2, 3], e: [red, green]}}\n"                                             \
        "  b: {task: U, params: {j: {each: a}}}\n"                                                             \
        "  c: {task: t, params: {f: 1.5}, sweep: {l: [[1, 2], []]}, after: [b]}\n"                             \
        "  d: {task: U, params: {j: {each: a, where: {a: 3}}, n: 5}}\n"

/* The names of the jobs that are left: their step and what they are in it. */
static void expect_selection(void *place, xpm_plan_options options, const char *expected)
{
        struct expansion e;
        xpm_text found = XPM_TEXT_INIT;
        expansion_read(place, PLAN, options, &e);
        if (e.rc != 0)
                xpm_text_puts(&found, e.err.message);
        for (size_t i = 0; e.plan && i < e.plan->job_count; i++) {
                const xpm_job *job = e.plan->jobs[i];
                size_t at = 0;
                while (job->step->jobs[at] != job)
                        at++;
                xpm_text_printf(&found, "%s%s%zu", i ? " " : "", job->step->name, at);
                assert_int_equal(job->index, i);
                for (size_t k = 0; k < job->dependency_count; k++)
                        assert_ptr_equal(e.plan->jobs[job->dependencies[k]->index], job->dependencies[k]);
        }
        assert_string_equal(xpm_text_string(&found), expected);
        xpm_text_release(&found);
        expansion_release(&e);
}

static void nothing_said_keeps_all(void **state)
{
        expect_selection(*state, (xpm_plan_options){0}, "a0 a1 a2 a3 a4 a5 b0 b1 b2 b3 b4 b5 c0 c1 d0 d1");
}

static void only_keeps_steps_and_what_they_need(void **state)
{
        expect_selection(*state, (xpm_plan_options){.only = "a"}, "a0 a1 a2 a3 a4 a5");
        expect_selection(*state, (xpm_plan_options){.only = "d"}, "a4 a5 d0 d1");
        expect_selection(*state, (xpm_plan_options){.only = "d,b"}, "a0 a1 a2 a3 a4 a5 b0 b1 b2 b3 b4 b5 d0 d1");
        expect_selection(*state, (xpm_plan_options){.only = "c"}, "a0 a1 a2 a3 a4 a5 b0 b1 b2 b3 b4 b5 c0 c1");
}

static void only_tells_which_steps_are_wanted(void **state)
{
        struct expansion e;
        expansion_read(*state, PLAN, (xpm_plan_options){.only = "b,d"}, &e);
        assert_false(e.plan->steps[0].wanted);
        assert_true(e.plan->steps[1].wanted);
        assert_false(e.plan->steps[2].wanted);
        assert_true(e.plan->steps[3].wanted);
        expansion_release(&e);
}

static void where_keeps_jobs_by_their_tags_and_what_they_need(void **state)
{
        static const struct {
                const char *where, *jobs;
        } cases[] = {
                {"a = 1", "a0 a1 b0 b1"},
                {"a = 1.0 and e = \"red\"", "a0 b0"},
                {"a in [1, 2] and not_there = 1",
                 "--where: no job has a tag 'not_there': its tags are a, e, j.a, j.e, l"},
                {"e ~ 'gre'", "a1 a3 a5 b1 b3 b5 d1"},
                {"j.a = 3", "a4 a5 b4 b5 d0 d1"},
                {"a = null", "a0 a1 a2 a3 a4 a5 b0 b1 b2 b3 b4 b5 c0 c1"},
                {"a not in [1, 2, 3]", "a0 a1 a2 a3 a4 a5 b0 b1 b2 b3 b4 b5 c0 c1"},
                {"l = '[1, 2]'", "a0 a1 a2 a3 a4 a5 b0 b1 b2 b3 b4 b5 c0"},
                {"@name = 'u'", "a0 a1 a2 a3 a4 a5 b0 b1 b2 b3 b4 b5 d0 d1"},
                {"@state = 'DONE'", "--where: a job of a plan has no '@state', only tags and '@name'"},
                {"aa = 1", "--where: no job has a tag 'aa': did you mean 'a'?"},
                {"a = ", "filter 'a = ', column 5: expected a name, a number or a text in quotes, found the end"},
                {"a = 7", ""},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                expect_selection(*state, (xpm_plan_options){.where = cases[i].where}, cases[i].jobs);
}

static void limit_counts_in_each_step(void **state)
{
        expect_selection(*state, (xpm_plan_options){.limit = 1}, "a0 a1 a2 a3 a4 a5 b0 b1 b2 b3 b4 b5 c0 d0");
        expect_selection(*state, (xpm_plan_options){.limit = 1, .only = "a,b,d"}, "a0 a4 b0 d0");
        expect_selection(*state, (xpm_plan_options){.limit = 100, .only = "a"}, "a0 a1 a2 a3 a4 a5");
}

static void options_go_together(void **state)
{
        expect_selection(*state, (xpm_plan_options){.limit = 1, .only = "b", .where = "a in [2, 3]"}, "a2 b2");
}

static void unknown_step_is_a_wrong_usage(void **state)
{
        expect_error_with(*state, PLAN, (xpm_plan_options){.only = "train"}, XPM_EUSAGE,
                          "--only: there is no step 'train'");
        expect_error_with(*state, PLAN, (xpm_plan_options){.only = "a,"}, XPM_EUSAGE, "--only: there is no step ''");
        expect_error_with(*state, PLAN, (xpm_plan_options){.only = "aa"}, XPM_EUSAGE,
                          "--only: there is no step 'aa': did you mean 'a'?");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(nothing_said_keeps_all),
                T(only_keeps_steps_and_what_they_need),
                T(only_tells_which_steps_are_wanted),
                T(where_keeps_jobs_by_their_tags_and_what_they_need),
                T(limit_counts_in_each_step),
                T(options_go_together),
                T(unknown_step_is_a_wrong_usage),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
