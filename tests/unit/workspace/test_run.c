#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "failing_malloc.h"
#include "runs.h"

static int enter(void **state)
{
        setenv("PATH", "/usr/bin:/bin", 1);
        return place_enter(state);
}

/* The line INDEX of a file of the only run. */
static json_t *line_of(const struct place *place, const char *name, size_t index)
{
        char path[128], text[4096];
        snprintf(path, sizeof path, "experiments/e/current/%s", name);
        const char *line = place_get(place, path, text);
        while (index-- > 0 && line)
                line = (line = strchr(line, '\n')) ? line + 1 : NULL;
        return line && *line ? json_loadb(line, strcspn(line, "\n"), 0, NULL) : NULL;
}

static json_t *status_of(const struct place *place)
{
        return line_of(place, "status.json", 0);
}

static const char *word(const json_t *object, const char *key)
{
        const char *string = json_string_value(json_object_get(object, key));
        return string ? string : "(none)";
}

static void jobs_are_listed_when_flushed(void **state)
{
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        static const char *const dependencies[] = {"demo.task/a", "other/b"};
        size_t slot;
        runs_add(run, "a", "{\"lr\": 0.1}", XPM_JOB_DONE);
        assert_int_equal(
                xpm_run_add_job(run, "demo.task", "c\"", "{}", "s t", dependencies, 2, XPM_JOB_WAITING, &slot, NULL),
                0);
        assert_int_equal(slot, 1);
        assert_null(line_of(*state, "jobs.jsonl", 0));
        assert_int_equal(xpm_run_flush(run, NULL), 0);
        json_t *line = line_of(*state, "jobs.jsonl", 0);
        assert_string_equal(word(line, "job_id"), "a");
        assert_string_equal(word(line, "task_id"), "demo.task");
        assert_true(json_is_real(json_object_get(line, "timestamp")));
        assert_true(json_real_value(json_object_get(line, "timestamp")) > 1e9);
        assert_true(json_real_value(json_object_get(json_object_get(line, "tags"), "lr")) == 0.1);
        json_decref(line);
        line = line_of(*state, "jobs.jsonl", 1);
        assert_string_equal(word(line, "job_id"), "c\"");
        assert_string_equal(word(line, "step"), "s t");
        assert_string_equal(json_string_value(json_array_get(json_object_get(line, "depends_on"), 1)), "other/b");
        json_decref(line);
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        xpm_workspace_close(workspace);
}

static void end_says_how_it_went(void **state)
{
        static const struct {
                enum xpm_run_outcome outcome;
                const char *status, *environment;
                bool cancelled, ended;
        } cases[] = {
                {XPM_RUN_DONE, "done", "completed", false, true},
                {XPM_RUN_FAILED, "failed", "failed", false, true},
                {XPM_RUN_CANCELLED, "failed", "failed", true, true},
                {XPM_RUN_DETACHED, "running", "detached", false, false},
        };
        xpm_workspace *workspace = runs_workspace(*state);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_run *run = runs_begin(workspace, "e");
                json_t *status = status_of(*state), *environment = line_of(*state, "environment.json", 0);
                assert_string_equal(word(status, "status"), "running");
                assert_true(json_is_null(json_object_get(status, "ended_at")));
                assert_true(json_is_null(json_object_get(json_object_get(environment, "run"), "status")));
                json_decref(status);
                json_decref(environment);
                assert_int_equal(xpm_run_end(run, cases[i].outcome, NULL), 0);
                status = status_of(*state);
                environment = line_of(*state, "environment.json", 0);
                assert_string_equal(word(status, "status"), cases[i].status);
                assert_int_equal(json_is_true(json_object_get(status, "cancelled")), cases[i].cancelled);
                assert_int_equal(json_is_string(json_object_get(status, "ended_at")), cases[i].ended);
                assert_string_equal(word(json_object_get(environment, "run"), "status"), cases[i].environment);
                json_decref(status);
                json_decref(environment);
        }
        xpm_workspace_close(workspace);
}

static void states_become_events_and_status(void **state)
{
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        size_t a = runs_add(run, "a", "{}", XPM_JOB_WAITING), b = runs_add(run, "b", "{}", XPM_JOB_WAITING);
        runs_add(run, "c", "{}", XPM_JOB_DONE);
        xpm_run_flush(run, NULL);
        assert_int_equal(xpm_run_set_state(run, a, XPM_JOB_READY, XPM_FAILURE_NONE, NULL), 0);
        assert_int_equal(xpm_run_set_state(run, a, XPM_JOB_READY, XPM_FAILURE_NONE, NULL), 0);
        assert_int_equal(xpm_run_set_state(run, b, XPM_JOB_ERROR, XPM_FAILURE_OUTPUT, NULL), 0);
        assert_int_equal(xpm_run_end(run, XPM_RUN_FAILED, NULL), 0);
        json_t *event = line_of(*state, "events/event-0.jsonl", 1);
        assert_string_equal(word(event, "event_type"), "ExperimentJobStateEvent");
        assert_string_equal(word(event, "job_id"), "b");
        assert_string_equal(word(event, "task_id"), "demo.task");
        assert_string_equal(word(event, "scheduler_state"), "error");
        assert_string_equal(word(event, "failure_reason"), "MISSING_OUTPUTS");
        assert_string_equal(word(event, "reason"), "output");
        json_decref(event);
        assert_null(line_of(*state, "events/event-0.jsonl", 2)); /* the same state again is no event */
        json_t *status = status_of(*state), *states = json_object_get(status, "job_states");
        assert_string_equal(word(states, "a"), "ready");
        assert_string_equal(word(states, "b"), "error:MISSING_OUTPUTS");
        assert_string_equal(word(states, "c"), "done");
        json_decref(status);
        xpm_workspace_close(workspace);
}

static int64_t next_of(xpm_run *run, int64_t now)
{
        int64_t next;
        assert_int_equal(xpm_run_tick(run, now, &next, NULL), 0);
        return next;
}

static void tick_writes_when_it_is_time(void **state)
{
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        size_t slot = runs_add(run, "a", "{}", XPM_JOB_WAITING);
        xpm_run_flush(run, NULL);
        assert_int_equal(next_of(run, 10000), 11000);
        xpm_run_set_state(run, slot, XPM_JOB_READY, XPM_FAILURE_NONE, NULL);
        assert_int_equal(next_of(run, 10010), 10110); /* the event */
        assert_null(line_of(*state, "events/event-0.jsonl", 0));
        assert_int_equal(next_of(run, 10110), 11000); /* the status */
        json_t *event = line_of(*state, "events/event-0.jsonl", 0);
        assert_non_null(event);
        json_decref(event);
        assert_int_equal(next_of(run, 11000), 15000); /* what workers on other hosts found */
        json_t *status = status_of(*state);
        assert_string_equal(word(json_object_get(status, "job_states"), "a"), "ready");
        json_decref(status);
        xpm_run_set_state(run, slot, XPM_JOB_WAITING, XPM_FAILURE_NONE, NULL);
        assert_true(next_of(run, 11050) > 11050);
        next_of(run, 11900); /* not yet again */
        status = status_of(*state);
        assert_string_equal(word(json_object_get(status, "job_states"), "a"), "ready");
        json_decref(status);
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        xpm_workspace_close(workspace);
}

static int whole_run(xpm_workspace *workspace)
{
        xpm_run *run;
        xpm_run_info info = {.experiment_id = "e", .title = "t", .argv = (const char *const[]){"xpm", NULL}};
        static const char *const dependencies[] = {"demo.task/a"};
        size_t a, b;
        int64_t next;
        int rc = xpm_run_begin(workspace, &info, false, NULL, &run, NULL);
        if (rc != 0)
                return rc;
        rc = xpm_run_add_job(run, "demo.task", "a", "{}", "s", NULL, 0, XPM_JOB_READY, &a, NULL);
        if (rc == 0)
                rc = xpm_run_add_job(run, "demo.task", "b", "{}", "s", dependencies, 1, XPM_JOB_WAITING, &b, NULL);
        if (rc == 0)
                rc = xpm_run_flush(run, NULL);
        if (rc == 0)
                rc = xpm_run_set_state(run, a, XPM_JOB_DONE, XPM_FAILURE_NONE, NULL);
        if (rc == 0)
                rc = xpm_run_tick(run, 5000, &next, NULL);
        int ended = xpm_run_end(run, XPM_RUN_DONE, NULL);
        return rc == 0 ? ended : rc;
}

static void lack_of_memory_is_an_error(void **state)
{
        if (!failing_malloc_works)
                skip();
        xpm_workspace *workspace = runs_workspace(*state);
        assert_int_equal(whole_run(workspace), 0);
        for (long n = 1;; n++) {
                failing_malloc_arm(n);
                int rc = whole_run(workspace);
                bool failed = failing_malloc_disarm();
                assert_true(rc == 0 || (failed && rc == XPM_ENOMEM));
                if (!failed)
                        break;
        }
        assert_int_equal(place_count(*state, ".tmp"), 0);
        xpm_workspace_close(workspace);
}

static void file_that_cannot_be_written_is_named(void **state)
{
        static const char *const names[] = {"jobs.jsonl", "events/event-0.jsonl", "status.json"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                xpm_workspace *workspace = runs_workspace(*state);
                xpm_run *run = runs_begin(workspace, "e");
                xpm_error err = XPM_ERROR_NONE;
                char path[160];
                size_t slot = runs_add(run, "a", "{}", XPM_JOB_WAITING);
                snprintf(path, sizeof path, "experiments/e/current/%s", names[i]);
                unlinkat(workspace->dir, path, 0);
                runs_mkdir(*state, "%s/below", path);
                xpm_run_set_state(run, slot, XPM_JOB_READY, XPM_FAILURE_NONE, NULL);
                assert_int_equal(xpm_run_end(run, XPM_RUN_DONE, &err), XPM_EIO);
                assert_non_null(strstr(err.message, names[i]));
                assert_non_null(strstr(err.message, ((struct place *)*state)->path));
                xpm_workspace_close(workspace);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(jobs_are_listed_when_flushed), T(end_says_how_it_went),       T(states_become_events_and_status),
                T(tick_writes_when_it_is_time),  T(lack_of_memory_is_an_error), T(file_that_cannot_be_written_is_named),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
