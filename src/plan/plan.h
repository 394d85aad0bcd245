/* plan.h: an experiment file, expanded to jobs
 *
 * Read once, then constant. Everything lives in the plan's arena; a million jobs fit in 512 MiB, so a job holds what
 * differs from its siblings and nothing else, and what is rendered from templates is rendered on demand
 * (plan/render.h).
 */
#ifndef XPM_PLAN_PLAN_H
#define XPM_PLAN_PLAN_H

#include "plan/declare.h"
#include "plan/load.h"

typedef struct xpm_plan xpm_plan;
typedef struct xpm_step xpm_step;
typedef struct xpm_job xpm_job;

struct xpm_job {
        xpm_config *config;           /* config->id is the identifier, config->job this job */
        xpm_step *step;               /* the first step that has it */
        size_t index;                 /* place in plan->jobs */
        xpm_job *const *dependencies; /* found in its own parameters, in order, then those of `after`; no duplicates */
        size_t dependency_count;
        const struct xpm_job_also *also; /* other steps that have it, for their tags; NULL usually */
        uint64_t combination;            /* of the step's, for the names of its alternatives */
};

struct xpm_step {
        const char *name;
        const xpm_node *node;
        const xpm_task *task;
        xpm_job **jobs; /* of this step, in order; a job that an earlier step has too is here as well */
        size_t job_count;
        /* the step's own settings, replacing the task's; NULL where nothing is said */
        const xpm_node *tokens, *requirements, *launcher, *retry, *env, *max_retries, *transient;
        struct xpm_templates *templates; /* plan/template.h: the task's with the step's settings, compiled */
        struct xpm_step_detail *detail;  /* plan/step.h: sweeps, references, tags */
        size_t index;
        bool wanted; /* --only */
};

struct xpm_plan {
        xpm_arena *arena;
        xpm_document document;
        const char *id;                                     /* with the time stamp of add_timestamp */
        const char *title, *subtitle, *description, *paper; /* NULL where not given */
        xpm_types types;
        xpm_step *steps; /* as written */
        size_t step_count;
        xpm_job **jobs; /* by step as written, each job once, after --only, --where, --limit with what they need */
        size_t job_count;
        const xpm_node *tokens, *env, *launcher, *secrets, *services, *results, *dirty_git; /* checked, or NULL */
};

typedef struct xpm_plan_options {
        xpm_load_options load;
        const char *only;  /* STEP[,STEP], or NULL */
        const char *where; /* a filter over tags, or NULL */
        size_t limit;      /* jobs per step, 0: all */
        int64_t now;       /* seconds since the epoch, for add_timestamp (local time) */
        int (*hash_file)(void *data, const char *path, char hex[65], xpm_error *err); /* as in convert.h */
        void *hash_data;
} xpm_plan_options;

/* Read, check and expand. Warnings go to options->load.log. The errors are those of load.h. */
int xpm_plan_read(const xpm_plan_options *options, xpm_plan **out, xpm_error *err);
void xpm_plan_destroy(xpm_plan *plan);

/* Tags of a job: full name and value, own ones first, then inherited. The value is the parameter's own (xpm_value_json
 * prints an enum as its name, an unnamed config as its plain tree), a string for an alternative of a one_of; both are
 * borrowed from the plan. VISIT returns non-zero to stop; that value is returned. */
typedef int (*xpm_tag_visitor)(void *data, const char *name, const xpm_value *value);
int xpm_job_tags(const xpm_plan *plan, const xpm_job *job, xpm_tag_visitor visit, void *data);
/* The tag that NAME (a full name or an unambiguous suffix) means for JOB: 1 found, 0 lacking, XPM_EPLAN ambiguous with
 * the full names. */
int xpm_job_tag(const xpm_plan *plan, const xpm_job *job, const char *name, xpm_value *out, xpm_error *err);
/* All tags as a JSON object. */
int xpm_job_tags_json(const xpm_plan *plan, const xpm_job *job, xpm_text *text);

#endif
