/* A guardian, its worker, and what the worker leaves. Each case runs in a process of its own, and everything in it
 * holds one pipe: its end is the end of them all. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "exec/guardian.h"

/* A process that left its session and its parent, and would live for ever; its pid goes to FD. */
static void leave_behind(int fd)
{
        if (fork() != 0) {
                wait(NULL);
                return;
        }
        setsid();
        pid_t pid = fork();
        if (pid != 0)
                _exit(write(fd, &pid, sizeof pid) == sizeof pid ? 0 : 1);
        for (;;)
                pause();
}

struct outcome {
        int status;  /* of the guardian */
        pid_t left;  /* what was left behind */
        bool gone;   /* it was gone when the guardian was */
        bool closed; /* the guardian closed its descriptor */
};

static struct outcome run(void (*work)(void))
{
        struct outcome outcome = {0};
        int pipe_[2];
        char byte;
        assert_int_equal(pipe(pipe_), 0);
        pid_t pid = fork();
        if (pid == 0) {
                int status;
                close(pipe_[0]);
                int rc = xpm_guardian_split(pipe_[1], &status, NULL);
                if (rc != 0)
                        _exit(rc < 0 ? 99 : xpm_guardian_exit_status(status));
                leave_behind(pipe_[1]);
                work();
                _exit(98);
        }
        close(pipe_[1]);
        assert_int_equal(read(pipe_[0], &outcome.left, sizeof outcome.left), sizeof outcome.left);
        assert_int_equal(waitpid(pid, &outcome.status, 0), pid);
        outcome.gone = kill(outcome.left, 0) != 0;
        if (!outcome.gone)
                kill(outcome.left, SIGKILL);
        outcome.closed = read(pipe_[0], &byte, 1) == 0;
        close(pipe_[0]);
        return outcome;
}

static void be_killed(void)
{
        raise(SIGKILL);
}

static void leave(void)
{
        _exit(7);
}

static void a_killed_worker_takes_all_with_it_and_its_signal_is_told(void **state)
{
        (void)state;
        struct outcome outcome = run(be_killed);
        assert_true(outcome.gone);
        assert_true(outcome.closed);
        assert_true(WIFSIGNALED(outcome.status));
        assert_int_equal(WTERMSIG(outcome.status), SIGKILL);
}

static void a_worker_that_leaves_tells_its_status_and_kills_nobody(void **state)
{
        (void)state;
        struct outcome outcome = run(leave);
        assert_false(outcome.gone);
        assert_true(WIFEXITED(outcome.status));
        assert_int_equal(WEXITSTATUS(outcome.status), 7);
}

static void stop_oneself(void)
{
        kill(getppid(), SIGTERM);
        for (;;)
                pause();
}

static void a_signal_to_end_reaches_the_worker(void **state)
{
        (void)state;
        struct outcome outcome = run(stop_oneself);
        assert_true(WIFSIGNALED(outcome.status));
        assert_int_equal(WTERMSIG(outcome.status), SIGTERM);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_killed_worker_takes_all_with_it_and_its_signal_is_told),
                cmocka_unit_test(a_worker_that_leaves_tells_its_status_and_kills_nobody),
                cmocka_unit_test(a_signal_to_end_reaches_the_worker),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
