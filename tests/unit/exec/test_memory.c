#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "exec/memory.h"

enum { MANY = 64 << 20 };

/* A session whose child, and the child's child in a session of its own, have so much memory each; READY says when. */
static pid_t start(size_t each, int ready)
{
        pid_t pid = fork();
        if (pid != 0)
                return pid;
        setsid();
        if (fork() > 0) {
                pause();
                _exit(0);
        }
        if (fork() == 0)
                setsid();
        char *memory = mmap(NULL, each, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(memory, 1, each);
        pid_t self = getpid();
        (void)!write(ready, &self, sizeof self);
        pause();
        _exit(0);
}

static void descendants_in_other_sessions_count(void **state)
{
        (void)state;
        int ends[2];
        pid_t below[2];
        uint64_t used;
        assert_int_equal(pipe(ends), 0);
        pid_t pid = start(MANY, ends[1]);
        for (int i = 0; i < 2; i++)
                assert_int_equal(read(ends[0], &below[i], sizeof *below), sizeof *below);
        assert_in_range(xpm_memory_resident(pid, NULL), 2 * (uint64_t)MANY, 3 * (uint64_t)MANY);
        assert_true(xpm_memory_over(pid, NULL, MANY, &used));
        assert_in_range(used, 2 * (uint64_t)MANY, 3 * (uint64_t)MANY);
        assert_false(xpm_memory_over(pid, NULL, 4 * (uint64_t)MANY, &used));
        for (int i = 0; i < 2; i++)
                kill(below[i], SIGKILL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(ends[0]);
        close(ends[1]);
}

static void command_that_is_gone_uses_nothing(void **state)
{
        (void)state;
        uint64_t used = 1;
        assert_false(xpm_memory_over(1 << 30, NULL, 1, &used));
        assert_int_equal(used, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(descendants_in_other_sessions_count),
                cmocka_unit_test(command_that_is_gone_uses_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
