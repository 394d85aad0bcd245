#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/file.h"
#include "failing_malloc.h"
#include "runs.h"
#include "workspace/folder.h"
#include "workspace/probe.h"

/* A workspace with two other folders; `a` is done in the second one, `b` failed in the first. */
struct fixture {
        struct place *place;
        xpm_workspace *workspace;
        char first[128], second[128];
        const char *folders[3];
};

static int enter(void **state)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        if (place_enter((void **)&fixture->place) != 0)
                return -1;
        const struct place *place = fixture->place;
        char path[128];
        runs_mkdir(place, "one/jobs/demo.task/b");
        runs_mkdir(place, "two/jobs/demo.task/a");
        place_put(place, "one/jobs/demo.task/b/task.failed", "1");
        place_put(place, "two/jobs/demo.task/a/task.done", "");
        snprintf(fixture->first, sizeof fixture->first, "%s/one", place->path);
        snprintf(fixture->second, sizeof fixture->second, "%s/two", place->path);
        fixture->folders[0] = fixture->first;
        fixture->folders[1] = fixture->second;
        snprintf(path, sizeof path, "%s/w", place->path);
        if (xpm_workspace_open(path, true, false, &fixture->workspace, NULL) != 0)
                return -1;
        fixture->workspace->folders = fixture->folders;
        *state = fixture;
        return 0;
}

static int leave(void **state)
{
        struct fixture *fixture = *state;
        void *place = fixture->place;
        xpm_workspace_close(fixture->workspace);
        free(fixture);
        return place_leave(&place);
}

static const char *link_of(const struct fixture *fixture, char buffer[256])
{
        ssize_t length = readlinkat(fixture->place->dir, "w/jobs/demo.task/a", buffer, 255);
        buffer[length > 0 ? length : 0] = '\0';
        return buffer;
}

static enum xpm_job_state probe(const struct fixture *fixture, const char *job)
{
        xpm_probe found;
        assert_int_equal(xpm_probe_job(fixture->workspace, "demo.task", "task", job, true, &found, NULL), 0);
        return found.state;
}

static void job_that_is_done_elsewhere_is_done(void **state)
{
        const struct fixture *fixture = *state;
        assert_string_equal(xpm_folder_find(fixture->workspace, "demo.task", "task", "a"), fixture->second);
        assert_null(xpm_folder_find(fixture->workspace, "demo.task", "task", "b"));
        assert_int_equal(probe(fixture, "a"), XPM_JOB_DONE);
        assert_int_equal(probe(fixture, "b"), XPM_JOB_UNSCHEDULED);
        assert_int_equal(place_count(fixture->place, "w"), 1); /* looking has made nothing */
        fixture->workspace->folders = NULL;
        assert_int_equal(probe(fixture, "a"), XPM_JOB_UNSCHEDULED);
}

static void run_adopts_it(void **state)
{
        const struct fixture *fixture = *state;
        char target[256], expected[256];
        xpm_run *run = runs_begin(fixture->workspace, "e");
        runs_add(run, "a", "{}", XPM_JOB_DONE);
        runs_add(run, "b", "{}", XPM_JOB_WAITING);
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        snprintf(expected, sizeof expected, "%s/jobs/demo.task/a", fixture->second);
        assert_string_equal(link_of(fixture, target), expected);
        fixture->workspace->folders = NULL;
        assert_int_equal(probe(fixture, "a"), XPM_JOB_DONE);
        assert_int_equal(place_count(fixture->place, "w/jobs/demo.task"), 1);
}

static void directory_of_its_own_is_kept(void **state)
{
        const struct fixture *fixture = *state;
        char target[256];
        runs_mkdir(fixture->place, "w/jobs/demo.task/a");
        assert_int_equal(xpm_folder_adopt(fixture->workspace, "demo.task", "task", "a", NULL), 0);
        assert_string_equal(link_of(fixture, target), "");
        assert_int_equal(xpm_folder_leave(fixture->workspace, "demo.task", "a", NULL), 0);
        assert_int_equal(place_count(fixture->place, "w/jobs/demo.task"), 1);
}

static void link_gives_way_to_another_attempt(void **state)
{
        const struct fixture *fixture = *state;
        assert_int_equal(xpm_folder_leave(fixture->workspace, "demo.task", "a", NULL), 0);
        assert_int_equal(xpm_folder_adopt(fixture->workspace, "demo.task", "task", "a", NULL), 0);
        assert_int_equal(xpm_folder_leave(fixture->workspace, "demo.task", "a", NULL), 0);
        assert_int_equal(place_count(fixture->place, "w/jobs/demo.task"), 0);
        assert_int_equal(place_count(fixture->place, "two/jobs/demo.task/a"), 1);
}

static void lack_of_memory_is_an_error(void **state)
{
        const struct fixture *fixture = *state;
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                failing_malloc_arm(n);
                int rc = xpm_folder_adopt(fixture->workspace, "demo.task", "task", "a", NULL);
                if (rc == 0)
                        rc = xpm_folder_leave(fixture->workspace, "demo.task", "a", NULL);
                bool failed = failing_malloc_disarm();
                assert_true(rc == 0 || (failed && rc == XPM_ENOMEM));
                if (!failed)
                        break;
        }
}

static void link_to_what_was_cleaned_gives_way(void **state)
{
        const struct fixture *fixture = *state;
        char buffer[256];
        assert_int_equal(xpm_folder_adopt(fixture->workspace, "demo.task", "task", "a", NULL), 0);
        /* It is not there: perhaps it is not mounted. */
        assert_int_equal(renameat(fixture->place->dir, "two", fixture->place->dir, "away"), 0);
        assert_int_equal(xpm_folder_forsake(fixture->workspace, "demo.task", "a", NULL), 0);
        assert_string_not_equal(link_of(fixture, buffer), "");
        assert_int_equal(renameat(fixture->place->dir, "away", fixture->place->dir, "two"), 0);
        assert_int_equal(xpm_remove_tree(fixture->place->dir, "two/jobs/demo.task/a", NULL), 0);
        assert_int_equal(xpm_folder_forsake(fixture->workspace, "demo.task", "a", NULL), 0);
        assert_string_equal(link_of(fixture, buffer), "");
        /* Somebody's own arrangement stays. */
        assert_int_equal(symlinkat("/elsewhere", fixture->place->dir, "w/jobs/demo.task/a"), 0);
        assert_int_equal(xpm_folder_forsake(fixture->workspace, "demo.task", "a", NULL), 0);
        assert_string_equal(link_of(fixture, buffer), "/elsewhere");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(job_that_is_done_elsewhere_is_done), T(run_adopts_it),
                T(directory_of_its_own_is_kept),       T(link_gives_way_to_another_attempt),
                T(link_to_what_was_cleaned_gives_way), T(lack_of_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
