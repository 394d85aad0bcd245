#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "failing_malloc.h"
#include "planned.h"

/* A task with a parameter of every type, and what its command becomes. */
static const char declarations[] = "id: exp\n"
                                   "solver: {tol: 1e-3, names: [a, 'b c'], on: true, off: false, none: null}\n"
                                   "a.b: {c.d: dotted}\n"
                                   "env: {TOP: '{{job.id}}'}\n"
                                   "enums: {Color: [RED, GREEN]}\n"
                                   "configs:\n"
                                   "  Model: {params: {hidden: int, name: {type: str, default: m}}}\n"
                                   "  net.Deep: {extends: Model, params: {layers: int, cache: {generated: cache.d}}}\n"
                                   "tasks:\n"
                                   "  Mesh:\n"
                                   "    params: {n: int, file: {generated: mesh.bin}}\n"
                                   "    command: [make, '{{n}}']\n"
                                   "  t.Use:\n"
                                   "    params:\n"
                                   "      i: int\n"
                                   "      f: float\n"
                                   "      tiny: {type: float, default: 0.00001}\n"
                                   "      b: {type: bool, default: true}\n"
                                   "      no: {type: bool, default: false}\n"
                                   "      zero: {type: int, default: 0}\n"
                                   "      s: str\n"
                                   "      plain: {type: str, default: abc-1.5}\n"
                                   "      empty: {type: str, default: ''}\n"
                                   "      color: Color\n"
                                   "      l: list[int]\n"
                                   "      ls: list[str]\n"
                                   "      el: {type: 'list[int]', default: []}\n"
                                   "      ll: {type: 'list[list[int]]', default: [[1, 2], [3]]}\n"
                                   "      maybe: {type: 'list[int?]', default: [1, null]}\n"
                                   "      set: {type: 'set[int]', default: [5]}\n"
                                   "      d: {type: 'dict[str, int]', default: {a: 1}}\n"
                                   "      di: {type: 'dict[int, str]', default: {'7': seven}}\n"
                                   "      ed: {type: 'dict[str, int]', default: {}}\n"
                                   "      none: int?\n"
                                   "      deep: Model\n"
                                   "      flat: Model\n"
                                   "      models: list[Model]\n"
                                   "      mesh: Mesh\n"
                                   "      meshes: list[Mesh]\n"
                                   "      nested: {type: 'Mesh?'}\n"
                                   "      where: {type: path, meta: true}\n"
                                   "      data: file\n"
                                   "      env: {type: str, default: mine}\n"
                                   "      ck: {generated: ck.bin}\n"
                                   "      shared: {generated: s.bin, partial: part}\n"
                                   "      seed: {type: int, default: 1, groups: [seeds]}\n"
                                   "    partials: {part: {exclude_groups: [seeds]}}\n"
                                   "    requirements: cpu(cores=4, mem=2G) & cuda(mem=1G)*2\n"
                                   "    files: {in.txt: {content: \"\"}}\n";

static const char plan[] = "plan:\n"
                           "  mesh: {task: Mesh, sweep: {n: [10, 20]}}\n"
                           "  use:\n"
                           "    task: t.Use\n"
                           "    params:\n"
                           "      i: 3\n"
                           "      f: 2\n"
                           "      s: it's\n"
                           "      color: RED\n"
                           "      l: [1, 2]\n"
                           "      ls: [a b, c]\n"
                           "      deep: {type: net.Deep, hidden: 4, layers: 2}\n"
                           "      flat: {hidden: 8}\n"
                           "      models: [{hidden: 1}, {type: net.Deep, hidden: 2, layers: 9}]\n"
                           "      mesh: {each: mesh, where: {n: 20}}\n"
                           "      meshes: {all: mesh}\n"
                           "      nested: {n: 5}\n"
                           "      where: a dir\n"
                           "      data: data.txt\n"
                           "    sweep: {seed: [1]}\n";

/* $D: the experiment's directory, $J: the job's, $A and $B: those of the meshes. */
static char *expand(const struct place *place, const struct planned *planned, const char *text)
{
        char id[65], path[128];
        const xpm_plan *p = planned->plan;
        char *out = planned_replace(strdup(text), "$D", place->path);
        static const char *const keys[] = {"$A", "$B", "$J"};
        for (size_t i = 0; i < 3; i++) {
                snprintf(path, sizeof path, "/ws/jobs/%s/%s", i < 2 ? "mesh" : "t.use", planned_id(p->jobs[i], id));
                out = planned_replace(out, keys[i], path);
        }
        return out;
}

/* The plan with COMMAND, YAML, as the task's. */
static int read_task(const struct place *place, const char *command, struct planned *planned, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        place_put(place, "data.txt", "content");
        xpm_text_printf(&text, "%s    command: %s\n%s", declarations, command, plan);
        int rc = planned_read(place, xpm_text_string(&text), planned, err);
        xpm_text_release(&text);
        return rc;
}

static int read_quoted(const struct place *place, const char *command, struct planned *planned, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_json_cstring(&text, command);
        int rc = read_task(place, xpm_text_string(&text), planned, err);
        xpm_text_release(&text);
        return rc;
}

struct sample {
        const char *command, *gives;
};

static void check(const struct place *place, const struct sample *samples, size_t count, bool quoted)
{
        for (size_t i = 0; i < count; i++) {
                struct planned planned;
                xpm_error err = XPM_ERROR_NONE;
                xpm_text line = XPM_TEXT_INIT;
                int rc = quoted ? read_quoted(place, samples[i].command, &planned, &err)
                                : read_task(place, samples[i].command, &planned, &err);
                if (rc != 0)
                        fail_msg("%s: %s", samples[i].command, err.message);
                rc = xpm_render_command(&planned.context, planned_job(&planned), &line, &err);
                if (rc != 0)
                        fail_msg("%s: %s", samples[i].command, err.message);
                char *gives = expand(place, &planned, samples[i].gives);
                if (strcmp(xpm_text_string(&line), gives) != 0)
                        fail_msg("%s gives '%s', not '%s'", samples[i].command, xpm_text_string(&line), gives);
                free(gives);
                xpm_text_release(&line);
                planned_release(&planned);
        }
}
#define CHECK(samples, quoted) check(*state, samples, sizeof(samples) / sizeof *(samples), quoted)

static void values_print_as_the_guide_says(void **state)
{
        static const struct sample samples[] = {
                {"x {{i}} {{f}} {{tiny}}", "x 3 2.0 1e-05"},
                {"x {{b}} {{no}} {{color}}", "x true false RED"},
                {"x {{s}} {{plain}} {{empty}}.", "x 'it'\\''s' abc-1.5 ''."},
                {"x {{{s}}} {{&s}} {{{empty}}}.", "x it's it's ."},
                {"x {{where}} {{data}}", "x '$D/a dir' $D/data.txt"},
                {"x {{l}} {{ls}} {{{ls}}} {{set}}", "x 1 2 'a b' c a b c 5"},
                {"x {{el}}|", "x |"},
                {"x {{ck}} {{deep.cache}}", "x $J/ck.bin $J/cache.d"},
                {"x {{d.a}} {{di.7}}", "x 1 seven"},
                {"x\n", "x"},
                {"x\n{{i}}\n\n", "x\n3"},
                {"x {{! gone }}{{=<% %>=}}<%i%>", "x 3"},
        };
        CHECK(samples, true);
}

static void config_gives_its_parameters_and_its_type(void **state)
{
        static const struct sample samples[] = {
                {"x {{deep.hidden}} {{deep.type}} {{flat.hidden}} {{flat.type}}", "x 4 net.Deep 8 Model"},
                {"x {{deep.layers}}", "x 2"},
                {"x {{#deep.layers}}--layers {{deep.layers}}{{/deep.layers}}", "x --layers 2"},
                {"x {{#flat.layers}}--layers {{flat.layers}}{{/flat.layers}}|", "x |"},
                {"x {{^flat.layers}}flat{{/flat.layers}}", "x flat"},
                {"x {{#deep}}{{hidden}}{{name}}{{i}}{{type}}{{/deep}}", "x 4m3net.Deep"},
                {"x {{#models}}{{hidden}}{{#layers}}:{{layers}}{{/layers}},{{/models}}", "x 1,2:9,"},
                {"x {{type}} {{self.type}}", "x t.Use t.Use"},
        };
        CHECK(samples, true);
}

static void falsy_is_false_null_and_empty(void **state)
{
        static const struct sample samples[] = {
                {"x{{#b}} b{{/b}}{{#no}} no{{/no}}{{#none}} none{{/none}}{{#el}} el{{/el}}", "x b"},
                {"x{{#zero}} zero{{/zero}}{{#empty}} empty{{/empty}}", "x zero empty"},
                {"x{{^no}} no{{/no}}{{^none}} none{{/none}}{{^el}} el{{/el}}{{^zero}} zero{{/zero}}", "x no none el"},
                {"x{{#ed}} ed{{/ed}}{{#d}} {{a}}{{/d}}", "x 1"},
                {"x{{#l}} {{.}}{{/l}}", "x 1 2"},
                {"x{{#ls}} {{.}}{{/ls}}", "x 'a b' c"},
                {"x{{#ll}}{{#.}} {{.}}{{/.}};{{/ll}}", "x 1 2; 3;"},
                {"x{{#ll}} {{.}};{{/ll}}", "x 1 2; 3;"},
        };
        CHECK(samples, true);
}

static void job_gives_its_parameters_and_its_place(void **state)
{
        static const struct sample samples[] = {
                {"x {{mesh.n}} {{mesh.file}} {{mesh.job.path}}", "x 20 $B/mesh.bin $B"},
                {"x {{mesh.job.task}} {{mesh.job.stdout}}", "x mesh $B/mesh.out"},
                {"x {{#meshes}}{{job.path}}/metrics.json {{/meshes}}", "x $A/metrics.json $B/metrics.json "},
                {"x {{#meshes}}{{n}} {{self.i}} {{self.job.path}};{{/meshes}}", "x 10 3 $J;20 3 $J;"},
                {"x {{meshes.paths_file}}", "x $J/meshes.paths"},
                {"x {{self.meshes.paths_file}}", "x $J/meshes.paths"},
                {"x {{#mesh}}{{file}}{{/mesh}}", "x $B/mesh.bin"},
                {"x {{#deep}}{{job.path}}{{/deep}}", "x $J"},
                {"x {{nested.n}} {{nested.file}} {{#nested.job.path}}run{{/nested.job.path}}", "x 5 $J/mesh.bin "},
        };
        CHECK(samples, true);
}

static void names_beside_the_parameters(void **state)
{
        static const struct sample samples[] = {
                {"x {{job.path}} {{job.stdout}} {{job.task}}", "x $J $J/use.out t.use"},
                {"x {{experiment.id}} {{experiment.dir}}", "x exp $D"},
                {"x {{experiment.results}}", "x /ws/experiments/exp/current/results"},
                {"x {{workspace.path}}", "x /ws"},
                {"x {{resources.cores}} {{resources.memory}} {{resources.gpus}} {{resources.ranks}}",
                 "x 4 2147483648 2 1"},
                {"x {{config.solver.tol}} {{config.solver.names}}", "x 1e-3 a 'b c'"},
                {"x{{#config.solver.on}} on{{/config.solver.on}}{{#config.solver.off}} off{{/config.solver.off}}",
                 "x on"},
                {"x {{#config.solver}}{{tol}}{{/config.solver}} {{config.a.b.c.d}}", "x 1e-3 dotted"},
                {"x{{^config.solver.none}} none{{/config.solver.none}}", "x none"},
                {"x {{env}} {{xpm.env.HOME}} {{{xpm.env.HOME}}}", "x mine '/home/me and you' /home/me and you"},
                {"x{{#xpm.env.NOT}} set{{/xpm.env.NOT}}{{^xpm.env.NOT}} unset{{/xpm.env.NOT}}", "x unset"},
                {"x {{tags.seed}} {{xpm.tags.seed}}{{#tags.n}} {{tags.n}}{{/tags.n}}", "x 1 1 20"},
                {"x {{xpm.job.path}} {{xpm.type}}", "x $J t.Use"},
        };
        CHECK(samples, true);
}

static void partial_is_a_directory_of_its_own(void **state)
{
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        xpm_text line = XPM_TEXT_INIT, partials = XPM_TEXT_INIT;
        assert_int_equal(read_quoted(*state, "x {{partials.part}} {{shared}}", &planned, &err), 0);
        assert_int_equal(xpm_render_command(&planned.context, planned_job(&planned), &line, &err), 0);
        assert_int_equal(xpm_render_partials(&planned.context, planned_job(&planned), &partials, &err), 0);
        char id[65], expected[512];
        assert_int_equal(sscanf(xpm_text_string(&partials), "{\"part\": \"%64[0-9a-f]\"}", id), 1);
        snprintf(expected, sizeof expected, "x /ws/partials/t.use/part/%s /ws/partials/t.use/part/%s/s.bin", id, id);
        assert_string_equal(xpm_text_string(&line), expected);
        xpm_text_release(&line);
        xpm_text_release(&partials);
        planned_release(&planned);
}

static void list_command_has_an_argument_for_each_item(void **state)
{
        static const struct sample samples[] = {
                {"[x, '{{i}}', '{{s}}', '{{empty}}']", "x 3 'it'\\''s' ''"},
                {"[x, '{{ls}}', y]", "x 'a b' c y"},
                {"[x, '{{{ls}}}', '{{&l}}']", "x 'a b' c 1 2"},
                {"[x, '-l {{l}}']", "x '-l 1 2'"},
                {"[x, '{{el}}', y]", "x y"},
                {"[x, '{{config.solver.names}}', '{{config.solver.tol}}']", "x a 'b c' 1e-3"},
                {"[x, '{{#b}}-b{{/b}}', '{{#no}}-n{{/no}}', y]", "x -b y"},
                {"[x, '{{#no}}-n{{/no}}{{^b}}-b{{/b}}', y]", "x y"},
                {"[x, '{{#empty}}{{empty}}{{/empty}}', y]", "x y"},
                {"[x, '{{empty}}', '']", "x '' ''"},
                {"[x, 'a \"$b\" `c`', \"d'e\"]", "x 'a \"$b\" `c`' 'd'\\''e'"},
                {"[sleep, 1]", "sleep 1"},
        };
        CHECK(samples, false);
}

struct wrong {
        const char *command, *message;
};

static void name_that_does_not_exist_is_an_error_of_the_file(void **state)
{
        static const struct wrong samples[] = {
                {"x {{colour}}", "'{{colour}}': task 't.Use' has no parameter 'colour', did you mean 'color'?"},
                {"x {{foo_bar}}",
                 "'{{foo_bar}}': task 't.Use' has no parameter 'foo_bar', and templates know no such name"},
                {"x {{#foo_bar}}{{/foo_bar}}",
                 "'{{foo_bar}}': task 't.Use' has no parameter 'foo_bar', and templates know no such name"},
                {"x {{deep.hiden}}",
                 "'{{deep.hiden}}': config 'Model' has no parameter 'hiden', did you mean 'hidden'?"},
                {"x {{^deep.hiden}}{{/deep.hiden}}",
                 "'{{deep.hiden}}': config 'Model' has no parameter 'hiden', did you mean 'hidden'?"},
                {"x {{mesh.fil}}", "'{{mesh.fil}}': task 'Mesh' has no parameter 'fil', did you mean 'file'?"},
                {"x {{mesh.job.pth}}", "'{{mesh.job.pth}}': 'job' has no 'pth', did you mean 'path'?"},
                {"x {{mesh.job}}", "'{{mesh.job}}' is no value by itself: write for instance {{mesh.job.path}}"},
                {"x {{flat.job.path}}", "'{{flat.job.path}}': config 'Model' has no parameter 'job'"},
                {"x {{job.name}}", "'{{job.name}}': 'job' has no 'name'"},
                {"x {{job}}", "'{{job}}' is no value by itself: write for instance {{job.path}}"},
                {"x {{config}}", "'{{config}}' is no value by itself: write {{config.NAME}}"},
                {"x {{config.solvr.tol}}", "'{{config.solvr.tol}}': the configuration has no key 'solvr.tol'"},
                {"x {{config.solvr}}",
                 "'{{config.solvr}}': the configuration has no key 'solvr', did you mean 'solver'?"},
                {"x {{partials.prat}}",
                 "'{{partials.prat}}': task 't.Use' has no partial 'prat', did you mean 'part'?"},
                {"x {{i.x}}", "'{{i.x}}': there is nothing inside of a value, no 'x'"},
                {"x {{l.x}}", "'{{l.x}}': a list has no 'x': write a section, {{#x}} {{x}} {{/x}}"},
                {"x {{deep}}",
                 "'{{deep}}' is a config and cannot be printed: print a parameter of it, as in {{deep.hidden}}"},
                {"x {{self}}", "'{{self}}' is a task and cannot be printed: print a parameter of it, as in {{self.b}}"},
                {"x {{d}}", "'{{d}}' is a dict and cannot be printed: print an entry of it, as in {{d.key}}"},
                {"x {{ll}}", "'{{ll}}' is a list of things that cannot be printed: write a section, {{#ll}} {{/ll}}"},
                {"x {{models}}",
                 "'{{models}}' is a list of things that cannot be printed: write a section, {{#models}} {{/models}}"},
                {"x {{#meshes}}{{meshes.paths_file}}{{/meshes}}", NULL},
                {"x {{#deep}}{{hiden}}{{/deep}}",
                 "'{{hiden}}': task 't.Use' has no parameter 'hiden', did you mean 'hidden'?"},
                {"x {{config.solver.none}}",
                 "'{{config.solver.none}}' is null and cannot be printed: give it a value, or write "
                 "{{#config.solver.none}} around it"},
                {"x {{i", "'{{i' is never closed"},
                {"x {{#i}}", "the section 'i' is never closed"},
                {"x {{> i}}", "'{{> i}}': templates have no partials and no inheritance"},
        };
        char where[32];
        int line = 1;
        for (const char *c = declarations; *c; c++)
                line += *c == '\n';
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                struct planned planned;
                xpm_error err = XPM_ERROR_NONE;
                int rc = read_quoted(*state, samples[i].command, &planned, &err);
                size_t column =
                        strlen("    command: \"") + (size_t)(strstr(samples[i].command, "{{") - samples[i].command);
                bool nested = strstr(samples[i].command, "{{#deep}}{{");
                snprintf(where, sizeof where, "e.yaml:%d:%zu: ", line, column + 1 + (nested ? strlen("{{#deep}}") : 0));
                if (!samples[i].message) {
                        assert_int_equal(rc, 0);
                } else {
                        const char *message = strstr(err.message, ": ");
                        assert_int_equal(rc, XPM_EPLAN);
                        assert_memory_equal(err.message, where, strlen(where));
                        if (!message || strcmp(message + 2, samples[i].message) != 0)
                                fail_msg("%s: %s", samples[i].command, err.message);
                }
                planned_release(&planned);
        }
}

static void name_that_only_some_jobs_have_is_an_error_of_the_others(void **state)
{
        static const struct wrong samples[] = {
                {"x {{flat.layers}}",
                 "'{{flat.layers}}': there is no such value: write {{#flat.layers}} around it if some jobs have none"},
                {"x {{none}}", "'{{none}}' is null and cannot be printed"},
                {"x {{maybe}}", "'{{maybe}}' is a list, an item is null and cannot be printed"},
                {"x {{d.b}}", "'{{d.b}}': there is no such value: write {{#d.b}} around it if some jobs have none"},
                {"x {{nested.job.path}}",
                 "'{{nested.job.path}}': there is no such value: write {{#nested.job.path}} around "
                 "it if some jobs have none"},
                {"x {{xpm.env.NOT}}", "'{{xpm.env.NOT}}': the environment variable 'NOT' is not set"},
                {"x {{#config.solver}}{{names.x}}{{/config.solver}}",
                 "'{{names.x}}': there is no such value: write {{#names.x}} around it if some jobs have none"},
        };
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                struct planned planned;
                xpm_error err = XPM_ERROR_NONE, again = XPM_ERROR_NONE;
                xpm_text line = XPM_TEXT_INIT;
                char label[32], id[65];
                if (read_quoted(*state, samples[i].command, &planned, &err) != 0)
                        fail_msg("%s: %s", samples[i].command, err.message);
                const xpm_job *job = planned_job(&planned);
                assert_int_equal(xpm_render_command(&planned.context, job, &line, &err), XPM_EPLAN);
                assert_int_equal(xpm_render_check(&planned.context, job, &again), XPM_EPLAN);
                assert_string_equal(err.message, again.message);
                snprintf(label, sizeof label, "job 't.use/%.8s': command: ", planned_id(job, id));
                const char *message = strstr(err.message, label);
                if (!message || strcmp(message + strlen(label), samples[i].message) != 0)
                        fail_msg("%s: %s", samples[i].command, err.message);
                xpm_text_release(&line);
                planned_release(&planned);
        }
}

static void nul_cannot_stand_in_a_command(void **state)
{
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        xpm_text line = XPM_TEXT_INIT;
        assert_int_equal(planned_read(*state,
                                      "id: x\ntasks:\n  t:\n    params: {s: str}\n    command: 'echo {{s}}'\n"
                                      "plan: {p: {task: t, params: {s: \"a\\0b\"}}}\n",
                                      &planned, &err),
                         0);
        assert_int_equal(xpm_render_check(&planned.context, planned_job(&planned), &err), XPM_EPLAN);
        assert_non_null(strstr(err.message, "command: '{{s}}' holds a NUL character, which cannot stand here"));
        xpm_text_release(&line);
        planned_release(&planned);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(values_print_as_the_guide_says),
                T(config_gives_its_parameters_and_its_type),
                T(falsy_is_false_null_and_empty),
                T(job_gives_its_parameters_and_its_place),
                T(names_beside_the_parameters),
                T(partial_is_a_directory_of_its_own),
                T(list_command_has_an_argument_for_each_item),
                T(name_that_does_not_exist_is_an_error_of_the_file),
                T(name_that_only_some_jobs_have_is_an_error_of_the_others),
                T(nul_cannot_stand_in_a_command),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
