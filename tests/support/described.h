/* described.h: topologies of other hosts
 */
#ifndef XPM_TEST_DESCRIBED_H
#define XPM_TEST_DESCRIBED_H

#include <stdio.h>
#include <stdlib.h>

#include "exec/topology.h"

/* What surrounds the test says nothing of its hosts. */
static inline void described_forget(void)
{
        static const char *const names[] = {"HWLOC_XMLFILE",     "HWLOC_SYNTHETIC",    "HWLOC_THISSYSTEM",
                                            "HWLOC_FSROOT",      "SLURM_JOB_ID",       "SLURM_MEM_PER_NODE",
                                            "SLURM_MEM_PER_CPU", "SLURM_STEP_GPUS",    "CUDA_VISIBLE_DEVICES",
                                            "ZE_AFFINITY_MASK",  "SLURM_CPUS_ON_NODE", "ROCR_VISIBLE_DEVICES"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                unsetenv(names[i]);
}

/* The one recorded as NAME in tests/data/topologies, the caller's to destroy. */
static inline xpm_topology *described_recorded(const char *name, bool with_gpus)
{
        xpm_topology *topology = NULL;
        xpm_error err = XPM_ERROR_NONE;
        char path[512];
        snprintf(path, sizeof path, "%s/topologies/%s.xml", XPM_TEST_DATA, name);
        described_forget();
        setenv("HWLOC_XMLFILE", path, 1);
        if (xpm_topology_load(with_gpus, &topology, &err) != 0)
                fprintf(stderr, "%s\n", err.message);
        unsetenv("HWLOC_XMLFILE");
        return topology;
}

/* One in hwloc's words. */
static inline xpm_topology *described_words(const char *words)
{
        xpm_topology *topology = NULL;
        xpm_error err = XPM_ERROR_NONE;
        described_forget();
        setenv("HWLOC_SYNTHETIC", words, 1);
        if (xpm_topology_load(false, &topology, &err) != 0)
                fprintf(stderr, "%s\n", err.message);
        unsetenv("HWLOC_SYNTHETIC");
        return topology;
}

#endif
