/* transient.h: jobs that run only for the sake of others
 */
#ifndef XPM_ENGINE_TRANSIENT_H
#define XPM_ENGINE_TRANSIENT_H

#include <stdbool.h>

#include "engine/runner.h"

typedef struct xpm_transient_source {
        const void *data;
        bool (*would_run)(const void *data, size_t job); /* were it not transient */
} xpm_transient_source;

/* Which jobs of PLAN are spared: transient, and needed by nothing that runs, directly or through other transient jobs.
 * *OUT has a flag for each job, the caller's to free; NULL where the plan has no transient jobs. XPM_ENOMEM. */
int xpm_transients_spare(const xpm_plan *plan, const xpm_transient_source *source, bool **out, xpm_error *err);

/* The directories of what was to be removed and is needed no more go. One that somebody holds stays. */
int xpm_runner_remove_transients(xpm_runner *runner);

#endif
