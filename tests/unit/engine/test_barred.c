#include <jansson.h>

#include "base/lock.h"
#include "faked.h"

static const char text[] = "id: barred\n"
                           "launcher: fake\n"
                           "tasks:\n"
                           "  m.Task: {params: {n: int}, command: [\"true\"]}\n"
                           "plan:\n"
                           "  s: {task: m.Task, params: {n: 1}}\n";

#define STATUS ".experimaestro/status.json"

static void open_it(struct scene *scene)
{
        scene_open(scene, text);
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
        scene->runner = (xpm_runner){.experiment = scene->experiment, .plan = scene->experiment->plan};
}

static void put(const struct scene *scene, const char *name, const char *content)
{
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, 0, ".experimaestro"), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, 0, name), content);
}

static json_t *read_status(const struct scene *scene)
{
        char content[4096];
        json_t *json = json_loads(scene_job_file(scene, 0, STATUS, content), 0, NULL);
        assert_non_null(json);
        return json;
}

static const char *string(const json_t *json, const char *key)
{
        const char *value = json_string_value(json_object_get(json, key));
        return value ? value : "(none)";
}

static void end_says_why_and_that_nothing_ran(void **state)
{
        struct scene *scene = *state;
        char id[XPM_JOB_ID_SIZE];
        open_it(scene);
        assert_int_equal(
                xpm_runner_record_barred(&scene->runner, 0, XPM_FAILURE_DEPENDENCY, "it needs x, which failed", NULL),
                0);
        xpm_job_identifier(scene_job(scene, 0), id);
        json_t *status = read_status(scene);
        assert_string_equal(string(status, "job_id"), id);
        assert_string_equal(string(status, "task_id"), "m.task");
        assert_string_equal(string(status, "state"), "error");
        assert_string_equal(string(status, "failure_reason"), "DEPENDENCY");
        assert_string_equal(string(status, "message"), "it needs x, which failed");
        assert_int_equal(json_integer_value(json_object_get(status, "attempt")), 0);
        json_decref(status);
        assert_true(scene_job_has(scene, 0, "task.failed"));
        assert_false(scene_job_has(scene, 0, "task.out"));
        /* The lock is free again. */
        assert_int_equal(xpm_lock_is_held(scene->place->dir, scene_job_path(scene, 0, "task.lock"), NULL), 0);
}

static void attempts_before_are_kept(void **state)
{
        struct scene *scene = *state;
        char content[4096];
        open_it(scene);
        put(scene, STATUS,
            "{\"state\": \"error\", \"failure_reason\": \"FAILED\", \"attempt\": 2, \"exit_code\": 3,"
            " \"attempts\": [{\"attempt\": 1}]}\n");
        put(scene, "task.failed", "{\"code\": 3, \"reason\": \"failed\"}\n");
        assert_int_equal(xpm_runner_record_barred(&scene->runner, 0, XPM_FAILURE_DEPENDENCY, "why", NULL), 0);
        json_t *status = read_status(scene);
        assert_string_equal(string(status, "failure_reason"), "DEPENDENCY");
        assert_int_equal(json_integer_value(json_object_get(status, "attempt")), 2);
        assert_true(json_array_size(json_object_get(status, "attempts")) >= 1);
        json_decref(status);
        assert_non_null(strstr(scene_job_file(scene, 0, "task.failed", content), "dependency"));
}

/* Its scheduler ended it: that is written only where nobody has given it to a scheduler anew. */
static void job_that_ended_before_it_began_says_so(void **state)
{
        struct scene *scene = *state;
        const xpm_job_end end = {.failure = XPM_FAILURE_CANCELLED, .code = -1, .message = "Slurm says CANCELLED"};
        open_it(scene);
        put(scene, STATUS, "{\"state\": \"scheduled\", \"attempt\": 1, \"launcher\": \"s\", \"handle\": \"b#1\"}\n");
        assert_int_equal(xpm_runner_record_unbegun(&scene->runner, 0, "a#1", &end, NULL), 0);
        assert_false(scene_job_has(scene, 0, "task.failed"));
        assert_int_equal(xpm_runner_record_unbegun(&scene->runner, 0, "b#1", &end, NULL), 0);
        json_t *status = read_status(scene);
        assert_string_equal(string(status, "failure_reason"), "CANCELLED");
        assert_string_equal(string(status, "message"), "Slurm says CANCELLED");
        json_decref(status);
        assert_true(scene_job_has(scene, 0, "task.failed"));
}

static void job_that_somebody_runs_is_left_to_him(void **state)
{
        struct scene *scene = *state;
        int lock;
        open_it(scene);
        put(scene, "params.json", "{}\n");
        assert_int_equal(
                xpm_lock_take(scene->place->dir, scene_job_path(scene, 0, "task.lock"), 0600, false, &lock, NULL), 0);
        assert_int_equal(xpm_runner_record_barred(&scene->runner, 0, XPM_FAILURE_DEPENDENCY, "why", NULL), 0);
        assert_false(scene_job_has(scene, 0, STATUS));
        assert_false(scene_job_has(scene, 0, "task.failed"));
        xpm_lock_release(lock);
        assert_int_equal(xpm_runner_record_barred(&scene->runner, 0, XPM_FAILURE_DEPENDENCY, "why", NULL), 0);
        assert_true(scene_job_has(scene, 0, "task.failed"));
}

static void job_that_is_done_after_all_stays_done(void **state)
{
        struct scene *scene = *state;
        char content[4096];
        open_it(scene);
        put(scene, STATUS, "{\"state\": \"done\", \"attempt\": 1}\n");
        put(scene, "task.done", "");
        assert_int_equal(xpm_runner_record_barred(&scene->runner, 0, XPM_FAILURE_DEPENDENCY, "why", NULL), 0);
        assert_string_equal(scene_job_file(scene, 0, STATUS, content), "{\"state\": \"done\", \"attempt\": 1}\n");
        assert_true(scene_job_has(scene, 0, "task.done"));
        assert_false(scene_job_has(scene, 0, "task.failed"));
}

static void directory_that_cannot_be_made_is_named(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        open_it(scene);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, "work/jobs", 0700, NULL), 0);
        place_put(scene->place, "work/jobs/m.task", "in the way");
        assert_int_equal(xpm_runner_record_barred(&scene->runner, 0, XPM_FAILURE_DEPENDENCY, "why", &err), XPM_EIO);
        assert_non_null(strstr(err.message, "/work/jobs/m.task"));
}

static void lock_that_cannot_be_had_is_named(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        open_it(scene);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, 0, "task.lock"), 0700, NULL), 0);
        assert_int_equal(xpm_runner_record_barred(&scene->runner, 0, XPM_FAILURE_DEPENDENCY, "why", &err), XPM_EIO);
        assert_non_null(strstr(err.message, "task.lock"));
        assert_false(scene_job_has(scene, 0, STATUS));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(end_says_why_and_that_nothing_ran),      T(attempts_before_are_kept),
                T(job_that_ended_before_it_began_says_so), T(job_that_somebody_runs_is_left_to_him),
                T(job_that_is_done_after_all_stays_done),  T(directory_that_cannot_be_made_is_named),
                T(lock_that_cannot_be_had_is_named),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
