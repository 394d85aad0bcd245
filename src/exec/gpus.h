/* gpus.h: the accelerators of a host
 */
#ifndef XPM_EXEC_GPUS_H
#define XPM_EXEC_GPUS_H

#include <hwloc.h>

#include "base/arena.h"
#include "exec/topology.h"

/* Where this host says what it has. */
typedef struct xpm_gpu_place {
        const char *nvidia;  /* a folder for each GPU, by PCI id */
        const char *devices; /* where NVIDIA's are opened */
        const char *kfd;     /* a folder for each node of AMD's driver */
} xpm_gpu_place;

#define XPM_GPUS_HERE ((xpm_gpu_place){"/proc/driver/nvidia/gpus", "/dev", "/sys/class/kfd/kfd/topology/nodes"})

/* Those of HW, loaded with devices, in its order, one for each PCI id; the strings live as long as ARENA. With PLACE
 * (NULL: it is another host) also those that hwloc was not built to know, and only those that *_VISIBLE_DEVICES leave
 * to this process. At most XPM_DEVICES. XPM_ENOMEM. */
int xpm_gpus_find(hwloc_topology_t hw, const xpm_gpu_place *place, xpm_arena *arena, const xpm_host_gpu **out,
                  size_t *count, xpm_error *err);

/* What is being found. */
typedef struct xpm_found_gpu {
        xpm_host_gpu gpu; /* visible: its UUID, or "" */
        int number;       /* by which *_VISIBLE_DEVICES knows it, -1: not known */
        int seen;         /* number among those that CUDA shows to this process, -1: it was not asked, or hides it */
        int rank;         /* of the name that it has by now: the least is the best */
        bool kept;
} xpm_found_gpu;

typedef struct xpm_found_gpus {
        xpm_arena *arena;
        const xpm_gpu_place *place;
        xpm_found_gpu items[XPM_DEVICES];
        size_t count;
        bool failed; /* memory ran out */
} xpm_found_gpus;

/* The one at PCI ("": a new one, as when nobody is there yet); NULL when there is no room, or no memory. */
xpm_found_gpu *xpm_found_gpus_at(xpm_found_gpus *found, const char *pci);
/* What is known of KIND is not all that there is to know. */
bool xpm_found_gpus_lack(const xpm_found_gpus *found, enum xpm_gpu_kind kind);
/* *FIELD is TEXT from now on, unless it is known or TEXT is empty. */
void xpm_found_gpus_set(xpm_found_gpus *found, const char **field, const char *text, size_t length);

/* Ask the drivers (gpudrivers.c). */
void xpm_found_gpus_ask(xpm_found_gpus *found);

#endif
