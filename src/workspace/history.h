/* history.h: old runs of an experiment go (`history` in the settings)
 *
 * By the rules of the reference implementation: a failed run that a finished one came after tells nothing any more; of
 * the rest the latest MAX_DONE that ended well and the latest MAX_FAILED that did not are kept, beside the present one.
 * Runs go, with their results and what was saved; jobs never do.
 */
#ifndef XPM_WORKSPACE_HISTORY_H
#define XPM_WORKSPACE_HISTORY_H

#include <stddef.h>

#include "workspace/workspace.h"

/* Remove old runs of EXPERIMENT_ID. The caller holds the experiment's lock. Never removed are the run KEEP_RUN, the one
 * that `current` leads to, the one that the `jobs.bak` of either leads to, and one without a word of its end: it runs,
 * was left behind with jobs in a queue, or is not understood. Returns how many went, or XPM_EIO, XPM_ENOMEM: then some
 * may have gone. */
int xpm_history_clean(const xpm_workspace *workspace, const char *experiment_id, const char *keep_run, size_t max_done,
                      size_t max_failed, xpm_error *err);

#endif
