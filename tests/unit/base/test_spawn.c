#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/spawn.h"
#include "place.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Run to the end with standard output in the file "out"; the wait status. */
static int run(struct place *place, xpm_spawn spawn)
{
        xpm_child child;
        int status = -1;
        int out = openat(place->dir, "out", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (spawn.stdio[1] < 0)
                spawn.stdio[1] = out;
        xpm_error err = XPM_ERROR_NONE;
        enum xpm_spawn_step step = XPM_SPAWN_FORK;
        int rc = xpm_spawn_start(&spawn, &child, &step, &err);
        assert_string_equal(err.message, "");
        assert_int_equal(rc, 0);
        assert_int_equal(step, XPM_SPAWN_OK);
        struct pollfd ended = {.fd = child.pidfd, .events = POLLIN};
        assert_int_equal(poll(&ended, 1, -1), 1);
        assert_int_equal(waitpid(child.pid, &status, WNOHANG), child.pid);
        close(child.pidfd);
        close(out);
        return status;
}

static const char *output(struct place *place, xpm_spawn spawn, char text[4096])
{
        assert_int_equal(run(place, spawn), 0);
        return place_get(place, "out", text);
}

static void make_program(struct place *place, const char *name, const char *text)
{
        place_put(place, name, text);
        assert_int_equal(fchmodat(place->dir, name, 0700, 0), 0);
}

static void program_gets_its_arguments_as_they_are(void **state)
{
        char text[4096];
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = ARGV("/usr/bin/printf", "[%s]", "a b", "", "$HOME 'x'\n");
        assert_string_equal(output(*state, spawn, text), "[a b][][$HOME 'x'\n]");
}

static void end_is_told_as_it_was(void **state)
{
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = ARGV("/bin/sh", "-c", "exit 7");
        int status = run(*state, spawn);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        spawn.argv = ARGV("/bin/sh", "-c", "kill -TERM $$");
        status = run(*state, spawn);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void environment_is_the_given_one_or_the_callers(void **state)
{
        char text[4096];
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = ARGV("/usr/bin/env");
        spawn.env = ARGV("A=1", "B=two words\nand lines");
        assert_string_equal(output(*state, spawn, text), "A=1\nB=two words\nand lines\n");
        setenv("XPM_TEST_VARIABLE", "here", 1);
        spawn.env = NULL;
        assert_non_null(strstr(output(*state, spawn, text), "XPM_TEST_VARIABLE=here\n"));
        unsetenv("XPM_TEST_VARIABLE");
}

static void child_joins_its_group_before_it_is_the_program(void **state)
{
        struct place *place = *state;
        char text[4096];
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = ARGV("/bin/sh", "-c", "cat group; test ! -e /proc/self/fd/77");
        spawn.cwd_fd = place->dir;
        place_put(place, "group", "");
        int fd = openat(place->dir, "group", O_WRONLY | O_CLOEXEC);
        spawn.cgroup_fd = fcntl(fd, F_DUPFD_CLOEXEC, 77);
        close(fd);
        assert_int_equal(spawn.cgroup_fd, 77);
        assert_string_equal(output(place, spawn, text), "0");
        close(spawn.cgroup_fd);
        spawn.cgroup_fd = place->dir; /* takes nobody */
        assert_string_equal(output(place, spawn, text), "0");
}

static void program_starts_in_its_directory(void **state)
{
        struct place *place = *state;
        char text[4096], expected[256], sub[128];
        xpm_spawn spawn = XPM_SPAWN_INIT;
        mkdirat(place->dir, "sub", 0700);
        snprintf(sub, sizeof sub, "%s/sub", place->path);
        spawn.argv = ARGV("/bin/pwd");
        spawn.cwd = sub;
        snprintf(expected, sizeof expected, "%s\n", sub);
        assert_string_equal(output(place, spawn, text), expected);
        spawn.cwd_fd = place->dir;
        snprintf(expected, sizeof expected, "%s\n", place->path);
        assert_string_equal(output(place, spawn, text), expected);
}

static void relative_program_is_relative_to_its_directory(void **state)
{
        struct place *place = *state;
        char text[4096];
        xpm_spawn spawn = XPM_SPAWN_INIT;
        mkdirat(place->dir, "bin", 0700);
        make_program(place, "bin/hello", "#!/bin/sh\necho hello\n");
        spawn.argv = ARGV("bin/hello");
        spawn.cwd = place->path;
        assert_string_equal(output(place, spawn, text), "hello\n");
        spawn.cwd = NULL;
        spawn.cwd_fd = place->dir;
        assert_string_equal(output(place, spawn, text), "hello\n");
        /* … and so are the relative places of PATH, of which the empty one is the directory itself. */
        make_program(place, "here", "#!/bin/sh\necho here\n");
        static const char *const paths[] = {"PATH=/nowhere:bin:", "PATH=:bin", "PATH=./bin/:."};
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
                spawn.env = (const char *const[]){paths[i], NULL};
                spawn.argv = ARGV("hello");
                spawn.cwd = NULL, spawn.cwd_fd = place->dir;
                assert_string_equal(output(place, spawn, text), "hello\n");
                spawn.argv = ARGV("here");
                spawn.cwd = place->path, spawn.cwd_fd = -1;
                assert_string_equal(output(place, spawn, text), "here\n");
        }
}

static void name_is_looked_up_in_the_path_of_its_environment(void **state)
{
        struct place *place = *state;
        char text[4096], path[300];
        xpm_spawn spawn = XPM_SPAWN_INIT;
        mkdirat(place->dir, "first", 0700);
        mkdirat(place->dir, "first/tool", 0700); /* a directory is no program */
        mkdirat(place->dir, "second", 0700);
        place_put(place, "second/tool", "#!/bin/sh\necho not executable\n");
        mkdirat(place->dir, "third", 0700);
        make_program(place, "third/tool", "#!/bin/sh\necho third\n");
        snprintf(path, sizeof path, "PATH=/nowhere:%s/first:%s/second:%s/third", place->path, place->path, place->path);
        spawn.argv = ARGV("tool");
        spawn.env = (const char *const[]){"X=PATH=/bin", path, NULL};
        assert_string_equal(output(place, spawn, text), "third\n");
        spawn.argv = ARGV("echo", "default path");
        spawn.env = ARGV("A=1");
        assert_string_equal(output(place, spawn, text), "default path\n");
}

/* Expects a refusal; no process and no descriptor is left, which place_leave() checks. */
static void check_refusal(const xpm_spawn *spawn, enum xpm_spawn_step wanted, int number, const char *message)
{
        xpm_child child = {.pid = -7, .pidfd = -7};
        xpm_error err = XPM_ERROR_NONE;
        enum xpm_spawn_step step = XPM_SPAWN_OK;
        int rc = xpm_spawn_start(spawn, &child, &step, &err);
        int saved = errno;
        assert_int_equal(rc, XPM_EIO);
        assert_string_equal(err.message, message);
        assert_int_equal(saved, number);
        assert_int_equal(step, wanted);
        assert_int_equal(child.pid, -7);
        assert_int_equal(child.pidfd, -7);
        assert_int_equal(xpm_spawn_start(spawn, &child, NULL, NULL), XPM_EIO);
}

static void program_that_cannot_run_is_explained(void **state)
{
        struct place *place = *state;
        static const struct {
                const char *name, *message;
                int number;
        } table[] = {
                {"./none", "cannot run './none': no such file or directory", ENOENT},
                {"./text", "cannot run './text': permission denied", EACCES},
                {"./dir", "cannot run './dir': permission denied", EACCES},
                {"./text/x", "cannot run './text/x': not a directory", ENOTDIR},
                {"./empty",
                 "cannot run './empty': neither a program for this machine nor a script that begins with '#!'",
                 ENOEXEC},
                {"./orphan", "cannot run './orphan': the interpreter that it asks for does not exist", ENOENT},
                {"none", "cannot run 'none': no such file or directory", ENOENT},
                {"text", "cannot run 'text': permission denied", EACCES},
                {"dir", "cannot run 'dir': permission denied", EACCES},
                {"orphan", "cannot run 'orphan': the interpreter that it asks for does not exist", ENOENT},
                {"", "cannot run '': no such file or directory", ENOENT},
        };
        place_put(place, "text", "#!/bin/sh\n");
        mkdirat(place->dir, "dir", 0700);
        make_program(place, "empty", "");
        make_program(place, "orphan", "#!/no/such/interpreter\n");
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_spawn spawn = XPM_SPAWN_INIT;
                spawn.argv = ARGV(table[i].name);
                spawn.env = ARGV("PATH=/nowhere:.");
                spawn.cwd = place->path;
                check_refusal(&spawn, XPM_SPAWN_EXEC, table[i].number, table[i].message);
                spawn.cwd_fd = place->dir;
                check_refusal(&spawn, XPM_SPAWN_EXEC, table[i].number, table[i].message);
        }
}

static void file_of_the_name_outside_path_is_not_the_program(void **state)
{
        struct place *place = *state;
        xpm_spawn spawn = XPM_SPAWN_INIT;
        make_program(place, "tool", "#!/bin/sh\n");
        spawn.argv = ARGV("tool");
        spawn.env = ARGV("PATH=/nowhere");
        spawn.cwd_fd = place->dir;
        check_refusal(&spawn, XPM_SPAWN_EXEC, ENOENT, "cannot run 'tool': no such file or directory");
}

static void directory_that_is_gone_is_no_other_directory(void **state)
{
        struct place *place = *state;
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = ARGV("/bin/true");
        spawn.cwd = "/no/such/directory";
        check_refusal(&spawn, XPM_SPAWN_CHDIR, ENOENT,
                      "cannot enter '/no/such/directory' to run '/bin/true': no such file or directory");
        place_put(place, "file", "");
        int file = openat(place->dir, "file", O_RDONLY | O_CLOEXEC);
        spawn.cwd_fd = file;
        check_refusal(&spawn, XPM_SPAWN_CHDIR, ENOTDIR,
                      "cannot enter the directory to run '/bin/true' in: not a directory");
        close(file);
}

static void arguments_that_are_too_long_are_refused(void **state)
{
        (void)state;
        static char argument[1 << 20];
        memset(argument, 'x', sizeof argument - 1);
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = ARGV("/bin/true", argument);
        check_refusal(&spawn, XPM_SPAWN_EXEC, E2BIG, "cannot run '/bin/true': argument list too long");
}

static void bad_descriptor_is_refused(void **state)
{
        (void)state;
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = ARGV("/bin/true");
        spawn.stdio[2] = 987;
        check_refusal(&spawn, XPM_SPAWN_FORK, EBADF, "cannot start a process for '/bin/true': bad file descriptor");
}

static void only_named_descriptors_reach_the_program(void **state)
{
        struct place *place = *state;
        char text[4096];
        xpm_spawn spawn = XPM_SPAWN_INIT;
        int stray = dup2(place->dir, 50), kept = openat(place->dir, "kept", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        spawn.argv =
                ARGV("/bin/sh", "-c", "for i in $(seq 0 99); do [ -e /proc/$$/fd/$i ] && echo $i; done; echo x >&9");
        spawn.keep[0] = (xpm_kept){kept, 9};
        output(place, spawn, text);
        close(stray);
        close(kept);
        assert_string_equal(text, "0\n1\n2\n9\n");
        assert_string_equal(place_get(place, "kept", text), "x\n");
}

static void unnamed_standard_descriptors_are_dev_null(void **state)
{
        char text[4096];
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = ARGV("/bin/sh", "-c", "readlink /proc/$$/fd/0 /proc/$$/fd/2; cat; echo lost >&2");
        assert_string_equal(output(*state, spawn, text), "/dev/null\n/dev/null\n");
}

static void kept_descriptor_may_have_its_number_already(void **state)
{
        struct place *place = *state;
        char text[4096];
        static const int numbers[] = {3, 9, 10, 11, 200};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
                xpm_spawn spawn = XPM_SPAWN_INIT;
                char script[64];
                place_put(place, "kept", "");
                int file = openat(place->dir, "kept", O_RDWR | O_CLOEXEC);
                int kept = fcntl(file, F_DUPFD_CLOEXEC, 100);
                int same = dup3(kept, 300, O_CLOEXEC);
                close(file);
                /* 200 is taken by the descriptor that is to become standard output. */
                int out = openat(place->dir, "other", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
                int taken = dup3(out, 200, O_CLOEXEC);
                close(out);
                spawn.argv = ARGV("/bin/sh", "-c", script);
                spawn.stdio[1] = taken;
                spawn.keep[0] = (xpm_kept){i % 2 ? same : kept, i % 2 ? 300 : numbers[i]};
                snprintf(script, sizeof script, "echo out; echo kept > /proc/$$/fd/%d", spawn.keep[0].as);
                assert_int_equal(run(place, spawn), 0);
                assert_string_equal(place_get(place, "kept", text), "kept\n");
                assert_string_equal(place_get(place, "other", text), "out\n");
                close(kept);
                close(same);
                close(taken);
        }
}

static void kept_descriptors_may_have_each_others_numbers(void **state)
{
        struct place *place = *state;
        char text[4096];
        xpm_spawn spawn = XPM_SPAWN_INIT;
        place_put(place, "one", "");
        place_put(place, "two", "");
        int one = openat(place->dir, "one", O_RDWR | O_CLOEXEC), two = openat(place->dir, "two", O_RDWR | O_CLOEXEC);
        assert_int_equal(dup3(one, 62, O_CLOEXEC), 62);
        assert_int_equal(dup3(two, 63, O_CLOEXEC), 63);
        close(one);
        close(two);
        spawn.argv = ARGV("/bin/sh", "-c", "echo one > /proc/$$/fd/63; echo two > /proc/$$/fd/62");
        spawn.keep[0] = (xpm_kept){62, 63};
        spawn.keep[1] = (xpm_kept){63, 62};
        assert_int_equal(run(place, spawn), 0);
        close(62);
        close(63);
        assert_string_equal(place_get(place, "one", text), "one\n");
        assert_string_equal(place_get(place, "two", text), "two\n");
}

/* In a process of its own, whose 0, 1 and 2 are files that the program gets in another order. */
static void standard_descriptors_may_be_exchanged(void **state)
{
        struct place *place = *state;
        char text[4096];
        place_put(place, "in", "input");
        pid_t child = fork();
        if (child == 0) {
                int in = openat(place->dir, "in", O_RDONLY);
                int a = openat(place->dir, "a", O_WRONLY | O_CREAT, 0600);
                int b = openat(place->dir, "b", O_WRONLY | O_CREAT, 0600);
                dup2(a, 0);
                dup2(b, 1);
                dup2(in, 2);
                xpm_spawn spawn = XPM_SPAWN_INIT;
                xpm_child started;
                spawn.argv = ARGV("/bin/sh", "-c", "cat; echo error >&2");
                spawn.stdio[0] = 2, spawn.stdio[1] = 0, spawn.stdio[2] = 1;
                if (xpm_spawn_start(&spawn, &started, NULL, NULL) != 0)
                        _exit(1);
                int ended;
                waitpid(started.pid, &ended, 0);
                _exit(ended == 0 ? 0 : 2);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_string_equal(place_get(place, "a", text), "input");
        assert_string_equal(place_get(place, "b", text), "error\n");
}

static void closed_standard_descriptors_of_the_caller_do_no_harm(void **state)
{
        struct place *place = *state;
        char text[4096];
        pid_t child = fork();
        if (child == 0) {
                int out = fcntl(openat(place->dir, "o", O_WRONLY | O_CREAT, 0600), F_DUPFD, 20);
                for (int fd = 0; fd < 3; fd++)
                        close(fd);
                xpm_spawn spawn = XPM_SPAWN_INIT;
                xpm_child started;
                spawn.argv = ARGV("/bin/sh", "-c", "cat; echo lost >&2; echo done");
                spawn.stdio[1] = out;
                if (xpm_spawn_start(&spawn, &started, NULL, NULL) != 0)
                        _exit(1);
                int ended;
                waitpid(started.pid, &ended, 0);
                _exit(ended == 0 ? 0 : 2);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_string_equal(place_get(place, "o", text), "done\n");
}

static void do_nothing(int number)
{
        (void)number;
}

static void check_signals(struct place *place, bool known)
{
        char text[4096];
        sigset_t blocked, before, after;
        struct sigaction handler = {.sa_handler = do_nothing}, old;
        signal(SIGPIPE, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        signal(SIGRTMAX, SIG_IGN);
        sigaction(SIGUSR1, &handler, &old);
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        sigaddset(&blocked, SIGRTMIN);
        sigprocmask(SIG_BLOCK, &blocked, &before);
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = ARGV("/bin/grep", "-E", "^Sig(Pnd|Blk|Ign|Cgt):", "/proc/self/status");
        spawn.signals = known ? xpm_spawn_signals() : 0;
        output(place, spawn, text);
        sigprocmask(SIG_SETMASK, &before, &after);
        assert_int_equal(signal(SIGPIPE, SIG_DFL), (intptr_t)SIG_IGN);
        assert_int_equal(signal(SIGINT, SIG_DFL), (intptr_t)SIG_IGN);
        assert_int_equal(signal(SIGRTMAX, SIG_DFL), (intptr_t)SIG_IGN);
        sigaction(SIGUSR1, &old, &handler);
        assert_true(handler.sa_handler == do_nothing);
        assert_non_null(strstr(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
        for (int number = 1; number <= SIGRTMAX; number++)
                assert_int_equal(sigismember(&after, number) == 1,
                                 sigismember(&before, number) == 1 || number == SIGTERM || number == SIGRTMIN);
}

static void signals_of_the_caller_are_not_the_programs(void **state)
{
        check_signals(*state, false);
        check_signals(*state, true);
}

static void mask_is_restored_after_a_refusal(void **state)
{
        (void)state;
        sigset_t before, after;
        sigprocmask(SIG_SETMASK, NULL, &before);
        xpm_spawn spawn = XPM_SPAWN_INIT;
        xpm_child child;
        spawn.argv = ARGV("/no/such/program");
        xpm_spawn_start(&spawn, &child, NULL, NULL);
        sigprocmask(SIG_SETMASK, NULL, &after);
        for (int number = 1; number <= SIGRTMAX; number++)
                assert_int_equal(sigismember(&before, number), sigismember(&after, number));
}

static void session_is_new_only_when_asked_for(void **state)
{
        char text[4096];
        for (int wanted = 0; wanted < 2; wanted++) {
                int pid, group, session;
                xpm_spawn spawn = XPM_SPAWN_INIT;
                spawn.argv = ARGV("/bin/cat", "/proc/self/stat");
                spawn.session = wanted;
                output(*state, spawn, text);
                assert_int_equal(sscanf(text, "%d (cat) %*c %*d %d %d", &pid, &group, &session), 3);
                assert_int_equal(group, wanted ? pid : getpgrp());
                assert_int_equal(session, wanted ? pid : getsid(0));
        }
}

static void program_dies_with_its_parent_when_asked_to(void **state)
{
        (void)state;
        int ends[2], status;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t parent = fork();
        if (parent == 0) {
                xpm_spawn spawn = XPM_SPAWN_INIT;
                xpm_child child;
                char byte;
                int ready[2];
                if (pipe2(ready, O_CLOEXEC) != 0)
                        _exit(1);
                spawn.argv = ARGV("/bin/sh", "-c", "echo; exec sleep 1000");
                spawn.stdio[1] = ready[1];
                spawn.keep[0] = (xpm_kept){ends[1], 5};
                spawn.session = true;
                spawn.death_signal = SIGKILL;
                int rc = xpm_spawn_start(&spawn, &child, NULL, NULL);
                _exit(rc == 0 && read(ready[0], &byte, 1) == 1 ? 0 : 1);
        }
        close(ends[1]);
        assert_int_equal(waitpid(parent, &status, 0), parent);
        assert_int_equal(status, 0);
        char byte;
        assert_int_equal(read(ends[0], &byte, 1), 0); /* nobody has the other end any more */
        close(ends[0]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(program_gets_its_arguments_as_they_are),
                T(end_is_told_as_it_was),
                T(environment_is_the_given_one_or_the_callers),
                T(child_joins_its_group_before_it_is_the_program),
                T(program_starts_in_its_directory),
                T(relative_program_is_relative_to_its_directory),
                T(name_is_looked_up_in_the_path_of_its_environment),
                T(program_that_cannot_run_is_explained),
                T(file_of_the_name_outside_path_is_not_the_program),
                T(directory_that_is_gone_is_no_other_directory),
                T(arguments_that_are_too_long_are_refused),
                T(bad_descriptor_is_refused),
                T(only_named_descriptors_reach_the_program),
                T(unnamed_standard_descriptors_are_dev_null),
                T(kept_descriptor_may_have_its_number_already),
                T(kept_descriptors_may_have_each_others_numbers),
                T(standard_descriptors_may_be_exchanged),
                T(closed_standard_descriptors_of_the_caller_do_no_harm),
                T(signals_of_the_caller_are_not_the_programs),
                T(mask_is_restored_after_a_refusal),
                T(session_is_new_only_when_asked_for),
                T(program_dies_with_its_parent_when_asked_to),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
