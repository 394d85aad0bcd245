#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/submit.h"
#include "commanded.h"
#include "slurmtools.h"

static volatile sig_atomic_t leaves;
static size_t told;
static const xpm_strings no_options;

static int enter(void **state)
{
        int rc = place_enter(state);
        slurmtools_none();
        leaves = 0;
        told = 0;
        return rc;
}

static void on_job(void *data, const xpm_job *job, const xpm_job_end *end)
{
        (void)job;
        (void)end;
        *(size_t *)data += 100;
}

static void on_progress(void *data, const xpm_counts *counts)
{
        (void)counts;
        *(size_t *)data += 1;
}

static const xpm_observer shown = {&told, on_job, on_progress, 5};

/* An engine that is job 7, with its experiment. */
static xpm_engine begin(const struct place *place, struct commanded *made, xpm_experiment **experiment)
{
        static char script[160];
        *made = commanded(place);
        const xpm_experiment_options options = {.file = made->file, .workdir = made->workdir};
        assert_int_equal(xpm_experiment_open(&options, experiment, NULL), 0);
        snprintf(script, sizeof script, "%s/engine.sh", place->path);
        place_put(place, "engine.sh", "true\n");
        setenv("XPM_ENGINE", script, 1);
        setenv("SLURM_JOB_ID", "7", 1);
        return xpm_engine_find(&no_options, &leaves);
}

static void only_a_submitted_engine_is_one(void **state)
{
        (void)state;
        assert_null(xpm_engine_find(&no_options, &leaves).script);
        setenv("SLURM_JOB_ID", "7", 1);
        assert_null(xpm_engine_find(&no_options, &leaves).script);
        setenv("XPM_ENGINE", "/a/script", 1);
        assert_string_equal(xpm_engine_find(&no_options, &leaves).script, "/a/script");
        assert_int_equal(xpm_engine_find(&no_options, &leaves).self, 7);
        /* Any other hears what it would have heard. */
        xpm_engine other = {.leaves = &leaves};
        const xpm_observer observer = xpm_engine_observer(&other, NULL, &shown);
        assert_true(observer.job == on_job && observer.progress == on_progress && observer.interval == 5);
        assert_true(xpm_engine_begin(&other, NULL));
}

static xpm_engine *current;
static xpm_experiment *open_experiment;

static int do_begin(int argc, char **argv)
{
        (void)argc;
        (void)argv;
        return xpm_engine_begin(current, open_experiment);
}

static void a_later_engine_gets_all(void **state)
{
        const struct place *place = *state;
        struct commanded made;
        char body[512];
        xpm_engine engine = begin(place, &made, &open_experiment);
        current = &engine;
        static const struct {
                long job;
                bool goes_on;
        } table[] = {{7, true}, {6, true}, {8, false}};
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                snprintf(body, sizeof body, "echo '%ld|PENDING|xpm:%s:engine:e'", table[i].job, made.workdir);
                slurmtools_put(place, "squeue", body);
                struct said *said = SAY(do_begin, "begin");
                assert_int_equal(said->status, table[i].goes_on);
                assert_non_null(strstr(said->err, "the engine of 'e' is job 7"));
                assert_int_equal(strstr(said->err, "job 8 is a later engine of 'e'") != NULL, !table[i].goes_on);
        }
        /* Who cannot ask goes on. */
        slurmtools_none();
        assert_int_equal(SAY(do_begin, "begin")->status, true);
        xpm_experiment_close(open_experiment);
}

static int do_progress(int argc, char **argv)
{
        (void)argc;
        (void)argv;
        const xpm_observer observer = xpm_engine_observer(current, open_experiment, &shown);
        observer.job(observer.data, NULL, NULL);
        for (int i = 0; i < 3; i++)
                observer.progress(observer.data, NULL);
        return 0;
}

static int do_hand_over(int argc, char **argv)
{
        (void)argc;
        (void)argv;
        return xpm_engine_hand_over(current);
}

static void the_next_engine_is_submitted_once_when_the_time_is_nearly_over(void **state)
{
        const struct place *place = *state;
        struct commanded made;
        char asked[4096];
        xpm_engine engine = begin(place, &made, &open_experiment);
        current = &engine;
        slurmtools_put(place, "squeue", "");
        slurmtools_put(place, "sbatch", "echo 9");
        SAY(do_progress, "progress");
        assert_int_equal(told, 103);
        assert_null(strstr(place_get(place, "asked", asked), "sbatch"));
        leaves = 1;
        struct said *said = SAY(do_progress, "progress");
        assert_int_equal(told, 206);
        assert_int_equal(engine.next, 9);
        assert_non_null(strstr(said->err, "job 9 continues"));
        assert_int_equal(SAY(do_hand_over, "over")->status, 0);
        const char *first = strstr(place_get(place, "asked", asked), "sbatch");
        assert_non_null(first);
        assert_null(strstr(first + 1, "sbatch"));
        xpm_experiment_close(open_experiment);
}

static void what_could_not_be_submitted_is_submitted_at_the_end(void **state)
{
        const struct place *place = *state;
        struct commanded made;
        xpm_engine engine = begin(place, &made, &open_experiment);
        current = &engine;
        slurmtools_put(place, "squeue", "");
        slurmtools_put(place, "sbatch", "echo 'error: not now' >&2; exit 1");
        leaves = 1;
        struct said *said = SAY(do_progress, "progress");
        assert_non_null(strstr(said->err, "not submitted yet: 'sbatch' failed: not now"));
        assert_null(strstr(strstr(said->err, "not now") + 1, "not now"));
        slurmtools_put(place, "sbatch", "echo 9");
        assert_int_equal(SAY(do_hand_over, "over")->status, 0);
        assert_int_equal(engine.next, 9);
        /* A script that is gone will not be better next time. */
        engine.next = 0;
        assert_int_equal(unlinkat(place->dir, "engine.sh", 0), 0);
        assert_int_equal(SAY(do_hand_over, "over")->status, 3);
        xpm_experiment_close(open_experiment);
}

static void values_of_variables_are_not_written(void **state)
{
        const struct place *place = *state;
        struct commanded made = commanded(place);
        char script[4096];
        slurmtools_put(place, "squeue", "");
        slurmtools_put(place, "sbatch", "echo 9");
        struct said *said = SAY(xpm_command_run_experiment, "run-experiment", "--submit", "--workdir", made.workdir,
                                "--env", "NAME", "secret", "-c", "title=a b", made.file);
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "the engine of 'e' is Slurm's job 9\n"));
        assert_non_null(strstr(said->out, "engine.log\n"));
        assert_non_null(strstr(said->out, "scancel 9"));
        place_get(place, "ws/experiments/e/engine.sh", script);
        assert_non_null(strstr(script, " run-experiment --submit --workdir "));
        assert_non_null(strstr(script, " --env NAME \"${NAME?}\" -c 'title=a b' "));
        assert_null(strstr(script, "secret"));
}

static void without_slurm_that_is_told(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said =
                SAY(xpm_command_run_experiment, "run-experiment", "--submit", "--workdir", made.workdir, made.file);
        assert_int_equal(said->status, 3);
        assert_non_null(strstr(said->err, "is this a login node of a cluster with Slurm?"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(only_a_submitted_engine_is_one),
                T(a_later_engine_gets_all),
                T(the_next_engine_is_submitted_once_when_the_time_is_nearly_over),
                T(what_could_not_be_submitted_is_submitted_at_the_end),
                T(values_of_variables_are_not_written),
                T(without_slurm_that_is_told),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
