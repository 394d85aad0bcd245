/* runstate.h: what the files of a run are made from; for the run*.c of this room alone
 */
#ifndef XPM_WORKSPACE_RUNSTATE_H
#define XPM_WORKSPACE_RUNSTATE_H

#include "base/arena.h"
#include "base/map.h"
#include "base/text.h"
#include "workspace/environment.h"
#include "workspace/run.h"

enum { XPM_RUN_STATES = XPM_JOB_TRANSIENT + 1 };

typedef struct xpm_run_entry {
        const char *job_id;
        uint32_t task;          /* index into tasks */
        uint8_t state, failure; /* enum xpm_job_state, xpm_failure */
        bool listed;            /* among those that want a link */
        bool removed;           /* its directory: it gets none */
} xpm_run_entry;

typedef struct xpm_run_task {
        const char *id;
        int dir; /* RUN/jobs/TASK, open; -1 while it does not exist */
} xpm_run_task;

struct xpm_run {
        const xpm_workspace *workspace;
        const xpm_log *log;
        xpm_arena *arena; /* of all strings below */
        xpm_run_info info;
        const char *path, *name; /* absolute; its last component */
        const char *previous;    /* name of the run before, or NULL */
        int lock, dir;           /* experiments/ID/lock; RUN */
        int64_t started;         /* microseconds since the epoch */
        char host[256];

        xpm_run_entry *entries;
        size_t count, capacity, counts[XPM_RUN_STATES];
        size_t requests; /* made to schedulers */
        xpm_run_task *tasks;
        size_t task_count, task_capacity;
        xpm_map task_index; /* id → index + 1 */

        xpm_text lines;        /* of jobs.jsonl, not yet written */
        xpm_text dependencies; /* the members of that object of status.json */
        xpm_text events;       /* not yet written */
        int lines_file, events_file;
        int64_t events_due; /* CLOCK_MONOTONIC milliseconds; 0: no event waits */

        bool changed;       /* since status.json was written */
        int64_t status_due; /* not before: CLOCK_MONOTONIC milliseconds */
        int64_t trial_due;  /* when to look what workers on other hosts found, the same */

        uint32_t *links; /* slots that want a link, in order */
        size_t link_count, link_done, link_capacity;

        xpm_environment environment;
};

/* Take the lock, make RUN and `current` (rundir.c). Sets lock, dir, path, name, previous. */
int xpm_run_make(xpm_run *run, bool wait, const xpm_log *log, xpm_error *err);
/* jobs.bak goes: the run ended without an error. */
int xpm_run_forget_previous(xpm_run *run, xpm_error *err);

/* status.json as text (runstatus.c); ENDED is 0 while it runs. */
void xpm_run_status_json(const xpm_run *run, const char *status, bool cancelled, int64_t ended, xpm_text *text);
int xpm_run_write_status(xpm_run *run, const char *status, bool cancelled, int64_t ended, xpm_error *err);

/* The job in SLOT wants a link (runlink.c). XPM_ENOMEM. */
int xpm_run_want_link(xpm_run *run, size_t slot, xpm_error *err);
/* Make at most LIMIT of the links that are wanted. */
int xpm_run_make_links(xpm_run *run, size_t limit, xpm_error *err);
/* List every job that has a directory. */
int xpm_run_want_all_links(xpm_run *run, xpm_error *err);

#endif
