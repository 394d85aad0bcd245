#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/lock.h"
#include "failing_malloc.h"
#include "views.h"

#define LINE(id, tags, time) \
        "{\"job_id\": \"" id "\", \"task_id\": \"demo.task\", \"tags\": " tags ", \"timestamp\": " time "}\n"

static xpm_view_jobs list(xpm_view *view)
{
        xpm_view_jobs jobs;
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_view_list_jobs(view, NULL, &jobs, &err) != 0)
                fail_msg("%s", err.message);
        return jobs;
}

static const xpm_view_job *find(const xpm_view_jobs *jobs, const char *id)
{
        for (size_t i = 0; i < jobs->count; i++)
                if (strcmp(jobs->items[i].job_id, id) == 0)
                        return &jobs->items[i];
        fail_msg("there is no job '%s'", id);
        return NULL;
}

static void jobs_of_ours_are_told_in_full(void **state)
{
        static const char *const dependencies[] = {"demo.task/a"};
        size_t slot;
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        runs_add(run, "a", "{\"lr\": 0.1, \"n\": 3, \"model\": \"x y\", \"on\": true, \"none\": null}", XPM_JOB_DONE);
        xpm_run_add_job(run, "demo.task", "b", "{}", "second", dependencies, 1, XPM_JOB_DONE, &slot, NULL);
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        runs_job_file(*state, "a", NULL, NULL);
        runs_job_file(*state, "b", NULL, NULL);
        xpm_workspace_close(workspace);
        xpm_view *view = views_open(*state);
        xpm_view_jobs jobs = list(view);
        assert_int_equal(jobs.count, 2);
        const xpm_view_job *job = &jobs.items[0]; /* the latest */
        char path[128];
        assert_string_equal(job->job_id, "b");
        assert_string_equal(job->task_id, "demo.task");
        assert_string_equal(job->step, "second");
        assert_string_equal(job->experiment, "e");
        assert_string_equal(job->dependencies, "[\"demo.task/a\"]");
        assert_int_equal(job->state, XPM_JOB_DONE);
        snprintf(path, sizeof path, "%s/jobs/demo.task/b", ((struct place *)*state)->path);
        assert_string_equal(xpm_view_job_path(view, job), path);
        static const char *const texts[] = {"0.1", "3", "x y", "true", "null"};
        job = &jobs.items[1];
        assert_int_equal(job->tag_count, 5);
        for (size_t i = 0; i < 5; i++)
                assert_string_equal(job->tags[i].text, texts[i]);
        assert_int_equal(job->tags[1].value.kind, XPM_INT);
        assert_int_equal(job->tags[3].value.kind, XPM_BOOL);
        xpm_view_close(view);
}

static void of_those_submitted_at_one_instant_the_last_line_is_the_latest(void **state)
{
        xpm_view_jobs jobs;
        views_put_run(*state, "e", "20260101_000000", "{\"status\": \"running\"}",
                      LINE("b", "{}", "1.5") LINE("c", "{}", "1.5") LINE("a", "{}", "1.5") LINE("d", "{}", "1.25"));
        xpm_view *view = views_open(*state);
        assert_int_equal(xpm_view_list_jobs(view, NULL, &jobs, NULL), 0);
        assert_int_equal(jobs.count, 4);
        for (size_t i = 0; i < jobs.count; i++)
                assert_int_equal(jobs.items[i].job_id[0], "acbd"[i]);
        xpm_view_close(view);
}

static void ended_run_is_not_asked_about_jobs_that_are_done(void **state)
{
        views_put_run(*state, "e", "20260101_000000",
                      "{\"status\": \"done\", \"job_states\": {\"a\": \"done\", \"b\": \"error:TIMEOUT\"}}",
                      LINE("a", "{}", "1.5") LINE("b", "{}", "2.5"));
        runs_job_file(*state, "a", "task.failed", "{}"); /* would be seen */
        runs_job_file(*state, "b", NULL, NULL);
        xpm_view *view = views_open(*state);
        xpm_view_jobs jobs = list(view);
        assert_int_equal(find(&jobs, "a")->state, XPM_JOB_DONE);
        assert_int_equal(find(&jobs, "b")->state, XPM_JOB_ERROR);
        assert_int_equal(find(&jobs, "b")->failure, XPM_FAILURE_TIMEOUT);
        runs_job_file(*state, "b", "task.done", ""); /* by another experiment, since */
        jobs = list(view);
        assert_int_equal(find(&jobs, "b")->state, XPM_JOB_DONE);
        xpm_view_close(view);
}

static void run_that_has_not_ended_is_looked_at(void **state)
{
        static const char status[] = "{\"status\": \"running\", \"job_states\": {\"a\": \"waiting\", \"b\": "
                                     "\"running\", \"c\": \"running\", "
                                     "\"d\": \"scheduled\", \"e\": \"ready\"}}";
        static const char jobs_text[] = LINE("a", "{}", "1") LINE("b", "{}", "2") LINE("c", "{}", "3")
                LINE("d", "{}", "4") LINE("e", "{}", "5") LINE("f", "{}", "6");
        static const struct {
                const char *id;
                enum xpm_job_state alive, dead;
                enum xpm_failure failure;
        } cases[] = {
                {"a", XPM_JOB_WAITING, XPM_JOB_UNSCHEDULED, XPM_FAILURE_NONE},
                {"b", XPM_JOB_DONE, XPM_JOB_DONE, XPM_FAILURE_NONE},
                {"c", XPM_JOB_RUNNING, XPM_JOB_UNSCHEDULED, XPM_FAILURE_LOST},
                {"d", XPM_JOB_ERROR, XPM_JOB_ERROR, XPM_FAILURE_MEMORY},
                {"e", XPM_JOB_RUNNING, XPM_JOB_RUNNING, XPM_FAILURE_NONE},
                {"f", XPM_JOB_UNSCHEDULED, XPM_JOB_UNSCHEDULED, XPM_FAILURE_NONE},
        };
        const struct place *place = *state;
        int engine, job;
        views_put_run(place, "x", "20260101_000000", status, jobs_text);
        runs_job_file(place, "b", "task.done", "");
        runs_job_file(place, "c", ".experimaestro/status.json", "{\"state\": \"running\"}");
        runs_job_file(place, "d", "task.failed", "{\"reason\": \"memory\"}");
        runs_job_file(place, "e", NULL, NULL);
        assert_int_equal(xpm_lock_take(place->dir, "jobs/demo.task/e/task.lock", 0600, false, &job, NULL), 0);
        assert_int_equal(xpm_lock_take(place->dir, "experiments/x/lock", 0600, false, &engine, NULL), 0);
        xpm_view *view = views_open(place);
        for (int alive = 1; alive >= 0; alive--) {
                xpm_view_jobs jobs = list(view);
                for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                        const xpm_view_job *found = find(&jobs, cases[i].id);
                        assert_int_equal(found->state, alive ? cases[i].alive : cases[i].dead);
                        if (!alive)
                                assert_int_equal(found->failure, cases[i].failure);
                }
                if (alive)
                        xpm_lock_release(engine);
        }
        xpm_lock_release(job);
        xpm_view_close(view);
}

static void job_that_had_ended_and_has_no_directory_was_removed(void **state)
{
        const struct place *place = *state;
        views_put_run(place, "e", "20260101_000000",
                      "{\"status\": \"failed\", \"job_states\": {\"a\": \"done\", \"b\": \"error:TIMEOUT\", "
                      "\"c\": \"error:DEPENDENCY\", \"d\": \"done\", \"e\": \"error\"}}",
                      LINE("a", "{}", "1") LINE("b", "{}", "2") LINE("c", "{}", "3") LINE("d", "{}", "4")
                              LINE("e", "{}", "5"));
        runs_job_file(place, "d", NULL, NULL);
        runs_job_file(place, "e", NULL, NULL);
        xpm_view *view = views_open(place);
        xpm_view_jobs jobs = list(view);
        for (const char *id = "ab"; *id; id++) {
                const xpm_view_job *job = find(&jobs, (char[2]){*id});
                assert_int_equal(job->state, XPM_JOB_UNSCHEDULED);
                assert_int_equal(job->failure, XPM_FAILURE_NONE);
                assert_true(job->removed);
        }
        assert_int_equal(find(&jobs, "c")->failure, XPM_FAILURE_DEPENDENCY);
        assert_int_equal(find(&jobs, "d")->state, XPM_JOB_DONE);
        assert_int_equal(find(&jobs, "e")->state, XPM_JOB_ERROR);
        assert_false(find(&jobs, "c")->removed || find(&jobs, "d")->removed || find(&jobs, "e")->removed);
        xpm_view_close(view);
}

static void job_of_several_experiments_stands_there_once(void **state)
{
        views_put_run(*state, "first", "20260101_000000",
                      "{\"status\": \"failed\", \"job_states\": {\"a\": \"error\"}}", LINE("a", "{\"x\": 1}", "1"));
        views_put_run(*state, "second", "20260101_000000", "{\"status\": \"done\", \"job_states\": {\"a\": \"done\"}}",
                      LINE("a", "{\"x\": 2}", "3"));
        views_put_run(*state, "third", "20260101_000000",
                      "{\"status\": \"failed\", \"job_states\": {\"a\": \"error\"}}", LINE("a", "{\"x\": 3}", "2"));
        runs_job_file(*state, "a", NULL, NULL);
        xpm_view *view = views_open(*state);
        xpm_view_jobs jobs = list(view);
        assert_int_equal(jobs.count, 1);
        assert_string_equal(jobs.items[0].experiment, "second");
        assert_int_equal(jobs.items[0].state, XPM_JOB_DONE);
        assert_string_equal(jobs.items[0].tags_json, "{\"x\": 2}");
        assert_int_equal(xpm_view_list_jobs(view, (const char *const[]){"first", NULL}, &jobs, NULL), 0);
        assert_string_equal(jobs.items[0].tags_json, "{\"x\": 1}");
        assert_int_equal(xpm_view_list_jobs(view, (const char *const[]){"none", NULL}, &jobs, NULL), XPM_ENOTFOUND);
        xpm_view_close(view);
}

static void lines_that_make_no_sense_are_passed_over(void **state)
{
        views_put_run(*state, "e", "20260101_000000", "{}",
                      "\n{}\n[1]\nnonsense\n{\"job_id\": \"a\"}\n{\"job_id\": 1, \"task_id\": \"t\"}\n"
                      "{\"job_id\": \"../../x\", \"task_id\": \"t\"}\n{\"job_id\": \"x\", \"task_id\": \"..\"}\n" LINE(
                              "good", "null", "null") "{\"job_id\": \"cut");
        xpm_view *view = views_open(*state);
        xpm_view_jobs jobs = list(view);
        assert_int_equal(jobs.count, 1);
        assert_string_equal(jobs.items[0].job_id, "good");
        assert_string_equal(jobs.items[0].tags_json, "{}");
        xpm_view_close(view);
}

static void lack_of_memory_is_an_error_or_no_harm(void **state)
{
        if (!failing_malloc_works)
                skip();
        views_put_run(*state, "e", "20260101_000000",
                      "{\"status\": \"failed\", \"job_states\": {\"a\": \"done\", \"b\": \"error\"}}",
                      LINE("a", "{\"x\": 1.5, \"y\": [1]}", "1") LINE("b", "{}", "2"));
        for (long n = 1;; n++) {
                xpm_view_jobs jobs = {0};
                xpm_view *view = views_open(*state);
                failing_malloc_arm(n);
                int rc = xpm_view_list_jobs(view, NULL, &jobs, NULL);
                bool failed = failing_malloc_disarm();
                xpm_view_close(view);
                if (rc != 0 && (!failed || rc != XPM_ENOMEM))
                        fail_msg("allocation %ld: %d", n, rc);
                if (!failed)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(jobs_of_ours_are_told_in_full),
                T(of_those_submitted_at_one_instant_the_last_line_is_the_latest),
                T(ended_run_is_not_asked_about_jobs_that_are_done),
                T(run_that_has_not_ended_is_looked_at),
                T(job_that_had_ended_and_has_no_directory_was_removed),
                T(job_of_several_experiments_stands_there_once),
                T(lines_that_make_no_sense_are_passed_over),
                T(lack_of_memory_is_an_error_or_no_harm),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
