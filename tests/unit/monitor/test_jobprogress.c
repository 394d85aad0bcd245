#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "views.h"

#define EVENT(time, level, progress, desc)                                                                    \
        "{\"event_type\": \"JobProgressEvent\", \"timestamp\": " time ", \"job_id\": \"\", \"level\": " level \
        ", \"progress\": " progress ", \"desc\": " desc "}\n"

static char id[65];

static void put(const struct place *place, const char *file, const char *text)
{
        char name[96];
        place_put(place, ".__experimaestro__", "");
        runs_mkdir(place, "jobs/demo.task/%s/.experimaestro/events", runs_id(id, "a"));
        snprintf(name, sizeof name, ".experimaestro/%s", file);
        runs_job_file(place, id, name, text);
}

/* `0.5 half|0.1` */
static const char *said(const struct place *place, enum xpm_job_state state, char text[256])
{
        const xpm_view_level *levels;
        size_t count, length = 0;
        xpm_view *view = views_open(place);
        xpm_view_job job = {.task_id = "demo.task", .job_id = id, .state = state};
        assert_int_equal(xpm_view_progress(view, &job, &levels, &count, NULL), 0);
        text[0] = '\0';
        for (size_t i = 0; i < count; i++)
                length += (size_t)snprintf(text + length, 256 - length, "%s%g %s", i ? "|" : "", levels[i].fraction,
                                           levels[i].description ? levels[i].description : "-");
        xpm_view_close(view);
        return text;
}

static void the_last_word_of_a_level_counts(void **state)
{
        char text[256];
        put(*state, "events/event-0.jsonl",
            EVENT("10", "0", "0.1", "\"a\"") EVENT("11", "1", "0.5", "\"b\"") EVENT("12", "1", "0.7", "null"));
        assert_string_equal(said(*state, XPM_JOB_RUNNING, text), "0.1 a|0.7 b");
        put(*state, "events/event-1.jsonl", EVENT("10", "2", "0.9", "\"a\"") EVENT("13", "0", "0.2", "null"));
        assert_string_equal(said(*state, XPM_JOB_RUNNING, text), "0.2 -");
        assert_string_equal(said(*state, XPM_JOB_DONE, text), "");
}

static void without_a_word_there_is_none(void **state)
{
        char text[256];
        put(*state, "status.json", "{}");
        assert_string_equal(said(*state, XPM_JOB_RUNNING, text), "");
}

static void what_is_no_progress_is_passed_over(void **state)
{
        char text[256];
        put(*state, "events/event-0.jsonl",
            "rubbish\n[]\n{\"event_type\": \"JobStateChangedEvent\", \"level\": 0, \"progress\": 1}\n" EVENT(
                    "1", "99999", "1", "null") EVENT("1", "-1", "1", "null")
                    EVENT("2", "0", "0.3", "\"x\"") "{\"event_type\": \"JobProgressEvent\", \"level\": 0, \"progr");
        assert_string_equal(said(*state, XPM_JOB_RUNNING, text), "0.3 x");
}

static void an_earlier_attempt_says_nothing_of_this_one(void **state)
{
        char text[256];
        put(*state, "events/event-0.jsonl", EVENT("1000000", "0", "0.9", "\"old\""));
        put(*state, "status.json", "{\"started_time\": \"2020-01-01T00:00:00.500000\"}");
        assert_string_equal(said(*state, XPM_JOB_RUNNING, text), "");
        put(*state, "events/event-0.jsonl",
            EVENT("1000000", "0", "0.9", "\"old\"") EVENT("1600000000", "0", "0.1", "\"new\""));
        assert_string_equal(said(*state, XPM_JOB_RUNNING, text), "0.1 new");
}

static void a_long_file_is_read_from_its_end(void **state)
{
        char text[256], path[256];
        put(*state, "events/event-0.jsonl", "");
        snprintf(path, sizeof path, "%s/jobs/demo.task/%s/.experimaestro/events/event-0.jsonl",
                 ((struct place *)*state)->path, id);
        FILE *file = fopen(path, "we");
        for (int i = 0; i < 2000; i++)
                fprintf(file, EVENT("%d", "0", "0.%04d", "\"many\""), i, i);
        fclose(file);
        assert_string_equal(said(*state, XPM_JOB_RUNNING, text), "0.1999 many");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(the_last_word_of_a_level_counts),    T(without_a_word_there_is_none),
                T(what_is_no_progress_is_passed_over), T(an_earlier_attempt_says_nothing_of_this_one),
                T(a_long_file_is_read_from_its_end),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
