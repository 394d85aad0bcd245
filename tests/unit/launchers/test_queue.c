#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../../../launchers/slurm/queue.c"

static void append(void *data, long index)
{
        char *text = data;
        snprintf(text + strlen(text), 128 - strlen(text), "%ld ", index);
}

static void elements_of_a_listing_are_told(void **state)
{
        static const struct {
                const char *id, *elements;
                long job;
        } table[] = {
                {"123", "-1 ", 123},
                {"123_4", "4 ", 123},
                {"9_[0-3]", "0 1 2 3 ", 9},
                {"9_[1,3-5,8%4]", "1 3 4 5 8 ", 9},
                {"9_[0-8:4]", "0 4 8 ", 9},
                {"", "", 0},
                {"x_1", "", 0},
                {"12+1", "", 0},
                {"12_[", "", 0},
                {"12_[0-99999999999999999]", "", 0},
                {"12_[-5-3]", "", 0},
                {"12_[0-9:0]", "", 0},
        };
        (void)state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                char text[128] = "";
                assert_int_equal(queue_elements(table[i].id, append, text), table[i].job);
                assert_string_equal(text, table[i].elements);
        }
}

static void states_have_a_fate(void **state)
{
        static const struct {
                const char *state, *reason;
                enum fate fate;
                const char *word;
        } table[] = {
                {"PENDING", "Priority", FATE_WAITS, NULL},
                {"PENDING", "PartitionTimeLimit", FATE_NEVER, "PartitionTimeLimit"},
                {"RUNNING", "None", FATE_RUNS, NULL},
                {"COMPLETING", "None", FATE_RUNS, NULL},
                {"COMPLETED", "None", FATE_ENDED, NULL},
                {"TIMEOUT", "TimeLimit", FATE_ENDED, "timeout"},
                {"OUT_OF_MEMORY", "OutOfMemory", FATE_ENDED, "memory"},
                {"NODE_FAIL", "None", FATE_ENDED, "lost"},
                {"CANCELLED", "None", FATE_ENDED, "cancelled"},
                {"PREEMPTED", "None", FATE_ENDED, "preempted"},
                {"SOMETHING_NEW", "None", FATE_ENDED, NULL},
                {"PENDING", NULL, FATE_WAITS, NULL},
        };
        (void)state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                const char *word;
                assert_int_equal(fate_of(table[i].state, table[i].reason, &word), table[i].fate);
                if (table[i].word)
                        assert_string_equal(word, table[i].word);
                else
                        assert_null(word);
        }
}

static void refusals_pass_or_do_not(void **state)
{
        static const struct {
                const char *words;
                bool passes, ambiguous;
        } table[] = {
                {"Batch job submission failed: Invalid partition name specified", false, false},
                {"Batch job submission failed: Requested time limit is invalid", false, false},
                {"Unable to contact slurm controller (connect failure)", true, false},
                {"Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size)",
                 true, false},
                {"Batch job submission failed: Socket timed out on send/recv operation", true, true},
                {"Unable to contact slurm controller (receive failure)", true, true},
                {"Batch job submission failed: Received zero length message", true, true},
                {"Batch job submission failed: Requested partition configuration not available now", true, false},
                {"Batch job submission failed: Resource temporarily unavailable", true, false},
                {"Batch job submission failed: Protocol authentication error", true, false},
                {"Batch job submission failed: Requested node configuration is not available", false, false},
                {"'sbatch' was killed by signal 9", true, true},
                {"no answer", true, true},
        };
        (void)state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                bool ambiguous;
                assert_int_equal(refusal_passes(table[i].words, &ambiguous), table[i].passes);
                assert_int_equal(ambiguous, table[i].ambiguous);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(elements_of_a_listing_are_told),
                cmocka_unit_test(states_have_a_fate),
                cmocka_unit_test(refusals_pass_or_do_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
