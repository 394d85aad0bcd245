/* Which job comes nearest to one: by the leaves of their parameters. A job among the parameters counts by its own
 * parameters, not by its identifier, which says only that some of them differ. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "monitor/viewstate.h"
#include "monitor/why.h"

typedef struct candidate {
        const char *job_id;
        struct timespec time;
} candidate;

/* Differences of two trees, counted, and kept when ITEMS is wanted. */
typedef struct comparison {
        xpm_view *view;
        bool keep;
        const char *ours, *theirs; /* identifiers of the jobs */
        size_t most;               /* it need not go on beyond so many */
        size_t count, capacity;
        xpm_why_difference *items;
        bool failed;
} comparison;

/* As it is written in a workspace: numbers as short as they can be. */
static void write_json(const json_t *json, xpm_text *text)
{
        const char *key;
        json_t *value;
        size_t i;
        switch (json_typeof(json)) {
        case JSON_OBJECT:
                xpm_text_putc(text, '{');
                json_object_foreach((json_t *)json, key, value)
                {
                        xpm_json_key(text, key);
                        write_json(value, text);
                }
                xpm_text_putc(text, '}');
                break;
        case JSON_ARRAY:
                xpm_text_putc(text, '[');
                json_array_foreach(json, i, value)
                {
                        xpm_json_item(text);
                        write_json(value, text);
                }
                xpm_text_putc(text, ']');
                break;
        case JSON_STRING: xpm_json_string(text, json_string_value(json), json_string_length(json)); break;
        case JSON_INTEGER: xpm_json_int(text, json_integer_value(json)); break;
        case JSON_REAL: xpm_json_float(text, json_real_value(json)); break;
        case JSON_TRUE:
        case JSON_FALSE: xpm_json_bool(text, json_is_true(json)); break;
        case JSON_NULL: xpm_text_puts(text, "null"); break;
        }
}

static const char *dump(comparison *to, const json_t *json)
{
        xpm_text text = XPM_TEXT_INIT;
        if (!json)
                return NULL;
        write_json(json, &text);
        const char *kept = text.failed ? NULL : xpm_arena_strdup(to->view->arena, xpm_text_string(&text));
        to->failed |= !kept;
        xpm_text_release(&text);
        return kept;
}

static void add(comparison *to, const char *name, const json_t *ours, const json_t *theirs)
{
        if (to->keep) {
                if (xpm_arena_reserve(to->view->arena, &to->items, &to->capacity, to->count + 1, sizeof *to->items) !=
                    0) {
                        to->failed = true;
                        return;
                }
                xpm_why_difference *item = &to->items[to->count];
                *item = (xpm_why_difference){xpm_arena_strdup(to->view->arena, name), dump(to, ours), dump(to, theirs)};
                to->failed |= !item->name;
        }
        to->count++;
}

static void compare(comparison *to, const char *name, const json_t *ours, const json_t *theirs);

static void compare_member(comparison *to, const char *name, const char *key, const json_t *ours, const json_t *theirs)
{
        if (strcmp(key, "job") == 0 && *name && json_object_get(ours ? ours : theirs, "id"))
                return;
        if (!to->keep) { /* names are for people */
                compare(to, "-", ours, theirs);
                return;
        }
        xpm_text path = XPM_TEXT_INIT;
        xpm_text_printf(&path, "%s%s%s", name, *name ? "." : "", key);
        to->failed |= path.failed;
        if (!path.failed)
                compare(to, xpm_text_string(&path), ours, theirs);
        xpm_text_release(&path);
}

/* Paths into the jobs' own directories are one when they are the same from there on. */
static bool is_own_path(const comparison *to, const json_t *ours, const json_t *theirs)
{
        const char *x = json_string_value(ours), *y = json_string_value(theirs);
        x = x ? strstr(x, to->ours) : NULL;
        y = y ? strstr(y, to->theirs) : NULL;
        return x && y && *to->ours && *to->theirs && strcmp(x + strlen(to->ours), y + strlen(to->theirs)) == 0;
}

static void compare(comparison *to, const char *name, const json_t *ours, const json_t *theirs)
{
        const char *key;
        json_t *value;
        if (to->failed || to->count > to->most)
                return;
        if (!json_is_object(ours) || !json_is_object(theirs)) {
                bool equal = json_is_number(ours) && json_is_number(theirs)
                                     ? json_number_value(ours) == json_number_value(theirs)
                                     : json_equal((json_t *)ours, (json_t *)theirs);
                if (!equal && !is_own_path(to, ours, theirs))
                        add(to, name, ours, theirs);
                return;
        }
        json_object_foreach((json_t *)ours, key, value)
                compare_member(to, name, key, value, json_object_get(theirs, key));
        json_object_foreach((json_t *)theirs, key, value) if (!json_object_get(ours, key))
                compare_member(to, name, key, NULL, value);
}

static int load_params(xpm_view *view, const char *task_id, const char *job_id, json_t **out, xpm_error *err)
{
        json_t *file = NULL;
        char path[1024];
        int length = snprintf(path, sizeof path, "jobs/%s/%s/params.json", task_id, job_id);
        *out = NULL;
        int rc = length < (int)sizeof path ? xpm_view_load(view, path, &file, err) : 0;
        json_t *params = json_object_get(file, "params");
        if (json_is_object(params))
                *out = json_incref(params);
        json_decref(file);
        return rc;
}

int xpm_view_params(xpm_view *view, const char *task_id, const char *job_id, const char **params, xpm_error *err)
{
        json_t *json;
        comparison to = {.view = view};
        int rc = load_params(view, task_id, job_id, &json, err);
        *params = dump(&to, json);
        json_decref(json);
        return rc == 0 && to.failed ? xpm_fail_memory(err) : rc;
}

static int by_time(const void *a, const void *b)
{
        const candidate *x = a, *y = b;
        if (x->time.tv_sec != y->time.tv_sec)
                return x->time.tv_sec < y->time.tv_sec ? 1 : -1;
        if (x->time.tv_nsec != y->time.tv_nsec)
                return x->time.tv_nsec < y->time.tv_nsec ? 1 : -1;
        return strcmp(x->job_id, y->job_id);
}

/* All directories of the task, the newest first. */
static int list(xpm_view *view, const char *task_id, const char *job_id, candidate **out, size_t *count, xpm_error *err)
{
        const char **names, *path = xpm_arena_printf(view->arena, "jobs/%s", task_id);
        size_t all;
        int rc = path ? xpm_view_directories(view, path, true, &names, &all, err) : xpm_fail_memory(err);
        if (rc != 0)
                return rc;
        candidate *jobs = xpm_arena_calloc(view->arena, all + 1, sizeof *jobs);
        int dir = all > 0 ? openat(view->workspace->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        for (size_t i = 0; jobs && i < all; i++) {
                struct stat st;
                if (strcmp(names[i], job_id) == 0 || fstatat(dir, names[i], &st, 0) != 0)
                        continue;
                jobs[(*count)++] = (candidate){names[i], st.st_mtim};
        }
        if (dir >= 0)
                close(dir);
        if (!jobs)
                return xpm_fail_memory(err);
        qsort(jobs, *count, sizeof *jobs, by_time);
        *out = jobs;
        return 0;
}

static int measure(xpm_view *view, const char *task_id, const char *other, const json_t *ours, comparison *to,
                   xpm_error *err)
{
        json_t *theirs;
        int rc = load_params(view, task_id, other, &theirs, err);
        if (rc == 0 && theirs)
                compare(to, "", ours, theirs);
        else
                to->count = SIZE_MAX;
        json_decref(theirs);
        return rc == 0 && to->failed ? xpm_fail_memory(err) : rc;
}

int xpm_view_find_nearest(xpm_view *view, const char *task_id, const char *job_id, const char *params, size_t limit,
                          xpm_why_nearest *out, xpm_error *err)
{
        candidate *jobs = NULL;
        size_t count = 0, least = SIZE_MAX;
        json_t *ours = NULL;
        *out = (xpm_why_nearest){0};
        int rc = xpm_view_parse(params, strlen(params), &ours, err);
        if (rc == 0)
                rc = list(view, task_id, job_id, &jobs, &count, err);
        for (size_t i = 0; rc == 0 && i < count && i < limit; i++) {
                comparison to = {.view = view, .ours = job_id, .theirs = jobs[i].job_id, .most = least};
                rc = measure(view, task_id, jobs[i].job_id, ours, &to, err);
                if (rc == 0 && to.count < least) {
                        least = to.count;
                        out->job_id = jobs[i].job_id;
                }
        }
        if (rc == 0 && out->job_id) {
                comparison to = {.view = view, .ours = job_id, .theirs = out->job_id, .most = SIZE_MAX, .keep = true};
                rc = measure(view, task_id, out->job_id, ours, &to, err);
                out->items = to.items;
                out->count = to.count == SIZE_MAX ? 0 : to.count;
        }
        json_decref(ours);
        return rc;
}
