/* Preloaded into xpm by test_shim.py and test_removal.py: the n-th call that changes files is the last one, or fails,
 * or is waited before.
 *
 * XPM_SHIM_ROLE says in which process: the first argument of its command line (`worker`, `run-experiment`).
 * XPM_SHIM_CALL is n, XPM_SHIM_HOW `kill`, `once` (the call fails), `on` (it fails, and every later one that needs
 * space) or `short` (a write to a file or a socket writes half), or
 * `stop` (the process stops itself before the call, by SIGSTOP). XPM_SHIM_ERRNO is the error, and says which calls are
 * counted: for EMFILE those that open a descriptor, for EAGAIN those that start a process or a thread, else those that
 * change files. XPM_SHIM_FIRED is a file that is made when it happens, with the name of the call: there is one death
 * for each such file, so that whoever is started in place of the dead lives.
 *
 * A write that is the last call is half done. Whatever the shim does itself, it does by system calls that are not
 * counted. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NEVER, KILL, STOP, ONCE, ON, SHORT };
enum { FILES, DESCRIPTORS, PROCESSES }; /* which calls are counted */

static int how, error, counted;
static long remaining;
static const char *fired;

/* Whether this process has the role. */
static bool is_meant(const char *role)
{
        char line[4096] = "";
        int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC, 0);
        ssize_t length = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
        if (fd >= 0)
                close(fd);
        size_t first = strlen(line) + 1;
        return length > (ssize_t)first && strcmp(line + first, role) == 0;
}

__attribute__((constructor)) static void begin(void)
{
        const char *role = getenv("XPM_SHIM_ROLE"), *call = getenv("XPM_SHIM_CALL"), *way = getenv("XPM_SHIM_HOW");
        const char *number = getenv("XPM_SHIM_ERRNO");
        fired = getenv("XPM_SHIM_FIRED");
        /* Jobs are not tried here, nor are they to run under a sanitizer. */
        if (is_meant("worker"))
                unsetenv("LD_PRELOAD");
        if (!role || !call || !way || !fired || !is_meant(role) || access(fired, F_OK) == 0)
                return;
        remaining = atol(call);
        error = number ? atoi(number) : EIO;
        counted = error == EMFILE ? DESCRIPTORS : error == EAGAIN ? PROCESSES : FILES;
        how = strcmp(way, "kill") == 0    ? KILL
              : strcmp(way, "stop") == 0  ? STOP
              : strcmp(way, "once") == 0  ? ONCE
              : strcmp(way, "short") == 0 ? SHORT
                                          : ON;
}

static bool needs_space(const char *call)
{
        return strcmp(call, "flock") != 0 && strncmp(call, "unlink", 6) != 0;
}

/* Say what happens; false when it has happened in another process. */
static bool note(const char *call, const char *path)
{
        char text[5000];
        int fd = (int)syscall(SYS_openat, AT_FDCWD, fired, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return false;
        int length = snprintf(text, sizeof text, "%s %.4000s\n", call, path);
        (void)!syscall(SYS_write, fd, text, length);
        close(fd);
        return true;
}

/* Whether CALL, which is counted, fails. FD and DATA are those of a write. */
static bool fall(const char *call, const char *path, int fd, const void *data, size_t length)
{
        if (remaining > 0 && --remaining > 0)
                return false;
        if (remaining == 0) {
                remaining = -1;
                if (!note(call, path)) {
                        how = NEVER;
                        return false;
                }
                if (how == KILL) {
                        if (data)
                                (void)!syscall(SYS_write, fd, data, length / 2);
                        syscall(SYS_kill, getpid(), SIGKILL);
                }
                if (how == STOP) {
                        how = NEVER;
                        syscall(SYS_kill, getpid(), SIGSTOP);
                        return false;
                }
        }
        if (how == ONCE)
                how = NEVER;
        errno = error;
        return true;
}

/* Whether CALL, which changes files, fails. */
static bool strike(const char *call, const char *path, int fd, const void *data, size_t length)
{
        if (how == NEVER || how == SHORT || counted != FILES || (how == ON && error == ENOSPC && !needs_space(call)))
                return false;
        return fall(call, path, fd, data, length);
}

/* Whether CALL fails, which opens a descriptor or starts a process. */
static bool strike_other(int what, const char *call, const char *path)
{
        return how != NEVER && counted == what && fall(call, path, -1, NULL, 0);
}

/* How much of LENGTH bytes is written to FD. */
static size_t shorten(const char *call, int fd, size_t length)
{
        struct stat st;
        if (how != SHORT || length < 2 || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode)))
                return length;
        if (!fall(call, "", -1, NULL, 0))
                return length;
        how = NEVER;
        return length / 2;
}

static bool is_file(int fd)
{
        struct stat st;
        return how != NEVER && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int openat(int dir, const char *path, int flags, ...)
{
        va_list rest;
        va_start(rest, flags);
        int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
        va_end(rest);
        if (((flags & O_CREAT) && strike("openat", path, -1, NULL, 0)) || strike_other(DESCRIPTORS, "openat", path))
                return -1;
        return (int)syscall(SYS_openat, dir, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
        va_list rest;
        va_start(rest, flags);
        int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
        va_end(rest);
        if (((flags & O_CREAT) && strike("open", path, -1, NULL, 0)) || strike_other(DESCRIPTORS, "open", path))
                return -1;
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...) __attribute__((alias("openat")));
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

ssize_t write(int fd, const void *data, size_t length)
{
        char link[64], path[4096] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (is_file(fd) && readlink(link, path, sizeof path - 1) > 0 && strike("write", path, fd, data, length))
                return -1;
        return REAL(write)(fd, data, shorten("write", fd, length));
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
        return REAL(send)(fd, data, shorten("send", fd, length), flags);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
        return strike_other(DESCRIPTORS, "socketpair", "") ? -1 : REAL(socketpair)(domain, type, protocol, fds);
}

int pipe2(int fds[2], int flags)
{
        return strike_other(DESCRIPTORS, "pipe2", "") ? -1 : (int)syscall(SYS_pipe2, fds, flags);
}

int eventfd(unsigned int count, int flags)
{
        return strike_other(DESCRIPTORS, "eventfd", "") ? -1 : (int)syscall(SYS_eventfd2, count, flags);
}

int epoll_create1(int flags)
{
        return strike_other(DESCRIPTORS, "epoll_create1", "") ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

int pidfd_open(pid_t pid, unsigned int flags)
{
        return strike_other(DESCRIPTORS, "pidfd_open", "") ? -1 : (int)syscall(SYS_pidfd_open, pid, flags);
}

pid_t fork(void)
{
        return strike_other(PROCESSES, "fork", "") ? -1 : REAL(fork)();
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *data)
{
        return strike_other(PROCESSES, "pthread_create", "") ? error
                                                             : REAL(pthread_create)(thread, attributes, run, data);
}

#ifdef __x86_64__
/* vfork() returns twice on its caller's stack, so it can only be jumped to. */
__attribute__((used)) static void *refuse_vfork(void)
{
        void *real_vfork = dlsym(RTLD_NEXT, "vfork");
        return strike_other(PROCESSES, "vfork", "") ? NULL : real_vfork;
}

__attribute__((naked)) pid_t vfork(void)
{
        __asm__("sub $8, %rsp\n\t"
                "call refuse_vfork\n\t"
                "add $8, %rsp\n\t"
                "test %rax, %rax\n\t"
                "jz 1f\n\t"
                "jmp *%rax\n"
                "1:\tmov $-1, %eax\n\t"
                "ret");
}
#endif

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
        if (is_file(fd) && strike("pwrite", "", -1, NULL, 0))
                return -1;
        return REAL(pwrite)(fd, data, length, offset);
}

int ftruncate(int fd, off_t length)
{
        if (is_file(fd) && strike("ftruncate", "", -1, NULL, 0))
                return -1;
        return REAL(ftruncate)(fd, length);
}

int renameat(int from, const char *old, int to, const char *new)
{
        return strike("renameat", new, -1, NULL, 0) ? -1 : REAL(renameat)(from, old, to, new);
}

int rename(const char *old, const char *new)
{
        return strike("rename", new, -1, NULL, 0) ? -1 : REAL(rename)(old, new);
}

int unlinkat(int dir, const char *path, int flags)
{
        return strike("unlinkat", path, -1, NULL, 0) ? -1 : REAL(unlinkat)(dir, path, flags);
}

int unlink(const char *path)
{
        return strike("unlink", path, -1, NULL, 0) ? -1 : REAL(unlink)(path);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
        return strike("mkdirat", path, -1, NULL, 0) ? -1 : REAL(mkdirat)(dir, path, mode);
}

int mkdir(const char *path, mode_t mode)
{
        return strike("mkdir", path, -1, NULL, 0) ? -1 : REAL(mkdir)(path, mode);
}

int symlink(const char *target, const char *path)
{
        return strike("symlink", path, -1, NULL, 0) ? -1 : REAL(symlink)(target, path);
}

int symlinkat(const char *target, int dir, const char *path)
{
        return strike("symlinkat", path, -1, NULL, 0) ? -1 : REAL(symlinkat)(target, dir, path);
}

int linkat(int from, const char *old, int to, const char *new, int flags)
{
        return strike("linkat", new, -1, NULL, 0) ? -1 : REAL(linkat)(from, old, to, new, flags);
}

int flock(int fd, int operation)
{
        char link[64], path[4096] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (how != NEVER && readlink(link, path, sizeof path - 1) > 0 && strike("flock", path, -1, NULL, 0))
                return -1;
        return REAL(flock)(fd, operation);
}
