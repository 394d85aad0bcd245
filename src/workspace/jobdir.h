/* jobdir.h: a job's directory, as its one writer sees it (docs/reference/workspace.md, "Who writes what")
 *
 *     open → lock → (past) → begin → content … → logs → run → commit → release
 *
 * The writer of a directory that it made itself writes straight; in one that exists, content that is as it should be is
 * left alone and other content replaced by rename. All errors are XPM_EIO or XPM_ENOMEM and name the file and the
 * directory, but for those that say otherwise.
 */
#ifndef XPM_WORKSPACE_JOBDIR_H
#define XPM_WORKSPACE_JOBDIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "experimaestro/error.h"
#include "workspace/status.h"

typedef struct xpm_jobdir {
        const char *path;            /* absolute */
        const char *script;          /* SCRIPT */
        int dir;                     /* open; -1 none */
        int lock;                    /* SCRIPT.lock while it is held; -1 not */
        bool create, fresh;          /* open was to make the directory, and did */
        char buried[XPM_NONCE_SIZE]; /* the attempt whose lock was put aside, "": none */
        mode_t directory_mode, file_mode;
} xpm_jobdir;

#define XPM_JOBDIR_INIT ((xpm_jobdir){.dir = -1, .lock = -1})

typedef char xpm_jobdir_name[NAME_MAX + 1];

/* `SCRIPT.SUFFIX` */
void xpm_jobdir_file(const xpm_jobdir *job, const char *suffix, xpm_jobdir_name name);

/* Make PATH, with the directories that it is in, and open it. With CREATE false one that does not exist is
 * XPM_ENOTFOUND. */
int xpm_jobdir_open(xpm_jobdir *job, bool create, xpm_error *err);
/* Closes, lets go of the lock; may be called twice. */
void xpm_jobdir_release(xpm_jobdir *job);

/* XPM_ELOCKED when somebody else holds it, naming him, or when the job's worker, on another host, gives signs of life
 * (heartbeat.h). The lock of one that has been silent for too long is renamed aside, to SCRIPT.lock.NONCE, and a new
 * one taken; begin removes the old one. Whoever removed the directory since it was opened had its lock:
 * then it is opened once more, as it was. */
int xpm_jobdir_lock(xpm_jobdir *job, xpm_error *err);

/* Under the lock, before a job is removed that may be done: from here on nobody believes SCRIPT.done by its name, all
 * ask the lock, until trust takes that back. When we die between the two, the job is as done as it was. */
int xpm_jobdir_doubt(const xpm_jobdir *job, xpm_error *err);
int xpm_jobdir_trust(const xpm_jobdir *job, xpm_error *err);

/* params.json, the run file, an input file: NAME may have directories, which are made; what an attempt left in the way
 * is removed. */
int xpm_jobdir_content(const xpm_jobdir *job, const char *name, const void *data, size_t length, xpm_error *err);

/* How the attempts before ended, under the lock: a marker that is missing beside a committed status is made, and the
 * committed status decides between two markers. past->state is DONE, ERROR, or what the status says of an attempt that
 * has no end. */
int xpm_jobdir_past(const xpm_jobdir *job, xpm_job_past *past, xpm_error *err);

/* Begin another attempt in a directory that exists: STATUS first, when an attempt has begun before, so that an old
 * outcome is not found again and attempts are counted; then old markers, and OUTPUTS (none when it is resumed). */
int xpm_jobdir_begin(const xpm_jobdir *job, const xpm_job_status *status, const char *const *outputs,
                     size_t output_count, xpm_error *err);

/* A scheduler is given the job: STATUS says so, and names the attempt that may begin. */
int xpm_jobdir_schedule(const xpm_jobdir *job, const xpm_job_status *status, xpm_error *err);

/* Open SCRIPT.out and SCRIPT.err anew; those of the attempt before become SCRIPT.out.N and SCRIPT.err.N, N its number
 * LAST or the next that is free. */
int xpm_jobdir_logs(const xpm_jobdir *job, uint32_t last, int logs[2], xpm_error *err);

/* It lasts: the status that says so, SCRIPT.pid, and the lock's text. */
int xpm_jobdir_announce(const xpm_jobdir *job, const xpm_job_status *status, xpm_error *err);

/* Whether an attempt has begun here, ever. */
bool xpm_jobdir_has_begun(const xpm_jobdir *job);
/* The number of the attempt that began last in the directory job->path, when it has no end or was lost; 0: there is
 * none. Opens and releases JOB. */
uint32_t xpm_jobdir_lost_attempt(xpm_jobdir *job);
/* Whether somebody asked for the end of what runs (`xpm jobs kill`): .experimaestro/kill, which begin removes. */
bool xpm_jobdir_is_to_be_killed(const xpm_jobdir *job);
/* Whether the directory was deleted while it was open. */
bool xpm_jobdir_is_gone(const xpm_jobdir *job);
/* Whether the attempt NONCE may still speak for the job: the lock that we hold is the one that others see, and no other
 * attempt has begun. For whoever may have been cut off from the filesystem's server for so long that it gave the lock
 * away. */
bool xpm_jobdir_is_ours(const xpm_jobdir *job, const char *nonce);

/* The end: the final status, which is the commit, then the marker, then SCRIPT.pid goes (when ANNOUNCED). */
int xpm_jobdir_commit(const xpm_jobdir *job, const xpm_job_status *status, bool announced, xpm_error *err);

/* verdict.c: an end that was committed as a failure has FAILURE for its reason; any other is left alone. Under the
 * lock.
 */
int xpm_jobdir_amend(const xpm_jobdir *job, enum xpm_failure failure, xpm_error *err);

#endif
