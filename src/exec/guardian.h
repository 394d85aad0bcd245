/* guardian.h: what a worker started dies with it
 *
 * A worker that is killed cannot kill its jobs, and a death signal reaches only its direct children. So the process
 * that was started as a worker splits: the child becomes the worker, the parent its guardian, which adopts whatever the
 * worker's death orphans, and kills it.
 *
 *     rc = xpm_guardian_split(fd, &status, &err);
 *     if (rc != 0) return rc < 0 ? failure : status;
 *     (here is the worker)
 */
#ifndef XPM_EXEC_GUARDIAN_H
#define XPM_EXEC_GUARDIAN_H

#include <stdbool.h>

#include "experimaestro/error.h"

/* Returns 0 in the worker, at once. Returns 1 in the guardian, when the worker is gone and nothing that it orphaned is
 * left: *STATUS is what waitpid() said of the worker. FD (-1: none) is closed in the guardian. To be called by a
 * process with one thread and no children. XPM_EIO. */
int xpm_guardian_split(int fd, int *status, xpm_error *err);

/* Whether the guardian of this process, a worker, is dead: then it was that which sent SIGTERM. */
bool xpm_guardian_is_gone(void);

/* End this process as STATUS says that another one has ended: by the same signal, or with the exit status that is
 * returned. */
int xpm_guardian_exit_status(int status);

#endif
