/* What goes is renamed to `.tmp` of the workspace first, and removed there: nothing else of the workspace changes while
 * that lasts. But `jobs` or `experiments` may be a link to another filesystem, and no rename leaves that: there it gets
 * a hidden name beside its own.
 *
 * Whoever removes, or makes a run in `.tmp`, holds a lock of the whole workspace, shared. One who gets it alone knows
 * that what he finds then was left by the dead, on whatever host they ran; he goes on with the shared one, so that
 * nobody waits for him. It is the file that marks the workspace, because a disk that is full, which is when people
 * clean, has no room for another. */
#include "workspace/discard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/lock.h"

enum { ELSEWHERE = 1 };

static const char lock_name[] = ".__experimaestro__", prefix[] = ".removed-";

/* ELSEWHERE when no rename leads to PLACE. */
static int move_and_remove(int dir, const char *name, int to, const char *place, xpm_error *err)
{
        if (renameat(dir, name, to, place) == 0)
                return xpm_remove_tree(to, place, err);
        if (errno == EXDEV)
                return ELSEWHERE;
        return errno == ENOENT ? xpm_fail(err, XPM_ENOTFOUND, "there is no '%s'", name)
                               : xpm_fail_errno(err, "cannot move '%s' away", name);
}

int xpm_discard_hold_off(const xpm_workspace *workspace, int *lock, xpm_error *err)
{
        return xpm_lock_share(workspace->dir, lock_name, workspace->file_mode, lock, err);
}

/* Without the lock a sweeper may remove the same tree at the same time, which harms neither. */
static int share_lock(const xpm_workspace *workspace)
{
        int lock = -1;
        return xpm_discard_hold_off(workspace, &lock, NULL) == 0 ? lock : -1;
}

int xpm_discard(const xpm_workspace *workspace, int dir, const char *name, xpm_error *err)
{
        static const char hidden[] = ".tmp/";
        uint64_t number;
        char place[sizeof hidden + sizeof prefix + 16];
        if (getrandom(&number, sizeof number, 0) != sizeof number)
                return xpm_fail_errno(err, "cannot get random bytes");
        snprintf(place, sizeof place, "%s%s%016llx", hidden, prefix, (unsigned long long)number);
        int rc = xpm_mkdir_p(workspace->dir, ".tmp", workspace->directory_mode, err);
        if (rc != 0)
                return rc;
        int lock = share_lock(workspace);
        rc = move_and_remove(dir, name, workspace->dir, place, err);
        if (rc == ELSEWHERE)
                rc = move_and_remove(dir, name, dir, place + sizeof hidden - 1, err);
        xpm_lock_release(lock);
        return rc;
}

/* Paths of what was left, relative to the workspace. */
typedef struct leftovers {
        const xpm_workspace *workspace;
        xpm_arena *arena;
        const char **paths;
        size_t count, capacity;
        xpm_error *err;
} leftovers;

/* A run, or a link to one, that was being made (rundir.c). */
static bool was_being_made(const char *name)
{
        static const char *const made[] = {"run-", "current-"};
        for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
                size_t length = strlen(made[i]);
                if (strncmp(name, made[i], length) == 0 && strlen(name) == length + XPM_DISCARD_DIGITS &&
                    strspn(name + length, "0123456789abcdef") == XPM_DISCARD_DIGITS)
                        return true;
        }
        return false;
}

/* NAME in DIR. Elsewhere than in `.tmp` an experiment or a task may be called as it likes. */
static bool is_leftover(const char *dir, const char *name)
{
        return strncmp(name, prefix, sizeof prefix - 1) == 0 || (strcmp(dir, ".tmp") == 0 && was_being_made(name));
}

static int add(leftovers *of, const char *dir, const char *name)
{
        const char *path = xpm_arena_printf(of->arena, "%s/%s", dir, name);
        if (!path || xpm_arena_reserve(of->arena, &of->paths, &of->capacity, of->count + 1, sizeof *of->paths) != 0)
                return xpm_fail_memory(of->err);
        of->paths[of->count++] = path;
        return 0;
}

/* Those of DIR, and so many levels below it. */
static int find(leftovers *of, const char *dir, int levels)
{
        int fd = openat(of->workspace->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
        int rc = 0;
        if (!stream) {
                /* What is no directory, or has gone, has nothing in it. */
                if (errno != ENOENT && errno != ENOTDIR)
                        rc = xpm_fail_errno(of->err, "cannot list '%s/%s'", of->workspace->path, dir);
                if (fd >= 0)
                        close(fd);
                return rc;
        }
        for (const struct dirent *entry; rc == 0 && (entry = readdir(stream));) {
                if (is_leftover(dir, entry->d_name))
                        rc = add(of, dir, entry->d_name);
                else if (levels > 0 && entry->d_name[0] != '.') {
                        const char *below = xpm_arena_printf(of->arena, "%s/%s", dir, entry->d_name);
                        rc = below ? find(of, below, levels - 1) : xpm_fail_memory(of->err);
                }
        }
        closedir(stream);
        return rc;
}

static int find_all(leftovers *of, bool everywhere)
{
        int rc = find(of, ".tmp", 0);
        if (rc == 0 && everywhere)
                rc = find(of, "jobs", 1);
        return rc == 0 && everywhere ? find(of, "experiments", 1) : rc;
}

int xpm_discard_sweep(const xpm_workspace *workspace, bool everywhere, xpm_error *err)
{
        int lock = -1;
        xpm_error inner = XPM_ERROR_NONE;
        leftovers of = {.workspace = workspace, .arena = xpm_arena_create(), .err = err};
        int rc = of.arena ? find_all(&of, everywhere) : xpm_fail_memory(err);
        bool found = of.count > 0;
        of.count = 0;
        if (rc == 0 && found &&
            xpm_lock_take(workspace->dir, lock_name, workspace->file_mode, false, &lock, NULL) == 0) {
                rc = find_all(&of, everywhere);
                xpm_lock_release(lock);
                lock = share_lock(workspace);
        }
        for (size_t i = 0; rc == 0 && i < of.count; i++)
                if ((rc = xpm_remove_tree(workspace->dir, of.paths[i], &inner)) != 0)
                        xpm_fail(err, rc, "cannot remove '%s/%s': %s", workspace->path, of.paths[i], inner.message);
        xpm_lock_release(lock);
        int count = (int)of.count;
        xpm_arena_destroy(of.arena);
        return rc == 0 ? count : rc;
}
