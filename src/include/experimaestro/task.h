/* task.h: what a program may say and ask while it runs as a job
 *
 *     if (xpm_task_progress(step / (double)steps, "relaxing", 0, &err) != 0)
 *             fprintf(stderr, "%s\n", err.message);
 *     double seconds;
 *     if (xpm_task_remaining(&seconds, &err) == 0 && seconds < 60)
 *             save_and_leave(75);
 *
 * Both find their job in the environment, and may be called from any thread.
 */
#ifndef EXPERIMAESTRO_TASK_H
#define EXPERIMAESTRO_TASK_H

#include <experimaestro/error.h>

enum { XPM_TASK_LEVELS = 16 };

/* FRACTION, from 0 to 1, of LEVEL is done: 0 is the whole job, 1 a part of it (an epoch), and so on below
 * XPM_TASK_LEVELS; a word of one level forgets those below it. DESCRIPTION (or NULL) says what is being done. One line
 * is appended to .experimaestro/events/event-0.jsonl of the job's directory. XPM_ERANGE for a fraction or level out of
 * bounds; XPM_EUSAGE outside of a job; XPM_EIO, XPM_ENOMEM. */
XPM_API int xpm_task_progress(double fraction, const char *description, int level, xpm_error *err);

/* Seconds until the job's time is over: 0 when it is, INFINITY when it has no limit (or this is no job). In a Slurm job
 * the end that Slurm sets counts, too; now and then `squeue` is asked for it, which may take a moment. XPM_EFORMAT when
 * XPM_DEADLINE is no number. */
XPM_API int xpm_task_remaining(double *seconds, xpm_error *err);

#endif
