/* names.h: what the names in a task's templates mean
 *
 * Binding, when the plan is read, finds what each name means or says that it means nothing; evaluation, for each job,
 * walks from the binding to the value and prints it. A name is looked for in the sections that are open around it,
 * innermost first (the parameters of a config, its `type`, a job's `job`), then among the parameters of the task, then
 * among the names that every template has: self, xpm, job, experiment, workspace, config, env, tags, partials,
 * resources, type.
 */
#ifndef XPM_PLAN_NAMES_H
#define XPM_PLAN_NAMES_H

#include "base/mustache.h"
#include "plan/leaf.h"
#include "plan/render.h"

/* Where a name begins when no section around it has its first part. */
enum xpm_place {
        XPM_PLACE_NOWHERE,
        XPM_PLACE_PARAMETERS, /* of the job; no part is spent */
        XPM_PLACE_SELF,       /* the job itself */
        XPM_PLACE_LEAF,
        XPM_PLACE_VALUE, /* a configuration value */
        XPM_PLACE_ENV,
        XPM_PLACE_TAG,
        XPM_PLACE_PARTIAL,
};

typedef struct xpm_name_part {
        const char *text; /* NUL-terminated */
        size_t length;
        const xpm_config_type *type; /* a hint: in a config of exactly this type the part is parameter `index` */
        long index;
} xpm_name_part;

/* The binding of a tag. */
typedef struct xpm_name {
        const xpm_name_part *parts;
        size_t count;
        enum xpm_place place;
        size_t spent; /* parts that the place stands for; the rest is walked */
        enum xpm_leaf leaf;
        xpm_value value;
        const char *rest; /* ENV, TAG: what follows the prefix */
        const xpm_partial *partial;
        const char *paths; /* of a name in `.paths_file`: the name of that file */
        bool list;         /* declared as a list or set, or not known */
        bool certain;      /* exists and prints for every job, or for none */
} xpm_name;

typedef struct xpm_scope {
        xpm_plan *plan;
        const xpm_config_type *type; /* the task's */
        bool resources;              /* may `resources` be named: not in what they are made from */
        bool nul;                    /* some text of the plan holds a NUL, which no command can */
} xpm_scope;

/* Bind every tag of TEMPLATE, in the plan's arena. XPM_EPLAN, without position, for a name that means nothing (with a
 * suggestion) or cannot be printed; *OFFSET is then the tag's. */
int xpm_names_bind(const xpm_scope *scope, xpm_mustache *template, size_t *offset, xpm_error *err);

/* A file that `paths_file` names, one job directory a line. */
typedef struct xpm_paths_use {
        const char *name;
        const xpm_array *jobs;
        struct xpm_paths_use *next;
} xpm_paths_use;

/* One rendering, the data of xpm_names_view. */
typedef struct xpm_rendering {
        const xpm_render_context *context;
        const xpm_job *job;
        const xpm_need *need;           /* for `resources`; NULL where they are not used */
        bool shell;                     /* {{x}} is quoted for the shell */
        bool binary;                    /* NUL may be printed */
        xpm_arena *arena;               /* for `paths`, or NULL: they are not collected */
        xpm_paths_use *paths;           /* those that were printed */
        const xpm_mustache_tag *failed; /* the tag that an error is about */
} xpm_rendering;

extern const xpm_mustache_view xpm_names_view;

/* The job itself, as the root of a rendering. */
xpm_mustache_item xpm_names_root(const xpm_job *job);

/* Find the value of TAG, which stands outside of sections: 1, or 0 when the job has none. */
int xpm_names_value(xpm_rendering *rendering, const xpm_mustache_tag *tag, xpm_mustache_item *out, xpm_error *err);

/* WORKSPACE/partials/TASK/NAME/PARTIAL. */
int xpm_partial_path(const char *workspace, const xpm_config *config, const xpm_partial *partial, xpm_text *text,
                     xpm_error *err);
/* Where the generated parameter PARAM of CONFIG is: in the directory of OWNER, the nearest job around it, or in that of
 * its partial. */
int xpm_generated_path(const char *workspace, const xpm_job *owner, const xpm_config *config, const xpm_param *param,
                       xpm_text *text, xpm_error *err);
/* Quote for the shell, in place, what TEXT has from START on. */
void xpm_names_quote(xpm_text *text, size_t start);
/* `nn.train/1a2b3c4d`, for messages. */
const char *xpm_job_label(const xpm_job *job, char *buffer, size_t size);

#endif
