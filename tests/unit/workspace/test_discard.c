#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lock.h"
#include "failing_malloc.h"
#include "runs.h"
#include "workspace/discard.h"

/* Another filesystem than that of most places. */
static const char other[] = "/dev/shm";

static int discard(const struct place *place, int dir, const char *name)
{
        xpm_workspace *workspace = runs_workspace(place);
        int rc = xpm_discard(workspace, dir, name, NULL);
        xpm_workspace_close(workspace);
        return rc;
}

static int discard_job(const struct place *place, const char *name)
{
        int dir = openat(place->dir, "jobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int rc = discard(place, dir, name);
        close(dir);
        return rc;
}

static void all_goes_but_what_links_lead_to(void **state)
{
        const struct place *place = *state;
        runs_mkdir(place, "jobs/one/deep/er");
        runs_mkdir(place, "jobs/two");
        place_put(place, "jobs/two/file", "x");
        assert_int_equal(symlinkat("../../two", place->dir, "jobs/one/deep/link"), 0);
        assert_int_equal(discard_job(place, "one"), 0);
        assert_int_equal(place_count(place, "jobs"), 1);
        assert_int_equal(place_count(place, "jobs/two"), 1);
        assert_int_equal(place_count(place, ".tmp"), 0);
        assert_int_equal(discard_job(place, "one"), XPM_ENOTFOUND);
}

static int sweep(const struct place *place, bool everywhere)
{
        xpm_workspace *workspace = runs_workspace(place);
        int rc = xpm_discard_sweep(workspace, everywhere, NULL);
        xpm_workspace_close(workspace);
        return rc;
}

static void leave_some(const struct place *place)
{
        runs_mkdir(place, ".tmp/.removed-1/deep");
        runs_mkdir(place, ".tmp/other");
        runs_mkdir(place, "jobs/task/.removed-2/deep");
        runs_mkdir(place, "jobs/task/one");
        runs_mkdir(place, "experiments/e/.removed-3");
}

static void what_the_dead_left_is_removed(void **state)
{
        const struct place *place = *state;
        leave_some(place);
        assert_int_equal(sweep(place, false), 1);
        assert_int_equal(place_count(place, ".tmp"), 1);
        assert_int_equal(place_count(place, "jobs/task"), 2);
        assert_int_equal(sweep(place, true), 2);
        assert_int_equal(place_count(place, "jobs/task"), 1);
        assert_int_equal(place_count(place, "experiments/e"), 0);
        assert_int_equal(sweep(place, true), 0);
}

static void run_that_nobody_makes_any_more_is_removed(void **state)
{
        int lock;
        const struct place *place = *state;
        xpm_workspace *workspace = runs_workspace(place);
        runs_mkdir(place, ".tmp/run-0123456789abcdef/jobs");
        runs_mkdir(place, ".tmp/run-01234567"); /* of whom? */
        runs_mkdir(place, "experiments/run-0123456789abcdef");
        runs_mkdir(place, "jobs/current-0123456789abcdef");
        assert_int_equal(symlinkat("20260101_000000", place->dir, ".tmp/current-fedcba9876543210"), 0);
        assert_int_equal(xpm_discard_hold_off(workspace, &lock, NULL), 0);
        assert_int_equal(sweep(place, false), 0);
        xpm_lock_release(lock);
        assert_int_equal(sweep(place, true), 2);
        assert_int_equal(place_count(place, ".tmp"), 1);
        assert_int_equal(place_count(place, "experiments"), 1);
        assert_int_equal(place_count(place, "jobs"), 1);
        xpm_workspace_close(workspace);
}

/* The lock of one who removes something. */
static void what_the_living_remove_is_left_to_them(void **state)
{
        int fd;
        const struct place *place = *state;
        leave_some(place);
        xpm_workspace_close(runs_workspace(place));
        assert_int_equal(xpm_lock_share(place->dir, ".__experimaestro__", 0600, &fd, NULL), 0);
        assert_int_equal(sweep(place, true), 0);
        assert_int_equal(place_count(place, ".tmp"), 2);
        runs_mkdir(place, "jobs/two");
        assert_int_equal(discard_job(place, "two"), 0); /* two may remove at once */
        xpm_lock_release(fd);
        assert_int_equal(sweep(place, true), 3);
}

static void another_filesystem_is_no_obstacle(void **state)
{
        char path[64];
        struct stat here, there;
        const struct place *place = *state;
        if (fstat(place->dir, &here) != 0 || stat(other, &there) != 0 || here.st_dev == there.st_dev)
                skip();
        snprintf(path, sizeof path, "%s/xpm-test.XXXXXX", other);
        if (!mkdtemp(path))
                skip();
        int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int made = mkdirat(dir, "one", 0700) | mkdirat(dir, "one/deep", 0700) | mkdirat(dir, "two", 0700);
        int rc = discard(place, dir, "one"), missing = discard(place, dir, "one");
        int left = unlinkat(dir, "two", AT_REMOVEDIR);
        close(dir);
        int empty = rmdir(path);
        if (empty != 0)
                nftw(path, place_remove_one, 16, FTW_DEPTH | FTW_PHYS);
        assert_int_equal(made, 0);
        assert_int_equal(rc, 0);
        assert_int_equal(missing, XPM_ENOTFOUND);
        assert_int_equal(left, 0);
        assert_int_equal(empty, 0);
}

static void lack_of_memory_leaves_it_or_is_made_good(void **state)
{
        if (!failing_malloc_works)
                skip();
        const struct place *place = *state;
        xpm_workspace *workspace = runs_workspace(place);
        for (long n = 1;; n++) {
                runs_mkdir(place, "jobs/one/deep");
                int dir = openat(place->dir, "jobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                failing_malloc_arm(n);
                int rc = xpm_discard(workspace, dir, "one", NULL);
                bool failed = failing_malloc_disarm();
                close(dir);
                assert_true(rc == 0 || (failed && (rc == XPM_ENOMEM || rc == XPM_EIO)));
                if (!failed)
                        break;
        }
        assert_int_equal(place_count(place, "jobs"), 0);
        for (long n = 1;; n++) {
                runs_mkdir(place, ".tmp/.removed-1/deep");
                failing_malloc_arm(n);
                int rc = xpm_discard_sweep(workspace, true, NULL);
                bool failed = failing_malloc_disarm();
                assert_true(rc >= 0 || (failed && (rc == XPM_ENOMEM || rc == XPM_EIO)));
                if (!failed)
                        break;
        }
        assert_int_equal(place_count(place, ".tmp"), 0);
        xpm_workspace_close(workspace);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(all_goes_but_what_links_lead_to),           T(what_the_dead_left_is_removed),
                T(run_that_nobody_makes_any_more_is_removed), T(what_the_living_remove_is_left_to_them),
                T(another_filesystem_is_no_obstacle),         T(lack_of_memory_leaves_it_or_is_made_good),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
