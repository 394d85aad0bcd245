/* probe.h: what a job's directory says (docs/reference/workspace.md, "Who writes what")
 */
#ifndef XPM_WORKSPACE_PROBE_H
#define XPM_WORKSPACE_PROBE_H

#include <stdint.h>

#include "experimaestro/state.h"
#include "workspace/workspace.h"

typedef struct xpm_probe {
        enum xpm_job_state state; /* UNSCHEDULED: nothing ran; DONE, ERROR, RUNNING (its lock is held), SCHEDULED (a
                                     scheduler has it) */
        enum xpm_failure failure; /* of ERROR; LOST of UNSCHEDULED: an attempt began and has no end */
        int code;                 /* of ERROR: exit status, -1: none */
        bool unmarked;            /* of DONE: its status says so, and its marker could not be made */
        char recipe[65];          /* of DONE, when asked for: from its status; "" unknown */
        char message[256];        /* of ERROR */
        char launcher[64],
                handle[256]; /* of SCHEDULED, RUNNING, LOST: which scheduler has it, under what name; "": none */
        uint32_t attempt;    /* of SCHEDULED */
        uint32_t ended;      /* of RUNNING, ERROR: the attempt whose end stands in its status; 0: of none */
} xpm_probe;

/* Look at jobs/TASK/JOB. A directory that does not exist is UNSCHEDULED, or DONE when the job is done in one of the
 * other folders. Order of trust: committed status, markers, lock. Fast when there is nothing: callers go through
 * 100,000 jobs. WANT_RECIPE reads status.json of done jobs. */
int xpm_probe_job(const xpm_workspace *workspace, const char *task_id, const char *script, const char *job_id,
                  bool want_recipe, xpm_probe *out, xpm_error *err);

/* Whether a job whose lock is held is lost all the same: its worker, which has a heartbeat, has been silent for two
 * leases. Dearer than a probe. */
bool xpm_probe_is_silent(const xpm_workspace *workspace, const char *task_id, const char *job_id);

#endif
