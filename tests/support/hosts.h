/* hosts.h: made-up topologies
 *
 *     struct host host;
 *     host_make(&host, 16, 2);    16 cores of 2 hardware threads each, numbered as Linux does: core 3 has 3 and 19
 */
#ifndef XPM_TEST_HOSTS_H
#define XPM_TEST_HOSTS_H

#include <stdio.h>

#include "exec/topology.h"

enum { HOST_CORES = 128, HOST_GPUS = 8 };

struct host {
        xpm_topology topology;
        xpm_host_core cores[HOST_CORES];
        uint32_t pus[2 * HOST_CORES];
        xpm_host_numa numa;
        uint16_t distance;
        xpm_host_gpu gpus[HOST_GPUS];
        char names[HOST_GPUS][2][16];
};

static inline void host_make(struct host *host, uint32_t cores, uint32_t threads)
{
        *host = (struct host){.numa = {.memory = (uint64_t)64 << 30}, .distance = 10};
        for (uint32_t i = 0; i < cores; i++) {
                host->cores[i] = (xpm_host_core){.first_pu = i * threads, .pu_count = threads};
                for (uint32_t thread = 0; thread < threads; thread++)
                        host->pus[i * threads + thread] = i + thread * cores;
        }
        host->topology = (xpm_topology){.cores = host->cores,
                                        .core_count = cores,
                                        .pus = host->pus,
                                        .pu_count = (size_t)cores * threads,
                                        .numa = &host->numa,
                                        .numa_count = 1,
                                        .distances = &host->distance,
                                        .gpus = host->gpus,
                                        .memory = (uint64_t)64 << 30};
}

/* One more, at the address 0000:SLOT:00.0. */
static inline void host_add_gpu(struct host *host, unsigned slot)
{
        size_t i = host->topology.gpu_count++;
        snprintf(host->names[i][0], sizeof host->names[i][0], "cuda%zu", i);
        snprintf(host->names[i][1], sizeof host->names[i][1], "0000:%02x:00.0", slot & 0xff);
        host->gpus[i] = (xpm_host_gpu){
                .kind = XPM_GPU_CUDA, .name = host->names[i][0], .model = "", .visible = "", .pci = host->names[i][1]};
}

#endif
