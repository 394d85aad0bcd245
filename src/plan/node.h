/* node.h: YAML with positions
 *
 * What the parser makes and merging, interpolation and declaration work on. A plain scalar keeps its text: what it
 * means is known only when a type is wanted (plan/scalar.h). Nodes live in an arena.
 */
#ifndef XPM_PLAN_NODE_H
#define XPM_PLAN_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/map.h"
#include "experimaestro/error.h"

typedef struct xpm_source {
        const char *name; /* as shown in messages: the path as given, `-c`, `output of 'plan.py'` */
        const char *path; /* absolute; NULL when it is no file */
        const char *dir;  /* absolute; what relative paths written here are relative to */
} xpm_source;

typedef struct xpm_pos {
        const xpm_source *source;
        uint32_t line, column; /* from 1 */
} xpm_pos;

enum xpm_node_kind { XPM_NODE_SCALAR, XPM_NODE_SEQUENCE, XPM_NODE_MAPPING };

typedef struct xpm_node xpm_node;

typedef struct xpm_pair {
        const char *key; /* NUL-terminated */
        size_t key_length;
        xpm_pos key_pos;
        xpm_node *value;
} xpm_pair;

struct xpm_node {
        enum xpm_node_kind kind;
        bool quoted;          /* a quoted or block scalar: text */
        bool replace, remove; /* the tags !replace and !remove; neither is left after merging */
        bool aliased;         /* an alias took a copy */
        uint8_t progress;     /* plan/interpolate.c's own; copied with the node */
        uint32_t layer;       /* number of the layer that set it, ascending: later wins */
        xpm_pos pos;
        union {
                struct {
                        const char *text; /* NUL-terminated; may hold NUL inside */
                        size_t length;
                };
                struct {
                        xpm_node **items;
                        size_t item_count, item_capacity;
                };
                struct {
                        xpm_pair *pairs; /* in order */
                        size_t pair_count, pair_capacity;
                        xpm_map *index; /* key -> position + 1, only for big mappings; kept by the functions below */
                };
        };
};

xpm_node *xpm_node_scalar(xpm_arena *arena, xpm_pos pos, const char *text, size_t length, bool quoted);
xpm_node *xpm_node_sequence(xpm_arena *arena, xpm_pos pos);
xpm_node *xpm_node_mapping(xpm_arena *arena, xpm_pos pos);

/* 0 or XPM_ENOMEM. put replaces the value of an existing key and keeps its place. */
int xpm_node_append(xpm_arena *arena, xpm_node *sequence, xpm_node *item);
int xpm_node_put(xpm_arena *arena, xpm_node *mapping, const char *key, size_t length, xpm_pos key_pos, xpm_node *value);
void xpm_node_delete(xpm_node *mapping, size_t position);
/* Delete, in one go, the pairs whose value is NULL. */
void xpm_node_sweep(xpm_node *mapping);

/* The pair of KEY, or NULL (also when NODE is NULL or no mapping). */
xpm_pair *xpm_node_find(const xpm_node *node, const char *key);
xpm_pair *xpm_node_find_n(const xpm_node *node, const char *key, size_t length);
/* Its value, or NULL. */
xpm_node *xpm_node_get(const xpm_node *node, const char *key);

/* A plain scalar that is empty, `null` or `~` (also Null, NULL). */
bool xpm_node_is_null(const xpm_node *node);

/* A reference (exactly the keys of plan-language.md section 6: each, all, from, tag with their companions) or a range
 * ({range}, {linspace}, {logspace}, {range_mult}); decided by the keys alone. */
bool xpm_node_is_reference(const xpm_node *node);
bool xpm_node_is_range(const xpm_node *node);

/* The key of a reference or a range, or `one_of`, that KEY, or a key of NODE, is one slip from; NULL when there is
 * none, or NODE is no mapping. */
const char *xpm_key_slip(const char *key);
const char *xpm_node_slip(const xpm_node *node);

/* A deep copy; NULL when out of memory. */
xpm_node *xpm_node_copy(xpm_arena *arena, const xpm_node *node);

/* What NODE holds, in bytes, near enough for a budget: 64 for each node, and its texts. Counting ends beyond LIMIT.
 * *LEVELS is its depth, a scalar's being 1. */
size_t xpm_node_cost(const xpm_node *node, size_t limit, size_t *levels);
enum { XPM_NODE_LEVELS = 1000 }; /* of lists and mappings, in any tree; a scalar may stand one level below */

/* XPM_EPLAN with `file:line:column: ` before the message. */
int xpm_fail_at(xpm_error *err, xpm_pos pos, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same position as text in front of a warning: `file:line:column`. */
void xpm_pos_print(xpm_pos pos, char *buffer, size_t size);

#endif
