#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lock.h"
#include "monitor/why.h"
#include "views.h"

static char ids[4][65];

static int enter(void **state)
{
        int rc = place_enter(state);
        for (int i = 0; i < 4; i++)
                runs_id(ids[i], (const char[]){(char)('a' + i), '\0'});
        return rc;
}

/* A run of four jobs, each of which needs the one before. */
static void put_run(const struct place *place)
{
        char lines[2048] = "", line[512];
        for (int i = 0; i < 4; i++) {
                snprintf(line, sizeof line,
                         "{\"job_id\": \"%s\", \"task_id\": \"demo.task\", \"timestamp\": %d.0, \"depends_on\": "
                         "[%s%s%s]}\n",
                         ids[i], i + 1, i ? "\"demo.task/" : "", i ? ids[i - 1] : "", i ? "\"" : "");
                strcat(lines, line);
        }
        views_put_run(place, "one", "20260101_000000", "{\"status\": \"failed\"}", lines);
}

/* The jobs of the chain and their states, after the job's own. */
static const char *why(const struct place *place, int n, char text[256], void (*check)(const xpm_why *))
{
        xpm_why found;
        xpm_view_job job;
        xpm_view *view = views_open(place);
        assert_int_equal(xpm_view_find(view, ids[n], &job, NULL), 0);
        assert_int_equal(xpm_view_why(view, &job, &found, NULL), 0);
        snprintf(text, 256, "%s", xpm_job_state_word(found.job.state));
        for (size_t i = 0; i < found.chain_count; i++)
                snprintf(text + strlen(text), 256 - strlen(text), " %c:%s", found.chain[i].job_id[0],
                         xpm_job_state_word(found.chain[i].state));
        if (check)
                check(&found);
        xpm_view_close(view);
        return text;
}

static void is_done_by_its_marker(const xpm_why *found)
{
        assert_string_equal(found->marker, "task.done");
        assert_int_equal(found->attempt_count, 0);
}

static void has_two_attempts(const xpm_why *found)
{
        assert_int_equal(found->attempt_count, 2);
        assert_string_equal(found->attempts[0].reason, "lost");
        assert_string_equal(found->attempts[1].host, "n1");
        assert_int_equal(found->attempts[1].code, 3);
        assert_string_equal(found->message, "it broke");
}

static void is_held(const xpm_why *found)
{
        assert_string_equal(found->holder, "n1 77 me 2026-01-01T00:00:00+0000");
}

static void the_way_to_the_cause_is_followed(void **state)
{
        char text[256];
        put_run(*state);
        assert_string_equal(why(*state, 3, text, NULL), "unscheduled c:unscheduled b:unscheduled a:unscheduled");
        runs_job_file(*state, ids[0], "task.done", "");
        runs_job_file(*state, ids[1], "task.failed", "{\"code\": 1, \"reason\": \"failed\"}");
        runs_job_file(*state, ids[2], "task.failed", "{\"code\": null, \"reason\": \"dependency\"}");
        assert_string_equal(why(*state, 3, text, NULL), "unscheduled c:error b:error");
        assert_string_equal(why(*state, 1, text, NULL), "error");
        assert_string_equal(why(*state, 0, text, is_done_by_its_marker), "done");
}

static void a_circle_that_somebody_wrote_ends(void **state)
{
        char text[256], line[512];
        snprintf(line, sizeof line,
                 "{\"job_id\": \"%s\", \"task_id\": \"demo.task\", \"depends_on\": [\"demo.task/%s\"]}\n", ids[0],
                 ids[0]);
        views_put_run(*state, "one", "20260101_000000", "{}", line);
        assert_string_equal(why(*state, 0, text, NULL), "unscheduled a:unscheduled a:unscheduled");
}

static void attempts_and_the_message_are_told(void **state)
{
        char text[256];
        put_run(*state);
        runs_job_file(*state, ids[0], ".experimaestro/status.json",
                      "{\"state\": \"error\", \"reason\": \"failed\", \"exit_code\": 3, \"host\": \"n1\", \"message\": "
                      "\"it broke\", "
                      "\"started_time\": \"t2\", \"attempts\": [{\"state\": \"error\", \"reason\": \"lost\", "
                      "\"exit_code\": null}]}");
        assert_string_equal(why(*state, 0, text, has_two_attempts), "error");
}

static void the_holder_of_the_lock_is_told(void **state)
{
        char text[256], path[256];
        int fd;
        put_run(*state);
        runs_job_file(*state, ids[0], "task.lock", "n1 77 me 2026-01-01T00:00:00+0000\n");
        snprintf(path, sizeof path, "jobs/demo.task/%s/task.lock", ids[0]);
        assert_int_equal(xpm_lock_take(((struct place *)*state)->dir, path, 0600, false, &fd, NULL), 0);
        assert_string_equal(why(*state, 0, text, is_held), "running");
        assert_string_equal(why(*state, 1, text, NULL), "unscheduled a:running");
        xpm_lock_release(fd);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(the_way_to_the_cause_is_followed),
                T(a_circle_that_somebody_wrote_ends),
                T(attempts_and_the_message_are_told),
                T(the_holder_of_the_lock_is_told),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
