/* states.h: the life of a job, as a table
 *
 * Every pair of state and event that is not in the table is refused: the engine logs it and leaves the job as it is.
 */
#ifndef XPM_ENGINE_STATES_H
#define XPM_ENGINE_STATES_H

#include "experimaestro/state.h"

enum xpm_job_event {
        XPM_EVENT_FREED,  /* its last dependency is done */
        XPM_EVENT_BARRED, /* a dependency failed */
        XPM_EVENT_SUBMITTED,
        XPM_EVENT_RETURNED, /* the launcher gave it back without a result */
        XPM_EVENT_WITHHELD, /* the same, and what it depends on is not done */
        XPM_EVENT_RETRIED,  /* it ended without success, and has another try */
        XPM_EVENT_STARTED,
        XPM_EVENT_ELSEWHERE, /* somebody else runs it */
        XPM_EVENT_RELEASED,  /* somebody else let go of it without a result */
        XPM_EVENT_DONE,
        XPM_EVENT_FAILED,
        XPM_EVENT_COUNT
};

/* The state that follows, or -1: refused. */
int xpm_state_after(enum xpm_job_state state, enum xpm_job_event event);

const char *xpm_job_event_word(enum xpm_job_event event);

#endif
