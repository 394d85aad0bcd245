/* library.h: Slurm by libslurm
 *
 * Each returns an answer as slurmhelper.c describes it, or NULL when out of memory. The library ends the process on a
 * configuration that it does not like.
 */
#ifndef XPM_LAUNCHERS_SLURM_LIBRARY_H
#define XPM_LAUNCHERS_SLURM_LIBRARY_H

#include <jansson.h>

/* Once, before the others. */
void library_open(void);
json_t *library_submit(const json_t *request);
json_t *library_list(const json_t *request);
json_t *library_cancel(const json_t *request);
json_t *library_partitions(const json_t *request);
json_t *library_nodes(const json_t *request);

#endif
