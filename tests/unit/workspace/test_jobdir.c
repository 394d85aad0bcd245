#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/file.h"
#include "place.h"
#include "workspace/jobdir.h"

/* A job's directory in the test's place, opened and locked. */
struct fixture {
        char path[128];
        xpm_jobdir job;
};

static void reopen(struct fixture *fixture)
{
        xpm_jobdir_release(&fixture->job);
        assert_int_equal(xpm_jobdir_open(&fixture->job, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&fixture->job, NULL), 0);
}

static struct fixture enter(void **state)
{
        const struct place *place = *state;
        struct fixture fixture = {.job = XPM_JOBDIR_INIT};
        snprintf(fixture.path, sizeof fixture.path, "%s/a \n/jobs/t/j", place->path);
        fixture.job.script = "w";
        fixture.job.directory_mode = 0700;
        fixture.job.file_mode = 0600;
        return fixture;
}

#define ENTER()                                \
        struct fixture fixture = enter(state); \
        xpm_jobdir *const job = &fixture.job;  \
        job->path = fixture.path;              \
        reopen(&fixture)

static bool has(const xpm_jobdir *job, const char *name)
{
        return faccessat(job->dir, name, F_OK, 0) == 0;
}

static void put(const xpm_jobdir *job, const char *name, const char *content)
{
        assert_int_equal(xpm_file_write(job->dir, name, content, strlen(content), 0600, NULL), 0);
}

static void assert_holds(const xpm_jobdir *job, const char *name, const char *content)
{
        xpm_text text = XPM_TEXT_INIT;
        assert_int_equal(xpm_file_read(job->dir, name, 0, &text, NULL), 0);
        assert_string_equal(xpm_text_string(&text), content);
        xpm_text_release(&text);
}

static const xpm_job_status done = {.state = XPM_JOB_DONE, .code = 0, .attempt = 1};
static const xpm_job_status running = {.state = XPM_JOB_RUNNING, .code = -1, .attempt = 2};
static const xpm_job_status failed = {
        .state = XPM_JOB_ERROR, .failure = XPM_FAILURE_FAILED, .message = "exit status 3", .code = 3, .attempt = 1};

static void first_to_come_makes_the_directory(void **state)
{
        ENTER();
        assert_true(job->fresh);
        assert_true(has(job, ".experimaestro"));
        assert_true(has(job, "w.lock"));
        reopen(&fixture);
        assert_false(job->fresh);
        xpm_jobdir_release(job);
}

static void directory_that_is_not_there_is_not_made_without_create(void **state)
{
        struct fixture fixture = enter(state);
        xpm_error err = XPM_ERROR_NONE;
        fixture.job.path = fixture.path;
        assert_int_equal(xpm_jobdir_open(&fixture.job, false, &err), XPM_ENOTFOUND);
        assert_non_null(strstr(err.message, fixture.path));
        xpm_jobdir_release(&fixture.job);
}

static void lock_that_is_held_is_refused(void **state)
{
        ENTER();
        xpm_jobdir other = *job;
        xpm_error err = XPM_ERROR_NONE;
        other.dir = other.lock = -1;
        assert_int_equal(xpm_jobdir_open(&other, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&other, &err), XPM_ELOCKED);
        assert_non_null(strstr(err.message, job->path));
        xpm_jobdir_release(job);
        assert_int_equal(xpm_jobdir_lock(&other, NULL), 0);
        xpm_jobdir_release(&other);
}

/* An attempt without an end whose worker, on HOST, gave its last sign of life AGE seconds ago. */
static int leave_attempt(struct fixture *fixture, const char *host, long age)
{
        const xpm_job_process process = {host, xpm_boot_id(), 1, 2, 3, 4, "beats/h-1"};
        xpm_job_status status = running;
        status.nonce = "0123456789abcdef";
        status.process = &process;
        assert_int_equal(xpm_jobdir_announce(&fixture->job, &status, NULL), 0);
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
        clock_gettime(CLOCK_REALTIME, &times[1]);
        times[1].tv_sec -= age;
        int workspace = openat(fixture->job.dir, "../../..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(mkdirat(workspace, "beats", 0700) == 0 || errno == EEXIST);
        assert_int_equal(xpm_file_write(workspace, "beats/h-1", "", 0, 0600, NULL), 0);
        assert_int_equal(utimensat(workspace, "beats/h-1", times, 0), 0);
        close(workspace);
        return dup(fixture->job.lock);
}

static int lock_again(struct fixture *fixture, xpm_error *err)
{
        xpm_jobdir_release(&fixture->job);
        assert_int_equal(xpm_jobdir_open(&fixture->job, true, NULL), 0);
        return xpm_jobdir_lock(&fixture->job, err);
}

static void lock_of_a_worker_that_gives_signs_of_life_is_refused_also_when_it_is_free(void **state)
{
        ENTER();
        xpm_error err = XPM_ERROR_NONE;
        close(leave_attempt(&fixture, "far", 0));
        assert_int_equal(lock_again(&fixture, &err), XPM_ELOCKED);
        assert_non_null(strstr(err.message, "far"));
        assert_int_equal(job->lock, -1);
        /* On this host the lock alone tells. */
        char here[65] = "";
        gethostname(here, sizeof here - 1);
        close(leave_attempt(&fixture, here, 0));
        assert_int_equal(lock_again(&fixture, NULL), 0);
        xpm_jobdir_release(job);
}

static void lock_of_a_silent_worker_is_put_aside_once(void **state)
{
        ENTER();
        int held = leave_attempt(&fixture, "far", 1000);
        /* Release would free the lock for all. */
        close(job->lock);
        job->lock = -1;
        assert_int_equal(lock_again(&fixture, NULL), 0);
        assert_true(has(job, "w.lock.0123456789abcdef"));
        xpm_jobdir other = *job;
        other.dir = other.lock = -1;
        assert_int_equal(xpm_jobdir_open(&other, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&other, NULL), XPM_ELOCKED);
        xpm_jobdir_release(&other);
        xpm_job_status next = running;
        next.nonce = "fedcba9876543210";
        assert_int_equal(xpm_jobdir_begin(job, &next, NULL, 0, NULL), 0);
        assert_false(has(job, "w.lock.0123456789abcdef"));
        assert_false(has(job, "w.pid"));
        close(held);
        xpm_jobdir_release(job);
}

static void lock_that_is_held_on_this_host_is_never_put_aside(void **state)
{
        ENTER();
        char here[65] = "";
        gethostname(here, sizeof here - 1);
        int held = leave_attempt(&fixture, here, 1000);
        close(job->lock);
        job->lock = -1;
        assert_int_equal(lock_again(&fixture, NULL), XPM_ELOCKED);
        assert_false(has(job, "w.lock.0123456789abcdef"));
        close(held);
        xpm_jobdir_release(job);
}

static void content_that_is_the_same_is_left_alone(void **state)
{
        struct stat before, after;
        ENTER();
        assert_int_equal(xpm_jobdir_content(job, "deep/er/x", "abc", 3, NULL), 0);
        assert_holds(job, "deep/er/x", "abc");
        reopen(&fixture);
        assert_int_equal(fstatat(job->dir, "deep/er/x", &before, 0), 0);
        assert_int_equal(xpm_jobdir_content(job, "deep/er/x", "abc", 3, NULL), 0);
        assert_int_equal(fstatat(job->dir, "deep/er/x", &after, 0), 0);
        assert_true(before.st_ino == after.st_ino && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
        assert_int_equal(xpm_jobdir_content(job, "deep/er/x", "abd", 3, NULL), 0);
        assert_int_equal(fstatat(job->dir, "deep/er/x", &after, 0), 0);
        assert_true(before.st_ino != after.st_ino);
        assert_holds(job, "deep/er/x", "abd");
        xpm_jobdir_release(job);
}

static void success_is_status_then_marker(void **state)
{
        ENTER();
        assert_int_equal(xpm_jobdir_commit(job, &done, false, NULL), 0);
        assert_holds(job, "w.done", "");
        assert_false(has(job, "w.failed"));
        xpm_job_past past = XPM_JOB_PAST_INIT;
        assert_int_equal(xpm_job_past_read(job->dir, &past, NULL), 0);
        assert_int_equal(past.state, XPM_JOB_DONE);
        xpm_job_past_release(&past);
        xpm_jobdir_release(job);
}

static void command_may_have_removed_all_that_it_found(void **state)
{
        ENTER();
        assert_int_equal(unlinkat(job->dir, ".experimaestro", AT_REMOVEDIR), 0);
        assert_int_equal(xpm_jobdir_commit(job, &done, false, NULL), 0);
        assert_holds(job, "w.done", "");
        assert_true(has(job, ".experimaestro/status.json"));
        xpm_jobdir_release(job);
}

static void failure_says_code_reason_and_message(void **state)
{
        ENTER();
        assert_int_equal(xpm_jobdir_commit(job, &failed, false, NULL), 0);
        assert_holds(job, "w.failed",
                     "{\"code\": 3, \"reason\": \"failed\", \"failure_status\": \"FAILED\", \"message\": \"exit status "
                     "3\"}");
        assert_false(has(job, "w.done"));
        xpm_jobdir_release(job);
}

static void no_marker_without_a_committed_status(void **state)
{
        ENTER();
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(unlinkat(job->dir, ".experimaestro", AT_REMOVEDIR), 0);
        put(job, ".experimaestro", "in the way");
        assert_int_equal(xpm_jobdir_commit(job, &done, false, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "status.json"));
        assert_non_null(strstr(err.message, job->path));
        assert_false(has(job, "w.done"));
        xpm_jobdir_release(job);
}

static void pid_file_is_there_only_while_it_runs(void **state)
{
        const xpm_job_process process = {"host", "boot", 1, 2, 3, 4, NULL};
        xpm_job_status lasting = running;
        ENTER();
        lasting.process = &process;
        assert_int_equal(xpm_jobdir_announce(job, &lasting, NULL), 0);
        assert_holds(job, "w.pid",
                     "{\"type\": \"local\", \"pid\": 1, \"host\": \"host\", \"start_time\": 3, \"command_pid\": 2, "
                     "\"command_start\": 4, \"boot_id\": \"boot\"}");
        xpm_text text = XPM_TEXT_INIT;
        assert_int_equal(xpm_file_read(job->dir, "w.lock", 0, &text, NULL), 0);
        assert_non_null(strstr(xpm_text_string(&text), "attempt 2"));
        xpm_text_release(&text);
        put(job, "w.failed", "{}"); /* by somebody who took it for dead */
        assert_int_equal(xpm_jobdir_commit(job, &done, true, NULL), 0);
        assert_false(has(job, "w.pid"));
        assert_false(has(job, "w.failed"));
        xpm_jobdir_release(job);
}

/* Each row is a directory as a death at some instant, or another program, may leave it. */
static void past_is_told_by_status_and_markers(void **state)
{
        static const struct {
                const char *name;
                const xpm_job_status *status;
                bool done_marker, failed_marker;
                enum xpm_job_state state;
                bool done_after, failed_after;
        } rows[] = {
                {"nothing", NULL, false, false, XPM_JOB_UNSCHEDULED, false, false},
                {"died while it ran", &running, false, false, XPM_JOB_RUNNING, false, false},
                {"died before the marker of a success", &done, false, false, XPM_JOB_DONE, true, false},
                {"died before the marker of a failure", &failed, false, false, XPM_JOB_ERROR, false, true},
                {"success", &done, true, false, XPM_JOB_DONE, true, false},
                {"failure", &failed, false, true, XPM_JOB_ERROR, false, true},
                {"two markers, success committed", &done, true, true, XPM_JOB_DONE, true, true},
                {"two markers, failure committed", &failed, true, true, XPM_JOB_ERROR, true, true},
                {"marker beats a status that is no end", &running, true, false, XPM_JOB_DONE, true, false},
                {"failed marker beats a status that is no end", &running, false, true, XPM_JOB_ERROR, false, true},
                {"marker of a program without status", NULL, true, false, XPM_JOB_DONE, true, false},
                {"failed marker of a program without status", NULL, false, true, XPM_JOB_ERROR, false, true},
                {"success committed, a failed marker that was another's", &done, false, true, XPM_JOB_DONE, true, true},
        };
        ENTER();
        reopen(&fixture);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                xpm_job_past past = XPM_JOB_PAST_INIT;
                unlinkat(job->dir, "w.done", 0);
                unlinkat(job->dir, "w.failed", 0);
                unlinkat(job->dir, ".experimaestro/status.json", 0);
                if (rows[i].status) {
                        xpm_text text = XPM_TEXT_INIT;
                        xpm_job_status_json(rows[i].status, &text);
                        put(job, ".experimaestro/status.json", xpm_text_string(&text));
                        xpm_text_release(&text);
                }
                if (rows[i].done_marker)
                        put(job, "w.done", "");
                if (rows[i].failed_marker)
                        put(job, "w.failed", "{}");
                if (xpm_jobdir_past(job, &past, NULL) != 0 || past.state != rows[i].state ||
                    has(job, "w.done") != rows[i].done_after || has(job, "w.failed") != rows[i].failed_after)
                        fail_msg("%s", rows[i].name);
                xpm_job_past_release(&past);
        }
        xpm_jobdir_release(job);
}

static void another_attempt_removes_marker_and_outputs(void **state)
{
        static const char *const outputs[] = {"out.txt", "tree"};
        ENTER();
        assert_int_equal(xpm_jobdir_commit(job, &failed, false, NULL), 0);
        put(job, "out.txt", "old");
        put(job, "other.txt", "kept");
        assert_int_equal(mkdirat(job->dir, "tree", 0700), 0);
        put(job, "tree/leaf", "old");
        assert_int_equal(xpm_jobdir_begin(job, &running, outputs, 2, NULL), 0);
        assert_false(has(job, "w.failed"));
        assert_false(has(job, "out.txt"));
        assert_false(has(job, "tree"));
        assert_true(has(job, "other.txt"));
        xpm_job_past past = XPM_JOB_PAST_INIT;
        assert_int_equal(xpm_jobdir_past(job, &past, NULL), 0);
        assert_int_equal(past.state, XPM_JOB_RUNNING);
        xpm_job_past_release(&past);
        xpm_jobdir_release(job);
}

static void logs_of_earlier_tries_are_kept_under_numbers(void **state)
{
        int logs[2];
        ENTER();
        for (uint32_t attempt = 1; attempt <= 3; attempt++) {
                assert_int_equal(xpm_jobdir_logs(job, attempt - 1, logs, NULL), 0);
                dprintf(logs[0], "out of %u", attempt);
                dprintf(logs[1], "err of %u", attempt);
                close(logs[0]);
                close(logs[1]);
                reopen(&fixture);
        }
        assert_holds(job, "w.out", "out of 3");
        assert_holds(job, "w.out.2", "out of 2");
        assert_holds(job, "w.err.1", "err of 1");
        /* A number that is taken is passed over. */
        assert_int_equal(xpm_jobdir_logs(job, 1, logs, NULL), 0);
        close(logs[0]);
        close(logs[1]);
        assert_holds(job, "w.out.3", "out of 3");
        xpm_jobdir_release(job);
}

static void names_longer_than_a_file_name_are_cut(void **state)
{
        (void)state;
        char script[400];
        xpm_jobdir_name name;
        memset(script, 'x', sizeof script - 1);
        script[sizeof script - 1] = '\0';
        xpm_jobdir job = {.script = script};
        xpm_jobdir_file(&job, "failed", name);
        assert_int_equal(strlen(name), NAME_MAX);
        assert_string_equal(name + NAME_MAX - 7, ".failed");
}

/* Somebody had its lock between the two. */
static void a_directory_that_went_before_it_was_locked_is_made_again(void **state)
{
        ENTER();
        char away[256];
        snprintf(away, sizeof away, "%s.away", fixture.path);
        xpm_jobdir_release(job);
        assert_int_equal(xpm_jobdir_open(job, true, NULL), 0);
        assert_int_equal(rename(fixture.path, away), 0);
        assert_int_equal(xpm_jobdir_lock(job, NULL), 0);
        assert_true(job->fresh);
        assert_int_equal(access(fixture.path, F_OK), 0);
        xpm_jobdir_release(job);

        assert_int_equal(xpm_jobdir_open(job, false, NULL), 0);
        assert_int_equal(xpm_remove_tree(AT_FDCWD, fixture.path, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(job, NULL), XPM_ENOTFOUND);
        assert_int_equal(access(fixture.path, F_OK), -1);
        xpm_jobdir_release(job);
}

static void what_is_doubted_is_as_done_as_it_was_once_nobody_has_the_lock(void **state)
{
        static const xpm_job_status *const ends[] = {NULL, &done};
        for (int i = 0; i < 2; i++) {
                ENTER();
                if (ends[i])
                        assert_int_equal(xpm_jobdir_commit(job, ends[i], false, NULL), 0);
                else
                        put(job, "w.done", "");
                assert_int_equal(xpm_jobdir_doubt(job, NULL), 0);
                assert_true(has(job, "w.failed") && has(job, "w.done"));
                reopen(&fixture);
                xpm_job_past past = XPM_JOB_PAST_INIT;
                assert_int_equal(xpm_jobdir_past(job, &past, NULL), 0);
                assert_int_equal(past.state, XPM_JOB_DONE);
                xpm_job_past_release(&past);
                assert_int_equal(xpm_jobdir_trust(job, NULL), 0);
                assert_true(!has(job, "w.failed") && has(job, "w.done"));
                xpm_jobdir_release(job);
                assert_int_equal(xpm_remove_tree(AT_FDCWD, fixture.path, NULL), 0);
        }
}

static void a_failure_is_not_doubted(void **state)
{
        ENTER();
        assert_int_equal(xpm_jobdir_commit(job, &failed, false, NULL), 0);
        assert_int_equal(xpm_jobdir_doubt(job, NULL), 0);
        assert_int_equal(xpm_jobdir_trust(job, NULL), 0);
        assert_true(has(job, "w.failed") && !has(job, "w.done"));
        xpm_jobdir_release(job);
}

static void what_is_in_the_way_of_content_is_removed(void **state)
{
        ENTER();
        assert_int_equal(mkdirat(job->dir, "x", 0700), 0);
        put(job, "x/left", "");
        put(job, "deep", "");
        assert_int_equal(symlinkat("nowhere", job->dir, "link"), 0);
        reopen(&fixture);
        assert_int_equal(xpm_jobdir_content(job, "x", "1", 1, NULL), 0);
        assert_int_equal(xpm_jobdir_content(job, "deep/er/x", "2", 1, NULL), 0);
        assert_int_equal(xpm_jobdir_content(job, "link/x", "3", 1, NULL), 0);
        assert_holds(job, "x", "1");
        assert_holds(job, "deep/er/x", "2");
        assert_holds(job, "link/x", "3");
        xpm_jobdir_release(job);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(first_to_come_makes_the_directory),
                T(directory_that_is_not_there_is_not_made_without_create),
                T(lock_that_is_held_is_refused),
                T(lock_of_a_worker_that_gives_signs_of_life_is_refused_also_when_it_is_free),
                T(lock_of_a_silent_worker_is_put_aside_once),
                T(lock_that_is_held_on_this_host_is_never_put_aside),
                T(content_that_is_the_same_is_left_alone),
                T(what_is_in_the_way_of_content_is_removed),
                T(success_is_status_then_marker),
                T(command_may_have_removed_all_that_it_found),
                T(failure_says_code_reason_and_message),
                T(no_marker_without_a_committed_status),
                T(pid_file_is_there_only_while_it_runs),
                T(past_is_told_by_status_and_markers),
                T(another_attempt_removes_marker_and_outputs),
                T(logs_of_earlier_tries_are_kept_under_numbers),
                T(names_longer_than_a_file_name_are_cut),
                T(a_directory_that_went_before_it_was_locked_is_made_again),
                T(what_is_doubted_is_as_done_as_it_was_once_nobody_has_the_lock),
                T(a_failure_is_not_doubted),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
