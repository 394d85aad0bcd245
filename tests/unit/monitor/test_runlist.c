#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/lock.h"
#include "failing_malloc.h"
#include "monitor/viewstate.h"
#include "views.h"

static void run_of_ours_is_counted(void **state)
{
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        runs_add(run, "a", "{}", XPM_JOB_DONE);
        runs_add(run, "b", "{}", XPM_JOB_DONE);
        size_t slot = runs_add(run, "c", "{}", XPM_JOB_WAITING);
        xpm_run_set_state(run, slot, XPM_JOB_ERROR, XPM_FAILURE_TIMEOUT, NULL);
        xpm_run_set_requests(run, 9);
        xpm_run_end(run, XPM_RUN_FAILED, NULL);
        xpm_workspace_close(workspace);

        xpm_view *view = views_open(*state);
        xpm_view_experiments list;
        assert_int_equal(xpm_view_list(view, NULL, false, &list, NULL), 0);
        assert_int_equal(list.count, 1);
        const xpm_view_run *found = list.items[0].current;
        assert_string_equal(list.items[0].id, "e");
        assert_int_equal(found->status, XPM_RUN_IS_FAILED);
        assert_int_equal(found->total, 3);
        assert_int_equal(found->requests, 9);
        assert_int_equal(found->counts[XPM_JOB_DONE], 2);
        assert_int_equal(found->counts[XPM_JOB_ERROR], 1);
        assert_string_equal(found->title, "A title");
        assert_non_null(found->host);
        assert_non_null(found->ended);
        xpm_view_close(view);
}

static void statuses_are_understood(void **state)
{
        static const struct {
                const char *status, *environment;
                bool locked;
                enum xpm_run_status expected;
        } cases[] = {
                {"{\"status\": \"done\"}", NULL, false, XPM_RUN_IS_DONE},
                {"{\"status\": \"completed\"}", NULL, false, XPM_RUN_IS_DONE},
                {"{\"status\": \"failed\"}", NULL, false, XPM_RUN_IS_FAILED},
                {"{\"status\": \"failed\", \"cancelled\": true}", NULL, false, XPM_RUN_IS_CANCELLED},
                {"{\"status\": \"running\"}", NULL, true, XPM_RUN_IS_RUNNING},
                {"{\"status\": \"running\"}", NULL, false, XPM_RUN_IS_INTERRUPTED},
                {"{\"status\": \"running\"}", "{\"run\": {\"status\": \"detached\"}}", false, XPM_RUN_IS_DETACHED},
                {"{\"status\": \"running\"}", "{\"run\": {\"status\": \"detached\"}}", true, XPM_RUN_IS_RUNNING},
                {"{\"status\": 7}", NULL, false, XPM_RUN_IS_UNKNOWN},
                {"[]", NULL, false, XPM_RUN_IS_UNKNOWN},
                {"{\"cut", NULL, false, XPM_RUN_IS_UNKNOWN},
                {NULL, NULL, false, XPM_RUN_IS_UNKNOWN},
        };
        const struct place *place = *state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char id[16], path[128];
                int lock = -1;
                xpm_view_experiments list;
                snprintf(id, sizeof id, "e%zu", i);
                views_put_run(place, id, "20260101_000000", cases[i].status, NULL);
                snprintf(path, sizeof path, "experiments/%s/current/environment.json", id);
                if (cases[i].environment)
                        place_put(place, path, cases[i].environment);
                snprintf(path, sizeof path, "experiments/%s/lock", id);
                if (cases[i].locked)
                        assert_int_equal(xpm_lock_take(place->dir, path, 0600, false, &lock, NULL), 0);
                xpm_view *view = views_open(place);
                assert_int_equal(xpm_view_list(view, (const char *const[]){id, NULL}, false, &list, NULL), 0);
                assert_int_equal(list.items[0].current->status, cases[i].expected);
                xpm_view_close(view);
                xpm_lock_release(lock);
        }
}

/* As version 2.7 of the reference implementation writes it; its older versions counted instead. */
static void run_of_the_reference_is_counted(void **state)
{
        static const struct {
                const char *status;
                size_t total, done, failed;
        } cases[] = {
                {"{\"status\": \"done\", \"hostname\": \"h\", \"job_states\": {\"a\": \"done\", \"b\": \"error\", "
                 "\"c\": \"error:TIMEOUT\", "
                 "\"d\": \"scheduled\", \"e\": \"novel\"}}",
                 5, 1, 2},
                {"{\"status\": \"done\", \"total_jobs\": 7, \"finished_jobs\": 4, \"failed_jobs\": 1}", 7, 4, 1},
                {"{\"status\": \"running\"}", 2, 0, 0}, /* the lines of jobs.jsonl */
                {"{\"status\": \"running\", \"job_states\": {\"a\": \"done\"}}", 2, 1, 0},
                {"{\"status\": \"done\", \"job_states\": {\"a\": \"done\"}}", 1, 1, 0}, /* one was submitted twice */
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_view_experiments list;
                views_put_run(*state, "e", "20260101_000000", cases[i].status, "{}\n{}\n");
                xpm_view *view = views_open(*state);
                assert_int_equal(xpm_view_list(view, NULL, false, &list, NULL), 0);
                const xpm_view_run *run = list.items[0].current;
                assert_int_equal(run->total, cases[i].total);
                assert_int_equal(run->counts[XPM_JOB_DONE], cases[i].done);
                assert_int_equal(run->counts[XPM_JOB_ERROR], cases[i].failed);
                xpm_view_close(view);
        }
}

static void all_runs_come_latest_first(void **state)
{
        xpm_view_experiments list;
        views_put_run(*state, "e", "20260101_000000.2", "{}", NULL);
        views_put_run(*state, "e", "20260101_000000.10", "{}", NULL);
        views_put_run(*state, "e", "20260101_000000", "{}", NULL); /* current */
        views_put_run(*state, "d", "20260101_000000", "{}", NULL);
        runs_mkdir(*state, "experiments/empty");
        xpm_view *view = views_open(*state);
        assert_int_equal(xpm_view_list(view, NULL, true, &list, NULL), 0);
        assert_int_equal(list.count, 3);
        assert_string_equal(list.items[0].id, "d");
        const xpm_view_experiment *e = &list.items[1];
        assert_int_equal(e->run_count, 3);
        assert_string_equal(e->runs[0].name, "20260101_000000.10");
        assert_string_equal(e->runs[2].name, "20260101_000000");
        assert_ptr_equal(e->current, &e->runs[2]);
        assert_true(e->runs[2].current && !e->runs[0].current);
        assert_null(list.items[2].current);
        /* Without the link it is the last one. */
        unlinkat(((struct place *)*state)->dir, "experiments/e/current", 0);
        assert_int_equal(xpm_view_list(view, (const char *const[]){"e", NULL}, false, &list, NULL), 0);
        assert_string_equal(list.items[0].current->name, "20260101_000000.10");
        xpm_view_close(view);
}

static void unknown_experiment_gets_a_suggestion(void **state)
{
        xpm_view_experiments list;
        xpm_error err = XPM_ERROR_NONE;
        views_put_run(*state, "mnist", "20260101_000000", "{}", NULL);
        xpm_view *view = views_open(*state);
        assert_int_equal(xpm_view_list(view, (const char *const[]){"mnsit", NULL}, false, &list, &err), XPM_ENOTFOUND);
        assert_string_equal(err.message, "there is no experiment 'mnsit': did you mean 'mnist'?");
        xpm_view_close(view);
}

static void words_of_states_are_parsed(void **state)
{
        static const struct {
                const char *word;
                bool known;
                enum xpm_job_state state;
                enum xpm_failure failure;
        } cases[] = {
                {"done", true, XPM_JOB_DONE, XPM_FAILURE_NONE},
                {"DONE", true, XPM_JOB_DONE, XPM_FAILURE_NONE},
                {"error", true, XPM_JOB_ERROR, XPM_FAILURE_FAILED},
                {"error:TIMEOUT", true, XPM_JOB_ERROR, XPM_FAILURE_TIMEOUT},
                {"error:UNHEARD", true, XPM_JOB_ERROR, XPM_FAILURE_FAILED},
                {"novel", false, 0, 0},
                {NULL, false, 0, 0},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                enum xpm_job_state found;
                enum xpm_failure failure;
                assert_int_equal(xpm_view_parse_state(cases[i].word, &found, &failure), cases[i].known);
                if (!cases[i].known)
                        continue;
                assert_int_equal(found, cases[i].state);
                assert_int_equal(failure, cases[i].failure);
        }
}

static void lack_of_memory_is_an_error_or_no_harm(void **state)
{
        if (!failing_malloc_works)
                skip();
        views_put_run(*state, "e", "20260101_000000", "{\"status\": \"done\", \"job_states\": {\"a\": \"done\"}}",
                      NULL);
        for (long n = 1;; n++) {
                xpm_view_experiments list;
                xpm_view *view = NULL;
                failing_malloc_arm(n);
                int rc = xpm_view_open(
                        &(xpm_view_place){.config_dir = "/nonexistent", .workdir = ((struct place *)*state)->path},
                        &view, NULL);
                if (rc == 0)
                        rc = xpm_view_list(view, NULL, true, &list, NULL);
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
                T(run_of_ours_is_counted),
                T(statuses_are_understood),
                T(run_of_the_reference_is_counted),
                T(all_runs_come_latest_first),
                T(unknown_experiment_gets_a_suggestion),
                T(words_of_states_are_parsed),
                T(lack_of_memory_is_an_error_or_no_harm),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
