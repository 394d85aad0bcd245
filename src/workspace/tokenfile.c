/* A scan costs one look at each file and reads those that are new: an inode, a size and a time of change that were seen
 * before mean a content that was seen before, since every file comes whole, by rename. So an engine that hands a token
 * from one of its jobs to the next reads nothing but the directory.
 *
 * What stands in these directories is a stranger's text. A file that cannot be read as ours has an unknown count: while
 * somebody holds the lock of the job that its name tells, it may stand for all there is; without, it is nothing. */
#include "workspace/tokenfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "workspace/heartbeat.h"

enum { FILE_LIMIT = 64 << 10, LONGEST_TASK = 180, FIRST_ENTRIES = 16 };

static const char suffix[] = ".json";
static const char *const directories[] = {[XPM_TOKEN_HOLDERS] = "jobs", [XPM_TOKEN_TICKETS] = "tickets"};

typedef char file_path[NAME_MAX + 16];

static void locate(const xpm_token_list *list, const char *name, file_path path)
{
        snprintf(path, sizeof(file_path), "%s/%s", directories[list->kind], name);
}

const char xpm_token_lock_name[] = "ipc.lock";

int xpm_token_directory(const char *name, xpm_token_file directory, xpm_error *err)
{
        bool fits = snprintf(directory, sizeof(xpm_token_file), "tokens/%s.counter", name) < NAME_MAX;
        if (!fits || strchr(name, '/') || !xpm_path_is_inside(name))
                return xpm_fail(err, XPM_EIO, "'%s' cannot be the name of a token", name);
        return 0;
}

void xpm_token_file_name(const char *task_id, const char *job_id, xpm_token_file name)
{
        snprintf(name, sizeof(xpm_token_file), "%.*s@%s%s", LONGEST_TASK, task_id, job_id, suffix);
}

static void release_entry(xpm_token_entry *entry)
{
        free(entry->name);
        free(entry->lock);
        free(entry->experiment);
        free(entry->run);
        *entry = (xpm_token_entry){0};
}

void xpm_token_list_release(xpm_token_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                release_entry(&list->entries[i]);
        free(list->entries);
        *list = (xpm_token_list){.kind = list->kind};
}

/* The first entry that does not stand before NAME. */
static size_t position(const xpm_token_list *list, const char *name)
{
        size_t low = 0, high = list->count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(list->entries[middle].name, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

xpm_token_entry *xpm_token_list_find(const xpm_token_list *list, const char *name)
{
        size_t at = position(list, name);
        return at < list->count && strcmp(list->entries[at].name, name) == 0 ? &list->entries[at] : NULL;
}

static bool grow(xpm_token_list *list)
{
        if (list->count < list->capacity)
                return true;
        size_t capacity = list->capacity ? list->capacity * 2 : FIRST_ENTRIES;
        xpm_token_entry *entries = reallocarray(list->entries, capacity, sizeof *entries);
        if (!entries)
                return false;
        list->entries = entries;
        list->capacity = capacity;
        return true;
}

static void forget(xpm_token_list *list, xpm_token_entry *entry)
{
        release_entry(entry);
        list->count--;
        memmove(entry, entry + 1, (size_t)(list->entries + list->count - entry) * sizeof *entry);
}

/* NAME of LENGTH bytes as a single component of a path. */
static bool is_component(const char *name, size_t length)
{
        return length > 0 && !memchr(name, '/', length) && !(length <= 2 && strncmp(name, "..", length) == 0);
}

/* jobs/TASK/JOB/SCRIPT.lock by the end of URI, `…/TASK/JOB/SCRIPT`. NULL when it has no such end, or without memory. */
static char *lock_by_uri(const char *uri)
{
        const char *start = uri ? uri + strlen(uri) : NULL, *end = start;
        for (int parts = 0; start && parts < 3; parts++) {
                const char *slash = memrchr(uri, '/', (size_t)(start - uri));
                if (!slash || !is_component(slash + 1, (size_t)(end - slash - 1)))
                        return NULL;
                start = end = slash;
        }
        char *lock = NULL;
        return start && asprintf(&lock, "jobs%s.lock", start) > 0 ? lock : NULL;
}

/* The same by the file's name: SCRIPT is the last word of TASK. */
static char *lock_by_name(const char *name)
{
        const char *at = strrchr(name, '@');
        int task = (int)(at - name), job = (int)(strlen(at + 1) - strlen(suffix));
        const char *dot = memrchr(name, '.', (size_t)task), *script = dot ? dot + 1 : name;
        char *lock = NULL;
        int length = asprintf(&lock, "jobs/%.*s/%.*s/%.*s.lock", task, name, job, at + 1, (int)(at - script), script);
        return length > 0 ? lock : NULL;
}

static const char *member(const json_t *object, const char *key)
{
        return json_string_value(json_object_get(object, key));
}

static int64_t count_of(const json_t *object)
{
        const json_t *count = json_object_get(json_object_get(object, "information"), "count");
        return json_is_integer(count) && json_integer_value(count) >= 0 ? (int64_t)json_integer_value(count) : -1;
}

static bool is_of(const xpm_token_entry *entry, const char *experiment, const char *run)
{
        return entry->experiment && entry->run && experiment && run && strcmp(entry->experiment, experiment) == 0 &&
               strcmp(entry->run, run) == 0;
}

static bool copy(const char *string, char **out)
{
        *out = string ? strdup(string) : NULL;
        return *out || !string;
}

static bool fill_entry(xpm_token_entry *entry, const char *name, const json_t *json, const xpm_token_place *at)
{
        const char *uri = member(json, "job_uri"), *experiment = member(json, "experiment"), *run = member(json, "run");
        entry->count = count_of(json);
        entry->number = (int64_t)json_integer_value(json_object_get(json, "number"));
        entry->lock = lock_by_uri(uri);
        if (!entry->lock)
                entry->lock = lock_by_name(name);
        bool whole = entry->lock && copy(name, &entry->name) && copy(experiment, &entry->experiment) &&
                     copy(run, &entry->run);
        entry->ours = whole && is_of(entry, at->experiment, at->run);
        return whole;
}

bool xpm_token_json(const xpm_text *text, json_t **json)
{
        /* Without memory jansson finds fault with the text: what looks bad is looked at twice, and memory asked for. */
        for (int i = 0; i < 2; i++)
                if ((*json = json_loadb(xpm_text_string(text), text->length, 0, NULL)))
                        return true;
        xpm_text probe = XPM_TEXT_INIT;
        xpm_text_reserve(&probe, FILE_LIMIT);
        bool enough = !probe.failed;
        xpm_text_release(&probe);
        return enough;
}

/* 0 with the entry, 1 when there is nothing (any more), or an error. */
static int read_entry(int dir, const char *name, const struct stat *status, const xpm_token_place *at,
                      xpm_token_entry *entry, xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        json_t *json = NULL;
        *entry = (xpm_token_entry){
                .inode = status->st_ino, .size = status->st_size, .changed = status->st_ctim, .count = -1};
        int rc = xpm_file_read(dir, name, FILE_LIMIT, &text, &inner);
        if (rc == 0 && !xpm_token_json(&text, &json))
                rc = xpm_fail_memory(&inner);
        xpm_text_release(&text);
        if (rc == 0 && !fill_entry(entry, name, json, at)) {
                release_entry(entry);
                rc = xpm_fail_memory(&inner);
        }
        json_decref(json);
        return rc == XPM_ENOTFOUND ? 1 : rc == 0 ? 0 : xpm_fail(err, rc, "%s", inner.message);
}

static bool is_same_file(const xpm_token_entry *entry, const struct stat *status)
{
        return entry->inode == status->st_ino && entry->size == status->st_size &&
               entry->changed.tv_sec == status->st_ctim.tv_sec && entry->changed.tv_nsec == status->st_ctim.tv_nsec;
}

static bool is_entry(const char *name)
{
        size_t length = strlen(name);
        return name[0] != '.' && length > strlen(suffix) + 1 && strcmp(name + length - strlen(suffix), suffix) == 0 &&
               strchr(name, '@');
}

/* Nobody else writes while we have the lock. */
static bool is_temporary(const char *name)
{
        size_t length = strlen(name);
        return name[0] == '.' && length > 4 && strcmp(name + length - 4, ".tmp") == 0 && strchr(name, '@');
}

/* Move what OLD knows about the file NAME to LIST, or read it. */
static int add_file(xpm_token_list *list, xpm_token_list *old, int dir, const char *name, const xpm_token_place *at,
                    xpm_error *err)
{
        struct stat status;
        if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
                return errno == ENOENT ? 0 : xpm_fail_errno(err, "cannot look at '%s'", name);
        if (!S_ISREG(status.st_mode) || status.st_size > FILE_LIMIT)
                return 0; /* nobody's holder */
        if (!grow(list))
                return xpm_fail_memory(err);
        xpm_token_entry *known = xpm_token_list_find(old, name), *entry = &list->entries[list->count];
        if (known && known->inode && is_same_file(known, &status)) {
                *entry = *known;
                entry->dead = false;
                /* OLD is searched by its names: it keeps one. */
                known->lock = known->experiment = known->run = NULL;
                known->inode = 0;
                entry->name = strdup(name);
                if (!entry->name) {
                        release_entry(entry);
                        return xpm_fail_memory(err);
                }
        } else {
                int rc = read_entry(dir, name, &status, at, entry, err);
                if (rc != 0)
                        return rc == 1 ? 0 : rc;
        }
        list->count++;
        return 0;
}

static int compare_entries(const void *a, const void *b)
{
        return strcmp(((const xpm_token_entry *)a)->name, ((const xpm_token_entry *)b)->name);
}

static int scan_stream(xpm_token_list *list, xpm_token_list *old, DIR *stream, const xpm_token_place *at,
                       xpm_error *err)
{
        const struct dirent *entry;
        int rc = 0;
        while (rc == 0 && (errno = 0, entry = readdir(stream))) {
                if (is_entry(entry->d_name))
                        rc = add_file(list, old, dirfd(stream), entry->d_name, at, err);
                else if (is_temporary(entry->d_name))
                        unlinkat(dirfd(stream), entry->d_name, 0);
        }
        if (rc == 0 && errno != 0)
                rc = xpm_fail_errno(err, "cannot list the directory");
        return rc;
}

int xpm_token_list_scan(xpm_token_list *list, const xpm_token_place *at, xpm_error *err)
{
        const char *directory = directories[list->kind];
        xpm_token_list old = *list;
        *list = (xpm_token_list){.kind = old.kind};
        xpm_error inner = XPM_ERROR_NONE;
        int rc = 0;
        int fd = openat(at->token, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *stream = fd < 0 ? NULL : fdopendir(fd);
        if (stream) {
                rc = scan_stream(list, &old, stream, at, &inner);
                closedir(stream);
        } else if (errno == ENOMEM)
                rc = xpm_fail_memory(&inner);
        else if (fd >= 0 || errno != ENOENT)
                rc = xpm_fail_errno(&inner, "cannot open the directory");
        if (!stream && fd >= 0)
                close(fd);
        xpm_token_list_release(&old);
        if (rc != 0) {
                xpm_token_list_release(list);
                return xpm_fail(err, rc, "%s (in '%s/%s')", inner.message, at->path, directory);
        }
        if (list->count > 0)
                qsort(list->entries, list->count, sizeof *list->entries, compare_entries);
        return 0;
}

static void write_json(xpm_text *text, const xpm_token_place *at, const char *job_uri, int64_t count, int64_t number)
{
        char host[256] = "";
        gethostname(host, sizeof host - 1);
        xpm_text_reserve(text, 512);
        xpm_text_puts(text, "{\"job_uri\": ");
        xpm_json_cstring(text, job_uri);
        xpm_text_puts(text, ", \"information\": {\"count\": ");
        xpm_json_int(text, count);
        xpm_text_puts(text, "}, \"process\": {\"host\": ");
        xpm_json_cstring(text, host);
        xpm_text_puts(text, ", \"pid\": ");
        xpm_json_int(text, getpid());
        xpm_text_puts(text, "}");
        if (number > 0) {
                xpm_json_key(text, "number");
                xpm_json_int(text, number);
        }
        xpm_json_key(text, "experiment");
        xpm_json_cstring(text, at->experiment);
        xpm_json_key(text, "run");
        xpm_json_cstring(text, at->run);
        xpm_text_puts(text, "}\n");
}

/* Remember what was just written. Without memory it is read at the next scan instead. */
static void remember(xpm_token_list *list, const xpm_token_place *at, const char *name, const char *job_uri,
                     int64_t count, int64_t number)
{
        file_path file;
        struct stat status;
        xpm_token_entry *known = xpm_token_list_find(list, name);
        if (known)
                forget(list, known);
        locate(list, name, file);
        if (fstatat(at->token, file, &status, AT_SYMLINK_NOFOLLOW) != 0 || !grow(list))
                return;
        xpm_token_entry entry = {.ours = true,
                                 .count = count,
                                 .number = number,
                                 .inode = status.st_ino,
                                 .size = status.st_size,
                                 .changed = status.st_ctim,
                                 .lock = lock_by_uri(job_uri)};
        if (!entry.lock || !copy(name, &entry.name) || !copy(at->experiment, &entry.experiment) ||
            !copy(at->run, &entry.run)) {
                release_entry(&entry);
                return;
        }
        size_t place = position(list, name);
        memmove(list->entries + place + 1, list->entries + place, (list->count - place) * sizeof entry);
        list->entries[place] = entry;
        list->count++;
}

int xpm_token_list_put(xpm_token_list *list, const xpm_token_place *at, const char *name, const char *job_uri,
                       int64_t count, int64_t number, xpm_error *err)
{
        file_path file;
        const char *directory = directories[list->kind];
        xpm_error inner = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        locate(list, name, file);
        write_json(&text, at, job_uri, count, number);
        int rc = text.failed ? xpm_fail_memory(&inner) : 0;
        if (rc == 0 && mkdirat(at->token, directory, at->workspace->directory_mode) != 0 && errno != EEXIST)
                rc = xpm_fail_errno(&inner, "cannot make '%s'", directory);
        if (rc == 0)
                rc = xpm_file_replace(at->token, file, text.data, text.length, at->workspace->file_mode, &inner);
        xpm_text_release(&text);
        if (rc != 0)
                return xpm_fail(err, rc, "%s (in '%s')", inner.message, at->path);
        remember(list, at, name, job_uri, count, number);
        return 0;
}

/* 1 when the file NAME, of which STATUS tells, is ours; it was not known. */
static int is_ours_after_all(const xpm_token_list *list, const xpm_token_place *at, const char *name,
                             const struct stat *status, xpm_error *err)
{
        xpm_token_entry entry;
        int dir = openat(at->token, directories[list->kind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return 0;
        int rc = read_entry(dir, name, status, at, &entry, err);
        bool ours = rc == 0 && entry.ours;
        if (rc == 0)
                release_entry(&entry);
        close(dir);
        return rc < 0 ? rc : ours;
}

int xpm_token_list_take_back(xpm_token_list *list, const xpm_token_place *at, const char *name, xpm_error *err)
{
        file_path file;
        struct stat status;
        locate(list, name, file);
        bool there = at && fstatat(at->token, file, &status, AT_SYMLINK_NOFOLLOW) == 0;
        xpm_token_entry *known = xpm_token_list_find(list, name);
        int ours = there && known && known->ours && is_same_file(known, &status);
        if (there && !ours)
                ours = is_ours_after_all(list, at, name, &status, err);
        if (ours < 0)
                return ours;
        if (ours && unlinkat(at->token, file, 0) != 0 && errno != ENOENT)
                return xpm_fail_errno(err, "cannot remove '%s/%s'", at->path, file);
        if (known)
                forget(list, known);
        return 0;
}

/* Somebody has EXPERIMENT's lock, and its current run is RUN. */
static bool is_current_run(const xpm_workspace *workspace, const char *experiment, const char *run)
{
        char path[PATH_MAX], target[NAME_MAX + 1];
        if (!experiment || !run || !xpm_path_is_inside(experiment))
                return false;
        if (snprintf(path, sizeof path, "experiments/%s/current", experiment) >= (int)sizeof path)
                return false;
        ssize_t length = readlinkat(workspace->dir, path, target, sizeof target - 1);
        if (length <= 0)
                return false;
        target[length] = '\0';
        const char *slash = strrchr(target, '/');
        if (strcmp(slash ? slash + 1 : target, run) != 0)
                return false;
        snprintf(path, sizeof path, "experiments/%s/lock", experiment);
        return xpm_lock_is_held(workspace->dir, path, NULL) != 0;
}

/* The lock is held: by more than what a dead worker left? DIR is the job's directory, relative to the workspace. */
static bool is_held_by_the_living(const xpm_token_entry *entry, const xpm_workspace *workspace, const char *dir)
{
        char path[PATH_MAX], script[NAME_MAX + 1];
        const char *name = entry->lock + strlen(dir) + 1;
        bool fits = (size_t)snprintf(path, sizeof path, "%s/%s", workspace->path, dir) < sizeof path;
        snprintf(script, sizeof script, "%.*s", (int)(strlen(name) - strlen(".lock")), name);
        if (workspace->sweep && fits && workspace->sweep(path, script))
                return xpm_lock_is_held(workspace->dir, entry->lock, NULL) != 0;
        return true;
}

/* The job's lock tells, but for a worker on another host: that may give signs of life all the same, or none for too
 * long. */
static bool does_job_run(const xpm_token_list *list, const xpm_token_entry *entry, const xpm_workspace *workspace)
{
        char path[PATH_MAX];
        if (list->kind != XPM_TOKEN_HOLDERS || (size_t)snprintf(path, sizeof path, "%s", entry->lock) >= sizeof path)
                return false;
        *strrchr(path, '/') = '\0';
        enum xpm_life life = XPM_LIFE_UNKNOWN;
        int job = openat(workspace->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (job >= 0) {
                life = xpm_heartbeat_of_job(workspace->dir, job);
                close(job);
        }
        if (life != XPM_LIFE_UNKNOWN)
                return life == XPM_LIFE_BEATS;
        return xpm_lock_is_held(workspace->dir, entry->lock, NULL) != 0 &&
               is_held_by_the_living(entry, workspace, path);
}

bool xpm_token_list_is_alive(const xpm_token_list *list, const xpm_token_entry *entry, const xpm_workspace *workspace)
{
        return is_current_run(workspace, entry->experiment, entry->run) || does_job_run(list, entry, workspace);
}

void xpm_token_list_bury(xpm_token_list *list, const xpm_token_place *at)
{
        /* Most of them are one engine's: it is asked about once. */
        const xpm_token_entry *live = NULL;
        for (size_t i = 0; i < list->count; i++) {
                xpm_token_entry *entry = &list->entries[i];
                if (entry->ours || entry->dead || (live && is_of(entry, live->experiment, live->run)))
                        continue;
                if (is_current_run(at->workspace, entry->experiment, entry->run)) {
                        live = entry;
                        continue;
                }
                if (does_job_run(list, entry, at->workspace))
                        continue;
                file_path file;
                locate(list, entry->name, file);
                entry->dead = true;
                unlinkat(at->token, file, 0);
        }
}
