#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/spawn.h"
#include "failing_malloc.h"
#include "place.h"

struct result {
        int rc, status;
        xpm_text output, errors;
        xpm_error err;
};

static struct result capture(const char *script, const char *input, size_t length, size_t limit)
{
        struct result result = {.status = -7};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = (const char *const[]){"/bin/sh", "-c", script, NULL};
        result.rc = xpm_spawn_capture(&spawn, input, length, limit, &result.output, &result.errors, &result.status,
                                      &result.err);
        return result;
}

static void release(struct result *result)
{
        xpm_text_release(&result->output);
        xpm_text_release(&result->errors);
}

static void both_outputs_and_the_status_come_back(void **state)
{
        (void)state;
        struct result result = capture("cat; echo error >&2; exit 3", "input\n", 6, 100);
        assert_int_equal(result.rc, 0);
        assert_true(WIFEXITED(result.status) && WEXITSTATUS(result.status) == 3);
        assert_string_equal(xpm_text_string(&result.output), "input\n");
        assert_string_equal(xpm_text_string(&result.errors), "error\n");
        release(&result);
}

static void text_that_was_there_stays(void **state)
{
        (void)state;
        struct result result = {.status = -7};
        xpm_text_puts(&result.output, "before ");
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = (const char *const[]){"echo", "after", NULL};
        assert_int_equal(xpm_spawn_capture(&spawn, NULL, 0, 6, &result.output, NULL, &result.status, NULL), 0);
        assert_string_equal(xpm_text_string(&result.output), "before after\n");
        release(&result);
}

static void much_goes_through_in_both_directions(void **state)
{
        (void)state;
        enum { SIZE = 3 << 20 };
        static char input[SIZE];
        for (size_t i = 0; i < SIZE; i++)
                input[i] = (char)(i * 131 >> 3);
        struct result result = capture("tee /dev/stderr", input, SIZE, SIZE);
        assert_int_equal(result.rc, 0);
        assert_int_equal(result.status, 0);
        assert_int_equal(result.output.length, SIZE);
        assert_int_equal(result.errors.length, SIZE);
        assert_memory_equal(result.output.data, input, SIZE);
        assert_memory_equal(result.errors.data, input, SIZE);
        release(&result);
}

static void program_need_not_read_its_input(void **state)
{
        (void)state;
        static char input[1 << 20];
        sigset_t before, after, pending;
        sigprocmask(SIG_SETMASK, NULL, &before);
        struct result result = capture("exec <&-; echo done", input, sizeof input, 100);
        assert_int_equal(result.rc, 0);
        assert_int_equal(result.status, 0);
        assert_string_equal(xpm_text_string(&result.output), "done\n");
        release(&result);
        sigpending(&pending);
        sigprocmask(SIG_SETMASK, NULL, &after);
        assert_int_equal(sigismember(&pending, SIGPIPE), 0);
        assert_int_equal(sigismember(&after, SIGPIPE), sigismember(&before, SIGPIPE));
}

static void pending_signal_of_the_caller_is_kept(void **state)
{
        (void)state;
        static char input[1 << 20];
        sigset_t pipe_only, old, pending;
        int number;
        sigemptyset(&pipe_only);
        sigaddset(&pipe_only, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe_only, &old);
        raise(SIGPIPE);
        struct result result = capture("true", input, sizeof input, 100);
        assert_int_equal(result.rc, 0);
        release(&result);
        sigpending(&pending);
        assert_int_equal(sigismember(&pending, SIGPIPE), 1);
        sigwait(&pipe_only, &number);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void output_beyond_the_limit_kills_the_program_and_its_group(void **state)
{
        (void)state;
        static const struct {
                const char *script, *message;
        } table[] = {
                {"sleep 1000 & yes", "'/bin/sh' wrote more than 100 bytes to standard output"},
                {"sleep 1000 & yes >&2", "'/bin/sh' wrote more than 100 bytes to standard error"},
                {"sleep 1000 & yes | head -c 101; sleep 1000",
                 "'/bin/sh' wrote more than 100 bytes to standard output"},
        };
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                /* All of the group hold the end of a pipe: end of file says that all of it is gone. */
                int ends[2];
                char byte;
                struct result result = {.status = -7};
                assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
                xpm_spawn spawn = XPM_SPAWN_INIT;
                spawn.argv = (const char *const[]){"/bin/sh", "-c", table[i].script, NULL};
                spawn.keep_fd = ends[1];
                spawn.keep_as = 9;
                result.rc = xpm_spawn_capture(&spawn, NULL, 0, 100, &result.output, &result.errors, &result.status,
                                              &result.err);
                close(ends[1]);
                assert_int_equal(read(ends[0], &byte, 1), 0);
                close(ends[0]);
                assert_int_equal(result.rc, XPM_ERANGE);
                assert_string_equal(result.err.message, table[i].message);
                assert_int_equal(result.status, -7);
                release(&result);
        }
}

static void what_hangs_is_killed_when_patience_ends(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "echo begun; trap '' TERM; sleep 1000 & wait", NULL};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        xpm_text output = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        int status;
        (void)state;
        spawn.argv = argv;
        spawn.patience = 100;
        assert_int_equal(xpm_spawn_capture(&spawn, NULL, 0, 0, &output, NULL, &status, &err), XPM_EIO);
        assert_string_equal(err.message, "'/bin/sh' hangs");
        assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
        xpm_text_release(&output);
        /* Who is done in time is not hurried. */
        err = XPM_ERROR_NONE;
        spawn.argv = (const char *const[]){"/bin/sh", "-c", "echo done", NULL};
        spawn.patience = 100000;
        assert_int_equal(xpm_spawn_capture(&spawn, NULL, 0, 0, &output, NULL, &status, &err), 0);
        assert_string_equal(xpm_text_string(&output), "done\n");
        xpm_text_release(&output);
}

static void exactly_the_limit_is_allowed(void **state)
{
        (void)state;
        struct result result = capture("head -c 100 /dev/zero; head -c 100 /dev/zero >&2", NULL, 0, 100);
        assert_int_equal(result.rc, 0);
        assert_int_equal(result.output.length, 100);
        assert_int_equal(result.errors.length, 100);
        release(&result);
}

static void what_it_leaves_running_does_not_delay_its_end(void **state)
{
        (void)state;
        struct result result = capture("sleep 1000 & echo $!", NULL, 0, 100);
        assert_int_equal(result.rc, 0);
        assert_int_equal(result.status, 0);
        int pid = atoi(xpm_text_string(&result.output));
        assert_true(pid > 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        release(&result);
}

static void program_that_cannot_run_is_explained(void **state)
{
        (void)state;
        struct result result = {.status = -7};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = (const char *const[]){"/no/such/plan.py", NULL};
        result.rc = xpm_spawn_capture(&spawn, "x", 1, 0, &result.output, &result.errors, &result.status, &result.err);
        assert_int_equal(result.rc, XPM_EIO);
        assert_string_equal(result.err.message, "cannot run '/no/such/plan.py': no such file or directory");
        release(&result);
}

static void other_children_are_left_alone(void **state)
{
        (void)state;
        int status;
        pid_t other = fork();
        if (other == 0)
                _exit(5);
        struct result result = capture("exit 0", NULL, 0, 0);
        assert_int_equal(result.rc, 0);
        assert_int_equal(waitpid(other, &status, 0), other);
        assert_int_equal(WEXITSTATUS(status), 5);
        release(&result);
}

static void every_allocation_may_fail(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                failing_malloc_arm(n);
                struct result result = capture("cat; echo e >&2", "in", 2, 0);
                bool struck = failing_malloc_disarm();
                assert_int_equal(result.rc, struck ? XPM_ENOMEM : 0);
                release(&result);
                if (!struck)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(both_outputs_and_the_status_come_back),
                T(text_that_was_there_stays),
                T(much_goes_through_in_both_directions),
                T(program_need_not_read_its_input),
                T(pending_signal_of_the_caller_is_kept),
                T(output_beyond_the_limit_kills_the_program_and_its_group),
                T(what_hangs_is_killed_when_patience_ends),
                T(exactly_the_limit_is_allowed),
                T(what_it_leaves_running_does_not_delay_its_end),
                T(program_that_cannot_run_is_explained),
                T(other_children_are_left_alone),
                T(every_allocation_may_fail),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
