#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "runs.h"

static json_t *status_of(const struct place *place)
{
        char text[4096];
        return json_loads(place_get(place, "experiments/e/current/status.json", text), 0, NULL);
}

static void fields_are_those_that_readers_expect(void **state)
{
        static const struct {
                const char *key;
                json_type type;
        } fields[] = {
                {"version", JSON_INTEGER}, {"experiment_id", JSON_STRING}, {"run_id", JSON_STRING},
                {"status", JSON_STRING},   {"hostname", JSON_STRING},      {"started_at", JSON_STRING},
                {"ended_at", JSON_STRING}, {"job_states", JSON_OBJECT},    {"dependencies", JSON_OBJECT},
                {"services", JSON_OBJECT}, {"actions", JSON_OBJECT},       {"run_tags", JSON_ARRAY},
                {"title", JSON_STRING},    {"last_updated", JSON_STRING},  {"counts", JSON_OBJECT},
                {"paper", JSON_NULL},      {"requests", JSON_INTEGER},
        };
        static const char *const never[] = {"events_count", "workdir",   "total_jobs", "finished_jobs",
                                            "failed_jobs",  "job_infos", "jobs"};
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        runs_add(run, "a", "{}", XPM_JOB_DONE);
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        json_t *status = status_of(*state);
        assert_non_null(status);
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
                assert_int_equal(json_typeof(json_object_get(status, fields[i].key)), fields[i].type);
        for (size_t i = 0; i < sizeof never / sizeof *never; i++)
                assert_null(json_object_get(status, never[i]));
        json_decref(status);
        xpm_workspace_close(workspace);
}

static void states_are_words_and_are_counted(void **state)
{
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        for (int i = 0; i < 8; i++)
                runs_add(run, (char[]){(char)('a' + i), '\0'}, "{}", (enum xpm_job_state)i);
        size_t slot = runs_add(run, "z", "{}", XPM_JOB_WAITING);
        xpm_run_set_state(run, slot, XPM_JOB_ERROR, XPM_FAILURE_TIMEOUT, NULL);
        xpm_run_end(run, XPM_RUN_FAILED, NULL);
        json_t *status = status_of(*state), *counts = json_object_get(status, "counts"), *word;
        const char *job;
        json_object_foreach(json_object_get(status, "job_states"), job, word)
        {
                if (*job == 'z')
                        assert_string_equal(json_string_value(word), "error:TIMEOUT");
                else if (*job - 'a' != XPM_JOB_ERROR)
                        assert_string_equal(json_string_value(word),
                                            xpm_job_state_word((enum xpm_job_state)(*job - 'a')));
        }
        assert_int_equal(json_integer_value(json_object_get(counts, "error")), 2);
        assert_int_equal(json_integer_value(json_object_get(counts, "waiting")), 1);
        json_decref(status);
        xpm_workspace_close(workspace);
}

static void dependencies_are_identifiers_alone(void **state)
{
        static const char *const dependencies[] = {"demo.task/a", "x.y/b"};
        size_t slot;
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        runs_add(run, "a", "{}", XPM_JOB_DONE);
        xpm_run_add_job(run, "demo.task", "c", "{}", "s", dependencies, 2, XPM_JOB_READY, &slot, NULL);
        xpm_run_add_job(run, "demo.task", "d", "{}", "s", dependencies, 1, XPM_JOB_READY, &slot, NULL);
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        json_t *status = status_of(*state), *map = json_object_get(status, "dependencies");
        assert_int_equal(json_object_size(map), 2);
        assert_string_equal(json_string_value(json_array_get(json_object_get(map, "c"), 1)), "b");
        assert_string_equal(json_string_value(json_array_get(json_object_get(map, "d"), 0)), "a");
        json_decref(status);
        xpm_workspace_close(workspace);
}

static void requests_to_schedulers_are_kept_however_the_run_ends(void **state)
{
        static const enum xpm_run_outcome outcomes[] = {XPM_RUN_DONE, XPM_RUN_FAILED, XPM_RUN_CANCELLED,
                                                        XPM_RUN_DETACHED};
        xpm_workspace *workspace = runs_workspace(*state);
        for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
                int64_t next;
                xpm_run *run = runs_begin(workspace, "e");
                xpm_run_tick(run, 1, &next, NULL);
                xpm_run_set_requests(run, 40 + i);
                xpm_run_end(run, outcomes[i], NULL);
                json_t *status = status_of(*state);
                assert_int_equal(json_integer_value(json_object_get(status, "requests")), 40 + i);
                json_decref(status);
        }
        xpm_workspace_close(workspace);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(fields_are_those_that_readers_expect),
                T(states_are_words_and_are_counted),
                T(dependencies_are_identifiers_alone),
                T(requests_to_schedulers_are_kept_however_the_run_ends),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
