/* cgroup.h: a job's memory, held by the kernel (cgroup v2)
 *
 * Where our own group was delegated to us (`systemd-run --user --scope -p Delegate=yes`, a container), each job with a
 * limit gets a group below it: what would use more is killed as a whole and at once, no sample needed. Nothing here is
 * an error: where it is not to be had, nothing is done and the caller goes on as without (memory.h).
 *
 *     xpm_cgroup *cgroup = xpm_cgroup_open(&XPM_CGROUP_HERE, (pid_t[]){getppid()}, 1);    // NULL: not available
 *     xpm_cgroup_job job = XPM_CGROUP_JOB_INIT;
 *     if (cgroup && xpm_cgroup_begin(cgroup, limit, &job))
 *             spawn.cgroup_fd = job.procs;
 *     … xpm_spawn_start, wait …
 *     bool memory = xpm_cgroup_ran_out(&job);
 *     xpm_cgroup_end(cgroup, &job);
 */
#ifndef XPM_EXEC_CGROUP_H
#define XPM_EXEC_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where to look. */
typedef struct xpm_cgroup_place {
        const char *self;       /* which group we are in */
        const char *mounts;     /* where the hierarchy is mounted */
        const char *controller; /* that the jobs' groups need */
} xpm_cgroup_place;

#define XPM_CGROUP_HERE ((xpm_cgroup_place){"/proc/self/cgroup", "/proc/self/mountinfo", "memory"})

typedef struct xpm_cgroup xpm_cgroup;

typedef struct xpm_cgroup_job {
        int dir;   /* of the job's group; -1: it has none */
        int procs; /* for xpm_spawn.cgroup_fd; -1: none */
        char name[48];
} xpm_cgroup_job;

#define XPM_CGROUP_JOB_INIT ((xpm_cgroup_job){.dir = -1, .procs = -1})

/* Make our group give its memory to groups below. A group that does so may have no processes of its own: this process
 * and those of COMPANY (the guardian, the engine) are moved to a group below it, when the group has no others;
 * strangers are never moved. NULL when it cannot be done, with all as it was; or when out of memory. */
xpm_cgroup *xpm_cgroup_open(const xpm_cgroup_place *place, const pid_t *company, size_t count);
/* Undoes it unless others use it by now. NULL accepted. */
void xpm_cgroup_close(xpm_cgroup *cgroup);

/* A group for a job that may use LIMIT bytes (0: no limit). false, with JOB as it was, when it cannot be made. */
bool xpm_cgroup_begin(xpm_cgroup *cgroup, uint64_t limit, xpm_cgroup_job *job);

/* All of these accept a job without a group. */

/* The job, or a process of it, was killed because it used more than it may. */
bool xpm_cgroup_ran_out(const xpm_cgroup_job *job);
/* The most bytes that it used at once (pages of files included); 0 when the kernel does not tell. */
uint64_t xpm_cgroup_peak(const xpm_cgroup_job *job);
/* SIGKILL to all of its processes, whatever session they made: false when the kernel cannot. They end a little later.
 */
bool xpm_cgroup_kill(const xpm_cgroup_job *job);
/* Does a process of it live? */
bool xpm_cgroup_is_populated(const xpm_cgroup_job *job);
/* Remove the group, and those that the job made below it. One that has processes stays until the next open after this
 * process has ended. */
void xpm_cgroup_end(xpm_cgroup *cgroup, xpm_cgroup_job *job);

#endif
