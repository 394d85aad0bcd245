#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "task_case.h"

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
        static const struct task_case samples[] = {
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
        TASK_CHECK(samples);
}

static void section_that_leaves_quotes_open_is_followed_both_ways(void **state)
{
        static const struct task_case samples[] = {
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
        TASK_CHECK(samples);
}

static void command_with_a_relative_path_is_an_error(void **state)
{
        static const struct task_case samples[] = {
                {"    command: ./train {{n}} 'a'\n", "e.yaml:8:14: the command begins with the relative path "
                                                     "'./train', and a job runs in its own directory: "
                                                     "write \"{{experiment.dir}}/train {{n}} 'a'\", or set 'cwd'"},
                {"    command: bin/train \"a\"\n",
                 "e.yaml:8:14: the command begins with the relative path 'bin/train', and a job runs in its own "
                 "directory: write '{{experiment.dir}}/bin/train \"a\"', or set 'cwd'"},
                {"    command: |\n      # first\n      A=1 ../train {{n}}\n      next\n",
                 "e.yaml:8:14: the command begins with the relative path '../train', and a job runs in its own "
                 "directory: write \"A=1 {{experiment.dir}}/../train {{n}} …\", or set 'cwd'"},
                {"    command: |\n      \"./my train\" 'a b'\n",
                 "e.yaml:8:14: the command begins with the relative path './my train', and a job runs in its own "
                 "directory: write {{experiment.dir}}/\"my train\" 'a b' below a '|', or set 'cwd'"},
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
        TASK_CHECK(samples);
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
                if (task_read(*state, samples[i].task, &planned, &err) != 0)
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
        static const struct task_case samples[] = {
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
                {"    command: [sh, -c, 'lr=1; echo ${lr}']\n", NULL},
                {"    command: echo ${lr}\n    env: {lr: 1}\n", NULL},
        };
        TASK_CHECK(samples);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(quotes_around_a_value_are_an_error),       T(section_that_leaves_quotes_open_is_followed_both_ways),
                T(command_with_a_relative_path_is_an_error), T(file_beside_the_experiment_gets_one_warning),
                T(configuration_value_is_not_the_shells),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
