/* underway.h: what runs that go on count on
 *
 * A run has looked at its jobs when it began, and does not look again at those that were done: what goes away under it,
 * it will not notice. So whoever removes a job asks here first (jobremove.h). A run goes on while its experiment's lock
 * is held, or when its engine left on purpose, with jobs that wait in a queue or run (detached.h). Any run that names
 * the job in jobs.jsonl counts on it.
 *
 * Each question is answered from the files as they are then; what has not changed is not read again.
 */
#ifndef XPM_WORKSPACE_UNDERWAY_H
#define XPM_WORKSPACE_UNDERWAY_H

#include "experimaestro/error.h"

typedef struct xpm_underway xpm_underway;

/* For the workspaces at PATHS (NULL-terminated, borrowed); the runs of the experiment EXCEPT (or NULL) of the first of
 * them do not count. XPM_ENOMEM. */
int xpm_underway_open(const char *const *paths, const char *except, xpm_underway **out, xpm_error *err);
void xpm_underway_close(xpm_underway *underway); /* NULL accepted */

/* 1 when a run that goes on names the job; its path goes to *RUN (unless NULL), until close. 0, or XPM_EIO, XPM_ENOMEM:
 * what cannot be read may name it. */
int xpm_underway_names(xpm_underway *underway, const char *job_id, const char **run, xpm_error *err);

#endif
