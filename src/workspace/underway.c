/* The identifiers are found as text: jobs.jsonl of a large run is read whole for the first question, and parsing it
 * would take longer than all else. */
#include "workspace/underway.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/map.h"
#include "workspace/detached.h"

/* Which state of a file an answer was taken from. */
typedef struct version {
        dev_t device;
        ino_t inode;
        off_t size;
} version;

typedef struct experiment {
        struct experiment *next;
        const char *path;
        char run[NAME_MAX + 1];
        version environment, lines;
        bool detached;
        xpm_map jobs; /* those of `lines` */
} experiment;

struct xpm_underway {
        xpm_arena *arena;
        const char *const *paths;
        const char *except;
        experiment *experiments;
};

int xpm_underway_open(const char *const *paths, const char *except, xpm_underway **out, xpm_error *err)
{
        xpm_arena *arena = xpm_arena_create();
        xpm_underway *underway = arena ? xpm_arena_calloc(arena, 1, sizeof *underway) : NULL;
        if (!underway) {
                xpm_arena_destroy(arena);
                return xpm_fail_memory(err);
        }
        *underway = (xpm_underway){.arena = arena, .paths = paths, .except = except};
        *out = underway;
        return 0;
}

void xpm_underway_close(xpm_underway *underway)
{
        if (!underway)
                return;
        for (experiment *one = underway->experiments; one; one = one->next)
                xpm_map_release(&one->jobs);
        xpm_arena_destroy(underway->arena);
}

static int find(xpm_underway *underway, const char *path, experiment **out, xpm_error *err)
{
        experiment *one = underway->experiments;
        while (one && strcmp(one->path, path) != 0)
                one = one->next;
        if (!one) {
                one = xpm_arena_calloc(underway->arena, 1, sizeof *one);
                const char *kept = one ? xpm_arena_strdup(underway->arena, path) : NULL;
                if (!kept)
                        return xpm_fail_memory(err);
                *one = (experiment){.next = underway->experiments, .path = kept, .jobs = XPM_MAP_INIT};
                underway->experiments = one;
        }
        *out = one;
        return 0;
}

/* Whether FILE has another version than *KNOWN, which becomes that; a file that is not there has none. */
static bool has_changed(int dir, const char *file, version *known)
{
        struct stat st;
        version now = {0};
        if (fstatat(dir, file, &st, 0) == 0)
                now = (version){st.st_dev, st.st_ino, st.st_size};
        bool changed = now.device != known->device || now.inode != known->inode || now.size != known->size;
        *known = now;
        return changed;
}

/* What waits may end while we ask on; nobody is the worse for it. */
static int look_whether_detached(experiment *one, int run, xpm_error *err)
{
        xpm_detached left;
        int rc = xpm_detached_look(run, &left, err);
        one->detached = rc > 0 && xpm_detached_goes_on(&left);
        return rc < 0 ? rc : 0;
}

/* Every identifier of a member `job_id`. */
static int read_lines(xpm_underway *underway, experiment *one, int run, xpm_error *err)
{
        static const char key[] = "\"job_id\":";
        static char yes;
        xpm_text text = XPM_TEXT_INIT;
        xpm_error inner = XPM_ERROR_NONE;
        int rc = xpm_file_read(run, "jobs.jsonl", 0, &text, &inner);
        if (rc == XPM_ENOTFOUND)
                rc = 0;
        else if (rc != 0)
                rc = xpm_fail(err, rc, "%s (in '%s/%s')", inner.message, one->path, one->run);
        const char *at = xpm_text_string(&text), *end = at + text.length;
        while (rc == 0 && (at = memmem(at, (size_t)(end - at), key, sizeof key - 1))) {
                at += sizeof key - 1;
                at += strspn(at, " \"");
                size_t length = strcspn(at, "\"");
                const char *id = xpm_arena_strndup(underway->arena, at, length);
                if (!id || xpm_map_put(&one->jobs, id, &yes) != 0)
                        rc = xpm_fail_memory(err);
        }
        if (rc != 0) /* to be read again */
                one->lines = (version){0};
        xpm_text_release(&text);
        return rc;
}

/* The run that `current` leads to, open in *RUN; -1 when there is none. */
static int open_current(experiment *one, int dir, int *run, xpm_error *err)
{
        char target[PATH_MAX];
        ssize_t length = readlinkat(dir, "current", target, sizeof target - 1);
        *run = -1;
        if (length <= 0)
                return 0;
        target[length] = '\0';
        const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
        if (strcmp(name, one->run) != 0) {
                snprintf(one->run, sizeof one->run, "%.*s", NAME_MAX, name);
                xpm_map_release(&one->jobs);
                one->lines = one->environment = (version){0};
                one->detached = false;
        }
        *run = openat(dir, "current", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *run >= 0 || errno == ENOENT ? 0 : xpm_fail_errno(err, "cannot open '%s/current'", one->path);
}

static int ask_run(xpm_underway *underway, experiment *one, int run, bool held, const char *job_id, xpm_error *err)
{
        int rc = 0;
        if (!held && has_changed(run, "environment.json", &one->environment))
                rc = look_whether_detached(one, run, err);
        if (rc != 0 || (!held && !one->detached))
                return rc;
        if (has_changed(run, "jobs.jsonl", &one->lines))
                rc = read_lines(underway, one, run, err);
        return rc == 0 ? xpm_map_get(&one->jobs, job_id) != NULL : rc;
}

static int ask_experiment(xpm_underway *underway, const char *path, int dir, const char *job_id, const char **run,
                          xpm_error *err)
{
        experiment *one = NULL;
        xpm_error inner = XPM_ERROR_NONE;
        int held = xpm_lock_is_held(dir, "lock", &inner), current = -1;
        if (held < 0)
                return xpm_fail(err, held, "%s (in '%s')", inner.message, path);
        int rc = find(underway, path, &one, err);
        if (rc == 0)
                rc = open_current(one, dir, &current, err);
        if (rc == 0 && current >= 0)
                rc = ask_run(underway, one, current, held, job_id, err);
        if (rc > 0 && run && !(*run = xpm_arena_printf(underway->arena, "%s/%s", path, one->run)))
                rc = xpm_fail_memory(err);
        if (current >= 0)
                close(current);
        return rc;
}

/* Links that lead nowhere, and what is no directory, are no experiments. */
static int ask_entry(xpm_underway *underway, const char *parent, int fd, const char *name, const char *job_id,
                     const char **run, xpm_error *err)
{
        if (*name == '.')
                return 0;
        int dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 && (errno == ENOENT || errno == ENOTDIR))
                return 0;
        if (dir < 0)
                return xpm_fail_errno(err, "cannot open '%s/%s'", parent, name);
        char *path = xpm_path_join(parent, name);
        int rc = path ? ask_experiment(underway, path, dir, job_id, run, err) : xpm_fail_memory(err);
        free(path);
        close(dir);
        return rc;
}

static int ask_workspace(xpm_underway *underway, const char *path, const char *except, const char *job_id,
                         const char **run, xpm_error *err)
{
        char *parent = xpm_path_join(path, "experiments");
        if (!parent)
                return xpm_fail_memory(err);
        int rc = 0, fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
        if (!stream && errno != ENOENT)
                rc = xpm_fail_errno(err, "cannot list '%s'", parent);
        errno = 0;
        for (const struct dirent *entry; stream && rc == 0 && (entry = readdir(stream)); errno = 0)
                if (!except || strcmp(entry->d_name, except) != 0)
                        rc = ask_entry(underway, parent, fd, entry->d_name, job_id, run, err);
        if (stream && rc == 0 && errno != 0)
                rc = xpm_fail_errno(err, "cannot list '%s'", parent);
        if (stream)
                closedir(stream);
        else if (fd >= 0)
                close(fd);
        free(parent);
        return rc;
}

int xpm_underway_names(xpm_underway *underway, const char *job_id, const char **run, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && underway->paths[i]; i++)
                rc = ask_workspace(underway, underway->paths[i], i == 0 ? underway->except : NULL, job_id, run, err);
        return rc;
}
