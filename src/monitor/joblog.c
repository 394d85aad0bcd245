/* Reading what a job writes. Each look opens the directory and the logs anew and closes them: on network filesystems an
 * open file does not tell that it grew elsewhere, and a new attempt begins a new file of the same name. Between looks
 * we wait for inotify, which knows of this host only, and for a timer, which knows of all. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/viewstate.h"

enum { BLOCK = 64 << 10, PATIENCE = 500, LOGS = 2 };

typedef struct reader {
        xpm_view *view;
        xpm_view_job *job;
        const char *directory; /* relative to the workspace */
        const char *names[LOGS];
        int logs;
        ino_t inodes[LOGS];
        off_t offsets[LOGS];
        bool found; /* a log */
        bool hoped; /* the run goes on, or did while we looked */
        const xpm_view_sink *sink;
        xpm_error *err;
} reader;

static int fail(const reader *in, const char *verb, const char *name)
{
        return xpm_fail_errno(in->err, "cannot %s '%s/%s%s%s'", verb, in->view->workspace->path, in->directory,
                              name ? "/" : "", name ? name : "");
}

/* What is new in log I, open as FD. 1 when the sink has had enough. */
static int read_rest(reader *in, int i, int fd)
{
        char block[BLOCK];
        struct stat st;
        if (fstat(fd, &st) != 0)
                return fail(in, "read", in->names[i]);
        if (st.st_ino != in->inodes[i] || st.st_size < in->offsets[i])
                in->offsets[i] = 0;
        in->inodes[i] = st.st_ino;
        for (;;) {
                ssize_t length = pread(fd, block, sizeof block, in->offsets[i]);
                if (length < 0 && errno != EINTR)
                        return fail(in, "read", in->names[i]);
                if (length == 0)
                        return 0;
                if (length > 0 && in->sink->write(in->sink->data, i, block, (size_t)length) != 0)
                        return 1;
                in->offsets[i] += length > 0 ? length : 0;
        }
}

static int look(reader *in)
{
        int dir = openat(in->view->workspace->dir, in->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return errno == ENOENT ? 0 : fail(in, "open", NULL);
        int rc = 0;
        for (int i = 0; rc == 0 && i < in->logs; i++) {
                int fd = openat(dir, in->names[i], O_RDONLY | O_CLOEXEC);
                if (fd < 0 && errno != ENOENT)
                        rc = fail(in, "open", in->names[i]);
                if (fd < 0)
                        continue;
                in->found = true;
                rc = read_rest(in, i, fd);
                close(fd);
        }
        close(dir);
        return rc;
}

bool xpm_view_has_not_begun(const xpm_view_job *job)
{
        return job->state == XPM_JOB_SCHEDULED ||
               (job->state == XPM_JOB_UNSCHEDULED && job->failure == XPM_FAILURE_NONE && !job->removed);
}

/* The run that STATUS tells of has not given JOB up, whose last attempt failed. What it wrote is some seconds old, and
 * the first time it told of no job. */
static bool may_be_tried_again(const json_t *status, const xpm_view_job *job)
{
        enum xpm_job_state state;
        enum xpm_failure failure;
        const char *word = json_string_value(json_object_get(json_object_get(status, "job_states"), job->job_id));
        return !word || (xpm_view_parse_state(word, &state, &failure) && state != XPM_JOB_DONE &&
                         state != XPM_JOB_ERROR && state != XPM_JOB_TRANSIENT);
}

/* Where the job does not run: its run goes on and has not given it up, or, where no run goes on, somebody may begin it:
 * by hand, or by running the experiment again. A run that has ended without it is not waited for twice. */
static int may_come(reader *in)
{
        xpm_view_run run = {0};
        json_t *status = NULL;
        int rc = 0;
        if (in->job->run)
                rc = xpm_view_read_run(in->view, in->job->experiment, in->job->run, true, &run, &status, in->err);
        bool failed = in->job->state == XPM_JOB_ERROR, again = failed && may_be_tried_again(status, in->job);
        json_decref(status);
        if (rc != 0)
                return rc;
        if (failed)
                return again && run.status == XPM_RUN_IS_RUNNING;
        bool goes_on = run.status == XPM_RUN_IS_RUNNING || run.status == XPM_RUN_IS_DETACHED;
        in->hoped |= goes_on;
        return goes_on || (!in->hoped && !in->found && xpm_view_has_not_begun(in->job));
}

/* 1 while it runs, waits in a scheduler's queue, or may come to run. */
static int may_go_on(reader *in)
{
        int rc = xpm_view_refresh(in->view, in->job, in->err);
        if (rc != 0)
                return rc;
        switch (in->job->state) {
        case XPM_JOB_RUNNING:
        case XPM_JOB_SCHEDULED: return 1;
        case XPM_JOB_UNSCHEDULED:
        case XPM_JOB_ERROR: return may_come(in);
        default: return 0;
        }
}

static void wait_for_change(int notify, const char *directory)
{
        char events[4096];
        struct pollfd changed = {.fd = notify, .events = POLLIN};
        if (notify >= 0)
                inotify_add_watch(notify, directory, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
        if (poll(&changed, 1, PATIENCE) > 0)
                while (read(notify, events, sizeof events) > 0)
                        ;
}

static int follow(reader *in)
{
        const char *directory = xpm_view_job_path(in->view, in->job);
        int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        int rc = directory ? 0 : xpm_fail_memory(in->err);
        while (rc == 0) {
                /* What was written before the end is read after the end is known. */
                int goes_on = may_go_on(in);
                rc = goes_on < 0 ? goes_on : look(in);
                if (rc != 0 || !goes_on)
                        break;
                wait_for_change(notify, directory);
        }
        if (notify >= 0)
                close(notify);
        return rc;
}

int xpm_view_logs(xpm_view *view, xpm_view_job *job, bool std, bool follow_it, const xpm_view_sink *sink,
                  xpm_error *err)
{
        const char *script = xpm_view_script(job->task_id);
        reader in = {.view = view, .job = job, .logs = std ? 1 : LOGS, .sink = sink, .err = err};
        in.directory = xpm_arena_printf(view->arena, "jobs/%s/%s", job->task_id, job->job_id);
        in.names[0] = xpm_arena_printf(view->arena, "%s.out", script);
        in.names[1] = xpm_arena_printf(view->arena, "%s.err", script);
        if (!in.directory || !in.names[0] || !in.names[1])
                return xpm_fail_memory(err);
        int rc = follow_it ? follow(&in) : look(&in);
        if (rc == 0 && !in.found && job->state == XPM_JOB_ERROR)
                rc = xpm_fail(err, XPM_ENOTFOUND, "the job '%s/%s' has no log: it failed before it was started (%s)",
                              job->task_id, job->job_id, xpm_failure_word(job->failure));
        else if (rc == 0 && !in.found && in.hoped)
                rc = xpm_fail(err, XPM_ENOTFOUND, "the job '%s/%s' has no log: its run ended without it", job->task_id,
                              job->job_id);
        else if (rc == 0 && !in.found)
                rc = xpm_fail(err, XPM_ENOTFOUND, "the job '%s/%s' has no log: it is %s", job->task_id, job->job_id,
                              xpm_job_state_word(job->state));
        return rc > 0 ? 0 : rc;
}
