#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exec/script.h"
#include "jobs.h"

static const char *const argv[] = {"/bin/echo", "a b", "$HOME", NULL};
static const char *const modules[] = {"gcc/12", "a b"};
static const xpm_binding env[] = {{"A", "1"}, {"SECRET", "hidden"}, {"B", "${A}x"}};
static const char *const secrets[] = {"SECRET"};

static void assert_renders(const struct job *job, const char *template, const char *expected)
{
        xpm_arena *arena = xpm_arena_create();
        xpm_mustache script;
        xpm_text text = XPM_TEXT_INIT;
        assert_int_equal(xpm_script_compile(arena, "x.sh", template, strlen(template), NULL, &script, NULL), 0);
        assert_int_equal(xpm_script_render(&script, &job->spec, "/opt/x pm", &text, NULL), 0);
        assert_string_equal(xpm_text_string(&text), expected);
        xpm_text_release(&text);
        xpm_arena_destroy(arena);
}

static void names_are_quoted_for_the_shell(void **state)
{
        struct job job;
        job_init(&job, *state, argv);
        job.spec.path = "/w s/job";
        assert_renders(&job, "{{xpm}} {{job}} {{task}} {{experiment}} {{script}} {{path}}",
                       "'/opt/x pm' " JOB_ID " t.work exp work '/w s/job'");
        assert_renders(&job, "{{{path}}} {{cwd}} {{shell}} {{words}}",
                       "/w s/job '/w s/job' /bin/sh -e /bin/echo 'a b' '$HOME'");
}

static void sections_stand_for_what_the_job_has(void **state)
{
        static const char template[] =
                "{{#text}}t{{/text}}{{^text}}w{{/text}}{{#setup}}s{{/setup}}{{#modules}}m{{/modules}}"
                "{{#ranks}}r{{ranks}}{{/ranks}}";
        struct job job;
        job_init(&job, *state, argv);
        assert_renders(&job, template, "w");
        assert_renders(&job, "{{#program}}{{program}}{{/program}}", "");
        job.spec.setup = "y";
        job.spec.need.ranks = 2;
        assert_renders(&job, "{{#program}}{{program}}{{/program}}", "mpirun");
        job.spec.need.ranks = 0;
        assert_renders(&job, "{{#program}}{{program}} {{missing}}{{/program}}",
                       "/bin/echo 'xpm: the command '\\''/bin/echo'\\'' is missing: no such file or directory'");
        job.spec.argv = NULL;
        job.spec.text = "x";
        job.spec.setup = "y";
        job.spec.modules = modules;
        job.spec.module_count = 2;
        job.spec.need.ranks = 8;
        assert_renders(&job, template, "tsmr8");
        assert_renders(&job, "{{modules}}", "gcc/12 'a b'");
}

static void env_is_written_without_secrets(void **state)
{
        struct job job;
        job_init(&job, *state, argv);
        job.spec.env = env;
        job.spec.env_count = 3;
        job.spec.secrets = secrets;
        job.spec.secret_count = 1;
        assert_renders(&job, "{{#env}}\nexport {{{name}}}={{{value}}}\n{{/env}}\n",
                       "export A=1\nexport SECRET=\"$SECRET\"\nexport B=\"${A}x\"\n");
}

static void texts_lose_their_last_newlines(void **state)
{
        struct job job;
        job_init(&job, *state, NULL);
        job.spec.text = "one\ntwo\n\n";
        assert_renders(&job, "{{{text}}}\n", "one\ntwo\n");
}

static int find_partial(void *data, const char *name, const char **text, size_t *length, xpm_error *err)
{
        (void)data;
        *text = "ok\n{{jb}}";
        *length = strlen(*text);
        return strcmp(name, "p.sh") == 0 ? 0 : xpm_fail(err, XPM_ENOTFOUND, "there is no %s", name);
}

static void mistakes_are_found_when_compiled(void **state)
{
        static const struct {
                const char *template, *message;
        } rows[] = {
                {"ok\n{{jb}}", "t/x.sh:2: the template names 'jb', which there is not: did you mean 'job'?"},
                {"{{#env}}", "t/x.sh:1: "},
                {"\n\n{{job", "t/x.sh:3: "},
                {"\n\n{{> p.sh}}", "t/p.sh:2: the template names 'jb', which there is not: did you mean 'job'?"},
                {"\n{{> q.sh}}", "t/x.sh:2: there is no q.sh"},
        };
        static const xpm_mustache_partials partials = {NULL, find_partial};
        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_mustache script;
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(xpm_script_compile(arena, "t/x.sh", rows[i].template, strlen(rows[i].template),
                                                    &partials, &script, &err),
                                 XPM_ELAUNCHER);
                assert_memory_equal(err.message, rows[i].message, strlen(rows[i].message));
                xpm_arena_destroy(arena);
        }
}

static void entry_of_env_outside_of_it_is_an_error(void **state)
{
        struct job job;
        xpm_mustache script;
        xpm_text text = XPM_TEXT_INIT;
        xpm_arena *arena = xpm_arena_create();
        job_init(&job, *state, argv);
        assert_int_equal(xpm_script_compile(arena, "x.sh", "{{name}}", 8, NULL, &script, NULL), 0);
        assert_int_equal(xpm_script_render(&script, &job.spec, "xpm", &text, NULL), XPM_ELAUNCHER);
        xpm_text_release(&text);
        xpm_arena_destroy(arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(names_are_quoted_for_the_shell),   T(sections_stand_for_what_the_job_has),
                T(env_is_written_without_secrets),   T(texts_lose_their_last_newlines),
                T(mistakes_are_found_when_compiled), T(entry_of_env_outside_of_it_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
