/* Files that are whole at every instant, and trees of them.
 *
 * A file is replaced by a temporary `.NAME.PID.N.tmp` beside it and a rename. The temporary is made with O_EXCL: two
 * hosts may have the same pid, and the same directory. An error of close() counts everywhere, because that is where
 * some filesystems first say that the disk is full. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_again(int dir, const char *name, int flags, mode_t mode)
{
        int fd;
        do
                fd = openat(dir, name, flags | O_CLOEXEC | O_NOCTTY, mode);
        while (fd < 0 && errno == EINTR);
        return fd;
}

int xpm_write_all(int fd, const void *data, size_t length)
{
        const char *bytes = data;
        while (length > 0) {
                ssize_t written = write(fd, bytes, length);
                if (written < 0 && errno == EAGAIN) {
                        poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
                        continue;
                }
                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0)
                        return -1;
                bytes += written;
                length -= (size_t)written;
        }
        return 0;
}

static int too_long(const char *name, size_t limit, xpm_error *err)
{
        return xpm_fail(err, XPM_EIO, "'%s' is longer than %zu bytes", name, limit);
}

static int read_all(int fd, const char *name, size_t limit, xpm_text *text, xpm_error *err)
{
        size_t start = text->length;
        for (;;) {
                xpm_text_reserve(text, 4096);
                if (text->failed)
                        return xpm_fail_memory(err);
                ssize_t length = read(fd, text->data + text->length, text->capacity - text->length - 1);
                if (length < 0 && errno == EINTR)
                        continue;
                if (length < 0)
                        return xpm_fail_errno(err, "cannot read '%s'", name);
                if (length == 0)
                        return 0;
                text->length += (size_t)length;
                text->data[text->length] = '\0';
                if (limit > 0 && text->length - start > limit)
                        return too_long(name, limit, err);
        }
}

int xpm_file_read(int dir, const char *name, size_t limit, xpm_text *text, xpm_error *err)
{
        /* Without O_NONBLOCK a named pipe would keep us here until somebody writes. */
        int fd = open_again(dir, name, O_RDONLY | O_NONBLOCK, 0);
        if (fd < 0 && errno == ENOENT)
                return xpm_fail(err, XPM_ENOTFOUND, "cannot open '%s': no such file or directory", name);
        if (fd < 0)
                return xpm_fail_errno(err, "cannot open '%s'", name);
        size_t start = text->length;
        struct stat status;
        int rc;
        if (fstat(fd, &status) != 0)
                rc = xpm_fail_errno(err, "cannot read '%s'", name);
        else if (S_ISDIR(status.st_mode))
                rc = xpm_fail(err, XPM_EIO, "cannot read '%s': is a directory", name);
        else if (!S_ISREG(status.st_mode))
                rc = xpm_fail(err, XPM_EIO, "cannot read '%s': not a regular file", name);
        else if (limit > 0 && (size_t)status.st_size > limit)
                rc = too_long(name, limit, err);
        else {
                /* One more than the size, so that the end of the file is seen without growing. */
                xpm_text_reserve(text, (size_t)status.st_size + 4096);
                rc = read_all(fd, name, limit, text, err);
        }
        close(fd);
        if (rc != 0)
                xpm_text_cut(text, start);
        return rc;
}

/* Write DATA to FD and close it. */
static int fill(int fd, const char *name, const void *data, size_t length, xpm_error *err)
{
        int rc = 0;
        if (xpm_write_all(fd, data, length) != 0)
                rc = xpm_fail_errno(err, "cannot write '%s'", name);
        /* The descriptor is gone even when close() was interrupted. */
        if (close(fd) != 0 && errno != EINTR && rc == 0)
                rc = xpm_fail_errno(err, "cannot write '%s'", name);
        return rc;
}

int xpm_file_write(int dir, const char *name, const void *data, size_t length, mode_t mode, xpm_error *err)
{
        int fd = open_again(dir, name, O_WRONLY | O_CREAT | O_TRUNC, mode);
        if (fd < 0)
                return xpm_fail_errno(err, "cannot create '%s'", name);
        return fill(fd, name, data, length, err);
}

/* Open a new file beside NAME; its name goes to TEMPORARY. */
static int open_beside(int dir, const char *name, mode_t mode, char temporary[PATH_MAX])
{
        const char *slash = strrchr(name, '/');
        const char *base = slash ? slash + 1 : name;
        int directory = (int)(base - name);
        /* A long name is cut, so that the temporary's fits the 255 bytes of a filesystem. */
        enum { KEPT = 200, ATTEMPTS = 1000 };
        for (int n = 0; n < ATTEMPTS; n++) {
                int length = snprintf(temporary, PATH_MAX, "%.*s.%.*s.%ld.%d.tmp", directory, name, KEPT, base,
                                      (long)getpid(), n);
                if (length < 0 || length >= PATH_MAX) {
                        errno = ENAMETOOLONG;
                        return -1;
                }
                int fd = open_again(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
                if (fd >= 0 || errno != EEXIST)
                        return fd;
        }
        return -1;
}

int xpm_file_replace(int dir, const char *name, const void *data, size_t length, mode_t mode, xpm_error *err)
{
        char temporary[PATH_MAX];
        int fd = open_beside(dir, name, mode, temporary);
        if (fd < 0)
                return xpm_fail_errno(err, "cannot create '%s'", name);
        int rc = fill(fd, name, data, length, err);
        if (rc == 0 && renameat(dir, temporary, dir, name) != 0)
                rc = xpm_fail_errno(err, "cannot replace '%s'", name);
        if (rc != 0) {
                int saved = errno;
                unlinkat(dir, temporary, 0);
                errno = saved;
        }
        return rc;
}

int xpm_file_exists(int dir, const char *name, xpm_error *err)
{
        struct stat status;
        if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
                return 1;
        if (errno == ENOENT || errno == ENOTDIR)
                return 0;
        return xpm_fail_errno(err, "cannot look at '%s'", name);
}

static bool is_directory(int dir, const char *path)
{
        struct stat status;
        return fstatat(dir, path, &status, 0) == 0 && S_ISDIR(status.st_mode);
}

/* What mkdir() refuses is fine when it is a directory: a read-only or an automounted one may be refused otherwise than
 * with EEXIST. */
static int make_one(int dir, const char *path, mode_t mode)
{
        if (mkdirat(dir, path, mode) == 0)
                return 0;
        int saved = errno;
        if (is_directory(dir, path))
                return 0;
        errno = saved == EEXIST ? ENOTDIR : saved;
        return -1;
}

int xpm_mkdir_p(int dir, const char *path, mode_t mode, xpm_error *err)
{
        if (make_one(dir, path, mode) == 0)
                return 0;
        size_t length = strlen(path);
        char *prefix = strdup(path);
        if (!prefix)
                return xpm_fail_memory(err);
        int rc = 0;
        for (size_t end = 1; end <= length && rc == 0; end++) {
                bool ends_component = (path[end] == '/' || path[end] == '\0') && path[end - 1] != '/';
                if (!ends_component)
                        continue;
                prefix[end] = '\0';
                if (make_one(dir, prefix, mode) != 0)
                        rc = xpm_fail_errno(err, "cannot create the directory '%s'", prefix);
                prefix[end] = path[end];
        }
        if (rc == 0 && length == 0) {
                errno = ENOENT;
                rc = xpm_fail_errno(err, "cannot create the directory ''");
        }
        free(prefix);
        return rc;
}
