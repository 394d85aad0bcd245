#include "slurmed.h"

#define LIMITS "{\"partitions\": [], \"array\": 1000, \"requests\": 2}\n{\"job\": 5, \"requests\": 1}\n"

static void each_element_has_its_own_fate(void **state)
{
        static const struct {
                enum xpm_launch_event_kind kind;
                const char *reason;
        } expected[] = {{XPM_LAUNCH_STARTED, ""}, {XPM_LAUNCH_LEFT, "timeout"},   {XPM_LAUNCH_LEFT, "memory"},
                        {XPM_LAUNCH_REFUSED, ""}, {XPM_LAUNCH_LEFT, "cancelled"}, {XPM_LAUNCH_LEFT, ""}};
        static const uint64_t tags[] = {0, 1, 2, 3, 0, 4};
        struct slurmed *slurmed = *state;
        slurmed_answer(
                slurmed, LIMITS
                "{\"jobs\": [[\"5_0\", \"RUNNING\", \"None\", \"\"], [\"5_1\", \"TIMEOUT\", \"TimeLimit\", \"\"], "
                "[\"5_2\", \"OUT_OF_MEMORY\", \"OutOfMemory\", \"\"], "
                "[\"5_[3]\", \"PENDING\", \"PartitionTimeLimit\", \"\"]], \"requests\": 1}\n"
                "{\"requests\": 1}\n"
                "{\"jobs\": [[\"5_0\", \"CANCELLED\", \"None\", \"\"]], \"requests\": 1}\n");
        for (uint64_t tag = 0; tag < 5; tag++)
                slurmed_submit(slurmed, tag, "--x=1");
        slurmed_serve(slurmed, 6);
        for (size_t i = 0; i < 6; i++) {
                assert_int_equal(slurmed->event[i].kind, expected[i].kind);
                assert_int_equal(slurmed->event[i].tag, tags[i]);
                assert_string_equal(slurmed->event[i].reason, expected[i].reason);
        }
        assert_non_null(strstr(slurmed->event[3].message, "PartitionTimeLimit"));
}

static void nothing_is_concluded_when_there_is_no_answer(void **state)
{
        struct slurmed *slurmed = *state;
        slurmed_answer(slurmed,
                       LIMITS "{\"error\": \"Unable to contact slurm controller\", \"requests\": 1}\ndie\n"
                              "{\"jobs\": [[\"5\", \"FAILED\", \"NonZeroExitCode\", \"\"]], \"requests\": 1}\n");
        slurmed_submit(slurmed, 3, "--x=1");
        slurmed_serve(slurmed, 1);
        assert_int_equal(slurmed->event[0].kind, XPM_LAUNCH_LEFT);
        assert_string_equal(slurmed->event[0].reason, "failed");
}

static void what_one_listing_omits_has_not_ended(void **state)
{
        struct slurmed *slurmed = *state;
        slurmed_answer(slurmed, LIMITS "{\"jobs\": [[\"5\", \"RUNNING\", \"None\", \"\"]], \"requests\": 1}\n"
                                       "{\"jobs\": [], \"requests\": 1}\n"
                                       "{\"jobs\": [[\"5\", \"RUNNING\", \"None\", \"\"]], \"requests\": 1}\n"
                                       "{\"jobs\": [], \"requests\": 1}\n"
                                       "{\"jobs\": [[\"5\", \"FAILED\", \"None\", \"\"]], \"requests\": 1}\n");
        slurmed_submit(slurmed, 3, "--x=1");
        slurmed_serve(slurmed, 2);
        assert_int_equal(slurmed->event[0].kind, XPM_LAUNCH_STARTED);
        assert_int_equal(slurmed->event[1].kind, XPM_LAUNCH_LEFT);
        assert_string_equal(slurmed->event[1].reason, "failed");
}

/* Of an element that is cancelled while it waits, Slurm keeps nothing. */
static void element_that_left_an_array_that_waits_was_cancelled(void **state)
{
        struct slurmed *slurmed = *state;
        slurmed_answer(slurmed, LIMITS "{\"jobs\": [[\"5_[0-1]\", \"PENDING\", \"None\", \"\"]], \"requests\": 1}\n"
                                       "{\"jobs\": [[\"5_[0]\", \"PENDING\", \"None\", \"\"]], \"requests\": 1}\n"
                                       "{\"jobs\": [[\"5_[0]\", \"PENDING\", \"None\", \"\"]], \"requests\": 1}\n");
        slurmed_submit(slurmed, 0, "--x=1");
        slurmed_submit(slurmed, 1, "--x=1");
        slurmed_serve(slurmed, 1);
        assert_int_equal(slurmed->event[0].tag, 1);
        assert_string_equal(slurmed->event[0].reason, "cancelled");
}

static void what_runs_in_one_line_has_not_ended_in_another(void **state)
{
        struct slurmed *slurmed = *state;
        slurmed_answer(slurmed,
                       LIMITS "{\"jobs\": [[\"5\", \"RUNNING\", \"None\", \"\"], [\"5\", \"COMPLETED\", \"None\", "
                              "\"\"], [\"6\", \"FAILED\", \"None\", \"xpm:elsewhere\"]], \"requests\": 1}\n"
                              "{\"jobs\": [[\"5\", \"TIMEOUT\", \"None\", \"\"]], \"requests\": 1}\n");
        slurmed_submit(slurmed, 3, "--x=1");
        slurmed_serve(slurmed, 2);
        assert_int_equal(slurmed->event[0].kind, XPM_LAUNCH_STARTED);
        assert_string_equal(slurmed->event[1].reason, "timeout");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, slurmed_enter, slurmed_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(each_element_has_its_own_fate),
                TEST(what_one_listing_omits_has_not_ended),
                TEST(what_runs_in_one_line_has_not_ended_in_another),
                TEST(element_that_left_an_array_that_waits_was_cancelled),
                TEST(nothing_is_concluded_when_there_is_no_answer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
