#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../../../launchers/slurm/helper/fields.c"

/* FIELDS of OPTIONS, separated by blanks; false: for sbatch. */
static bool fill(fields *fields_, char *options)
{
        fields_init(fields_);
        for (char *option; (option = strsep(&options, " "));)
                if (!fields_set(fields_, option))
                        return false;
        return fields_finish(fields_);
}

#define WITH(options)                          \
        char text[] = "--job-name=j " options; \
        fields fields_;                        \
        assert_true(fill(&fields_, text));     \
        const job_desc_msg_t *desc = &fields_.desc

static void texts_go_over_as_they_are(void **state)
{
        WITH("--partition=a,b --account=x --qos=q --constraint=a&b --reservation=r --licenses=l:2 --error=/e "
             "--wckey=w");
        (void)state;
        assert_string_equal(desc->name, "j");
        assert_string_equal(desc->partition, "a,b");
        assert_string_equal(desc->account, "x");
        assert_string_equal(desc->qos, "q");
        assert_string_equal(desc->features, "a&b");
        assert_string_equal(desc->reservation, "r");
        assert_string_equal(desc->licenses, "l:2");
        assert_string_equal(desc->std_err, "/e");
        assert_string_equal(desc->wckey, "w");
        assert_int_equal(desc->requeue, 0);
        fields_release(&fields_);
}

static void counts_are_derived_as_sbatch_does(void **state)
{
        static const struct {
                const char *options;
                uint32_t nodes, most, tasks, cpus;
        } table[] = {
                {"--nodes=1 --ntasks=1 --cpus-per-task=4", 1, 1, 1, 4},
                {"--nodes=2-4 --ntasks=3", 2, 3, 3, 3},
                {"--nodes=3", 3, 3, NO_VAL, 3},
                {"--nodes=2-4", 2, 4, NO_VAL, 1},
                {"--nodes=2 --ntasks-per-node=3", 2, 2, 6, 6},
                {"--ntasks-per-node=3", NO_VAL, NO_VAL, 3, 3},
                {"--ntasks=5 --cpus-per-task=2", NO_VAL, NO_VAL, 5, 10},
                {"--hold", NO_VAL, NO_VAL, NO_VAL, 1},
        };
        (void)state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                char text[128];
                fields fields_;
                snprintf(text, sizeof text, "--job-name=j %s", table[i].options);
                assert_true(fill(&fields_, text));
                assert_int_equal(fields_.desc.min_nodes, table[i].nodes);
                assert_int_equal(fields_.desc.max_nodes, table[i].most);
                assert_int_equal(fields_.desc.num_tasks, table[i].tasks);
                assert_int_equal(fields_.desc.min_cpus, table[i].cpus);
        }
}

static void times_are_rounded_up_to_minutes(void **state)
{
        static const struct {
                const char *option;
                uint32_t minutes;
        } table[] = {{"--time=30", 30},      {"--time=10:00", 10},       {"--time=10:01", 11},
                     {"--time=1:00:00", 60}, {"--time=2-3", 3060},       {"--time=2-3:04", 3064},
                     {"--time=0:01", 1},     {"--time=1-0:00:01", 1441}, {"--time=unlimited", INFINITE}};
        static const char *const others[] = {
                "--time=",   "--time=x",  "--time=1:2:3:4", "--time=-1",
                "--time=1-", "--time=1h", "--time=1:",      "--time=999999999999999999999"};
        fields fields_;
        (void)state;
        fields_init(&fields_);
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                assert_true(fields_set(&fields_, table[i].option));
                assert_int_equal(fields_.desc.time_limit, table[i].minutes);
        }
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
                assert_false(fields_set(&fields_, others[i]));
}

static void memory_is_in_megabytes(void **state)
{
        static const struct {
                const char *option;
                uint64_t size;
        } table[] = {
                {"--mem=50", 50},      {"--mem=50M", 50}, {"--mem=1025K", 2}, {"--mem=2G", 2048},
                {"--mem=1T", 1048576}, {"--mem=0", 0},    {"--mem=3g", 3072}, {"--mem-per-cpu=20", 20 | MEM_PER_CPU}};
        (void)state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                fields fields_;
                fields_init(&fields_);
                assert_true(fields_set(&fields_, table[i].option));
                assert_true(fields_.desc.pn_min_memory == table[i].size);
                /* Two of them are for sbatch to complain of. */
                assert_false(fields_set(&fields_, "--mem=1"));
        }
}

static void signals_have_names_and_numbers(void **state)
{
        static const struct {
                const char *option;
                int number, time, flags;
        } table[] = {{"--signal=B:TERM@30", SIGTERM, 30, KILL_JOB_BATCH},
                     {"--signal=USR1", SIGUSR1, 60, 0},
                     {"--signal=SIGUSR2@5", SIGUSR2, 5, 0},
                     {"--signal=RB:10@0", 10, 0, KILL_JOB_BATCH | KILL_JOB_RESV}};
        fields fields_;
        (void)state;
        fields_init(&fields_);
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                assert_true(fields_set(&fields_, table[i].option));
                assert_int_equal(fields_.desc.warn_signal, table[i].number);
                assert_int_equal(fields_.desc.warn_time, table[i].time);
                assert_int_equal(fields_.desc.warn_flags, table[i].flags);
        }
        assert_false(fields_set(&fields_, "--signal=X:TERM"));
        assert_false(fields_set(&fields_, "--signal=NONE"));
        assert_false(fields_set(&fields_, "--signal=TERM@70000"));
        assert_false(fields_set(&fields_, "--signal=@3"));
}

static void devices_say_what_they_count(void **state)
{
        WITH("--gres=gpu:a100:2,lab:1");
        (void)state;
        assert_string_equal(desc->tres_per_node, GRES "gpu:a100:2," GRES "lab:1");
        assert_false(fields_set(&fields_, "--gpus=2"));
        fields_release(&fields_);
        fields_init(&fields_);
        assert_true(fields_set(&fields_, "--gpus=a100:2"));
        assert_string_equal(fields_.desc.tres_per_job, GRES "gpu:a100:2");
        fields_release(&fields_);
        fields_init(&fields_);
        assert_false(fields_set(&fields_, "--gres=none"));
        assert_false(fields_set(&fields_, "--gres=gpu:1,,lab:1"));
        fields_release(&fields_);
}

static void flags_are_set(void **state)
{
        WITH("--exclusive=user --contiguous --requeue --nice=-5 --hold --kill-on-invalid-dep=yes");
        (void)state;
        assert_int_equal(desc->shared, JOB_SHARED_USER);
        assert_int_equal(desc->contiguous, 1);
        assert_int_equal(desc->requeue, 1);
        assert_int_equal(desc->nice, NICE_OFFSET - 5);
        assert_int_equal(desc->priority, 0);
        assert_true(desc->bitflags & KILL_INV_DEP);
}

static void what_is_not_known_is_for_sbatch(void **state)
{
        static const char *const table[] = {
                "-n2",
                "--ntasks",
                "--ntasks=0",
                "--ntasks=2x",
                "--nodes=1,3",
                "--nodes=3-2",
                "--nodes=2k",
                "--part=x",
                "--partition=",
                "--output=x",
                "--chdir=.",
                "--exclusive=x",
                "--requeue=1",
                "--mem=1X",
                "--mem=x",
                "--hint=x",
                "--mail-type=END",
                "--export=NONE",
                "--nodelist=n",
                "--gpus-per-task=1",
                "--begin=now",
                "--cpus-per-task=-1",
                "",
                "--",
        };
        fields fields_;
        (void)state;
        fields_init(&fields_);
        assert_false(fields_set(&fields_, NULL));
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
                if (fields_set(&fields_, table[i]))
                        fail_msg("'%s' is taken", table[i]);
        /* Fewer tasks than nodes, and a job without a name. */
        assert_false(fill(&fields_, (char[]){"--job-name=j --nodes=3 --ntasks=2"}));
        assert_false(fill(&fields_, (char[]){"--nodes=1"}));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(texts_go_over_as_they_are),
                cmocka_unit_test(counts_are_derived_as_sbatch_does),
                cmocka_unit_test(times_are_rounded_up_to_minutes),
                cmocka_unit_test(memory_is_in_megabytes),
                cmocka_unit_test(signals_have_names_and_numbers),
                cmocka_unit_test(devices_say_what_they_count),
                cmocka_unit_test(flags_are_set),
                cmocka_unit_test(what_is_not_known_is_for_sbatch),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
