#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "every_type.h"
#include "plan/names.h"
#include "plan/template.h"

struct wrong {
        const char *command, *message;
};

static void name_that_does_not_exist_is_an_error_of_the_file(void **state)
{
        static const struct wrong samples[] = {
                {"x {{colour}}", "'{{colour}}': task 't.Use' has no parameter 'colour': did you mean 'color'?"},
                {"x {{foo_bar}}",
                 "'{{foo_bar}}': task 't.Use' has no parameter 'foo_bar', and templates know no such name"},
                {"x {{#foo_bar}}{{/foo_bar}}",
                 "'{{foo_bar}}': task 't.Use' has no parameter 'foo_bar', and templates know no such name"},
                {"x {{deep.hiden}}",
                 "'{{deep.hiden}}': config 'Model' has no parameter 'hiden': did you mean 'hidden'?"},
                {"x {{^deep.hiden}}{{/deep.hiden}}",
                 "'{{deep.hiden}}': config 'Model' has no parameter 'hiden': did you mean 'hidden'?"},
                {"x {{mesh.fil}}", "'{{mesh.fil}}': task 'Mesh' has no parameter 'fil': did you mean 'file'?"},
                {"x {{mesh.job.pth}}", "'{{mesh.job.pth}}': 'job' has no 'pth': did you mean 'path'?"},
                {"x {{mesh.job}}", "'{{mesh.job}}' is no value by itself: write for instance {{mesh.job.path}}"},
                {"x {{flat.job.path}}", "'{{flat.job.path}}': config 'Model' has no parameter 'job'"},
                {"x {{job.name}}", "'{{job.name}}': 'job' has no 'name'"},
                {"x {{job}}", "'{{job}}' is no value by itself: write for instance {{job.path}}"},
                {"x {{config}}", "'{{config}}' is no value by itself: write {{config.NAME}}"},
                {"x {{config.solvr.tol}}", "'{{config.solvr.tol}}': the configuration has no key 'solvr.tol'"},
                {"x {{config.solvr}}",
                 "'{{config.solvr}}': the configuration has no key 'solvr': did you mean 'solver'?"},
                {"x {{partials.prat}}",
                 "'{{partials.prat}}': task 't.Use' has no partial 'prat': did you mean 'part'?"},
                {"x {{i.x}}", "'{{i.x}}': there is nothing inside of a value, no 'x'"},
                {"x {{env.HOME}}",
                 "'{{env.HOME}}': 'env' is a parameter here, which has no 'HOME': write {{xpm.env.HOME}}"},
                {"x {{xpm.i}}", "'{{xpm.i}}': templates know no name 'i'"},
                {"x {{xpm.jub.path}}", "'{{xpm.jub.path}}': templates know no name 'jub': did you mean 'job'?"},
                {"x {{l.x}}", "'{{l.x}}': a list has no 'x': write a section, {{#l}} {{x}} {{/l}}"},
                {"x {{l.0}}", "'{{l.0}}': a list has no '0': write a section, {{#l}} {{.}} {{/l}}"},
                {"x {{self.l.0.x}}",
                 "'{{self.l.0.x}}': a list has no '0': write a section, {{#self.l}} {{x}} {{/self.l}}"},
                {"x {{deep}}",
                 "'{{deep}}' is a config and cannot be printed: print a parameter of it, as in {{deep.hidden}}"},
                {"x {{self}}", "'{{self}}' is a task and cannot be printed: print a parameter of it, as in {{self.b}}"},
                {"x {{d}}", "'{{d}}' is a dict and cannot be printed: print an entry of it, as in {{d.key}}"},
                {"x {{ll}}", "'{{ll}}' is a list of things that cannot be printed: write a section, {{#ll}} {{/ll}}"},
                {"x {{models}}",
                 "'{{models}}' is a list of things that cannot be printed: write a section, {{#models}} {{/models}}"},
                {"x {{#meshes}}{{meshes.paths_file}}{{/meshes}}", NULL},
                {"x {{#deep}}{{hiden}}{{/deep}}",
                 "'{{hiden}}': task 't.Use' has no parameter 'hiden': did you mean 'hidden'?"},
                {"x {{config.solver.none}}",
                 "'{{config.solver.none}}' is null and cannot be printed: give it a value, or write "
                 "{{#config.solver.none}} around it"},
                {"x {{i", "'{{i' is never closed"},
                {"x {{#i}}", "the section 'i' is never closed"},
                {"x {{> i}}", "'{{> i}}': templates have no partials and no inheritance"},
        };
        char where[32];
        int line = 1;
        for (const char *c = every_type; *c; c++)
                line += *c == '\n';
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                struct planned planned;
                xpm_error err = XPM_ERROR_NONE;
                int rc = every_type_read_quoted(*state, samples[i].command, &planned, &err);
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

/* The binding of the only tag of the task's command. */
static const xpm_name *binding_of(const struct planned *planned)
{
        const xpm_templates *templates = planned_job(planned)->step->templates;
        for (size_t i = 0; i < templates->command->code.count; i++)
                if (templates->command->code.tags[i].binding)
                        return templates->command->code.tags[i].binding;
        return NULL;
}

static void secret_is_not_printed(void **state)
{
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(planned_read(*state,
                                      "id: e\nsecrets: [KEY, TOKEN]\ntasks: {t: {command: 'x {{env.TOKEN}}'}}\n"
                                      "plan: {p: {task: t}}\n",
                                      &planned, &err),
                         XPM_EPLAN);
        assert_string_equal(err.message,
                            "e.yaml:3:25: '{{env.TOKEN}}': 'TOKEN' is one of the secrets, which are written to "
                            "no file: write $TOKEN for the shell");
        planned_release(&planned);
}

static void name_of_a_subtype_of_the_task_is_left_to_the_jobs(void **state)
{
        struct planned planned;
        xpm_error err = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        if (planned_read(*state,
                         "id: e\ntasks:\n  Base: {params: {n: int}, command: 'x {{n}} {{layers}}{{#deep}} "
                         "{{deep}}{{/deep}}'}\n"
                         "  Deep: {extends: Base, params: {layers: int, deep: {type: bool, default: true}}}\n"
                         "plan:\n  b: {task: Base, params: {n: 1}}\n  d: {task: Deep, params: {n: 1, layers: 2}}\n",
                         &planned, &err) != 0)
                fail_msg("%s", err.message);
        assert_int_equal(xpm_render_command(&planned.context, planned.plan->jobs[0], &text, &err), XPM_EPLAN);
        assert_non_null(strstr(err.message, "'{{layers}}': there is no such value"));
        xpm_text_clear(&text);
        assert_int_equal(xpm_render_command(&planned.context, planned.plan->jobs[1], &text, NULL), 0);
        assert_string_equal(xpm_text_string(&text), "x 1 2 true");
        xpm_text_release(&text);
        planned_release(&planned);
}

static void binding_says_where_a_name_begins(void **state)
{
        static const struct {
                const char *command;
                enum xpm_place place;
                size_t spent;
                bool certain, list;
        } samples[] = {
                {"x {{i}}", XPM_PLACE_PARAMETERS, 0, true, false},
                {"x {{s}}", XPM_PLACE_PARAMETERS, 0, true, false},
                {"x {{none}}", XPM_PLACE_PARAMETERS, 0, false, false},
                {"x {{l}}", XPM_PLACE_PARAMETERS, 0, true, true},
                {"x {{maybe}}", XPM_PLACE_PARAMETERS, 0, false, true},
                {"x {{deep.hidden}}", XPM_PLACE_PARAMETERS, 0, true, false},
                {"x {{deep.layers}}", XPM_PLACE_PARAMETERS, 0, false, true},
                {"x {{d.a}}", XPM_PLACE_PARAMETERS, 0, false, false},
                {"x {{mesh.job.path}}", XPM_PLACE_PARAMETERS, 0, false, false},
                {"x {{ck}}", XPM_PLACE_PARAMETERS, 0, true, false},
                {"x {{env}}", XPM_PLACE_PARAMETERS, 0, true, false},
                {"x {{xpm.env.HOME}}", XPM_PLACE_ENV, 3, false, false},
                {"x {{self.i}}", XPM_PLACE_SELF, 1, true, false},
                {"x {{xpm.self.i}}", XPM_PLACE_SELF, 2, true, false},
                {"x {{type}}", XPM_PLACE_SELF, 0, true, false},
                {"x {{job.path}}", XPM_PLACE_LEAF, 2, true, false},
                {"x {{resources.memory}}", XPM_PLACE_LEAF, 2, false, false},
                {"x {{config.solver.tol}}", XPM_PLACE_VALUE, 3, true, false},
                {"x {{config.solver.names}}", XPM_PLACE_VALUE, 3, true, true},
                {"x {{tags.seed}}", XPM_PLACE_TAG, 2, false, true},
                {"x {{partials.part}}", XPM_PLACE_PARTIAL, 2, true, false},
        };
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                struct planned planned;
                xpm_error err = XPM_ERROR_NONE;
                if (every_type_read_quoted(*state, samples[i].command, &planned, &err) != 0)
                        fail_msg("%s: %s", samples[i].command, err.message);
                const xpm_name *name = binding_of(&planned);
                if (name->place != samples[i].place || name->spent != samples[i].spent ||
                    name->certain != samples[i].certain || name->list != samples[i].list)
                        fail_msg("%s: place %d, %zu spent, certain %d, list %d", samples[i].command, name->place,
                                 name->spent, name->certain, name->list);
                planned_release(&planned);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(name_that_does_not_exist_is_an_error_of_the_file),
                T(secret_is_not_printed),
                T(name_of_a_subtype_of_the_task_is_left_to_the_jobs),
                T(binding_says_where_a_name_begins),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
