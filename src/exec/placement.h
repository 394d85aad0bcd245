/* placement.h: which cores and devices a job gets
 *
 * Whole cores, never shared, close together: of one last-level cache when it can be, else of one NUMA node, else of
 * nodes as near to each other as can be had; where several places are as near, the fullest, so that wide jobs find
 * whole ones. Devices come first for jobs that want some: their cores are those near them, and jobs without devices
 * keep away from the cores near devices. Hybrid processors: the most powerful cores first, and of one kind.
 *
 * All of it is arithmetic on what is free: nothing is taken here.
 */
#ifndef XPM_EXEC_PLACEMENT_H
#define XPM_EXEC_PLACEMENT_H

#include "exec/stock.h"

typedef struct xpm_placement xpm_placement;

/* What a job takes, all ranks of it together. */
typedef struct xpm_demand {
        size_t cores;    /* at least 1 */
        uint64_t memory; /* bytes, 0: no limit, and none is counted */
        size_t gpu_count;
        const xpm_gpu_need *gpus; /* the entries, NEED's */
        size_t gpu_entries;
} xpm_demand;

/* NEED must stay. */
xpm_demand xpm_demand_of(const xpm_need *need);

/* What jobs may have of the host of TOPOLOGY, which must stay: at most CORES cores (0: all), the first ones, and MEMORY
 * bytes (0: all). XPM_ENOMEM. */
int xpm_placement_create(const xpm_topology *topology, size_t cores, uint64_t memory, xpm_placement **out,
                         xpm_error *err);
void xpm_placement_destroy(xpm_placement *placement); /* NULL accepted */

/* All that there is to give. */
const xpm_portion *xpm_placement_all(const xpm_placement *placement);

/* 0 when DEMAND fits the host when nothing else runs, else XPM_ELAUNCHER and what is missing:
 * `it wants 8 cores, and this host has 2`. */
int xpm_placement_check(const xpm_placement *placement, const xpm_demand *demand, xpm_error *err);

/* The best part of FREE for DEMAND; false when there is none. */
bool xpm_placement_choose(const xpm_placement *placement, const xpm_portion *free, const xpm_demand *demand,
                          xpm_portion *out);

/* The NUMA nodes (numbers of the operating system) that are nearest to CORES, as a set. */
void xpm_placement_nodes(const xpm_placement *placement, const xpm_bits *cores, xpm_bits *nodes);

#endif
