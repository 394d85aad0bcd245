/* hwloc's tree is walked once, into flat arrays that placement can go through fast, and let go.
 *
 * What hwloc takes from HWLOC_XMLFILE and HWLOC_SYNTHETIC by itself it takes if it can: it shows this host, without a
 * word, when the file is missing or broken. So both are given to it by hand.
 *
 * hwloc knows of cgroups, but neither of taskset nor of srun --cpu-bind: its tree is cut to what the process is bound
 * to. Memory is counted before, since being bound to some cores leaves all of it. */
#include "exec/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "exec/gpus.h"
#include "exec/hostmemory.h"

enum { HERE = 10, IN_PACKAGE = 20, ELSEWHERE = 30 }; /* distances where the firmware tells none */

struct owned {
        xpm_topology topology; /* first: what the caller has */
        xpm_arena *arena;
};

struct loading {
        hwloc_topology_t hw;
        xpm_arena *arena;
        xpm_topology *out;
        xpm_error *err;
};

static const char *set_variable(const char *name)
{
        const char *value = getenv(name);
        return value && *value ? value : NULL;
}

/* FILE is NULL when hwloc looked at this host. */
static int fail_read(struct loading *of, const char *file)
{
        if (!file)
                return xpm_fail_errno(of->err, "hwloc cannot read the topology of this host");
        if (errno == ENOENT || errno == EACCES || errno == EISDIR)
                return xpm_fail_errno(of->err, "cannot read '%s', named by HWLOC_XMLFILE", file);
        return xpm_fail(of->err, XPM_EIO, "cannot read '%s', named by HWLOC_XMLFILE: not a topology of hwloc", file);
}

/* As hwloc does: a file wins over words. */
static int describe(struct loading *of, const char *file)
{
        const char *words = set_variable("HWLOC_SYNTHETIC");
        if (file && hwloc_topology_set_xml(of->hw, file) != 0)
                return fail_read(of, file);
        if (!file && words && hwloc_topology_set_synthetic(of->hw, words) != 0)
                return xpm_fail(of->err, XPM_EIO, "'%s', in HWLOC_SYNTHETIC, describes no topology", words);
        return 0;
}

/* What is not needed is not looked for. Displays are not: their plug-in calls X servers. That for PCI leaks, and the
 * kernel's files tell the same. */
static void choose(hwloc_topology_t hw, bool with_gpus)
{
        static const hwloc_obj_type_t unused[] = {HWLOC_OBJ_L1CACHE,  HWLOC_OBJ_L4CACHE,  HWLOC_OBJ_L5CACHE,
                                                  HWLOC_OBJ_L1ICACHE, HWLOC_OBJ_L2ICACHE, HWLOC_OBJ_L3ICACHE,
                                                  HWLOC_OBJ_DIE,      HWLOC_OBJ_MEMCACHE, HWLOC_OBJ_MISC};
        for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
                hwloc_topology_set_type_filter(hw, unused[i], HWLOC_TYPE_FILTER_KEEP_NONE);
        hwloc_topology_set_flags(hw, HWLOC_TOPOLOGY_FLAG_THISSYSTEM_ALLOWED_RESOURCES);
        if (!with_gpus)
                return;
        hwloc_topology_set_type_filter(hw, HWLOC_OBJ_PCI_DEVICE, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
        hwloc_topology_set_type_filter(hw, HWLOC_OBJ_OS_DEVICE, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
        hwloc_topology_set_components(hw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "gl");
        hwloc_topology_set_components(hw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "pci");
}

/* To what the process is bound to: of all its threads, since ours may be bound to the cores of a job just now. A tree
 * that has nothing of it stays whole. Devices stay where they are far from those cores, too: they are as free as
 * before.
 */
static void restrict_to_binding(hwloc_topology_t hw)
{
        hwloc_bitmap_t bound = hwloc_bitmap_alloc();
        if (bound && hwloc_get_cpubind(hw, bound, HWLOC_CPUBIND_PROCESS) == 0 && !hwloc_bitmap_iszero(bound))
                hwloc_topology_restrict(hw, bound, HWLOC_RESTRICT_FLAG_REMOVE_CPULESS | HWLOC_RESTRICT_FLAG_ADAPT_IO);
        hwloc_bitmap_free(bound);
}

static uint16_t package_of(hwloc_topology_t hw, hwloc_obj_t object)
{
        hwloc_obj_t package = object ? hwloc_get_ancestor_obj_by_type(hw, HWLOC_OBJ_PACKAGE, object) : NULL;
        return package ? (uint16_t)package->logical_index : 0;
}

static int read_numa(struct loading *of)
{
        int count = hwloc_get_nbobjs_by_type(of->hw, HWLOC_OBJ_NUMANODE);
        of->out->numa_count = count < XPM_NUMA_NODES ? (size_t)count : XPM_NUMA_NODES;
        xpm_host_numa *numa = xpm_arena_calloc(of->arena, of->out->numa_count + 1, sizeof *numa);
        if (!numa)
                return xpm_fail_memory(of->err);
        for (size_t i = 0; i < of->out->numa_count; i++) {
                hwloc_obj_t node = hwloc_get_obj_by_type(of->hw, HWLOC_OBJ_NUMANODE, (unsigned)i);
                int pu = hwloc_bitmap_first(node->cpuset);
                numa[i] = (xpm_host_numa){
                        .os_index = node->os_index,
                        .memory = node->attr->numanode.local_memory,
                        .package =
                                package_of(of->hw, pu < 0 ? NULL : hwloc_get_pu_obj_by_os_index(of->hw, (unsigned)pu)),
                };
        }
        of->out->numa = numa;
        return 0;
}

/* 10 is here, whatever unit they are in. */
static uint16_t scale(uint64_t distance, uint64_t here)
{
        uint64_t scaled = here > 0 ? distance * HERE / here : distance;
        return scaled < UINT16_MAX ? (uint16_t)scaled : UINT16_MAX;
}

static int read_distances(struct loading *of)
{
        size_t count = of->out->numa_count;
        uint16_t *distances = xpm_arena_calloc(of->arena, count * count + 1, sizeof *distances);
        struct hwloc_distances_s *told = NULL;
        unsigned many = 1;
        if (!distances)
                return xpm_fail_memory(of->err);
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < count; j++)
                        distances[i * count + j] = i == j                                                 ? HERE
                                                   : of->out->numa[i].package == of->out->numa[j].package ? IN_PACKAGE
                                                                                                          : ELSEWHERE;
        if (hwloc_distances_get_by_type(of->hw, HWLOC_OBJ_NUMANODE, &many, &told, HWLOC_DISTANCES_KIND_MEANS_LATENCY,
                                        0) != 0 ||
            many == 0)
                told = NULL;
        for (unsigned i = 0; told && i < told->nbobjs; i++)
                for (unsigned j = 0; j < told->nbobjs; j++) {
                        size_t from = told->objs[i]->logical_index, to = told->objs[j]->logical_index;
                        if (from < count && to < count)
                                distances[from * count + to] =
                                        scale(told->values[i * told->nbobjs + j], told->values[i * told->nbobjs + i]);
                }
        if (told)
                hwloc_distances_release(of->hw, told);
        of->out->distances = distances;
        return 0;
}

/* The L3 above OBJECT; without one what it shares next: an L2, a NUMA node, a package. */
static hwloc_obj_t last_cache(hwloc_obj_t object)
{
        hwloc_obj_t above = object->parent, cache = above;
        while (cache && cache->type != HWLOC_OBJ_L3CACHE)
                cache = cache->parent;
        while (!cache && above->parent && hwloc_obj_type_is_cache(above->type) && above->arity < 2)
                above = above->parent;
        return cache ? cache : above;
}

static uint16_t nearest_numa(const struct loading *of, hwloc_obj_t object)
{
        int os_index = object->nodeset ? hwloc_bitmap_first(object->nodeset) : -1;
        hwloc_obj_t node = os_index < 0 ? NULL : hwloc_get_numanode_obj_by_os_index(of->hw, (unsigned)os_index);
        return node && node->logical_index < of->out->numa_count ? (uint16_t)node->logical_index : 0;
}

/* hwloc's kinds go from the weakest to the most powerful; those that it cannot rank are all the same to us. */
static uint8_t kind_of(hwloc_topology_t hw, hwloc_obj_t object)
{
        int kinds = hwloc_cpukinds_get_nr(hw, 0), kind = hwloc_cpukinds_get_by_cpuset(hw, object->cpuset, 0);
        int efficiency = -1;
        if (kind < 0 || hwloc_cpukinds_get_info(hw, (unsigned)kind, NULL, &efficiency, NULL, NULL, 0) != 0 ||
            efficiency < 0)
                return 0;
        return (uint8_t)(kinds - 1 - kind);
}

/* Hardware threads stand in the order of cores. One that is in no core, as some virtual machines show them, is one. */
static int read_cores(struct loading *of)
{
        int count = hwloc_get_nbobjs_by_type(of->hw, HWLOC_OBJ_PU);
        size_t threads = count > 0 ? (size_t)count : 0;
        xpm_host_core *cores = xpm_arena_calloc(of->arena, threads + 1, sizeof *cores);
        uint32_t *pus = xpm_arena_calloc(of->arena, threads + 1, sizeof *pus);
        hwloc_obj_t now = NULL, cache = NULL;
        uint16_t caches = 0;
        if (!cores || !pus)
                return xpm_fail_memory(of->err);
        for (size_t i = 0; i < threads; i++) {
                hwloc_obj_t pu = hwloc_get_obj_by_type(of->hw, HWLOC_OBJ_PU, (unsigned)i);
                hwloc_obj_t object = hwloc_get_ancestor_obj_by_type(of->hw, HWLOC_OBJ_CORE, pu);
                object = object ? object : pu;
                if (object != now) {
                        if (of->out->core_count == XPM_CORES)
                                break;
                        caches += now && last_cache(object) != cache;
                        cache = last_cache(object);
                        now = object;
                        cores[of->out->core_count++] = (xpm_host_core){
                                .first_pu = (uint32_t)i,
                                .numa = nearest_numa(of, object),
                                .l3 = caches,
                                .package = package_of(of->hw, object),
                                .kind = kind_of(of->hw, object),
                        };
                }
                cores[of->out->core_count - 1].pu_count++;
                pus[of->out->pu_count++] = pu->os_index;
        }
        of->out->cores = cores;
        of->out->pus = pus;
        return 0;
}

/* Of what the NUMA nodes have together; of a description that does not tell, and of a kernel that is wrong about it,
 * what this host has. */
static uint64_t memory_of(hwloc_topology_t hw, bool this_system)
{
        uint64_t memory = 0;
        for (hwloc_obj_t node = NULL; (node = hwloc_get_next_obj_by_type(hw, HWLOC_OBJ_NUMANODE, node));)
                memory += node->attr->numanode.local_memory;
        uint64_t here = this_system || memory == 0 ? xpm_host_memory(&XPM_MEMORY_HERE) : UINT64_MAX;
        return memory == 0 || here < memory ? here : memory;
}

/* Slurm without a plugin that binds lets its jobs see all processors. SLURM_CPUS_ON_NODE counts those that are ours,
 * which may be hardware threads or cores. */
static void heed_allocation(xpm_topology *topology)
{
        const char *text = getenv("SLURM_JOB_ID") ? getenv("SLURM_CPUS_ON_NODE") : NULL;
        long given = text ? atol(text) : 0;
        if (given <= 0 || (size_t)given >= topology->pu_count)
                return;
        size_t cores = 0, pus = 0;
        while (cores < topology->core_count && pus + topology->cores[cores].pu_count <= (size_t)given)
                pus += topology->cores[cores++].pu_count;
        if (cores == 0)
                pus = topology->cores[cores++].pu_count;
        topology->core_count = cores;
        topology->pu_count = pus;
        topology->counted = true;
}

static int load(struct loading *of, bool with_gpus)
{
        const char *file = set_variable("HWLOC_XMLFILE");
        int rc = describe(of, file);
        if (rc != 0)
                return rc;
        choose(of->hw, with_gpus);
        errno = 0;
        if (hwloc_topology_load(of->hw) != 0)
                return fail_read(of, file);
        of->out->this_system = hwloc_topology_is_thissystem(of->hw);
        of->out->with_gpus = with_gpus;
        of->out->memory = memory_of(of->hw, of->out->this_system);
        if (of->out->this_system)
                restrict_to_binding(of->hw);
        rc = read_numa(of);
        if (rc == 0)
                rc = read_distances(of);
        if (rc == 0)
                rc = read_cores(of);
        if (rc == 0 && of->out->this_system)
                heed_allocation(of->out);
        if (rc == 0 && with_gpus)
                rc = xpm_gpus_find(of->hw, of->out->this_system ? &XPM_GPUS_HERE : NULL, of->arena, &of->out->gpus,
                                   &of->out->gpu_count, of->err);
        return rc;
}

int xpm_topology_load(bool with_gpus, xpm_topology **out, xpm_error *err)
{
        xpm_arena *arena = xpm_arena_create();
        struct owned *owned = arena ? xpm_arena_alloc(arena, sizeof *owned) : NULL;
        struct loading of = {.arena = arena, .err = err};
        int rc = 0;
        if (!owned || hwloc_topology_init(&of.hw) != 0)
                rc = xpm_fail_memory(err);
        if (rc == 0) {
                owned->arena = arena;
                of.out = &owned->topology;
                rc = load(&of, with_gpus);
                hwloc_topology_destroy(of.hw);
        }
        if (rc == 0)
                *out = of.out;
        else
                xpm_arena_destroy(arena);
        return rc;
}

void xpm_topology_destroy(xpm_topology *topology)
{
        if (topology)
                xpm_arena_destroy(((struct owned *)topology)->arena);
}

void xpm_topology_cpu_list(const xpm_topology *topology, const xpm_bits *cores, xpm_text *text)
{
        hwloc_bitmap_t set = hwloc_bitmap_alloc();
        char *list = NULL;
        bool failed = !set;
        for (int i = xpm_bits_next(cores, -1); !failed && i >= 0 && (size_t)i < topology->core_count;
             i = xpm_bits_next(cores, i)) {
                const xpm_host_core *core = &topology->cores[i];
                for (uint32_t j = 0; j < core->pu_count; j++)
                        failed |= hwloc_bitmap_set(set, topology->pus[core->first_pu + j]) != 0;
        }
        if (failed || hwloc_bitmap_list_asprintf(&list, set) < 0)
                text->failed = true;
        else
                xpm_text_puts(text, list);
        free(list);
        hwloc_bitmap_free(set);
}
