/* host.h: hosts that exist nowhere */
#ifndef XPM_TESTS_HOST_H
#define XPM_TESTS_HOST_H

#include <stdlib.h>
#include <string.h>

#include "exec/topology.h"

typedef struct host_shape {
        size_t packages, nodes, caches, cores; /* nodes of a package, caches of a node, cores of a cache */
        size_t gpus;                           /* of a node */
        size_t threads;                        /* of a core */
        uint64_t memory;                       /* of a node */
} host_shape;

typedef struct host {
        xpm_topology topology;
        xpm_host_core cores[512];
        uint32_t pus[1024];
        xpm_host_numa numa[16];
        uint16_t distances[16 * 16];
        xpm_host_gpu gpus[XPM_DEVICES];
} host;

static inline host *host_create(host_shape shape)
{
        host *made = calloc(1, sizeof *made);
        if (!made)
                abort();
        xpm_topology *topology = &made->topology;
        size_t threads = shape.threads ? shape.threads : 1;
        *topology = (xpm_topology){.cores = made->cores,
                                   .pus = made->pus,
                                   .numa = made->numa,
                                   .distances = made->distances,
                                   .gpus = made->gpus,
                                   .numa_count = shape.packages * shape.nodes,
                                   .gpu_count = shape.packages * shape.nodes * shape.gpus,
                                   .with_gpus = true};
        for (size_t node = 0; node < topology->numa_count; node++) {
                made->numa[node] = (xpm_host_numa){(uint32_t)node, shape.memory, (uint16_t)(node / shape.nodes)};
                topology->memory += shape.memory;
                for (size_t other = 0; other < topology->numa_count; other++)
                        made->distances[node * topology->numa_count + other] =
                                node == other                               ? 10
                                : node / shape.nodes == other / shape.nodes ? 12
                                                                            : 32;
                for (size_t gpu = 0; gpu < shape.gpus; gpu++)
                        made->gpus[node * shape.gpus + gpu] = (xpm_host_gpu){.kind = XPM_GPU_CUDA,
                                                                             .name = "gpu",
                                                                             .model = "",
                                                                             .visible = "0",
                                                                             .pci = "",
                                                                             .memory = UINT64_C(40) << 30,
                                                                             .numa = (int)node};
        }
        topology->core_count = topology->numa_count * shape.caches * shape.cores;
        for (size_t core = 0; core < topology->core_count; core++) {
                size_t cache = core / shape.cores, node = cache / shape.caches;
                made->cores[core] = (xpm_host_core){(uint32_t)topology->pu_count,
                                                    (uint32_t)threads,
                                                    (uint16_t)node,
                                                    (uint16_t)cache,
                                                    (uint16_t)(node / shape.nodes),
                                                    0};
                for (size_t thread = 0; thread < threads; thread++)
                        made->pus[topology->pu_count++] = (uint32_t)(core + thread * topology->core_count);
        }
        return made;
}

#endif
