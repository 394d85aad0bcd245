#include <limits.h>

#include "declared.h"
#include "failing_malloc.h"
#include "plan/setting.h"

static const xpm_source source = {.name = "f"};

/* `KEY: YAML`; the message, "" when it passes. */
struct setting {
        const char *key, *yaml, *message;
};

static void check(const struct setting *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_node *root;
                xpm_error err = XPM_ERROR_NONE;
                xpm_text text = XPM_TEXT_INIT;
                xpm_text_printf(&text, "%s: %s", cases[i].key, cases[i].yaml);
                if (xpm_yaml_parse(arena, &source, text.data, text.length, 0, &root, &err) != 0)
                        fail_msg("%s", err.message);
                const xpm_node *node = xpm_node_get(root, cases[i].key);
                int rc = xpm_check_setting(arena, cases[i].key, &node, &err);
                if (strcmp(err.message, cases[i].message) != 0 || rc != (*cases[i].message ? XPM_EPLAN : 0))
                        fail_msg("%s\ngives    %s\nexpected %s", text.data, err.message, cases[i].message);
                xpm_text_release(&text);
                xpm_arena_destroy(arena);
        }
}

#define CHECK(cases) check(cases, sizeof cases / sizeof *cases)

static void command_is_a_text_or_a_list_of_words(void **state)
{
        static const struct setting cases[] = {
                {"command", "echo {{x}}", ""},
                {"command", "|\n  a\n  b\n", ""},
                {"command", "[a, \"\", \"{{x}}\", null, 3]", ""},
                {"command", "\"\"", "f:1:10: 'command' is empty"},
                {"command", "\" \\n \"", "f:1:10: 'command' is empty"},
                {"command", "[]", "f:1:10: 'command' is empty"},
                {"command", "[\"\", a]", "f:1:11: 'command' is empty"},
                {"command", "[null, a]", "f:1:11: 'command': expected a text, found nothing"},
                {"command", "{a: b}", "f:1:10: 'command': expected a text, or a list of words, found a mapping"},
                {"command", "[a, [b]]",
                 "f:1:14: 'command': expected words, in quotes where they are empty or have { } [ ] ,, found a list"},
                {"command", "\"a\\0b\"", "f:1:10: 'command' cannot hold a NUL"},
                {"command", "[a, \"b\\0\"]", "f:1:14: 'command' cannot hold a NUL"},
        };
        (void)state;
        CHECK(cases);
}

static void shell_is_one_of_the_bourne_family(void **state)
{
        static const struct setting cases[] = {
                {"shell", "[/bin/bash, -eo, pipefail]", ""},
                {"shell", "sh", ""},
                {"shell", "/usr/local/bin/zsh -e", ""},
                {"shell", "[busybox, sh]", ""},
                {"shell", "[dash]", ""},
                {"shell", "[]", "f:1:8: 'shell' is empty"},
                {"shell", "\"  \"", "f:1:8: 'shell' is empty"},
                {"shell", "{a: b}", "f:1:8: 'shell': expected a list, found a mapping"},
                {"shell", "python3",
                 "f:1:8: 'python3' is no shell for a run file: expected sh, bash, dash, ksh, mksh, zsh, ash, yash or "
                 "busybox; to run another "
                 "interpreter, make 'command' a list, or a shell command with a here-document"},
                {"shell", "[/usr/bin/fish, -c]",
                 "f:1:9: '/usr/bin/fish' is no shell for a run file: expected sh, bash, dash, ksh, mksh, zsh, ash, "
                 "yash or busybox; to run "
                 "another interpreter, make 'command' a list, or a shell command with a here-document"},
        };
        (void)state;
        CHECK(cases);
}

static void texts_and_lists_of_texts_are_checked(void **state)
{
        static const struct setting cases[] = {
                {"setup", "|\n  . x\n", ""},
                {"setup", "[a]", "f:1:8: 'setup': expected a text, found a list"},
                {"modules", "[gcc/12, \"{{x}}\"]", ""},
                {"modules", "gcc", ""},
                {"modules", "[[a]]", "f:1:11: 'modules': expected a text, found a list"},
                {"modules", "[\"\"]", "f:1:11: 'modules' is empty"},
                {"cwd", "\"{{experiment.dir}}\"", ""},
                {"cwd", "\"\"", "f:1:6: 'cwd' is empty"},
                {"launcher", "gpu", ""},
                {"launcher", "{a: b}", "f:1:11: 'launcher': expected a text, found a mapping"},
                {"requirements", "cpu(cores=2)", ""},
                {"requirements", "\"cpu(cores={{n}})\"", ""},
                {"requirements", "cpu(core=2)",
                 "f:1:15: 'cpu(core=2)', character 5: unknown 'core': did you mean 'cores'?"},
                {"requirements", "[cpu]", "f:1:15: 'requirements': expected a text, found a list"},
                {"nonsense", "3", "f:1:11: unknown setting 'nonsense'"},
        };
        (void)state;
        CHECK(cases);
}

static void env_is_variables_and_their_texts(void **state)
{
        static const struct setting cases[] = {
                {"env", "{A: 1, B_2: \"${HOME}/bin\", _c: , d: null}", ""},
                {"env", "{}", ""},
                {"env", "[A=1]", "f:1:6: 'env': expected a mapping, found a list"},
                {"env", "{2A: x}", "f:1:7: '2A' cannot be the name of a variable: expected letters, digits and _"},
                {"env", "{A=B: x}", "f:1:7: 'A=B' cannot be the name of a variable: expected letters, digits and _"},
                {"env", "{\"\": x}", "f:1:7: '' cannot be the name of a variable: expected letters, digits and _"},
                {"env", "{A: [x]}", "f:1:10: 'A': expected a text, found a list"},
                {"env", "{A: \"x\\0\"}", "f:1:10: variable 'A' cannot hold a NUL"},
        };
        (void)state;
        CHECK(cases);
}

static void input_file_has_a_template_or_a_content(void **state)
{
        static const struct setting cases[] = {
                {"files", "{a/in.txt: {content: \"\"}, b: {template: t.in}}", ""},
                {"files", "[a]", "f:1:8: 'files': expected a mapping, found a list"},
                {"files", "{a: x}", "f:1:12: 'files': expected a mapping, found 'x'"},
                {"files", "{a: {}}", "f:1:12: input file 'a' needs either 'template: PATH' or 'content: TEXT'"},
                {"files", "{a: {template: t, content: c}}",
                 "f:1:12: input file 'a' needs either 'template: PATH' or 'content: TEXT'"},
                {"files", "{a: {contents: c}}",
                 "f:1:13: unknown key 'contents' in an input file: did you mean 'content'?"},
                {"files", "{a: {template: }}", "f:1:23: 'template': expected a text, found nothing"},
                {"files", "{a: {content: [c]}}", "f:1:22: 'content': expected a text, found a list"},
                {"files", "{../a: {content: c}}",
                 "f:1:9: '../a' cannot be an input file: expected a relative name inside the job's directory, without "
                 "'.' or '..'"},
        };
        (void)state;
        CHECK(cases);
}

static void parts_of_a_name_are_as_long_as_a_filesystem_takes(void **state)
{
        char name[2 * NAME_MAX + 2], expected[256];
        xpm_error err = XPM_ERROR_NONE;
        const xpm_pos nowhere = {0};
        (void)state;
        memset(name, 'n', sizeof name);
        name[NAME_MAX] = '/';
        name[2 * NAME_MAX + 1] = '\0';
        assert_int_equal(xpm_check_inside(name, strlen(name), "an output", NULL, nowhere, &err), 0);
        name[NAME_MAX] = 'n';
        name[NAME_MAX + 1] = '/';
        assert_int_equal(xpm_check_inside(name, strlen(name), "an output", NULL, nowhere, &err), XPM_EPLAN);
        snprintf(expected, sizeof expected,
                 "'%.60s…' is too long for the name of an output: at most 255 bytes between slashes", name);
        assert_non_null(strstr(err.message, expected));
}

static void counts_are_ints_or_templates(void **state)
{
        static const struct setting cases[] = {
                {"mpi", "{ranks: 8, per_node: 4}", ""},
                {"mpi", "{ranks: \"{{n}}\"}", ""},
                {"mpi", "{per_node: 4}", "f:1:6: 'mpi' lacks 'ranks'"},
                {"mpi", "8", "f:1:6: 'mpi': expected a mapping, found '8'"},
                {"mpi", "{rank: 4}", "f:1:7: unknown key 'rank' in 'mpi': did you mean 'ranks'?"},
                {"mpi", "{ranks: 0}", "f:1:14: 'ranks' is at least 1, found 0"},
                {"mpi", "{ranks: 1.5}", "f:1:14: 'ranks': expected an int, found '1.5'"},
                {"mpi", "{ranks: \"8\"}", "f:1:14: 'ranks': expected an int, found the text '8': remove the quotes"},
                {"tokens", "{gpu: 1, licence: \"{{n}}\"}", ""},
                {"tokens", "{}", ""},
                {"tokens", "[gpu]", "f:1:9: 'tokens': expected a mapping, found a list"},
                {"tokens", "{gpu: -1}", "f:1:15: 'gpu' is at least 1, found -1"},
                {"tokens", "{gpu: all}", "f:1:15: 'gpu': expected an int, found 'all'"},
                {"max_retries", "0", ""},
                {"max_retries", "-1", "f:1:14: 'max_retries' is at least 0, found -1"},
                {"max_retries", "\"{{n}}\"", "f:1:14: 'max_retries': expected an int, found '{{n}}'"},
                {"max_retries", "[1]", "f:1:14: 'max_retries': expected an int, found a list"},
        };
        (void)state;
        CHECK(cases);
}

static void outputs_are_names_in_the_directory(void **state)
{
        static const struct setting cases[] = {
                {"outputs", "[a, b/c.json, \"{{x}}.csv\", \"../{{x}}\"]", ""},
                {"outputs", "a", ""},
                {"outputs", "[]", ""},
                {"outputs", "{a: b}", "f:1:10: 'outputs': expected a list, found a mapping"},
                {"outputs", "[a, ../b]",
                 "f:1:14: '../b' cannot be an output: expected a relative name inside the job's directory, without '.' "
                 "or '..'"},
                {"outputs", "[.experimaestro/x]",
                 "f:1:11: '.experimaestro/x' cannot be an output: the job keeps '.experimaestro' for itself"},
        };
        (void)state;
        CHECK(cases);
}

static void what_happens_after_a_failure_is_checked(void **state)
{
        static const struct setting cases[] = {
                {"resumable", "true", ""},
                {"resumable", "yes", "f:1:12: 'resumable': expected true or false, found 'yes'"},
                {"resumable", "\"true\"", "f:1:12: 'resumable': expected true or false, found 'true'"},
                {"transient", "true", ""},
                {"transient", "false", ""},
                {"transient", "remove", ""},
                {"transient", "delete", "f:1:12: 'transient': expected true, false or remove, found 'delete'"},
                {"transient", "[remove]", "f:1:12: 'transient': expected true, false or remove, found a list"},
                {"retry", "{on: [timeout, memory, lost, failed], times: 3, scale: {mem: 2.0, duration: 1.5}}", ""},
                {"retry", "{on: []}", ""},
                {"retry", "3", "f:1:8: 'retry': expected a mapping, found '3'"},
                {"retry", "{times: 3}",
                 "f:1:8: 'retry' lacks 'on': the reasons to try again, of timeout, memory, lost, failed"},
                {"retry", "{on: timeout}",
                 "f:1:13: 'on': expected a list of timeout, memory, lost, failed, found 'timeout'"},
                {"retry", "{on: [timeouts]}", "f:1:14: unknown reason 'timeouts': did you mean 'timeout'?"},
                {"retry", "{on: [cancelled]}",
                 "f:1:14: 'on': expected timeout, memory, lost or failed, found 'cancelled'"},
                {"retry", "{on: [lost], times: x}", "f:1:28: 'times': expected an int, found 'x'"},
                {"retry", "{on: [lost], time: 1}", "f:1:21: unknown key 'time' in 'retry': did you mean 'times'?"},
                {"retry", "{on: [lost], scale: {memory: 1}}",
                 "f:1:29: unknown key 'memory' in 'scale': expected one of mem, duration"},
                {"retry", "{on: [lost], scale: {mem: 0}}",
                 "f:1:34: 'mem': expected a factor above 0, such as 2.0, found '0'"},
                {"retry", "{on: [lost], scale: 2}", "f:1:28: 'scale': expected a mapping, found '2'"},
        };
        (void)state;
        CHECK(cases);
}

static const xpm_node *set(xpm_arena *arena, const char *key, const char *text)
{
        xpm_node *root;
        assert_int_equal(xpm_yaml_parse(arena, &source, text, strlen(text), 0, &root, NULL), 0);
        const xpm_node *node = xpm_node_get(root, key);
        assert_int_equal(xpm_check_setting(arena, key, &node, NULL), 0);
        return node;
}

static void one_text_becomes_a_list_and_null_nothing(void **state)
{
        xpm_arena *arena = xpm_arena_create();
        (void)state;
        const xpm_node *node = set(arena, "shell", "shell: \" /bin/sh  -e\\t-u \"");
        assert_int_equal(node->item_count, 3);
        assert_string_equal(node->items[0]->text, "/bin/sh");
        assert_string_equal(node->items[2]->text, "-u");
        node = set(arena, "modules", "modules: gcc/12");
        assert_int_equal(node->item_count, 1);
        assert_string_equal(node->items[0]->text, "gcc/12");
        assert_int_equal(node->pos.column, 10);
        assert_null(set(arena, "env", "env: null"));
        assert_null(set(arena, "command", "command:"));
        xpm_arena_destroy(arena);
}

static void name_inside_the_directory_is_none_of_the_jobs_own(void **state)
{
        static const struct {
                const char *name, *script;
                bool right;
        } cases[] = {
                {"a", "train", true},
                {"a/b/c", "train", true},
                {"...", "train", true},
                {"a.", "train", true},
                {".hidden", "train", true},
                {"", "train", false},
                {"/a", "train", false},
                {"..", "train", false},
                {".", "train", false},
                {"a/../b", "train", false},
                {"./a", "train", false},
                {"a/./b", "train", false},
                {"a/.", "train", false},
                {"a//b", "train", false},
                {"a/", "train", false},
                {"params.json", "train", false},
                {"locks.json", NULL, false},
                {".experimaestro", NULL, false},
                {".experimaestro/status.json", NULL, false},
                {"params.json/x", NULL, false},
                {"params.jsonl", NULL, true},
                {"x/params.json", NULL, true},
                {"train.sh", "train", false},
                {"train.out", "train", false},
                {"train.err", "train", false},
                {"train.pid", "train", false},
                {"train.done", "train", false},
                {"train.failed", "train", false},
                {"train.lock", "train", false},
                {"train.out.1", "train", false},
                {"train.err.23", "train", false},
                {"train.out.1/x", "train", false},
                {"train.out.", "train", true},
                {"train.out.x", "train", true},
                {"train.out.1.gz", "train", true},
                {"train.bin", "train", true},
                {"train", "train", true},
                {"train/x.out", "train", true},
                {"Train.out", "train", true},
                {"training.out", "train", true},
                {"train.out", "eval", true},
                {"train.out", NULL, true},
        };
        xpm_pos pos = {0};
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                if (xpm_check_inside(cases[i].name, strlen(cases[i].name), "a file", cases[i].script, pos, NULL) !=
                    (cases[i].right ? 0 : XPM_EPLAN))
                        fail_msg("'%s' of '%s'", cases[i].name, cases[i].script ? cases[i].script : "");
        assert_int_equal(xpm_check_inside("a\0b", 3, "a file", NULL, pos, NULL), XPM_EPLAN);
}

static void memory_that_runs_out_is_an_error(void **state)
{
        static const char *const cases[][2] = {{"shell", "shell: sh -e"},
                                               {"modules", "modules: a"},
                                               {"requirements", "requirements: cuda(mem=1G) | gpu"}};
        (void)state;
        if (!failing_malloc_works)
                skip();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                for (long n = 1;; n++) {
                        xpm_node *root;
                        failing_malloc_arm(n);
                        xpm_arena *arena = xpm_arena_create();
                        int rc =
                                arena ? xpm_yaml_parse(arena, &source, cases[i][1], strlen(cases[i][1]), 0, &root, NULL)
                                      : XPM_ENOMEM;
                        const xpm_node *node = rc == 0 ? xpm_node_get(root, cases[i][0]) : NULL;
                        if (rc == 0)
                                rc = xpm_check_setting(arena, cases[i][0], &node, NULL);
                        bool failed = failing_malloc_disarm();
                        xpm_arena_destroy(arena);
                        assert_int_equal(rc, failed ? XPM_ENOMEM : 0);
                        if (!failed)
                                break;
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(command_is_a_text_or_a_list_of_words),
                cmocka_unit_test(shell_is_one_of_the_bourne_family),
                cmocka_unit_test(texts_and_lists_of_texts_are_checked),
                cmocka_unit_test(env_is_variables_and_their_texts),
                cmocka_unit_test(input_file_has_a_template_or_a_content),
                cmocka_unit_test(parts_of_a_name_are_as_long_as_a_filesystem_takes),
                cmocka_unit_test(counts_are_ints_or_templates),
                cmocka_unit_test(outputs_are_names_in_the_directory),
                cmocka_unit_test(what_happens_after_a_failure_is_checked),
                cmocka_unit_test(one_text_becomes_a_list_and_null_nothing),
                cmocka_unit_test(name_inside_the_directory_is_none_of_the_jobs_own),
                cmocka_unit_test(memory_that_runs_out_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
