#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"
#include "workspace/detached.h"

static const char detached[] = "{\"run\": {\"status\": \"detached\"}}";

static void put_job(const struct place *place, const char *id, const char *state)
{
        char path[128], text[64];
        snprintf(path, sizeof path, "jobs/t/%s", id);
        mkdirat(place->dir, "jobs", 0700);
        mkdirat(place->dir, "jobs/t", 0700);
        assert_int_equal(mkdirat(place->dir, path, 0700), 0);
        snprintf(path, sizeof path, "jobs/t/%s/.experimaestro", id);
        assert_int_equal(mkdirat(place->dir, path, 0700), 0);
        snprintf(path, sizeof path, "jobs/t/%s/.experimaestro/status.json", id);
        snprintf(text, sizeof text, "{\"state\": \"%s\"}", state);
        place_put(place, path, text);
}

static void what_became_of_the_jobs_is_read_from_them(void **state)
{
        const struct place *place = *state;
        xpm_detached left;
        place_put(place, "environment.json", detached);
        place_put(place, "status.json",
                  "{\"job_states\": {\"a\": \"scheduled\", \"b\": \"scheduled\", \"c\": \"running\", "
                  "\"d\": \"scheduled\", \"e\": \"done\", \"f\": \"scheduled\"}}");
        place_put(place, "jobs.jsonl",
                  "{\"job_id\": \"a\", \"task_id\": \"t\"}\n{\"job_id\": \"b\", \"task_id\": \"t\"}\n"
                  "{\"job_id\": \"c\", \"task_id\": \"t\"}\n{\"job_id\": \"d\", \"task_id\": \"t\"}\nnonsense\n"
                  "{\"job_id\": \"e\", \"task_id\": \"t\"}\n{\"job_id\": \"f\", \"task_id\": \"t\"}");
        put_job(place, "a", "done");
        put_job(place, "b", "error");
        put_job(place, "c", "running");
        put_job(place, "d", "scheduled");
        put_job(place, "e", "running"); /* it had ended, and is another run's now */
        assert_int_equal(xpm_detached_look(place->dir, &left, NULL), 1);
        assert_int_equal(left.done, 1);
        assert_int_equal(left.failed, 1);
        assert_int_equal(left.running, 1);
        assert_int_equal(left.scheduled, 1);
        assert_int_equal(left.gone, 1);
        assert_true(xpm_detached_goes_on(&left));
}

static void with_its_last_job_it_is_over(void **state)
{
        const struct place *place = *state;
        xpm_detached left;
        place_put(place, "environment.json", detached);
        place_put(place, "status.json", "{\"job_states\": {\"a\": \"scheduled\"}}");
        place_put(place, "jobs.jsonl", "{\"job_id\": \"a\", \"task_id\": \"t\"}\n");
        put_job(place, "a", "done");
        assert_int_equal(xpm_detached_look(place->dir, &left, NULL), 1);
        assert_false(xpm_detached_goes_on(&left));
}

static void what_was_to_follow_a_failure_is_over_too(void **state)
{
        const struct place *place = *state;
        xpm_detached left;
        place_put(place, "environment.json", detached);
        place_put(place, "status.json",
                  "{\"job_states\": {\"a\": \"scheduled\", \"b\": \"scheduled\", \"c\": \"scheduled\", "
                  "\"d\": \"error:failed\", \"e\": \"scheduled\"}}");
        /* c is behind b, which is behind a; e behind d, which had failed when the engine left. */
        place_put(place, "jobs.jsonl",
                  "{\"job_id\": \"c\", \"task_id\": \"t\", \"depends_on\": [\"t/b\"]}\n"
                  "{\"job_id\": \"b\", \"task_id\": \"t\", \"depends_on\": [\"t/a\"]}\n"
                  "{\"job_id\": \"a\", \"task_id\": \"t\", \"depends_on\": []}\n"
                  "{\"job_id\": \"d\", \"task_id\": \"t\", \"depends_on\": []}\n"
                  "{\"job_id\": \"e\", \"task_id\": \"t\", \"depends_on\": [\"t/d\"]}\n");
        put_job(place, "a", "error");
        put_job(place, "b", "scheduled");
        put_job(place, "c", "scheduled");
        put_job(place, "e", "scheduled");
        assert_int_equal(xpm_detached_look(place->dir, &left, NULL), 1);
        assert_int_equal(left.failed, 4);
        assert_false(xpm_detached_goes_on(&left));
}

static void what_cannot_be_read_goes_on(void **state)
{
        const struct place *place = *state;
        xpm_detached left;
        place_put(place, "environment.json", detached);
        assert_int_equal(xpm_detached_look(place->dir, &left, NULL), 1);
        assert_true(xpm_detached_goes_on(&left));
}

static void others_are_not_looked_at(void **state)
{
        const struct place *place = *state;
        xpm_detached left;
        assert_int_equal(xpm_detached_look(place->dir, &left, NULL), 0);
        place_put(place, "environment.json", "{\"run\": {\"status\": \"completed\"}}");
        assert_int_equal(xpm_detached_look(place->dir, &left, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_became_of_the_jobs_is_read_from_them),
                TEST(with_its_last_job_it_is_over),
                TEST(what_was_to_follow_a_failure_is_over_too),
                TEST(what_cannot_be_read_goes_on),
                TEST(others_are_not_looked_at),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
