#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "failing_malloc.h"
#include "place.h"
#include "workspace/status.h"

static json_t *parse(const xpm_text *text)
{
        json_t *json = json_loadb(xpm_text_string(text), text->length, 0, NULL);
        assert_non_null(json);
        return json;
}

static const char *word(const json_t *json, const char *key)
{
        const char *string = json_string_value(json_object_get(json, key));
        return string ? string : "(null)";
}

static json_int_t number(const json_t *json, const char *key)
{
        return json_integer_value(json_object_get(json, key));
}

static void write_status(const struct place *place, const char *content)
{
        xpm_mkdir_p(place->dir, ".experimaestro", 0700, NULL);
        assert_int_equal(
                xpm_file_replace(place->dir, ".experimaestro/status.json", content, strlen(content), 0600, NULL), 0);
}

static void time_is_iso_8601_with_microseconds(void **state)
{
        (void)state;
        char text[XPM_ISO_TIME_SIZE];
        setenv("TZ", "UTC", 1);
        tzset();
        xpm_iso_time(1795472370123456, text);
        assert_string_equal(text, "2026-11-23T22:19:30.123456");
        xpm_iso_time(7, text);
        assert_string_equal(text, "1970-01-01T00:00:00.000007");
}

static void every_promised_field_is_there(void **state)
{
        (void)state;
        static const char *const fields[] = {
                "job_id",         "task_id",   "path",     "state",        "failure_reason", "scheduler_state",
                "started_time",   "exit_code", "progress", "retry_count",  "resumable",      "scheduler_failure_reason",
                "process",        "attempt",   "recipe",   "run_group_id", "command",        "host",
                "submitted_time", "resources", "usage",    "attempts",     "ended_time"};
        xpm_text text = XPM_TEXT_INIT;
        const xpm_job_status status = {.job_id = "j", .state = XPM_JOB_DONE, .code = 0, .attempt = 1};
        xpm_job_status_json(&status, &text);
        json_t *json = parse(&text);
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
                assert_non_null(json_object_get(json, fields[i]));
        json_decref(json);
        xpm_text_release(&text);
}

static void failure_has_our_word_and_the_references(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        const xpm_job_status status = {.state = XPM_JOB_ERROR,
                                       .failure = XPM_FAILURE_OUTPUT,
                                       .message = "output \"x\" is missing",
                                       .code = -1,
                                       .attempt = 3};
        xpm_job_status_json(&status, &text);
        json_t *json = parse(&text);
        assert_string_equal(word(json, "state"), "error");
        assert_string_equal(word(json, "failure_reason"), "MISSING_OUTPUTS");
        assert_string_equal(word(json, "reason"), "output");
        assert_string_equal(word(json, "message"), "output \"x\" is missing");
        assert_true(json_is_null(json_object_get(json, "exit_code")));
        assert_int_equal(number(json, "attempt"), 3);
        assert_int_equal(number(json, "retry_count"), 2);
        json_decref(json);
        xpm_text_release(&text);
}

static void job_that_was_never_begun_has_no_retries(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        const xpm_job_status status = {.state = XPM_JOB_ERROR, .failure = XPM_FAILURE_DEPENDENCY, .code = -1};
        xpm_job_status_json(&status, &text);
        json_t *json = parse(&text);
        assert_int_equal(number(json, "attempt"), 0);
        assert_int_equal(number(json, "retry_count"), 0);
        json_decref(json);
        xpm_text_release(&text);
}

static void running_status_names_its_processes(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        const xpm_job_process process = {"h", "b", 10, 20, 30, 40, NULL};
        const xpm_job_status status = {.state = XPM_JOB_RUNNING, .code = -1, .attempt = 1, .process = &process};
        xpm_job_status_json(&status, &text);
        json_t *json = parse(&text), *inner = json_object_get(json, "process");
        assert_string_equal(word(inner, "type"), "local");
        assert_int_equal(number(inner, "pid"), 10);
        assert_int_equal(number(inner, "command_pid"), 20);
        assert_int_equal(number(inner, "start_time"), 30);
        json_decref(json);
        xpm_text_release(&text);
}

static void what_was_written_is_read_back(void **state)
{
        xpm_text text = XPM_TEXT_INIT;
        const xpm_job_status status = {.state = XPM_JOB_ERROR,
                                       .failure = XPM_FAILURE_PREEMPTED,
                                       .message = "why",
                                       .code = 9,
                                       .attempt = 2,
                                       .attempts = "{\"attempt\": 1}"};
        xpm_job_past past = XPM_JOB_PAST_INIT;
        xpm_job_status_json(&status, &text);
        write_status(*state, xpm_text_string(&text));
        xpm_text_release(&text);
        assert_int_equal(xpm_job_past_read(((struct place *)*state)->dir, &past, NULL), 0);
        assert_int_equal(past.state, XPM_JOB_ERROR);
        assert_int_equal(past.failure, XPM_FAILURE_PREEMPTED);
        assert_int_equal(past.code, 9);
        assert_int_equal(past.attempt, 2);
        assert_string_equal(past.message, "why");
        xpm_text_printf(&text, "[%s]", xpm_text_string(&past.attempts));
        json_t *attempts = parse(&text);
        assert_int_equal(json_array_size(attempts), 2);
        assert_int_equal(number(json_array_get(attempts, 1), "attempt"), 2);
        assert_string_equal(word(json_array_get(attempts, 1), "reason"), "preempted");
        json_decref(attempts);
        xpm_text_release(&text);
        xpm_job_past_release(&past);
}

static void attempt_without_end_is_counted_as_lost(void **state)
{
        xpm_job_past past = XPM_JOB_PAST_INIT;
        write_status(*state, "{\"state\": \"running\", \"attempt\": 4}");
        assert_int_equal(xpm_job_past_read(((struct place *)*state)->dir, &past, NULL), 0);
        assert_int_equal(past.state, XPM_JOB_RUNNING);
        assert_int_equal(past.attempt, 4);
        assert_non_null(strstr(xpm_text_string(&past.attempts), "\"lost\""));
        xpm_job_past_release(&past);
}

static void status_of_the_reference_is_understood(void **state)
{
        xpm_job_past past = XPM_JOB_PAST_INIT;
        write_status(
                *state,
                "{\"state\": \"error\", \"failure_reason\": \"TIMEOUT\", \"retry_count\": 2, \"exit_code\": null}");
        assert_int_equal(xpm_job_past_read(((struct place *)*state)->dir, &past, NULL), 0);
        assert_int_equal(past.failure, XPM_FAILURE_TIMEOUT);
        assert_int_equal(past.attempt, 3);
        assert_int_equal(past.code, -1);
        xpm_job_past_release(&past);
}

static void what_is_no_status_counts_as_none(void **state)
{
        static const char *const contents[] = {
                "", "{", "[]", "{}", "{\"state\": 3}", "{\"state\": \"flying\"}", "\"done\"", "\xff"};
        const struct place *place = *state;
        xpm_job_past past = XPM_JOB_PAST_INIT;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_job_past_read(place->dir, &past, &err), 0);
        for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
                write_status(place, contents[i]);
                assert_int_equal(xpm_job_past_read(place->dir, &past, &err), 0);
                assert_int_equal(past.state, XPM_JOB_UNSCHEDULED);
                assert_int_equal(past.attempt, 0);
                xpm_job_past_release(&past);
        }
        assert_int_equal(err.code, 0);
}

static void reading_without_memory_is_an_error(void **state)
{
        const struct place *place = *state;
        if (!failing_malloc_works)
                skip();
        write_status(place, "{\"state\": \"error\", \"attempts\": [{\"attempt\": 1}], \"attempt\": 2}");
        for (long n = 1;; n++) {
                xpm_job_past past = XPM_JOB_PAST_INIT;
                failing_malloc_arm(n);
                int rc = xpm_job_past_read(place->dir, &past, NULL);
                bool struck = failing_malloc_disarm();
                bool whole = past.state == XPM_JOB_ERROR && past.attempts.length > 0;
                xpm_job_past_release(&past);
                assert_true(rc == XPM_ENOMEM || (rc == 0 && whole));
                if (!struck)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(time_is_iso_8601_with_microseconds),      T(every_promised_field_is_there),
                T(failure_has_our_word_and_the_references), T(job_that_was_never_begun_has_no_retries),
                T(failure_has_our_word_and_the_references), T(running_status_names_its_processes),
                T(what_was_written_is_read_back),           T(attempt_without_end_is_counted_as_lost),
                T(status_of_the_reference_is_understood),   T(what_is_no_status_counts_as_none),
                T(reading_without_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
