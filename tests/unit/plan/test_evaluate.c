#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "every_type.h"

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

struct sample {
        const char *command, *gives;
};

static void check(const struct place *place, const struct sample *samples, size_t count, bool quoted)
{
        for (size_t i = 0; i < count; i++) {
                struct planned planned;
                xpm_error err = XPM_ERROR_NONE;
                xpm_text line = XPM_TEXT_INIT;
                int rc = quoted ? every_type_read_quoted(place, samples[i].command, &planned, &err)
                                : every_type_read(place, samples[i].command, &planned, &err);
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
                {"x {{meshes.paths_file}}", "x $J/.experimaestro/meshes.paths"},
                {"x {{self.meshes.paths_file}}", "x $J/.experimaestro/meshes.paths"},
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
        assert_int_equal(every_type_read_quoted(*state, "x {{partials.part}} {{shared}}", &planned, &err), 0);
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
                if (every_type_read_quoted(*state, samples[i].command, &planned, &err) != 0)
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
                T(name_that_only_some_jobs_have_is_an_error_of_the_others),
                T(nul_cannot_stand_in_a_command),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
