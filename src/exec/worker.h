/* worker.h: the one thing that runs commands (docs/reference/launchers.md, "The worker")
 */
#ifndef XPM_EXEC_WORKER_H
#define XPM_EXEC_WORKER_H

#include <stddef.h>

#include "experimaestro/error.h"

/* STOCK is of xpm_stock_file (stock.h), opened before the guardian split off; it is taken. -1: none. NOTE is what that
 * call said, or NULL. */

/* `xpm worker --fd N --slots N`: serve the engine at the other end of socket FD until it closes and all jobs have
 * ended. Returns an exit status. */
int xpm_worker_serve(int fd, int slots, int stock, const char *note, xpm_error *err);

/* `xpm worker --job DIR`: run this one job, from a run file. Refuses when a dependency is not done, naming it. Returns
 * the exit status for the shell: 0 done (or done already), 1 failed, 3 refused. */
int xpm_worker_run_job(const char *job_dir, int stock, const char *note, xpm_error *err);

/* `xpm worker --batch FILE`: run job INDEX of a batch that a scheduler was given (docs/reference/workspace.md,
 * "batches"), unless somebody else has it, or it has ended, or it was given away meanwhile: then 0, at once. RESTART:
 * how often the scheduler has started it before. Of one that is requeued 0 says that it is done, and nothing else does.
 */
int xpm_worker_run_batch(const char *file, size_t index, unsigned restart, int stock, xpm_error *err);

#endif
