/* targets.h: what is to be cancelled, in as few requests as can be
 */
#ifndef XPM_SLURM_TARGETS_H
#define XPM_SLURM_TARGETS_H

#include <jansson.h>

/* The id at *AT of JOBS, or all elements of one array that stand side by side from there on as one, `123_[4-6,9]`, in
 * the order in which they stand; *AT is moved past them. The caller frees. NULL for what is no id, or without memory.
 */
char *targets_next(const json_t *jobs, size_t *at);

#endif
