#include "base/lock.h"
#include "faked.h"
#include "slurmtools.h"

static const char plan[] = "id: e\n"
                           "launcher: fake\n"
                           "tasks: {t: {command: 'true'}}\n"
                           "plan: {t: {task: t}}\n";

static const char *const none[] = {NULL};

static int enter(void **state)
{
        int rc = faked_enter(state);
        slurmtools_none();
        if (rc == 0)
                scene_open(*state, plan);
        return rc;
}

/* squeue lists LINES, in which % is the comment of the experiment's engines. */
static void put_queue(const struct scene *scene, const char *lines)
{
        char body[1024];
        size_t length = (size_t)snprintf(body, sizeof body, "echo '");
        for (; *lines; lines++)
                length += (size_t)(*lines == '%' ? snprintf(body + length, sizeof body - length, "xpm:%s:engine:e",
                                                            xpm_experiment_workspace(scene->experiment))
                                                 : snprintf(body + length, sizeof body - length, "%c", *lines));
        snprintf(body + length, sizeof body - length, "'");
        slurmtools_put(scene->place, "squeue", body);
}

static int submit(const struct scene *scene, const char *const *options, xpm_engine_job *made, xpm_error *err)
{
        const xpm_engine_command command = {"xpm run 'this one'", options};
        return xpm_experiment_submit(scene->experiment, &command, made, err);
}

static void an_engine_is_found_by_its_comment(void **state)
{
        static const struct {
                const char *lines;
                long job;
                const char *state;
        } table[] = {
                {"", 0, ""},
                {"3|RUNNING|%\n4|RUNNING|other\n5|PENDING|\n", 3, "RUNNING"},
                {"3|RUNNING|%\n17|PENDING|%\n5|PENDING|%\n", 17, "PENDING"},
                {"3|COMPLETING|%\n", 0, ""},
                {"99|RUNNING|%\n", 0, ""}, /* itself */
                {"6|RUNNING|%2\n", 0, ""},
                {"nonsense\n7\n", 0, ""},
        };
        const struct scene *scene = *state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_engine_job found;
                put_queue(scene, table[i].lines);
                assert_int_equal(xpm_experiment_find_engine(scene->experiment, 99, &found, NULL), 0);
                assert_int_equal(found.job, table[i].job);
                assert_string_equal(found.state, table[i].state);
        }
}

static void the_script_is_written_and_submitted(void **state)
{
        static const char *const options[] = {"--partition=a", "-A me", "--wckey=a \"b\"", NULL};
        const struct scene *scene = *state;
        char text[4096], line[512];
        xpm_engine_job made;
        put_queue(scene, "");
        slurmtools_put(scene->place, "sinfo", "echo 'a|5:00'");
        slurmtools_put(scene->place, "sbatch", "echo '12;cluster'");
        mode_t mask = umask(0027);
        int rc = submit(scene, options, &made, NULL);
        umask(mask);
        assert_int_equal(rc, 0);
        assert_int_equal(made.job, 12);
        place_get(scene->place, "work/experiments/e/engine.sh", text);
        static const char *const lines[] = {
                "#!/bin/sh\n",
                "\n#SBATCH --cpus-per-task=1\n",
                "\n#SBATCH --mem=1G\n",
                "\n#SBATCH --time=5:00\n",
                "\n#SBATCH --signal=B:USR1@120\n",
                "/experiments/e/engine.log\"\n",
                "\n#SBATCH --partition=a\n#SBATCH -A me\n#SBATCH --wckey=\"a \\\"b\\\"\"\n#SBATCH --comment=\"xpm:",
                ":engine:e\"\n",
                "\numask 0027\ncd ",
                "\nexec xpm run 'this one'\n"};
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
                if (!strstr(text, lines[i]))
                        fail_msg("no '%s' in %s", lines[i], text);
        const char *work = xpm_experiment_workspace(scene->experiment);
        snprintf(
                line, sizeof line,
                "\nsbatch --parsable --signal=B:USR1@120 --partition=a -A me --wckey=a \"b\" --comment=xpm:%s:engine:e "
                "%s/experiments/e/engine.sh\n",
                work, work);
        assert_non_null(strstr(place_get(scene->place, "asked", text), line));
}

static void it_asks_for_a_day_or_what_the_partition_allows(void **state)
{
        static const struct {
                const char *option, *variable, *line;
        } table[] = {
                {NULL, NULL, "--time=1:00:00\n"},
                {"-p long", NULL, "--time=1-00:00:00\n"},
                {"--partition=b,c", NULL, "--time=2:00"},
                {NULL, "c", "--time=2:00\n"},
                {"--time=77", NULL, "--time=77\n"},
                {"-t 77", NULL, "-t 77\n"},
                {"--partition=none", NULL, "--time=1-00:00:00\n"},
        };
        const struct scene *scene = *state;
        put_queue(scene, "");
        slurmtools_put(scene->place, "sbatch", "echo 12");
        slurmtools_put(scene->place, "sinfo", "echo 'a*|1:00:00'; echo 'long|infinite'; echo 'b|3:00'; echo 'c|2:00'");
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                const char *const options[] = {table[i].option, NULL};
                char text[4096];
                xpm_engine_job made;
                if (table[i].variable)
                        setenv("SBATCH_PARTITION", table[i].variable, 1);
                assert_int_equal(submit(scene, options, &made, NULL), 0);
                unsetenv("SBATCH_PARTITION");
                place_get(scene->place, "work/experiments/e/engine.sh", text);
                if (!strstr(text, table[i].line))
                        fail_msg("%zu: no '%s' in %s", i, table[i].line, text);
                const char *first = strstr(text, "--time="), *other = first ? strstr(first + 1, "--time=") : NULL;
                assert_null(other);
        }
}

static void what_goes_wrong_is_told(void **state)
{
        static const char *const bad[] = {"time=3", NULL}, *const lines[] = {"--time=3\nrm", NULL};
        const struct scene *scene = *state;
        char text[4096];
        xpm_engine_job made;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(submit(scene, none, &made, &err), XPM_ELAUNCHER);
        assert_non_null(strstr(err.message, "squeue"));
        assert_non_null(strstr(err.message, "is this a login node of a cluster with Slurm?"));
        assert_int_equal(submit(scene, bad, &made, NULL), XPM_EUSAGE);
        assert_int_equal(submit(scene, lines, &made, NULL), XPM_EUSAGE);
        put_queue(scene, "5|RUNNING|%");
        err = XPM_ERROR_NONE;
        assert_int_equal(submit(scene, none, &made, &err), XPM_ELOCKED);
        assert_non_null(strstr(err.message, "job 5 already (RUNNING)"));
        /* Nothing was written for it. */
        assert_int_equal(xpm_file_exists(AT_FDCWD, scene->work, NULL), 0);
        put_queue(scene, "");
        slurmtools_put(scene->place, "sbatch",
                       "echo 'sbatch: error: one' >&2; echo 'sbatch: error: two: three' >&2; exit 1");
        err = XPM_ERROR_NONE;
        assert_int_equal(submit(scene, none, &made, &err), XPM_ELAUNCHER);
        assert_string_equal(err.message, "'sbatch' failed: two: three");
        slurmtools_put(scene->place, "sbatch", "exit 4");
        err = XPM_ERROR_NONE;
        assert_int_equal(submit(scene, none, &made, &err), XPM_ELAUNCHER);
        assert_string_equal(err.message, "'sbatch' failed with status 4");
        slurmtools_put(scene->place, "sbatch", "echo hello");
        err = XPM_ERROR_NONE;
        assert_int_equal(submit(scene, none, &made, &err), XPM_ELAUNCHER);
        assert_non_null(strstr(err.message, "hello"));
        /* sinfo was not there, and is not needed. */
        assert_null(strstr(place_get(scene->place, "work/experiments/e/engine.sh", text), "--time"));
}

static void what_is_being_run_is_not_submitted(void **state)
{
        const struct scene *scene = *state;
        xpm_engine_job made;
        xpm_error err = XPM_ERROR_NONE;
        int lock;
        put_queue(scene, "");
        slurmtools_put(scene->place, "sbatch", "echo 9");
        assert_int_equal(submit(scene, none, &made, NULL), 0);
        assert_int_equal(
                xpm_lock_take(scene->experiment->workspace->dir, "experiments/e/lock", 0600, false, &lock, NULL), 0);
        assert_int_equal(submit(scene, none, &made, &err), XPM_ELOCKED);
        assert_non_null(strstr(err.message, "'e' is being run already"));
        xpm_lock_release(lock);
        assert_int_equal(submit(scene, none, &made, NULL), 0);
}

static void the_next_one_begins_when_this_one_has_ended_and_inherits_nothing(void **state)
{
        const struct scene *scene = *state;
        char text[4096], script[128];
        xpm_engine_job made;
        snprintf(script, sizeof script, "%s/engine.sh", scene->place->path);
        place_put(scene->place, "engine.sh", "true\n");
        put_queue(scene, "7|RUNNING|%\n3|RUNNING|%");
        slurmtools_put(scene->place, "sbatch",
                       "echo \"${SLURM_MEM_PER_NODE-no} ${SLURMD_NODENAME-no} ${XPM_ENGINE-no} $SLURM_CONF\" "
                       ">> \"${SLURM_CONF%/*}/asked\"; echo 9");
        snprintf(text, sizeof text, "%s/slurm.conf", scene->place->path);
        setenv("SLURM_CONF", text, 1);
        setenv("SLURM_JOB_ID", "7", 1);
        setenv("SLURM_MEM_PER_NODE", "50", 1);
        setenv("SLURMD_NODENAME", "n1", 1);
        setenv("XPM_ENGINE", script, 1);
        assert_int_equal(xpm_experiment_resubmit(scene->experiment, script, none, 7, &made, NULL), 0);
        assert_int_equal(made.job, 9);
        place_get(scene->place, "asked", text);
        assert_non_null(strstr(text, ":engine:e --dependency=afterany:7 "));
        assert_non_null(strstr(text, "\nno no no "));
        unsetenv("SLURM_MEM_PER_NODE");
        slurmtools_none();
}

static void there_is_one_next_one(void **state)
{
        const struct scene *scene = *state;
        char text[4096], script[128];
        xpm_engine_job made;
        snprintf(script, sizeof script, "%s/engine.sh", scene->place->path);
        put_queue(scene, "7|RUNNING|%\n8|PENDING|%");
        slurmtools_put(scene->place, "sbatch", "echo 9");
        assert_int_equal(xpm_experiment_resubmit(scene->experiment, script, none, 7, &made, NULL), XPM_EIO);
        assert_int_equal(symlinkat("e.yaml", scene->place->dir, "engine.sh"), 0);
        assert_int_equal(xpm_experiment_resubmit(scene->experiment, script, none, 7, &made, NULL), XPM_EIO);
        assert_int_equal(unlinkat(scene->place->dir, "engine.sh", 0), 0);
        place_put(scene->place, "engine.sh", "true\n");
        assert_int_equal(xpm_experiment_resubmit(scene->experiment, script, none, 7, &made, NULL), 0);
        assert_int_equal(made.job, 8);
        assert_null(strstr(place_get(scene->place, "asked", text), "sbatch"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, faked_leave)
                T(an_engine_is_found_by_its_comment),
                T(the_script_is_written_and_submitted),
                T(it_asks_for_a_day_or_what_the_partition_allows),
                T(what_goes_wrong_is_told),
                T(what_is_being_run_is_not_submitted),
                T(the_next_one_begins_when_this_one_has_ended_and_inherits_nothing),
                T(there_is_one_next_one),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
