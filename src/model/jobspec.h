/* jobspec.h: all that is needed to run a job
 *
 * Rendered from a task's templates for one job (plan/render.h); written as the run file and as the `run` object of
 * params.json (exec/); sent to a worker. Plain data, borrowed strings.
 */
#ifndef XPM_MODEL_JOBSPEC_H
#define XPM_MODEL_JOBSPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/requirement.h"

typedef struct xpm_binding {
        const char *name, *value;
} xpm_binding;

typedef struct xpm_input_file {
        const char *name; /* relative to the job's directory */
        const char *content;
        size_t length;
} xpm_input_file;

typedef struct xpm_count {
        const char *name;
        int64_t count;
} xpm_count;

typedef struct xpm_retry {
        bool on_timeout, on_memory, on_lost, on_failed;
        int64_t times;                       /* -1: not said */
        double scale_memory, scale_duration; /* 1.0: as it is */
} xpm_retry;

typedef struct xpm_jobspec {
        const char *job_id;  /* 64 hexadecimal digits */
        const char *task_id; /* lower-case */
        const char *script;  /* last dotted component of task_id: SCRIPT of the workspace's files */
        const char *path;    /* absolute job directory: WORKSPACE/jobs/TASK/JOB */
        const char *workspace;
        const char *experiment_id, *experiment_dir,
                *results; /* results: absolute RUN/results, "" while there is no run */

        const char *const *argv;  /* list command, NULL-terminated; NULL for a string command */
        const char *text;         /* string command; NULL for a list */
        const char *const *shell; /* NULL-terminated */
        const char *setup;        /* or NULL */
        const char *const *modules;
        size_t module_count;
        const xpm_binding *env; /* top-level, task's and step's, later wins; values may hold $NAME and ${NAME}, expanded
                                   by the worker */
        size_t env_count;
        const char *const *required_env; /* names given by --env: a run file refuses when one is unset */
        size_t required_env_count;
        const char *const *secrets; /* names passed on, never written */
        size_t secret_count;
        const char *cwd; /* absolute; NULL: the job's directory */

        const xpm_input_file *files;
        size_t file_count;
        const char *const *outputs;
        size_t output_count;
        size_t input_output_count; /* so many of the last outputs are, or hold, input files that stand there already */
        const char *const *partials; /* absolute directories to make */
        size_t partial_count;
        const char *const *dependencies; /* `task/job`, to be done before */
        size_t dependency_count;
        const struct xpm_paths_file { /* {{x.paths_file}}: a file in the job's directory with one job directory a line
                                       */
                const char *name;
                const char *content;
                size_t length;
        } * paths_files;
        size_t paths_file_count;

        xpm_requirement requirement;
        xpm_need need; /* the alternative that applies: the first, until a launcher is chosen */
        const xpm_count *tokens;
        size_t token_count;
        xpm_retry retry;
        int64_t max_retries; /* -1: not said */
        bool resumable;
        enum { XPM_TRANSIENT_NO, XPM_TRANSIENT_YES, XPM_TRANSIENT_REMOVE } transient;
        const char *launcher;          /* or NULL */
        const char *const *directives; /* for its scheduler; NULL-terminated, or NULL: none */
        const char *recipe;            /* 64 hexadecimal digits */
        const char *command;           /* one line for people: what --json prints */
} xpm_jobspec;

#endif
