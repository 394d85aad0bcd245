/* worker.h: the one thing that runs commands (docs/reference/launchers.md, "The worker")
 */
#ifndef XPM_EXEC_WORKER_H
#define XPM_EXEC_WORKER_H

#include "experimaestro/error.h"

/* STOCK is of xpm_stock_file (stock.h), opened before the guardian split off; it is taken. -1: none. */

/* `xpm worker --fd N --slots N`: serve the engine at the other end of socket FD until it closes and all jobs have
 * ended. Returns an exit status. */
int xpm_worker_serve(int fd, int slots, int stock, xpm_error *err);

/* `xpm worker --job DIR`: run this one job, from a run file. Refuses when a dependency is not done, naming it. Returns
 * the exit status for the shell: 0 done (or done already), 1 failed, 3 refused. */
int xpm_worker_run_job(const char *job_dir, int stock, xpm_error *err);

#endif
