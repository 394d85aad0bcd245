#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"

#define TYPES                                                                                                         \
        "id: x\n"                                                                                                     \
        "enums: {e: [red, green]}\n"                                                                                  \
        "configs:\n"                                                                                                  \
        "  m: {params: {h: {type: int, default: 1}, lr: {type: float, default: 0.5}}}\n"                              \
        "  deep: {extends: m, params: {l: {type: int, default: 3}}}\n"                                                \
        "tasks:\n"                                                                                                    \
        "  train: {params: {model: m, lr: {type: float, default: 1.0}, f: e?, g: bool?, s: str?}, command: 'true'}\n" \
        "  eval: {params: {model: train, lr: {type: float, default: 2.0}}, command: 'true'}\n"                        \
        "  sum: {params: {runs: 'list[eval]', k: {type: int, default: 0}}, command: 'true'}\n"                        \
        "  all: {params: {runs: 'list[train]', k: {type: int, default: 0}}, command: 'true'}\n"                       \
        "plan:\n"

static void swept_parameters_are_tags_with_the_value_of_the_job(void **state)
{
        expect_jobs(
                *state,
                TYPES
                "  t: {task: train, params: {model: {}}, sweep: {lr: [1], f: [red], model.h: [2], g: [true, null]}}\n",
                "t model=m(h=2 lr=0.5) lr=1.0 f=red g=true s=null {lr=1.0 f=red model.h=2 g=true}\n"
                "t model=m(h=2 lr=0.5) lr=1.0 f=red g=null s=null {lr=1.0 f=red model.h=2 g=null}\n");
}

static void list_adds_parameters_and_mapping_adds_values(void **state)
{
        expect_jobs(*state, TYPES "  t: {task: train, params: {model: {}}, tags: [lr, model.h], sweep: {lr: [3]}}\n",
                    "t model=m(h=1 lr=0.5) lr=3.0 f=null g=null s=null {lr=3.0 model.h=1}\n");
        expect_jobs(*state, TYPES "  t: {task: train, params: {model: {}}, tags: {size: big, n: 3, v.w: true}}\n",
                    "t model=m(h=1 lr=0.5) lr=1.0 f=null g=null s=null {size=big n=3 v.w=true}\n");
}

static void tag_may_lead_through_another_job(void **state)
{
        expect_jobs(*state,
                    TYPES "  t: {task: train, params: {model: {}}}\n"
                          "  v: {task: eval, params: {model: {each: t}}, tags: [model.lr]}\n",
                    "t model=m(h=1 lr=0.5) lr=1.0 f=null g=null s=null\nv model=#0 lr=2.0 {model.lr=1.0}\n");
}

static void inherited_tags_have_the_path_as_full_name(void **state)
{
        expect_jobs(*state,
                    TYPES "  t: {task: train, params: {model: {}}, sweep: {lr: [3, 4]}, tags: {q: 1}}\n"
                          "  v: {task: eval, params: {model: {each: t}}}\n"
                          "  s: {task: sum, params: {runs: {all: v}}}\n",
                    "t model=m(h=1 lr=0.5) lr=3.0 f=null g=null s=null {lr=3.0 q=1}\n"
                    "t model=m(h=1 lr=0.5) lr=4.0 f=null g=null s=null {lr=4.0 q=1}\n"
                    "v model=#0 lr=2.0 {model.lr=3.0 model.q=1}\n"
                    "v model=#1 lr=2.0 {model.lr=4.0 model.q=1}\n"
                    "s runs=[#2 #3] k=0 {runs.model.q=1}\n");
}

static void tag_that_a_subtype_lacks_is_lacking(void **state)
{
        expect_jobs(
                *state, TYPES "  t: {task: train, sweep: {model: [{}, {type: deep, l: 7}]}, tags: [model.l]}\n",
                "t model=m(h=1 lr=0.5) lr=1.0 f=null g=null s=null {model=m(h=1 lr=0.5)}\n"
                "t model=deep(h=1 lr=0.5 l=7) lr=1.0 f=null g=null s=null {model=deep(h=1 lr=0.5 l=7) model.l=7}\n");
}

/* What NAME means for the last job: its value, "-" when it is lacking, or the error. */
static void expect_tag(void *place, const char *text, const char *name, const char *expected)
{
        struct expansion e;
        xpm_text found = XPM_TEXT_INIT;
        xpm_value value = {0};
        xpm_error err = XPM_ERROR_NONE;
        expansion_read(place, text, (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        int rc = xpm_job_tag(e.plan, e.plan->jobs[e.plan->job_count - 1], name, &value, &err);
        if (rc > 0)
                expansion_put_value(&value, &found);
        else
                xpm_text_puts(&found, rc == 0 ? "-" : err.message);
        assert_string_equal(xpm_text_string(&found), expected);
        xpm_text_release(&found);
        expansion_release(&e);
}

static void suffixes_name_tags(void **state)
{
        static const char text[] =
                TYPES "  t: {task: train, params: {model: {}}, sweep: {lr: [3], model.h: [8], model.lr: [6]}}\n"
                      "  v: {task: eval, params: {model: {each: t}}, sweep: {lr: [9]}}\n";
        static const struct {
                const char *name, *value;
        } cases[] = {
                {"lr", "9.0"},       /* the job's own shadows the inherited ones */
                {"model.lr", "3.0"}, /* an exact full name */
                {"model.model.lr", "6.0"},
                {"h", "8"},
                {"model.h", "8"},
                {"model.model.h", "8"},
                {"x", "-"},
                {"odel.h", "-"},
                {"model", "-"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                expect_tag(*state, text, cases[i].name, cases[i].value);
        expect_tag(*state,
                   TYPES "  t: {task: train, params: {model: {}}, sweep: {lr: [3], model.lr: [6]}}\n"
                         "  v: {task: eval, params: {model: {each: t}}}\n",
                   "lr", "tag 'lr' of step 'v' is ambiguous: write one of 'model.lr', 'model.model.lr'");
        expect_tag(*state, TYPES "  t: {task: train, params: {model: {}}, sweep: {model.lr: [6]}, tags: {a.lr: 6}}\n",
                   "lr", "tag 'lr' of step 't' is ambiguous: write one of 'model.lr', 'a.lr'");
}

static void ambiguity_is_an_error_where_a_name_is_used(void **state)
{
        static const struct {
                const char *step, *message;
        } cases[] = {
                {"{task: all, params: {runs: {all: t, by: [lr]}}}", NULL},
                {"{task: sum, params: {runs: {all: v, by: [h]}}}", NULL},
                {"{task: sum, params: {runs: {all: v, by: [lr]}}}",
                 "e.yaml:14:33: tag 'lr' of step 'v' is ambiguous: write one of 'model.lr', 'model.model.lr'"},
                {"{task: sum, params: {runs: {all: v, where: {lr: 1}}}}",
                 "e.yaml:14:50: tag 'lr' of step 'v' is ambiguous: write one of 'model.lr', 'model.model.lr'"},
                {"{task: eval, params: {model: {each: t}}, sweep: {lr: [3]}, exclude: [{model.lr: 2, h: 3}]}", NULL},
                {"{task: eval, params: {model: {each: t}}, exclude: [{lr: 2}]}",
                 "e.yaml:14:58: tag 'lr' of step 's' is ambiguous: write one of 'model.lr', 'model.model.lr'"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[2048];
                snprintf(text, sizeof text,
                         TYPES
                         "  t: {task: train, params: {model: {}}, sweep: {lr: [3], model.lr: [6], model.h: [1, 2]}}\n"
                         "  v: {task: eval, params: {model: {each: t}}}\n  s: %s\n",
                         cases[i].step);
                struct expansion e;
                expansion_read(*state, text, (xpm_plan_options){0}, &e);
                assert_string_equal(e.err.message, cases[i].message ? cases[i].message : "");
                expansion_release(&e);
        }
}

static void job_of_two_steps_has_the_tags_of_both(void **state)
{
        expect_jobs(*state,
                    TYPES "  t: {task: train, params: {model: {}}, sweep: {lr: [3]}, tags: {q: 1}}\n"
                          "  u: {task: train, params: {model: {}, lr: 3}, sweep: {model.h: [1]}, tags: {q: 2}}\n",
                    "t model=m(h=1 lr=0.5) lr=3.0 f=null g=null s=null {lr=3.0 q=1 model.h=1}\n");
}

static void reference_sees_the_tags_of_the_step_that_it_names(void **state)
{
        expect_jobs(*state,
                    TYPES "  t: {task: train, params: {model: {}}, sweep: {lr: [3]}, tags: {q: 1}}\n"
                          "  u: {task: train, params: {model: {}}, sweep: {lr: [3]}, tags: {q: 2}}\n"
                          "  s: {task: all, params: {runs: {all: u, where: {q: 2}}}}\n",
                    "t model=m(h=1 lr=0.5) lr=3.0 f=null g=null s=null {lr=3.0 q=1}\n"
                    "s runs=[#0] k=0 {runs.lr=3.0 runs.q=2}\n");
}

static void tags_are_an_object_in_json(void **state)
{
        struct expansion e;
        xpm_text json = XPM_TEXT_INIT;
        expansion_read(*state,
                       TYPES "  t: {task: train, params: {model: {}}, sweep: {lr: [3], f: [red], s: ['a \"b\"'], "
                             "model: [{h: 4}]}}\n",
                       (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        assert_int_equal(xpm_job_tags_json(e.plan, e.plan->jobs[0], &json), 0);
        assert_string_equal(xpm_text_string(&json),
                            "{\"lr\": 3.0, \"f\": \"red\", \"s\": \"a \\\"b\\\"\", \"model\": {\"type\": "
                            "\"m\", \"h\": 4, \"lr\": 0.5}}");
        xpm_text_release(&json);
        expansion_release(&e);
}

static int stop(void *data, const char *name, const xpm_value *value)
{
        (void)name;
        (void)value;
        return (int)++*(size_t *)data + 6;
}

static void visitor_can_stop(void **state)
{
        struct expansion e;
        expansion_read(*state, TYPES "  t: {task: train, params: {model: {}}, sweep: {lr: [3], f: [red]}}\n",
                       (xpm_plan_options){0}, &e);
        size_t calls = 0;
        assert_int_equal(xpm_job_tags(e.plan, e.plan->jobs[0], stop, &calls), 7);
        assert_int_equal(calls, 1);
        expansion_release(&e);
}

static void tags_come_down_a_long_chain(void **state)
{
        enum { STEPS = 2000 };
        xpm_text text = XPM_TEXT_INIT;
        struct expansion e;
        xpm_value value = {0};
        xpm_text_puts(&text, "id: x\ntasks: {t: {params: {a: int?, j: t?}, command: 'true'}}\nplan:\n  s0: {task: t, "
                             "sweep: {a: [7]}}\n");
        for (int i = 1; i < STEPS; i++)
                xpm_text_printf(&text, "  s%d: {task: t, params: {j: {each: s%d}}}\n", i, i - 1);
        expansion_read(*state, xpm_text_string(&text), (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        assert_int_equal(xpm_job_tag(e.plan, e.plan->jobs[STEPS - 1], "a", &value, NULL), 1);
        assert_int_equal(value.integer, 7);
        expansion_release(&e);
        xpm_text_release(&text);
}

static void tags_that_are_wrong(void **state)
{
        static const struct {
                const char *tags, *message;
        } cases[] = {
                {"lr", "e.yaml:12:47: 'tags' takes a list of parameters, or a mapping from names to values"},
                {"[[lr]]", "e.yaml:12:48: 'tags' takes a list of parameters, or a mapping from names to values"},
                {"[lrr]", "e.yaml:12:48: task 'train' has no parameter 'lrr': did you mean 'lr'?"},
                {"[model.hh]", "e.yaml:12:48: 'model.hh': config 'm' has no parameter 'hh': did you mean 'h'?"},
                {"[lr.x]", "e.yaml:12:48: 'lr.x': 'lr' is float and has no 'x'"},
                {"[model..h]", "e.yaml:12:48: a tag is a path of parameters such as 'model.hidden', found 'model..h'"},
                {"{q: [1]}", "e.yaml:12:51: the value of tag 'q' is a text, a number or a bool"},
                {"{lr: 1}", "e.yaml:12:48: 'lr' is a tag already: it is swept"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[2048];
                snprintf(text, sizeof text,
                         TYPES "  t: {task: train, params: {model: {}}, tags: %s, sweep: {lr: [3]}}\n", cases[i].tags);
                expect_error(*state, text, cases[i].message);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(swept_parameters_are_tags_with_the_value_of_the_job),
                T(list_adds_parameters_and_mapping_adds_values),
                T(tag_may_lead_through_another_job),
                T(inherited_tags_have_the_path_as_full_name),
                T(tag_that_a_subtype_lacks_is_lacking),
                T(suffixes_name_tags),
                T(ambiguity_is_an_error_where_a_name_is_used),
                T(job_of_two_steps_has_the_tags_of_both),
                T(reference_sees_the_tags_of_the_step_that_it_names),
                T(tags_are_an_object_in_json),
                T(visitor_can_stop),
                T(tags_come_down_a_long_chain),
                T(tags_that_are_wrong),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
