/* Groups of cores at three levels (cache, NUMA node, host) are sets made once. A job that fits one group gets the group
 * with the least room for it; one that is wider grows from each node in turn, nearest nodes first, and the growth that
 * costs least is taken. With the sizes that hosts have this is a few thousand operations on words. */
#include "exec/placement.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -1, KINDS = 4 };

typedef struct group {
        xpm_bits cores;
        xpm_bits gpus; /* nearest to it; of nodes only */
        size_t node;   /* that it is of */
} group;

struct xpm_placement {
        const xpm_topology *topology;
        xpm_portion all;
        group *caches, *nodes;
        size_t cache_count, node_count;
        uint16_t *near;            /* node_count × node_count: for each node all of them, nearest first */
        xpm_bits kinds[KINDS + 1]; /* cores of each kind, and those of any */
        size_t kind_count;
        size_t words; /* of sets of cores that can be other than 0 */
};

xpm_demand xpm_demand_of(const xpm_need *need)
{
        size_t ranks = need->ranks > 0 ? (size_t)need->ranks : 1;
        xpm_demand demand = {
                .cores = (need->cores > 0 ? (size_t)need->cores : 1) * ranks,
                .memory = need->memory * ranks,
                .gpus = need->gpus,
                .gpu_entries = need->gpu_count,
        };
        for (size_t i = 0; i < need->gpu_count; i++)
                demand.gpu_count += (size_t)need->gpus[i].count;
        return demand;
}

static uint16_t distance(const xpm_topology *topology, size_t from, size_t to)
{
        if (topology->distances)
                return topology->distances[from * topology->numa_count + to];
        return from == to ? 10 : 20;
}

/* For FROM all nodes, nearest first; insertion, since they are few and mostly in order. */
static void order_nodes(xpm_placement *placement, size_t from)
{
        uint16_t *near = placement->near + from * placement->node_count;
        for (size_t i = 0; i < placement->node_count; i++) {
                size_t at = i;
                for (; at > 0 &&
                       distance(placement->topology, from, near[at - 1]) > distance(placement->topology, from, i);
                     at--)
                        near[at] = near[at - 1];
                near[at] = (uint16_t)i;
        }
}

static void fill_groups(xpm_placement *placement)
{
        const xpm_topology *topology = placement->topology;
        for (int core = NONE; (core = xpm_bits_next(&placement->all.cores, core)) >= 0;) {
                const xpm_host_core *one = &topology->cores[core];
                unsigned kind = one->kind < KINDS ? one->kind : KINDS - 1;
                xpm_bits_add(&placement->caches[one->l3].cores, (unsigned)core);
                placement->caches[one->l3].node = one->numa;
                xpm_bits_add(&placement->nodes[one->numa].cores, (unsigned)core);
                xpm_bits_add(&placement->kinds[kind], (unsigned)core);
                if (kind >= placement->kind_count)
                        placement->kind_count = kind + 1;
        }
        for (size_t i = 0; i < placement->node_count; i++) {
                placement->nodes[i].node = i;
                order_nodes(placement, i);
        }
        for (int gpu = NONE; (gpu = xpm_bits_next(&placement->all.gpus, gpu)) >= 0;)
                if (topology->gpus[gpu].numa >= 0)
                        xpm_bits_add(&placement->nodes[topology->gpus[gpu].numa].gpus, (unsigned)gpu);
        /* Where there are several kinds, a job may be put on a mixture in the end. */
        if (placement->kind_count != 1)
                placement->kinds[placement->kind_count++] = placement->all.cores;
}

int xpm_placement_create(const xpm_topology *topology, size_t cores, uint64_t memory, xpm_placement **out,
                         xpm_error *err)
{
        xpm_placement *placement = calloc(1, sizeof *placement);
        if (!placement)
                return xpm_fail_memory(err);
        placement->topology = topology;
        placement->words = (topology->core_count + 63) / 64;
        placement->node_count = topology->numa_count > 0 ? topology->numa_count : 1;
        for (size_t i = 0; i < topology->core_count; i++)
                if (topology->cores[i].l3 >= placement->cache_count)
                        placement->cache_count = topology->cores[i].l3 + 1u;
        placement->caches = calloc(placement->cache_count + 1, sizeof *placement->caches);
        placement->nodes = calloc(placement->node_count, sizeof *placement->nodes);
        placement->near = calloc(placement->node_count * placement->node_count, sizeof *placement->near);
        if (!placement->caches || !placement->nodes || !placement->near) {
                xpm_placement_destroy(placement);
                return xpm_fail_memory(err);
        }
        for (size_t i = 0; i < topology->core_count && (cores == 0 || i < cores); i++)
                xpm_bits_add(&placement->all.cores, (unsigned)i);
        for (size_t i = 0; i < topology->gpu_count; i++)
                xpm_bits_add(&placement->all.gpus, (unsigned)i);
        placement->all.memory = memory > 0 && memory < topology->memory ? memory : topology->memory;
        fill_groups(placement);
        *out = placement;
        return 0;
}

void xpm_placement_destroy(xpm_placement *placement)
{
        if (!placement)
                return;
        free(placement->caches);
        free(placement->nodes);
        free(placement->near);
        free(placement);
}

const xpm_portion *xpm_placement_all(const xpm_placement *placement)
{
        return &placement->all;
}

static size_t count_common(const xpm_placement *placement, const xpm_bits *a, const xpm_bits *b)
{
        size_t count = 0;
        for (size_t i = 0; i < placement->words; i++)
                count += (size_t)__builtin_popcountll(a->words[i] & b->words[i]);
        return count;
}

/* Devices. */

static bool suits(const xpm_host_gpu *gpu, const xpm_gpu_need *need)
{
        return (need->kind == XPM_GPU_ANY || need->kind == gpu->kind) &&
               (need->memory == 0 || gpu->memory >= need->memory);
}

/* Of CANDIDATES the one that suits NEED and is nearest to FROM (NONE: anywhere), the smallest of those; NONE. */
static int nearest_gpu(const xpm_placement *placement, const xpm_bits *candidates, const xpm_gpu_need *need, int from,
                       unsigned *cost)
{
        const xpm_topology *topology = placement->topology;
        int best = NONE;
        unsigned best_cost = 0;
        for (int gpu = NONE; (gpu = xpm_bits_next(candidates, gpu)) >= 0;) {
                const xpm_host_gpu *one = &topology->gpus[gpu];
                if (!suits(one, need))
                        continue;
                unsigned far = from >= 0 && one->numa >= 0 && topology->numa_count > 0
                                       ? distance(topology, (size_t)from, (size_t)one->numa)
                                       : 10;
                if (best < 0 || far < best_cost || (far == best_cost && one->memory < topology->gpus[best].memory)) {
                        best = gpu;
                        best_cost = far;
                }
        }
        *cost = best_cost;
        return best;
}

/* The most particular entries choose first, so that a general one does not take what they need: those of one vendor
 * before any, more memory before less. */
static bool goes_before(const xpm_gpu_need *a, const xpm_gpu_need *b)
{
        if ((a->kind == XPM_GPU_ANY) != (b->kind == XPM_GPU_ANY))
                return b->kind == XPM_GPU_ANY;
        return a->memory > b->memory;
}

static size_t next_entry(const xpm_demand *demand, uint64_t *taken)
{
        size_t best = demand->gpu_entries;
        for (size_t i = 0; i < demand->gpu_entries; i++)
                if (!(*taken >> i & 1) &&
                    (best == demand->gpu_entries || goes_before(&demand->gpus[i], &demand->gpus[best])))
                        best = i;
        *taken |= UINT64_C(1) << best;
        return best;
}

/* Devices of FREE for DEMAND, near FROM (NONE: the smallest ones that do); their distances are added to *COST. */
static bool choose_gpus_from(const xpm_placement *placement, const xpm_bits *free, const xpm_demand *demand, int from,
                             xpm_bits *out, unsigned *cost)
{
        xpm_bits candidates = *free;
        uint64_t taken = 0;
        *out = (xpm_bits){0};
        if (demand->gpu_entries > 64)
                return false;
        for (size_t i = 0; i < demand->gpu_entries; i++) {
                const xpm_gpu_need *need = &demand->gpus[next_entry(demand, &taken)];
                for (int64_t k = 0; k < need->count; k++) {
                        unsigned far;
                        int gpu = nearest_gpu(placement, &candidates, need, from, &far);
                        if (gpu < 0)
                                return false;
                        xpm_bits_remove(&candidates, (unsigned)gpu);
                        xpm_bits_add(out, (unsigned)gpu);
                        *cost += far;
                }
        }
        return true;
}

/* When what is near does not do for all, because a small need took a big device, what does is taken from anywhere. */
static bool choose_gpus(const xpm_placement *placement, const xpm_bits *free, const xpm_demand *demand, int from,
                        xpm_bits *out, unsigned *cost)
{
        return choose_gpus_from(placement, free, demand, from, out, cost) ||
               (from >= 0 && choose_gpus_from(placement, free, demand, NONE, out, cost));
}

/* Cores. */

static void take_first(const xpm_bits *from, size_t count, xpm_bits *out)
{
        int core = NONE;
        while (count > 0 && (core = xpm_bits_next(from, core)) >= 0) {
                xpm_bits_add(out, (unsigned)core);
                count--;
        }
}

/* The group with the least room in which FREE has COUNT cores: of node NODE only unless that is NONE. Nodes with free
 * devices come last. NULL when there is none. */
static const group *tightest(const xpm_placement *placement, const group *groups, size_t group_count,
                             const xpm_portion *free, size_t count, int node)
{
        const group *best = NULL;
        size_t best_room = 0;
        for (size_t i = 0; i < group_count; i++) {
                if (node >= 0 && groups[i].node != (size_t)node)
                        continue;
                size_t room = count_common(placement, &groups[i].cores, &free->cores);
                if (room < count)
                        continue;
                if (node < 0 && xpm_bits_meet(&placement->nodes[groups[i].node].gpus, &free->gpus))
                        room += XPM_CORES;
                if (!best || room < best_room) {
                        best = &groups[i];
                        best_room = room;
                }
        }
        return best;
}

/* The cache of NODE in which FREE has most cores; NULL when it has none in any. */
static const group *roomiest(const xpm_placement *placement, const xpm_portion *free, size_t node)
{
        const group *best = NULL;
        size_t best_room = 0;
        for (size_t i = 0; i < placement->cache_count; i++) {
                if (placement->caches[i].node != node)
                        continue;
                size_t room = count_common(placement, &placement->caches[i].cores, &free->cores);
                if (room > best_room) {
                        best = &placement->caches[i];
                        best_room = room;
                }
        }
        return best;
}

/* COUNT cores of what FREE has in NODE, or all of them, of as few caches as can be. How many. */
static size_t take_of_node(const xpm_placement *placement, const xpm_portion *free, size_t node, size_t count,
                           xpm_bits *out)
{
        xpm_portion rest = *free;
        size_t taken = 0;
        while (taken < count) {
                const group *cache =
                        tightest(placement, placement->caches, placement->cache_count, &rest, count - taken, (int)node);
                if (!cache && !(cache = roomiest(placement, &rest, node)))
                        break;
                xpm_bits part = rest.cores, chosen = {0};
                xpm_bits_keep_all(&part, &cache->cores);
                take_first(&part, count - taken, &chosen);
                xpm_bits_add_all(out, &chosen);
                xpm_bits_remove_all(&rest.cores, &chosen);
                taken += xpm_bits_count(&chosen);
        }
        return taken;
}

/* COUNT cores around the node FROM; *COST is the sum of their distances. */
static bool grow(const xpm_placement *placement, const xpm_portion *free, size_t count, size_t from, xpm_bits *out,
                 unsigned *cost)
{
        const uint16_t *near = placement->near + from * placement->node_count;
        size_t taken = 0;
        for (size_t i = 0; i < placement->node_count && taken < count; i++) {
                size_t got = take_of_node(placement, free, near[i], count - taken, out);
                if (placement->topology->numa_count > 0)
                        *cost += (unsigned)got * distance(placement->topology, from, near[i]);
                taken += got;
        }
        return taken == count;
}

/* The cheapest growth; with devices, what they are far from it counts, too. */
static bool choose_widely(const xpm_placement *placement, const xpm_portion *free, const xpm_demand *demand,
                          xpm_portion *out)
{
        unsigned best = 0;
        bool found = false;
        for (size_t from = 0; from < placement->node_count; from++) {
                xpm_portion part = {.memory = demand->memory};
                unsigned cost = 0;
                if (!choose_gpus(placement, &free->gpus, demand, (int)from, &part.gpus, &cost))
                        return false;
                /* A device is worth as much as all cores: it is what the job is about. */
                cost *= (unsigned)demand->cores;
                if (!grow(placement, free, demand->cores, from, &part.cores, &cost))
                        return false;
                if (!found || cost < best) {
                        *out = part;
                        best = cost;
                        found = true;
                }
        }
        return found;
}

static bool choose_of_kind(const xpm_placement *placement, const xpm_portion *free, const xpm_demand *demand,
                           xpm_portion *out)
{
        if (xpm_bits_count(&free->cores) < demand->cores)
                return false;
        if (demand->gpu_entries > 0)
                return choose_widely(placement, free, demand, out);
        const group *one = tightest(placement, placement->caches, placement->cache_count, free, demand->cores, NONE);
        if (!one) {
                const group *node =
                        tightest(placement, placement->nodes, placement->node_count, free, demand->cores, NONE);
                if (!node)
                        return choose_widely(placement, free, demand, out);
                *out = (xpm_portion){.memory = demand->memory};
                return take_of_node(placement, free, node->node, demand->cores, &out->cores) == demand->cores;
        }
        xpm_bits part = free->cores;
        xpm_bits_keep_all(&part, &one->cores);
        *out = (xpm_portion){.memory = demand->memory};
        take_first(&part, demand->cores, &out->cores);
        return true;
}

bool xpm_placement_choose(const xpm_placement *placement, const xpm_portion *free, const xpm_demand *demand,
                          xpm_portion *out)
{
        if (demand->memory > free->memory)
                return false;
        for (size_t kind = 0; kind < placement->kind_count; kind++) {
                xpm_portion part = *free;
                xpm_bits_keep_all(&part.cores, &placement->kinds[kind]);
                if (choose_of_kind(placement, &part, demand, out))
                        return true;
        }
        return false;
}

/* What is missing. */

static int64_t in_mebibytes(uint64_t bytes)
{
        return (int64_t)(bytes >> 20);
}

static const char *kind_word(enum xpm_gpu_kind kind)
{
        return kind == XPM_GPU_CUDA ? "CUDA " : kind == XPM_GPU_ROCM ? "ROCm " : "";
}

static int miss_gpus(const xpm_placement *placement, const xpm_demand *demand, xpm_error *err)
{
        for (size_t i = 0; i < demand->gpu_entries; i++) {
                const xpm_gpu_need *need = &demand->gpus[i];
                int64_t have = 0;
                for (int gpu = NONE; (gpu = xpm_bits_next(&placement->all.gpus, gpu)) >= 0;)
                        have += suits(&placement->topology->gpus[gpu], need);
                if (have >= need->count)
                        continue;
                char size[48] = "";
                if (need->memory > 0)
                        snprintf(size, sizeof size, " of %" PRId64 " MiB or more", in_mebibytes(need->memory));
                return xpm_fail(err, XPM_ELAUNCHER, "it wants %" PRId64 " %sGPU%s%s, and this host has %" PRId64,
                                need->count, kind_word(need->kind), need->count == 1 ? "" : "s", size, have);
        }
        return xpm_fail(err, XPM_ELAUNCHER,
                        "it wants %zu GPUs, and this host has not as many of the kinds that it names",
                        demand->gpu_count);
}

int xpm_placement_check(const xpm_placement *placement, const xpm_demand *demand, xpm_error *err)
{
        const xpm_portion *all = &placement->all;
        size_t cores = xpm_bits_count(&all->cores);
        xpm_bits gpus;
        unsigned cost = 0;
        if (demand->cores > cores)
                return xpm_fail(err, XPM_ELAUNCHER, "it wants %zu cores, and this host has %zu", demand->cores, cores);
        if (demand->memory > all->memory)
                return xpm_fail(err, XPM_ELAUNCHER, "it wants %" PRId64 " MiB of memory, and this host has %" PRId64,
                                in_mebibytes(demand->memory), in_mebibytes(all->memory));
        if (!choose_gpus(placement, &all->gpus, demand, NONE, &gpus, &cost))
                return miss_gpus(placement, demand, err);
        return 0;
}

void xpm_placement_nodes(const xpm_placement *placement, const xpm_bits *cores, xpm_bits *nodes)
{
        const xpm_topology *topology = placement->topology;
        *nodes = (xpm_bits){0};
        for (size_t i = 0; i < topology->numa_count; i++)
                if (xpm_bits_meet(&placement->nodes[i].cores, cores) && topology->numa[i].os_index < XPM_BITS)
                        xpm_bits_add(nodes, topology->numa[i].os_index);
}
