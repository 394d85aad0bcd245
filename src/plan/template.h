/* template.h: a task's templates, compiled and checked
 *
 * command, setup, modules, env, files, cwd, requirements, mpi, tokens, outputs (section 5 of
 * docs/reference/experiment-file.md): every name is checked when the plan is read; shell texts are lexed so that a
 * value can never be run.
 */
#ifndef XPM_PLAN_TEMPLATE_H
#define XPM_PLAN_TEMPLATE_H

#include "base/mustache.h"
#include "model/jobspec.h"
#include "plan/plan.h"

typedef struct xpm_template {
        xpm_mustache code;
        const xpm_node *node; /* the scalar that it was made from */
        const char *what;     /* for messages: `command`, `env 'PATH'` */
        bool shell;           /* a shell text: {{x}} is quoted */
        bool binary;          /* content of a file: may hold NUL */
        bool fixed;           /* no tags: the same for every job */
        bool certain;         /* cannot fail, whatever the job's values are */
        bool sections;        /* made of sections alone: dropped from a list when it renders empty */
        bool alone;           /* one {{x}} and nothing else, which may be a list: an argument for each item */
} xpm_template;

typedef struct xpm_named_template {
        const char *name;
        xpm_template value;
} xpm_named_template;

typedef struct xpm_file_template {
        xpm_template name, content;
        const xpm_node *node; /* where its name stands */
} xpm_file_template;

typedef struct xpm_templates {
        const xpm_task *task;
        bool list; /* the command is a list: `command` has its items; else one, the script */
        xpm_template *command;
        size_t command_count;
        const char *const *shell; /* NULL-terminated */
        xpm_template *setup;      /* NULL where nothing is said, like all single ones below */
        xpm_template *modules;
        size_t module_count;
        xpm_named_template *env; /* top-level, task's, step's: later wins, each name once */
        size_t env_count;
        xpm_file_template *files;
        size_t file_count;
        xpm_template *cwd;
        xpm_template *requirements;
        xpm_template *ranks, *per_node; /* mpi */
        xpm_named_template *tokens;
        size_t token_count;
        xpm_template *outputs;
        size_t output_count;

        /* tags that are printed outside of sections: every step must have them */
        struct xpm_tag_use {
                const char *name;
                const xpm_node *node;
                size_t offset;
        } * tags;
        size_t tag_count, tag_capacity;

        bool resources; /* some template names `resources` */
        bool nul;       /* some text of the configuration holds a NUL */
        bool certain;   /* what holds for one job's rendering holds for all */
        bool checked;   /* a job was checked, and what was checked is the same for all (xpm_render_check) */
        /* not templates, but the step's word goes before the task's here too */
        xpm_retry retry;
        int64_t max_retries;
        bool resumable;
        int transient;
        const char *launcher;
        const char *const *secrets;
        size_t secret_count;
        char recipe[65]; /* "" until it is computed */
} xpm_templates;

/* Compile step->templates (shared by steps of one task that change nothing). Called by xpm_plan_read for each step, and
 * for tasks that no step uses with a NULL step, so that their errors are found too. */
int xpm_templates_compile(xpm_plan *plan, const xpm_task *task, xpm_step *step, const xpm_log *log, xpm_error *err);

/* Whether all jobs of a step ask for the same. */
bool xpm_templates_fix_need(const xpm_templates *templates);

/* The position of byte OFFSET of a scalar's text, as near as can be told: its file is read again to find it. */
xpm_pos xpm_node_locate(const xpm_node *node, size_t offset);

#endif
