/* merge.h: a later layer over an earlier one
 *
 * Mappings merge deeply, anything else replaces. A mapping replaces when both name a `type` and the two differ, when
 * one of them is a reference or a range, or under the tag !replace; !remove deletes the key. A key keeps the place
 * where it first stood.
 */
#ifndef XPM_PLAN_MERGE_H
#define XPM_PLAN_MERGE_H

#include "plan/node.h"

/* How many levels of the mapping under a top-level KEY are structure: names of tasks, of steps, of parameters. A
 * parameter may be called `tag`; only below is `{tag: NAME}` a reference. */
size_t xpm_merge_structure(const char *key, size_t length);

/* *OLD (NULL: nothing) becomes what it is with NEW over it; both are used up. Every node of NEW gets LAYER; *OLD is
 * NULL when NEW is tagged !remove. STRUCTURE: that many levels are merged by key only. 0 or XPM_ENOMEM. */
int xpm_merge(xpm_arena *arena, xpm_node **old, xpm_node *new_node, uint32_t layer, size_t structure);

/* A whole configuration: a root with its sections. */
int xpm_merge_root(xpm_arena *arena, xpm_node **root, xpm_node *layer_root, uint32_t layer);

#endif
