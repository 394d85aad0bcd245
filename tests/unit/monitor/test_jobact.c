#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lock.h"
#include "failing_malloc.h"
#include "monitor/act.h"
#include "views.h"

static char id[65];

static int enter(void **state)
{
        int rc = place_enter(state);
        place_put(*state, ".__experimaestro__", "");
        runs_id(id, "a");
        return rc;
}

static xpm_view_job job_of(enum xpm_job_state state)
{
        return (xpm_view_job){.task_id = "demo.task", .job_id = id, .state = state};
}

static bool is_there(const struct place *place, const char *name)
{
        char path[256];
        snprintf(path, sizeof path, "jobs/demo.task/%s/%s", id, name);
        return faccessat(place->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int take_lock(const struct place *place)
{
        char path[256];
        int fd;
        snprintf(path, sizeof path, "jobs/demo.task/%s/task.lock", id);
        assert_int_equal(xpm_lock_take(place->dir, path, 0600, false, &fd, NULL), 0);
        return fd;
}

static int remove_job(const struct place *place, xpm_error *err)
{
        xpm_view *view = views_open(place);
        xpm_view_job job = job_of(XPM_JOB_DONE);
        int rc = xpm_act_remove(view, &job, err);
        xpm_view_close(view);
        return rc;
}

static void a_job_is_removed_with_all_that_is_in_it(void **state)
{
        runs_job_file(*state, id, "task.done", "");
        runs_job_file(*state, id, "out", "x");
        runs_mkdir(*state, "jobs/demo.task/%s/deep/er", id);
        assert_int_equal(remove_job(*state, NULL), 0);
        assert_int_equal(place_count(*state, "jobs/demo.task"), 0);
        assert_int_equal(place_count(*state, ".tmp"), 0);
        assert_int_equal(remove_job(*state, NULL), XPM_ENOTFOUND);
}

static void a_job_that_runs_stays(void **state)
{
        xpm_error err = XPM_ERROR_NONE;
        runs_job_file(*state, id, "task.done", "");
        int fd = take_lock(*state);
        assert_int_equal(remove_job(*state, &err), XPM_ELOCKED);
        assert_non_null(strstr(err.message, "runs"));
        assert_true(is_there(*state, "task.done"));
        xpm_lock_release(fd);
        assert_int_equal(remove_job(*state, NULL), 0);
}

static void a_link_goes_as_a_link(void **state)
{
        char path[256];
        runs_mkdir(*state, "elsewhere/sub");
        runs_mkdir(*state, "jobs/demo.task");
        snprintf(path, sizeof path, "jobs/demo.task/%s", id);
        assert_int_equal(symlinkat("../../elsewhere", ((struct place *)*state)->dir, path), 0);
        assert_int_equal(remove_job(*state, NULL), 0);
        assert_int_equal(place_count(*state, "jobs/demo.task"), 0);
        assert_int_equal(place_count(*state, "elsewhere"), 1);
}

static void a_task_that_is_a_link_is_refused(void **state)
{
        runs_mkdir(*state, "elsewhere/%s", id);
        runs_mkdir(*state, "jobs");
        assert_int_equal(symlinkat("../elsewhere", ((struct place *)*state)->dir, "jobs/demo.task"), 0);
        assert_int_equal(remove_job(*state, NULL), XPM_EIO);
        assert_int_equal(place_count(*state, "elsewhere"), 1);
}

static void the_request_to_end_lasts_until_the_job_has(void **state)
{
        xpm_view *view = views_open(*state);
        xpm_view_job job = job_of(XPM_JOB_RUNNING);
        char path[256];
        runs_job_file(*state, id, NULL, NULL);
        int fd = take_lock(*state);
        assert_int_equal(xpm_act_kill(view, &job, NULL), 0);
        assert_true(is_there(*state, ".experimaestro/kill"));
        assert_int_equal(xpm_act_has_ended(view, &job, NULL), 0);
        /* An attempt begins, without having heard. */
        snprintf(path, sizeof path, "jobs/demo.task/%s/.experimaestro/kill", id);
        assert_int_equal(unlinkat(((struct place *)*state)->dir, path, 0), 0);
        assert_int_equal(xpm_act_has_ended(view, &job, NULL), 0);
        assert_true(is_there(*state, ".experimaestro/kill"));
        xpm_lock_release(fd);
        assert_int_equal(xpm_act_has_ended(view, &job, NULL), 1);
        assert_int_equal(job.state, XPM_JOB_UNSCHEDULED);
        xpm_view_close(view);
}

static void the_request_does_not_go_through_a_link(void **state)
{
        xpm_view *view = views_open(*state);
        xpm_view_job job = job_of(XPM_JOB_RUNNING);
        char path[256];
        assert_int_equal(xpm_act_kill(view, &job, NULL), XPM_EIO);
        runs_job_file(*state, id, NULL, NULL);
        snprintf(path, sizeof path, "jobs/demo.task/%s/.experimaestro/kill", id);
        assert_int_equal(symlinkat("../victim", ((struct place *)*state)->dir, path), 0);
        assert_int_equal(xpm_act_kill(view, &job, NULL), XPM_EIO);
        assert_false(is_there(*state, "victim"));
        xpm_view_close(view);
}

static void a_size_counts_blocks_and_follows_nothing(void **state)
{
        xpm_view *view = views_open(*state);
        xpm_view_job job = job_of(XPM_JOB_DONE);
        char path[256], block[8192];
        uint64_t before, after;
        memset(block, 'x', sizeof block - 1);
        block[sizeof block - 1] = '\0';
        runs_mkdir(*state, "elsewhere");
        place_put(*state, "elsewhere/big", block);
        runs_job_file(*state, id, NULL, NULL);
        snprintf(path, sizeof path, "jobs/demo.task/%s/link", id);
        assert_int_equal(symlinkat("../../../elsewhere", ((struct place *)*state)->dir, path), 0);
        assert_int_equal(xpm_act_size(view, &job, &before, NULL), 0);
        runs_job_file(*state, id, "out", block);
        int fd = openat(((struct place *)*state)->dir, ".", O_RDONLY | O_CLOEXEC);
        syncfs(fd); /* blocks are counted once they are given */
        close(fd);
        assert_int_equal(xpm_act_size(view, &job, &after, NULL), 0);
        assert_true(after >= before + 8192);
        xpm_view_close(view);
}

static void lack_of_memory_is_an_error(void **state)
{
        if (!failing_malloc_works)
                skip();
        xpm_view *view = views_open(*state);
        xpm_view_job job = job_of(XPM_JOB_DONE);
        for (long n = 1;; n++) {
                runs_job_file(*state, id, "task.done", "");
                failing_malloc_arm(n);
                int rc = xpm_act_remove(view, &job, NULL);
                bool failed = failing_malloc_disarm();
                assert_true(rc == 0 || (failed && (rc == XPM_ENOMEM || rc == XPM_EIO)));
                if (!failed)
                        break;
        }
        xpm_view_close(view);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(a_job_is_removed_with_all_that_is_in_it),
                T(a_job_that_runs_stays),
                T(a_link_goes_as_a_link),
                T(a_task_that_is_a_link_is_refused),
                T(the_request_to_end_lasts_until_the_job_has),
                T(the_request_does_not_go_through_a_link),
                T(a_size_counts_blocks_and_follows_nothing),
                T(lack_of_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
