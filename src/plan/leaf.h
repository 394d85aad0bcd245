/* leaf.h: what templates can say of a job, the experiment, the workspace, and a job's resources
 */
#ifndef XPM_PLAN_LEAF_H
#define XPM_PLAN_LEAF_H

#include "plan/render.h"

enum xpm_leaf {
        XPM_LEAF_JOB_PATH,
        XPM_LEAF_JOB_ID,
        XPM_LEAF_JOB_TASK,
        XPM_LEAF_JOB_STDOUT,
        XPM_LEAF_EXPERIMENT_ID,
        XPM_LEAF_EXPERIMENT_DIR,
        XPM_LEAF_EXPERIMENT_RESULTS,
        XPM_LEAF_WORKSPACE_PATH,
        XPM_LEAF_RESOURCES_CORES,
        XPM_LEAF_RESOURCES_MEMORY,
        XPM_LEAF_RESOURCES_GPUS,
        XPM_LEAF_RESOURCES_RANKS,
};

struct xpm_name_part; /* plan/names.h */

/* `job`, `experiment`, `workspace` or `resources`. */
typedef struct xpm_space {
        const char *name;
        struct xpm_field {
                const char *name; /* NULL after the last */
                enum xpm_leaf leaf;
        } fields[5];
} xpm_space;

/* NULL when there is none of that name. */
const xpm_space *xpm_space_find(const char *name);
const struct xpm_field *xpm_field_find(const xpm_space *space, const char *name);

/* The dotted parts of TEXT, of which there is at least one. */
int xpm_parts_split(xpm_arena *arena, const char *text, struct xpm_name_part **out, size_t *count, xpm_error *err);

/* Append what LEAF is for JOB. NEED may be NULL: one core. XPM_EPLAN for a memory that is not limited. */
int xpm_leaf_print(const xpm_render_context *context, enum xpm_leaf leaf, const xpm_job *job, const xpm_need *need,
                   xpm_text *text, xpm_error *err);

/* WORKSPACE/jobs/TASK/JOB. */
void xpm_job_path(const char *workspace, const xpm_job *job, xpm_text *text);

#endif
