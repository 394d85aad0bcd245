/* jobremove.h: a job's directory goes, unless somebody needs it
 */
#ifndef XPM_WORKSPACE_JOBREMOVE_H
#define XPM_WORKSPACE_JOBREMOVE_H

#include "workspace/underway.h"
#include "workspace/workspace.h"

/* Remove the directory of the job, with all that is in it, but not, without DONE, when it is done by now; where a link
 * stands in its place the link alone goes, and what it leads to is as it was. XPM_ELOCKED, saying why, when it runs, is
 * done, or a run that goes on names it; XPM_ENOTFOUND when there is none; XPM_EIO, XPM_ENOMEM. */
int xpm_job_remove(const xpm_workspace *workspace, xpm_underway *underway, const char *task_id, const char *job_id,
                   bool done, xpm_error *err);

#endif
