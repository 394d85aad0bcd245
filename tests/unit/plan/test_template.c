#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "plan/template.h"
#include "task_case.h"

static void name_is_checked_wherever_it_stands(void **state)
{
#define WRONG(where) "e.yaml:" where ": '{{y}}': task 'T' has no parameter 'y', and templates know no such name"
        static const struct task_case samples[] = {
                {"    command: echo\n    setup: '{{y}}'\n", WRONG("9:13")},
                {"    command: echo\n    modules: [a, '{{y}}']\n", WRONG("9:19")},
                {"    command: echo\n    env: {A: '{{y}}'}\n", WRONG("9:15")},
                {"    command: echo\n    files: {a: {content: '{{y}}'}}\n", WRONG("9:27")},
                {"    command: echo\n    files: {'{{y}}': {content: a}}\n", WRONG("9:14")},
                {"    command: echo\n    cwd: '{{y}}'\n", WRONG("9:11")},
                {"    command: echo\n    requirements: cpu(cores={{y}})\n", WRONG("9:29")},
                {"    command: echo\n    mpi: {ranks: '{{y}}'}\n", WRONG("9:19")},
                {"    command: echo\n    mpi: {ranks: 1, per_node: '{{y}}'}\n", WRONG("9:32")},
                {"    command: echo\n    tokens: {licence: '{{y}}'}\n", WRONG("9:24")},
                {"    command: echo\n    outputs: ['{{y}}']\n", WRONG("9:16")},
                {"    command: echo\n    requirements: cpu(cores={{resources.cores}})\n",
                 "e.yaml:9:29: '{{resources.cores}}': the resources of a job are made from this"},
                {"    command: echo\n    mpi: {ranks: '{{resources.cores}}'}\n",
                 "e.yaml:9:19: '{{resources.cores}}': the resources of a job are made from this"},
        };
        TASK_CHECK(samples);
}

static void template_file_is_read_beside_the_yaml_that_names_it(void **state)
{
        static const struct task_case samples[] = {
                {"    command: echo\n    files: {a.inp: {template: in.txt}}\n",
                 "in.txt:2:5: '{{y}}': task 'T' has no parameter 'y', and templates know no such name"},
                {"    command: echo\n    files: {a.inp: {template: absent.txt}}\n", NULL},
                {"    command: echo\n    files: {a.inp: {template: good.txt}}\n", NULL},
        };
        place_put(*state, "in.txt", "one\ntwo {{y}}\n");
        place_put(*state, "good.txt", "x = \"{{x}}\"\n");
        task_check(state, samples, 1);
        task_check(state, samples + 2, 1);
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(task_read(*state, samples[1].task, &planned, &err), XPM_EPLAN);
        assert_memory_equal(err.message, "e.yaml:9:31: the template cannot be read: ", 42);
        planned_release(&planned);
}

static void token_must_be_declared(void **state)
{
        static const struct task_case samples[] = {
                {"    command: echo\n    tokens: {license: 1}\n",
                 "e.yaml:9:14: there is no token 'license': did you mean 'licence'?"},
                {"    command: echo\n    tokens: {gpu: 1}\n", "e.yaml:9:14: there is no token 'gpu': declare how many "
                                                              "there are at the top, as in 'tokens: {gpu: 4}'"},
                {"    command: echo\n    tokens: {licence: 2}\n", NULL},
        };
        TASK_CHECK(samples);
}

static void tag_must_be_the_steps(void **state)
{
        static const struct task_case samples[] = {
                {"    command: echo {{tags.n}}\n", "e.yaml:8:19: step 't' has no tag 'n': did you mean 'x'?"},
                {"    command: echo {{#tags.n}}{{tags.n}}{{/tags.n}}\n", NULL},
        };
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(task_read(*state, samples[0].task, &planned, &err), XPM_EPLAN);
        assert_memory_equal(err.message, "e.yaml:8:19: step 't' has no tag 'n'", 36);
        planned_release(&planned);
        task_check(state, samples + 1, 1);
}

static void task_that_no_step_uses_is_checked_too(void **state)
{
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(
                planned_read(*state,
                             "id: e\ntasks:\n  t: {command: 'true'}\n  u: {command: 'x {{y}}'}\nplan: {s: {task: t}}\n",
                             &planned, &err),
                XPM_EPLAN);
        assert_string_equal(err.message,
                            "e.yaml:4:19: '{{y}}': task 'u' has no parameter 'y', and templates know no such name");
        planned_release(&planned);
}

static void configuration_key_that_a_template_reads_is_read(void **state)
{
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(task_read(*state, "    command: echo {{config.lr}} {{config.net.depth}}\n", &planned, &err),
                         0);
        assert_string_equal(xpm_text_string(&planned.warnings), "");
        planned_release(&planned);
}

static void steps_that_change_nothing_share_their_templates(void **state)
{
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(planned_read(*state,
                                      "id: e\ntasks:\n  t: {params: {n: int}, command: 'x {{n}}'}\nplan:\n"
                                      "  a: {task: t, sweep: {n: [1]}}\n"
                                      "  b: {task: t, sweep: {n: [2]}, env: {A: 1}}\n"
                                      "  c: {task: t, sweep: {n: [3]}}\n",
                                      &planned, &err),
                         0);
        const xpm_step *steps = planned.plan->steps;
        assert_ptr_equal(steps[0].templates, steps[2].templates);
        assert_ptr_not_equal(steps[0].templates, steps[1].templates);
        assert_int_equal(steps[0].templates->env_count, 0);
        assert_int_equal(steps[1].templates->env_count, 1);
        planned_release(&planned);
}

static void memory_that_runs_out_is_an_error(void **state)
{
        static const char task[] =
                "    command: \"echo {{x}} {{#xs}}{{.}}{{/xs}} {{config.net.depth}} {{config.lr}}\"\n"
                "    setup: a {{n}}\n    env: {A: '{{xpm.env.B}}'}\n    tokens: {licence: '{{n}}'}\n"
                "    files: {f: {template: f.txt}}\n    outputs: ['{{x}}.out']\n"
                "    requirements: cpu(cores={{n}})\n    mpi: {ranks: '{{n}}'}\n";
        if (!failing_malloc_works)
                skip();
        xpm_text text = XPM_TEXT_INIT;
        task_text(task, &text);
        place_put(*state, "f.txt", "{{x}} {{job.path}}");
        for (long n = 1;; n++) {
                struct planned planned;
                xpm_error err = XPM_ERROR_NONE;
                failing_malloc_arm(n);
                int rc = planned_read(*state, xpm_text_string(&text), &planned, &err);
                bool struck = failing_malloc_disarm();
                if (rc != (struck ? XPM_ENOMEM : 0))
                        fail_msg("%ld: %d %d %s", n, struck, rc, err.message);
                planned_release(&planned);
                if (!struck)
                        break;
        }
        xpm_text_release(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(name_is_checked_wherever_it_stands),
                T(template_file_is_read_beside_the_yaml_that_names_it),
                T(token_must_be_declared),
                T(tag_must_be_the_steps),
                T(task_that_no_step_uses_is_checked_too),
                T(configuration_key_that_a_template_reads_is_read),
                T(steps_that_change_nothing_share_their_templates),
                T(memory_that_runs_out_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
