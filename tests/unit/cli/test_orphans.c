#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lock.h"
#include "commanded.h"
#include "runs.h"

/* A job's identifier. */
#define SIXTEEN "aaaaaaaaaaaaaaaa"
#define ID SIXTEEN SIXTEEN SIXTEEN SIXTEEN

static void what_no_experiment_names_is_an_orphan(void **state)
{
        static const char id[] = ID;
        char path[256];
        struct commanded made = commanded(*state);
        snprintf(path, sizeof path, "%s/jobs/good/%s", made.workdir, id);
        assert_int_equal(mkdir(path, 0700), 0);
        struct said *said = SAY(xpm_command_orphans, "orphans", "--workdir", made.workdir);
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, id));
        assert_int_equal(access(path, F_OK), 0);
        said = SAY(xpm_command_orphans, "orphans", "--workdir", made.workdir, "--clean");
        assert_int_equal(said->status, 0);
        assert_int_not_equal(access(path, F_OK), 0);
        said = SAY(xpm_command_orphans, "orphans", "--workdir", made.workdir);
        assert_null(strstr(said->out, id));
}

static void an_orphan_that_runs_is_kept(void **state)
{
        int lock;
        const struct place *place = *state;
        struct commanded made = commanded(place);
        runs_mkdir(place, "ws/jobs/good/" ID);
        place_put(place, "ws/jobs/good/" ID "/data", "1234567890");
        assert_int_equal(xpm_lock_take(place->dir, "ws/jobs/good/" ID "/good.lock", 0600, false, &lock, NULL), 0);
        struct said *said = SAY(xpm_command_orphans, "orphans", "--clean", "--workdir", made.workdir);
        assert_int_equal(said->status, 0);
        assert_string_equal(said->out, "kept  good/" ID "  running\n");
        xpm_lock_release(lock);
        said = SAY(xpm_command_orphans, "orphans", "--size", "--clean", "--workdir", made.workdir);
        assert_non_null(strstr(said->out, "  removed  good/" ID "  unscheduled\n"));
        assert_non_null(strstr(said->out, "  in all\n"));
        said = SAY(xpm_command_orphans, "orphans", "--workdir", made.workdir);
        assert_string_equal(said->err, "no orphans\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(what_no_experiment_names_is_an_orphan),
                                           TEST(an_orphan_that_runs_is_kept)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
