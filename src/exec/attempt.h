/* attempt.h: one attempt of one job, from an order to its outcome on disk
 *
 *     start → RUNS → (announce) → finish → release
 *           → OVER: nothing to run, or it could not be started; the outcome stands
 *           → HELD: another process runs this job; start again later
 *
 * Every step may end it; what became of it stands in `outcome`. Only wait()ing is the caller's, so that a loop serves
 * many.
 */
#ifndef XPM_EXEC_ATTEMPT_H
#define XPM_EXEC_ATTEMPT_H

#include <sys/resource.h>

#include "base/spawn.h"
#include "exec/cgroup.h"
#include "exec/environ.h"
#include "exec/order.h"
#include "workspace/heartbeat.h"
#include "workspace/jobdir.h"

/* Where the command inherits the descriptors of SCRIPT.lock and of the stock (stock.h), which hold what is the job's
 * when it outlives its worker and its guardian. */
enum { XPM_LOCK_FD = 63, XPM_STOCK_FD = 62 };

/* What all attempts of a worker share. */
typedef struct xpm_site {
        char host[65];
        pid_t pid;
        uint64_t start_time; /* of this process, in clock ticks since boot */
        int grace;           /* seconds between SIGTERM and SIGKILL: XPM_GRACE, else 30 */
        xpm_environ environment;
        mode_t directory_mode, file_mode;
        uint64_t signals;   /* xpm_spawn_signals() once all handlers are there; 0: not known */
        bool durable;       /* what is reported survives the loss of power */
        bool told_together; /* who ends a worker sends its SIGTERM to the jobs, too: a scheduler */
        xpm_cgroup *cgroup; /* where jobs with a memory limit get groups of their own; NULL: nowhere */
        bool cgroup_tried;
        xpm_heartbeat *heartbeat; /* NULL: an engine on this host looks after this worker */
} xpm_site;

/* ENVIRONMENT (environ) must stay. */
int xpm_site_init(xpm_site *site, char *const *environment, xpm_error *err);
/* The modes of what is made. Files of a group are the group's whatever the umask, which is opened for them; so are then
 * those that jobs make. */
void xpm_site_share(xpm_site *site, mode_t directory_mode, mode_t file_mode);
/* There is a job with a memory limit to come: let the kernel hold it, where it does. COMPANY as in cgroup.h. Not while
 * a job with a limit is being started. */
void xpm_site_limit_memory(xpm_site *site, const pid_t *company, size_t count);
void xpm_site_release(xpm_site *site);

typedef struct xpm_outcome {
        bool done;
        bool broken; /* the outcome could not be recorded, or the directory not be made: the workspace is at fault */
        enum xpm_failure failure;
        int code; /* -1: none */
        double wall;
        char message[1536]; /* "": none */
} xpm_outcome;

typedef struct xpm_attempt {
        xpm_order *order; /* owned */
        xpm_seat *seat;   /* that the command is bound to, or NULL; strings are in the order's arena */
        bool on_seat;     /* the thread that starts it is bound to the seat already, and so is its child */
        const char *seen; /* the processors that it runs on, when those are not of its seat */
        xpm_jobdir dir;
        xpm_child child;
        xpm_cgroup_job group; /* that the command is in */
        int logs[2];
        int *partials;                              /* locks of the partials, one each, -1: not held */
        char launcher[64], handle[XPM_HANDLE_SIZE]; /* of the scheduler that was given it; "": none */
        uint32_t number;                            /* counted on from the attempts of earlier runs */
        char nonce[XPM_NONCE_SIZE];
        xpm_text before;        /* those, for status.json */
        int64_t started;        /* microseconds since the epoch */
        int64_t begun;          /* CLOCK_MONOTONIC, nanoseconds */
        uint64_t command_start; /* clock ticks since boot; until it is announced, just before */
        struct {
                bool now, before; /* somebody holds the job's own lock; did when it was tried before, too */
                bool looked;      /* at the status of the first of them */
                bool ended;       /* that told an end, which is of an attempt before his */
                uint32_t attempt;
        } holder;
        bool announced;
        enum xpm_failure asked; /* why it was signalled, to be set before finish; NONE: it was not */
        char why[256];          /* in words, "": none */
        unsigned gaps;          /* in the heartbeat when it began */
        bool doubtful;          /* the lock may have been given away meanwhile: look before speaking for the job */
        xpm_outcome outcome;
} xpm_attempt;

enum xpm_attempt_step { XPM_ATTEMPT_RUNS, XPM_ATTEMPT_OVER, XPM_ATTEMPT_HELD };

/* Takes ORDER. */
void xpm_attempt_init(xpm_attempt *attempt, xpm_order *order);
/* Let go of the lock and all descriptors; the outcome stays. Release does it, too. */
void xpm_attempt_close(xpm_attempt *attempt);
void xpm_attempt_release(xpm_attempt *attempt);

/* Make the job's directory ready for a scheduler, which LAUNCHER calls HANDLE, that starts it some time: the status
 * names the attempt (its nonce) that may then begin. 0, or 1 when there is nothing to run (the outcome stands),
 * XPM_ELOCKED when another process has it, or an error. The lock is let go in any case. */
int xpm_attempt_schedule(const xpm_site *site, xpm_attempt *attempt, const char *launcher, const char *handle,
                         xpm_error *err);

/* What it needs is not done, and nobody is there who would see to it: the attempt that its order names has failed. The
 * lock is let go. XPM_ELOCKED, or another error. */
int xpm_attempt_bar(const xpm_site *site, xpm_attempt *attempt, const char *message, xpm_error *err);

/* Make the job's directory, take the lock, start the command. WAITED: it was HELD before, and the outcome of the other
 * holder of the job's lock, if it was that which was held, is taken for ours. On HELD the outcome's message says by
 * whom. */
enum xpm_attempt_step xpm_attempt_start(const xpm_site *site, xpm_attempt *attempt, bool waited);

/* The duration that the job may take, in milliseconds; -1: no limit. */
static inline int64_t xpm_attempt_limit(const xpm_attempt *attempt)
{
        int64_t seconds = attempt->order->spec.need.duration;
        return seconds > 0 && seconds < INT64_MAX / 1000 ? seconds * 1000 : -1;
}

/* The memory that it may use, all ranks together, in bytes; 0: no limit. */
static inline uint64_t xpm_attempt_memory(const xpm_attempt *attempt)
{
        return xpm_demand_of(&attempt->order->spec.need).memory;
}

/* From now on the attempt is doubtful if its lock may have been given away since this was called last, GAP milliseconds
 * ago: the host slept, this process was stopped, or the heartbeat had a gap. */
void xpm_attempt_doubt(const xpm_site *site, xpm_attempt *attempt, int64_t gap);
/* Whether it may still speak for the job. */
bool xpm_attempt_is_ours(const xpm_attempt *attempt);

/* Look where it runs. true when that is not where it was put, for the first time: `seen` says where. */
bool xpm_attempt_see(xpm_attempt *attempt);

/* It lasts: say so on disk. */
void xpm_attempt_announce(const xpm_site *site, xpm_attempt *attempt);

/* It has ended with STATUS (of wait4): record the outcome. */
void xpm_attempt_finish(const xpm_site *site, xpm_attempt *attempt, int status, const struct rusage *usage);

#endif
