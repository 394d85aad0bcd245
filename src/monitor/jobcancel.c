/* A launcher is asked as a second engine would ask it: it is given the handles that the jobs' statuses name, and told
 * to cancel them. Its events tell when the scheduler has let go of them. Nothing that it knows is needed to end a job
 * that waits; so where it does not answer, that is told and no harm. */
#include "monitor/jobcancel.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/map.h"
#include "monitor/launcherstate.h"
#include "monitor/viewstate.h"
#include "workspace/jobdir.h"

typedef struct entry {
        const char *handle;
        size_t launcher; /* a candidate */
        bool waited;     /* it had not begun, and was recorded */
        bool sent, left;
} entry;

struct xpm_cancel {
        xpm_view *view;
        const char *config_dir;
        xpm_launcher_view *launchers; /* NULL until one is needed */
        entry *entries;               /* in the view's arena, as all else */
        size_t count, capacity, sent; /* sent: so many from the first on */
        xpm_map known;                /* handles */
        bool dead[XPM_CANDIDATES];    /* launchers that are asked for nothing any more */
};

int xpm_cancel_create(xpm_view *view, const char *config_dir, xpm_cancel **out, xpm_error *err)
{
        xpm_cancel *cancel = calloc(1, sizeof *cancel);
        if (!cancel)
                return xpm_fail_memory(err);
        cancel->view = view;
        cancel->config_dir = config_dir;
        *out = cancel;
        return 0;
}

void xpm_cancel_destroy(xpm_cancel *cancel)
{
        if (!cancel)
                return;
        xpm_launcher_view_close(cancel->launchers);
        xpm_map_release(&cancel->known);
        free(cancel);
}

const char *xpm_cancel_heard(const xpm_cancel *cancel)
{
        return cancel->launchers ? xpm_text_string(&cancel->launchers->heard) : "";
}

/* What the directories say. */

/* Under the lock: the end of an attempt that has not begun. */
static int record(const xpm_jobdir *dir, const xpm_view_job *job, const xpm_job_past *past, xpm_error *err)
{
        const xpm_job_status status = {
                .job_id = job->job_id,
                .task_id = job->task_id,
                .path = dir->path,
                .state = XPM_JOB_ERROR,
                .failure = XPM_FAILURE_CANCELLED,
                .message = "cancelled by 'xpm jobs kill' before it began",
                .code = -1,
                .ended = xpm_time_now(),
                .attempt = past->attempt,
                .nonce = past->nonce[0] ? past->nonce : NULL,
                .launcher = past->launcher,
                .handle = past->handle,
                .attempts = past->attempts.length ? past->attempts.data : NULL,
        };
        return xpm_jobdir_commit(dir, &status, false, err);
}

/* 1 when a scheduler has JOB, as PAST then says; *WAITED: it had not begun, and now does not any more. */
static int end_waiting(xpm_cancel *cancel, const xpm_view_job *job, xpm_job_past *past, bool *waited, xpm_error *err)
{
        const xpm_workspace *workspace = cancel->view->workspace;
        xpm_jobdir dir = XPM_JOBDIR_INIT;
        xpm_error own = XPM_ERROR_NONE;
        dir.path = xpm_view_job_path(cancel->view, job);
        dir.script = xpm_view_script(job->task_id);
        dir.directory_mode = workspace->directory_mode;
        dir.file_mode = workspace->file_mode;
        int rc = dir.path ? xpm_jobdir_open(&dir, false, &own) : XPM_ENOMEM;
        if (rc == 0)
                rc = xpm_jobdir_lock(&dir, &own);
        bool runs = rc == XPM_ELOCKED;
        if (rc == 0 || runs)
                rc = xpm_job_past_read(dir.dir, past, err);
        else if (rc != XPM_ENOTFOUND)
                xpm_fail(err, rc, "%s", rc == XPM_ENOMEM ? "out of memory" : own.message);
        *waited = rc == 0 && !runs && past->state == XPM_JOB_SCHEDULED;
        if (*waited)
                rc = record(&dir, job, past, err);
        xpm_jobdir_release(&dir);
        if (rc == XPM_ENOTFOUND)
                return 0;
        bool open = past->state == XPM_JOB_SCHEDULED || past->state == XPM_JOB_RUNNING;
        return rc != 0 ? rc : past->handle[0] && (*waited || (runs && open));
}

/* Launchers. */

static void on_event(const xpm_core *core, const xpm_launch_event *event)
{
        xpm_cancel *cancel = ((xpm_launcher_view *)core->data)->user;
        if (event->kind != XPM_LAUNCH_ACCEPTED && event->kind != XPM_LAUNCH_STARTED && event->tag < cancel->count)
                cancel->entries[event->tag].left = true;
}

static int need_launchers(xpm_cancel *cancel, xpm_error *err)
{
        if (cancel->launchers)
                return 0;
        int rc = xpm_launcher_view_open(cancel->config_dir, &cancel->launchers, err);
        if (rc != 0)
                return rc;
        xpm_core *core = &cancel->launchers->core;
        cancel->launchers->user = cancel;
        core->workspace = cancel->view->workspace->path;
        core->directory_mode = cancel->view->workspace->directory_mode;
        core->file_mode = cancel->view->workspace->file_mode;
        core->event = on_event;
        return 0;
}

static int remember(xpm_cancel *cancel, const xpm_job_past *past, bool waited, xpm_error *err)
{
        xpm_arena *arena = cancel->view->arena;
        size_t launcher = 0;
        if (xpm_map_get(&cancel->known, past->handle))
                return 0;
        int rc = need_launchers(cancel, err);
        const char *name = rc == 0 ? xpm_arena_strdup(arena, past->launcher) : NULL;
        if (rc == 0)
                rc = name ? xpm_candidates_find(&cancel->launchers->candidates, name, &launcher, err)
                          : xpm_fail_memory(err);
        if (rc != 0)
                return rc;
        const char *handle = xpm_arena_strdup(arena, past->handle);
        if (!handle || xpm_map_put(&cancel->known, handle, (void *)handle) != 0 ||
            xpm_arena_reserve(arena, &cancel->entries, &cancel->capacity, cancel->count + 1, sizeof(entry)) != 0)
                return xpm_fail_memory(err);
        cancel->entries[cancel->count++] = (entry){.handle = handle, .launcher = launcher, .waited = waited};
        return 0;
}

int xpm_cancel_add(xpm_cancel *cancel, const xpm_view_job *job, xpm_error *err)
{
        xpm_job_past past = XPM_JOB_PAST_INIT;
        bool waited = false;
        int rc = end_waiting(cancel, job, &past, &waited, err);
        if (rc == 1)
                rc = remember(cancel, &past, waited, err);
        xpm_job_past_release(&past);
        return rc;
}

/* Those of LAUNCHER from the entry FIRST on: the first time that it hears of them. */
static int ask(xpm_cancel *cancel, size_t launcher, size_t first, xpm_error *err)
{
        xpm_candidates *candidates = &cancel->launchers->candidates;
        const xpm_candidate *one = &candidates->list[launcher];
        uint64_t *tags = xpm_arena_calloc(cancel->view->arena, cancel->count, sizeof *tags);
        const char **handles = xpm_arena_calloc(cancel->view->arena, cancel->count, sizeof *handles);
        size_t count = 0;
        if (!tags || !handles)
                return xpm_fail_memory(err);
        for (size_t i = first; i < cancel->count; i++)
                if (cancel->entries[i].launcher == launcher) {
                        tags[count] = i;
                        handles[count++] = cancel->entries[i].handle;
                }
        if (count == 0)
                return 0;
        int rc = xpm_candidates_open(candidates, launcher, err);
        if (rc == 0 && !one->ops->lasting)
                return xpm_fail(err, XPM_ELAUNCHER, "launcher '%s' leaves no jobs behind that could be cancelled",
                                one->name);
        if (rc == 0)
                rc = one->ops->reattach(one->instance, tags, handles, count, err);
        /* Also what it finds later is to end. */
        if (rc == 0)
                rc = one->ops->withdraw(one->instance, err);
        return rc == 0 ? one->ops->cancel(one->instance, NULL, 0, err) : rc;
}

static int ask_all(xpm_cancel *cancel, xpm_error *err)
{
        size_t first = cancel->sent;
        int rc = 0;
        cancel->sent = cancel->count;
        for (size_t i = 0; first < cancel->count && i < cancel->launchers->candidates.count; i++) {
                xpm_error own = XPM_ERROR_NONE;
                if (cancel->dead[i] || ask(cancel, i, first, &own) == 0)
                        continue;
                cancel->dead[i] = true;
                rc = xpm_fail(err, own.code, "%s", own.message);
        }
        return rc;
}

/* The loop. */

static size_t count_awaited(const xpm_cancel *cancel)
{
        size_t awaited = 0;
        for (size_t i = 0; i < cancel->count; i++) {
                const entry *one = &cancel->entries[i];
                awaited += one->waited && !one->left && !cancel->dead[one->launcher];
        }
        return awaited;
}

static int64_t milliseconds(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Once around. */
static int turn(xpm_cancel *cancel, int64_t until, xpm_error *err)
{
        struct pollfd polled[XPM_CANDIDATES];
        xpm_candidates *candidates = cancel->launchers ? &cancel->launchers->candidates : NULL;
        size_t count = candidates ? candidates->count : 0;
        for (size_t i = 0; i < count; i++) {
                const xpm_candidate *one = &candidates->list[i];
                polled[i] = (struct pollfd){.fd = -1};
                if (cancel->dead[i] || !one->instance)
                        continue;
                int64_t deadline = one->ops->deadline(one->instance);
                polled[i].fd = one->ops->fd(one->instance);
                polled[i].events = one->ops->events ? one->ops->events(one->instance) : POLLIN;
                until = deadline >= 0 && deadline < until ? deadline : until;
        }
        int64_t left = until - milliseconds();
        poll(polled, count, left > 0 ? (int)left : 0);
        int rc = 0;
        for (size_t i = 0; i < count; i++) {
                const xpm_candidate *one = &candidates->list[i];
                if (cancel->dead[i] || !one->instance || one->ops->dispatch(one->instance, err) == 0)
                        continue;
                cancel->dead[i] = true;
                rc = XPM_ELAUNCHER;
        }
        return rc;
}

int xpm_cancel_serve(xpm_cancel *cancel, int timeout, size_t *awaited, xpm_error *err)
{
        int64_t until = milliseconds() + timeout;
        bool waits = count_awaited(cancel) > 0 || cancel->sent < cancel->count;
        int rc = ask_all(cancel, err);
        do {
                if (rc == 0)
                        rc = turn(cancel, until, err);
                *awaited = count_awaited(cancel);
        } while (rc == 0 && milliseconds() < until && (*awaited > 0 || !waits));
        return rc;
}
