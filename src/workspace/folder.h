/* folder.h: finished jobs in the other folders of a workspace (`folders` in the settings)
 *
 * A job that is done in one of them is not run again: adopt makes jobs/TASK/JOB of the workspace a link to it, so that
 * whoever looks for its files finds them where those of every job are. Nothing is ever written there.
 */
#ifndef XPM_WORKSPACE_FOLDER_H
#define XPM_WORKSPACE_FOLDER_H

#include "workspace/workspace.h"

/* The first of workspace->folders where the job is done, NULL when there is none. */
const char *xpm_folder_find(const xpm_workspace *workspace, const char *task_id, const char *script,
                            const char *job_id);

/* Link the job when it is done elsewhere and has no directory here. XPM_EIO, XPM_ENOMEM. */
int xpm_folder_adopt(const xpm_workspace *workspace, const char *task_id, const char *script, const char *job_id,
                     xpm_error *err);

/* The job is not done here: a link to one of the folders, which was cleaned since, gives way as well. One to a folder
 * that is not there stays: it may not be mounted. XPM_EIO, XPM_ENOMEM. */
int xpm_folder_forsake(const xpm_workspace *workspace, const char *task_id, const char *job_id, xpm_error *err);

/* The job is to be run anew: a link, to whatever, gives way to a directory of the workspace's own. XPM_EIO, XPM_ENOMEM.
 */
int xpm_folder_leave(const xpm_workspace *workspace, const char *task_id, const char *job_id, xpm_error *err);

#endif
