#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"
#include "exec/attempt.h"
#include "exec/leftover.h"
#include "place.h"

/* A process that took the lock, and its child that inherited it where commands do, in a session of its own with
 * ENVIRONMENT. Their pids; both wait for a signal. */
static void start(const struct place *place, char *const *environment, pid_t pids[2])
{
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pids[0] = fork();
        if (pids[0] == 0) {
                int fd;
                if (xpm_lock_take(place->dir, "t.lock", 0600, false, &fd, NULL) != 0)
                        _exit(1);
                pid_t child = fork();
                if (child == 0) {
                        setsid();
                        dup2(fd, XPM_LOCK_FD);
                        execve("/bin/sleep", (char *const[]){"sleep", "1000", NULL}, environment);
                        _exit(1);
                }
                (void)!write(ends[1], &child, sizeof child);
                pause();
                _exit(0);
        }
        assert_int_equal(read(ends[0], &pids[1], sizeof pids[1]), sizeof pids[1]);
        close(ends[0]);
        close(ends[1]);
}

static void path_of(const struct place *place, char path[256])
{
        snprintf(path, 256, "%s/t.lock", place->path);
}

/* The child is not ours to wait for: it is gone when its lock is. */
static bool is_lock_free(const struct place *place)
{
        for (int i = 0; i < 2000; i++) {
                int fd;
                if (xpm_lock_take(place->dir, "t.lock", 0600, false, &fd, NULL) == 0) {
                        xpm_lock_release(fd);
                        return true;
                }
        }
        return false;
}

static void lock_of_a_living_process_is_no_orphan(void **state)
{
        struct place *place = *state;
        char path[256];
        pid_t pids[2];
        path_of(place, path);
        start(place, (char *const[]){NULL}, pids);
        assert_false(xpm_sweep_is_orphaned(path));
        kill(pids[0], SIGKILL);
        waitpid(pids[0], NULL, 0);
        assert_true(xpm_sweep_is_orphaned(path));
        kill(pids[1], SIGKILL);
        assert_true(is_lock_free(place));
        assert_false(xpm_sweep_is_orphaned(path));
}

static void whoever_has_the_lock_is_killed(void **state)
{
        struct place *place = *state;
        char path[256];
        pid_t pids[2];
        path_of(place, path);
        start(place, (char *const[]){NULL}, pids);
        kill(pids[0], SIGKILL);
        waitpid(pids[0], NULL, 0);
        const xpm_leftover leftover = {"/nowhere", path, 0, 0, NULL};
        int killed = 0;
        for (int i = 0; i < 1000 && killed == 0; i++) /* until it has the lock where commands do */
                killed = xpm_sweep(&leftover);
        assert_int_equal(killed, 1);
        assert_true(is_lock_free(place));
        assert_int_equal(xpm_sweep(&leftover), 0);
}

/* One with a session of its own and no lock: by session, by environment, and not by either when they are others'. */
static void session_and_environment_tell(void **state)
{
        struct place *place = *state;
        char path[256];
        path_of(place, path);
        for (int by_environment = 0; by_environment < 2; by_environment++) {
                int status;
                pid_t pid = fork();
                if (pid == 0) {
                        setsid();
                        execve("/bin/sleep", (char *const[]){"sleep", "1000", NULL},
                               (char *const[]){by_environment ? "XPM_JOB_DIR=/some where" : "A=1", "XPM_JOB_NONCE=1",
                                               NULL});
                        _exit(1);
                }
                while (getsid(pid) != pid)
                        ;
                uint64_t begun = xpm_process_start_time(pid);
                assert_int_not_equal(begun, 0);
                const xpm_leftover other = {"/some", path, pid, begun + 1, NULL};
                assert_int_equal(xpm_sweep(&other), 0);
                const xpm_leftover later = {"/some where", NULL, 0, begun, "11"};
                assert_int_equal(xpm_sweep(&later), 0);
                const xpm_leftover leftover = {by_environment ? "/some where" : "/some", path, by_environment ? 0 : pid,
                                               begun, "1"};
                int killed = 0;
                for (int i = 0; i < 1000 && killed == 0; i++) /* until it has become the program */
                        killed = xpm_sweep(&leftover);
                assert_int_equal(killed, 1);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status));
        }
}

/* A shell in which somebody looks into the job has its variables, and what is started there has them, too. */
static void what_is_older_is_none_of_the_job(void **state)
{
        struct place *place = *state;
        char path[256];
        int status;
        path_of(place, path);
        pid_t pid = fork();
        if (pid == 0) {
                execve("/bin/sleep", (char *const[]){"sleep", "1000", NULL},
                       (char *const[]){"XPM_JOB_DIR=/some where", NULL});
                _exit(1);
        }
        uint64_t begun = xpm_process_start_time(pid);
        assert_in_range(xpm_process_clock(), begun, begun + 1000);
        const xpm_leftover younger = {"/some where", path, 0, begun + 1, NULL},
                           unknown = {"/some where", path, 0, 0, NULL};
        setenv("XPM_JOB_DIR", "/some where", 1);
        for (int i = 0; i < 100; i++)
                assert_int_equal(xpm_sweep(&younger) + xpm_sweep(&unknown), 0);
        unsetenv("XPM_JOB_DIR");
        int killed = 0;
        for (int i = 0; i < 1000 && killed == 0; i++) /* until it has become the program */
                killed = xpm_sweep(&unknown);
        assert_int_equal(killed, 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(lock_of_a_living_process_is_no_orphan, place_enter, place_leave),
                cmocka_unit_test_setup_teardown(whoever_has_the_lock_is_killed, place_enter, place_leave),
                cmocka_unit_test_setup_teardown(session_and_environment_tell, place_enter, place_leave),
                cmocka_unit_test_setup_teardown(what_is_older_is_none_of_the_job, place_enter, place_leave),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
