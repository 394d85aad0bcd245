#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/inotify.h>

#include "base/lock.h"
#include "views.h"

/* What was shown: `o` or `e` before each piece. */
struct shown {
        const struct place *place;
        char text[512];
        int pieces, lock;
        void (*then)(struct shown *shown); /* after each piece, what the job does next */
};

static int show(void *data, int log, const char *bytes, size_t length)
{
        struct shown *shown = data;
        size_t used = strlen(shown->text);
        snprintf(shown->text + used, sizeof shown->text - used, "%c:%.*s", log ? 'e' : 'o', (int)length, bytes);
        shown->pieces++;
        if (shown->then)
                shown->then(shown);
        return 0;
}

static int read_logs(struct shown *shown, bool std, bool follow, xpm_error *err)
{
        xpm_view_job job;
        xpm_view *view = views_open(shown->place);
        assert_int_equal(xpm_view_find(view, "a", &job, NULL), 0);
        int rc = xpm_view_logs(view, &job, std, follow, &(xpm_view_sink){shown, show}, err);
        xpm_view_close(view);
        return rc;
}

static void append(const struct place *place, const char *name, const char *text)
{
        int fd = openat(place->dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static const char line[] = "{\"job_id\": \"a\", \"task_id\": \"demo.task\", \"tags\": {}, \"timestamp\": 1}\n";
static const char out[] = "jobs/demo.task/a/task.out", errors[] = "jobs/demo.task/a/task.err";

static void both_logs_are_read_or_one(void **state)
{
        struct shown both = {.place = *state}, one = {.place = *state}, followed = {.place = *state};
        place_put(*state, ".__experimaestro__", "");
        runs_job_file(*state, "a", "task.done", "");
        append(*state, out, "said\n");
        append(*state, errors, "warned\n");
        assert_int_equal(read_logs(&both, false, false, NULL), 0);
        assert_string_equal(both.text, "o:said\ne:warned\n");
        assert_int_equal(read_logs(&one, true, false, NULL), 0);
        assert_string_equal(one.text, "o:said\n");
        assert_int_equal(read_logs(&followed, false, true, NULL), 0); /* it has ended: nothing to wait for */
        assert_string_equal(followed.text, "o:said\ne:warned\n");
}

static void job_without_a_log_is_an_error(void **state)
{
        struct shown shown = {.place = *state};
        xpm_error err = XPM_ERROR_NONE;
        place_put(*state, ".__experimaestro__", "");
        runs_job_file(*state, "a", "params.json", "");
        assert_int_equal(read_logs(&shown, false, false, &err), XPM_ENOTFOUND);
        assert_string_equal(err.message, "the job 'demo.task/a' has no log: it is unscheduled");
}

/* Another process, as a thread: acts once the directory of the job was opened so often that somebody waits. */
struct later {
        const struct place *place;
        void (*then)(struct later *later);
        int notify, lock;
        pthread_t thread;
};

static void *act_later(void *data)
{
        enum { LOOKS = 4 }; /* one to find the job, two of the first time that it is looked at */
        struct later *later = data;
        _Alignas(struct inotify_event) char events[4096];
        for (int looks = 0; looks < LOOKS;) {
                ssize_t length = read(later->notify, events, sizeof events);
                for (ssize_t at = 0; at < length;) {
                        const struct inotify_event *event = (const void *)(events + at);
                        looks += event->len == 0; /* of the directory, not of a file in it */
                        at += (ssize_t)(sizeof *event + event->len);
                }
        }
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
        later->then(later);
        return NULL;
}

/* Follow a job, which THEN happens to. */
static int follow_until(struct shown *shown, struct later *later, xpm_error *err)
{
        char path[128];
        later->place = shown->place;
        snprintf(path, sizeof path, "%s/jobs/demo.task/a", shown->place->path);
        later->notify = inotify_init1(IN_CLOEXEC);
        assert_return_code(inotify_add_watch(later->notify, path, IN_OPEN), errno);
        assert_int_equal(pthread_create(&later->thread, NULL, act_later, later), 0);
        int rc = read_logs(shown, false, true, err);
        pthread_cancel(later->thread); /* nobody waited */
        pthread_join(later->thread, NULL);
        close(later->notify);
        return rc;
}

static void run_by_hand(struct later *later)
{
        append(later->place, out, "1\n");
        runs_job_file(later->place, "a", "task.done", "");
}

static void job_that_has_not_begun_is_waited_for(void **state)
{
        struct shown shown = {.place = *state};
        struct later later = {.then = run_by_hand};
        xpm_error err = XPM_ERROR_NONE;
        views_put_run(*state, "e", "20260101_000000", "{\"status\": \"done\"}", line);
        runs_job_file(*state, "a", "params.json", "");
        assert_int_equal(follow_until(&shown, &later, &err), 0);
        assert_string_equal(shown.text, "o:1\n");
}

static void end_run(struct later *later)
{
        views_put_run(later->place, "e", "20260101_000000", "{\"status\": \"failed\"}", line);
        xpm_lock_release(later->lock);
}

static void run_that_ends_without_the_job_ends_the_waiting(void **state)
{
        struct shown shown = {.place = *state};
        struct later later = {.then = end_run};
        xpm_error err = XPM_ERROR_NONE;
        views_put_run(*state, "e", "20260101_000000", "{\"status\": \"running\"}", line);
        runs_job_file(*state, "a", NULL, NULL);
        assert_int_equal(xpm_lock_take(shown.place->dir, "experiments/e/lock", 0600, false, &later.lock, NULL), 0);
        assert_int_equal(follow_until(&shown, &later, &err), XPM_ENOTFOUND);
        assert_string_equal(err.message, "the job 'demo.task/a' has no log: its run ended without it");
}

static void job_that_never_began_is_said_to_have_failed(void **state)
{
        struct shown shown = {.place = *state};
        xpm_error err = XPM_ERROR_NONE;
        place_put(*state, ".__experimaestro__", "");
        runs_job_file(*state, "a", "task.failed", "{\"reason\": \"dependency\", \"failure_status\": \"DEPENDENCY\"}");
        assert_int_equal(read_logs(&shown, false, false, &err), XPM_ENOTFOUND);
        assert_string_equal(err.message,
                            "the job 'demo.task/a' has no log: it failed before it was started (dependency)");
}

/* A new attempt renames the logs and begins others; then the job ends. */
static void go_on(struct shown *shown)
{
        const struct place *place = shown->place;
        switch (shown->pieces) {
        case 1: append(place, out, "2\n"); break;
        case 2:
                assert_int_equal(renameat(place->dir, out, place->dir, "jobs/demo.task/a/task.out.1"), 0);
                append(place, out, "3\n");
                break;
        case 3: append(place, errors, "4\n"); break;
        case 4:
                append(place, out, "5\n");
                runs_job_file(place, "a", "task.done", "");
                xpm_lock_release(shown->lock);
                break;
        default: break;
        }
}

static void job_that_runs_is_followed_to_its_end(void **state)
{
        struct shown shown = {.place = *state, .then = go_on};
        place_put(*state, ".__experimaestro__", "");
        runs_job_file(*state, "a", NULL, NULL);
        append(*state, out, "1\n");
        assert_int_equal(xpm_lock_take(shown.place->dir, "jobs/demo.task/a/task.lock", 0600, false, &shown.lock, NULL),
                         0);
        assert_int_equal(read_logs(&shown, false, true, NULL), 0);
        assert_string_equal(shown.text, "o:1\no:2\no:3\ne:4\no:5\n");
}

static void put_status(const struct place *place, const char *state)
{
        char text[64];
        snprintf(text, sizeof text, "{\"status\": \"running\", \"job_states\": {\"a\": \"%s\"}}", state);
        views_put_run(place, "e", "20260101_000000", text, line);
}

static void try_again(struct later *later)
{
        put_status(later->place, "waiting");
        assert_int_equal(renameat(later->place->dir, out, later->place->dir, "jobs/demo.task/a/task.out.1"), 0);
        append(later->place, out, "2\n");
        put_status(later->place, "error:FAILED");
        xpm_lock_release(later->lock);
}

static void attempt_that_failed_is_not_the_end_while_its_run_tries_again(void **state)
{
        struct shown shown = {.place = *state};
        struct later later = {.then = try_again};
        xpm_error err = XPM_ERROR_NONE;
        views_put_run(*state, "e", "20260101_000000", "{\"status\": \"running\", \"job_states\": {}}", line);
        runs_job_file(*state, "a", "task.failed", "{\"reason\": \"failed\"}");
        append(*state, out, "1\n");
        assert_int_equal(xpm_lock_take(shown.place->dir, "experiments/e/lock", 0600, false, &later.lock, NULL), 0);
        assert_int_equal(follow_until(&shown, &later, &err), 0);
        assert_string_equal(shown.text, "o:1\no:2\n");
}

static void failure_that_its_run_or_nobody_repeats_is_the_end(void **state)
{
        struct shown given_up = {.place = *state}, left = {.place = *state};
        int lock;
        put_status(*state, "error:FAILED");
        runs_job_file(*state, "a", "task.failed", "{\"reason\": \"failed\"}");
        append(*state, out, "1\n");
        assert_int_equal(xpm_lock_take(given_up.place->dir, "experiments/e/lock", 0600, false, &lock, NULL), 0);
        assert_int_equal(read_logs(&given_up, false, true, NULL), 0);
        assert_string_equal(given_up.text, "o:1\n");
        xpm_lock_release(lock);
        put_status(*state, "running");
        assert_int_equal(read_logs(&left, false, true, NULL), 0);
        assert_string_equal(left.text, "o:1\n");
}

static void job_in_the_queue_of_a_scheduler_is_waited_for(void **state)
{
        struct shown shown = {.place = *state};
        struct later later = {.then = run_by_hand};
        xpm_error err = XPM_ERROR_NONE;
        place_put(*state, ".__experimaestro__", "");
        runs_job_file(*state, "a", ".experimaestro/status.json",
                      "{\"state\": \"scheduled\", \"launcher\": \"slurm\", \"handle\": \"b1:0\"}");
        assert_int_equal(follow_until(&shown, &later, &err), 0);
        assert_string_equal(shown.text, "o:1\n");
}

static int refuse(void *data, int log, const char *bytes, size_t length)
{
        (void)log;
        (void)bytes;
        (void)length;
        ++*(int *)data;
        return 1;
}

static void reader_may_have_enough(void **state)
{
        int calls = 0;
        xpm_view_job job;
        place_put(*state, ".__experimaestro__", "");
        runs_job_file(*state, "a", "task.done", "");
        append(*state, out, "1\n");
        append(*state, errors, "2\n");
        xpm_view *view = views_open(*state);
        assert_int_equal(xpm_view_find(view, "a", &job, NULL), 0);
        assert_int_equal(xpm_view_logs(view, &job, false, true, &(xpm_view_sink){&calls, refuse}, NULL), 0);
        assert_int_equal(calls, 1);
        xpm_view_close(view);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(both_logs_are_read_or_one),
                T(job_without_a_log_is_an_error),
                T(job_that_has_not_begun_is_waited_for),
                T(run_that_ends_without_the_job_ends_the_waiting),
                T(job_that_never_began_is_said_to_have_failed),
                T(job_that_runs_is_followed_to_its_end),
                T(attempt_that_failed_is_not_the_end_while_its_run_tries_again),
                T(failure_that_its_run_or_nobody_repeats_is_the_end),
                T(job_in_the_queue_of_a_scheduler_is_waited_for),
                T(reader_may_have_enough),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
