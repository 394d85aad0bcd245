/* A lock belongs to an inode, a name may change its inode: others unlink lock files or put new ones in their place. So
 * a lock counts only when, after it was taken, the name still leads to the inode that is locked; else it is taken
 * again. Whoever waits on the old inode finds that out as soon as he gets it.
 *
 * flock() cannot ask without taking. xpm_lock_is_held() takes a shared lock for an instant, and so a try that fails is
 * repeated a little later: somebody who holds the lock for a reason holds it longer than that. */
#include "base/lock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 4, PAUSE_NS = 500 * 1000, SIGNATURE = 512, LONGEST_MOUNT = 1024, REPLACEMENTS = 1000 };

/* Where the filesystem of FD is mounted, for a message; false when /proc does not tell. */
static bool find_mount(int fd, char place[LONGEST_MOUNT])
{
        struct stat status;
        FILE *mounts = fstat(fd, &status) == 0 ? fopen("/proc/self/mountinfo", "re") : NULL;
        if (!mounts)
                return false;
        char line[4096], wanted[32], device[32];
        bool found = false;
        snprintf(wanted, sizeof wanted, "%u:%u", major(status.st_dev), minor(status.st_dev));
        while (!found && fgets(line, sizeof line, mounts))
                found = sscanf(line, "%*s %*s %31s %*s %1023s", device, place) == 2 && strcmp(device, wanted) == 0;
        fclose(mounts);
        return found;
}

/* flock() did not work, and not because somebody else has the lock. */
static int refused(int fd, const char *name, xpm_error *err)
{
        char place[LONGEST_MOUNT];
        int reason = errno;
        bool by_filesystem = reason == ENOLCK || reason == EOPNOTSUPP || reason == ENOSYS || reason == EINVAL;
        if (!by_filesystem)
                return xpm_fail_errno(err, "cannot lock '%s'", name);
        bool found = find_mount(fd, place);
        errno = reason;
        if (found)
                return xpm_fail_errno(err, "cannot lock '%s': the filesystem mounted on '%s' refuses locks", name,
                                      place);
        return xpm_fail_errno(err, "cannot lock '%s': its filesystem refuses locks", name);
}

/* The holder's signature, in words. It is a stranger's text: what is no signature is not repeated. */
static int held(int fd, const char *name, xpm_error *err)
{
        char text[SIGNATURE] = "", host[128], user[128], since[64];
        long pid;
        ssize_t length = pread(fd, text, sizeof text - 1, 0);
        bool readable = length > 0;
        for (ssize_t i = 0; i < length; i++)
                readable = readable && (text[i] == '\n' || !iscntrl((unsigned char)text[i]));
        if (readable && sscanf(text, "%127s %ld %127s %63s", host, &pid, user, since) == 4)
                return xpm_fail(err, XPM_ELOCKED, "'%s' is held by process %ld of %s on %s since %s", name, pid, user,
                                host, since);
        return xpm_fail(err, XPM_ELOCKED, "'%s' is held by another process", name);
}

/* 0 with the lock, XPM_ELOCKED without a message, or another error. */
static int lock(int fd, const char *name, int operation, xpm_error *err)
{
        for (;;) {
                if (flock(fd, operation) == 0)
                        return 0;
                if (errno == EWOULDBLOCK)
                        return XPM_ELOCKED;
                if (errno != EINTR)
                        return refused(fd, name, err);
                if (!(operation & LOCK_NB))
                        return xpm_fail(err, XPM_EINTERRUPTED, "interrupted while waiting for the lock '%s'", name);
        }
}

static int try_lock(int fd, const char *name, int operation, xpm_error *err)
{
        int rc = XPM_ELOCKED;
        for (int i = 0; i < TRIES && rc == XPM_ELOCKED; i++) {
                if (i > 0)
                        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
                rc = lock(fd, name, operation | LOCK_NB, err);
        }
        return rc;
}

/* Does NAME still lead to the file that is open as FD? */
static bool is_current(int dir, const char *name, int fd)
{
        struct stat ours, theirs;
        return fstat(fd, &ours) == 0 && fstatat(dir, name, &theirs, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_nlink > 0 &&
               ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static int open_lock(int dir, const char *name, int flags, mode_t mode)
{
        int fd;
        do
                fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
        while (fd < 0 && errno == EINTR);
        return fd;
}

static int cannot_open(const char *name, xpm_error *err)
{
        if (errno == ELOOP)
                return xpm_fail(err, XPM_EIO, "cannot open the lock '%s': it is a symbolic link", name);
        return xpm_fail_errno(err, "cannot open the lock '%s'", name);
}

static int take(int dir, const char *name, mode_t mode, int operation, bool wait, int *fd, xpm_error *err)
{
        for (int i = 0; i < REPLACEMENTS; i++) {
                int file = open_lock(dir, name, O_RDWR | O_CREAT, mode);
                if (file < 0)
                        return cannot_open(name, err);
                int rc = wait ? lock(file, name, operation, err) : try_lock(file, name, operation, err);
                bool current = is_current(dir, name, file);
                if (rc == 0 && current) {
                        *fd = file;
                        return 0;
                }
                if (rc == XPM_ELOCKED && current)
                        rc = held(file, name, err);
                close(file);
                if (rc != 0 && (rc != XPM_ELOCKED || current))
                        return rc;
        }
        return xpm_fail(err, XPM_EIO, "cannot lock '%s': somebody replaces it all the time", name);
}

int xpm_lock_take(int dir, const char *name, mode_t mode, bool wait, int *fd, xpm_error *err)
{
        return take(dir, name, mode, LOCK_EX, wait, fd, err);
}

int xpm_lock_share(int dir, const char *name, mode_t mode, int *fd, xpm_error *err)
{
        return take(dir, name, mode, LOCK_SH, true, fd, err);
}

void xpm_lock_sign(int fd, const char *note)
{
        char host[128] = "?", since[64], user[32], text[SIGNATURE], buffer[4096];
        struct passwd entry, *found = NULL;
        gethostname(host, sizeof host - 1);
        const char *name = getenv("LOGNAME");
        if ((!name || !*name) && getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found)
                name = entry.pw_name;
        if (!name || !*name || strpbrk(name, " \t\n")) {
                snprintf(user, sizeof user, "%ld", (long)geteuid());
                name = user;
        }
        time_t now = time(NULL);
        struct tm local;
        if (!localtime_r(&now, &local) || strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%S%z", &local) == 0)
                return;
        int length = snprintf(text, sizeof text, "%s %ld %s %s%s%s\n", host, (long)getpid(), name, since,
                              note ? " " : "", note ? note : "");
        if (length < 0)
                return;
        size_t size = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
        if (ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0)
                (void)!write(fd, text, size);
}

void xpm_lock_release(int fd)
{
        if (fd < 0)
                return;
        flock(fd, LOCK_UN);
        close(fd);
}

int xpm_lock_is_held(int dir, const char *name, xpm_error *err)
{
        int file = open_lock(dir, name, O_RDONLY, 0);
        if (file < 0)
                return errno == ENOENT ? 0 : cannot_open(name, err);
        int rc = lock(file, name, LOCK_SH | LOCK_NB, err);
        if (rc == 0)
                flock(file, LOCK_UN);
        close(file);
        return rc == XPM_ELOCKED ? 1 : rc;
}

int xpm_lock_check(int dir, const char *name, xpm_error *err)
{
        char place[LONGEST_MOUNT];
        int file = open_lock(dir, name, O_RDWR, 0);
        if (file < 0)
                return cannot_open(name, err);
        int rc = lock(file, name, LOCK_EX | LOCK_NB, err);
        if (rc == 0) {
                bool found = find_mount(file, place);
                rc = xpm_fail(
                        err, XPM_EIO,
                        "the lock '%s' was granted twice: locks of the filesystem mounted on '%s' exclude nobody, so "
                        "one job could run twice at once; use a workspace on another filesystem",
                        name, found ? place : "?");
        } else if (rc == XPM_ELOCKED)
                rc = 0;
        close(file);
        return rc;
}
