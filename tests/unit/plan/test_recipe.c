#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planned.h"

/* The recipe of the last job of an experiment whose task is TASK, at four blanks; STEP ends its step. */
static void recipe_of(const struct place *place, const char *task, const char *step, char hex[65])
{
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        const char *recipe;
        xpm_text_printf(&text,
                        "id: e\nprogram: tool\ntasks:\n  t:\n"
                        "    params: {n: {type: int, default: 1}, m: {type: int, default: 1, meta: true}}\n%s"
                        "plan:\n  p: {task: t%s}\n",
                        task, step);
        if (planned_read(place, xpm_text_string(&text), &planned, &err) != 0)
                fail_msg("%s: %s", task, err.message);
        assert_int_equal(xpm_render_recipe(&planned.context, planned_job(&planned), &recipe, &err), 0);
        assert_int_equal(strlen(recipe), 64);
        strcpy(hex, recipe);
        planned_release(&planned);
        xpm_text_release(&text);
}

static bool same(const struct place *place, const char *one, const char *step, const char *other,
                 const char *other_step)
{
        char first[65], second[65];
        recipe_of(place, one, step, first);
        recipe_of(place, other, other_step, second);
        return strcmp(first, second) == 0;
}

static const char base[] = "    command: run {{n}} {{m}}\n";

static void template_that_changes_is_a_change(void **state)
{
        static const char *const others[] = {
                "    command: run {{n}}  {{m}}\n",
                "    command: [run, '{{n}}', '{{m}}']\n",
                "    command: run {{n}} {{m}}\n    shell: /bin/sh\n",
                "    command: run {{n}} {{m}}\n    setup: a\n",
                "    command: run {{n}} {{m}}\n    modules: [a]\n",
                "    command: run {{n}} {{m}}\n    env: {A: 1}\n",
                "    command: run {{n}} {{m}}\n    env: {A: 2}\n",
                "    command: run {{n}} {{m}}\n    env: {B: 1}\n",
                "    command: run {{n}} {{m}}\n    files: {a: {content: x}}\n",
                "    command: run {{n}} {{m}}\n    files: {b: {content: x}}\n",
                "    command: run {{n}} {{m}}\n    files: {a: {content: y}}\n",
                "    command: run {{n}} {{m}}\n    cwd: /x\n",
        };
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
                if (same(*state, base, "", others[i], ""))
                        fail_msg("%s changes nothing", others[i]);
                for (size_t j = 0; j < i; j++)
                        if (same(*state, others[j], "", others[i], ""))
                                fail_msg("%s is %s", others[j], others[i]);
        }
}

static void how_it_is_run_and_help_are_no_change(void **state)
{
        static const char *const others[] = {
                "    command: 'run {{n}} {{m}}'\n",
                "    command: run {{n}} {{m}}\n    requirements: cpu(cores=2)\n",
                "    command: run {{n}} {{m}}\n    outputs: [a]\n",
                "    command: run {{n}} {{m}}\n    help: words\n    max_retries: 3\n",
                "    command: run {{n}} {{m}}\n    shell: [/bin/bash, -eo, pipefail]\n",
        };
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
                if (!same(*state, base, "", others[i], ""))
                        fail_msg("%s is a change", others[i]);
}

static void value_is_no_change(void **state)
{
        assert_true(same(*state, base, ", params: {m: 1}", base, ", params: {m: 2}"));
        assert_true(same(*state, base, ", params: {n: 1}", base, ", params: {n: 2}"));
}

static void environment_of_the_step_is_part_of_it(void **state)
{
        assert_false(same(*state, base, "", base, ", env: {A: 1}"));
        assert_true(same(*state, "    command: run {{n}} {{m}}\n    env: {A: 1}\n", "", base, ", env: {A: 1}"));
}

static void content_of_a_template_file_is_part_of_it(void **state)
{
        static const char task[] = "    command: run\n    files: {a: {template: a.txt}}\n";
        char first[65], second[65];
        place_put(*state, "a.txt", "one {{n}}");
        recipe_of(*state, task, "", first);
        place_put(*state, "a.txt", "two {{n}}");
        recipe_of(*state, task, "", second);
        assert_string_not_equal(first, second);
        assert_true(same(*state, task, "", "    command: run\n    files: {a: {content: 'two {{n}}'}}\n", ""));
}

/* Does the recipe of TASK change with the file `tool`? */
static bool follows(const struct place *place, const char *task)
{
        char first[65], second[65], absent[65];
        place_put(place, "tool", "one");
        recipe_of(place, task, "", first);
        place_put(place, "tool", "two");
        recipe_of(place, task, "", second);
        unlinkat(place->dir, "tool", 0);
        recipe_of(place, task, "", absent);
        bool changes = strcmp(first, second) != 0;
        assert_int_equal(changes, strcmp(second, absent) != 0);
        return changes;
}

static void file_of_the_experiment_that_the_command_names_is_part_of_it(void **state)
{
        static const struct {
                const char *task;
                bool follows;
        } samples[] = {
                {"    command: '{{experiment.dir}}/tool {{n}}'\n", true},
                {"    command: ['{{experiment.dir}}/tool', '{{n}}']\n", true},
                {"    command: python3 {{experiment.dir}}/tool\n", true},
                {"    command: \"true && exec {{experiment.dir}}/'tool'\"\n", true},
                {"    command: run --program={{experiment.dir}}/tool\n", true},
                {"    command: '{{experiment.dir}}/{{config.program}}'\n", true},
                {"    command: './tool'\n    cwd: '{{experiment.dir}}'\n", true},
                {"    command: [python3, ./tool]\n    cwd: '{{experiment.dir}}'\n", true},
                {"    command: '{{experiment.dir}}/./x/../tool'\n", true},
                {"    command: run tool\n", false},
                {"    command: run {{experiment.dir}}/tool{{n}}\n", false},
                {"    command: 'run {{experiment.dir}}/other'\n", false},
                {"    command: |\n      run # {{{experiment.dir}}}/tool\n", false},
        };
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
                if (follows(*state, samples[i].task) != samples[i].follows)
                        fail_msg("%s", samples[i].task);
}

static void file_that_the_command_writes_is_no_part_of_it(void **state)
{
        const struct place *place = *state;
        static const char *const commands[] = {"    command: 'run > {{experiment.dir}}/log'\n",
                                               "    command: 'run >>{{experiment.dir}}/log 2>&1'\n",
                                               "    command: 'run 2> {{experiment.dir}}/log | sort'\n"};
        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
                char before[65], after[65];
                place_put(place, "log", "one");
                recipe_of(place, commands[i], "", before);
                place_put(place, "log", "another");
                recipe_of(place, commands[i], "", after);
                assert_string_equal(before, after);
        }
        /* But what it reads is, behind that, too, and what stands behind a `>` of a comment. */
        static const char *const others[] = {"    command: 'run < {{experiment.dir}}/log'\n",
                                             "    command: 'run > /x {{experiment.dir}}/log'\n",
                                             "    command: |\n      run # 1 >\n      cat {{experiment.dir}}/log\n"};
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
                char before[65], after[65];
                place_put(place, "log", "one");
                recipe_of(place, others[i], "", before);
                place_put(place, "log", "another");
                recipe_of(place, others[i], "", after);
                assert_string_not_equal(before, after);
        }
}

static void moved_experiment_has_the_same_recipe(void **state)
{
        static const char task[] = "    command: '{{experiment.dir}}/tool {{n}}'\n";
        char first[65], second[65];
        struct place elsewhere = {.path = ""};
        place_put(*state, "tool", "x");
        recipe_of(*state, task, "", first);
        snprintf(elsewhere.path, sizeof elsewhere.path, "%.50s/sub", ((struct place *)*state)->path);
        assert_int_equal(mkdir(elsewhere.path, 0777), 0);
        elsewhere.dir = open(elsewhere.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        place_put(&elsewhere, "tool", "x");
        recipe_of(&elsewhere, task, "", second);
        close(elsewhere.dir);
        assert_string_equal(first, second);
}

static int hash_known(void *data, const char *path, char hex[65], xpm_error *err)
{
        (void)path;
        (void)err;
        ++*(int *)data;
        memset(hex, 'a', 64);
        hex[64] = '\0';
        return 0;
}

static void recipe_is_computed_once_with_the_callers_hashes(void **state)
{
        struct planned planned;
        const char *one, *two;
        int calls = 0;
        place_put(*state, "tool", "x");
        assert_int_equal(
                planned_read(*state,
                             "id: e\ntasks: {t: {params: {n: int}, command: '{{experiment.dir}}/tool {{n}}'}}\n"
                             "plan: {p: {task: t, sweep: {n: [1, 2]}}}\n",
                             &planned, NULL),
                0);
        planned.context.hash_file = hash_known;
        planned.context.hash_data = &calls;
        assert_int_equal(xpm_render_recipe(&planned.context, planned.plan->jobs[0], &one, NULL), 0);
        assert_int_equal(xpm_render_recipe(&planned.context, planned.plan->jobs[1], &two, NULL), 0);
        assert_ptr_equal(one, two);
        assert_int_equal(calls, 1);
        planned_release(&planned);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(template_that_changes_is_a_change),
                T(how_it_is_run_and_help_are_no_change),
                T(value_is_no_change),
                T(environment_of_the_step_is_part_of_it),
                T(content_of_a_template_file_is_part_of_it),
                T(file_of_the_experiment_that_the_command_names_is_part_of_it),
                T(file_that_the_command_writes_is_no_part_of_it),
                T(moved_experiment_has_the_same_recipe),
                T(recipe_is_computed_once_with_the_callers_hashes),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
