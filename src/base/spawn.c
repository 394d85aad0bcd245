/* The one way to start a program: vfork(), so that a process of two gigabytes starts as many per second as a small one.
 *
 * The child of a vfork runs in our memory, on our stack, while this thread stands still. So all signals are blocked
 * from before it until after it (a handler of ours that ran in the child would change our data), and the child does
 * system calls and nothing else: what takes memory or locks, as the search in PATH, is done before. It tells by a
 * struct on our stack where it failed; the struct is written before vfork() returns to us, so no pipe is needed.
 *
 * Invariant: a child that could not become the program has been waited for when xpm_spawn_start() returns. */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HIGH_FD = 10, STDIO = 3 };

struct failure {
        enum xpm_spawn_step step;
        int number; /* errno */
        bool unbound;
};

/* What the child needs, made by the parent. */
struct start {
        const xpm_spawn *spawn;
        const char *program; /* the path that is executed, relative to the child's directory if at all */
        char *const *env;
        pid_t parent;
        volatile struct failure *failure; /* changes while vfork() runs */
};

static uint64_t set_signal_mask(uint64_t mask)
{
        /* Not by pthread_sigmask(): that leaves out the two signals that the C library uses between threads. */
        uint64_t old = 0;
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, sizeof old);
        return old;
}

static uint64_t bit_of(int number)
{
        return UINT64_C(1) << (number - 1);
}

uint64_t xpm_spawn_signals(void)
{
        uint64_t changed = bit_of(SIGPIPE);
        struct sigaction action;
        for (int number = 1; number <= SIGRTMAX; number++)
                if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
                        changed |= bit_of(number);
        return changed;
}

/* Handlers must be gone before the mask is: they would run in the parent's memory. Ignored signals would stay ignored
 * in the program. */
static void reset_signals(uint64_t changed)
{
        const struct sigaction standard = {.sa_handler = SIG_DFL};
        for (int number = 1; number <= SIGRTMAX; number++)
                if (changed & bit_of(number))
                        sigaction(number, &standard, NULL);
        set_signal_mask(0);
}

static int enter_directory(const xpm_spawn *spawn)
{
        if (spawn->cwd_fd >= 0)
                return fchdir(spawn->cwd_fd);
        return spawn->cwd ? chdir(spawn->cwd) : 0;
}

/* FD out of the way of the numbers that are about to be set; /dev/null for -1. */
static int move_up(int fd, const xpm_spawn *spawn)
{
        if (fd < 0) {
                fd = open(_PATH_DEVNULL, O_RDWR | O_CLOEXEC | O_NOCTTY);
                if (fd < 0)
                        return -1;
        }
        int lowest = HIGH_FD;
        bool in_the_way = fd < STDIO;
        for (const xpm_kept *kept = spawn->keep; kept < spawn->keep + XPM_SPAWN_KEPT; kept++) {
                if (kept->fd < 0)
                        continue;
                in_the_way |= fd == kept->as;
                lowest = kept->as >= lowest ? kept->as + 1 : lowest;
        }
        return in_the_way ? fcntl(fd, F_DUPFD_CLOEXEC, lowest) : fd;
}

static int arrange_descriptors(const xpm_spawn *spawn)
{
        /* Ours came to us from elsewhere, too, and may lack close-on-exec. A kernel before 5.11 does not know it: there
         * we rely on whoever opened them. */
        syscall(SYS_close_range, STDIO, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
        int sources[STDIO + XPM_SPAWN_KEPT], targets[STDIO + XPM_SPAWN_KEPT], count = STDIO;
        for (int i = 0; i < STDIO; i++) {
                sources[i] = spawn->stdio[i];
                targets[i] = i;
        }
        for (const xpm_kept *kept = spawn->keep; kept < spawn->keep + XPM_SPAWN_KEPT; kept++)
                if (kept->fd >= 0) {
                        sources[count] = kept->fd;
                        targets[count++] = kept->as;
                }
        for (int i = 0; i < count; i++)
                if ((sources[i] = move_up(sources[i], spawn)) < 0)
                        return -1;
        for (int i = 0; i < count; i++)
                if (dup2(sources[i], targets[i]) < 0)
                        return -1;
        return 0;
}

static int bind_to_parent(const struct start *start)
{
        if (start->spawn->death_signal == 0)
                return 0;
        if (prctl(PR_SET_PDEATHSIG, start->spawn->death_signal) != 0)
                return -1;
        /* The parent may have died before we asked to be told. */
        if (getppid() != start->parent)
                _exit(127);
        return 0;
}

/* Memory is a wish: a node that has none left must not end the job. A kernel before 5.15 knows only one such node. */
static void bind_to_processors(const struct start *start)
{
        enum { PREFERRED = 1, PREFERRED_MANY = 5 };
        const xpm_spawn *spawn = start->spawn;
        if (spawn->cpus && syscall(SYS_sched_setaffinity, 0, spawn->cpu_words * sizeof *spawn->cpus, spawn->cpus) < 0)
                start->failure->unbound = true;
        if (spawn->nodes) {
                unsigned long most = spawn->node_words * 64 + 1;
                if (syscall(SYS_set_mempolicy, PREFERRED_MANY, spawn->nodes, most) != 0)
                        syscall(SYS_set_mempolicy, PREFERRED, spawn->nodes, most);
        }
}

static __attribute__((noreturn, noinline)) void become_program(const struct start *start)
{
        enum xpm_spawn_step step = XPM_SPAWN_FORK;
        /* Before its number may be taken by another; 0 is whoever writes it. */
        if (start->spawn->cgroup_fd >= 0)
                (void)!write(start->spawn->cgroup_fd, "0", 1);
        bind_to_processors(start);
        if (start->spawn->session && setsid() < 0)
                goto failed;
        if (bind_to_parent(start) != 0)
                goto failed;
        step = XPM_SPAWN_CHDIR;
        if (enter_directory(start->spawn) != 0)
                goto failed;
        step = XPM_SPAWN_FORK;
        if (arrange_descriptors(start->spawn) != 0)
                goto failed;
        reset_signals(start->spawn->signals ? start->spawn->signals : xpm_spawn_signals());
        step = XPM_SPAWN_EXEC;
        execve(start->program, (char *const *)start->spawn->argv, start->env);
failed:
        start->failure->step = step;
        start->failure->number = errno;
        _exit(127);
}

/* The child, or -1 with errno; FAILURE is filled when it did not become the program. */
static pid_t run_vfork(const struct start *start)
{
        uint64_t old = set_signal_mask(~UINT64_C(0));
        pid_t pid = vfork();
        if (pid == 0)
                become_program(start);
        int saved = errno;
        set_signal_mask(old);
        errno = saved;
        return pid;
}

/* PATH of the child's environment. */
static const char *search_path(char *const *env)
{
        for (; *env; env++)
                if (strncmp(*env, "PATH=", strlen("PATH=")) == 0)
                        return *env + strlen("PATH=");
        return _PATH_DEFPATH;
}

/* Where PATH leads for the child: the name to use with *DIR, in FULL if it must be put together. NULL with errno. */
static const char *seen_by_child(const xpm_spawn *spawn, const char *path, int *dir, char full[PATH_MAX])
{
        *dir = AT_FDCWD;
        if (path[0] == '/')
                return path;
        if (spawn->cwd_fd >= 0) {
                *dir = spawn->cwd_fd;
                return path;
        }
        if (!spawn->cwd)
                return path;
        if ((size_t)snprintf(full, PATH_MAX, "%s/%s", spawn->cwd, path) < PATH_MAX)
                return full;
        errno = ENAMETOOLONG;
        return NULL;
}

/* 0 when PATH is a file that the child may execute; -1 with errno, *THERE telling whether there is something of that
 * name that was seen. */
static int check_program(const xpm_spawn *spawn, const char *path, bool *there)
{
        char full[PATH_MAX];
        int dir;
        struct stat status;
        *there = false;
        path = seen_by_child(spawn, path, &dir, full);
        if (!path || fstatat(dir, path, &status, 0) != 0)
                return -1;
        *there = true;
        if (!S_ISREG(status.st_mode)) {
                errno = EACCES;
                return -1;
        }
        return faccessat(dir, path, X_OK, AT_EACCESS);
}

/* Find argv[0] as the shell would and write the path to FOUND. An empty entry of PATH is the child's directory. */
static int find_program(const xpm_spawn *spawn, char *const *env, char found[PATH_MAX])
{
        const char *name = spawn->argv[0];
        bool denied = false, there; /* a directory that may not be searched hides nothing that was meant */
        if (*name == '\0') {
                errno = ENOENT;
                return -1;
        }
        for (const char *entry = search_path(env);; entry++) {
                size_t length = strcspn(entry, ":");
                int size = snprintf(found, PATH_MAX, "%.*s%s%s", (int)length, entry, length ? "/" : "./", name);
                if (size > 0 && size < PATH_MAX) {
                        if (check_program(spawn, found, &there) == 0)
                                return 0;
                        denied = denied || (there && errno == EACCES);
                }
                entry += length;
                if (*entry == '\0')
                        break;
        }
        errno = denied ? EACCES : ENOENT;
        return -1;
}

/* Say why, in the words of whoever wrote the command; PROGRAM is NULL when there was none to execute. errno is kept. */
static int explain(const xpm_spawn *spawn, const char *program, enum xpm_spawn_step step, xpm_error *err)
{
        int reason = errno;
        const char *name = spawn->argv[0];
        if (step == XPM_SPAWN_CHDIR && spawn->cwd_fd < 0)
                return xpm_fail_errno(err, "cannot enter '%s' to run '%s'", spawn->cwd, name);
        if (step == XPM_SPAWN_CHDIR)
                return xpm_fail_errno(err, "cannot enter the directory to run '%s' in", name);
        if (step == XPM_SPAWN_FORK)
                return xpm_fail_errno(err, "cannot start a process for '%s'", name);
        bool there, exists = program && check_program(spawn, program, &there) == 0;
        errno = reason;
        if (reason == ENOEXEC)
                return xpm_fail(
                        err, XPM_EIO,
                        "cannot run '%s': neither a program for this machine nor a script that begins with '#!'", name);
        if (reason == ENOENT && exists)
                return xpm_fail(err, XPM_EIO, "cannot run '%s': the interpreter that it asks for does not exist", name);
        return xpm_fail_errno(err, "cannot run '%s'", name);
}

static void wait_for(pid_t pid)
{
        int status;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
}

/* The child runs and cannot be watched: it must not go on unseen. */
static int give_up(const xpm_spawn *spawn, pid_t pid, xpm_error *err)
{
        int saved = errno;
        kill(pid, SIGKILL);
        wait_for(pid);
        errno = saved;
        return xpm_fail_errno(err, "cannot watch '%s'", spawn->argv[0]);
}

static enum xpm_spawn_step start_program(struct start *start, xpm_child *child)
{
        child->pid = run_vfork(start);
        if (child->pid < 0)
                return XPM_SPAWN_FORK;
        if (start->failure->step == XPM_SPAWN_OK)
                return XPM_SPAWN_OK;
        wait_for(child->pid);
        errno = start->failure->number;
        return start->failure->step;
}

int xpm_spawn_start(const xpm_spawn *spawn, xpm_child *child, enum xpm_spawn_step *step, xpm_error *err)
{
        char found[PATH_MAX];
        enum xpm_spawn_step ended = XPM_SPAWN_EXEC;
        volatile struct failure failure = {.step = XPM_SPAWN_OK};
        struct start start = {
                .spawn = spawn,
                .program = spawn->argv[0],
                .env = spawn->env ? (char *const *)spawn->env : environ,
                .parent = getpid(),
                .failure = &failure,
        };
        xpm_child started = {.pid = -1, .pidfd = -1};
        if (!strchr(spawn->argv[0], '/')) {
                start.program = found;
                if (find_program(spawn, start.env, found) != 0)
                        start.program = NULL;
        }
        if (start.program)
                ended = start_program(&start, &started);
        if (step)
                *step = ended;
        if (ended != XPM_SPAWN_OK)
                return explain(spawn, start.program, ended, err);

        /* Ours and not waited for: the pid cannot mean another process. */
        started.pidfd = (int)syscall(SYS_pidfd_open, started.pid, 0);
        if (started.pidfd < 0) {
                if (step)
                        *step = XPM_SPAWN_FORK;
                return give_up(spawn, started.pid, err);
        }
        started.unbound = failure.unbound;
        *child = started;
        return 0;
}
