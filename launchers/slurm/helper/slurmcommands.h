/* slurmcommands.h: Slurm by its own commands: sbatch, squeue, scancel, scontrol
 *
 * Each returns an answer as slurmhelper.c describes it, or NULL when out of memory.
 */
#ifndef XPM_LAUNCHERS_SLURM_SLURMCOMMANDS_H
#define XPM_LAUNCHERS_SLURM_SLURMCOMMANDS_H

#include <jansson.h>
#include <stdbool.h>

json_t *commands_submit(const json_t *request);
json_t *commands_list(const json_t *request);
json_t *commands_cancel(const json_t *request);
json_t *commands_partitions(const json_t *request);
/* Is VARIABLE of our environment for these commands and for jobs? */
bool commands_keep(const char *variable);

#endif
