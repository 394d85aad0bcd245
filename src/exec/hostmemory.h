/* hostmemory.h: how much memory this process, and what it starts, may use
 */
#ifndef XPM_EXEC_HOSTMEMORY_H
#define XPM_EXEC_HOSTMEMORY_H

#include <stdint.h>

/* Where to look. */
typedef struct xpm_memory_place {
        const char *total;         /* what the host has */
        const char *self, *mounts; /* which group we are in, and where groups are to be seen */
} xpm_memory_place;

#define XPM_MEMORY_HERE ((xpm_memory_place){"/proc/meminfo", "/proc/self/cgroup", "/proc/self/mountinfo"})

/* Bytes: the least of what the host has, of the limits of our control group and those above it (v1, v2), and in a Slurm
 * job of what was allocated on this node. UINT64_MAX when nothing tells. */
uint64_t xpm_host_memory(const xpm_memory_place *place);

#endif
