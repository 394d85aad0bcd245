/* sessiondir.h: where Open MPI keeps what its processes on a host share
 *
 * mpirun makes a directory for all its user's on the host, and removes it when none of them is left. In version 4 two
 * that make it at the same moment are in each other's way: the later one fails with "mkdir … File exists"
 * ("orte_session_dir failed", orte/util/session_dir.c), as the first jobs of a sweep do that start together.
 */
#ifndef XPM_EXEC_SESSIONDIR_H
#define XPM_EXEC_SESSIONDIR_H

/* Make it, if it is not there, for a job with ENVIRONMENT (ends with NULL) on HOST: it is found then. A courtesy, which
 * fails in silence: the last mpirun removes it. */
void xpm_sessiondir_make(const char *const *environment, const char *host);

#endif
