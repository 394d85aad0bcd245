/* render.h: what a job runs, from its templates and its parameters
 */
#ifndef XPM_PLAN_RENDER_H
#define XPM_PLAN_RENDER_H

#include "model/jobspec.h"
#include "plan/plan.h"

typedef struct xpm_render_context {
        const xpm_plan *plan;
        const char *workspace; /* absolute */
        const char *run; /* absolute RUN directory; NULL while there is none: `experiment.results` is then what it would
                            be, WORKSPACE/experiments/ID/current/results */
        const char *(*getenv)(void *data, const char *name); /* {{env.NAME}} */
        void *getenv_data;
        const char *const *extra_env; /* names of --env: required_env */
        size_t extra_env_count;
        int (*hash_file)(void *data, const char *path, char hex[65], xpm_error *err); /* for the recipe */
        void *hash_data;
        size_t alternative; /* of the requirement, the one that applies */
        xpm_growth growth;  /* of what is asked for */
} xpm_render_context;

/* The whole specification of JOB, strings in ARENA (a scratch one, cleared by its owner) or borrowed from the plan.
 * XPM_EPLAN with the position in the experiment file and the job's name. */
int xpm_render_job(const xpm_render_context *context, xpm_arena *arena, const xpm_job *job, xpm_jobspec *out,
                   xpm_error *err);

/* Only what JOB asks for. *FIXED: all jobs of its step ask for the same. */
int xpm_render_requirement(const xpm_render_context *context, xpm_arena *arena, const xpm_job *job,
                           xpm_requirement *out, bool *fixed, xpm_error *err);

/* Is there anything in JOB's own values that xpm_render_job would refuse? For all jobs of a plan, before anything is
 * written: costs nothing where the task's templates cannot fail for one job and not for another. */
int xpm_render_check(const xpm_render_context *context, const xpm_job *job, xpm_error *err);

/* Only the line of --json's `command`, appended to TEXT: a string command as rendered, a list as a shell would need it.
 * Fast. */
int xpm_render_command(const xpm_render_context *context, const xpm_job *job, xpm_text *text, xpm_error *err);

/* Parameters as the plain JSON tree, and params.json's `objects` (docs/reference/workspace.md). */
int xpm_render_params(const xpm_render_context *context, const xpm_job *job, xpm_text *text, xpm_error *err);
int xpm_render_objects(const xpm_render_context *context, const xpm_job *job, xpm_text *text, xpm_error *err);
/* {name: identifier} of the task's partials. */
int xpm_render_partials(const xpm_render_context *context, const xpm_job *job, xpm_text *text, xpm_error *err);

/* The recipe of a job's task (docs/reference/identifier.md), 64 digits; computed once per step and cached. */
int xpm_render_recipe(const xpm_render_context *context, const xpm_job *job, const char **hex, xpm_error *err);

#endif
