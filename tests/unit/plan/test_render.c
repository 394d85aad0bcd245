#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/spawn.h"
#include "failing_malloc.h"
#include "planned.h"

/* The specification of the last job of TEXT. */
struct rendered {
        struct planned planned;
        xpm_arena *arena;
        xpm_jobspec spec;
        xpm_error err;
        const xpm_job *job;
};

static int render(const struct place *place, const char *text, struct rendered *r)
{
        *r = (struct rendered){.arena = xpm_arena_create()};
        int rc = planned_read(place, text, &r->planned, &r->err);
        if (rc != 0)
                return rc;
        r->job = planned_job(&r->planned);
        rc = xpm_render_job(&r->planned.context, r->arena, r->job, &r->spec, &r->err);
        assert_int_equal(xpm_render_check(&r->planned.context, r->job, NULL), rc);
        return rc;
}

static void done(struct rendered *r)
{
        xpm_arena_destroy(r->arena);
        planned_release(&r->planned);
}

/* A task nn.T with a parameter n (int, 2), and TASK, the rest of it, at four blanks. */
static int render_task(const struct place *place, const char *task, struct rendered *r)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_printf(
                &text,
                "id: e\ntokens: {licence: 3}\ntasks:\n  nn.T:\n"
                "    params: {n: int, s: {type: str, default: 'a b'}, c: {type: str, default: x, meta: true}}\n%s"
                "plan: {p: {task: nn.T, params: {n: 2}}}\n",
                task);
        int rc = render(place, xpm_text_string(&text), r);
        xpm_text_release(&text);
        return rc;
}

static void job_has_its_names_and_places(void **state)
{
        struct rendered r;
        char id[65], path[128];
        assert_int_equal(render_task(*state, "    command: echo {{n}}\n", &r), 0);
        planned_id(r.job, id);
        snprintf(path, sizeof path, "/ws/jobs/nn.t/%s", id);
        assert_string_equal(r.spec.job_id, id);
        assert_string_equal(r.spec.task_id, "nn.t");
        assert_string_equal(r.spec.script, "t");
        assert_string_equal(r.spec.path, path);
        assert_string_equal(r.spec.workspace, "/ws");
        assert_string_equal(r.spec.experiment_id, "e");
        assert_string_equal(r.spec.experiment_dir, ((struct place *)*state)->path);
        assert_string_equal(r.spec.results, "");
        assert_string_equal(r.spec.text, "echo 2");
        assert_string_equal(r.spec.command, "echo 2");
        assert_null(r.spec.argv);
        assert_string_equal(r.spec.shell[0], "/bin/bash");
        assert_string_equal(r.spec.shell[1], "-eo");
        assert_string_equal(r.spec.shell[2], "pipefail");
        assert_null(r.spec.shell[3]);
        assert_null(r.spec.setup);
        assert_null(r.spec.cwd);
        assert_null(r.spec.launcher);
        assert_int_equal(r.spec.need.cores, 1);
        assert_int_equal(r.spec.need.memory, 0);
        assert_int_equal(r.spec.max_retries, -1);
        assert_int_equal(r.spec.retry.times, -1);
        assert_int_equal(r.spec.resumable, false);
        assert_int_equal(strlen(r.spec.recipe), 64);
        done(&r);
}

static void run_gives_the_results_their_place(void **state)
{
        struct rendered r;
        assert_int_equal(render_task(*state, "    command: echo {{experiment.results}}\n", &r), 0);
        assert_string_equal(r.spec.command, "echo /ws/experiments/e/current/results");
        r.planned.context.run = "/ws/experiments/e/20261123_120000";
        assert_int_equal(xpm_render_job(&r.planned.context, r.arena, r.job, &r.spec, NULL), 0);
        assert_string_equal(r.spec.results, "/ws/experiments/e/20261123_120000/results");
        assert_string_equal(r.spec.command, "echo /ws/experiments/e/20261123_120000/results");
        done(&r);
}

static void everything_of_a_task_is_rendered(void **state)
{
        struct rendered r;
        place_put(*state, "deck.in", "n = {{n}}\ns = '{{s}}' \"{{{s}}}\"\n");
        assert_int_equal(render_task(*state,
                                     "    command: [run, '{{s}}', '{{{s}}}']\n"
                                     "    shell: [/bin/sh, -e]\n"
                                     "    setup: |\n      source {{s}}\n"
                                     "    modules: ['gcc/{{n}}', mpi]\n"
                                     "    env: {A: '{{s}} $HOME', B: '{{n}}', C: ''}\n"
                                     "    files: {deck: {template: deck.in}, 'sub/{{n}}': {content: \"a\\0{{n}}\"}}\n"
                                     "    cwd: /work/{{n}}/../x\n"
                                     "    requirements: cpu(cores={{n}}, mem=2G) & duration=1h | cpu(cores=9)\n"
                                     "    tokens: {licence: '{{n}}'}\n"
                                     "    outputs: ['{{n}}.out', b]\n"
                                     "    resumable: true\n"
                                     "    retry: {on: [timeout, lost], times: 2, scale: {mem: 1.5}}\n"
                                     "    max_retries: 7\n"
                                     "    transient: remove\n"
                                     "    launcher: cluster\n",
                                     &r),
                         0);
        const xpm_jobspec *spec = &r.spec;
        assert_string_equal(spec->argv[0], "run");
        assert_string_equal(spec->argv[1], "a b");
        assert_string_equal(spec->argv[2], "a b");
        assert_null(spec->argv[3]);
        assert_null(spec->text);
        assert_string_equal(spec->command, "run 'a b' 'a b'");
        assert_string_equal(spec->shell[1], "-e");
        assert_string_equal(spec->setup, "source 'a b'\n");
        assert_int_equal(spec->module_count, 2);
        assert_string_equal(spec->modules[0], "gcc/2");
        assert_int_equal(spec->env_count, 3);
        assert_string_equal(spec->env[0].name, "A");
        assert_string_equal(spec->env[0].value, "a b $HOME");
        assert_string_equal(spec->env[2].value, "");
        assert_int_equal(spec->file_count, 2);
        assert_string_equal(spec->files[0].name, "deck");
        assert_string_equal(spec->files[0].content, "n = 2\ns = 'a b' \"a b\"\n");
        assert_string_equal(spec->files[1].name, "sub/2");
        assert_int_equal(spec->files[1].length, 3);
        assert_memory_equal(spec->files[1].content, "a\0002", 3);
        assert_string_equal(spec->cwd, "/work/x");
        assert_int_equal(spec->requirement.count, 2);
        assert_int_equal(spec->need.cores, 2);
        assert_int_equal(spec->need.memory, 2ll << 30);
        assert_int_equal(spec->need.duration, 3600);
        assert_int_equal(spec->token_count, 1);
        assert_string_equal(spec->tokens[0].name, "licence");
        assert_int_equal(spec->tokens[0].count, 2);
        assert_int_equal(spec->output_count, 2);
        assert_string_equal(spec->outputs[0], "2.out");
        assert_true(spec->resumable && spec->retry.on_timeout && spec->retry.on_lost);
        assert_false(spec->retry.on_memory || spec->retry.on_failed);
        assert_int_equal(spec->retry.times, 2);
        assert_true(spec->retry.scale_memory == 1.5 && spec->retry.scale_duration == 1.0);
        assert_int_equal(spec->max_retries, 7);
        assert_int_equal(spec->transient, XPM_TRANSIENT_REMOVE);
        assert_string_equal(spec->launcher, "cluster");
        done(&r);
}

static void later_environment_wins_and_keeps_its_place(void **state)
{
        struct rendered r;
        assert_int_equal(render(*state,
                                "id: e\nlauncher: one\nenv: {A: top, B: top, C: '{{job.task}}'}\ntasks:\n"
                                "  t: {command: echo, env: {B: task, D: task}}\n"
                                "plan: {p: {task: t, env: {D: step, A: step}, launcher: two, transient: true}}\n",
                                &r),
                         0);
        static const char *const expected[] = {"A=step", "B=task", "C=t", "D=step"};
        assert_int_equal(r.spec.env_count, 4);
        for (size_t i = 0; i < 4; i++) {
                char pair[64];
                snprintf(pair, sizeof pair, "%s=%s", r.spec.env[i].name, r.spec.env[i].value);
                assert_string_equal(pair, expected[i]);
        }
        assert_string_equal(r.spec.launcher, "two");
        assert_int_equal(r.spec.transient, XPM_TRANSIENT_YES);
        done(&r);
}

static void relative_directory_is_in_the_jobs(void **state)
{
        struct rendered r;
        char expected[256];
        assert_int_equal(render_task(*state, "    command: echo\n    cwd: sub/{{n}}\n", &r), 0);
        snprintf(expected, sizeof expected, "%s/sub/2", r.spec.path);
        assert_string_equal(r.spec.cwd, expected);
        done(&r);
}

static void mpi_may_stand_in_two_places(void **state)
{
        static const struct {
                const char *task;
                int64_t ranks, per_node;
                const char *message;
        } samples[] = {
                {"    mpi: {ranks: '{{n}}'}\n", 2, 0, NULL},
                {"    mpi: {ranks: 8, per_node: 4}\n", 8, 4, NULL},
                {"    requirements: 'mpi(ranks={{n}}, per_node=1)'\n", 2, 1, NULL},
                {"    mpi: {ranks: 2}\n    requirements: 'mpi(ranks={{n}}, per_node=1)'\n", 2, 1, NULL},
                {"    mpi: {ranks: 2}\n    requirements: cpu(cores=3)\n", 2, 0, NULL},
                {"    mpi: {ranks: 3}\n    requirements: 'mpi(ranks={{n}})'\n", 0, 0,
                 "mpi: two different values: here and as mpi(…) in the requirements"},
                {"    mpi: {ranks: '{{s}}'}\n", 0, 0, "ranks: 'a b' is not a number of at least 1"},
                {"    mpi: {ranks: '-{{n}}'}\n", 0, 0, "ranks: '-2' is not a number of at least 1"},
        };
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                struct rendered r;
                char task[256];
                snprintf(task, sizeof task, "    command: echo {{resources.ranks}}\n%s", samples[i].task);
                int rc = render_task(*state, task, &r);
                if (samples[i].message) {
                        assert_int_equal(rc, XPM_EPLAN);
                        if (!strstr(r.err.message, samples[i].message))
                                fail_msg("%s: %s", samples[i].task, r.err.message);
                } else {
                        if (rc != 0)
                                fail_msg("%s: %s", samples[i].task, r.err.message);
                        assert_int_equal(r.spec.need.ranks, samples[i].ranks);
                        assert_int_equal(r.spec.need.per_node, samples[i].per_node);
                }
                done(&r);
        }
}

static void what_a_value_makes_wrong_is_an_error_of_the_job(void **state)
{
        static const struct {
                const char *task, *where, *message;
        } samples[] = {
                {"    command: echo\n    outputs: ['../{{n}}']\n", "e.yaml:7:14: ", "'../2' cannot be an output"},
                {"    command: echo\n    outputs: ['{{c}}/../a']\n", "e.yaml:7:14: ", "'x/../a' cannot be an output"},
                {"    command: echo\n    outputs: ['t.{{#n}}out{{/n}}']\n",
                 "e.yaml:7:14: ", "'t.out' cannot be an output: the job keeps 't.out' for itself"},
                {"    command: echo\n    files: {'{{c}}': {content: a}, x: {content: b}}\n", "",
                 "two files have the same name"},
                {"    command: echo\n    files: {'t.{{#n}}sh{{/n}}': {content: a}}\n",
                 "e.yaml:7:13: ", "'t.sh' cannot be an input file"},
                {"    command: echo\n    tokens: {licence: '{{n}}{{n}}'}\n",
                 "e.yaml:7:24: ", "token 'licence': 22 of them are asked for, and there are 3"},
                {"    command: echo\n    tokens: {licence: '{{s}}'}\n",
                 "e.yaml:7:24: ", "token 'licence': 'a b' is not a number of at least 0"},
                {"    command: echo\n    requirements: cpu(cores={{s}})\n", "e.yaml:7:19: ", "requirements: "},
                {"    command: ['{{#n}}{{/n}}']\n", "e.yaml:6:16: ", "command: the command is empty"},
                {"    command: '{{#n}} {{/n}}'\n", "e.yaml:6:15: ", "command: the command is empty"},
        };
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                struct rendered r;
                int rc = render_task(*state, samples[i].task, &r);
                if (rc != XPM_EPLAN || strncmp(r.err.message, samples[i].where, strlen(samples[i].where)) != 0 ||
                    !strstr(r.err.message, samples[i].message))
                        fail_msg("%s: %s", samples[i].task, r.err.message);
                done(&r);
        }
}

static void dependencies_and_paths_files_name_jobs(void **state)
{
        struct rendered r;
        char id[3][65], expected[512];
        assert_int_equal(render(*state,
                                "id: e\ntasks:\n"
                                "  a: {params: {n: int}, command: echo}\n"
                                "  b: {params: {runs: 'list[a]'}, command: 'cat {{runs.paths_file}}', env: {P: "
                                "'{{runs.paths_file}}'}}\n"
                                "plan:\n  a: {task: a, sweep: {n: [1, 2]}}\n  b: {task: b, params: {runs: {all: a}}}\n",
                                &r),
                         0);
        for (size_t i = 0; i < 3; i++)
                planned_id(r.planned.plan->jobs[i], id[i]);
        assert_int_equal(r.spec.dependency_count, 2);
        snprintf(expected, sizeof expected, "a/%s", id[0]);
        assert_string_equal(r.spec.dependencies[0], expected);
        assert_int_equal(r.spec.paths_file_count, 1);
        assert_string_equal(r.spec.paths_files[0].name, ".experimaestro/runs.paths");
        snprintf(expected, sizeof expected, "/ws/jobs/a/%s\n/ws/jobs/a/%s\n", id[0], id[1]);
        assert_string_equal(r.spec.paths_files[0].content, expected);
        assert_int_equal(r.spec.paths_files[0].length, strlen(expected));
        snprintf(expected, sizeof expected, "%s/.experimaestro/runs.paths", r.spec.path);
        assert_string_equal(r.spec.env[0].value, expected);
        done(&r);
}

static void partials_are_directories_to_make(void **state)
{
        struct rendered r;
        xpm_text line = XPM_TEXT_INIT;
        assert_int_equal(
                render(*state,
                       "id: e\ntasks:\n  t:\n    params: {n: {type: int, groups: [g]}, o: {generated: a.b, "
                       "partial: p}}\n    partials: {p: {exclude_groups: [g]}}\n    command: echo {{partials.p}} "
                       "{{o}}\nplan: {s: {task: t, sweep: {n: [1, 2]}}}\n",
                       &r),
                0);
        assert_int_equal(r.spec.partial_count, 1);
        char expected[512];
        snprintf(expected, sizeof expected, "echo %s %s/a.b", r.spec.partials[0], r.spec.partials[0]);
        assert_string_equal(r.spec.command, expected);
        assert_memory_equal(r.spec.partials[0], "/ws/partials/t/p/", 17);
        /* The other job shares it. */
        assert_int_equal(xpm_render_command(&r.planned.context, r.planned.plan->jobs[0], &line, NULL), 0);
        assert_string_equal(xpm_text_string(&line), expected);
        xpm_text_release(&line);
        done(&r);
}

static void names_for_the_environment_are_handed_on(void **state)
{
        struct rendered r;
        static const char *const extra[] = {"TOKEN"};
        assert_int_equal(
                render(*state, "id: e\nsecrets: [KEY, OTHER]\ntasks: {t: {command: echo}}\nplan: {p: {task: t}}\n", &r),
                0);
        r.planned.context.extra_env = extra;
        r.planned.context.extra_env_count = 1;
        assert_int_equal(xpm_render_job(&r.planned.context, r.arena, r.job, &r.spec, NULL), 0);
        assert_int_equal(r.spec.secret_count, 2);
        assert_string_equal(r.spec.secrets[1], "OTHER");
        assert_int_equal(r.spec.required_env_count, 1);
        assert_string_equal(r.spec.required_env[0], "TOKEN");
        done(&r);
}

static uint64_t next(uint64_t *seed)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        return *seed ^= *seed << 17;
}

/* What bash prints for COMMAND. */
static void shell(const char *program, const char *command, xpm_text *output)
{
        const char *const argv[] = {program, "-c", command, NULL};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        xpm_text errors = XPM_TEXT_INIT;
        int status;
        spawn.argv = argv;
        xpm_text_clear(output);
        assert_int_equal(xpm_spawn_capture(&spawn, NULL, 0, 1 << 20, output, &errors, &status, NULL), 0);
        if (status != 0)
                fail_msg("%s: %s", command, xpm_text_string(&errors));
        xpm_text_release(&errors);
}

static void any_value_comes_back_from_the_shell(void **state)
{
        static const char letters[] = "'\"\\$`(){}[]<>|&;*?!#~ \t\nab=%^-/\x01\xc3\xa9";
        enum { VALUES = 200, LENGTH = 12 };
        uint64_t seed = 0x9e3779b97f4a7c15u;
        xpm_text text = XPM_TEXT_INIT, expected = XPM_TEXT_INIT, output = XPM_TEXT_INIT;
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        xpm_text_puts(&text, "id: e\ntasks:\n  t:\n    params: {x: str, xs: 'list[str]'}\n"
                             "    command: |\n      printf '<%s>' {{x}} a{{x}}b \"$(printf %s. {{x}})\" {{xs}}\n"
                             "  u: {params: {x: str}, command: [printf, '<%s>', '{{x}}']}\nplan:\n");
        for (int i = 0; i < VALUES; i++) {
                char value[2 * LENGTH + 1];
                size_t length = 0;
                for (size_t count = next(&seed) % LENGTH; count > 0; count--) {
                        size_t at = next(&seed) % (sizeof letters - 1);
                        value[length++] = letters[at];
                        if (letters[at] == '\xc3')
                                value[length++] = '\xa9';
                        else if (letters[at] == '\xa9')
                                length--;
                }
                value[length] = '\0';
                for (int step = 0; step < 2; step++) {
                        xpm_text_printf(&text, "  %c%d: {task: %c, params: {x: ", "st"[step], i, "tu"[step]);
                        xpm_json_cstring(&text, value);
                        if (step == 0) {
                                xpm_text_puts(&text, ", xs: [");
                                xpm_json_cstring(&text, value);
                                xpm_text_puts(&text, ", ");
                                xpm_json_cstring(&text, value);
                                xpm_text_puts(&text, "]");
                        }
                        xpm_text_puts(&text, "}}\n");
                }
        }
        if (planned_read(*state, xpm_text_string(&text), &planned, &err) != 0)
                fail_msg("%s", err.message);
        for (size_t i = 0; i < planned.plan->job_count; i++) {
                const xpm_job *job = planned.plan->jobs[i];
                const char *value = job->config->values[xpm_param_find(job->config->type, "x", 1)].string->data;
                xpm_text_clear(&text);
                xpm_text_clear(&expected);
                if (xpm_render_command(&planned.context, job, &text, &err) != 0)
                        fail_msg("%s", err.message);
                if (strcmp(job->config->type->lower, "t") == 0)
                        xpm_text_printf(&expected, "<%s><a%sb><%s.><%s><%s>", value, value, value, value, value);
                else
                        xpm_text_printf(&expected, "<%s>", value);
                shell(i % 2 ? "/bin/sh" : "/bin/bash", xpm_text_string(&text), &output);
                assert_string_equal(xpm_text_string(&output), xpm_text_string(&expected));
        }
        planned_release(&planned);
        xpm_text_release(&text);
        xpm_text_release(&expected);
        xpm_text_release(&output);
}

static void memory_that_runs_out_is_an_error(void **state)
{
        struct planned planned;
        if (!failing_malloc_works)
                skip();
        assert_int_equal(
                planned_read(*state,
                             "id: e\ntasks:\n  t:\n    params: {n: int, l: {type: 'list[str]', default: [a, b]}}\n"
                             "    command: [x, '{{n}}', '{{l}}', '{{resources.cores}}']\n"
                             "    setup: a {{n}}\n    env: {A: '{{n}}'}\n    files: {f: {content: '{{n}}'}}\n"
                             "    outputs: ['{{n}}.out']\n    mpi: {ranks: '{{n}}'}\n    cwd: 'd{{n}}'\n"
                             "plan: {p: {task: t, params: {n: 2}}}\n",
                             &planned, NULL),
                0);
        for (long n = 1;; n++) {
                xpm_jobspec spec;
                xpm_text text = XPM_TEXT_INIT;
                failing_malloc_arm(n);
                xpm_arena *arena = xpm_arena_create();
                int rc = arena ? xpm_render_job(&planned.context, arena, planned_job(&planned), &spec, NULL)
                               : XPM_ENOMEM;
                if (rc == 0)
                        rc = xpm_render_command(&planned.context, planned_job(&planned), &text, NULL);
                if (rc == 0)
                        rc = xpm_render_objects(&planned.context, planned_job(&planned), &text, NULL);
                if (rc == 0)
                        rc = xpm_render_params(&planned.context, planned_job(&planned), &text, NULL);
                bool struck = failing_malloc_disarm();
                assert_int_equal(rc, struck ? XPM_ENOMEM : 0);
                xpm_text_release(&text);
                xpm_arena_destroy(arena);
                if (!struck)
                        break;
        }
        planned_release(&planned);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(job_has_its_names_and_places),
                T(run_gives_the_results_their_place),
                T(everything_of_a_task_is_rendered),
                T(later_environment_wins_and_keeps_its_place),
                T(relative_directory_is_in_the_jobs),
                T(mpi_may_stand_in_two_places),
                T(what_a_value_makes_wrong_is_an_error_of_the_job),
                T(dependencies_and_paths_files_name_jobs),
                T(partials_are_directories_to_make),
                T(names_for_the_environment_are_handed_on),
                T(any_value_comes_back_from_the_shell),
                T(memory_that_runs_out_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
