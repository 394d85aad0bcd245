/* view.h: the read model of a workspace: what its files say of experiments, runs and jobs
 *
 * A view is a snapshot: each question is answered from the files as they are when it is asked. Nothing is written.
 * Everything that is returned is borrowed from the view and lives until close. Workspaces of the reference
 * implementation are read too.
 *
 *     xpm_view *view;
 *     if (xpm_view_open(&(xpm_view_place){.workdir = path}, &view, &err) == 0) {
 *             rc = xpm_view_jobs(view, NULL, &jobs, &err);
 *             xpm_view_close(view);
 *     }
 */
#ifndef XPM_MONITOR_VIEW_H
#define XPM_MONITOR_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "experimaestro/error.h"
#include "experimaestro/state.h"
#include "model/filter.h"

typedef struct xpm_view xpm_view;

/* Which workspace: as the engine chooses it. NULLs are allowed. */
typedef struct xpm_view_place {
        const char *config_dir, *workdir, *workspace;
} xpm_view_place;

/* XPM_ENOTFOUND when there is no workspace; XPM_ESETTINGS, XPM_EIO, XPM_ENOMEM. */
int xpm_view_open(const xpm_view_place *place, xpm_view **out, xpm_error *err);
void xpm_view_close(xpm_view *view); /* NULL accepted */
const char *xpm_view_path(const xpm_view *view);

enum { XPM_VIEW_STATES = XPM_JOB_TRANSIENT + 1 };

#define XPM_RUN_STATUSES(X)       \
        X(UNKNOWN, "unknown")     \
        X(RUNNING, "running")     \
        X(DONE, "done")           \
        X(FAILED, "failed")       \
        X(CANCELLED, "cancelled") \
        X(DETACHED, "detached")   \
        X(INTERRUPTED, "interrupted") /* it runs, says its file, but nobody holds its lock */

enum xpm_run_status {
#define X(name, word) XPM_RUN_IS_##name,
        XPM_RUN_STATUSES(X)
#undef X
};
const char *xpm_run_status_word(enum xpm_run_status status);

typedef struct xpm_view_run {
        const char *name; /* RUN */
        bool current;
        enum xpm_run_status status;
        const char *host, *started, *ended, *title; /* or NULL; times as they are written */
        size_t total, counts[XPM_VIEW_STATES];      /* of jobs, by state */
        size_t requests;                            /* made to schedulers, as far as the run has told */
} xpm_view_run;

typedef struct xpm_view_experiment {
        const char *id;
        const xpm_view_run *runs; /* the latest first */
        size_t run_count;
        const xpm_view_run *current; /* one of them; NULL when there is none */
} xpm_view_experiment;

typedef struct xpm_view_experiments {
        const xpm_view_experiment *items; /* by id */
        size_t count;
} xpm_view_experiments;

/* Those in ONLY (NULL-terminated; NULL: all), with all their runs or, without ALL_RUNS, the current one. XPM_ENOTFOUND
 * for one that is not there, with a suggestion. */
int xpm_view_list(xpm_view *view, const char *const *only, bool all_runs, xpm_view_experiments *out, xpm_error *err);

/* A link in the place of an experiment or of a run that leads nowhere: what it stood for is in no list. */
typedef struct xpm_view_link {
        const char *path, *target; /* path: relative to the workspace */
        bool current;              /* it is `current` of an experiment, whose runs are known without it */
} xpm_view_link;

typedef struct xpm_view_links {
        const xpm_view_link *items;
        size_t count;
} xpm_view_links;

int xpm_view_broken_links(xpm_view *view, xpm_view_links *out, xpm_error *err);

typedef struct xpm_view_tag {
        const char *name, *text; /* text: the value as people read it */
        xpm_filter_value value;
} xpm_view_tag;

typedef struct xpm_view_job {
        const char *task_id, *job_id;
        const char *experiment, *run; /* where it was found; NULL: in no run */
        const char *step;             /* or NULL */
        const xpm_view_tag *tags;
        size_t tag_count;
        const char *tags_json;    /* the same as a JSON object */
        const char *dependencies; /* JSON list of `task/job`, or NULL: not known */
        double submitted;         /* seconds since the epoch; 0 unknown */
        size_t order;             /* in which they were read, which tells apart those of one instant */
        enum xpm_job_state state;
        enum xpm_failure failure; /* of ERROR; LOST of UNSCHEDULED: its process died */
        bool removed;             /* UNSCHEDULED: a run recorded its end, its directory tells of none */
} xpm_view_job;

typedef struct xpm_view_jobs {
        xpm_view_job *items;
        size_t count;
} xpm_view_jobs;

/* The jobs of the current runs of EXPERIMENTS (NULL-terminated; NULL or empty: all), the latest first; one that is in
 * several stands there once, as the latest of them knows it. XPM_ENOTFOUND for an unknown experiment. */
int xpm_view_list_jobs(xpm_view *view, const char *const *experiments, xpm_view_jobs *out, xpm_error *err);

/* Keep those that FILTER (model/filter.h) holds for: tags, by their full name or an unambiguous end of it, and the
 * properties @state @name (of the task) @id @step @experiment @failure. XPM_EUSAGE with the column, or with the tags
 * that a name may mean. */
int xpm_view_select(xpm_view *view, const char *filter, xpm_view_jobs *jobs, xpm_error *err);

/* A doubt about FILTER, as words for the user: the first tag in it that none of JOBS (before they are selected) has,
 * with the nearest of those that there are, or some of them. NULL in *OUT when there is none, and of no jobs. */
int xpm_view_doubt(xpm_view *view, const char *filter, const xpm_view_jobs *jobs, const char **out, xpm_error *err);

/* The absolute directory of a job. NULL when out of memory. */
const char *xpm_view_job_path(xpm_view *view, const xpm_view_job *job);
/* What the directory says now, into state and failure. */
int xpm_view_refresh(xpm_view *view, xpm_view_job *job, xpm_error *err);

/* How far a job says it is: of level 0 the whole job, of each that follows a part of the one before. */
typedef struct xpm_view_level {
        double fraction;         /* 0 to 1, as it was written */
        const char *description; /* or NULL */
} xpm_view_level;

/* What JOB said last, when it runs; no levels otherwise. */
int xpm_view_progress(xpm_view *view, const xpm_view_job *job, const xpm_view_level **levels, size_t *count,
                      xpm_error *err);

/* The job that NAME means: any beginning of its identifier, or `task/beginning`; also its path. XPM_ENOTFOUND;
 * XPM_EUSAGE for a name that means several, with the first of them. */
int xpm_view_find(xpm_view *view, const char *name, xpm_view_job *out, xpm_error *err);

/* Where the bytes of a log go: LOG is 0 for standard output, 1 for standard error. Anything but 0 ends the reading. */
typedef struct xpm_view_sink {
        void *data;
        int (*write)(void *data, int log, const char *bytes, size_t length);
} xpm_view_sink;

/* No attempt of JOB has begun, or one waits in a scheduler's queue, as far as its directory and its run tell. */
bool xpm_view_has_not_begun(const xpm_view_job *job);

/* Read the logs of JOB, of its last attempt: standard output, then standard error unless STD alone is wanted. With
 * FOLLOW wait for it to begin, and go on while it runs or may come to run (again), in the order in which they grow.
 * XPM_ENOTFOUND when there is no log and none to wait for: without FOLLOW, or its run ended without it. JOB is
 * refreshed. */
int xpm_view_logs(xpm_view *view, xpm_view_job *job, bool std, bool follow, const xpm_view_sink *sink, xpm_error *err);

#endif
