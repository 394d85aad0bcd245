/* The name says for whom the file is: the boot, and a hash of what sets this process apart: the Slurm job and step, the
 * job of ours that it runs in, another host that hwloc was told to describe.
 *
 * A file that nobody has open is removed, by the last who leaves, or after a death by the next who comes to the
 * directory: who gets the write lock of the presence byte is alone, and who opened the file meanwhile finds, when he
 * has his read lock, that it has no name any more, and begins again. Files of earlier boots are among these. */
#include "exec/stockfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "exec/leftover.h"
#include "workspace/status.h"

/* The presence byte is the same for every layout of the file; the number in the name tells layouts apart. */
#define PREFIX "stock"
#define LAYOUT "1"
static const off_t presence = (off_t)1 << 40;
enum { NAME = 128, DESCRIPTION_LIMIT = 64 << 20 };

static int ofd(int fd, int operation, short type, off_t from, off_t length, struct flock *out)
{
        struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = length};
        int rc;
        do
                rc = fcntl(fd, operation, &lock);
        while (rc != 0 && errno == EINTR);
        if (out)
                *out = lock;
        return rc;
}

static void refuse(xpm_text *note, const char *dir, const char *why)
{
        if (note)
                xpm_text_printf(note, "cores are not shared with other runs on this host: '%s' %s", dir, why);
}

static void refuse_errno(xpm_text *note, const char *dir, const char *what)
{
        if (note)
                xpm_text_printf(note, "cores are not shared with other runs on this host: cannot %s '%s': %s", what,
                                dir, strerror(errno));
}

/* The directory's path; false: nothing is to be shared. */
static bool find_place(char path[PATH_MAX])
{
        const char *chosen = getenv("XPM_STOCK");
        if (!chosen || !*chosen) {
                snprintf(path, PATH_MAX, "/dev/shm/xpm-%lu", (unsigned long)geteuid());
                return true;
        }
        snprintf(path, PATH_MAX, "%s", chosen);
        return strcmp(chosen, "private") != 0;
}

static int open_place(const char *path, bool make, xpm_text *note)
{
        struct stat st;
        if (make && mkdir(path, 0700) != 0 && errno != EEXIST) {
                refuse_errno(note, path, "make");
                return -1;
        }
        int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0 || fstat(dir, &st) != 0) {
                if (make || errno != ENOENT)
                        refuse_errno(note, path, "open");
        } else if (st.st_uid != geteuid())
                refuse(note, path, "belongs to another user");
        else if (st.st_mode & (S_IRWXG | S_IRWXO))
                refuse(note, path, "is open to others: its mode should be 0700");
        else
                return dir;
        if (dir >= 0)
                close(dir);
        return -1;
}

/* NAME=VALUE of the environment and a NUL, where it is set. */
static void tell(xpm_text *text, const char *name)
{
        const char *value = getenv(name);
        if (value && *value) {
                xpm_text_printf(text, "%s=%s", name, value);
                xpm_text_putc(text, '\0');
        }
}

static bool make_name(char name[NAME])
{
        xpm_text apart = XPM_TEXT_INIT;
        uint8_t digest[XPM_SHA256_SIZE];
        char hex[17] = "";
        const char *description = getenv("HWLOC_XMLFILE");
        tell(&apart, "SLURM_JOB_ID");
        tell(&apart, "SLURM_STEP_ID");
        tell(&apart, "XPM_JOB_DIR");
        tell(&apart, "HWLOC_SYNTHETIC");
        int rc =
                description && *description ? xpm_file_read(AT_FDCWD, description, DESCRIPTION_LIMIT, &apart, NULL) : 0;
        if (rc != 0)
                tell(&apart, "HWLOC_XMLFILE"); /* that it cannot be read is the affair of who loads the topology */
        bool told = rc != XPM_ENOMEM && !apart.failed;
        if (told && apart.length > 0 && (told = xpm_sha256(apart.data, apart.length, digest, NULL) == 0))
                xpm_hex(digest, sizeof hex / 2, hex);
        snprintf(name, NAME, PREFIX LAYOUT "-%s%s%s", xpm_boot_id(), *hex ? "-" : "", hex);
        xpm_text_release(&apart);
        return told;
}

static bool is_same(int fd, int dir, const char *name)
{
        struct stat ours, theirs;
        return fstat(fd, &ours) == 0 && fstatat(dir, name, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
               ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* Unlink NAME, which is open as FD, when nobody else has it open. */
static void remove_unused(int fd, int dir, const char *name)
{
        if (ofd(fd, F_OFD_SETLK, F_WRLCK, presence, 1, NULL) == 0 && is_same(fd, dir, name))
                unlinkat(dir, name, 0);
}

static int open_in(int dir, const char *name, int flags)
{
        return openat(dir, name, flags | O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
}

static void clean(int dir, const char *ours)
{
        int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *entries = copy < 0 ? NULL : fdopendir(copy);
        for (struct dirent *entry; entries && (entry = readdir(entries));) {
                bool other = strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 && strcmp(entry->d_name, ours) != 0;
                int fd = other ? open_in(dir, entry->d_name, 0) : -1;
                if (fd < 0)
                        continue;
                remove_unused(fd, dir, entry->d_name);
                close(fd);
        }
        if (entries)
                closedir(entries);
        else if (copy >= 0)
                close(copy);
}

/* The file NAME with our presence. Whoever has the write lock is about to remove it, and does not wait for anything. */
static int enter(int dir, const char *name)
{
        for (;;) {
                int fd = open_in(dir, name, O_CREAT);
                if (fd < 0)
                        return -1;
                if (ofd(fd, F_OFD_SETLKW, F_RDLCK, presence, 1, NULL) != 0) {
                        int reason = errno;
                        close(fd);
                        errno = reason;
                        return -1;
                }
                if (is_same(fd, dir, name))
                        return fd;
                close(fd);
        }
}

/* Its blocks too: to write to a page for which there is no room is SIGBUS. */
static bool make_room(int fd)
{
        struct stat st;
        if (fstat(fd, &st) != 0)
                return false;
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
                errno = EPERM;
                return false;
        }
        if (fallocate(fd, 0, 0, sizeof(xpm_stock_table)) == 0)
                return true;
        return errno == EOPNOTSUPP &&
               (st.st_size >= (off_t)sizeof(xpm_stock_table) || ftruncate(fd, sizeof(xpm_stock_table)) == 0);
}

int xpm_stockfile_open(xpm_text *note)
{
        char path[PATH_MAX], name[NAME];
        if (!find_place(path))
                return -1;
        int fd = -1, dir = open_place(path, true, note);
        if (dir < 0)
                return -1;
        if (!make_name(name)) {
                errno = ENOMEM;
                refuse_errno(note, path, "name a file in");
                close(dir);
                return -1;
        }
        clean(dir, name);
        fd = enter(dir, name);
        if (fd < 0 || !make_room(fd)) {
                refuse_errno(note, path, "make a file in");
                xpm_stockfile_leave(fd);
                fd = -1;
        }
        close(dir);
        return fd;
}

int xpm_stockfile_look(xpm_text *note)
{
        char path[PATH_MAX], name[NAME];
        struct stat st;
        int dir = find_place(path) && make_name(name) ? open_place(path, false, note) : -1;
        int fd = dir < 0 ? -1 : open_in(dir, name, 0);
        if (dir >= 0)
                close(dir);
        if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(xpm_stock_table))) {
                close(fd);
                fd = -1;
        }
        return fd;
}

int xpm_stockfile_again(int fd)
{
        char link[32];
        if (fd < 0)
                return -1;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        return open(link, O_RDWR | O_CLOEXEC);
}

/* Somebody else may have the same description: he shall neither keep what we held nor block whoever comes. */
void xpm_stockfile_leave(int fd)
{
        char link[32], path[PATH_MAX];
        if (fd < 0)
                return;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length > 0 ? length : 0] = '\0';
        remove_unused(fd, AT_FDCWD, path);
        ofd(fd, F_OFD_SETLK, F_UNLCK, 0, 0, NULL);
        close(fd);
}

xpm_stock_table *xpm_stockfile_map(int fd, bool write)
{
        void *table = mmap(NULL, sizeof(xpm_stock_table), PROT_READ | (write ? PROT_WRITE : 0),
                           fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
        return table == MAP_FAILED ? NULL : table;
}

void xpm_stockfile_unmap(xpm_stock_table *table)
{
        if (table)
                munmap(table, sizeof *table);
}

bool xpm_stockfile_lock(int fd, size_t from, size_t end)
{
        return fd < 0 || ofd(fd, F_OFD_SETLK, F_WRLCK, (off_t)from, (off_t)(end - from), NULL) == 0;
}

void xpm_stockfile_unlock(int fd, size_t from, size_t end)
{
        if (fd >= 0)
                ofd(fd, F_OFD_SETLK, F_UNLCK, (off_t)from, (off_t)(end - from), NULL);
}

bool xpm_stockfile_find(int fd, size_t from, size_t end, size_t *first, size_t *last_end)
{
        struct flock found;
        if (fd < 0 || from >= end || ofd(fd, F_OFD_GETLK, F_WRLCK, (off_t)from, (off_t)(end - from), &found) != 0 ||
            found.l_type == F_UNLCK)
                return false;
        size_t start = (size_t)found.l_start, stop = found.l_len == 0 ? end : start + (size_t)found.l_len;
        *first = start > from ? start : from;
        *last_end = stop < end ? stop : end;
        return true;
}

/* The kernel tells some lock, not the first one: so both sides of it are looked at. */
void xpm_stockfile_scan(int fd, size_t from, size_t end, bool *taken)
{
        size_t first, stop;
        for (size_t at = from; xpm_stockfile_find(fd, at, end, &first, &stop); at = stop) {
                memset(taken + (first - from), true, stop - first);
                xpm_stockfile_scan(fd, at, first, taken + (at - from));
        }
}
