/* experiment.h: an experiment as an object
 *
 * Open reads the experiment file, expands it to jobs with identifiers, and finds the workspace; nothing is written.
 * Then one of: look (what would run), generate (run files), run.
 *
 *     xpm_experiment *experiment;
 *     if (xpm_experiment_open(&options, &experiment, &err) == 0) {
 *             rc = xpm_experiment_run(experiment, &observer, &counts, &verdict, &err);
 *             xpm_experiment_close(experiment);
 *     }
 *
 * An experiment is used by one thread; only xpm_experiment_interrupt may be called from elsewhere, a signal handler
 * included.
 */
#ifndef EXPERIMAESTRO_EXPERIMENT_H
#define EXPERIMAESTRO_EXPERIMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <experimaestro/error.h>
#include <experimaestro/state.h>

typedef struct xpm_experiment xpm_experiment;
typedef struct xpm_job xpm_job; /* borrowed from its experiment */

enum xpm_rerun { XPM_RERUN_NO, XPM_RERUN_CHANGED, XPM_RERUN_ALL };

/* Zeroed memory is a good start: every field may stay 0 but `file`. Strings are borrowed until close. Lists end with
 * NULL. */
typedef struct xpm_experiment_options {
        const char *file;                /* the experiment file */
        const char *const *pre_yaml;     /* --pre-yaml */
        const char *const *post_yaml;    /* --post-yaml */
        const char *const *settings;     /* -c key.path=value */
        const char *code;                /* --file: the plan as code */
        const char *const *args;         /* ARGS of an executable plan */
        const char *config_dir;          /* --xpm-config-dir */
        const char *workdir, *workspace; /* --workdir, --workspace */
        const char *const *env_names;    /* variables given by --env, already set in this process */
        const char *launcher;            /* --launcher */
        int slots;                       /* -j; 0: the cores that this process may use */
        const char *only, *where;        /* --only, --where */
        size_t limit;                    /* --limit; 0: all */
        enum xpm_rerun rerun;
        bool keep_failed;
        bool no_wait;                    /* leave with XPM_ELOCKED when another engine runs the experiment */
        bool submit_all;                 /* hand all jobs to their schedulers, with what they depend on, and leave */
        size_t max_fails;                /* stop at so many failures; 0: never (--fail-fast is 1) */
        const char *const *command_line; /* saved with the run */
        const char *executable;          /* absolute path of xpm, for workers and run files; NULL: found */
        void (*log)(void *data, int level, const char *line); /* levels: 0 error, 1 warning, 2 note, 3 debug */
        void *log_data;
        int log_level; /* lines above it are dropped */
} xpm_experiment_options;

/* XPM_EPLAN, XPM_ESETTINGS, XPM_EUSAGE, XPM_ENOTFOUND, XPM_EIO, XPM_ENOMEM. */
XPM_API int xpm_experiment_open(const xpm_experiment_options *options, xpm_experiment **out, xpm_error *err);
XPM_API void xpm_experiment_close(xpm_experiment *experiment); /* NULL accepted */

/* The merged, interpolated experiment file as JSON (--show), the caller's to free. */
XPM_API int xpm_experiment_show(const xpm_experiment_options *options, char **json, xpm_error *err);

XPM_API const char *xpm_experiment_id(const xpm_experiment *experiment);
XPM_API const char *xpm_experiment_title(const xpm_experiment *experiment);     /* NULL where not given */
XPM_API const char *xpm_experiment_workspace(const xpm_experiment *experiment); /* absolute path */
/* The RUN directory, once generate or run have made it; else NULL. */
XPM_API const char *xpm_experiment_run_path(const xpm_experiment *experiment);

/* Jobs in order, from 0. */
XPM_API size_t xpm_experiment_job_count(const xpm_experiment *experiment);
XPM_API const xpm_job *xpm_experiment_job(const xpm_experiment *experiment, size_t index);

/* Of a job; strings that are not constant are written to the caller's buffers. */
enum { XPM_JOB_ID_SIZE = 65 };
XPM_API void xpm_job_identifier(const xpm_job *job, char id[XPM_JOB_ID_SIZE]);
XPM_API const char *xpm_job_task(const xpm_job *job);   /* lower case: TASK of the workspace */
XPM_API const char *xpm_job_script(const xpm_job *job); /* SCRIPT of its files */
XPM_API const char *xpm_job_step(const xpm_job *job);

/* What a run would do with a job. */
#define XPM_OUTLOOKS(X)                     \
        X(RUN, "will run")                  \
        X(DONE, "done")                     \
        X(CHANGED, "done, command changed") \
        X(RUNNING, "running")               \
        X(FAILED, "failed before")          \
        X(BLOCKED, "blocked")               \
        X(SPARED, "not needed")             \
        X(UNFIT, "fits nowhere")

enum xpm_outlook {
#define X(name, word) XPM_OUTLOOK_##name,
        XPM_OUTLOOKS(X)
#undef X
                XPM_OUTLOOK_COUNT
};
XPM_API const char *xpm_outlook_word(enum xpm_outlook outlook);

/* Look at every job (dry run): nothing is written but the user's cache of file hashes. Afterwards xpm_job_outlook
 * tells; COUNTS (of XPM_OUTLOOK_COUNT, may be NULL) gets the totals. A job is `blocked` when one that it depends on
 * failed before, fits nowhere or is blocked. */
XPM_API int xpm_experiment_look(xpm_experiment *experiment, size_t *counts, xpm_error *err);
/* Why a job fits nowhere, in one line that the caller frees. */
XPM_API int xpm_experiment_unfit(xpm_experiment *experiment, const xpm_job *job, char **why, xpm_error *err);
XPM_API enum xpm_outlook xpm_job_outlook(const xpm_experiment *experiment, const xpm_job *job);
/* A job that is to run and needs JOB, which is transient: for its sake JOB runs, too. NULL when there is none, or JOB
 * is not transient. After look. */
XPM_API const xpm_job *xpm_job_needed_by(const xpm_experiment *experiment, const xpm_job *job);

/* One line for people of the job's tags (`lr=0.1 seed=2`), dependencies (short identifiers), launcher: for tables. The
 * caller frees. */
XPM_API int xpm_experiment_describe(const xpm_experiment *experiment, const xpm_job *job, char **tags,
                                    char **dependencies, const char **launcher, xpm_error *err);

/* One JSON object per job and line (dry-run --json): task_id, job_id, step, state, params, partials, tags,
 * dependencies, command, path. After look. XPM_EIO when the stream fails. */
XPM_API int xpm_experiment_write_json(xpm_experiment *experiment, FILE *stream, xpm_error *err);

/* One stretch of what a job's identifier is the SHA-256 of. */
typedef struct xpm_identity {
        const char *name;      /* of the parameter; NULL: the task itself */
        const char *value;     /* as JSON; of the task its name */
        const char *skipped;   /* why the parameter is no part of the identifier, in words; NULL: it is */
        const char *generated; /* of a generated one its name in the job's directory, or NULL */
        const void *bytes;     /* none when it is skipped */
        size_t length;
} xpm_identity;

/* Tell VISIT of each, in order: their bytes, one after the other, are what is hashed. VISIT returns 0, or a code that
 * ends it and is returned. */
XPM_API int xpm_experiment_identity(const xpm_experiment *experiment, const xpm_job *job,
                                    int (*visit)(void *data, const xpm_identity *field), void *data, xpm_error *err);

/* Write job directories, params.json and run files, and a RUN that lists them. *WRITTEN (may be NULL) counts them. */
XPM_API int xpm_experiment_generate(xpm_experiment *experiment, size_t *written, xpm_error *err);

/* Whether a scheduler takes run files of it: `sbatch SCRIPT.sh`. */
XPM_API bool xpm_experiment_schedules(const xpm_experiment *experiment);

typedef struct xpm_counts {
        size_t total;       /* jobs of the experiment */
        size_t done_before; /* found done */
        size_t done;        /* done by this run, or by another engine meanwhile */
        size_t failed;      /* of those: */
        size_t failed_dependency;
        size_t kept_failed; /* failed before and kept (--keep-failed), beyond `failed` */
        /* What was handed over is `scheduled` until its launcher says that it runs; of a job that is over in a moment
         * it never does. */
        size_t running, scheduled, ready, waiting;
        size_t submitted;  /* of those: left with schedulers (`submit_all`) */
        size_t lasting;    /* of those that run or are scheduled: with schedulers, and go on when the run ends */
        size_t requests;   /* made to schedulers */
        size_t mismatched; /* jobs that have not got what they asked for; each was told in the log */
} xpm_counts;

/* How a job ended. */
typedef struct xpm_job_end {
        enum xpm_failure failure; /* NONE: done */
        int code;                 /* exit status, -1: none */
        const char *message;      /* or NULL */
        const char *path;         /* absolute job directory */
        double wall;              /* seconds; 0: unknown */
} xpm_job_end;

typedef struct xpm_observer {
        void *data;
        /* A job started to run (END is NULL) or ended. */
        void (*job)(void *data, const xpm_job *job, const xpm_job_end *end);
        /* After every round of the loop, at least every `interval` milliseconds while jobs run (0: no such need). */
        void (*progress)(void *data, const xpm_counts *counts);
        int interval;
} xpm_observer;

/* LEFT: told to, by xpm_experiment_leave. SUBMITTED: all that is left is with schedulers (`submit_all`). */
enum xpm_verdict {
        XPM_VERDICT_DONE,
        XPM_VERDICT_FAILED,
        XPM_VERDICT_STOPPED,
        XPM_VERDICT_INTERRUPTED,
        XPM_VERDICT_LEFT,
        XPM_VERDICT_SUBMITTED
};

/* Run what is not done. OBSERVER may be NULL. Failed jobs are no error: the verdict tells. */
XPM_API int xpm_experiment_run(xpm_experiment *experiment, const xpm_observer *observer, xpm_counts *counts,
                               enum xpm_verdict *verdict, xpm_error *err);

/* Once: nothing new is started, what runs is waited for. Twice: what runs is killed. Async-signal-safe. */
XPM_API void xpm_experiment_interrupt(xpm_experiment *experiment);
/* For whoever will continue: nothing new is started, what a scheduler has stays with it, what runs here is told to end.
 * Async-signal-safe. */
XPM_API void xpm_experiment_leave(xpm_experiment *experiment);

/* The engine itself as a batch job of Slurm's. */
typedef struct xpm_engine_job {
        long job;       /* Slurm's number; 0: none */
        char state[24]; /* Slurm's word: PENDING, RUNNING */
} xpm_engine_job;

typedef struct xpm_engine_command {
        const char *line;           /* words of a shell, which run the experiment from this directory */
        const char *const *options; /* of sbatch: `--time=60`, `-p debug`; ended by NULL */
} xpm_engine_command;

/* The last submitted engine of this experiment that waits or runs, other than job EXCEPT. XPM_ELAUNCHER when Slurm
 * cannot be asked. */
XPM_API int xpm_experiment_find_engine(const xpm_experiment *experiment, long except, xpm_engine_job *found,
                                       xpm_error *err);
/* Write experiments/ID/engine.sh of the workspace and submit it; what it says goes to engine.log beside it. XPM_ELOCKED
 * when the experiment is being run or its engine waits, XPM_EUSAGE for an option that is none, XPM_ELAUNCHER with
 * Slurm's words. */
XPM_API int xpm_experiment_submit(xpm_experiment *experiment, const xpm_engine_command *command, xpm_engine_job *made,
                                  xpm_error *err);
/* In the engine that is job SELF: submit SCRIPT again with OPTIONS, to begin when SELF has ended, unless a later one is
 * there, which *MADE then names. XPM_ELAUNCHER with Slurm's words; XPM_EIO for a script that is not the caller's. */
XPM_API int xpm_experiment_resubmit(const xpm_experiment *experiment, const char *script, const char *const *options,
                                    long self, xpm_engine_job *made, xpm_error *err);

#endif
