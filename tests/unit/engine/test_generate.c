#include <jansson.h>

#include "faked.h"

static const char text[] = "id: made\n"
                           "launcher: fake\n"
                           "tokens: {a: 1}\n"
                           "tasks:\n"
                           "  m.Leaf: {params: {n: int}, command: \"echo {{n}}\", tokens: {a: 1}}\n"
                           "  m.Over: {params: {of: m.Leaf}, command: [\"true\"]}\n"
                           "plan:\n"
                           "  a: {task: m.Leaf, sweep: {n: [1, 2]}}\n"
                           "  b: {task: m.Over, params: {of: {each: a}}}\n";
enum { JOBS = 4 };

static void generate(struct scene *scene, size_t expected)
{
        xpm_error err = XPM_ERROR_NONE;
        size_t written = 99;
        if (xpm_experiment_generate(scene->experiment, &written, &err) != 0)
                fail_msg("%s", err.message);
        assert_int_equal(written, expected);
}

/* The state that the last run tells of JOB. */
static const char *state_in_run(const struct scene *scene, size_t job, char buffer[32])
{
        char id[XPM_JOB_ID_SIZE], path[600];
        snprintf(path, sizeof path, "%s/status.json", xpm_experiment_run_path(scene->experiment));
        json_t *status = json_load_file(path, 0, NULL);
        xpm_job_identifier(scene_job(scene, job), id);
        const char *word = json_string_value(json_object_get(json_object_get(status, "job_states"), id));
        snprintf(buffer, 32, "%s", word ? word : "(none)");
        json_decref(status);
        return buffer;
}

static void every_job_gets_its_parameters_and_run_file_and_nothing_runs(void **state)
{
        struct scene *scene = *state;
        char content[4096];
        scene_open(scene, text);
        generate(scene, JOBS);
        assert_int_equal(scene->fake->submitted, 0);
        for (size_t i = 0; i < JOBS; i++) {
                const char *script = i < 2 ? "leaf.sh" : "over.sh";
                assert_true(scene_job_has(scene, i, "params.json"));
                assert_int_equal(strncmp(scene_job_file(scene, i, script, content), "#!/", 3), 0);
                assert_false(scene_job_has(scene, i, i < 2 ? "leaf.out" : "over.out"));
                assert_false(scene_job_has(scene, i, i < 2 ? "leaf.done" : "over.done"));
        }
        assert_non_null(strstr(scene_job_file(scene, 1, "leaf.sh", content), "echo 2"));
        /* Declared, and with nobody. */
        assert_string_equal(place_get(scene->place, "work/tokens/a.counter/informations.json", content),
                            "{\"total\": 1}\n");
        assert_true(place_count(scene->place, "work/tokens/a.counter/jobs") <= 0);
}

static void run_lists_all_jobs_and_has_ended(void **state)
{
        struct scene *scene = *state;
        char content[4096], word[32];
        scene_open(scene, text);
        assert_null(xpm_experiment_run_path(scene->experiment));
        generate(scene, JOBS);
        const char *run = xpm_experiment_run_path(scene->experiment);
        assert_non_null(run);
        const char *name = strrchr(run, '/') + 1;
        char path[256];
        snprintf(path, sizeof path, "work/experiments/made/%s/jobs.jsonl", name);
        size_t lines = 0;
        for (const char *at = place_get(scene->place, path, content); (at = strchr(at, '\n')); at++)
                lines++;
        assert_int_equal(lines, JOBS);
        assert_string_equal(state_in_run(scene, 0, word), "unscheduled");
        snprintf(path, sizeof path, "work/experiments/made/%s/status.json", name);
        assert_non_null(strstr(place_get(scene->place, path, content), "\"status\": \"done\""));
}

static void what_is_done_is_left_alone(void **state)
{
        struct scene *scene = *state;
        char word[32], content[4096];
        scene_open(scene, text);
        generate(scene, JOBS);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, 0, ".experimaestro"), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, 0, ".experimaestro/status.json"), "{\"state\": \"done\"}\n");
        place_put(scene->place, scene_job_path(scene, 0, "leaf.done"), "");
        place_put(scene->place, scene_job_path(scene, 0, "leaf.sh"), "mine");
        generate(scene, JOBS - 1);
        assert_string_equal(scene_job_file(scene, 0, "leaf.sh", content), "mine");
        assert_string_equal(state_in_run(scene, 0, word), "done");
        assert_string_equal(state_in_run(scene, 1, word), "unscheduled");
}

static void transient_job_that_nothing_needs_gets_no_directory(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, "id: made\nlauncher: fake\n"
                          "tasks:\n"
                          "  leaf: {params: {n: int}, command: [\"true\"]}\n"
                          "  spared: {params: {n: int}, command: [\"true\"], transient: true}\n"
                          "plan:\n"
                          "  a: {task: leaf, params: {n: 1}}\n"
                          "  b: {task: spared, params: {n: 1}}\n");
        generate(scene, 1);
        assert_true(scene_job_has(scene, 0, "leaf.sh"));
        assert_false(scene_job_has(scene, 1, "."));
}

static void file_that_cannot_be_written_ends_the_run_as_failed(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        char path[256], content[4096];
        size_t written = 99;
        scene_open(scene, text);
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, 2, "over.lock/full"), 0700, NULL), 0);
        assert_int_equal(xpm_experiment_generate(scene->experiment, &written, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "over.lock"));
        assert_int_equal(written, 99);
        assert_true(scene_job_has(scene, 1, "leaf.sh"));
        snprintf(path, sizeof path, "work/experiments/made/%s/status.json",
                 strrchr(xpm_experiment_run_path(scene->experiment), '/') + 1);
        assert_non_null(strstr(place_get(scene->place, path, content), "\"status\": \"failed\""));
}

static void experiment_that_another_engine_runs_is_refused(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        scene->options.no_wait = true;
        scene_open(scene, text);
        scene_start(scene, NULL);
        xpm_experiment *running = scene->experiment;
        scene_open(scene, text);
        assert_int_equal(xpm_experiment_generate(scene->experiment, NULL, &err), XPM_ELOCKED);
        assert_false(scene_job_has(scene, 0, "leaf.sh"));
        scene_close(scene);
        scene->experiment = running;
        scene_finish(scene);
        assert_int_equal(xpm_experiment_generate(scene->experiment, NULL, NULL), 0);
        assert_true(scene_job_has(scene, 0, "leaf.sh"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(every_job_gets_its_parameters_and_run_file_and_nothing_runs),
                T(run_lists_all_jobs_and_has_ended),
                T(what_is_done_is_left_alone),
                T(transient_job_that_nothing_needs_gets_no_directory),
                T(file_that_cannot_be_written_ends_the_run_as_failed),
                T(experiment_that_another_engine_runs_is_refused),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
