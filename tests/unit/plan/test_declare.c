#include "declared.h"
#include "failing_malloc.h"

static void check_json(xpm_value value, const char *expected)
{
        xpm_text text = XPM_TEXT_INIT;
        assert_int_equal(xpm_value_json(&value, NULL, &text), 0);
        assert_string_equal(xpm_text_string(&text), expected);
        xpm_text_release(&text);
}

static const xpm_config_type *type_of(const struct declared *declared, const char *name)
{
        const xpm_config_type *type = xpm_map_get(&declared->types.configs, name);
        assert_non_null(type);
        return type;
}

static void nothing_declared_is_no_error(void **state)
{
        static const char *const texts[] = {"", "id: x\n", "tasks:\nconfigs: {}\nenums: null\n"};
        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
                declared_expect(texts[i], "");
}

static void names_of_types_are_checked(void **state)
{
        static const char *const cases[][2] = {
                {"tasks: [a]", "t.yaml:1:8: 'tasks' is a mapping from names to declarations"},
                {"configs: {1a: }", "t.yaml:1:11: '1a' cannot be the name of a config: expected letters, digits and _, "
                                    "no digit first; dots between such names"},
                {"configs: {a..b: }", "t.yaml:1:11: 'a..b' cannot be the name of a config: expected letters, digits "
                                      "and _, no digit first; dots between such names"},
                {"configs: {a.: }", "t.yaml:1:11: 'a.' cannot be the name of a config: expected letters, digits and _, "
                                    "no digit first; dots between such names"},
                {"configs: {é: }", "t.yaml:1:11: 'é' cannot be the name of a config: expected letters, digits and _, "
                                   "no digit first; dots between such names"},
                {"tasks: {a-b: {command: x}}", "t.yaml:1:9: 'a-b' cannot be the name of a task: expected letters, "
                                               "digits and _, no digit first; dots between such names"},
                {"configs: {int: }", "t.yaml:1:11: 'int' is a type of the language: a config needs another name"},
                {"enums: {dict: [A]}", "t.yaml:1:9: 'dict' is a type of the language: an enum needs another name"},
                {"configs: {A: }\ntasks: {A: {command: x}}", "t.yaml:2:9: 'A' is declared already, at t.yaml:1:11"},
                {"enums: {nn.A: [X]}\nconfigs: {nn.a: }",
                 "t.yaml:2:11: 'nn.a' differs from 'nn.A' (t.yaml:1:9) in case only, and a job's directory has the "
                 "name in lower case"},
                {"configs: {A: 3}", "t.yaml:1:14: config 'A' is a mapping: expected 'params' and the like"},
                {"tasks: {A: }", "t.yaml:1:12: task 'A' is a mapping: expected 'params' and the like"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                declared_expect(cases[i][0], cases[i][1]);
}

static void name_has_at_most_two_hundred_bytes(void **state)
{
        char name[202], text[300];
        (void)state;
        memset(name, 'n', sizeof name);
        name[200] = '\0';
        snprintf(text, sizeof text, "configs: {%s: }", name);
        declared_expect(text, "");
        name[200] = 'n';
        name[201] = '\0';
        snprintf(text, sizeof text, "configs: {%s: }", name);
        declared_expect(text, "t.yaml:1:11: 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…' is too "
                              "long for the name of a "
                              "config: at most 200 bytes");
}

static void enum_keeps_its_members_in_order(void **state)
{
        struct declared declared;
        (void)state;
        assert_int_equal(declared_read(&declared, "enums: {nn.O: [SGD, null_, ADAM]}"), 0);
        const xpm_enum_type *type = xpm_map_get(&declared.types.enums, "nn.O");
        assert_int_equal(type->count, 3);
        assert_string_equal(type->members[0].name, "SGD");
        assert_string_equal(type->members[2].name, "ADAM");
        assert_ptr_equal(type->members[2].type, type);
        declared_release(&declared);
}

static void wrong_enum_is_an_error(void **state)
{
        static const char *const cases[][2] = {
                {"enums: {E: }", "t.yaml:1:12: enum 'E': expected a list of names: [A, B]"},
                {"enums: {E: []}", "t.yaml:1:12: enum 'E': expected a list of names: [A, B]"},
                {"enums: {E: {A: 1}}", "t.yaml:1:12: enum 'E': expected a list of names: [A, B]"},
                {"enums: {E: [A, [B]]}", "t.yaml:1:16: 'E': expected a text, found a list"},
                {"enums: {E: [A, \"\"]}", "t.yaml:1:16: a member of the enum 'E' has a name of 1 to 200 bytes"},
                {"enums: {E: [A, \"a\\nb\"]}", "t.yaml:1:16: the name of a member cannot hold the character U+000A"},
                {"enums: {E: [A, B, A]}", "t.yaml:1:19: enum 'E' has 'A' twice"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                declared_expect(cases[i][0], cases[i][1]);
}

static void types_may_stand_in_any_order(void **state)
{
        struct declared declared;
        (void)state;
        assert_int_equal(declared_read(&declared, "configs:\n"
                                                  "  A: {params: {b: B, t: \"list[T]\"}}\n"
                                                  "  B: {extends: C, params: {o: E?}}\n"
                                                  "  C: {params: {a: A?}}\n"
                                                  "tasks: {T: {extends: A, command: x}}\n"
                                                  "enums: {E: [X]}\n"),
                         0);
        assert_ptr_equal(declared_param(&declared, "A", "b")->type->config, type_of(&declared, "B"));
        assert_ptr_equal(declared_param(&declared, "T", "t")->type->item->config, type_of(&declared, "T"));
        assert_true(xpm_config_type_is(type_of(&declared, "B"), type_of(&declared, "C")));
        assert_true(type_of(&declared, "T")->is_task);
        assert_string_equal(declared.types.configs.entries[0].key, "A");
        assert_string_equal(declared.types.configs.entries[3].key, "T");
        declared_release(&declared);
}

static void lower_case_name_is_kept_beside_the_written_one(void **state)
{
        struct declared declared;
        (void)state;
        assert_int_equal(declared_read(&declared, "configs: {NN.Model_2: {help: A thing.}}"), 0);
        assert_string_equal(type_of(&declared, "NN.Model_2")->name, "NN.Model_2");
        assert_string_equal(type_of(&declared, "NN.Model_2")->lower, "nn.model_2");
        assert_string_equal(type_of(&declared, "NN.Model_2")->help, "A thing.");
        declared_release(&declared);
}

static void unknown_key_is_an_error_with_a_suggestion(void **state)
{
        static const char *const cases[][2] = {
                {"configs: {A: {parms: {}}}", "t.yaml:1:15: unknown key 'parms' in a config: did you mean 'params'?"},
                {"configs: {A: {command: x}}",
                 "t.yaml:1:15: config 'A' has a command: what is run stands under 'tasks'"},
                {"tasks: {A: {comand: x}}", "t.yaml:1:13: unknown key 'comand' in a task: did you mean 'command'?"},
                {"configs: {A: {quux: x}}",
                 "t.yaml:1:15: unknown key 'quux' in a config: expected one of help, extends, params, instance"},
                {"configs: {A: {params: {x: {type: int, defualt: 3}}}}",
                 "t.yaml:1:39: unknown key 'defualt' in a parameter: did you mean 'default'?"},
                {"configs: {A: {help: [x]}}", "t.yaml:1:21: 'help': expected a text, found a list"},
                {"configs: {A: {instance: yes}}", "t.yaml:1:25: 'instance': expected true or false, found 'yes'"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                declared_expect(cases[i][0], cases[i][1]);
}

static void subtype_has_the_parameters_of_its_parents(void **state)
{
        struct declared declared;
        static const char *const order[] = {"z", "a", "m", "b", "c"};
        (void)state;
        assert_int_equal(declared_read(&declared, "configs:\n"
                                                  "  C: {extends: B, params: {c: int, a: {default: 5, help: New.}}}\n"
                                                  "  B: {extends: A, params: {m: {type: M2}, b: int}, instance: true}\n"
                                                  "  A: {help: Old., params: {z: {type: int, min: 1}, a: {type: int, "
                                                  "default: 3, max: 9}, m: M}}\n"
                                                  "  M: {}\n"
                                                  "  M2: {extends: M}\n"),
                         0);
        const xpm_config_type *type = type_of(&declared, "C");
        assert_int_equal(type->param_count, 5);
        for (size_t i = 0; i < 5; i++) {
                assert_string_equal(type->params[type->declared[i]].name, order[i]);
                assert_int_equal(type->params[type->declared[i]].declared, i);
                assert_true(i == 0 || strcmp(type->params[i - 1].name, type->params[i].name) < 0);
        }
        check_json(declared_param(&declared, "C", "a")->fallback, "5");
        check_json(declared_param(&declared, "B", "a")->fallback, "3");
        assert_string_equal(declared_param(&declared, "C", "a")->help, "New.");
        assert_int_equal(declared_param(&declared, "C", "a")->max.integer, 9);
        assert_int_equal(declared_param(&declared, "C", "z")->min.integer, 1);
        assert_ptr_equal(declared_param(&declared, "A", "m")->type->config, type_of(&declared, "M"));
        assert_ptr_equal(declared_param(&declared, "C", "m")->type->config, type_of(&declared, "M2"));
        assert_null(type->help);
        assert_true(type->instance);
        assert_false(type_of(&declared, "A")->instance);
        declared_release(&declared);
}

static void wrong_extends_is_an_error(void **state)
{
        static const char *const cases[][2] = {
                {"configs: {A: {extends: Bee}, Bea: }",
                 "t.yaml:1:24: 'A' extends 'Bee', which is not declared: did you mean 'Bea'?"},
                {"configs: {A: {extends: Quux}}", "t.yaml:1:24: 'A' extends 'Quux', which is not declared"},
                {"configs: {A: {extends: [B]}, B: }", "t.yaml:1:24: 'A' extends one type: expected its name"},
                {"configs: {A: {extends: T}}\ntasks: {T: {command: x}}",
                 "t.yaml:1:24: a config cannot extend a task: 'T' is one"},
                {"configs: {A: {extends: A}}", "t.yaml:1:11: a circle: 'A' extends 'A'"},
                {"configs:\n  D: {extends: C}\n  A: {extends: B}\n  B: {extends: C}\n  C: {extends: A}\n",
                 "t.yaml:5:3: a circle: 'C' extends 'A' extends 'B' extends 'C'"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                declared_expect(cases[i][0], cases[i][1]);
}

static void default_may_need_defaults_further_down(void **state)
{
        struct declared declared;
        (void)state;
        assert_int_equal(declared_read(&declared,
                                       "configs:\n"
                                       "  A: {params: {b: {type: B, default: {type: B2, y: 4}}}}\n"
                                       "  B2: {extends: B, params: {y: int, z: {type: C, default: {}}}}\n"
                                       "  B: {params: {x: {type: int, default: 1}, e: {type: E, default: ON}}}\n"
                                       "  C: {params: {v: {constant: 2}}}\n"
                                       "enums: {E: [ON]}\n"),
                         0);
        check_json(declared_param(&declared, "A", "b")->fallback,
                   "{\"type\": \"B2\", \"x\": 1, \"e\": \"ON\", \"y\": 4, \"z\": {\"type\": \"C\", \"v\": 2}}");
        declared_release(&declared);
}

static void default_without_end_is_an_error(void **state)
{
        static const char *const cases[][2] = {
                {"configs: {A: {params: {a: {type: A, default: {}}}}}",
                 "t.yaml:1:24: the default of 'a' of 'A' needs itself: it would never end"},
                {"configs:\n  A: {params: {b: {type: B, default: {}}}}\n  B: {params: {a: {type: A, default: {}}}}\n",
                 "t.yaml:2:16: the default of 'b' of 'A' needs itself: it would never end"},
                /* One that ends. */
                {"configs: {A: {params: {a: {type: A?, default: {a: null}}, n: {type: int, default: 1}}}}", ""},
                /* One that can be declared, and never be built. */
                {"configs: {A: {params: {a: A}}}", ""},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                declared_expect(cases[i][0], cases[i][1]);
}

static void default_is_checked(void **state)
{
        static const char *const cases[][2] = {
                {"configs: {A: {params: {x: {type: int, default: 1.5}}}}",
                 "t.yaml:1:48: 'x': expected int, found '1.5'"},
                {"configs: {A: {params: {x: {type: int, default: 3, max: 2}}}}",
                 "t.yaml:1:48: 'x': 3 is more than its maximum 2"},
                {"configs: {A: {params: {x: {type: str, default: a, choices: [b, c]}}}}",
                 "t.yaml:1:48: 'x': \"a\" is none of its choices [\"b\", \"c\"]"},
                {"configs: {A: {params: {x: {type: B, default: {}}}}, B: {params: {y: int}}}",
                 "t.yaml:1:46: 'B' lacks 'y' (int)"},
                {"configs: {A: {params: {x: {type: \"list[int]\", default: {all: s}}}}}",
                 "t.yaml:1:56: 'x': expected list[int], found a mapping: a reference to a step stands in a step's "
                 "'params' only"},
                {"configs: {A: {params: {m: {type: M, default: {}}}}, B: {extends: A, params: {m: M2}}, M: {}, M2: "
                 "{extends: M}}",
                 "t.yaml:1:78: the default that 'm' inherits does not suit its narrower type: give it another"},
                {"configs: {A: {params: {m: {type: M, default: {}}}}, B: {extends: A, params: {m: {type: M2, default: "
                 "{}}}}, M: {}, M2: {extends: M}}",
                 ""},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                declared_expect(cases[i][0], cases[i][1]);
}

static void file_of_the_job_cannot_be_generated(void **state)
{
        static const char *const cases[][2] = {
                {"tasks: {nn.Train: {command: x, params: {o: {generated: train.out}}}}",
                 "t.yaml:1:41: 'train.out' cannot be a generated file: the job keeps 'train.out' for itself"},
                {"tasks: {nn.Train: {command: x, params: {o: {generated: train.log}}}}", ""},
                {"configs: {A: {params: {o: {generated: train.out}}}}", ""},
                /* The name is known where the task is. */
                {"configs: {A: {params: {o: {generated: train.out}}}}\ntasks: {Train: {extends: A, command: x}}",
                 "t.yaml:1:24: 'train.out' cannot be a generated file: the job keeps 'train.out' for itself"},
                /* Most likely a slip, which is warned of. */
                {"tasks: {A: {command: x, params: {o: {generated: x}, p: {generated: y}, q: {generated: x}}}}", ""},
                {"configs: {A: {params: {o: {generated: x}}}, B: {extends: A, params: {p: {generated: x}}}}", ""},
                {"tasks: {A: {command: x, params: {o: {generated: x}}, files: {y: {content: a}, x: {content: a}}}}",
                 "t.yaml:1:79: the input file 'x' is what the parameter 'o' generates, too (t.yaml:1:34): give one of "
                 "them another name"},
                {"tasks: {A: {command: x, partials: {p: {exclude_groups: []}, q: {exclude_groups: []}}, params: {o: "
                 "{generated: x, partial: p}, s: {generated: x, partial: q}, t: {generated: x}}}}",
                 ""},
                {"tasks: {A: {command: x, partials: {p: {exclude_groups: []}}, params: {o: {generated: x, partial: p}, "
                 "s: {generated: x, partial: p}}, files: {x: {content: a}}}}",
                 ""},
                {"configs: {A: {params: {o: {generated: x, partial: p}}}}",
                 "t.yaml:1:24: 'o' is in the partial 'p', and only tasks have partials"},
                {"tasks: {A: {command: x, params: {o: {generated: x, partial: p}}}}",
                 "t.yaml:1:34: 'o' is in the partial 'p', which 'A' does not have"},
                {"tasks: {A: {command: x, partials: {p: {exclude_groups: []}}, params: {o: {generated: a.out, partial: "
                 "p}}}}",
                 ""},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                declared_expect(cases[i][0], cases[i][1]);
}

static void types_that_may_hold_instances_are_marked(void **state)
{
        struct declared declared;
        (void)state;
        assert_int_equal(declared_read(&declared, "configs:\n"
                                                  "  Plain: {params: {x: int}}\n"
                                                  "  Sub: {instance: true, params: {x: Plain}}\n"
                                                  "  Base: {}\n"
                                                  "  Derived: {extends: Base, params: {s: \"list[Sub]\"}}\n"
                                                  "  Above: {params: {b: \"dict[str, Base?]\"}}\n"
                                                  "  Meta: {params: {s: {type: Sub, meta: true}}}\n"
                                                  "  Beside: {params: {p: Plain, m: Meta}}\n"),
                         0);
        static const struct {
                const char *name;
                bool reaches;
        } cases[] = {{"Plain", false}, {"Sub", false},  {"Base", false},  {"Derived", true},
                     {"Above", true},  {"Meta", false}, {"Beside", false}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                assert_int_equal(type_of(&declared, cases[i].name)->reaches_instance, cases[i].reaches);
        declared_release(&declared);
}

static void memory_that_runs_out_is_an_error(void **state)
{
        static const char text[] =
                "enums: {E: [A, B]}\n"
                "configs:\n"
                "  M: {instance: true, params: {h: {type: int, min: 0}, k: {constant: x}, e: {type: E, default: A}}}\n"
                "  N: {extends: M, params: {h: {default: 2}, l: {type: \"list[M]\", default: [{h: 1}]}}}\n"
                "tasks:\n"
                "  T: {command: [a, b], shell: sh -e, modules: m, params: {n: {type: N, default: {}}, s: {type: str, "
                "pattern: a*, groups: [g]}},\n"
                "      partials: {p: {exclude_groups: [g]}}, requirements: cpu(cores=2), outputs: x}\n";
        (void)state;
        if (!failing_malloc_works)
                skip();
        declared_expect(text, "");
        for (long n = 1;; n++) {
                struct declared declared;
                failing_malloc_arm(n);
                int rc = declared_read(&declared, text);
                bool failed = failing_malloc_disarm();
                declared_release(&declared);
                assert_int_equal(rc, failed ? XPM_ENOMEM : 0);
                if (!failed)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_declared_is_no_error),
                cmocka_unit_test(names_of_types_are_checked),
                cmocka_unit_test(name_has_at_most_two_hundred_bytes),
                cmocka_unit_test(enum_keeps_its_members_in_order),
                cmocka_unit_test(wrong_enum_is_an_error),
                cmocka_unit_test(types_may_stand_in_any_order),
                cmocka_unit_test(lower_case_name_is_kept_beside_the_written_one),
                cmocka_unit_test(unknown_key_is_an_error_with_a_suggestion),
                cmocka_unit_test(subtype_has_the_parameters_of_its_parents),
                cmocka_unit_test(wrong_extends_is_an_error),
                cmocka_unit_test(default_may_need_defaults_further_down),
                cmocka_unit_test(default_without_end_is_an_error),
                cmocka_unit_test(default_is_checked),
                cmocka_unit_test(file_of_the_job_cannot_be_generated),
                cmocka_unit_test(types_that_may_hold_instances_are_marked),
                cmocka_unit_test(memory_that_runs_out_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
