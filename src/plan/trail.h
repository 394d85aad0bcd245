/* trail.h: where something is in a job
 *
 * A trail is a dotted path of parameters, as it is written for a sweep, a tag or `from`: `model.hidden`, `runs.0.lr`.
 * Its parts name parameters of configs (also through a job), indexes of lists and keys of dicts.
 */
#ifndef XPM_PLAN_TRAIL_H
#define XPM_PLAN_TRAIL_H

#include "model/type.h"
#include "plan/node.h"

typedef struct xpm_trail {
        const char *text; /* as written */
        const char *const *parts;
        size_t count; /* at least 1 */
} xpm_trail;

/* Split TEXT (borrowed) at its dots. XPM_EPLAN when a part is empty; WHAT names the thing in the message. */
int xpm_trail_parse(xpm_arena *arena, const char *text, const char *what, xpm_pos pos, xpm_trail *out, xpm_error *err);

/* TRAIL with one more part. */
int xpm_trail_extend(xpm_arena *arena, const xpm_trail *trail, const char *part, size_t length, xpm_trail *out);

/* TRAIL is PREFIX or leads into it. */
bool xpm_trail_begins(const xpm_trail *trail, const xpm_trail *prefix);

/* What PART, of LENGTH bytes, names in VALUE, or NULL. *PARAM (may be NULL) becomes the parameter when VALUE is a
 * config. */
const xpm_value *xpm_value_child(const xpm_value *value, const char *part, size_t length, const xpm_param **param);

/* What TRAIL leads to in CONFIG, or NULL. */
const xpm_value *xpm_trail_follow(const xpm_trail *trail, const xpm_config *config);

/* Another tree with VALUE at TRAIL (NULL: with nothing there, but a mapping to hold it), beginning at part FROM: the
 * nodes along the trail are new, the others shared. A missing or null node on the way becomes a mapping. ROOT may be
 * NULL. XPM_EPLAN when the way leads through a reference or a scalar. */
int xpm_node_edit(xpm_arena *arena, const xpm_node *root, const xpm_trail *trail, size_t from, xpm_node *value,
                  xpm_pos pos, xpm_node **out, xpm_error *err);

/* The node at the first COUNT parts of TRAIL, or NULL. */
const xpm_node *xpm_node_follow(const xpm_node *root, const xpm_trail *trail, size_t count);

#endif
