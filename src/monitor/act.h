/* act.h: what a person does to the jobs of a workspace
 *
 * The view tells which jobs there are; here they are ended and removed. Nothing is done to a job without its lock, but
 * for asking its worker to end it.
 */
#ifndef XPM_MONITOR_ACT_H
#define XPM_MONITOR_ACT_H

#include <stdint.h>

#include "monitor/view.h"

/* Ask the worker of JOB, on whatever host, to end it: it looks for the request every second. XPM_EIO. */
int xpm_act_kill(xpm_view *view, const xpm_view_job *job, xpm_error *err);
/* 1 when JOB, which was asked to end, neither runs nor waits for a scheduler, else 0; it is asked again when an attempt
 * that began meanwhile has not heard. JOB is refreshed. */
int xpm_act_has_ended(xpm_view *view, xpm_view_job *job, xpm_error *err);

/* 1 when JOB has a directory in the workspace, or a link in its place. */
int xpm_act_has_directory(xpm_view *view, const xpm_view_job *job, xpm_error *err);

/* Remove the directory of JOB, and the links of runs to it; a link to a directory goes as a link. XPM_ELOCKED, saying
 * why, when it runs, when a run that goes on counts on it, and when it was not done (job->state) and is now;
 * XPM_ENOTFOUND when there is none; XPM_EIO, XPM_ENOMEM. */
int xpm_act_remove(xpm_view *view, const xpm_view_job *job, xpm_error *err);

/* What others left who died while they removed something: workspace/discard.h. */
int xpm_act_sweep(xpm_view *view, bool everywhere, xpm_error *err);

/* Directories of jobs that no run of any experiment names, here or in a workspace that uses jobs of this one, by task
 * and identifier. A file of a run that cannot be read is an error, XPM_EFORMAT when it is damaged, or when a link leads
 * nowhere: what it names would be taken for an orphan. */
int xpm_act_orphans(xpm_view *view, xpm_view_jobs *out, xpm_error *err);

/* What the directory of JOB takes on the disk, in bytes; nothing in it is followed. */
int xpm_act_size(xpm_view *view, const xpm_view_job *job, uint64_t *bytes, xpm_error *err);

#endif
