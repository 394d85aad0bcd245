/* expand.h: from steps to jobs
 */
#ifndef XPM_PLAN_EXPAND_H
#define XPM_PLAN_EXPAND_H

#include "plan/step.h"

/* The steps in an order in which each comes after what it needs, in the plan's arena. XPM_EPLAN with the circle. */
int xpm_steps_order(xpm_plan *plan, xpm_step ***order, xpm_error *err);

/* Make the jobs of all steps, in ORDER, and list them in plan->jobs as the file has the steps. Tags are defined. */
int xpm_steps_expand(xpm_plan *plan, xpm_step *const *order, const xpm_converter *converter, xpm_error *err);

#endif
