#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exec/runfile.h"
#include "failing_malloc.h"
#include "jobs.h"

static const char *const argv[] = {"/bin/echo", "a\n\"b\"", NULL};
static const char *const outputs[] = {"x", "y/z"};
static const char *const dependencies[] = {"t.mesh/0123", "t.mesh/4567"};
static const char *const required[] = {"LICENSE"};
static const xpm_binding env[] = {{"A", "1"}, {"A", "$A 2"}};
static const xpm_gpu_need gpus[] = {{XPM_GPU_CUDA, 1, 2}};

static void fill(struct job *job, const struct place *place)
{
        job_init(job, place, argv);
        job->spec.env = env;
        job->spec.env_count = 2;
        job->spec.outputs = outputs;
        job->spec.output_count = 2;
        job->spec.dependencies = dependencies;
        job->spec.dependency_count = 2;
        job->spec.required_env = required;
        job->spec.required_env_count = 1;
        job->spec.setup = "set -x";
        job->spec.cwd = "/tmp";
        job->spec.resumable = true;
        job->spec.need = (xpm_need){.cores = 4, .memory = 5, .duration = 6, .ranks = 7, .gpus = gpus, .gpu_count = 1};
}

static void write_params(const struct job *job)
{
        xpm_text text = XPM_TEXT_INIT;
        assert_int_equal(xpm_runfile_params(&job->spec, "[]", "{}", &text, NULL), 0);
        job_write(job, "params.json", text.data);
        xpm_text_release(&text);
}

static bool is_whole(const xpm_jobspec *spec)
{
        const char *const pairs[][2] = {
                {spec->job_id, JOB_ID},
                {spec->task_id, "t.work"},
                {spec->script, "work"},
                {spec->results, "/results"},
                {spec->experiment_id, "exp"},
                {spec->argv[1], "a\n\"b\""},
                {spec->shell[1], "-e"},
                {spec->setup, "set -x"},
                {spec->cwd, "/tmp"},
                {spec->env[1].value, "$A 2"},
                {spec->outputs[1], "y/z"},
                {spec->dependencies[1], "t.mesh/4567"},
                {spec->required_env[0], "LICENSE"},
                {spec->recipe, "recipe"},
                {spec->command, "the command"},
        };
        const xpm_need *need = &spec->need;
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
                if (!pairs[i][0] || strcmp(pairs[i][0], pairs[i][1]) != 0)
                        return false;
        return spec->resumable && !spec->text && spec->env_count == 2 && spec->output_count == 2 && need->cores == 4 &&
               need->memory == 5 && need->duration == 6 && need->ranks == 7 && need->gpus[0].count == 2;
}

static void what_was_written_is_loaded(void **state)
{
        struct job job;
        xpm_jobspec spec;
        xpm_arena *arena = xpm_arena_create();
        fill(&job, *state);
        write_params(&job);
        assert_int_equal(xpm_runfile_load(arena, job.path, &spec, NULL), 0);
        assert_true(is_whole(&spec));
        assert_string_equal(spec.path, job.path);
        assert_string_equal(spec.workspace, job.workspace);
        xpm_arena_destroy(arena);
}

static void outputs_that_hold_input_files_come_last(void **state)
{
        static const xpm_input_file files[] = {{"in/deck", "", 0}, {"x", "", 0}, {"result.in", "", 0}};
        static const char *const declared[] = {"in", "x", "result", "in/log"};
        struct job job;
        xpm_jobspec spec;
        xpm_arena *arena = xpm_arena_create();
        fill(&job, *state);
        job.spec.files = files;
        job.spec.file_count = 3;
        job.spec.outputs = declared;
        job.spec.output_count = 4;
        write_params(&job);
        assert_int_equal(xpm_runfile_load(arena, job.path, &spec, NULL), 0);
        assert_int_equal(spec.output_count, 4);
        assert_int_equal(spec.input_output_count, 2);
        assert_string_equal(spec.outputs[0], "result");
        assert_string_equal(spec.outputs[1], "in/log");
        assert_string_equal(spec.outputs[2], "in");
        assert_string_equal(spec.outputs[3], "x");
        xpm_arena_destroy(arena);
}

static void workspace_that_was_moved_is_the_one_it_was_moved_to(void **state)
{
        const struct place *place = *state;
        struct job job;
        xpm_jobspec spec;
        char moved[128], path[512];
        xpm_arena *arena = xpm_arena_create();
        fill(&job, place);
        write_params(&job);
        snprintf(moved, sizeof moved, "%s/moved", place->path);
        assert_int_equal(rename(job.workspace, moved), 0);
        snprintf(path, sizeof path, "%s/jobs/t.work/" JOB_ID, moved);
        assert_int_equal(xpm_runfile_load(arena, path, &spec, NULL), 0);
        assert_string_equal(spec.workspace, moved);
        assert_string_equal(spec.path, path);
        xpm_arena_destroy(arena);
}

static void params_of_another_user_are_not_run(void **state)
{
        struct job job;
        xpm_jobspec spec;
        xpm_error err = XPM_ERROR_NONE;
        char path[512];
        if (geteuid() != 0)
                skip();
        xpm_arena *arena = xpm_arena_create();
        fill(&job, *state);
        write_params(&job);
        snprintf(path, sizeof path, "%s/params.json", job.path);
        assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
        assert_int_equal(xpm_runfile_load(arena, job.path, &spec, &err), XPM_EFORMAT);
        assert_non_null(strstr(err.message, "another user"));
        xpm_arena_destroy(arena);
}

static void string_command_stays_a_string(void **state)
{
        struct job job;
        xpm_jobspec spec;
        xpm_arena *arena = xpm_arena_create();
        fill(&job, *state);
        job.spec.argv = NULL;
        job.spec.text = "echo \xc3\xa9";
        write_params(&job);
        assert_int_equal(xpm_runfile_load(arena, job.path, &spec, NULL), 0);
        assert_null(spec.argv);
        assert_string_equal(spec.text, "echo \xc3\xa9");
        xpm_arena_destroy(arena);
}

static void what_is_no_params_file_of_ours_is_refused(void **state)
{
        static const struct {
                const char *content;
                int code;
        } rows[] = {{"", XPM_EFORMAT},
                    {"{", XPM_EFORMAT},
                    {"[]", XPM_EFORMAT},
                    {"{\"objects\": []}", XPM_EFORMAT},
                    {"{\"run\": {}}", XPM_EFORMAT},
                    {"{\"workspace\": \"/w\", \"run\": {\"job_id\": \"j\", \"task_id\": \"t\"}}", XPM_EFORMAT},
                    {"{\"workspace\": \"/w\", \"run\": {\"job_id\": \"j\", \"task_id\": \"t\", \"text\": \"x\"}}",
                     XPM_EFORMAT}};
        struct job job;
        xpm_jobspec spec;
        xpm_arena *arena = xpm_arena_create();
        fill(&job, *state);
        assert_int_equal(xpm_runfile_load(arena, job.path, &spec, NULL), XPM_ENOTFOUND);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                xpm_error err = XPM_ERROR_NONE;
                job_write(&job, "params.json", rows[i].content);
                assert_int_equal(xpm_runfile_load(arena, job.path, &spec, &err), rows[i].code);
                assert_non_null(strstr(err.message, job.path));
        }
        xpm_arena_destroy(arena);
}

/* jansson does without some of its memory, and may lose the last byte of a string by it: so no more is asked than that
 * nothing breaks, leaks or is left half done by us. */
static void loading_without_memory_breaks_nothing(void **state)
{
        struct job job;
        if (!failing_malloc_works)
                skip();
        fill(&job, *state);
        write_params(&job);
        for (long n = 1;; n++) {
                xpm_jobspec spec = {.job_id = NULL};
                failing_malloc_arm(n);
                xpm_arena *arena = xpm_arena_create();
                int rc = arena ? xpm_runfile_load(arena, job.path, &spec, NULL) : XPM_ENOMEM;
                bool struck = failing_malloc_disarm();
                bool whole = rc == 0 && is_whole(&spec);
                xpm_arena_destroy(arena);
                assert_true(rc < 0 ? !spec.job_id : whole || struck);
                if (!struck)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(what_was_written_is_loaded),
                T(outputs_that_hold_input_files_come_last),
                T(workspace_that_was_moved_is_the_one_it_was_moved_to),
                T(params_of_another_user_are_not_run),
                T(string_command_stays_a_string),
                T(what_is_no_params_file_of_ours_is_refused),
                T(loading_without_memory_breaks_nothing),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
