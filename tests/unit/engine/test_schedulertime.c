#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "engine/schedulertime.h"
#include "slurmtools.h"

static int enter(void **state)
{
        int rc = place_enter(state);
        slurmtools_none();
        unsetenv("XPM_JOB_DIR");
        return rc;
}

/* How often squeue was asked. */
static int asked(const struct place *place)
{
        char text[4096];
        int count = 0;
        place_get(place, "asked", text);
        for (const char *at = text; (at = strstr(at, "squeue ")); at++)
                count++;
        return count;
}

static void times_are_read_as_slurm_writes_them(void **state)
{
        static const struct {
                const char *text;
                int64_t seconds;
        } table[] = {
                {"2:00", 120},
                {"1:02:03", 3723},
                {"1-00:00:00", 86400},
                {"12-01:00:01\n", 12 * 86400 + 3601},
                {"infinite", -1},
                {"UNLIMITED", -1},
                {"", -1},
                {"5", -1},
                {"1-00:00", -1},
                {"1:2:3:4", -1},
                {"-1:00", -1},
                {"1:00x", -1},
                {"NOT_SET", -1},
                {"0:30 ", 30},
        };
        (void)state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
                if (xpm_scheduler_seconds(table[i].text) != table[i].seconds)
                        fail_msg("'%s': %ld", table[i].text, (long)xpm_scheduler_seconds(table[i].text));
}

static void outside_of_a_job_nobody_is_asked(void **state)
{
        slurmtools_put(*state, "squeue", "echo 1:00");
        assert_int_equal(xpm_scheduler_end(), 0);
        assert_int_equal(asked(*state), 0);
}

static void what_slurm_has_told_needs_no_question(void **state)
{
        slurmtools_put(*state, "squeue", "echo 1:00");
        setenv("SLURM_JOB_ID", "7", 1);
        setenv("SLURM_JOB_END_TIME", "1000", 1);
        assert_int_equal(xpm_scheduler_end(), 1000);
        assert_int_equal(asked(*state), 0);
}

static void a_job_asks_once(void **state)
{
        const struct place *place = *state;
        char text[4096];
        slurmtools_put(place, "squeue", "[ -z \"$SQUEUE_FORMAT\" ] && echo 1:00");
        setenv("SQUEUE_FORMAT", "%i", 1);
        setenv("SLURM_JOB_ID", "7", 1);
        setenv("XPM_JOB_DIR", place->path, 1);
        mkdirat(place->dir, ".experimaestro", 0700);
        int64_t before = time(NULL), end = xpm_scheduler_end();
        assert_true(end >= before + 60 && end <= time(NULL) + 60);
        assert_int_equal(xpm_scheduler_end(), end);
        assert_int_equal(asked(place), 1);
        assert_non_null(strstr(place_get(place, "asked", text), "--jobs 7 "));
        /* What is kept of another job, or for long, counts no more. */
        setenv("SLURM_JOB_ID", "8", 1);
        xpm_scheduler_end();
        assert_int_equal(asked(place), 2);
        place_put(place, ".experimaestro/slurm-end", "8 1000 2000\n");
        assert_true(xpm_scheduler_end() > 2000);
        assert_int_equal(asked(place), 3);
        unsetenv("SQUEUE_FORMAT");
}

static void who_has_no_directory_asks_each_time(void **state)
{
        slurmtools_put(*state, "squeue", "echo 1:00");
        setenv("SLURM_JOB_ID", "7", 1);
        assert_true(xpm_scheduler_end() > 0);
        assert_true(xpm_scheduler_end() > 0);
        assert_int_equal(asked(*state), 2);
}

static void what_slurm_does_not_tell_is_no_limit_and_kept(void **state)
{
        static const char *const bodies[] = {"echo UNLIMITED", "exit 1", "echo 5:00; exit 1"};
        const struct place *place = *state;
        mkdirat(place->dir, ".experimaestro", 0700);
        setenv("XPM_JOB_DIR", place->path, 1);
        for (int i = 0; i < 3; i++) {
                char job[8];
                snprintf(job, sizeof job, "%d", i + 1);
                setenv("SLURM_JOB_ID", job, 1);
                slurmtools_put(place, "squeue", bodies[i]);
                assert_int_equal(xpm_scheduler_end(), 0);
                assert_int_equal(xpm_scheduler_end(), 0);
                assert_int_equal(asked(place), i + 1);
        }
        slurmtools_none();
        setenv("SLURM_JOB_ID", "9", 1);
        assert_int_equal(xpm_scheduler_end(), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(times_are_read_as_slurm_writes_them),   T(outside_of_a_job_nobody_is_asked),
                T(what_slurm_has_told_needs_no_question), T(a_job_asks_once),
                T(who_has_no_directory_asks_each_time),   T(what_slurm_does_not_tell_is_no_limit_and_kept),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
