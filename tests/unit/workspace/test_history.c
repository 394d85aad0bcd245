#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "failing_malloc.h"
#include "runs.h"
#include "workspace/history.h"

static void put_run(const struct place *place, const char *name, const char *status)
{
        char path[128], text[128];
        runs_mkdir(place, "experiments/e/%s/results/deep", name);
        snprintf(path, sizeof path, "experiments/e/%s/status.json", name);
        snprintf(text, sizeof text, "{\"version\": 1, \"status\": \"%s\"}", status);
        place_put(place, path, text);
}

static bool is_there(const struct place *place, const char *name)
{
        char path[128];
        snprintf(path, sizeof path, "experiments/e/%s", name);
        return faccessat(place->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void link_to(const struct place *place, const char *target, const char *name)
{
        char path[128];
        snprintf(path, sizeof path, "experiments/e/%s", name);
        assert_int_equal(symlinkat(target, place->dir, path), 0);
}

static int clean(const struct place *place, const char *keep, size_t max_done, size_t max_failed)
{
        xpm_workspace *workspace = runs_workspace(place);
        xpm_error err = XPM_ERROR_NONE;
        int rc = xpm_history_clean(workspace, "e", keep, max_done, max_failed, &err);
        if (rc < 0)
                print_message("%s\n", err.message);
        xpm_workspace_close(workspace);
        return rc;
}

/* Each case: runs from the oldest to the latest as `d`one (`c`ompleted is the same), `f`ailed, `r`unning, the last one
 * the present; and which of them stay. */
static void rules(void **state)
{
        static const struct {
                const char *runs, *stay;
                size_t max_done, max_failed;
        } cases[] = {
                {"dddd", "-ddd", 2, 1}, {"dddd", "dddd", 5, 1},   {"dfd", "d-d", 5, 1},   {"dff", "dff", 5, 1},
                {"dfff", "d-ff", 5, 1}, {"fdff", "-dff", 5, 1},   {"frfd", "-r-d", 5, 9}, {"rrrd", "rrrd", 0, 0},
                {"ddd", "--d", 0, 0},   {"fff", "--f", 0, 0},     {"d", "d", 0, 0},       {"dxf", "dxf", 1, 1},
                {"fffr", "--fr", 1, 1}, {"fffff", "--fff", 0, 2}, {"ccd", "-cd", 1, 1},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char name[64] = "", kept[16] = "";
                size_t count = strlen(cases[i].runs);
                for (size_t j = 0; j < count; j++) {
                        char c = cases[i].runs[j];
                        snprintf(name, sizeof name, "20260101_0000%02zu", j);
                        put_run(*state, name,
                                c == 'd'   ? "done"
                                : c == 'c' ? "completed"
                                : c == 'f' ? "failed"
                                : c == 'r' ? "running"
                                           : "odd");
                }
                int gone = clean(*state, name, cases[i].max_done, cases[i].max_failed), expected = 0;
                for (size_t j = 0; j < count; j++) {
                        snprintf(name, sizeof name, "20260101_0000%02zu", j);
                        kept[j] = is_there(*state, name) ? cases[i].runs[j] : '-';
                        expected += kept[j] == '-';
                }
                assert_string_equal(kept, cases[i].stay);
                assert_int_equal(gone, expected);
                assert_int_equal(xpm_remove_tree(((struct place *)*state)->dir, "experiments", NULL), 0);
        }
}

static void runs_of_one_second_are_ordered_by_their_number(void **state)
{
        static const char *const names[] = {"20260101_000000", "20260101_000000.2", "20260101_000000.10",
                                            "20260101_000001"};
        for (int i = 0; i < 4; i++)
                put_run(*state, names[i], "done");
        assert_int_equal(clean(*state, names[3], 1, 1), 2);
        assert_false(is_there(*state, names[0]));
        assert_false(is_there(*state, names[1]));
        assert_true(is_there(*state, names[2]));
}

static void what_a_link_leads_to_stays(void **state)
{
        for (int i = 0; i < 5; i++) {
                char name[64];
                snprintf(name, sizeof name, "20260101_00000%d", i);
                put_run(*state, name, i == 4 ? "failed" : "done");
        }
        link_to(*state, "20260101_000001", "current");
        link_to(*state, "../20260101_000002/jobs", "20260101_000004/jobs.bak");
        assert_int_equal(clean(*state, "20260101_000004", 0, 0), 2);
        assert_true(is_there(*state, "20260101_000001"));
        assert_true(is_there(*state, "20260101_000002"));
        assert_true(is_there(*state, "20260101_000004"));
}

static void links_and_files_beside_the_runs_stay(void **state)
{
        put_run(*state, "20260101_000000", "done");
        put_run(*state, "20260101_000009", "done");
        runs_mkdir(*state, "elsewhere/results");
        place_put(*state, "elsewhere/status.json", "{\"status\": \"failed\"}");
        link_to(*state, "../../elsewhere", "20260101_000001");
        link_to(*state, "../../../elsewhere", "20260101_000000/results/deep/link");
        place_put(*state, "experiments/e/lock", "");
        assert_int_equal(clean(*state, "20260101_000009", 0, 0), 1);
        assert_true(is_there(*state, "20260101_000001"));
        assert_true(is_there(*state, "lock"));
        assert_int_equal(faccessat(((struct place *)*state)->dir, "elsewhere/results", F_OK, 0), 0);
        assert_int_equal(place_count(*state, ".tmp"), 0);
}

static void a_run_that_was_left_behind_stays(void **state)
{
        put_run(*state, "20260101_000000", "failed");
        place_put(*state, "experiments/e/20260101_000000/environment.json", "{\"run\": {\"status\": \"detached\"}}");
        put_run(*state, "20260101_000001", "done");
        assert_int_equal(clean(*state, "20260101_000001", 0, 0), 0);
        assert_true(is_there(*state, "20260101_000000"));
}

static void an_experiment_that_is_not_there_is_an_error(void **state)
{
        assert_int_equal(clean(*state, NULL, 0, 0), XPM_EIO);
}

static void lack_of_memory_is_an_error_or_no_harm(void **state)
{
        if (!failing_malloc_works)
                skip();
        put_run(*state, "20260101_000009", "done");
        xpm_workspace *workspace = runs_workspace(*state);
        for (long n = 1;; n++) {
                put_run(*state, "20260101_000000", "done");
                failing_malloc_arm(n);
                int rc = xpm_history_clean(workspace, "e", "20260101_000009", 0, 0, NULL);
                bool failed = failing_malloc_disarm();
                assert_true(is_there(*state, "20260101_000009"));
                /* A file that memory is too short for says nothing, and what says nothing stays. */
                assert_true(rc == 1 || (failed && (rc == 0 || rc == XPM_ENOMEM || rc == XPM_EIO)));
                if (!failed)
                        break;
        }
        xpm_workspace_close(workspace);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(rules),
                T(runs_of_one_second_are_ordered_by_their_number),
                T(what_a_link_leads_to_stays),
                T(links_and_files_beside_the_runs_stay),
                T(a_run_that_was_left_behind_stays),
                T(an_experiment_that_is_not_there_is_an_error),
                T(lack_of_memory_is_an_error_or_no_harm),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
