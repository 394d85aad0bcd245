/* detached.h: runs whose engine left jobs with a scheduler
 *
 * Such a run is `detached` in environment.json, and nobody corrects its status.json: what has become of the jobs that
 * it left, their own status says.
 */
#ifndef XPM_WORKSPACE_DETACHED_H
#define XPM_WORKSPACE_DETACHED_H

#include <stdbool.h>
#include <stddef.h>

#include "experimaestro/error.h"

/* Jobs that the engine left, as they are now; `gone`: removed, or never begun and taken out of the queue. */
typedef struct xpm_detached {
        size_t scheduled, running, done, failed, gone;
} xpm_detached;

/* Of the run whose directory is open at RUN: 1 when it was detached, and *OUT tells; 0 when not. XPM_ENOMEM. */
int xpm_detached_look(int run, xpm_detached *out, xpm_error *err);

/* Does anything of it wait or run? */
static inline bool xpm_detached_goes_on(const xpm_detached *detached)
{
        return detached->scheduled + detached->running > 0;
}

#endif
