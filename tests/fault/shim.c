/* Preloaded into xpm by test_shim.py: the n-th call that changes files is the last one, or fails.
 *
 * XPM_SHIM_ROLE says in which process: the first argument of its command line (`worker`, `run-experiment`).
 * XPM_SHIM_CALL is n, XPM_SHIM_HOW `kill`, `once` (the call fails) or `on` (it fails, and every later one that needs
 * space). XPM_SHIM_ERRNO is the error. XPM_SHIM_FIRED is a file that is made when it happens, with the name of the
 * call: there is one death for each such file, so that whoever is started in place of the dead lives.
 *
 * A write that is the last call is half done. Whatever the shim does itself, it does by system calls that are not
 * counted. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NEVER, KILL, ONCE, ON };

static int how, error;
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
        how = strcmp(way, "kill") == 0 ? KILL : strcmp(way, "once") == 0 ? ONCE : ON;
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

/* Whether CALL fails. FD and DATA are those of a write. */
static bool strike(const char *call, const char *path, int fd, const void *data, size_t length)
{
        if (how == NEVER || (how == ON && !needs_space(call)))
                return false;
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
        }
        if (how == ONCE)
                how = NEVER;
        errno = error;
        return true;
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
        if ((flags & O_CREAT) && strike("openat", path, -1, NULL, 0))
                return -1;
        return (int)syscall(SYS_openat, dir, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
        va_list rest;
        va_start(rest, flags);
        int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
        va_end(rest);
        if ((flags & O_CREAT) && strike("open", path, -1, NULL, 0))
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
        return REAL(write)(fd, data, length);
}

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

int flock(int fd, int operation)
{
        char link[64], path[4096] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (how != NEVER && readlink(link, path, sizeof path - 1) > 0 && strike("flock", path, -1, NULL, 0))
                return -1;
        return REAL(flock)(fd, operation);
}
