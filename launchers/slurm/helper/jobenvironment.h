/* jobenvironment.h: the environment that a batch job gets, as sbatch makes it of ours
 */
#ifndef XPM_LAUNCHERS_SLURM_JOBENVIRONMENT_H
#define XPM_LAUNCHERS_SLURM_JOBENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "fields.h"

/* Of FIELDS, which are finished. NULL: out of memory. */
char **environment_create(const fields *fields_, size_t *count);
void environment_free(char **environment);

#endif
