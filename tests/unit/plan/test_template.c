#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "plan/template.h"
#include "planned.h"

/* A task T with parameters x (str), n (int), xs (list[str]), and TASK, the rest of it, at four blanks. */
static void make_text(const char *task, xpm_text *text)
{
        xpm_text_printf(text,
                        "id: e\n"
                        "lr: 0.5\n"
                        "net: {depth: 3}\n"
                        "tokens: {licence: 2}\n"
                        "tasks:\n"
                        "  T:\n"
                        "    params: {x: {type: str, default: a}, n: {type: int, default: 1}, xs: {type: 'list[str]', "
                        "default: []}}\n"
                        "%s"
                        "plan:\n"
                        "  s: {task: T, sweep: {n: [1]}}\n"
                        "  t: {task: T, sweep: {x: [b]}}\n",
                        task);
}

static int read_task(const struct place *place, const char *task, struct planned *planned, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        make_text(task, &text);
        int rc = planned_read(place, xpm_text_string(&text), planned, err);
        xpm_text_release(&text);
        return rc;
}

struct wrong {
        const char *task, *message; /* NULL: nothing is wrong */
};

static void check(void **state, const struct wrong *samples, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct planned planned;
                xpm_error err = XPM_ERROR_NONE;
                int rc = read_task(*state, samples[i].task, &planned, &err);
                if (strcmp(err.message, samples[i].message ? samples[i].message : "") != 0)
                        fail_msg("«%s»: %s", samples[i].task, err.message);
                assert_int_equal(rc, samples[i].message ? XPM_EPLAN : 0);
                planned_release(&planned);
        }
}
#define CHECK(samples) check(state, samples, sizeof(samples) / sizeof *(samples))

#define QUOTED(name, where)                                                                    \
        "'{{" name "}}' is " where                                                             \
        ", and it brings the quotes that it needs with it: remove the quotes, or use {{{" name \
        "}}} if the value can never hold anything that the shell understands"
#define INSIDE(name, where)                                                                   \
        "'{{" name "}}' is " where                                                            \
        ", and it brings the quotes that it needs with it: put it elsewhere, or use {{{" name \
        "}}} if the value can never hold anything that the shell understands"

static void quotes_around_a_value_are_an_error(void **state)
{
        static const struct wrong samples[] = {
                {"    command: echo '{{x}}'\n", "e.yaml:8:20: " QUOTED("x", "in single quotes")},
                {"    command: echo \"{{x}}\"\n", "e.yaml:8:20: " QUOTED("x", "in double quotes")},
                {"    command: echo \"$(echo \"{{x}}\")\"\n", "e.yaml:8:28: " QUOTED("x", "in double quotes")},
                {"    command: echo `echo {{x}}`\n", "e.yaml:8:25: " INSIDE("x", "in backticks")},
                {"    command: echo $(({{n}} + 1))\n", "e.yaml:8:22: " INSIDE("n", "in an arithmetic expression")},
                {"    command: echo ${y:-{{x}}}\n", "e.yaml:8:24: " INSIDE("x", "inside ${…}")},
                {"    command: |\n      # {{x}}\n      echo\n", "e.yaml:9:9: " INSIDE("x", "in a comment")},
                {"    command: |\n      cat <<END\n      {{x}}\n      END\n",
                 "e.yaml:10:7: " INSIDE("x", "in a here-document")},
                {"    command: |\n      cat <<'END'\n      {{x}}\n      END\n",
                 "e.yaml:10:7: " INSIDE("x", "in a here-document")},
                {"    command: echo\n    setup: source '{{x}}'\n", "e.yaml:9:20: " QUOTED("x", "in single quotes")},
                {"    command: echo {{n}}>log\n", "e.yaml:8:24: a value right before '>' would be read as the number "
                                                  "of a descriptor: put a blank between "
                                                  "them"},
                {"    command: echo '{{{x}}}' \"{{&x}}\" `{{{x}}}`\n", NULL},
                {"    command: echo \"$(echo {{x}})\" '{{{x}}}' {{x}}\n", NULL},
                {"    command: |\n      cat <<END\n      {{{x}}}\n      END\n      echo {{x}}\n", NULL},
                {"    command: echo $'a' {{x}}\n", NULL},
                {"    command: echo $'a' {{x}}\n    shell: /usr/bin/ksh\n", NULL},
                {"    command: echo $'a' {{x}}\n    shell: sh\n",
                 "e.yaml:8:24: " INSIDE("x", "where it cannot be said whether quotes are open")},
                {"    command: echo $'a' {{{x}}}\n    shell: /bin/dash -e\n", NULL},
                {"    command: [echo, '\"{{x}}\"', \"'{{x}}'\"]\n", NULL},
                {"    command: echo\n    env: {A: '\"{{x}}\"'}\n", NULL},
                {"    command: echo\n    files: {a: {content: '\"{{x}}\"'}}\n", NULL},
        };
        CHECK(samples);
}

static void section_that_leaves_quotes_open_is_followed_both_ways(void **state)
{
        static const struct wrong samples[] = {
                {"    command: echo {{#x}}\"{{/x}} {{n}}\n", "e.yaml:8:33: " QUOTED("n", "in double quotes")},
                {"    command: echo {{#x}}\"{{/x}}{{^x}}\"{{/x}} {{n}}\n",
                 "e.yaml:8:46: " QUOTED("n", "in double quotes")},
                {"    command: echo {{#xs}}'{{/xs}} {{n}}\n", "e.yaml:8:35: " QUOTED("n", "in single quotes")},
                {"    command: |\n      echo {{#x}}# on{{/x}} {{n}}\n", "e.yaml:9:29: " INSIDE("n", "in a comment")},
                {"    command: echo {{#x}}\"a\"{{/x}} {{n}}\n", NULL},
                {"    command: echo {{#xs}}--x {{.}} {{/xs}} {{n}}\n", NULL},
                {"    command: |\n      {{#x}}\n      # it's on\n      {{/x}}\n      echo {{n}}\n", NULL},
                {"    command: echo {{#x}}{{#n}}{{#xs}}{{#x}}{{#n}}{{#xs}}a{{/xs}}{{/n}}{{/x}}{{/xs}}{{/n}}{{/x}} "
                 "{{n}}\n",
                 NULL},
        };
        CHECK(samples);
}

static void command_with_a_relative_path_is_an_error(void **state)
{
        static const struct wrong samples[] = {
                {"    command: ./train {{n}} 'a'\n", "e.yaml:8:14: the command begins with the relative path "
                                                     "'./train', and a job runs in its own directory: "
                                                     "write \"{{experiment.dir}}/train {{n}} 'a'\", or set 'cwd'"},
                {"    command: bin/train \"a\"\n",
                 "e.yaml:8:14: the command begins with the relative path 'bin/train', and a job runs in its own "
                 "directory: write '{{experiment.dir}}/bin/train \"a\"', or set 'cwd'"},
                {"    command: |\n      # first\n      A=1 ../train {{n}}\n      next\n",
                 "e.yaml:8:14: the command begins with the relative path '../train', and a job runs in its own "
                 "directory: write \"{{experiment.dir}}/../train {{n}} …\", or set 'cwd'"},
                {"    command: [./train, '{{n}}']\n",
                 "e.yaml:8:15: the command begins with the relative path './train', and a job runs in its own "
                 "directory: write [\"{{experiment.dir}}/train\", …], or set 'cwd'"},
                {"    command: [bin/train]\n",
                 "e.yaml:8:15: the command begins with the relative path 'bin/train', and a job runs in its own "
                 "directory: write [\"{{experiment.dir}}/bin/train\"], or set 'cwd'"},
                {"    command: bin/{{x}}\n",
                 "e.yaml:8:14: the command begins with the relative path 'bin/', and a job runs in its own directory: "
                 "write \"{{experiment.dir}}/bin/{{x}}\", or set 'cwd'"},
                {"    command: ./train\n    cwd: '{{experiment.dir}}'\n", NULL},
                {"    command: '{{experiment.dir}}/train'\n", NULL},
                {"    command: /usr/bin/train ./x\n", NULL},
                {"    command: ~/bin/train\n", NULL},
                {"    command: $HOME/bin/train\n", NULL},
                {"    command: '{{x}}/train'\n", NULL},
                {"    command: train a/b\n", NULL},
        };
        CHECK(samples);
}

static void file_beside_the_experiment_gets_one_warning(void **state)
{
        static const struct {
                const char *task, *warning;
        } samples[] = {
                {"    command: python train.py other.py\n", "e.yaml:8:14: 'train.py' is a file beside the experiment "
                                                            "file, and a job runs in its own directory: write "
                                                            "{{experiment.dir}}/train.py, or set 'cwd'\n"},
                {"    command: [python, ./train.py]\n",
                 "e.yaml:8:15: './train.py' is a file beside the experiment file, and a job runs in its own directory: "
                 "write {{experiment.dir}}/train.py, or set 'cwd'\n"},
                {"    command: python 'tr'ain.py\n", "e.yaml:8:14: 'train.py' is a file beside the experiment file, "
                                                     "and a job runs in its own directory: write "
                                                     "{{experiment.dir}}/train.py, or set 'cwd'\n"},
                {"    command: python train.py\n    cwd: '{{experiment.dir}}'\n", ""},
                {"    command: cd {{experiment.dir}} && python train.py\n", ""},
                {"    command: python absent.py\n", ""},
                {"    command: python {{experiment.dir}}/train.py\n", ""},
                {"    command: python {{x}}train.py train.py{{x}}\n", ""},
                {"    command: train.py\n", ""},
        };
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                struct planned planned;
                xpm_error err = XPM_ERROR_NONE;
                place_put(*state, "train.py", "");
                place_put(*state, "other.py", "");
                if (read_task(*state, samples[i].task, &planned, &err) != 0)
                        fail_msg("«%s»: %s", samples[i].task, err.message);
                char *warnings = planned_replace(strdup(xpm_text_string(&planned.warnings)),
                                                 "e.yaml:2:1: nothing reads the key 'lr'\n", "");
                warnings = planned_replace(warnings, "e.yaml:3:1: nothing reads the key 'net'\n", "");
                if (strcmp(warnings, samples[i].warning) != 0)
                        fail_msg("«%s»: %s", samples[i].task, warnings);
                free(warnings);
                planned_release(&planned);
        }
}

#define SHELLS(name) \
        "'${" name   \
        "}' belongs to the shell, which knows no such variable: for the configuration value write {{config." name "}}"

static void configuration_value_is_not_the_shells(void **state)
{
        static const struct wrong samples[] = {
                {"    command: echo ${lr}\n", "e.yaml:8:19: " SHELLS("lr")},
                {"    command: echo \"a ${lr}\"\n", "e.yaml:8:22: " SHELLS("lr")},
                {"    command: echo ${net.depth}\n", "e.yaml:8:19: " SHELLS("net.depth")},
                {"    command: [echo, '${lr}']\n", "e.yaml:8:22: " SHELLS("lr")},
                {"    command: echo\n    setup: echo ${lr}\n", "e.yaml:9:17: " SHELLS("lr")},
                {"    command: |\n      cat <<E\n      ${lr}\n      E\n", "e.yaml:10:7: " SHELLS("lr")},
                {"    command: echo ${HOME} ${other} $lr ${lr:-1}\n", NULL},
                {"    command: echo '${lr}' \\${lr}\n", NULL},
                {"    command: |\n      cat <<'E'\n      ${lr}\n      E\n", NULL},
                {"    command: |\n      # ${lr}\n      echo\n", NULL},
                {"    command: lr=1; echo ${lr}\n", NULL},
                {"    command: lr+=1; echo ${lr}\n", NULL},
                {"    command: for lr in 1 2; do echo ${lr}; done\n", NULL},
                {"    command: read lr; echo ${lr}\n", NULL},
                {"    command: export lr; echo ${lr}\n", NULL},
                {"    command: echo ${lr}\n    setup: lr=1\n", NULL},
                {"    command: echo ${lr}\n    env: {lr: 1}\n", NULL},
        };
        CHECK(samples);
}

static void name_is_checked_wherever_it_stands(void **state)
{
#define WRONG(where) "e.yaml:" where ": '{{y}}': task 'T' has no parameter 'y', and templates know no such name"
        static const struct wrong samples[] = {
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
                {"    command: |\n      one\n\n      three {{y}}\n", WRONG("11:13")},
                {"    command: |2\n        one {{y}}\n", WRONG("9:13")},
                {"    command: >\n      one\n      two {{y}}\n", WRONG("8:14")},
                {"    command: \"a\\tb {{y}}\"\n", WRONG("8:14")},
                {"    command: one\n      two {{y}}\n", WRONG("8:14")},
                {"    command: echo\n    requirements: cpu(cores={{resources.cores}})\n",
                 "e.yaml:9:29: '{{resources.cores}}': the resources of a job are made from this"},
                {"    command: echo\n    mpi: {ranks: '{{resources.cores}}'}\n",
                 "e.yaml:9:19: '{{resources.cores}}': the resources of a job are made from this"},
        };
        CHECK(samples);
}

static void template_file_is_read_beside_the_yaml_that_names_it(void **state)
{
        static const struct wrong samples[] = {
                {"    command: echo\n    files: {a.inp: {template: in.txt}}\n",
                 "in.txt:2:5: '{{y}}': task 'T' has no parameter 'y', and templates know no such name"},
                {"    command: echo\n    files: {a.inp: {template: absent.txt}}\n", NULL},
                {"    command: echo\n    files: {a.inp: {template: good.txt}}\n", NULL},
        };
        place_put(*state, "in.txt", "one\ntwo {{y}}\n");
        place_put(*state, "good.txt", "x = \"{{x}}\"\n");
        check(state, samples, 1);
        check(state, samples + 2, 1);
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(read_task(*state, samples[1].task, &planned, &err), XPM_EPLAN);
        assert_memory_equal(err.message, "e.yaml:9:31: the template cannot be read: ", 42);
        planned_release(&planned);
}

static void token_must_be_declared(void **state)
{
        static const struct wrong samples[] = {
                {"    command: echo\n    tokens: {license: 1}\n",
                 "e.yaml:9:14: there is no token 'license', did you mean 'licence'?"},
                {"    command: echo\n    tokens: {gpu: 1}\n", "e.yaml:9:14: there is no token 'gpu': declare how many "
                                                              "there are at the top, as in 'tokens: {gpu: 4}'"},
                {"    command: echo\n    tokens: {licence: 2}\n", NULL},
        };
        CHECK(samples);
}

static void tag_must_be_the_steps(void **state)
{
        static const struct wrong samples[] = {
                {"    command: echo {{tags.n}}\n", "e.yaml:8:19: step 't' has no tag 'n': did you mean 'x'?"},
                {"    command: echo {{#tags.n}}{{tags.n}}{{/tags.n}}\n", NULL},
        };
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(read_task(*state, samples[0].task, &planned, &err), XPM_EPLAN);
        assert_memory_equal(err.message, "e.yaml:8:19: step 't' has no tag 'n'", 36);
        planned_release(&planned);
        check(state, samples + 1, 1);
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
        assert_int_equal(read_task(*state, "    command: echo {{config.lr}} {{config.net.depth}}\n", &planned, &err),
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
        static const char task[] = "    command: \"echo {{x}} {{#xs}}{{.}}{{/xs}} {{config.net.depth}} {{config.lr}}\"\n"
                                   "    setup: a {{n}}\n    env: {A: '{{xpm.env.B}}'}\n    tokens: {licence: '{{n}}'}\n"
                                   "    files: {f: {template: f.txt}}\n    outputs: ['{{x}}.out']\n"
                                   "    requirements: cpu(cores={{n}})\n    mpi: {ranks: '{{n}}'}\n";
        if (!failing_malloc_works)
                skip();
        xpm_text text = XPM_TEXT_INIT;
        make_text(task, &text);
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
                T(quotes_around_a_value_are_an_error),
                T(section_that_leaves_quotes_open_is_followed_both_ways),
                T(command_with_a_relative_path_is_an_error),
                T(file_beside_the_experiment_gets_one_warning),
                T(configuration_value_is_not_the_shells),
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
