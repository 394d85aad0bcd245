#include "slurmed.h"

#define LIMITS                                                                                                   \
        "{\"partitions\": [{\"name\": \"p\", \"default\": true, \"up\": true, \"seconds\": 60, \"nodes\": 2}], " \
        "\"array\": 2, \"requests\": 2}\n"

static void what_is_refused_for_good_is_told_in_the_words_of_slurm(void **state)
{
        struct slurmed *slurmed = *state;
        slurmed_answer(
                slurmed, LIMITS
                "{\"error\": \"Batch job submission failed: Invalid partition name specified\", \"requests\": 1}\n");
        slurmed_submit(slurmed, 1, "--partition=none");
        slurmed_serve(slurmed, 1);
        assert_int_equal(slurmed->event[0].kind, XPM_LAUNCH_REFUSED);
        assert_non_null(strstr(slurmed->event[0].message, "Invalid partition name"));
}

static void what_is_refused_for_now_is_tried_again(void **state)
{
        struct slurmed *slurmed = *state;
        slurmed_answer(slurmed, LIMITS "{\"error\": \"Unable to contact slurm controller\", \"requests\": 1}\n"
                                       "{\"job\": 7, \"requests\": 1}\n"
                                       "{\"jobs\": [[\"7\", \"COMPLETED\", \"None\", \"\"]], \"requests\": 1}\n");
        slurmed_submit(slurmed, 1, "--x=1");
        slurmed_serve(slurmed, 1);
        assert_int_equal(slurmed->event[0].kind, XPM_LAUNCH_LEFT);
        assert_non_null(strstr(slurmed->notes, "they are kept and tried again"));
}

static void a_submission_without_an_answer_is_looked_for_before_it_is_sent_again(void **state)
{
        struct slurmed *slurmed = *state;
        char text[4096], answers[2048];
        /* It has arrived: its comment is there, under a number that nobody told. */
        slurmed_answer(slurmed, LIMITS "die\n");
        slurmed_submit(slurmed, 1, "--x=1");
        struct timespec pause = {0, 20000000};
        while (!strstr(place_get(slurmed->place, "answers.log", text), "submit")) {
                slurmed->launcher->dispatch(slurmed->instance, NULL);
                nanosleep(&pause, NULL);
        }
        char name[256] = "";
        DIR *stream = fdopendir(openat(slurmed->place->dir, "run/batches", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        for (struct dirent *entry; stream && (entry = readdir(stream));)
                if (entry->d_name[0] != '.')
                        snprintf(name, sizeof name, "%s", entry->d_name);
        closedir(stream);
        snprintf(answers, sizeof answers,
                 "{\"jobs\": [[\"99\", \"COMPLETED\", \"None\", \"xpm:%s:run/batches/%s\"]], \"requests\": 1}\n",
                 slurmed->place->path, name);
        slurmed_answer(slurmed, answers);
        slurmed_serve(slurmed, 1);
        assert_int_equal(slurmed->event[0].kind, XPM_LAUNCH_LEFT);
        assert_string_equal(place_get(slurmed->place, "answers.log", text), "partitions\nsubmit\nlist\n");
}

/* Not at once, since it may only be full for now. The half that is left comes first, the other one anew. */
static void what_a_queue_never_has_room_for_goes_in_parts(void **state)
{
#define FULL "{\"error\": \"Batch job submission failed: Resource temporarily unavailable\", \"requests\": 1}\n"
        struct slurmed *slurmed = *state;
        char text[4096];
        slurmed_answer(
                slurmed,
                "{\"partitions\": [], \"array\": 1000, \"requests\": 2}\n" FULL FULL FULL
                "{\"job\": 7, \"requests\": 1}\n"
                "{\"jobs\": [[\"7_0\", \"COMPLETED\", \"None\", \"\"], [\"7_1\", \"COMPLETED\", \"None\", \"\"]], "
                "\"requests\": 1}\n");
        for (uint64_t tag = 0; tag < 3; tag++)
                slurmed_submit(slurmed, tag, "--x=1");
        slurmed_serve(slurmed, 1);
        assert_int_equal(slurmed->event[0].kind, XPM_LAUNCH_RETURNED);
        assert_int_equal(slurmed->event[0].tag, 2);
        assert_string_equal(place_get(slurmed->place, "answers.log", text), "partitions\nsubmit\nsubmit\nsubmit\n");
        slurmed_serve(slurmed, 3);
        assert_int_equal(slurmed->accepted, 2);
        assert_int_equal(slurmed->event[2].kind, XPM_LAUNCH_LEFT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, slurmed_enter, slurmed_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_is_refused_for_good_is_told_in_the_words_of_slurm),
                TEST(what_is_refused_for_now_is_tried_again),
                TEST(what_a_queue_never_has_room_for_goes_in_parts),
                TEST(a_submission_without_an_answer_is_looked_for_before_it_is_sent_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
