/* state.h: what has become of a job
 */
#ifndef EXPERIMAESTRO_STATE_H
#define EXPERIMAESTRO_STATE_H

#include <experimaestro/error.h>

/* name, word in files and lists */
#define XPM_JOB_STATES(X)             \
        X(UNSCHEDULED, "unscheduled") \
        X(WAITING, "waiting")         \
        X(READY, "ready")             \
        X(SCHEDULED, "scheduled")     \
        X(RUNNING, "running")         \
        X(DONE, "done")               \
        X(ERROR, "error")             \
        X(TRANSIENT, "transient")

enum xpm_job_state {
#define X(name, word) XPM_JOB_##name,
        XPM_JOB_STATES(X)
#undef X
};

/* Why a job is in XPM_JOB_ERROR: name, `reason` in SCRIPT.failed, `failure_status` of the reference implementation */
#define XPM_FAILURES(X)                           \
        X(NONE, "", "")                           \
        X(FAILED, "failed", "FAILED")             \
        X(MEMORY, "memory", "MEMORY")             \
        X(TIMEOUT, "timeout", "TIMEOUT")          \
        X(PREEMPTED, "preempted", "CANCELLED")    \
        X(CANCELLED, "cancelled", "CANCELLED")    \
        X(DEPENDENCY, "dependency", "DEPENDENCY") \
        X(OUTPUT, "output", "MISSING_OUTPUTS")    \
        X(LOST, "lost", "FAILED")                 \
        X(LAUNCH, "launch", "REJECTED_OTHER")

enum xpm_failure {
#define X(name, word, status) XPM_FAILURE_##name,
        XPM_FAILURES(X)
#undef X
};

/* Words of the tables; never NULL. */
XPM_API const char *xpm_job_state_word(enum xpm_job_state state);
XPM_API const char *xpm_failure_word(enum xpm_failure failure);
XPM_API const char *xpm_failure_status(enum xpm_failure failure);
/* The value, or -1 for an unknown word; any case. failure takes a `reason` or a `failure_status`. */
XPM_API int xpm_job_state_parse(const char *word);
XPM_API int xpm_failure_parse(const char *word);

#endif
