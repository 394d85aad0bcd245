#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

/* Had a process of our number died between the two steps. */
static void what_was_left_under_the_new_name_goes_too(void **state)
{
        const struct place *place = *state;
        runs_mkdir(place, "jobs/one/deep");
        runs_mkdir(place, ".tmp/.removed-%ld-one/older", (long)getpid());
        assert_int_equal(discard_job(place, "one"), 0);
        assert_int_equal(place_count(place, "jobs"), 0);
        assert_int_equal(place_count(place, ".tmp"), 0);
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
        assert_int_equal(place_count(place, ".tmp"), 0);
        xpm_workspace_close(workspace);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(all_goes_but_what_links_lead_to),
                T(what_was_left_under_the_new_name_goes_too),
                T(another_filesystem_is_no_obstacle),
                T(lack_of_memory_leaves_it_or_is_made_good),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
