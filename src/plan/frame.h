/* frame.h: what the jobs of a block are made from
 *
 * The parameters that no combination changes are converted once for a block, into its base; what is swept inside one
 * parameter forms a group, whose values are made once for each combination of the axes it has and shared by all jobs
 * that have it.
 */
#ifndef XPM_PLAN_FRAME_H
#define XPM_PLAN_FRAME_H

#include "plan/plan.h"
#include "plan/sweep.h"

/* A value of a group, or why there is none. */
typedef struct xpm_made {
        xpm_value value; /* UNSET: not made yet */
        const xpm_error *error;
} xpm_made;

typedef struct xpm_group {
        size_t param;      /* the task's parameter that it is in */
        xpm_swept **swept; /* shallowest first */
        size_t swept_count;
        bool whole;   /* one path, the parameter itself */
        bool general; /* types depend on what is chosen, or lists and dicts are on the way: converted anew for each
                         combination */
        bool open;    /* has references in it: made for each job */
        size_t *axes; /* of the block, each once */
        size_t axis_count;
        size_t count;         /* combinations of its axes */
        const xpm_node *node; /* GENERAL: the parameter without what is swept */
        xpm_made *made;       /* COUNT of them, or NULL until it is expanded; malloc'ed */
} xpm_group;

typedef struct xpm_frame {
        xpm_config *base; /* holes where references stand; UNSET where something is swept or missing */
        bool *open;       /* for each parameter: the base's value has references in it */
        bool *live;       /* for each reference of the step's params: it stands in the base */
        size_t live_count;
        xpm_group *groups;
        size_t group_count;
        bool checked; /* what no group changes is complete */
} xpm_frame;

/* Make the frames of all blocks of STEP, and check every path that is swept. CONVERTER leaves missing values UNSET and
 * reads references of STEP. XPM_EPLAN. */
int xpm_frames_make(xpm_plan *plan, xpm_step *step, const xpm_converter *converter, xpm_error *err);

/* The value of GROUP in a combination; *ERROR (borrowed) when it has none. Negative: XPM_ENOMEM. */
int xpm_group_value(const xpm_converter *converter, const xpm_step *step, const xpm_block *block, xpm_group *group,
                    size_t combination, xpm_value *out, const xpm_error **error, xpm_error *err);

/* XPM_EPLAN: the parameter at TRAIL is missing. */
int xpm_fail_missing(const xpm_step *step, const xpm_block *block, const char *trail, xpm_error *err);

/* Every part of TRAIL names something in jobs of STEP, as far as types tell. XPM_EPLAN at POS with a suggestion. */
int xpm_trail_check(xpm_plan *plan, const xpm_step *step, const xpm_trail *trail, xpm_pos pos, xpm_error *err);

/* Free what expanding made for BLOCK. */
void xpm_frame_release(xpm_frame *frame);

/* Tell the references in VALUE which parameter they are in; whether there are any. LIVE (may be NULL) gets true for
 * each. */
bool xpm_value_scan(const xpm_step *step, const xpm_value *value, const xpm_param *param, bool *live);

/* The first parameter without a value in VALUE, by its trail from NAME, into TEXT; false when all have one. */
bool xpm_value_incomplete(const xpm_value *value, const char *name, xpm_text *text);

#endif
