/* assemble.h: one job from a combination
 *
 * An assembly is made once for a step; each job is put together in its `root`, a config that the caller copies when the
 * job is a new one.
 */
#ifndef XPM_PLAN_ASSEMBLE_H
#define XPM_PLAN_ASSEMBLE_H

#include "plan/step.h"

typedef struct xpm_assembly xpm_assembly;

/* CONVERTER as for xpm_frames_make. Everything is made in the plan's arena. */
int xpm_assembly_create(xpm_plan *plan, xpm_step *step, const xpm_converter *converter, xpm_assembly **out,
                        xpm_error *err);

/* Make the job of COMBINATION of BLOCK with CHOICES (one per choosing reference); NUMBER is its combination over all. 1
 * and *ROOT, borrowed until the next call; 0 when `exclude` drops it; XPM_EPLAN. */
int xpm_assembly_make(xpm_assembly *assembly, const xpm_block *block, size_t combination, const uint32_t *choices,
                      uint64_t number, xpm_config **root, xpm_error *err);

/* Warn of entries of `exclude` that never dropped anything. */
void xpm_assembly_warn(const xpm_assembly *assembly);

#endif
