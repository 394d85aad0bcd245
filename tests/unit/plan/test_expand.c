#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "expansion.h"
#include "failing_malloc.h"

#define TYPES                                                                                  \
        "id: x\n"                                                                              \
        "tasks:\n"                                                                             \
        "  t: {params: {a: {type: int, default: 0}, j: t?, l: 'list[t]?'}, command: 'true'}\n" \
        "plan:\n"

static void steps_may_stand_in_any_order(void **state)
{
        expect_jobs(*state,
                    TYPES "  c: {task: t, params: {j: {each: b}}}\n"
                          "  b: {task: t, params: {j: {each: a}}, sweep: {a: [7]}}\n"
                          "  a: {task: t, sweep: {a: [1, 2]}}\n",
                    "c a=0 j=#2 l=null {j.a=7 j.j.a=1}\n"
                    "c a=0 j=#3 l=null {j.a=7 j.j.a=2}\n"
                    "b a=7 j=#4 l=null {a=7 j.a=1}\n"
                    "b a=7 j=#5 l=null {a=7 j.a=2}\n"
                    "a a=1 j=null l=null {a=1}\n"
                    "a a=2 j=null l=null {a=2}\n");
}

static void circles_are_printed(void **state)
{
        expect_error(*state, TYPES "  a: {task: t, params: {j: {each: a}}}\n",
                     "e.yaml:5:3: steps need each other in a circle: a -> a");
        expect_error(*state,
                     TYPES "  z: {task: t, params: {j: {each: a}}}\n"
                           "  a: {task: t, params: {j: {each: b}}}\n"
                           "  b: {task: t, after: [c]}\n"
                           "  c: {task: t, params: {l: {all: [z0, a]}}}\n"
                           "  z0: {task: t}\n",
                     "e.yaml:6:3: steps need each other in a circle: a -> b -> c -> a");
}

static void reference_that_nothing_uses_needs_no_step(void **state)
{
        expect_jobs(*state, TYPES "  a: {task: t, params: {j: {each: a}}, sweep: {j: [{a: 3}]}}\n",
                    "a a=0 j=t(a=3 j=null l=null) l=null {j=t(a=3 j=null l=null)}\n");
}

static void chain_of_many_steps_needs_no_deep_stack(void **state)
{
        enum { STEPS = 20000 };
        xpm_text text = XPM_TEXT_INIT;
        struct expansion e;
        xpm_text_puts(&text, TYPES);
        for (int i = 0; i < STEPS; i++)
                xpm_text_printf(&text, "  s%d: {task: t, params: {a: %d}, after: [s%d]}\n", i, i, i + 1);
        xpm_text_printf(&text, "  s%d: {task: t, params: {a: -1}}\n", STEPS);
        expansion_read(*state, xpm_text_string(&text), (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        assert_int_equal(e.plan->job_count, STEPS + 1);
        expansion_release(&e);
        xpm_text_release(&text);
}

static void plan_may_have_no_steps(void **state)
{
        expect_jobs(*state, "id: x\n", "");
        expect_jobs(*state, "id: x\nplan:\n", "");
        expect_jobs(*state, "id: x\nplan: {}\n", "");
}

static void jobs_know_their_place(void **state)
{
        struct expansion e;
        expansion_read(*state,
                       TYPES "  b: {task: t, params: {j: {each: a}}}\n  a: {task: t, sweep: {a: [1, 2, 1]}}\n  c: "
                             "{task: t, sweep: {a: [2, 3]}}\n",
                       (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        assert_int_equal(e.plan->job_count, 5);
        for (size_t i = 0; i < e.plan->job_count; i++) {
                assert_int_equal(e.plan->jobs[i]->index, i);
                assert_ptr_equal(e.plan->jobs[i]->config->job, e.plan->jobs[i]);
                assert_true(e.plan->jobs[i]->config->has_id);
        }
        assert_int_equal(e.plan->steps[1].job_count, 2);
        assert_int_equal(e.plan->steps[2].job_count, 2);
        assert_ptr_equal(e.plan->steps[1].jobs[1], e.plan->steps[2].jobs[0]);
        expansion_release(&e);
}

static void hundred_thousand_jobs_take_little_memory(void **state)
{
        struct expansion e;
        expansion_read(
                *state,
                "id: x\ntasks:\n  t: {params: {a: int, b: int, c: float}, command: 'true {{a}}'}\nplan:\n"
                "  s: {task: t, sweep: {a: {range: [0, 100]}, b: {range: [0, 100]}, c: {linspace: [0, 1, 10]}}}\n",
                (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        assert_int_equal(e.plan->job_count, 100000);
        /* 48 of them are the values. */
        assert_true(xpm_arena_size(e.plan->arena) / e.plan->job_count < 248);
        expansion_release(&e);
}

static const char realistic[] =
        "id: first\n"
        "title: All at once\n"
        "add_timestamp: true\n"
        "tokens: {licence: 2}\n"
        "secrets: [KEY]\n"
        "env: {A: b}\n"
        "enums: {e: [red, green]}\n"
        "configs:\n"
        "  m: {params: {h: {type: int, default: 1}, act: {type: str, default: relu}}}\n"
        "  deep: {extends: m, params: {l: int}}\n"
        "tasks:\n"
        "  train:\n"
        "    params:\n"
        "      model: m\n"
        "      lr: {type: float, min: 0, max: 1}\n"
        "      seed: {type: int, default: 0, ignore_default: true}\n"
        "      colour: {type: e, default: red}\n"
        "      threads: {type: int, default: 1, meta: true}\n"
        "      out: {generated: model.bin}\n"
        "    command: echo {{lr}} {{model.h}} -o {{out}}\n"
        "    requirements: duration=30m & cpu(cores={{threads}}, mem=2G)\n"
        "  evaluate: {params: {model: train, h: int, data: {type: str, default: d}}, command: 'echo {{model.out}}'}\n"
        "  both: {params: {a: evaluate, b: train, set: 'set[train]?', d: 'dict[str, train]?'}, command: 'true'}\n"
        "  summary: {params: {runs: 'list[evaluate]', lr: float?}, command: 'echo {{#runs}}{{job.path}} {{/runs}}'}\n"
        "plan:\n"
        "  train:\n"
        "    task: train\n"
        "    params: {model: {type: deep, h: 64, l: 3}, lr: 0.7}\n"
        "    sweep:\n"
        "      - {lr: [0.1, 0.01], model.h: [64, 128], seed: {range: [0, 2]}}\n"
        "      - {model: {one_of: {a: {type: deep, h: 3}, b: {type: deep}}}, model.l: [4, 5]}\n"
        "    zip: [[lr, model.h]]\n"
        "    include: [{seed: 9}, {model.h: 5}, {seed: 9}]\n"
        "    exclude: [{model: a}, {lr: 0.1, seed: 1}, {nothing: 1}]\n"
        "    tags: [colour]\n"
        "  evaluate: {task: evaluate, params: {model: {each: train, where: {seed: [0, 1]}}, h: {from: model.model.h}}, "
        "after: [train]}\n"
        "  both:\n"
        "    task: both\n"
        "    params: {a: {each: evaluate}, b: {each: train}, set: [{from: b}], d: {x: {from: a.model}}}\n"
        "    match: [train]\n"
        "  two: {task: both, params: {a: {each: evaluate}, b: {each: train}}, match: [seed]}\n"
        "  summary: {task: summary, params: {runs: {all: evaluate, by: [h]}, lr: {tag: runs.model.lr, allow_empty: "
        "true}}}\n"
        "  again: {task: train, params: {model: {type: deep, h: 5, l: 3}, lr: 0.7, threads: 7}}\n"
        "results: {train: {file: m.json, values: {x: y}}}\n"
        "other: 3\n";

static void realistic_plan_is_read(void **state)
{
        struct expansion e;
        xpm_text jobs = XPM_TEXT_INIT;
        expansion_read(*state, realistic,
                       (xpm_plan_options){.where = "h in [5, 64] or lr ~ '0'", .only = "summary,train"}, &e);
        assert_string_equal(e.err.message, "");
        expansion_print(e.plan, &jobs);
        assert_int_equal(e.plan->job_count, 17);
        xpm_text_release(&jobs);
        expansion_release(&e);
}

static void no_allocation_that_fails_is_forgotten(void **state)
{
        const struct place *place = *state;
        const xpm_plan_options options = {.load = {.file = "e.yaml", .cwd = place->path},
                                          .where = "h in [5, 64] or lr ~ '0'",
                                          .only = "summary,train"};
        uint8_t digest[32];
        if (!failing_malloc_works)
                skip();
        place_put(place, "e.yaml", realistic);
        assert_int_equal(xpm_sha256("", 0, digest, NULL), 0);
        for (long n = 1;; n++) {
                xpm_plan *plan = NULL;
                xpm_error err = XPM_ERROR_NONE;
                failing_malloc_arm(n);
                int rc = xpm_plan_read(&options, &plan, &err);
                bool struck = failing_malloc_disarm();
                if (!struck) {
                        assert_int_equal(rc, 0);
                        xpm_plan_destroy(plan);
                        break;
                }
                if (rc != XPM_ENOMEM)
                        fail_msg("allocation %ld: %d %s", n, rc, err.message);
                assert_null(plan);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(steps_may_stand_in_any_order),
                T(circles_are_printed),
                T(reference_that_nothing_uses_needs_no_step),
                T(chain_of_many_steps_needs_no_deep_stack),
                T(plan_may_have_no_steps),
                T(jobs_know_their_place),
                T(hundred_thousand_jobs_take_little_memory),
                T(realistic_plan_is_read),
                T(no_allocation_that_fails_is_forgotten),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
