/* run.h: one run of an experiment: experiments/ID/RUN
 *
 * begin → add_job … → flush → state/event … (tick) → end. One writer: whoever holds experiments/ID/lock. Nothing that
 * grows with the number of jobs is rewritten per event.
 */
#ifndef XPM_WORKSPACE_RUN_H
#define XPM_WORKSPACE_RUN_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "experimaestro/state.h"
#include "workspace/workspace.h"

typedef struct xpm_run xpm_run;

typedef struct xpm_run_info {
        const char *experiment_id;
        const char *title, *subtitle, *description, *paper; /* or NULL */
        const char *experiment_dir;                         /* for git's commit, branch, dirty */
        bool warn_dirty;                         /* through LOG, once git has told, at the end at the latest */
        const char *const *argv;                 /* command line, NULL-terminated */
        const char *configuration;               /* merged, as JSON text, or NULL */
        const volatile sig_atomic_t *interrupts; /* or NULL: once it is not 0, no lock is waited for */
        bool forget_old;                         /* when this one ends, all older runs go but so many (history.h) */
        size_t max_done, max_failed;
} xpm_run_info;

enum xpm_run_outcome { XPM_RUN_DONE, XPM_RUN_FAILED, XPM_RUN_CANCELLED, XPM_RUN_DETACHED };

/* Take the experiment's lock (XPM_ELOCKED when another engine has it; with WAIT, wait for it, saying so through LOG),
 * make the RUN with its status.json, point `current` at it. LOG is borrowed until the end. */
int xpm_run_begin(xpm_workspace *workspace, const xpm_run_info *info, bool wait, const xpm_log *log, xpm_run **out,
                  xpm_error *err);

const char *xpm_run_path(const xpm_run *run); /* absolute */
const char *xpm_run_name(const xpm_run *run); /* 20261123_221930 */

/* Announce a job: its line of jobs.jsonl (buffered) and its entry in status.json. TAGS is a JSON object; DEPENDENCIES
 * are `task/job`. Returns through *SLOT a number for the calls below. A job that is DONE in another folder of the
 * workspace is adopted (folder.h). */
int xpm_run_add_job(xpm_run *run, const char *task_id, const char *job_id, const char *tags, const char *step,
                    const char *const *dependencies, size_t dependency_count, enum xpm_job_state state, size_t *slot,
                    xpm_error *err);
/* What the directory of the job in SLOT says, once it was announced: no event. It is adopted as above. XPM_EIO,
 * XPM_ENOMEM. */
int xpm_run_found(xpm_run *run, size_t slot, enum xpm_job_state state, xpm_error *err);
/* Write what is buffered; before any job's directory is looked at or made. */
int xpm_run_flush(xpm_run *run, xpm_error *err);

/* A job's state changed: appended to events/ (buffered until tick) and kept for status.json. */
int xpm_run_set_state(xpm_run *run, size_t slot, enum xpm_job_state state, enum xpm_failure failure, xpm_error *err);

/* So many requests were made to schedulers, kept with the next status.json and with the last. */
void xpm_run_set_requests(xpm_run *run, size_t requests);

/* The directory of the job in SLOT was removed: RUN/jobs has no link to it, nor gets one. XPM_EIO. */
int xpm_run_forget_link(xpm_run *run, size_t slot, xpm_error *err);

/* Now and then (every loop): writes events, makes some links of RUN/jobs, rewrites status.json when it is time. NOW is
 * CLOCK_MONOTONIC in milliseconds. Returns through *NEXT when it wants to be called at the latest, -1: no need. */
int xpm_run_tick(xpm_run *run, int64_t now, int64_t *next, xpm_error *err);

/* The last status.json, environment.json, remaining links; lets go of the lock. RUN is gone afterwards, whatever is
 * returned. */
int xpm_run_end(xpm_run *run, enum xpm_run_outcome outcome, xpm_error *err);

#endif
