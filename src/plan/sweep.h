/* sweep.h: the combinations of a step
 *
 * A block is a product of axes: one mapping of `sweep`, or one entry of `include` (a single combination). An axis is
 * a swept path, or several that `zip` makes advance together. Combinations of a block are numbered, the last axis
 * fastest.
 */
#ifndef XPM_PLAN_SWEEP_H
#define XPM_PLAN_SWEEP_H

#include "plan/convert.h"
#include "plan/trail.h"

/* A swept path's values as one type: the subtype of a config may decide which. */
typedef struct xpm_converted {
        const xpm_param *param;
        const xpm_type *type;
        xpm_value *values;
        xpm_error **errors; /* NULL: none; else NULL for each that is right: reported only when a job uses it */
        struct xpm_converted *next;
} xpm_converted;

typedef struct xpm_swept {
        xpm_trail trail;
        xpm_pos pos; /* of the path */
        uint32_t layer;
        size_t axis, count;
        xpm_node *const *nodes;         /* NULL for a range */
        const xpm_value *numbers;       /* of a range */
        const xpm_string *const *names; /* of one_of, else NULL */
        bool open;                      /* something in it looks like a reference */
        xpm_converted *converted;
} xpm_swept;

typedef struct xpm_axis {
        size_t count, stride; /* index = combination / stride % count */
} xpm_axis;

typedef struct xpm_block {
        bool include;
        xpm_pos pos;
        xpm_swept *swept; /* in order of writing */
        size_t swept_count;
        xpm_axis *axes;
        size_t axis_count;
        size_t count;            /* combinations */
        size_t first;            /* number of the first, among those of all blocks of the step */
        struct xpm_frame *frame; /* plan/frame.h: what its jobs are made from */
} xpm_block;

enum { XPM_COMBINATIONS = 10000000 }; /* that one step may have */

/* Read `sweep`, `zip` and `include` (NULL where not given) of the step NAME. A step without any has one block with one
 * combination. XPM_EPLAN for anything wrong, and for more than XPM_COMBINATIONS combinations, before any is made. */
int xpm_sweep_read(xpm_arena *arena, const char *name, xpm_pos pos, const xpm_node *sweep, const xpm_node *zip,
                   const xpm_node *include, xpm_block **blocks, size_t *count, size_t *total, xpm_error *err);

static inline size_t xpm_swept_index(const xpm_block *block, const xpm_swept *swept, size_t combination)
{
        const xpm_axis *axis = &block->axes[swept->axis];
        return combination / axis->stride % axis->count;
}

/* The block of a combination counted over all blocks, and its number there. */
const xpm_block *xpm_block_find(const xpm_block *blocks, size_t count, size_t *combination);

/* The values of SWEPT as TYPE, converted once; those that do not suit have an error. XPM_ENOMEM. */
int xpm_swept_convert(const xpm_converter *converter, xpm_swept *swept, const xpm_type *type, const xpm_param *param,
                      xpm_converted **out, xpm_error *err);

/* The node of value INDEX; that of a range is made. NULL when out of memory. */
xpm_node *xpm_swept_node(xpm_arena *arena, const xpm_swept *swept, size_t index);

#endif
