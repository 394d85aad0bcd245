/* why.h: why a job stands as it does
 *
 * From the files alone; everything is borrowed from the view, as in view.h.
 */
#ifndef XPM_MONITOR_WHY_H
#define XPM_MONITOR_WHY_H

#include "monitor/view.h"

typedef struct xpm_why_attempt {
        const char *host, *started, *ended, *state, *reason; /* or NULL */
        int code;                                            /* exit status, -1: none */
} xpm_why_attempt;

typedef struct xpm_why {
        xpm_view_job job;
        bool has_directory;
        const char *marker;  /* name of the file that says that it is done or failed, or NULL */
        const char *holder;  /* who has its lock, when it runs: the lock's own text, or NULL */
        const char *message; /* of its failure, or NULL */
        /* When it waits for its turn in a run that goes on: that of which experiment. */
        const char *underway;
        /* The token that it waits for, as far as its ticket tells, and who holds of it, as `task/job`. */
        const char *token;
        const char **token_holders;
        size_t token_holder_count;
        /* What it waits for: one of its dependencies, one of that one's, …; the last is the cause. Failed ones come
         * before others. */
        const xpm_view_job *chain;
        size_t chain_count;
        const xpm_why_attempt *attempts; /* the earliest first, as far as they were recorded */
        size_t attempt_count;
} xpm_why;

/* JOB as xpm_view_find found it. XPM_EIO, XPM_ENOMEM. */
int xpm_view_why(xpm_view *view, const xpm_view_job *job, xpm_why *out, xpm_error *err);

typedef struct xpm_why_difference {
        const char *name;          /* `model.layers` */
        const char *ours, *theirs; /* as JSON; NULL: it has none */
} xpm_why_difference;

typedef struct xpm_why_nearest {
        const char *job_id; /* NULL: there is no other job of the task */
        const xpm_why_difference *items;
        size_t count;
} xpm_why_nearest;

/* The parameters of a job as its params.json has them, as JSON; NULL when there are none. */
int xpm_view_params(xpm_view *view, const char *task_id, const char *job_id, const char **params, xpm_error *err);

/* The job of TASK_ID, other than JOB_ID, whose parameters differ least from PARAMS (JSON); the newest of several. Only
 * the LIMIT newest directories are looked at. */
int xpm_view_find_nearest(xpm_view *view, const char *task_id, const char *job_id, const char *params, size_t limit,
                          xpm_why_nearest *out, xpm_error *err);

#endif
