/* One line for each file: `HASH SIZE INODE MTIME CTIME PATH`, times as SECONDS.NANOSECONDS, lines that come later win.
 * The ctime is there because a program may set the mtime of what it wrote back, and nobody can that of the ctime. Lines
 * are only added, under a lock, so several processes may share the cache; when most of the lines are outdated it is
 * written anew. The cache is read when the first file is asked for: most runs have none.
 *
 * What is remembered within the process is more than what is written: a file that changed just now keeps its first hash
 * for this process, so that one plan sees one content, and is hashed again by the next. */
#include "workspace/hashcache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/sha256.h"

enum {
        LIMIT = 256 << 20,
        TRIES = 3,
        YOUNG = 2,         /* seconds; clocks of file servers differ, some file systems count whole seconds */
        FEW_LINES = 10000, /* a cache is not written anew below that */
        HEX = XPM_SHA256_HEX - 1
};

typedef struct stamp {
        uint64_t size, inode;
        struct timespec modified, changed;
} stamp;

typedef struct known {
        stamp stamp;
        char hex[XPM_SHA256_HEX];
        bool young; /* for this process only */
} known;

struct xpm_hashcache {
        xpm_arena *arena;
        xpm_map files; /* path → known */
        bool loaded;
        size_t lines;   /* in the file */
        xpm_text added; /* lines to be written */
};

int xpm_hashcache_open(xpm_hashcache **out, xpm_error *err)
{
        xpm_hashcache *cache = calloc(1, sizeof *cache);
        if (cache)
                cache->arena = xpm_arena_create();
        if (!cache || !cache->arena) {
                free(cache);
                return xpm_fail_memory(err);
        }
        *out = cache;
        return 0;
}

/* The user's directory, made when MAKE; -1 when there is none that is his alone. */
static int open_directory(bool make)
{
        const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
        struct stat st;
        char *parent = base && *base == '/'   ? strdup(base)
                       : home && *home == '/' ? xpm_path_join(home, ".cache")
                                              : NULL;
        char *path = parent ? xpm_path_join(parent, "experimaestro") : NULL;
        free(parent);
        if (!path || (make && xpm_mkdir_p(AT_FDCWD, path, 0700, NULL) != 0)) {
                free(path);
                return -1;
        }
        int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        free(path);
        if (dir >= 0 && (fstat(dir, &st) != 0 || st.st_uid != geteuid())) {
                close(dir);
                dir = -1;
        }
        return dir;
}

static bool is_hash(const char *text)
{
        return strspn(text, "0123456789abcdef") == HEX && text[HEX] == ' ';
}

static int remember(xpm_hashcache *cache, const char *path, const known *what)
{
        known *kept = xpm_map_get(&cache->files, path);
        if (!kept) {
                const char *key = xpm_arena_strdup(cache->arena, path);
                kept = xpm_arena_alloc(cache->arena, sizeof *kept);
                if (!key || !kept || xpm_map_put(&cache->files, key, kept) != 0)
                        return XPM_ENOMEM;
        }
        *kept = *what;
        return 0;
}

/* A line that is no line of ours, such as one that was cut off, is passed over. */
static void read_line(xpm_hashcache *cache, char *line)
{
        known one = {0};
        int used = 0;
        cache->lines++;
        if (!is_hash(line) ||
            sscanf(line + HEX, " %" SCNu64 " %" SCNu64 " %ld.%ld %ld.%ld %n", &one.stamp.size, &one.stamp.inode,
                   &one.stamp.modified.tv_sec, &one.stamp.modified.tv_nsec, &one.stamp.changed.tv_sec,
                   &one.stamp.changed.tv_nsec, &used) != 6 ||
            used == 0 || line[HEX + used] != '/')
                return;
        memcpy(one.hex, line, HEX);
        (void)remember(cache, line + HEX + used, &one);
}

static void load(xpm_hashcache *cache)
{
        xpm_text text = XPM_TEXT_INIT;
        cache->loaded = true;
        int dir = open_directory(false);
        if (dir < 0)
                return;
        if (xpm_file_read(dir, "files", LIMIT, &text, NULL) == 0 && text.length > 0)
                for (char *line = text.data, *end; (end = strchr(line, '\n')); line = end + 1) {
                        *end = '\0';
                        read_line(cache, line);
                }
        xpm_text_release(&text);
        close(dir);
}

static stamp stamp_of(const struct stat *st)
{
        return (stamp){
                .size = (uint64_t)st->st_size, .inode = st->st_ino, .modified = st->st_mtim, .changed = st->st_ctim};
}

static bool same_time(struct timespec a, struct timespec b)
{
        return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same(const stamp *a, const stamp *b)
{
        return a->size == b->size && a->inode == b->inode && same_time(a->modified, b->modified) &&
               same_time(a->changed, b->changed);
}

/* Hash FD; *STAMP is what it was before and after. */
static int hash(int fd, const char *path, stamp *what, char hex[XPM_SHA256_HEX], xpm_error *err)
{
        struct stat st;
        uint8_t digest[XPM_SHA256_SIZE];
        for (int i = 0; i < TRIES; i++) {
                if (fstat(fd, &st) != 0 || lseek(fd, 0, SEEK_SET) < 0)
                        return xpm_fail_errno(err, "cannot read '%s'", path);
                *what = stamp_of(&st);
                int rc = xpm_sha256_fd(fd, path, digest, err);
                if (rc != 0)
                        return rc;
                if (fstat(fd, &st) != 0)
                        return xpm_fail_errno(err, "cannot read '%s'", path);
                stamp after = stamp_of(&st);
                if (same(what, &after)) {
                        xpm_hex(digest, sizeof digest, hex);
                        return 0;
                }
        }
        return xpm_fail(err, XPM_EIO, "cannot tell the content of '%s': it changes all the time", path);
}

static void put_line(xpm_text *text, const char *path, const known *one)
{
        if (!strchr(path, '\n'))
                xpm_text_printf(text, "%s %" PRIu64 " %" PRIu64 " %ld.%ld %ld.%ld %s\n", one->hex, one->stamp.size,
                                one->stamp.inode, one->stamp.modified.tv_sec, one->stamp.modified.tv_nsec,
                                one->stamp.changed.tv_sec, one->stamp.changed.tv_nsec, path);
}

static int hash_new(xpm_hashcache *cache, const char *path, char hex[XPM_SHA256_HEX], xpm_error *err)
{
        known one = {0};
        time_t start = time(NULL);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return xpm_fail_errno(err, "cannot read '%s'", path);
        int rc = hash(fd, path, &one.stamp, one.hex, err);
        close(fd);
        if (rc != 0)
                return rc;
        one.young = one.stamp.modified.tv_sec > start - YOUNG;
        if (remember(cache, path, &one) != 0)
                return xpm_fail_memory(err);
        if (!one.young && *path == '/')
                put_line(&cache->added, path, &one);
        memcpy(hex, one.hex, sizeof one.hex);
        return 0;
}

int xpm_hashcache_file(void *data, const char *path, char hex[65], xpm_error *err)
{
        xpm_hashcache *cache = data;
        struct stat st;
        if (stat(path, &st) != 0) {
                if (errno == ENOENT || errno == ENOTDIR)
                        return xpm_fail(err, XPM_ENOTFOUND, "there is no file '%s'", path);
                return xpm_fail_errno(err, "cannot read '%s'", path);
        }
        if (!S_ISREG(st.st_mode))
                return xpm_fail(err, XPM_EIO, "cannot read '%s': it is %s", path,
                                S_ISDIR(st.st_mode) ? "a directory" : "not a regular file");
        if (!cache->loaded)
                load(cache);
        const known *one = xpm_map_get(&cache->files, path);
        stamp now = stamp_of(&st);
        if (!one || !same(&one->stamp, &now))
                return hash_new(cache, path, hex, err);
        memcpy(hex, one->hex, sizeof one->hex);
        return 0;
}

/* Write down all that is known, once: most of the lines have been replaced by later ones. */
static void rewrite(const xpm_hashcache *cache, int dir)
{
        xpm_text text = XPM_TEXT_INIT;
        for (size_t i = 0; i < cache->files.count; i++) {
                const known *one = cache->files.entries[i].value;
                if (!one->young)
                        put_line(&text, cache->files.entries[i].key, one);
        }
        if (!text.failed)
                xpm_file_replace(dir, "files", text.data, text.length, 0600, NULL);
        xpm_text_release(&text);
}

static void append(const xpm_hashcache *cache, int dir)
{
        struct stat st;
        char last = '\n';
        int fd = openat(dir, "files", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return;
        /* A line that a full disk cut off must not swallow ours. */
        if (fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
                (void)xpm_write_all(fd, "\n", 1);
        (void)xpm_write_all(fd, cache->added.data, cache->added.length);
        close(fd);
}

static void save(const xpm_hashcache *cache)
{
        int lock, dir = open_directory(true);
        if (dir < 0)
                return;
        if (xpm_lock_take(dir, "files.lock", 0600, true, &lock, NULL) == 0) {
                if (cache->lines > FEW_LINES && cache->lines > 2 * cache->files.count)
                        rewrite(cache, dir);
                else
                        append(cache, dir);
                xpm_lock_release(lock);
        }
        close(dir);
}

void xpm_hashcache_close(xpm_hashcache *cache)
{
        if (!cache)
                return;
        if (cache->added.length > 0 && !cache->added.failed)
                save(cache);
        xpm_text_release(&cache->added);
        xpm_map_release(&cache->files);
        xpm_arena_destroy(cache->arena);
        free(cache);
}
