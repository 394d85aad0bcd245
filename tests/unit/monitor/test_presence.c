#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "monitor/presence.h"
#include "views.h"

static int look(xpm_presence *presence, const char *task_id, const char *job_id)
{
        const xpm_view_job job = {.task_id = task_id, .job_id = job_id};
        return xpm_presence_look(presence, &job, NULL);
}

/* A job that is there, one that is not, one behind a link, a link that leads nowhere, one that is no directory. */
static void put_jobs(const struct place *place)
{
        place_put(place, ".__experimaestro__", "");
        runs_job_file(place, "here", NULL, NULL);
        runs_mkdir(place, "elsewhere");
        place_put(place, "jobs/file", "");
        assert_int_equal(symlinkat("../../elsewhere", place->dir, "jobs/demo.task/link"), 0);
        assert_int_equal(symlinkat("../../nowhere", place->dir, "jobs/demo.task/lost"), 0);
}

static void assert_tells(xpm_presence *presence)
{
        assert_int_equal(look(presence, "demo.task", "here"), 1);
        assert_int_equal(look(presence, "demo.task", "link"), 1);
        assert_int_equal(look(presence, "demo.task", "lost"), 0);
        assert_int_equal(look(presence, "demo.task", "gone"), 0);
        assert_int_equal(look(presence, "no.such.task", "here"), 0);
        assert_int_equal(look(presence, "file", "here"), 0);
}

static void few_jobs_are_looked_for_one_by_one(void **state)
{
        put_jobs(*state);
        xpm_presence presence = {.view = views_open(*state)};
        assert_tells(&presence);
        assert_int_equal(presence.tasks.count, 0);
        xpm_presence_release(&presence);
        xpm_view_close(presence.view);
}

static void many_jobs_are_told_by_one_list_of_each_task(void **state)
{
        const struct place *place = *state;
        put_jobs(place);
        xpm_presence presence = {.view = views_open(place), .asked = XPM_PRESENCE_FEW};
        assert_tells(&presence);
        assert_int_equal(presence.tasks.count, 3);
        assert_int_equal(unlinkat(place->dir, "jobs/demo.task/here/.experimaestro", AT_REMOVEDIR), 0);
        assert_int_equal(unlinkat(place->dir, "jobs/demo.task/here", AT_REMOVEDIR), 0);
        assert_int_equal(look(&presence, "demo.task", "here"), 1); /* when it was listed */
        runs_job_file(place, "new", NULL, NULL);
        assert_int_equal(look(&presence, "demo.task", "new"), 1);
        xpm_presence_release(&presence);
        xpm_view_close(presence.view);
}

static void lack_of_memory_is_an_error(void **state)
{
        if (!failing_malloc_works)
                skip();
        put_jobs(*state);
        for (long n = 1;; n++) {
                xpm_presence presence = {.view = views_open(*state), .asked = XPM_PRESENCE_FEW};
                failing_malloc_arm(n);
                int rc = look(&presence, "demo.task", "here");
                bool struck = failing_malloc_disarm();
                xpm_presence_release(&presence);
                xpm_view_close(presence.view);
                assert_int_equal(rc, struck ? XPM_ENOMEM : 1);
                if (!struck)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(few_jobs_are_looked_for_one_by_one),
                T(many_jobs_are_told_by_one_list_of_each_task),
                T(lack_of_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
