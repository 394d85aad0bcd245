/* step.h: a step as it is written
 *
 * Steps are read in the order of the file, before any is expanded: what they refer to, sweep and name is known and
 * checked, and nothing has been multiplied yet.
 */
#ifndef XPM_PLAN_STEP_H
#define XPM_PLAN_STEP_H

#include "plan/frame.h"
#include "plan/plan.h"
#include "plan/reference.h"
#include "plan/sweep.h"
#include "plan/tags.h"

struct xpm_step_detail {
        xpm_pos pos;
        const xpm_node *params; /* a copy, so that every reference is a node of its own; NULL when not given */
        xpm_references references;
        xpm_block *blocks; /* products, then entries of include */
        size_t block_count, combinations;
        const xpm_node *exclude, *match, *extra_tags; /* checked, or NULL */
        xpm_step **after;
        size_t after_count;
        xpm_step **needs; /* each once: to be expanded before */
        size_t need_count, need_capacity;
        xpm_reference *
                *choosing; /* each and all, in order of writing: a job is made for each combination of their choices */
        size_t choosing_count;
        xpm_tag *tags; /* own ones first */
        size_t tag_count, tag_capacity, own_count;
};

/* Other steps that have a job, in order of the file, for their tags. */
struct xpm_job_also {
        xpm_step *step;
        uint64_t combination;
        struct xpm_job_also *next;
};

/* Read all of `plan` into plan->steps. CONVERTER is that of the plan's arena, types and log. */
int xpm_steps_read(xpm_plan *plan, const xpm_converter *converter, xpm_error *err);

/* The step of that name, or XPM_EPLAN at POS with a suggestion. */
int xpm_step_find(const xpm_plan *plan, const char *name, xpm_pos pos, xpm_step **out, xpm_error *err);

/* `WHAT 'NAME'` at POS, and the nearest of CANDIDATES: `there is no step 'trian': did you mean 'train'?` */
int xpm_fail_unknown(xpm_error *err, xpm_pos pos, const char *what, const char *name, const char *const *candidates,
                     size_t count);

#endif
