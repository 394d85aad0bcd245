/* heartbeat.h: signs of life of workers that stand alone
 *
 * A worker that no engine on its own host started touches RUN/workers/HOST-PID every so often while it lives, and the
 * status of its jobs names that file. Other hosts take a job for running while the heartbeat is fresh, also when the
 * job's lock seems free; and for lost when it has been silent for two leases, also when the lock is held: a server may
 * keep the lock of a dead host. Times are those of the file server on both sides, never a clock of ours.
 *
 * The lease is the time after which a file server gives away the locks of a client that is silent: XPM_LEASE, in
 * seconds, else 90; the same on all hosts.
 */
#ifndef XPM_WORKSPACE_HEARTBEAT_H
#define XPM_WORKSPACE_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "experimaestro/error.h"
#include "workspace/status.h"

/* Milliseconds. */
int64_t xpm_lease(void);
/* Between two touches: 20 s for a lease of 90 s. */
int64_t xpm_beat(void);

typedef struct xpm_heartbeat xpm_heartbeat;

/* Make the heartbeat of this process in the current run of EXPERIMENT_ID. *OUT is NULL when it has none. XPM_EIO,
 * XPM_ENOMEM. */
int xpm_heartbeat_start(const char *workspace, const char *experiment_id, mode_t directory_mode, mode_t file_mode,
                        xpm_heartbeat **out, xpm_error *err);
/* Its file, relative to the workspace; NULL for NULL. */
const char *xpm_heartbeat_path(const xpm_heartbeat *heartbeat);
/* Touch it. What cannot be touched is silent for others, so errors need no answer. */
void xpm_heartbeat_touch(xpm_heartbeat *heartbeat);
/* How many times it was silent for so long that locks may have been given away; counts a silence that still lasts. From
 * any thread; 0 for NULL. */
unsigned xpm_heartbeat_gaps(const xpm_heartbeat *heartbeat);
/* Remove it; NULL accepted. */
void xpm_heartbeat_stop(xpm_heartbeat *heartbeat);

/* So long without a sign of life, in milliseconds, makes a worker doubt that its locks are still its own. */
int64_t xpm_doubt(void);

enum xpm_life {
        XPM_LIFE_UNKNOWN, /* its lock alone tells: no attempt without an end, or none that has a heartbeat */
        XPM_LIFE_BEATS,   /* or nobody can tell */
        XPM_LIFE_SILENT,  /* for more than two leases */
};

/* What the heartbeat PATH, relative to WORKSPACE_DIR, says; UNKNOWN when there is none. */
enum xpm_life xpm_heartbeat_judge(int workspace_dir, const char *path);

/* What the heartbeat says of the attempt that PAST tells about. */
enum xpm_life xpm_heartbeat_life(int workspace_dir, const xpm_job_past *past);
/* The same for the job whose directory is open as JOB_DIR; UNKNOWN when it runs or ran on this host, where the kernel
 * knows who holds a lock. */
enum xpm_life xpm_heartbeat_of_job(int workspace_dir, int job_dir);

/* Whether some heartbeat in the run that is open as RUN_DIR beats. */
bool xpm_heartbeat_any(int run_dir);

#endif
