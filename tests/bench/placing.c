/* What a place costs: 10,000 jobs on a host of 2 × 128 cores with 8 devices, kept about full, against a plain count of
 * free cores (the least that a scheduler does). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "exec/placement.h"
#include "host.h"

enum { JOBS = 10000, KEPT = 512 };

static double now(void)
{
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

int main(void)
{
        host *host_ = host_create((host_shape){2, 4, 4, 8, 1, 2, UINT64_C(96) << 30});
        xpm_placement *placement;
        if (xpm_placement_create(&host_->topology, 0, 0, &placement, NULL) != 0)
                return 1;
        static xpm_portion held[KEPT];
        xpm_portion free_ = *xpm_placement_all(placement);
        size_t placed = 0, refused = 0, counted = 0;
        unsigned seed = 1;
        double begin = now();
        for (size_t i = 0; placed < JOBS; i++) {
                xpm_portion *slot = &held[i % KEPT];
                xpm_bits_add_all(&free_.cores, &slot->cores);
                xpm_bits_add_all(&free_.gpus, &slot->gpus);
                free_.memory += slot->memory;
                *slot = (xpm_portion){0};
                const xpm_gpu_need gpu = {XPM_GPU_CUDA, 0, 1};
                int kind = rand_r(&seed) % 100;
                const xpm_demand demand = {kind < 70   ? 1
                                           : kind < 98 ? 2 + (size_t)rand_r(&seed) % 15
                                                       : 64,
                                           UINT64_C(1) << 30, kind % 10 == 0, &gpu, kind % 10 == 0};
                if (!xpm_placement_choose(placement, &free_, &demand, slot)) {
                        *slot = (xpm_portion){0};
                        refused++;
                        continue;
                }
                xpm_bits_remove_all(&free_.cores, &slot->cores);
                xpm_bits_remove_all(&free_.gpus, &slot->gpus);
                free_.memory -= slot->memory;
                placed++;
        }
        double took = now() - begin;
        begin = now();
        for (size_t i = 0; i < placed + refused; i++) {
                counted += xpm_bits_count(&free_.cores);
                xpm_bits_add(&free_.cores, (unsigned)i % 256);
        }
        double yardstick = now() - begin;
        printf("placing %zu jobs (%zu times there was no place yet): %.2f µs each, %.0f times a count of free "
               "cores%s\n",
               placed, refused, took / (double)placed, took / yardstick, counted ? "" : " ");
        xpm_placement_destroy(placement);
        free(host_);
        return 0;
}
