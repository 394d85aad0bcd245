#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "monitor/act.h"
#include "views.h"

static char ids[5][65];

static int enter(void **state)
{
        int rc = place_enter(state);
        place_put(*state, ".__experimaestro__", "");
        for (int i = 0; i < 5; i++)
                runs_job_file(*state, runs_id(ids[i], (const char[]){(char)('a' + i), '\0'}), "task.done", "");
        return rc;
}

static void put_run(const struct place *place, const char *experiment, const char *run, const char *task,
                    const char *id)
{
        char line[256];
        snprintf(line, sizeof line, "{\"job_id\": \"%s\", \"task_id\": \"%s\"}\n{\"job_id\": \"", id, task);
        views_put_run(place, experiment, run, "{}", line);
}

/* The first digits of the orphans' identifiers. */
static int orphans(const struct place *place, char found[16])
{
        xpm_view *view = views_open(place);
        xpm_view_jobs jobs = {0};
        int rc = xpm_act_orphans(view, &jobs, NULL);
        for (size_t i = 0; i < jobs.count; i++)
                found[i] = jobs.items[i].job_id[0];
        found[jobs.count] = '\0';
        xpm_view_close(view);
        return rc;
}

static void what_a_run_names_is_no_orphan_whatever_run_it_is(void **state)
{
        char found[16];
        assert_int_equal(orphans(*state, found), 0);
        assert_string_equal(found, "abcde");
        put_run(*state, "one", "20260101_000000", "demo.task", ids[0]);
        put_run(*state, "one", "20260101_000001", "demo.task", ids[1]);
        put_run(*state, "two", "20260101_000000", "Demo.Task", ids[2]);
        put_run(*state, "two", "20260101_000001", "other.task", ids[3]);
        assert_int_equal(orphans(*state, found), 0);
        assert_string_equal(found, "de");
}

static void a_link_of_a_run_names_its_job(void **state)
{
        char found[16], path[256], target[128];
        put_run(*state, "one", "20260101_000000", "demo.task", ids[0]);
        runs_mkdir(*state, "experiments/one/20260101_000000/jobs/demo.task");
        snprintf(path, sizeof path, "experiments/one/20260101_000000/jobs/demo.task/%s", ids[1]);
        snprintf(target, sizeof target, "../../../../../jobs/demo.task/%s", ids[1]);
        assert_int_equal(symlinkat(target, ((struct place *)*state)->dir, path), 0);
        assert_int_equal(orphans(*state, found), 0);
        assert_string_equal(found, "cde");
}

static void what_is_no_job_is_passed_over(void **state)
{
        char found[16];
        runs_mkdir(*state, "jobs/demo.task/.tmp.%s", ids[0]);
        runs_mkdir(*state, "jobs/demo.task/%.63s", ids[0]);
        runs_mkdir(*state, "jobs/demo.task/%sf", ids[0]);
        runs_mkdir(*state, "jobs/demo.task/figures");
        assert_int_equal(orphans(*state, found), 0);
        assert_string_equal(found, "abcde");
}

static void a_run_that_cannot_be_read_is_an_error(void **state)
{
        char found[16];
        put_run(*state, "one", "20260101_000000", "demo.task", ids[0]);
        runs_mkdir(*state, "experiments/one/20260101_000001/jobs.jsonl");
        assert_int_equal(orphans(*state, found), XPM_EIO);
        assert_string_equal(found, "");
}

static void a_link_that_leads_nowhere_is_an_error_unless_it_is_the_current_run(void **state)
{
        char found[16];
        const struct place *place = *state;
        put_run(place, "one", "20260101_000000", "demo.task", ids[0]);
        assert_int_equal(unlinkat(place->dir, "experiments/one/current", 0), 0);
        assert_int_equal(symlinkat("gone", place->dir, "experiments/one/current"), 0);
        assert_int_equal(orphans(place, found), 0);
        assert_string_equal(found, "bcde");
        assert_int_equal(symlinkat("/not/there", place->dir, "experiments/one/20260101_000001"), 0);
        assert_int_equal(orphans(place, found), XPM_EFORMAT);
        assert_string_equal(found, "");
}

/* Each could have named any of the jobs. */
static void a_damaged_list_is_an_error(void **state)
{
        static const struct {
                const char *text;
                size_t length;
        } lists[] = {
#define L(text) {text, sizeof(text) - 1}
                L("\n"),   L("{\"job_id\": \"1\"}\n"), L("{\"job_id\"\n"), L("\0\0\0\n"), L("\0\0\0"), L("{}\n{\0"),
                L("[]\n"),
#undef L
        };
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
                char found[16];
                const struct place *place = *state;
                put_run(place, "one", "20260101_000000", "demo.task", ids[0]);
                int fd = openat(place->dir, "experiments/one/20260101_000000/jobs.jsonl", O_WRONLY | O_TRUNC);
                assert_int_equal(write(fd, lists[i].text, lists[i].length), lists[i].length);
                close(fd);
                assert_int_equal(orphans(place, found), XPM_EFORMAT);
                assert_string_equal(found, "");
        }
}

static void lack_of_memory_is_an_error(void **state)
{
        if (!failing_malloc_works)
                skip();
        put_run(*state, "one", "20260101_000000", "demo.task", ids[0]);
        for (long n = 1;; n++) {
                xpm_view *view = views_open(*state);
                xpm_view_jobs jobs = {0};
                failing_malloc_arm(n);
                int rc = xpm_act_orphans(view, &jobs, NULL);
                bool failed = failing_malloc_disarm();
                assert_true((rc == 0 && jobs.count == 4) || (failed && (rc == XPM_ENOMEM || rc == XPM_EIO)));
                xpm_view_close(view);
                if (!failed)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(what_a_run_names_is_no_orphan_whatever_run_it_is),
                T(a_link_of_a_run_names_its_job),
                T(what_is_no_job_is_passed_over),
                T(a_run_that_cannot_be_read_is_an_error),
                T(a_link_that_leads_nowhere_is_an_error_unless_it_is_the_current_run),
                T(a_damaged_list_is_an_error),
                T(lack_of_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
