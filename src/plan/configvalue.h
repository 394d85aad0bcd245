/* configvalue.h: what `{{config.KEY}}` reads
 *
 * A configuration value has no type: scalars print as they are written, and only what the core schema calls null or a
 * bool is one.
 */
#ifndef XPM_PLAN_CONFIGVALUE_H
#define XPM_PLAN_CONFIGVALUE_H

#include "model/value.h"
#include "plan/node.h"

/* The node at the dotted path NAME in ROOT, at each level by the longest key that exists, in a list by its index;
 * NULL when there is none. *FIRST is the pair of its top-level key. */
const xpm_node *xpm_config_node(const xpm_node *root, const char *name, const xpm_pair **first);

/* NODE as a value: null, bool, str, list, or dict of str. XPM_ENOMEM. */
int xpm_config_value(xpm_arena *arena, const xpm_node *node, xpm_value *out, xpm_error *err);

#endif
