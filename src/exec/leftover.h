/* leftover.h: what a dead worker's job left running
 *
 * With a guardian nothing is left. Where the guardian was killed as well, processes of the job may go on, and keep the
 * job's lock, or have closed it. Before another attempt they are found, on the host and boot where they run, and
 * killed: nobody records what they do.
 */
#ifndef XPM_EXEC_LEFTOVER_H
#define XPM_EXEC_LEFTOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct xpm_leftover {
        const char *path;  /* the job's directory, absolute: XPM_JOB_DIR of its processes */
        const char *lock;  /* path of SCRIPT.lock, which they may hold as XPM_LOCK_FD; NULL: it is gone */
        pid_t session;     /* pid of the command, 0: unknown */
        uint64_t start;    /* when that was started, clock ticks since boot, or a little before; 0: unknown */
        const char *nonce; /* XPM_JOB_NONCE of the attempt that is meant; NULL: any */
} xpm_leftover;

/* Whether the lock file LOCK is held on this host on behalf of a process that is dead: by what it left. False when its
 * holder lives, is on another host, or cannot be told (no /proc/locks, another pid namespace). */
bool xpm_sweep_is_orphaned(const char *lock);

/* Send SIGKILL to every process of this user that belongs to LEFTOVER, until there is none: by its session, its
 * environment, or the lock that it holds. Returns how many there were. */
int xpm_sweep(const xpm_leftover *leftover);

/* Both for the job in PATH: what holds SCRIPT.lock for a dead worker of this host is killed. True when there was
 * something. */
bool xpm_sweep_job(const char *path, const char *script);

/* The 22nd field of /proc/PID/stat, 0 when it cannot be read. */
uint64_t xpm_process_start_time(pid_t pid);

/* What that field would be of a process that is started now; 0 when it cannot be told. */
uint64_t xpm_process_clock(void);

/* Whether PID's environment names the attempt with NONCE. */
bool xpm_process_is_of_attempt(pid_t pid, const char *nonce);

/* Whether SESSION has a member that has not ended; one that is not waited for has. */
bool xpm_session_is_alive(pid_t session);

/* Signal the process group of SESSION's leader, and the leaders of its other groups, as timeout(1) makes one: they pass
 * it on. The leader of the session must not have been waited for. */
void xpm_session_signal(pid_t session, int number);

#endif
