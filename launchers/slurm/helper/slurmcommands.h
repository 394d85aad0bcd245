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
json_t *commands_nodes(const json_t *request);
/* MiB of `cpu=8,mem=8000M,node=2`; 0: it does not say. */
json_int_t commands_memory(const char *tres);
/* How many of `gpu:2`, `gpu:a100:4(S:0-1),lab:1`. */
json_int_t commands_gpus(const char *gres);
/* Is VARIABLE of our environment for these commands and for jobs? */
bool commands_keep(const char *variable);

#endif
