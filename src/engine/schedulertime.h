/* schedulertime.h: until when Slurm lets the job run in which this process is
 */
#ifndef XPM_ENGINE_SCHEDULERTIME_H
#define XPM_ENGINE_SCHEDULERTIME_H

#include <stdint.h>

/* `[DAYS-]HH:MM:SS`, `HH:MM:SS`, `MM:SS`, as Slurm writes times: seconds; -1 for anything else (`UNLIMITED`). */
int64_t xpm_scheduler_seconds(const char *text);

/* The end of the Slurm job that this process is in, in seconds since the epoch; 0: it is in none, it has no limit, or
 * Slurm does not tell. Slurm is asked by `squeue`, in a job of ours at most once in some minutes: the answer is kept in
 * the job's directory. Thread-safe. */
int64_t xpm_scheduler_end(void);

#endif
