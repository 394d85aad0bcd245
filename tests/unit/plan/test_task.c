#include "declared.h"
#include "plan/task.h"

static const xpm_config_type *type_of(const struct declared *declared, const char *name)
{
        const xpm_config_type *type = xpm_map_get(&declared->types.configs, name);
        assert_non_null(type);
        return type;
}

static void task_keeps_what_it_says_as_nodes(void **state)
{
        struct declared declared;
        (void)state;
        assert_int_equal(declared_read(&declared, "tasks:\n"
                                                  "  T:\n"
                                                  "    command: echo\n"
                                                  "    shell: sh -e\n"
                                                  "    setup: . x\n"
                                                  "    modules: [a]\n"
                                                  "    env: {A: b}\n"
                                                  "    files: {f: {content: c}}\n"
                                                  "    cwd: /\n"
                                                  "    requirements: cpu()\n"
                                                  "    mpi: {ranks: 2}\n"
                                                  "    tokens: {t: 1}\n"
                                                  "    outputs: [o]\n"
                                                  "    resumable: true\n"
                                                  "    retry: {on: [lost]}\n"
                                                  "    max_retries: 1\n"
                                                  "    transient: remove\n"
                                                  "    launcher: local\n"
                                                  "    help: Says nothing.\n"),
                         0);
        const xpm_config_type *type = type_of(&declared, "T");
        const xpm_task *task = type->task;
        assert_ptr_equal(task->type, type);
        assert_ptr_equal(task->node, xpm_node_get(xpm_node_get(declared.root, "tasks"), "T"));
        assert_string_equal(task->command->text, "echo");
        assert_int_equal(task->shell->item_count, 2);
        assert_string_equal(task->setup->text, ". x");
        assert_int_equal(task->modules->item_count, 1);
        assert_int_equal(task->env->pair_count, 1);
        assert_int_equal(task->files->pair_count, 1);
        assert_string_equal(task->cwd->text, "/");
        assert_string_equal(task->requirements->text, "cpu()");
        assert_int_equal(task->mpi->pair_count, 1);
        assert_int_equal(task->tokens->pair_count, 1);
        assert_int_equal(task->outputs->item_count, 1);
        assert_string_equal(task->resumable->text, "true");
        assert_int_equal(task->retry->pair_count, 1);
        assert_string_equal(task->max_retries->text, "1");
        assert_string_equal(task->transient->text, "remove");
        assert_string_equal(task->launcher->text, "local");
        assert_string_equal(type->help, "Says nothing.");
        declared_release(&declared);
}

static void subtask_inherits_key_by_key(void **state)
{
        struct declared declared;
        (void)state;
        assert_int_equal(declared_read(&declared, "tasks:\n"
                                                  "  A: {command: a, env: {X: 1}, setup: s, outputs: [o], partials: "
                                                  "{p: {exclude_groups: [g]}, q: {exclude_groups: []}},\n"
                                                  "      params: {x: {type: int, groups: [g, h]}}}\n"
                                                  "  B: {extends: A, env: {Y: 2}, setup: null, partials: {q: "
                                                  "{exclude_groups: [h]}, r: {exclude_groups: [g]}}}\n"
                                                  "  C: {extends: B, command: c}\n"),
                         0);
        const xpm_task *a = type_of(&declared, "A")->task, *b = type_of(&declared, "B")->task,
                       *c = type_of(&declared, "C")->task;
        assert_ptr_equal(b->command, a->command);
        assert_string_equal(c->command->text, "c");
        assert_string_equal(b->env->pairs[0].key, "Y");
        assert_ptr_equal(c->env, b->env);
        assert_non_null(a->setup);
        assert_null(b->setup);
        assert_null(c->setup);
        assert_ptr_equal(c->outputs, a->outputs);
        assert_ptr_equal(c->type, type_of(&declared, "C"));
        const xpm_config_type *type = type_of(&declared, "C");
        assert_int_equal(type->partial_count, 3);
        assert_string_equal(type->partials[0].name, "p");
        assert_string_equal(type->partials[1].name, "q");
        assert_string_equal(type->partials[1].exclude_groups[0], "h");
        assert_string_equal(type->partials[2].name, "r");
        assert_int_equal(type_of(&declared, "A")->partials[1].group_count, 0);
        assert_string_equal(xpm_text_string(&declared.warnings), "");
        declared_release(&declared);
}

static void config_is_no_task_and_a_task_that_extends_one_is(void **state)
{
        struct declared declared;
        (void)state;
        assert_int_equal(
                declared_read(&declared, "configs: {A: {params: {x: int}}}\ntasks: {B: {extends: A, command: x}}\n"),
                0);
        assert_null(type_of(&declared, "A")->task);
        assert_non_null(type_of(&declared, "B")->task);
        assert_int_equal(type_of(&declared, "B")->param_count, 1);
        declared_release(&declared);
}

static void wrong_task_is_an_error(void **state)
{
        static const char *const cases[][2] = {
                {"tasks: {A: {}}", "t.yaml:1:9: task 'A' lacks 'command'"},
                {"tasks: {A: {command: null}}", "t.yaml:1:9: task 'A' lacks 'command'"},
                {"tasks: {A: {command: x}, B: {extends: A, command: null}}", "t.yaml:1:26: task 'B' lacks 'command'"},
                {"tasks: {A: {command: x, mpi: 3}}", "t.yaml:1:30: 'mpi': expected a mapping, found '3'"},
                {"tasks: {nn.Train: {command: x, outputs: [train.out]}}",
                 "t.yaml:1:42: 'train.out' cannot be an output: the job keeps 'train.out' for itself"},
                {"tasks: {nn.Train: {command: x, outputs: [nn.out]}}", ""},
                {"tasks: {Train: {command: x, outputs: [\"train.out{{x}}\"]}}", ""},
                {"tasks: {Train: {command: x, files: {train.sh: {content: c}}}}",
                 "t.yaml:1:37: 'train.sh' cannot be an input file: the job keeps 'train.sh' for itself"},
                {"tasks: {A: {command: x, partials: [p]}}",
                 "t.yaml:1:35: 'partials' is a mapping from names to declarations"},
                {"tasks: {A: {command: x, partials: {p: }}}",
                 "t.yaml:1:39: a partial is a mapping: expected 'key: value'"},
                {"tasks: {A: {command: x, partials: {p: {}}}}",
                 "t.yaml:1:39: partial 'p' needs 'exclude_groups', a list of groups: [name]"},
                {"tasks: {A: {command: x, partials: {p: {exclude_groups: g}}}}",
                 "t.yaml:1:56: partial 'p' needs 'exclude_groups', a list of groups: [name]"},
                {"tasks: {A: {command: x, partials: {p: {exclude_group: [g]}}}}",
                 "t.yaml:1:40: unknown key 'exclude_group' in a partial: did you mean 'exclude_groups'?"},
                {"tasks: {A: {command: x, partials: {p/q: {exclude_groups: [g]}}}}",
                 "t.yaml:1:36: 'p/q' cannot be the name of a partial: expected letters, digits and _, no digit first"},
                {"tasks: {A: {command: x, partials: {p: {exclude_groups: [[g]]}}}}",
                 "t.yaml:1:57: 'exclude_groups': expected a text, found a list"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                declared_expect(cases[i][0], cases[i][1]);
}

static void excluded_group_that_nobody_is_in_gives_a_warning(void **state)
{
        struct declared declared;
        (void)state;
        assert_int_equal(declared_read(&declared, "tasks:\n"
                                                  "  A: {command: x, partials: {p: {exclude_groups: [iter, itre]}}}\n"
                                                  "  B: {extends: A, params: {n: {type: int, groups: [iter]}}}\n"),
                         0);
        assert_string_equal(xpm_text_string(&declared.warnings),
                            "t.yaml:2:3: partial 'p' of 'A' excludes the group 'itre', which no parameter is in\n");
        declared_release(&declared);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(task_keeps_what_it_says_as_nodes),
                cmocka_unit_test(subtask_inherits_key_by_key),
                cmocka_unit_test(config_is_no_task_and_a_task_that_extends_one_is),
                cmocka_unit_test(wrong_task_is_an_error),
                cmocka_unit_test(excluded_group_that_nobody_is_in_gives_a_warning),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
