#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "views.h"

#define LINE(task, id) "{\"job_id\": \"" id "\", \"task_id\": \"" task "\", \"tags\": {}, \"timestamp\": 1.0}\n"

static void any_unambiguous_beginning_will_do(void **state)
{
        static const struct {
                const char *name, *task, *id; /* NULL: an error */
                int code;
                const char *words;
        } cases[] = {
                {"abc", "demo.train", "abc1", 0, NULL},
                {"abd", "demo.train", "abd2", 0, NULL},
                {"ABC", "demo.train", "abc1", 0, NULL},
                {"abc1", "demo.train", "abc1", 0, NULL},
                {"demo.train/abc", "demo.train", "abc1", 0, NULL},
                {"Demo.Train/abc", "demo.train", "abc1", 0, NULL},
                {"train/abc", "demo.train", "abc1", 0, NULL},
                {"demo.eval/ff", "demo.eval", "ff00", 0, NULL},
                {"ff00", NULL, NULL, XPM_EUSAGE, "may be any of 2 jobs: "},
                {"ab", NULL, NULL, XPM_EUSAGE, "'demo.train/abc1'"},
                {"ab", NULL, NULL, XPM_EUSAGE, "'demo.train/abd2'"},
                {"demo.train/", NULL, NULL, XPM_EUSAGE, "names no job"},
                {"", NULL, NULL, XPM_EUSAGE, "names no job"},
                {"demo.eval/abc", NULL, NULL, XPM_ENOTFOUND, "there is no job 'demo.eval/abc'"},
                {"abc12", NULL, NULL, XPM_ENOTFOUND, "there is no job 'abc12'"},
                {"ol", "demo.task", "old3", 0, NULL}, /* in no list, but there */
                {"task/old", "demo.task", "old3", 0, NULL},
        };
        views_put_run(*state, "e", "20260101_000000", "{}",
                      LINE("demo.train", "abc1") LINE("demo.train", "abd2") LINE("demo.train", "ff00")
                              LINE("demo.eval", "ff00"));
        runs_job_file(*state, "old3", "task.done", "");
        runs_mkdir(*state, "jobs/demo.task/.tmp.old4");
        xpm_view *view = views_open(*state);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_view_job job;
                xpm_error err = XPM_ERROR_NONE;
                int rc = xpm_view_find(view, cases[i].name, &job, &err);
                if (rc != cases[i].code)
                        fail_msg("'%s': %d %s", cases[i].name, rc, err.message);
                if (rc == 0) {
                        assert_string_equal(job.task_id, cases[i].task);
                        assert_string_equal(job.job_id, cases[i].id);
                } else if (!strstr(err.message, cases[i].words)) {
                        fail_msg("'%s' is not in '%s'", cases[i].words, err.message);
                }
        }
        xpm_view_close(view);
}

static void long_list_of_candidates_is_cut(void **state)
{
        char text[4096] = "";
        for (int i = 0; i < 20; i++)
                sprintf(text + strlen(text), "{\"job_id\": \"a%02d\", \"task_id\": \"t\", \"timestamp\": 1}\n", i);
        views_put_run(*state, "e", "20260101_000000", "{}", text);
        xpm_view *view = views_open(*state);
        xpm_view_job job;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_view_find(view, "a", &job, &err), XPM_EUSAGE);
        assert_non_null(strstr(err.message, "any of 20 jobs"));
        assert_string_equal(err.message + strlen(err.message) - strlen(", …"), ", …");
        assert_true(strlen(err.message) < 200);
        xpm_view_close(view);
}

static void state_is_that_of_now(void **state)
{
        xpm_view_job job;
        views_put_run(*state, "e", "20260101_000000", "{\"status\": \"done\", \"job_states\": {\"a\": \"done\"}}",
                      LINE("demo.task", "a"));
        runs_job_file(*state, "a", "task.failed", "{\"reason\": \"memory\"}");
        xpm_view *view = views_open(*state);
        assert_int_equal(xpm_view_find(view, "a", &job, NULL), 0);
        assert_int_equal(job.state, XPM_JOB_ERROR);
        assert_int_equal(job.failure, XPM_FAILURE_MEMORY);
        xpm_view_close(view);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(any_unambiguous_beginning_will_do),
                T(long_list_of_candidates_is_cut),
                T(state_is_that_of_now),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
