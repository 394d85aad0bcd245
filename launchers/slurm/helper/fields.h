/* fields.h: options of sbatch as fields of libslurm's description of a job
 *
 * What is not known here, or not in the form that is, is not guessed: fields_set says so, and the whole submission goes
 * by sbatch, which knows all.
 */
#ifndef XPM_LAUNCHERS_SLURM_FIELDS_H
#define XPM_LAUNCHERS_SLURM_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

/* From 25.11 on libslurm keeps the older names for who asks. */
#define SLURM_BACKWARD_COMPAT 1
#include <slurm/slurm.h>

typedef struct fields {
        job_desc_msg_t desc;                                       /* its texts are borrowed from the options */
        long tasks, tasks_per_node, cpus, least_nodes, most_nodes; /* -1: not said */
        char *gres;                                                /* owned */
        bool memory, devices;
} fields;

void fields_init(fields *fields_);
void fields_release(fields *fields_);
/* OPTION is `--NAME=VALUE` or `--NAME`, and has to live as long as FIELDS. false: let sbatch do it. */
bool fields_set(fields *fields_, const char *option);
/* After the last option: what sbatch derives from several of them. false as above. */
bool fields_finish(fields *fields_);

#endif
