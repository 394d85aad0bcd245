/* No list ever shows half a run, whenever we die (discard.h). What is no plain directory (a link to a run elsewhere) is
 * somebody's own arrangement and stays. */
#include "workspace/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "workspace/detached.h"
#include "workspace/discard.h"
#include "workspace/heartbeat.h"

enum { STATUS_LIMIT = 1 << 30, TARGET_SIZE = 512 };

enum end { END_UNKNOWN, END_DONE, END_FAILED };

typedef struct past_run {
        const char *name;
        enum end end;
        bool kept;
} past_run;

typedef struct history {
        const xpm_workspace *workspace;
        const char *path; /* of the experiment, for messages */
        int dir;          /* the same, open */
        xpm_arena *arena;
        past_run *runs; /* the oldest first */
        size_t count, capacity;
        int gone;
        xpm_error *err;
} history;

static int by_age(const void *a, const void *b)
{
        return strverscmp(((const past_run *)a)->name, ((const past_run *)b)->name);
}

static json_t *load(const history *runs, const char *run, const char *file, size_t limit)
{
        xpm_text text = XPM_TEXT_INIT;
        json_t *json = NULL;
        const char *path = xpm_arena_printf(runs->arena, "%s/%s", run, file);
        if (path && xpm_file_read(runs->dir, path, limit, &text, NULL) == 0)
                json = json_loadb(xpm_text_string(&text), text.length, 0, NULL);
        xpm_text_release(&text);
        return json;
}

/* A worker has its heartbeat there. */
static bool is_in_use(const history *runs, const char *run)
{
        int dir = openat(runs->dir, run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool used = dir >= 0 && xpm_heartbeat_any(dir);
        if (dir >= 0)
                close(dir);
        return used;
}

/* A run whose engine left its queued jobs behind ends with them. */
static enum end end_of_detached(const history *runs, const char *run, enum end end)
{
        xpm_detached left;
        int dir = openat(runs->dir, run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int detached = dir >= 0 ? xpm_detached_look(dir, &left, NULL) : 0;
        if (dir >= 0)
                close(dir);
        if (detached == 0)
                return end;
        bool unknown = detached < 0 || xpm_detached_goes_on(&left);
        return unknown ? END_UNKNOWN : left.failed + left.gone > 0 ? END_FAILED : END_DONE;
}

static enum end end_of(const history *runs, const char *run)
{
        enum end end = END_UNKNOWN;
        json_t *status = load(runs, run, "status.json", STATUS_LIMIT);
        const char *word = json_string_value(json_object_get(status, "status"));
        if (word && (strcmp(word, "done") == 0 || strcmp(word, "completed") == 0))
                end = END_DONE;
        else if (word && strcmp(word, "failed") == 0)
                end = END_FAILED;
        json_decref(status);
        return is_in_use(runs, run) ? END_UNKNOWN : end_of_detached(runs, run, end);
}

static int add(history *runs, const struct dirent *entry)
{
        struct stat st;
        if (entry->d_name[0] == '.' || fstatat(runs->dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISDIR(st.st_mode))
                return 0;
        if (xpm_arena_reserve(runs->arena, &runs->runs, &runs->capacity, runs->count + 1, sizeof *runs->runs) != 0)
                return xpm_fail_memory(runs->err);
        past_run *run = &runs->runs[runs->count];
        *run = (past_run){.name = xpm_arena_strdup(runs->arena, entry->d_name)};
        if (!run->name)
                return xpm_fail_memory(runs->err);
        runs->count++;
        run->end = end_of(runs, run->name);
        return 0;
}

static int list(history *runs)
{
        int fd = openat(runs->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
        int rc = 0;
        if (!stream) {
                rc = xpm_fail_errno(runs->err, "cannot list '%s'", runs->path);
                if (fd >= 0)
                        close(fd);
                return rc;
        }
        errno = 0;
        for (const struct dirent *entry; rc == 0 && (entry = readdir(stream)); errno = 0)
                rc = add(runs, entry);
        if (rc == 0 && errno != 0)
                rc = xpm_fail_errno(runs->err, "cannot list '%s'", runs->path);
        closedir(stream);
        if (rc == 0 && runs->count > 0)
                qsort(runs->runs, runs->count, sizeof *runs->runs, by_age);
        return rc;
}

static past_run *find(const history *runs, const char *name, size_t length)
{
        for (size_t i = 0; i < runs->count; i++)
                if (strlen(runs->runs[i].name) == length && memcmp(runs->runs[i].name, name, length) == 0)
                        return &runs->runs[i];
        return NULL;
}

/* The run whose name is the component of LINK's target that has BEHIND components after it. */
static past_run *follow(const history *runs, const char *link, int behind)
{
        char target[TARGET_SIZE];
        ssize_t length = readlinkat(runs->dir, link, target, sizeof target);
        if (length <= 0 || (size_t)length == sizeof target)
                return NULL;
        for (; behind > 0; behind--) {
                const char *slash = memrchr(target, '/', (size_t)length);
                if (!slash)
                        return NULL;
                length = slash - target;
        }
        const char *slash = memrchr(target, '/', (size_t)length), *name = slash ? slash + 1 : target;
        return find(runs, name, (size_t)(target + length - name));
}

static int keep(const history *runs, past_run *run)
{
        if (!run)
                return 0;
        run->kept = true;
        const char *link = xpm_arena_printf(runs->arena, "%s/jobs.bak", run->name);
        past_run *before = link ? follow(runs, link, 1) : NULL;
        if (before)
                before->kept = true;
        return link ? 0 : xpm_fail_memory(runs->err);
}

static int remove_run(history *runs, const past_run *run)
{
        xpm_error inner = XPM_ERROR_NONE;
        int rc = xpm_discard(runs->workspace, runs->dir, run->name, &inner);
        if (rc == XPM_ENOTFOUND)
                return 0;
        runs->gone += rc == 0;
        return rc == 0 ? 0
                       : xpm_fail(runs->err, rc, "cannot remove the old run '%s/%s': %s", runs->path, run->name,
                                  inner.message);
}

/* From the latest to the oldest: how many of each kind have been passed decides. The present run counts as a finished
 * one that came after, but not among those that are kept beside it. */
static int clean(history *runs, const char *keep_run, size_t max_done, size_t max_failed)
{
        size_t done = 0, failed = 0;
        bool success = false;
        for (size_t i = runs->count; i-- > 0;) {
                const past_run *run = &runs->runs[i];
                bool present = keep_run && strcmp(run->name, keep_run) == 0, old = false;
                if (run->end == END_FAILED)
                        old = !present && (success || ++failed > max_failed);
                else if (run->end == END_DONE) {
                        old = !present && ++done > max_done;
                        success = true;
                }
                int rc = old && !run->kept ? remove_run(runs, run) : 0;
                if (rc != 0)
                        return rc;
        }
        return 0;
}

int xpm_history_clean(const xpm_workspace *workspace, const char *experiment_id, const char *keep_run, size_t max_done,
                      size_t max_failed, xpm_error *err)
{
        history runs = {.workspace = workspace, .dir = -1, .arena = xpm_arena_create(), .err = err};
        if (runs.arena)
                runs.path = xpm_arena_printf(runs.arena, "%s/experiments/%s", workspace->path, experiment_id);
        int rc = runs.path ? 0 : xpm_fail_memory(err);
        if (rc == 0 && (runs.dir = open(runs.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
                rc = xpm_fail_errno(err, "cannot open '%s'", runs.path);
        if (rc == 0)
                rc = list(&runs);
        if (rc == 0)
                rc = keep(&runs, follow(&runs, "current", 0));
        if (rc == 0 && keep_run)
                rc = keep(&runs, find(&runs, keep_run, strlen(keep_run)));
        if (rc == 0)
                rc = clean(&runs, keep_run, max_done, max_failed);
        if (runs.dir >= 0)
                close(runs.dir);
        xpm_arena_destroy(runs.arena);
        return rc == 0 ? runs.gone : rc;
}
