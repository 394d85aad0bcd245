/* commands.h: Slurm by its own commands: sbatch, squeue, scancel, scontrol
 *
 * Each returns an answer as main.c describes it, or NULL when out of memory.
 */
#ifndef XPM_LAUNCHERS_SLURM_COMMANDS_H
#define XPM_LAUNCHERS_SLURM_COMMANDS_H

#include <jansson.h>

json_t *commands_submit(const json_t *request);
json_t *commands_list(void);
json_t *commands_cancel(const json_t *request);
json_t *commands_partitions(void);

#endif
