/* select.h: what to run: --only, --where, --limit
 */
#ifndef XPM_PLAN_SELECT_H
#define XPM_PLAN_SELECT_H

#include "plan/plan.h"

/* Leave in plan->jobs those that the options name and what they need, in the same order. XPM_EUSAGE. */
int xpm_plan_select(xpm_plan *plan, const xpm_plan_options *options, xpm_error *err);

#endif
