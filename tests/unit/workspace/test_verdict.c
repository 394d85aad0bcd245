#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "place.h"
#include "workspace/jobdir.h"

/* A job that ended so, whose end is then said to be a loss: what its two files tell. */
static void amend(const struct place *place, enum xpm_job_state state, char status[4096], char marker[4096])
{
        char path[128];
        const xpm_job_usage usage = {.user = 0.1, .wall = 2.5};
        xpm_jobdir job = {
                .path = path, .script = "w", .dir = -1, .lock = -1, .directory_mode = 0700, .file_mode = 0600};
        snprintf(path, sizeof path, "%s/j", place->path);
        const xpm_job_status end = {.job_id = "j",
                                    .task_id = "t",
                                    .path = path,
                                    .state = state,
                                    .failure = state == XPM_JOB_ERROR ? XPM_FAILURE_CANCELLED : XPM_FAILURE_NONE,
                                    .message = "killed by signal 15 (SIGTERM)",
                                    .code = 143,
                                    .attempt = 2,
                                    .nonce = "0123456789abcdef",
                                    .usage = &usage};
        assert_int_equal(xpm_jobdir_open(&job, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&job, NULL), 0);
        assert_int_equal(xpm_jobdir_commit(&job, &end, false, NULL), 0);
        xpm_jobdir_release(&job);
        assert_int_equal(xpm_jobdir_open(&job, false, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&job, NULL), 0);
        assert_int_equal(xpm_jobdir_amend(&job, XPM_FAILURE_LOST, NULL), 0);
        xpm_jobdir_release(&job);
        place_get(place, "j/.experimaestro/status.json", status);
        if (place_get(place, "j/w.failed", marker) != marker)
                marker[0] = '\0'; /* there is none */
}

static void a_failure_has_another_reason_and_keeps_the_rest(void **state)
{
        char status[4096], marker[4096];
        amend(*state, XPM_JOB_ERROR, status, marker);
        for (size_t i = 0; i < 2; i++) {
                const char *text = i ? marker : status;
                assert_non_null(strstr(text, "\"lost\""));
                assert_null(strstr(text, "\"cancelled\""));
                assert_non_null(strstr(text, "killed by signal 15"));
                assert_non_null(strstr(text, "143"));
        }
        assert_non_null(strstr(status, "\"0123456789abcdef\""));
        assert_non_null(strstr(status, "0.1"));
}

static void what_is_done_stays_done(void **state)
{
        char status[4096], marker[4096];
        amend(*state, XPM_JOB_DONE, status, marker);
        assert_null(strstr(status, "\"lost\""));
        assert_string_equal(marker, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_failure_has_another_reason_and_keeps_the_rest, place_enter,
                                                place_leave),
                cmocka_unit_test_setup_teardown(what_is_done_stays_done, place_enter, place_leave),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
