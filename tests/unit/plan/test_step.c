#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"

#define TASKS                                                                                           \
        "id: x\ntasks: {t: {params: {a: {type: int, default: 0}, m: {type: m, default: {}}}, command: " \
        "'true'}}\nconfigs: {m: {params: {h: {type: int, default: 1}}}}\n"

static void step_takes_its_settings(void **state)
{
        struct expansion e;
        expansion_read(
                *state,
                TASKS "tokens: {gpu: 2}\nplan:\n  s:\n    task: t\n    tokens: {gpu: 1}\n    requirements: "
                      "cpu(cores=2)\n    launcher: local\n"
                      "    retry: {on: [failed], times: 2}\n    env: {A: b}\n    max_retries: 4\n    transient: true\n",
                (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        const xpm_step *step = &e.plan->steps[0];
        assert_string_equal(step->name, "s");
        assert_string_equal(step->task->type->name, "t");
        assert_int_equal(step->index, 0);
        assert_non_null(step->tokens);
        assert_string_equal(step->requirements->text, "cpu(cores=2)");
        assert_string_equal(step->launcher->text, "local");
        assert_non_null(step->retry);
        assert_non_null(step->env);
        assert_string_equal(step->max_retries->text, "4");
        assert_string_equal(step->transient->text, "true");
        assert_non_null(step->templates);
        expansion_release(&e);
}

static void null_says_nothing(void **state)
{
        expect_jobs(*state,
                    TASKS
                    "plan:\n  s: {task: t, params: null, sweep: null, zip: null, include: null, exclude: null, match: "
                    "null, tags: null,\n"
                    "      after: null, tokens: null, requirements: null, launcher: null, retry: null, env: null}\n",
                    "s a=0 m=m(h=1)\n");
}

static void steps_that_are_wrong(void **state)
{
        static const struct {
                const char *plan, *message;
        } cases[] = {
                {"plan: [a]\n", "e.yaml:4:7: 'plan' takes a mapping from the names of steps to steps"},
                {"plan: {s: t}\n", "e.yaml:4:11: step 's' takes a mapping with 'task' in it"},
                {"plan: {s: {}}\n", "e.yaml:4:8: step 's' has no 'task': write the name of the task that it runs"},
                {"plan: {s: {task: [t]}}\n", "e.yaml:4:18: the 'task' of step 's' is one name"},
                {"plan: {s: {task: tt}}\n", "e.yaml:4:18: there is no task 'tt': did you mean 't'?"},
                {"plan: {s: {task: other}}\n", "e.yaml:4:18: there is no task 'other'"},
                {"plan: {s: {task: m}}\n",
                 "e.yaml:4:18: step 's': 'm' is a config, which cannot be run: declare it under 'tasks'"},
                {"plan: {s: {task: t, sweeps: {a: [1]}}}\n",
                 "e.yaml:4:21: unknown key 'sweeps' in a step: did you mean 'sweep'?"},
                {"plan: {s: {task: t, params: [a]}}\n",
                 "e.yaml:4:29: the 'params' of step 's' take a mapping from parameters to values"},
                {"plan: {s: {task: t, params: {b: 1}}}\n", "e.yaml:4:30: 't' has no parameter 'b': it has 'a', 'm'"},
                {"plan: {s: {task: t, params: {a: x}}}\n", "e.yaml:4:33: 'a': expected int, found 'x'"},
                {"plan: {s: {task: t, after: [r]}}\n", "e.yaml:4:29: there is no step 'r'"},
                {"plan: {s: {task: t, after: [[r]]}}\n", "e.yaml:4:29: 'after' takes a list of steps, as in [prepare]"},
                {"plan: {s: {task: t, after: {a: 1}}}\n",
                 "e.yaml:4:28: 'after' takes a list of steps, as in [prepare]"},
                {"plan: {s: {task: t, max_retries: x}}\n", "e.yaml:4:34: 'max_retries': expected an int, found 'x'"},
                {"plan: {1s: {task: t}}\n", NULL},
                {"plan: {s-t: {task: t}}\n", NULL},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[1024];
                struct expansion e;
                snprintf(text, sizeof text, TASKS "%s", cases[i].plan);
                expansion_read(*state, text, (xpm_plan_options){0}, &e);
                assert_int_equal(e.rc, XPM_EPLAN);
                if (cases[i].message)
                        assert_string_equal(e.err.message, cases[i].message);
                expansion_release(&e);
        }
}

static void value_that_a_later_layer_gives_to_what_is_swept_is_an_error(void **state)
{
        static const char text[] =
                TASKS "plan:\n  s: {task: t, params: {a: 7, m: {h: 2}}, sweep: {a: [1, 2], m.h: [3]}}\n";
        static const char message[] =
                "-c: 'a' of step 's' is set here, but it is swept at e.yaml:5:51, which decides: change "
                "plan.s.sweep.a instead";
        const char *const value[] = {"plan.s.params.a=5", NULL}, *const inner[] = {"plan.s.params.m.h=5", NULL},
                          *const both[] = {"plan.s.params.a=5", "plan.s.sweep.a=[8]", NULL};
        struct expansion e;
        expansion_read(*state, text, (xpm_plan_options){.load = {.settings = value}}, &e);
        assert_int_equal(e.rc, XPM_EPLAN);
        const char *from = strstr(e.err.message, "'a' of step");
        assert_non_null(from);
        assert_string_equal(from, strstr(message, "'a' of step"));
        expansion_release(&e);
        expansion_read(*state, text, (xpm_plan_options){.load = {.settings = inner}}, &e);
        assert_int_equal(e.rc, XPM_EPLAN);
        assert_non_null(strstr(e.err.message, "'m.h' of step 's' is set here"));
        expansion_release(&e);
        expect_jobs_with(*state, text, (xpm_plan_options){.load = {.settings = both}}, "s a=8 m=m(h=3) {a=8 m.h=3}\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(step_takes_its_settings),
                T(null_says_nothing),
                T(steps_that_are_wrong),
                T(value_that_a_later_layer_gives_to_what_is_swept_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
