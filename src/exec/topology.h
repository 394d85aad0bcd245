/* topology.h: the cores, memory and accelerators of this host that this process may use, as hwloc sees them
 *
 * What is counted is cores: the hardware threads of one are never given to two jobs. Cores, NUMA nodes and devices are
 * numbered from 0 in hwloc's logical order, so neighbours have near numbers. Read once, then constant; thread-safe.
 *
 * Restricted to the cpuset and the memory that cgroups, taskset and the scheduler leave to this process. Of what
 * HWLOC_XMLFILE or HWLOC_SYNTHETIC describe, which is another host, all of it, and nothing is ever bound there.
 */
#ifndef XPM_EXEC_TOPOLOGY_H
#define XPM_EXEC_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/text.h"
#include "experimaestro/error.h"
#include "model/requirement.h"

enum { XPM_CORES = XPM_BITS, XPM_DEVICES = 64, XPM_NUMA_NODES = 256 };

typedef struct xpm_host_core {
        uint32_t first_pu, pu_count; /* in `pus` */
        uint16_t numa;               /* nearest NUMA node */
        uint16_t l3; /* which L3, counted over the host; without one, what it shares next: an L2, a package */
        uint16_t package;
        uint8_t kind; /* of hybrid processors: 0 is the most powerful one */
} xpm_host_core;

typedef struct xpm_host_numa {
        uint32_t os_index;
        uint64_t memory; /* bytes, 0: not known */
        uint16_t package;
} xpm_host_numa;

typedef struct xpm_host_gpu {
        enum xpm_gpu_kind kind; /* CUDA, ROCM, or ANY: another (OpenCL, Level Zero) */
        const char *name;       /* of the OS device: cuda0, rsmi1 */
        const char *model;      /* "": not known */
        const char *visible;    /* how *_VISIBLE_DEVICES names it: its UUID where known, else its number */
        bool level_zero;        /* of no other kind, and VISIBLE is how ZE_AFFINITY_MASK names it */
        const char *pci;        /* 0000:03:00.0, "" */
        uint64_t memory;        /* bytes, 0: not known */
        int numa;               /* nearest NUMA node, -1: not known */
} xpm_host_gpu;

typedef struct xpm_topology {
        const xpm_host_core *cores;
        size_t core_count;
        const uint32_t *pus; /* OS numbers of the hardware threads, those of a core side by side */
        size_t pu_count;
        const xpm_host_numa *numa;
        size_t numa_count;
        const uint16_t *distances; /* numa_count × numa_count; 10 is here */
        const xpm_host_gpu *gpus;
        size_t gpu_count;
        /* Bytes that jobs may use: the least of what the host, cgroups and the scheduler leave; this host's where a
         * description does not tell. */
        uint64_t memory;
        bool this_system; /* jobs can be bound, unless COUNTED */
        bool counted;     /* a scheduler gave fewer cores than are seen, and did not say which: they are only counted */
        bool with_gpus;   /* devices were looked for */
} xpm_topology;

/* WITH_GPUS: look for devices too, which takes longer. XPM_EIO when hwloc fails, or a description, which is named,
 * cannot be read. What is beyond XPM_CORES, XPM_NUMA_NODES and XPM_DEVICES is left out. */
int xpm_topology_load(bool with_gpus, xpm_topology **out, xpm_error *err);
void xpm_topology_destroy(xpm_topology *topology); /* NULL accepted */

/* The OS numbers of the hardware threads of CORES as a list: `0-3,8`; "" for none. TEXT is appended to. */

void xpm_topology_cpu_list(const xpm_topology *topology, const xpm_bits *cores, xpm_text *text);

#endif
