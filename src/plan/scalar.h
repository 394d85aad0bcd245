/* scalar.h: what a scalar means
 *
 * Without a wanted type: YAML 1.2's core schema. (With one: plan/convert.h.)
 */
#ifndef XPM_PLAN_SCALAR_H
#define XPM_PLAN_SCALAR_H

#include "base/text.h"
#include "model/value.h"
#include "plan/node.h"

/* NULL, BOOL (true/false in the schema's cases), INT, FLOAT or STR. XPM_EPLAN for an int beyond 64 bits or a float that
 * overflows. Strings are made in ARENA. */
int xpm_scalar_resolve(xpm_arena *arena, const xpm_node *node, xpm_value *out, xpm_error *err);

/* The tree as JSON, scalars by the core schema, numbers that do not fit as texts: `--show`, the input of an executable
 * plan. */
int xpm_node_json(const xpm_node *node, xpm_text *text, xpm_error *err);

#endif
