#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"
#include <time.h>

static void texts_of_the_top_are_kept(void **state)
{
        struct expansion e;
        expansion_read(*state,
                       "id: a.b-c_9\ntitle: A title\nsubtitle: 12\ndescription: |\n  Two\n  lines\npaper: "
                       "10.1/x\ndirty_git: error\n"
                       "tokens: {gpu: 2}\nlauncher: local\nenv: {A: b}\nsecrets: [KEY]\nservices: {tb: {command: x}}\n",
                       (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        assert_string_equal(e.plan->id, "a.b-c_9");
        assert_string_equal(e.plan->title, "A title");
        assert_string_equal(e.plan->subtitle, "12");
        assert_string_equal(e.plan->description, "Two\nlines\n");
        assert_string_equal(e.plan->paper, "10.1/x");
        assert_string_equal(e.plan->dirty_git->text, "error");
        assert_string_equal(e.plan->launcher->text, "local");
        assert_non_null(e.plan->tokens);
        assert_non_null(e.plan->env);
        assert_non_null(e.plan->secrets);
        assert_non_null(e.plan->services);
        assert_null(e.plan->results);
        expansion_release(&e);
}

static void time_is_appended_to_the_id(void **state)
{
        struct expansion e;
        char *before = getenv("TZ") ? strdup(getenv("TZ")) : NULL;
        setenv("TZ", "XYZ-2", 1);
        tzset();
        expansion_read(*state, "id: x\nadd_timestamp: true\n", (xpm_plan_options){.now = 1767225599}, &e);
        assert_string_equal(e.err.message, "");
        assert_string_equal(e.plan->id, "x-20260101-0159");
        expansion_release(&e);
        expansion_read(*state, "id: x\nadd_timestamp: false\n", (xpm_plan_options){.now = 1767225599}, &e);
        assert_string_equal(e.plan->id, "x");
        expansion_release(&e);
        if (before)
                setenv("TZ", before, 1);
        else
                unsetenv("TZ");
        tzset();
        free(before);
}

static void tops_that_are_wrong(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"title: x\n", "e.yaml:1:1: the experiment has no id: write 'id: NAME' at the top"},
                {"id: a/b\n",
                 "e.yaml:1:5: 'a/b' cannot be the id of an experiment: expected letters, digits, '.', '_' and '-', a "
                 "letter or digit first, at most 200"},
                {"id: .b\n",
                 "e.yaml:1:5: '.b' cannot be the id of an experiment: expected letters, digits, '.', '_' and '-', a "
                 "letter or digit first, at most 200"},
                {"id: ''\n", "e.yaml:1:5: '' cannot be the id of an experiment: expected letters, digits, '.', '_' and "
                             "'-', a letter "
                             "or digit first, at most 200"},
                {"id: [a]\n", "e.yaml:1:5: 'id' takes one name: write 'id: NAME'"},
                {"id: x\nadd_timestamp: 1\n", "e.yaml:2:16: 'add_timestamp': expected true or false, found '1'"},
                {"id: x\ntitle: [a]\n", "e.yaml:2:8: 'title': expected a text, found a list"},
                {"id: x\ndirty_git: warning\n", "e.yaml:2:12: 'dirty_git' is one of ignore, warn, error"},
                {"id: x\ndirty_git: erorr\n",
                 "e.yaml:2:12: 'dirty_git' is one of ignore, warn, error: did you mean 'error'?"},
                {"id: x\ntokens: [a]\n",
                 "e.yaml:2:9: 'tokens' takes a mapping from names to counts, as in {license: 4}"},
                {"id: x\ntokens: {a: b}\n",
                 "e.yaml:2:13: token 'a': expected how many there are, an int of at least 1"},
                {"id: x\ntokens: {a: 0}\n",
                 "e.yaml:2:13: token 'a': expected how many there are, an int of at least 1"},
                {"id: x\ntokens: {a: '1'}\n",
                 "e.yaml:2:13: token 'a': expected how many there are, an int of at least 1"},
                {"id: x\nsecrets: KEY\n",
                 "e.yaml:2:10: 'secrets' takes a list of names of environment variables, as in [API_KEY]"},
                {"id: x\nsecrets: [[KEY]]\n",
                 "e.yaml:2:11: 'secrets' takes a list of names of environment variables, as in [API_KEY]"},
                {"id: x\nenv: [a]\n", "e.yaml:2:6: 'env': expected a mapping, found a list"},
                {"id: x\nlauncher: [a]\n", NULL},
                {"id: x\nservices: [a]\n", "e.yaml:2:11: 'services' takes a mapping from names to services"},
                {"id: x\nservices: {a: b}\n", "e.yaml:2:15: service 'a' takes a mapping"},
                {"id: x\nresults: [a]\n",
                 "e.yaml:2:10: 'results' takes a mapping from steps to what is read from their files"},
                {"id: x\nresults: {s: {}}\n", "e.yaml:2:11: there is no step 's'"},
                {"id: x\nplna: {}\n", "e.yaml:2:1: unknown key 'plna': did you mean 'plan'?"},
                {"id: x\nlaunchers: {}\n", "e.yaml:2:1: unknown key 'launchers': did you mean 'launcher'?"},
                {"id: x\nConfigs: {}\n", NULL},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct expansion e;
                expansion_read(*state, cases[i].text, (xpm_plan_options){0}, &e);
                if (cases[i].message) {
                        assert_string_equal(e.err.message, cases[i].message);
                        assert_int_equal(e.rc, XPM_EPLAN);
                }
                expansion_release(&e);
        }
}

static void results_that_are_wrong(void **state)
{
        static const struct {
                const char *results, *message;
        } cases[] = {
                {"{s: {file: m.json, values: {a: b}}}", ""},
                {"{s: {values: {a: {file: x, column: b, row: last}}}}", ""},
                {"{ss: {values: {}}}", "e.yaml:4:11: there is no step 'ss': did you mean 's'?"},
                {"{s: {valeus: {}}}",
                 "e.yaml:4:15: unknown key 'valeus' in the results of a step: did you mean 'values'?"},
                {"{s: {file: m.json}}",
                 "e.yaml:4:14: the results of step 's' need 'values', a mapping from names to where they are"},
                {"{s: {values: {a: b}}}",
                 "e.yaml:4:27: result 'a': expected a key of the step's 'file', or a mapping such as {file: "
                 "log.csv, column: loss, row: last}"},
                {"{s: {values: {a: {column: b}}}}", "e.yaml:4:27: result 'a' has no 'file'"},
                {"{s: {file: m.json, values: {a: {colunm: b}}}}",
                 "e.yaml:4:42: unknown key 'colunm' in a result: did you mean 'column'?"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[1024];
                struct expansion e;
                snprintf(text, sizeof text, "id: x\ntasks: {t: {command: 'true'}}\nplan: {s: {task: t}}\nresults: %s\n",
                         cases[i].results);
                expansion_read(*state, text, (xpm_plan_options){0}, &e);
                assert_string_equal(e.err.message, cases[i].message);
                expansion_release(&e);
        }
}

static void key_that_nothing_reads_warns(void **state)
{
        expect_warning(*state, "id: x\nanything: 3\n", "e.yaml:2:1: nothing reads the key 'anything'\n");
        expect_warning(*state, "id: x\nanything: 3\ntitle: ${anything}\n", "");
        expect_warning(*state, "id: x\nanything: {a: 3}\ntasks: {t: {command: 'true {{config.anything.a}}'}}\n", "");
        /* One slip from a known key, but it is read. */
        expect_warning(*state, "id: x\ntoken: 3\ntitle: ${token}\n", "");
        /* A slip from a key of three letters is a word of its own. */
        expect_warning(*state, "id: x\nend: 3\n", "e.yaml:2:1: nothing reads the key 'end'\n");
}

static void slip_is_told_rather_than_what_it_causes(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"id: x\ntaks: {t: {command: 'true'}}\nplan: {s: {task: t}}\n",
                 "e.yaml:2:1: unknown key 'taks': did you mean 'tasks'?"},
                {"id: x\nimport: [a.yaml]\nplan: {s: {task: t}}\n",
                 "e.yaml:2:1: unknown key 'import': did you mean 'imports'?"},
                {"parnet: a.yaml\n", "e.yaml:1:1: unknown key 'parnet': did you mean 'parent'?"},
                /* Both there, or read: the slip has not caused it. */
                {"id: x\ntaks: {}\ntasks: {}\nplan: {s: {task: t}}\n", "e.yaml:4:18: there is no task 't'"},
                {"id: ${taks}\ntaks: x\nplan: {s: {task: t}}\n", "e.yaml:3:18: there is no task 't'"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct expansion e;
                expansion_read(*state, cases[i].text, (xpm_plan_options){0}, &e);
                assert_string_equal(e.err.message, cases[i].message);
                expansion_release(&e);
        }
}

static void templates_of_tasks_without_a_step_are_checked(void **state)
{
        struct expansion e;
        expansion_read(*state, "id: x\ntasks: {t: {params: {lr: int}, command: 'true {{lrr}}'}}\n",
                       (xpm_plan_options){0}, &e);
        assert_int_equal(e.rc, XPM_EPLAN);
        assert_non_null(strstr(e.err.message, "'lrr'"));
        expansion_release(&e);
}

static void file_that_does_not_exist_is_told(void **state)
{
        const struct place *place = *state;
        const xpm_plan_options options = {.load = {.file = "nothing", .cwd = place->path}};
        xpm_plan *plan = NULL;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_plan_read(&options, &plan, &err), XPM_ENOTFOUND);
        assert_null(plan);
        xpm_plan_destroy(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(texts_of_the_top_are_kept),
                T(time_is_appended_to_the_id),
                T(tops_that_are_wrong),
                T(results_that_are_wrong),
                T(key_that_nothing_reads_warns),
                T(slip_is_told_rather_than_what_it_causes),
                T(templates_of_tasks_without_a_step_are_checked),
                T(file_that_does_not_exist_is_told),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
