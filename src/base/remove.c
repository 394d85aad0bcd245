/* rm -rf. Each level holds a descriptor, so the levels are bounded: a directory deeper than that is moved to the top of
 * the tree, under a name of ours, and found there again. The tree is lost anyway, and neither descriptors nor stack run
 * out however deep it is. Links are never followed, not even when something is put in the place of a directory that was
 * just looked at: every step is an openat() that refuses links. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEPEST = 24, LONGEST_NAME = 64, REFILLS = 16 };

struct removal {
        int top;          /* descriptor of the tree's root */
        const char *path; /* of the root, for messages */
        unsigned moved;   /* directories moved to the top so far */
        xpm_error *err;
};

static int remove_children(struct removal *removal, int fd, int depth);

static int refused(struct removal *removal, const char *name)
{
        return xpm_fail_errno(removal->err, "cannot remove '%s' below '%s'", name, removal->path);
}

/* A directory that is to go may refuse us by its mode alone, as what programs make read-only does. Neither is a link
 * followed here, nor anything changed that is not ours. */
static bool unlock(int fd)
{
        int error = errno;
        char path[LONGEST_NAME];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        bool unlocked = error == EACCES && fd >= 0 && chmod(path, S_IRWXU) == 0;
        errno = error;
        return unlocked;
}

static int open_directory(int dir, const char *name)
{
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 || errno != EACCES)
                return fd;
        int place = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        errno = EACCES;
        if (unlock(place))
                fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        if (place >= 0)
                close(place);
        errno = error;
        return fd;
}

/* unlinkat() in a directory of the tree. */
static int take(int dir, const char *name, int flags)
{
        int rc = unlinkat(dir, name, flags);
        return rc != 0 && unlock(dir) ? unlinkat(dir, name, flags) : rc;
}

/* Something may have our name already: then it, too, is to be removed, and an empty directory may as well be replaced.
 */
static int move_to_top(struct removal *removal, int dir, const char *name)
{
        char moved[LONGEST_NAME];
        int rc;
        do {
                snprintf(moved, sizeof moved, ".remove.%ld.%u", (long)getpid(), removal->moved++);
                rc = renameat(dir, name, removal->top, moved);
        } while (rc != 0 && (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR));
        return rc == 0 || errno == ENOENT ? 0 : refused(removal, name);
}

/* Who has the directory open may put something into it just before it goes: then it is emptied once more, though not
 * for ever (what is open on NFS comes back under another name). */
static int remove_directory(struct removal *removal, int dir, const char *name, int depth)
{
        for (int i = 0; take(dir, name, AT_REMOVEDIR) != 0; i++) {
                if (errno == ENOENT)
                        return 0;
                if ((errno != ENOTEMPTY && errno != EEXIST) || i == REFILLS)
                        return refused(removal, name);
                if (depth >= DEEPEST)
                        return move_to_top(removal, dir, name);
                int fd = open_directory(dir, name);
                if (fd < 0)
                        return errno == ENOENT ? 0 : refused(removal, name);
                int rc = remove_children(removal, fd, depth + 1);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

static int remove_entry(struct removal *removal, int dir, const struct dirent *entry, int depth)
{
        if (entry->d_type != DT_DIR) {
                if (take(dir, entry->d_name, 0) == 0 || errno == ENOENT)
                        return 0;
                /* Not every filesystem tells the type beforehand. */
                if (errno != EISDIR || entry->d_type != DT_UNKNOWN)
                        return refused(removal, entry->d_name);
        }
        return remove_directory(removal, dir, entry->d_name, depth);
}

/* Takes FD. The directory is read again until it is empty: entries come to the top while it is read, and what goes
 * while it is read makes some filesystems skip others. */
static int remove_children(struct removal *removal, int fd, int depth)
{
        DIR *stream = fdopendir(fd);
        if (!stream) {
                int rc = refused(removal, "");
                close(fd);
                return rc;
        }
        int rc = 0;
        size_t seen;
        do {
                seen = 0;
                rewinddir(stream);
                const struct dirent *entry;
                while (rc == 0 && (errno = 0, entry = readdir(stream))) {
                        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                                continue;
                        rc = remove_entry(removal, fd, entry, depth);
                        seen++;
                }
                if (rc == 0 && errno != 0)
                        rc = xpm_fail_errno(removal->err, "cannot list a directory below '%s'", removal->path);
        } while (rc == 0 && seen > 0);
        closedir(stream);
        return rc;
}

/* PATH's last component must be a name, or the caller removes something else than he thinks. */
static bool is_removable(const char *path, size_t length)
{
        const char *base = memrchr(path, '/', length);
        base = base ? base + 1 : path;
        size_t left = length - (size_t)(base - path);
        return left > 0 && !(left == 1 && base[0] == '.') && !(left == 2 && base[0] == '.' && base[1] == '.');
}

/* unlink() has just refused NAME; PATH is for messages. */
static int remove_top(int dir, const char *name, const char *path, xpm_error *err)
{
        bool directory = errno == EISDIR || errno == EPERM;
        for (int i = 0;; i++) {
                int fd = directory ? open_directory(dir, name) : -1;
                if (fd < 0)
                        return errno == ENOENT ? 0 : xpm_fail_errno(err, "cannot remove '%s'", path);
                int rc = remove_children(&(struct removal){.top = fd, .path = path, .err = err}, fd, 0);
                if (rc != 0 || unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                        return rc;
                if ((errno != ENOTEMPTY && errno != EEXIST) || i == REFILLS)
                        return xpm_fail_errno(err, "cannot remove '%s'", path);
        }
}

int xpm_remove_tree(int dir, const char *path, xpm_error *err)
{
        size_t length = strlen(path);
        /* With a slash at its end a link would be followed after all. */
        while (length > 0 && path[length - 1] == '/')
                length--;
        if (!is_removable(path, length))
                return xpm_fail(err, XPM_EIO, "cannot remove '%s': not the name of something in a directory", path);
        char *name = strndup(path, length);
        if (!name)
                return xpm_fail_memory(err);

        int rc = 0;
        if (unlinkat(dir, name, 0) != 0 && errno != ENOENT && errno != ENOTDIR)
                rc = remove_top(dir, name, path, err);
        free(name);
        return rc;
}
