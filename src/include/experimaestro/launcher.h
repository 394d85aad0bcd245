/* launcher.h: what a launcher module exports, and what the engine lends it
 *
 * A module is a shared object with one constant `xpm_launcher_<name>` of type xpm_launcher. The engine drives all
 * launchers, local, Slurm, pilot and fake, by one loop: while there are ready jobs and room(), submit(); wait for fd()
 * or deadline(); dispatch(). Operations return at once; what happens to jobs comes back through core->event(). A module
 * includes <experimaestro/…> only and reaches the rest through the core.
 *
 * ABI: the number changes with every incompatible change; the loader refuses another number or size and says both.
 */
#ifndef EXPERIMAESTRO_LAUNCHER_H
#define EXPERIMAESTRO_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <experimaestro/error.h>

#define XPM_LAUNCHER_ABI 4u

typedef struct xpm_core xpm_core;
typedef struct xpm_channel xpm_channel; /* the way to a worker (exec/channel.h) */

enum { XPM_LAUNCH_NONCE = 17 };

/* One attempt of one job, borrowed for the call of submit(). */
typedef struct xpm_launch {
        uint64_t tag;                   /* the engine's name of the job; comes back in events */
        uint32_t attempt;               /* from 1 */
        bool again;                     /* run although it is done: --rerun */
        const struct xpm_jobspec *spec; /* opaque to modules */
        const char *path;               /* absolute job directory */
        const char *const *directives;  /* NULL-terminated: what xpm_launcher.directives said of it */
        const char *const *after;       /* NULL-terminated: handles of jobs that have to end well first; NULL: none */
        const char *params;             /* content of params.json */
        size_t params_length;
        const char *script; /* content of the run file */
        size_t script_length;
} xpm_launch;

/* What jobs that may be submitted as one have in common. */
typedef struct xpm_shape {
        int64_t cores, duration;        /* of all ranks; seconds, 0: no limit */
        int64_t ranks, per_node, nodes; /* of an MPI job, and how many of them on a node; 0: not said */
        uint64_t memory;                /* of all ranks, bytes, 0: no limit */
        int64_t gpus;
        const struct xpm_need *need; /* all of it, opaque to modules; NULL: not known */
        bool at_once;                /* it holds what others wait for, so it must start at once, or not be taken */
} xpm_shape;

enum xpm_launch_event_kind {
        XPM_LAUNCH_ACCEPTED, /* the scheduler has it, under the name HANDLE; of those that chain */
        XPM_LAUNCH_REFUSED,  /* for good, message says why */
        XPM_LAUNCH_RETURNED, /* not started and not going to be: refused for now, or withdrawn; ready again */
        XPM_LAUNCH_STARTED,  /* runs; only for jobs that last */
        XPM_LAUNCH_ENDED,    /* the outcome is in its directory: done, or reason, code, message */
        XPM_LAUNCH_LOST,     /* the worker or node is gone, without an outcome */
        XPM_LAUNCH_LEFT, /* a scheduler has it no more: its directory tells how it ended, and where that tells nothing,
                            reason and message do (NULL: it never began, and is ready again) */
};

typedef struct xpm_launch_event {
        enum xpm_launch_event_kind kind;
        uint64_t tag;
        uint32_t attempt;
        bool done;          /* ENDED: success */
        int code;           /* ENDED: exit status, or -1 when there was none (signal: 128 + n is in the message) */
        const char *handle; /* ACCEPTED */
        const char *reason; /* ENDED without success, LOST: failed, memory, timeout, … (docs/reference/workspace.md) */
        const char *message; /* one line for people, or NULL */
        double wall;         /* ENDED: seconds */
} xpm_launch_event;

/* What jobs may have of one host. */
typedef struct xpm_host_limits {
        int64_t cores;   /* 0: all that there are */
        uint64_t memory; /* bytes, 0: likewise */
} xpm_host_limits;

/* Lent by the engine to a module, valid until close(). */
struct xpm_core {
        uint32_t abi;
        size_t size;
        void *data;             /* the engine's */
        const char *executable; /* absolute path of xpm */
        const char *workspace;  /* absolute */
        const char *label;      /* of the experiment, for people */
        int slots;              /* jobs at once on this host: -j, or the cores that this process may use */
        int cores;              /* of this host that this process may use */
        bool devices;           /* some job wants one */
        int occupied;           /* of those: by jobs that a worker of an engine that is gone still runs here; changes */
        mode_t directory_mode, file_mode; /* by `sharing` */
        bool durable;                     /* outcomes must survive the loss of power before they are told */
        bool cautious;                    /* a failure may stop the run: take no job that cannot start at once */
        bool unattended; /* --submit-all: the engine leaves when all is accepted; who is interrupted is started again */

        const char *run; /* absolute, once jobs run; NULL before */

        void (*event)(const xpm_core *core, const xpm_launch_event *event);
        void (*log)(const xpm_core *core, int level, const char *line);

        /* The keys `cores` and `memory` of an entry of launchers.yaml (NULL: none). */
        int (*host_limits)(const char *config, xpm_host_limits *out, xpm_error *err);
        /* 0 when a job of SHAPE fits this host within LIMITS when nothing else runs, else XPM_ELAUNCHER and what is
         * missing. */
        int (*host_check)(const xpm_core *core, const xpm_host_limits *limits, const xpm_shape *shape, xpm_error *err);

        /* For schedulers. Make the job's directory ready for an attempt that LAUNCHER starts some time, under the name
         * HANDLE: NONCE names the attempt. 0, or 1 when it is not to be started (the engine knows, by LEFT, or asks to
         * reattach to what another engine has started), or an error. Then `xpm worker --batch FILE`, started by the
         * scheduler, runs it, where line I of FILE, from 0, is
         * {"job": "PATH", "nonce": "NONCE"}, and I is SLURM_ARRAY_TASK_ID, or 0. With "requeue": true it may be started
         * again when it was interrupted, by a preemption or with its node. */
        int (*prepare)(const xpm_core *core, const xpm_launch *launch, const char *launcher, const char *handle,
                       char nonce[XPM_LAUNCH_NONCE], xpm_error *err);
        /* So many requests were made to a scheduler: for the run's summary. */
        void (*requested)(const xpm_core *core, size_t count);

        /* Workers: start one on this host over a socket pair; hand jobs to it; take back what it has not begun; signal
         * what runs. */
        int (*worker_start)(const xpm_core *core, const xpm_host_limits *limits, xpm_channel **out, xpm_error *err);
        int (*worker_submit)(xpm_channel *channel, const xpm_launch *launch, xpm_error *err);
        int (*worker_flush)(xpm_channel *channel, xpm_error *err); /* send what was submitted, without waiting */
        int (*worker_withdraw)(xpm_channel *channel, xpm_error *err);
        int (*worker_kill)(xpm_channel *channel, const uint64_t *tags, size_t count, xpm_error *err);
        size_t (*worker_pending)(const xpm_channel *channel);       /* handed over, without an end yet */
        size_t (*worker_pending_cores)(const xpm_channel *channel); /* that those ask for */
        int (*worker_fd)(const xpm_channel *channel);
        bool (*worker_wants_write)(const xpm_channel *channel);
        int (*worker_dispatch)(xpm_channel *channel, xpm_error *err); /* reads what there is; calls event() */
        void (*worker_close)(xpm_channel *channel);                   /* the worker finishes what runs, then leaves */
};

typedef struct xpm_launcher {
        uint32_t abi; /* XPM_LAUNCHER_ABI */
        size_t size;  /* sizeof(xpm_launcher) */
        const char *name;
        const char *script; /* name of the template of its run files: `local.sh` */
        bool lasting;       /* its jobs go on without the engine, which finds them again: it need not wait for them */
        bool chains; /* it tells of ACCEPTED, and keeps a job back by itself until those it is `after` are done */
        /* Make an instance called NAME from its entry in launchers.yaml as JSON text (NULL: none). */
        int (*open)(const xpm_core *core, const char *name, const char *config, void **instance, xpm_error *err);
        /* What a run file tells the scheduler of a job of SHAPE: ADD is called for each option, `--time=30`. NULL:
         * none.
         */
        int (*directives)(void *instance, const xpm_shape *shape, int (*add)(void *data, const char *directive),
                          void *data, xpm_error *err);
        /* Let go; jobs that run go on and record their outcome themselves. */
        void (*close)(void *instance);
        /* 0 when this host can run jobs of SHAPE, else XPM_ELAUNCHER and why not; XPM_EIO when that is not known now.
         */
        int (*check)(void *instance, const xpm_shape *shape, xpm_error *err);
        /* How many more jobs of SHAPE (NULL: any) it takes now. */
        size_t (*room)(void *instance, const xpm_shape *shape);
        int (*submit)(void *instance, const xpm_launch *const *batch, size_t count, xpm_error *err);
        /* What has not begun comes back as RETURNED. */
        int (*withdraw)(void *instance, xpm_error *err);
        /* Signal what runs (they end with reason `cancelled`). */
        int (*cancel)(void *instance, const uint64_t *tags, size_t count, xpm_error *err);
        /* Handles of a previous engine: events come as for one's own. */
        int (*reattach)(void *instance, const uint64_t *tags, const char *const *handles, size_t count, xpm_error *err);
        int (*fd)(void *instance);           /* to poll for reading; -1: none */
        short (*events)(void *instance);     /* POLLIN, with POLLOUT while something waits to be written */
        int64_t (*deadline)(void *instance); /* CLOCK_MONOTONIC milliseconds, -1: none */
        int (*dispatch)(void *instance, xpm_error *err);
} xpm_launcher;

#endif
