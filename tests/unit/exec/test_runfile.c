#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/spawn.h"
#include "exec/runfile.h"
#include "jobs.h"
#include "workspace/jobdir.h"

static const char *const argv[] = {"/bin/echo", "a b", NULL};

/* Write the job's directory as mode generate does. */
static int generate(const struct job *job, const char *script, xpm_error *err)
{
        xpm_text params = XPM_TEXT_INIT;
        int rc = xpm_runfile_params(&job->spec, "[]", "{}", &params, err);
        if (rc == 0)
                rc = xpm_runfile_write(&job->spec, script, strlen(script), params.data, params.length, 0700, 0600, err);
        xpm_text_release(&params);
        return rc;
}

static void params_are_json_with_everything(void **state)
{
        struct job job;
        xpm_text text = XPM_TEXT_INIT;
        job_init(&job, *state, argv);
        assert_int_equal(xpm_runfile_params(&job.spec, "[{\"id\": 1}]", "{\"n\": 2}", &text, NULL), 0);
        json_t *json = json_loadb(text.data, text.length, 0, NULL);
        assert_non_null(json);
        assert_string_equal(json_string_value(json_object_get(json, "workspace")), job.workspace);
        assert_int_equal(json_integer_value(json_object_get(json, "version")), 3);
        assert_true(json_is_string(json_object_get(json, "experimaestro")));
        assert_int_equal(json_array_size(json_object_get(json, "objects")), 1);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "params"), "n")), 2);
        assert_string_equal(json_string_value(json_array_get(json_object_get(json_object_get(json, "run"), "argv"), 1)),
                            "a b");
        json_decref(json);
        xpm_text_release(&text);
}

static void secrets_are_not_written(void **state)
{
        static const xpm_binding env[] = {{"TOKEN", "hidden"}, {"A", "shown"}};
        static const char *const secrets[] = {"TOKEN"};
        struct job job;
        xpm_text text = XPM_TEXT_INIT;
        job_init(&job, *state, argv);
        job.spec.env = env;
        job.spec.env_count = 2;
        job.spec.secrets = secrets;
        job.spec.secret_count = 1;
        assert_int_equal(xpm_runfile_params(&job.spec, "[]", "{}", &text, NULL), 0);
        assert_int_equal(xpm_runfile_script(&job.spec, "local.sh", "/opt/xpm", &text, NULL), 0);
        assert_null(strstr(text.data, "hidden"));
        assert_non_null(strstr(text.data, "shown"));
        xpm_text_release(&text);
}

static void script_hands_over_before_anything_else(void **state)
{
        struct job job;
        xpm_text text = XPM_TEXT_INIT;
        job_init(&job, *state, argv);
        assert_int_equal(xpm_runfile_script(&job.spec, "local.sh", "/opt/x pm", &text, NULL), 0);
        assert_memory_equal(text.data, "#!/bin/sh\n", 10);
        const char *line = text.data;
        while (*line == '#')
                line = strchr(line, '\n') + 1;
        static const char expected[] = "[ \"$XPM_WORKER\" = " JOB_ID " ] || exec '/opt/x pm' worker --job '";
        assert_memory_equal(line, expected, sizeof expected - 1);
        assert_non_null(strstr(text.data, "\nexec /bin/echo 'a b'\n"));
        xpm_text_release(&text);
}

/* The body of the run file, started as the worker starts it, prints what it was given. */
static void assert_body_prints(const struct job *job, const char *expected)
{
        xpm_text script = XPM_TEXT_INIT, output = XPM_TEXT_INIT, errors = XPM_TEXT_INIT;
        int status = -1;
        assert_int_equal(xpm_mkdir_p(AT_FDCWD, job->path, 0700, NULL), 0);
        assert_int_equal(xpm_runfile_script(&job->spec, "local.sh", "/no/such/xpm", &script, NULL), 0);
        job_write(job, "work.sh", xpm_text_string(&script));
        char path[512];
        snprintf(path, sizeof path, "%s/work.sh", job->path);
        const char *const command[] = {"/bin/bash", "-eo", "pipefail", path, NULL};
        static const char *const env[] = {"XPM_WORKER=" JOB_ID, "PATH=/bin:/usr/bin", "OUTER=o", NULL};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = command;
        spawn.env = env;
        assert_int_equal(xpm_spawn_capture(&spawn, "", 0, 1 << 16, &output, &errors, &status, NULL), 0);
        assert_string_equal(xpm_text_string(&errors), "");
        assert_string_equal(xpm_text_string(&output), expected);
        assert_int_equal(status, 0);
        xpm_text_release(&script);
        xpm_text_release(&output);
        xpm_text_release(&errors);
}

static void body_runs_what_the_job_says(void **state)
{
        static const char *const words[] = {"/bin/sh", "-c", "echo \"$A\" \"$B\" \"$PWD\"", NULL};
        static const xpm_binding env[] = {{"A", "x'y $OUTER"}, {"B", "$A!"}};
        struct job job;
        char expected[512];
        job_init(&job, *state, words);
        job.spec.env = env;
        job.spec.env_count = 2;
        snprintf(expected, sizeof expected, "x'y o x'y o! %s\n", job.path);
        assert_body_prints(&job, expected);
        job.spec.cwd = "/";
        assert_body_prints(&job, "x'y o x'y o! /\n");
        job.spec.setup = "B=setup\n";
        assert_body_prints(&job, "x'y o setup /\n");
        job.spec.argv = NULL;
        job.spec.text = "x='{{not a template}}'\necho \"$x\" | cat\n";
        assert_body_prints(&job, "{{not a template}}\n");
}

static void mpi_command_is_started_by_mpirun(void **state)
{
        struct job job;
        xpm_text text = XPM_TEXT_INIT;
        job_init(&job, *state, argv);
        job.spec.need.ranks = 4;
        assert_int_equal(xpm_runfile_script(&job.spec, "local.sh", "/opt/xpm", &text, NULL), 0);
        assert_non_null(strstr(text.data, "\nexec mpirun -n 4 /bin/echo 'a b'\n"));
        xpm_text_clear(&text);
        job.spec.argv = NULL;
        job.spec.text = "./solve | tee log";
        assert_int_equal(xpm_runfile_script(&job.spec, "local.sh", "/opt/xpm", &text, NULL), 0);
        assert_non_null(strstr(text.data, "\nexec mpirun -n 4 /bin/sh -e -c './solve | tee log'\n"));
        xpm_text_release(&text);
}

static void template_that_is_not_there_is_named(void **state)
{
        struct job job;
        xpm_text text = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        job_init(&job, *state, argv);
        assert_int_equal(xpm_runfile_script(&job.spec, "nowhere.sh", "/opt/xpm", &text, &err), XPM_ENOTFOUND);
        assert_non_null(strstr(err.message, "nowhere.sh"));
        xpm_text_release(&text);
}

static void directory_gets_everything_that_a_worker_would_write(void **state)
{
        static const xpm_input_file files[] = {{"in/deck.txt", "deck", 4}};
        static const struct xpm_paths_file paths_files[] = {{"runs.paths", "/a\n/b\n", 6}};
        struct job job;
        char partial[256];
        job_init(&job, *state, argv);
        snprintf(partial, sizeof partial, "%s/partials/x", job.workspace);
        const char *const partials[] = {partial};
        job.spec.files = files;
        job.spec.file_count = 1;
        job.spec.paths_files = paths_files;
        job.spec.paths_file_count = 1;
        job.spec.partials = partials;
        job.spec.partial_count = 1;
        for (int i = 0; i < 2; i++) {
                assert_int_equal(generate(&job, "script", NULL), 0);
                assert_string_equal(job_read(&job, "work.sh"), "script");
                assert_string_equal(job_read(&job, "in/deck.txt"), "deck");
                assert_string_equal(job_read(&job, "runs.paths"), "/a\n/b\n");
                assert_int_equal(access(partial, F_OK), 0);
        }
        assert_int_equal(generate(&job, "another", NULL), 0);
        assert_string_equal(job_read(&job, "work.sh"), "another");
}

static void job_that_runs_is_not_written(void **state)
{
        struct job job;
        xpm_jobdir dir = XPM_JOBDIR_INIT;
        job_init(&job, *state, argv);
        dir.path = job.path;
        dir.script = "work";
        dir.directory_mode = 0700;
        dir.file_mode = 0600;
        assert_int_equal(xpm_jobdir_open(&dir, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&dir, NULL), 0);
        assert_int_equal(generate(&job, "script", NULL), XPM_ELOCKED);
        assert_false(job_has(&job, "work.sh"));
        xpm_jobdir_release(&dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(params_are_json_with_everything),
                T(secrets_are_not_written),
                T(script_hands_over_before_anything_else),
                T(body_runs_what_the_job_says),
                T(mpi_command_is_started_by_mpirun),
                T(template_that_is_not_there_is_named),
                T(directory_gets_everything_that_a_worker_would_write),
                T(job_that_runs_is_not_written),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
