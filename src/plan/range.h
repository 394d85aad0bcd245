/* range.h: numbers in a row: range, linspace, logspace, range_mult
 */
#ifndef XPM_PLAN_RANGE_H
#define XPM_PLAN_RANGE_H

#include "model/value.h"
#include "plan/node.h"

/* The numbers of NODE (xpm_node_is_range), ints or floats. XPM_EPLAN for a wrong shape, for none, and for more than
 * LIMIT, which is found before any is made. */
int xpm_range_read(xpm_arena *arena, const xpm_node *node, size_t limit, xpm_value **values, size_t *count,
                   xpm_error *err);

#endif
