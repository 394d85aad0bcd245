/* Slurm's launcher is asked, whose helper answers as the tests say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lock.h"
#include "failing_malloc.h"
#include "monitor/jobcancel.h"
#include "slurmed.h"
#include "views.h"
#include "workspace/status.h"

#define BATCH "experiments/e/run/batches/b"

static char id[65];

static int enter(void **state)
{
        char path[256];
        int rc = place_enter(state);
        const struct place *place = *state;
        place_put(place, ".__experimaestro__", "");
        place_put(place, "helper", slurmed_helper);
        snprintf(path, sizeof path, "%s/helper", place->path);
        chmod(path, 0700);
        setenv("XPM_SLURM_HELPER", path, 1);
        snprintf(path, sizeof path, "%s/answers", place->path);
        setenv("ANSWERS", path, 1);
        runs_mkdir(place, "experiments/e/run/batches");
        place_put(place, BATCH, "{}\n{}\n");
        place_put(place, BATCH ".id", "5\n");
        runs_id(id, "a");
        return rc;
}

/* The job's directory, with a status in STATE that names HANDLE with LAUNCHER. */
static xpm_view_job put_job(const struct place *place, enum xpm_job_state state, const char *launcher,
                            const char *handle)
{
        xpm_text text = XPM_TEXT_INIT;
        const xpm_job_status status = {.job_id = id,
                                       .task_id = "demo.task",
                                       .path = "/p",
                                       .state = state,
                                       .code = -1,
                                       .attempt = 3,
                                       .nonce = "0123456789abcdef",
                                       .launcher = launcher,
                                       .handle = handle,
                                       .attempts = "{\"attempt\": 1}"};
        xpm_job_status_json(&status, &text);
        runs_job_file(place, id, ".experimaestro/status.json", xpm_text_string(&text));
        xpm_text_release(&text);
        return (xpm_view_job){.task_id = "demo.task", .job_id = id, .state = state};
}

static int take_lock(const struct place *place)
{
        char path[256];
        int fd;
        snprintf(path, sizeof path, "jobs/demo.task/%s/task.lock", id);
        assert_int_equal(xpm_lock_take(place->dir, path, 0600, false, &fd, NULL), 0);
        return fd;
}

static xpm_job_past past_of(const struct place *place)
{
        char path[256];
        xpm_job_past past = XPM_JOB_PAST_INIT;
        snprintf(path, sizeof path, "jobs/demo.task/%s", id);
        int dir = openat(place->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(xpm_job_past_read(dir, &past, NULL), 0);
        close(dir);
        xpm_job_past kept = past;
        xpm_job_past_release(&past);
        kept.attempts = XPM_TEXT_INIT;
        return kept;
}

static const char *asked(const struct place *place, char text[4096])
{
        return faccessat(place->dir, "answers.log", F_OK, 0) == 0 ? place_get(place, "answers.log", text) : "";
}

struct fixture {
        xpm_view *view;
        xpm_cancel *cancel;
};

static struct fixture begin(const struct place *place)
{
        struct fixture fixture = {.view = views_open(place)};
        assert_int_equal(xpm_cancel_create(fixture.view, place->path, &fixture.cancel, NULL), 0);
        return fixture;
}

/* Until nothing is awaited. */
static int serve(const struct fixture *fixture, xpm_error *err)
{
        size_t awaited;
        int rc;
        do
                rc = xpm_cancel_serve(fixture->cancel, 1, &awaited, err);
        while (rc == 0 && awaited > 0);
        return rc;
}

static void end(struct fixture *fixture)
{
        xpm_cancel_destroy(fixture->cancel);
        xpm_view_close(fixture->view);
}

static void what_waits_is_recorded_and_cancelled(void **state)
{
        const struct place *place = *state;
        char text[4096];
        xpm_view_job job = put_job(place, XPM_JOB_SCHEDULED, "slurm", BATCH "#1");
        place_put(place, "answers", "{\"requests\": 1}\n{\"jobs\": [[\"5_1\", \"CANCELLED\", \"None\", \"\"]]}\n");
        struct fixture fixture = begin(place);
        assert_int_equal(xpm_cancel_add(fixture.cancel, &job, NULL), 0);
        xpm_job_past past = past_of(place);
        assert_int_equal(past.state, XPM_JOB_ERROR);
        assert_int_equal(past.failure, XPM_FAILURE_CANCELLED);
        assert_int_equal(past.attempt, 3);
        snprintf(text, sizeof text, "jobs/demo.task/%s/task.failed", id);
        assert_int_equal(faccessat(place->dir, text, F_OK, 0), 0);
        assert_int_equal(serve(&fixture, NULL), 0);
        assert_string_equal(asked(place, text), "cancel\nlist\n");
        assert_string_equal(xpm_cancel_heard(fixture.cancel), "");
        end(&fixture);
}

static void what_runs_is_cancelled_and_left_to_its_worker(void **state)
{
        const struct place *place = *state;
        char text[4096];
        xpm_view_job job = put_job(place, XPM_JOB_RUNNING, "slurm", BATCH "#0");
        int lock = take_lock(place);
        place_put(place, "answers", "{\"requests\": 1}\n{\"jobs\": [[\"5_0\", \"COMPLETED\", \"None\", \"\"]]}\n");
        struct fixture fixture = begin(place);
        assert_int_equal(xpm_cancel_add(fixture.cancel, &job, NULL), 0);
        assert_int_equal(xpm_cancel_add(fixture.cancel, &job, NULL), 0);
        assert_int_equal(past_of(place).state, XPM_JOB_RUNNING);
        size_t awaited = 7;
        assert_int_equal(xpm_cancel_serve(fixture.cancel, 0, &awaited, NULL), 0);
        assert_int_equal(awaited, 0);
        end(&fixture); /* what was sent is carried out */
        assert_int_equal(strncmp(asked(place, text), "cancel\n", 7), 0);
        assert_null(strstr(text + 7, "cancel"));
        xpm_lock_release(lock);
}

static void what_no_scheduler_has_is_left_alone(void **state)
{
        const struct place *place = *state;
        char text[4096];
        struct fixture fixture = begin(place);
        static const struct {
                enum xpm_job_state state;
                const char *handle;
        } cases[] = {{XPM_JOB_RUNNING, NULL},       /* a local one */
                     {XPM_JOB_RUNNING, BATCH "#1"}, /* whose worker is gone */
                     {XPM_JOB_DONE, BATCH "#1"},    /* and those that have ended */
                     {XPM_JOB_ERROR, BATCH "#1"}};
        xpm_view_job gone = {.task_id = "demo.task", .job_id = "gone", .state = XPM_JOB_SCHEDULED};
        assert_int_equal(xpm_cancel_add(fixture.cancel, &gone, NULL), 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_view_job job = put_job(place, cases[i].state, cases[i].handle ? "slurm" : NULL, cases[i].handle);
                assert_int_equal(xpm_cancel_add(fixture.cancel, &job, NULL), 0);
                assert_int_equal(past_of(place).state, cases[i].state);
        }
        size_t awaited = 7;
        assert_int_equal(xpm_cancel_serve(fixture.cancel, 0, &awaited, NULL), 0);
        assert_int_equal(awaited, 0);
        assert_string_equal(asked(place, text), "");
        end(&fixture);
}

static void a_launcher_that_cannot_cancel_is_named(void **state)
{
        const struct place *place = *state;
        xpm_error err = XPM_ERROR_NONE;
        struct fixture fixture = begin(place);
        xpm_view_job job = put_job(place, XPM_JOB_SCHEDULED, "nowhere", BATCH "#1");
        assert_int_not_equal(xpm_cancel_add(fixture.cancel, &job, &err), 0);
        assert_non_null(strstr(err.message, "nowhere"));
        assert_int_equal(past_of(place).state, XPM_JOB_ERROR);
        err = XPM_ERROR_NONE;
        job = put_job(place, XPM_JOB_SCHEDULED, "local", "x");
        assert_int_equal(xpm_cancel_add(fixture.cancel, &job, NULL), 0);
        assert_int_equal(serve(&fixture, &err), XPM_ELAUNCHER);
        assert_non_null(strstr(err.message, "local"));
        /* It is told once. */
        assert_int_equal(serve(&fixture, NULL), 0);
        end(&fixture);
}

static void what_is_not_let_go_of_is_awaited(void **state)
{
        const struct place *place = *state;
        size_t awaited = 0;
        xpm_view_job job = put_job(place, XPM_JOB_SCHEDULED, "slurm", BATCH "#1");
        place_put(place, "answers", "{\"requests\": 1}\n{\"jobs\": [[\"5_1\", \"PENDING\", \"None\", \"\"]]}\n");
        struct fixture fixture = begin(place);
        assert_int_equal(xpm_cancel_add(fixture.cancel, &job, NULL), 0);
        assert_int_equal(xpm_cancel_serve(fixture.cancel, 200, &awaited, NULL), 0);
        assert_int_equal(awaited, 1);
        end(&fixture);
}

static void without_memory_it_is_an_error(void **state)
{
        const struct place *place = *state;
        if (!failing_malloc_works)
                skip();
        bool failed = true;
        for (long n = 1; failed; n++) {
                xpm_view_job job = put_job(place, XPM_JOB_SCHEDULED, "slurm", BATCH "#1");
                char marker[256];
                snprintf(marker, sizeof marker, "jobs/demo.task/%s/task.failed", id);
                unlinkat(place->dir, marker, 0);
                struct fixture fixture = begin(place);
                xpm_error err = XPM_ERROR_NONE;
                failing_malloc_arm(n);
                int rc = xpm_cancel_add(fixture.cancel, &job, &err);
                failed = failing_malloc_disarm();
                if (failed && rc != 0)
                        assert_int_equal(err.code, XPM_ENOMEM);
                if (!failed)
                        assert_int_equal(rc, 0);
                end(&fixture);
        }
        assert_int_equal(past_of(place).state, XPM_JOB_ERROR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_waits_is_recorded_and_cancelled), TEST(what_runs_is_cancelled_and_left_to_its_worker),
                TEST(what_no_scheduler_has_is_left_alone),  TEST(a_launcher_that_cannot_cancel_is_named),
                TEST(what_is_not_let_go_of_is_awaited),     TEST(without_memory_it_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
