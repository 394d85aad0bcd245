/* How far a job that runs says it is. Its events are read from their end, since only the last word of each level
 * counts. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "monitor/viewstate.h"

enum { TAIL = 64 << 10, LEVELS = 16 };

typedef struct progress {
        xpm_view *view;
        double since; /* events before it are of an earlier attempt */
        xpm_view_level levels[LEVELS];
        size_t count;
        xpm_error *err;
} progress;

/* When the attempt that runs began, in whole seconds; 0 when that is not known. */
static int began(xpm_view *view, const char *directory, double *since, xpm_error *err)
{
        json_t *status;
        struct tm tm = {.tm_isdst = -1};
        const char *path = xpm_arena_printf(view->arena, "%s/.experimaestro/status.json", directory);
        int rc = path ? xpm_view_load(view, path, &status, err) : xpm_fail_memory(err);
        if (rc != 0)
                return rc;
        const char *time = json_string_value(json_object_get(status, "started_time"));
        *since = time && strptime(time, "%Y-%m-%dT%H:%M:%S", &tm) ? (double)mktime(&tm) : 0;
        json_decref(status);
        return 0;
}

/* The last of event-0.jsonl, event-1.jsonl, …; NULL when there is none. */
static const char *last_file(progress *of, const char *directory)
{
        const char *last = NULL;
        for (int i = 0;; i++) {
                struct stat st;
                const char *path =
                        xpm_arena_printf(of->view->arena, "%s/.experimaestro/events/event-%d.jsonl", directory, i);
                if (!path || fstatat(of->view->workspace->dir, path, &st, 0) != 0 || !S_ISREG(st.st_mode))
                        return last;
                last = path;
        }
}

/* A word of one level forgets those below it; one without a description keeps that of before. */
static int apply(progress *of, const json_t *event)
{
        const char *type = json_string_value(json_object_get(event, "event_type"));
        json_int_t level = json_integer_value(json_object_get(event, "level"));
        if (!type || strcmp(type, "JobProgressEvent") != 0 || level < 0 || level >= LEVELS ||
            json_number_value(json_object_get(event, "timestamp")) < of->since)
                return 0;
        for (; of->count <= (size_t)level; of->count++)
                of->levels[of->count] = (xpm_view_level){0};
        of->count = (size_t)level + 1;
        of->levels[level].fraction = json_number_value(json_object_get(event, "progress"));
        const char *description;
        int rc = xpm_view_string(of->view, event, "desc", &description, of->err);
        if (description)
                of->levels[level].description = description;
        return rc;
}

static int apply_lines(progress *of, const char *text, size_t length)
{
        int rc = 0;
        for (const char *end; rc == 0 && (end = memchr(text, '\n', length));) {
                json_t *event;
                rc = xpm_view_parse(text, (size_t)(end - text), &event, of->err);
                if (rc == 0)
                        rc = apply(of, event);
                json_decref(event);
                length -= (size_t)(end + 1 - text);
                text = end + 1;
        }
        return rc;
}

static int read_tail(progress *of, const char *path)
{
        struct stat st;
        int fd = openat(of->view->workspace->dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
                if (fd >= 0)
                        close(fd);
                return 0;
        }
        off_t from = st.st_size > TAIL ? st.st_size - TAIL : 0;
        char *text = malloc(TAIL);
        ssize_t length = text ? pread(fd, text, TAIL, from) : 0;
        int rc = text ? 0 : xpm_fail_memory(of->err);
        const char *start = from > 0 && length > 0 ? memchr(text, '\n', (size_t)length) : text;
        if (rc == 0 && length > 0 && start)
                rc = apply_lines(of, start, (size_t)(text + length - start));
        free(text);
        close(fd);
        return rc;
}

int xpm_view_progress(xpm_view *view, const xpm_view_job *job, const xpm_view_level **levels, size_t *count,
                      xpm_error *err)
{
        progress of = {.view = view, .err = err};
        *count = 0;
        *levels = NULL;
        if (job->state != XPM_JOB_RUNNING)
                return 0;
        const char *directory = xpm_arena_printf(view->arena, "jobs/%s/%s", job->task_id, job->job_id);
        if (!directory)
                return xpm_fail_memory(err);
        const char *file = last_file(&of, directory);
        int rc = file ? began(view, directory, &of.since, err) : 0;
        if (rc == 0 && file)
                rc = read_tail(&of, file);
        if (rc == 0 && !(*levels = xpm_arena_memdup(view->arena, of.levels, of.count * sizeof *of.levels)))
                rc = xpm_fail_memory(err);
        if (rc == 0)
                *count = of.count;
        return rc;
}
