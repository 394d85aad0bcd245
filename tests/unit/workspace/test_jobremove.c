#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lock.h"
#include "runs.h"
#include "workspace/jobremove.h"

static char id[65];

static int enter(void **state)
{
        int rc = place_enter(state);
        runs_id(id, "a");
        return rc;
}

static bool is_there(const struct place *place, const char *name)
{
        char path[256];
        snprintf(path, sizeof path, "jobs/demo.task/%s/%s", id, name);
        return faccessat(place->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int remove_job(const struct place *place, bool done, xpm_error *err)
{
        const char *const paths[] = {place->path, NULL};
        xpm_underway *underway;
        xpm_workspace *workspace = runs_workspace(place);
        assert_int_equal(xpm_underway_open(paths, NULL, &underway, NULL), 0);
        int rc = xpm_job_remove(workspace, underway, "demo.task", id, done, err);
        xpm_underway_close(underway);
        xpm_workspace_close(workspace);
        return rc;
}

static int hold_run(const struct place *place)
{
        int fd;
        char line[128];
        runs_mkdir(place, "experiments/one/1");
        snprintf(line, sizeof line, "{\"job_id\": \"%s\"}\n", id);
        place_put(place, "experiments/one/1/jobs.jsonl", line);
        assert_int_equal(symlinkat("1", place->dir, "experiments/one/current"), 0);
        assert_int_equal(xpm_lock_take(place->dir, "experiments/one/lock", 0600, false, &fd, NULL), 0);
        return fd;
}

static void what_a_run_counts_on_stays_as_it_was(void **state)
{
        const struct place *place = *state;
        xpm_error err = XPM_ERROR_NONE;
        runs_job_file(place, id, "task.done", "");
        int lock = hold_run(place);
        assert_int_equal(remove_job(place, true, &err), XPM_ELOCKED);
        assert_non_null(strstr(err.message, "experiments/one/1"));
        assert_true(is_there(place, "task.done"));
        assert_false(is_there(place, "task.failed"));
        xpm_lock_release(lock);
        assert_int_equal(remove_job(place, true, NULL), 0);
        assert_false(is_there(place, "."));
        assert_int_equal(remove_job(place, true, NULL), XPM_ENOTFOUND);
}

static void a_link_that_a_run_counts_on_stays(void **state)
{
        const struct place *place = *state;
        char path[256];
        runs_mkdir(place, "elsewhere");
        place_put(place, "elsewhere/task.done", "");
        runs_mkdir(place, "jobs/demo.task");
        snprintf(path, sizeof path, "jobs/demo.task/%s", id);
        assert_int_equal(symlinkat("../../elsewhere", place->dir, path), 0);
        int lock = hold_run(place);
        assert_int_equal(remove_job(place, true, NULL), XPM_ELOCKED);
        assert_true(is_there(place, "task.done"));
        xpm_lock_release(lock);
        assert_int_equal(remove_job(place, true, NULL), 0);
        assert_int_equal(place_count(place, "jobs/demo.task"), 0);
        assert_int_equal(place_count(place, "elsewhere"), 1); /* not even a lock */
}

/* It had failed when it was chosen. */
static void what_was_done_meanwhile_stays(void **state)
{
        const struct place *place = *state;
        xpm_error err = XPM_ERROR_NONE;
        runs_job_file(place, id, "task.done", "");
        assert_int_equal(remove_job(place, false, &err), XPM_ELOCKED);
        assert_non_null(strstr(err.message, "done meanwhile"));
        assert_true(is_there(place, "task.done"));
        assert_false(is_there(place, "task.failed"));
        runs_job_file(place, id, ".experimaestro/status.json", "{\"state\": \"error\"}");
        runs_job_file(place, id, "task.failed", "{}");
        assert_int_equal(remove_job(place, false, NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(what_a_run_counts_on_stays_as_it_was),
                T(a_link_that_a_run_counts_on_stays),
                T(what_was_done_meanwhile_stays),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
