/* What a run file does when a person starts it: the worker for one job. This program is the worker, too, when it is
 * called as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/lock.h"
#include "base/spawn.h"
#include "exec/attempt.h"
#include "exec/runfile.h"
#include "exec/worker.h"
#include "jobs.h"

extern char **environ;

enum { DONE = 0, FAILED = 1, REFUSED = 3 };

static void render(const struct job *job, xpm_text *params, xpm_text *script)
{
        char self[256] = "";
        assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
        assert_int_equal(xpm_runfile_params(&job->spec, "[]", "{}", params, NULL), 0);
        assert_int_equal(xpm_runfile_script(&job->spec, "local.sh", self, script, NULL), 0);
}

static void generate(const struct job *job)
{
        xpm_text params = XPM_TEXT_INIT, script = XPM_TEXT_INIT;
        render(job, &params, &script);
        assert_int_equal(
                xpm_runfile_write(&job->spec, script.data, script.length, params.data, params.length, 0700, 0600, NULL),
                0);
        xpm_text_release(&params);
        xpm_text_release(&script);
}

/* `sh work.sh` with VARIABLE set (NULL: none): its exit status; what it said stands in SAID. */
static int start(const struct job *job, const char *variable, char said[2048])
{
        char path[512];
        xpm_text output = XPM_TEXT_INIT, errors = XPM_TEXT_INIT;
        int status = -1;
        snprintf(path, sizeof path, "%s/work.sh", job->path);
        const char *const argv[] = {"/bin/sh", path, NULL}, *const env[] = {"PATH=/bin:/usr/bin", variable, NULL};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = argv;
        spawn.env = env;
        spawn.cwd = "/";
        assert_int_equal(xpm_spawn_capture(&spawn, "", 0, 1 << 16, &output, &errors, &status, NULL), 0);
        snprintf(said, 2048, "%s", xpm_text_string(&errors));
        xpm_text_release(&output);
        xpm_text_release(&errors);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void run_file_runs_its_job_from_anywhere(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "pwd; echo $XPM_JOB_ID $A", NULL};
        static const xpm_binding env[] = {{"A", "${XPM_CORES}x"}};
        struct job job;
        char said[2048], expected[512];
        job_init(&job, *state, argv);
        job.spec.env = env;
        job.spec.env_count = 1;
        generate(&job);
        assert_int_equal(start(&job, NULL, said), DONE);
        assert_non_null(strstr(said, job.path));
        snprintf(expected, sizeof expected, "%s\n" JOB_ID " 2x\n", job.path);
        assert_string_equal(job_read(&job, "work.out"), expected);
        assert_true(job_has(&job, "work.done"));
        assert_int_equal(start(&job, NULL, said), DONE);
        assert_non_null(strstr(said, "done already"));
        assert_false(job_has(&job, "work.out.1"));
}

static void failure_is_told_by_the_exit_status(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "exit 9", NULL};
        struct job job;
        char said[2048];
        job_init(&job, *state, argv);
        generate(&job);
        assert_int_equal(start(&job, NULL, said), FAILED);
        assert_non_null(strstr(said, "exit status 9"));
        assert_true(job_has(&job, "work.failed"));
}

static void job_whose_dependencies_are_not_done_is_refused_and_nothing_written(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        static const char *const dependencies[] = {"t.mesh/0001", "t.mesh/0002"};
        struct job job;
        char said[2048], path[512];
        job_init(&job, *state, argv);
        job.spec.dependencies = dependencies;
        job.spec.dependency_count = 2;
        generate(&job);
        assert_int_equal(start(&job, NULL, said), REFUSED);
        assert_non_null(strstr(said, "'t.mesh/0001', 't.mesh/0002'"));
        assert_false(job_has(&job, "work.lock") || job_has(&job, "work.out"));
        for (int i = 1; i <= 2; i++) {
                snprintf(path, sizeof path, "../../t.mesh/000%d", i);
                assert_int_equal(start(&job, NULL, said), REFUSED);
                snprintf(path, sizeof path, "%s/jobs/t.mesh/000%d", job.workspace, i);
                assert_int_equal(xpm_mkdir_p(AT_FDCWD, path, 0700, NULL), 0);
                strcat(path, "/mesh.done");
                assert_int_equal(xpm_file_write(AT_FDCWD, path, "", 0, 0600, NULL), 0);
        }
        assert_int_equal(start(&job, NULL, said), DONE);
}

static void variable_given_by_env_must_be_set(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "echo $LICENSE", NULL};
        static const char *const required[] = {"LICENSE"};
        struct job job;
        char said[2048];
        job_init(&job, *state, argv);
        job.spec.required_env = required;
        job.spec.required_env_count = 1;
        generate(&job);
        assert_int_equal(start(&job, NULL, said), REFUSED);
        assert_non_null(strstr(said, "'LICENSE'"));
        assert_false(job_has(&job, "work.lock"));
        assert_int_equal(start(&job, "LICENSE=given", said), DONE);
        assert_string_equal(job_read(&job, "work.out"), "given\n");
        /* Now that it is done it needs nothing. */
        assert_int_equal(start(&job, NULL, said), DONE);
        assert_non_null(strstr(said, "done already"));
}

static void job_that_is_done_does_not_ask_for_its_dependencies(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        static const char *const dependencies[] = {"t.mesh/0001"};
        struct job job;
        char said[2048], path[512];
        job_init(&job, *state, argv);
        job.spec.dependencies = dependencies;
        job.spec.dependency_count = 1;
        generate(&job);
        job_write(&job, "work.done", "");
        assert_int_equal(start(&job, NULL, said), DONE);
        assert_non_null(strstr(said, "done already"));
        /* Of two markers the committed status decides. */
        snprintf(path, sizeof path, "%s/.experimaestro", job.path);
        assert_int_equal(xpm_mkdir_p(AT_FDCWD, path, 0700, NULL), 0);
        job_write(&job, ".experimaestro/status.json", "{\"state\": \"error\"}");
        job_write(&job, "work.failed", "{}");
        assert_int_equal(start(&job, NULL, said), REFUSED);
        assert_non_null(strstr(said, "'t.mesh/0001'"));
}

static void job_that_is_running_is_left_to_its_holder(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        struct job job;
        xpm_jobdir other = XPM_JOBDIR_INIT;
        char said[2048];
        job_init(&job, *state, argv);
        generate(&job);
        other.path = job.path;
        other.script = "work";
        other.directory_mode = 0700;
        other.file_mode = 0600;
        assert_int_equal(xpm_jobdir_open(&other, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&other, NULL), 0);
        xpm_lock_sign(other.lock, "attempt 1");
        assert_int_equal(start(&job, NULL, said), REFUSED);
        assert_non_null(strstr(said, "is held by process"));
        assert_false(job_has(&job, "work.out"));
        xpm_jobdir_release(&other);
}

static void what_is_no_job_directory_is_refused(void **state)
{
        const struct place *place = *state;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_worker_run_job(place->path, -1, NULL, &err), 2);
        assert_non_null(strstr(err.message, "params.json"));
}

/* Names and contents of a job's directory, but for what tells of times and places of one run. */
static json_t *contents(const struct job *job)
{
        static const char *const names[] = {"params.json", "work.sh",  "work.out",  "work.err",   "work.done",
                                            "work.failed", "work.pid", "work.lock", "in/deck.txt"};
        static const char *const times[] = {"submitted_time", "started_time", "ended_time", "usage", "nonce"};
        json_t *all = json_object(), *status = json_loads(job_read(job, ".experimaestro/status.json"), 0, NULL);
        char path[512];
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (job_has(job, names[i]))
                        json_object_set_new(all, names[i], json_string(job_read(job, names[i])));
        for (size_t i = 0; i < sizeof times / sizeof *times; i++)
                json_object_set_new(status, times[i], json_boolean(json_is_null(json_object_get(status, times[i]))));
        /* A pool gives places; what runs an attempt alone gives none. */
        json_object_del(json_object_get(status, "resources"), "cpuset");
        json_object_set_new(all, "status", status);
        snprintf(path, sizeof path, "%s", job->path);
        int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct place place = {.dir = dir};
        json_object_set_new(all, "entries", json_integer(place_count(&place, ".")));
        close(dir);
        return all;
}

/* As a worker that serves an engine runs it. */
static void run_served(const struct job *job)
{
        xpm_text params = XPM_TEXT_INIT, script = XPM_TEXT_INIT;
        xpm_site site;
        xpm_attempt attempt;
        struct rusage usage;
        int status;
        render(job, &params, &script);
        xpm_launch launch = job_launch(job);
        launch.params = params.data;
        launch.params_length = params.length;
        launch.script = script.data;
        launch.script_length = script.length;
        assert_int_equal(xpm_site_init(&site, environ, NULL), 0);
        xpm_attempt_init(&attempt, job_order(&launch));
        if (xpm_attempt_start(&site, &attempt, false) == XPM_ATTEMPT_RUNS) {
                assert_int_equal(wait4(attempt.child.pid, &status, 0, &usage), attempt.child.pid);
                xpm_attempt_finish(&site, &attempt, status, &usage);
        }
        xpm_attempt_release(&attempt);
        xpm_site_release(&site);
        xpm_text_release(&params);
        xpm_text_release(&script);
}

static void run_by_hand_leaves_what_an_engine_would_have_left(void **state)
{
        static const xpm_input_file files[] = {{"in/deck.txt", "deck", 4}};
        static const char *const outputs[] = {"in", "result", "in/deck.txt"};
        static const xpm_binding env[] = {{"A", "$XPM_CORES"}, {"A", "$A $A"}};
        static const char *const commands[] = {"echo out $A; cat in/deck.txt >&2; touch result", "exit 4", "true",
                                               NULL};
        const struct place *place = *state;
        char said[2048];
        for (size_t i = 0; i < 8; i++) {
                const char *command = commands[i % 4];
                const char *const argv[] = {command ? "/bin/sh" : "no-such-program", "-c", command, NULL};
                struct job job;
                job_init(&job, place, argv);
                if (i >= 4 && command) {
                        job.spec.argv = NULL;
                        job.spec.text = command;
                } else if (i >= 4)
                        job.spec.cwd = "/no/such/directory";
                job.spec.files = files;
                job.spec.file_count = 1;
                job.spec.outputs = outputs;
                job.spec.output_count = 3;
                job.spec.env = env;
                job.spec.env_count = 2;
                generate(&job);
                start(&job, NULL, said);
                json_t *by_hand = contents(&job);
                assert_int_equal(xpm_remove_tree(AT_FDCWD, job.path, NULL), 0);
                run_served(&job);
                json_t *served = contents(&job);
                assert_int_equal(xpm_remove_tree(AT_FDCWD, job.path, NULL), 0);
                if (!json_equal(by_hand, served)) {
                        json_dumpf(by_hand, stderr, JSON_INDENT(2));
                        json_dumpf(served, stderr, JSON_INDENT(2));
                        fail();
                }
                json_decref(by_hand);
                json_decref(served);
        }
}

int main(int argc, char **argv)
{
        if (argc == 4 && strcmp(argv[1], "worker") == 0) {
                xpm_error err = XPM_ERROR_NONE;
                int status = xpm_worker_run_job(argv[3], -1, NULL, &err);
                if (err.code)
                        fprintf(stderr, "xpm: %s\n", err.message);
                return status;
        }
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(run_file_runs_its_job_from_anywhere),
                T(failure_is_told_by_the_exit_status),
                T(job_whose_dependencies_are_not_done_is_refused_and_nothing_written),
                T(variable_given_by_env_must_be_set),
                T(job_that_is_done_does_not_ask_for_its_dependencies),
                T(job_that_is_running_is_left_to_its_holder),
                T(what_is_no_job_directory_is_refused),
                T(run_by_hand_leaves_what_an_engine_would_have_left),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
