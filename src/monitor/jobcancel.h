/* jobcancel.h: jobs that a scheduler has are cancelled there, without the engine that handed them over
 *
 *     xpm_cancel_create → (add …, serve until nothing is awaited) → destroy
 *
 * A job that waits has no worker that could record its end: it is recorded here, under the job's lock, which is what
 * ends it, for whatever starts it later finds another attempt than its own and leaves (docs/reference/launchers.md). To
 * cancel it with the scheduler only saves its place there. One that runs is ended by its worker.
 */
#ifndef XPM_MONITOR_JOBCANCEL_H
#define XPM_MONITOR_JOBCANCEL_H

#include "monitor/view.h"

typedef struct xpm_cancel xpm_cancel;

/* VIEW must stay, and CONFIG_DIR (of launchers.yaml; NULL: the usual one). XPM_ENOMEM. */
int xpm_cancel_create(xpm_view *view, const char *config_dir, xpm_cancel **out, xpm_error *err);
/* What was asked of schedulers is sent, nobody waits for answers. NULL accepted. */
void xpm_cancel_destroy(xpm_cancel *cancel);

/* JOB is to be cancelled when a scheduler has it, else nothing is done; it may be added again. XPM_EIO, XPM_ENOMEM. */
int xpm_cancel_add(xpm_cancel *cancel, const xpm_view_job *job, xpm_error *err);

/* Ask schedulers to cancel what was added, one request for each array, and hear what they say for TIMEOUT milliseconds
 * at most. *AWAITED: so many of those that waited they have not let go of. An error tells of one launcher, which is
 * asked for nothing any more; the next call goes on with the others. */
int xpm_cancel_serve(xpm_cancel *cancel, int timeout, size_t *awaited, xpm_error *err);

/* What launchers had to say meanwhile, lines. */
const char *xpm_cancel_heard(const xpm_cancel *cancel);

#endif
