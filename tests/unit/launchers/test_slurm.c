#include "slurmed.h"

#define LIMITS                                                                                                   \
        "{\"partitions\": [{\"name\": \"p\", \"default\": true, \"up\": true, \"seconds\": 60, \"nodes\": 2}], " \
        "\"array\": 2, \"requests\": 2}\n"

static void jobs_alike_go_together_as_far_as_arrays_go(void **state)
{
        struct slurmed *slurmed = *state;
        char text[4096];
        slurmed_answer(
                slurmed, LIMITS
                "{\"job\": 11, \"requests\": 1}\n{\"job\": 12, \"requests\": 1}\n{\"job\": 13, \"requests\": 1}\n"
                "{\"jobs\": [[\"11\", \"COMPLETED\", \"None\", \"\"], [\"12\", \"COMPLETED\", \"None\", \"\"], "
                "[\"13\", \"FAILED\", \"NonZeroExitCode\", \"\"], [\"11_0\", \"COMPLETED\", \"None\", \"\"], "
                "[\"11_1\", \"COMPLETED\", \"None\", \"\"], [\"12_0\", \"COMPLETED\", \"None\", \"\"], "
                "[\"12_1\", \"COMPLETED\", \"None\", \"\"], [\"13_0\", \"COMPLETED\", \"None\", \"\"], "
                "[\"13_1\", \"COMPLETED\", \"None\", \"\"]], \"requests\": 1}\n");
        for (uint64_t tag = 1; tag <= 3; tag++)
                slurmed_submit(slurmed, tag, "--mem=1M");
        slurmed_submit(slurmed, 4, "--mem=2M");
        assert_int_equal(slurmed->prepared, 4);
        slurmed_serve(slurmed, 4);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(slurmed->event[i].kind, XPM_LAUNCH_LEFT);
        assert_string_equal(place_get(slurmed->place, "answers.log", text),
                            "partitions\nsubmit\nsubmit\nsubmit\nlist\n");
        assert_int_equal(slurmed->requests, 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, slurmed_enter, slurmed_leave)

static void no_more_is_submitted_in_a_minute_than_was_said(void **state)
{
        struct slurmed *slurmed = *state;
        char text[4096];
        struct timespec now;
        slurmed->launcher->close(slurmed->instance);
        assert_int_equal(slurmed->launcher->open(&slurmed->core, "slurm",
                                                 "{\"limits\": {\"submissions_per_minute\": 1}}", &slurmed->instance,
                                                 NULL),
                         0);
        slurmed_answer(slurmed, LIMITS "{\"job\": 7, \"requests\": 1}\n"
                                       "{\"jobs\": [[\"7\", \"COMPLETED\", \"None\", \"\"]], \"requests\": 1}\n");
        slurmed_submit(slurmed, 1, "--x=1");
        slurmed_submit(slurmed, 2, "--x=2");
        slurmed_serve(slurmed, 1);
        clock_gettime(CLOCK_MONOTONIC, &now);
        assert_string_equal(place_get(slurmed->place, "answers.log", text), "partitions\nsubmit\nlist\n");
        /* The other one is what is waited for, most of a minute. */
        int64_t left = slurmed->launcher->deadline(slurmed->instance) - (int64_t)now.tv_sec * 1000;
        assert_in_range(left, 30000, 61000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(jobs_alike_go_together_as_far_as_arrays_go),
                TEST(no_more_is_submitted_in_a_minute_than_was_said),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
