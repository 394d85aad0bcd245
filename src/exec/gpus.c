/* One GPU has many names: cuda0, nvml0 and opencl0d0 may be the same device, and so may a line of nvidia-smi. What they
 * have in common is the place on the PCI bus, so whatever one source says of a place is added to what others said.
 *
 * Numbers are of little worth: CUDA counts what CUDA_VISIBLE_DEVICES leaves, NVML and nvidia-smi count all that the
 * container shows. A UUID means the same to all; a number stands for a device only where no UUID is known. */
#include "exec/gpus.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NVIDIA = 0x10de, AMD = 0x1002 };

xpm_found_gpu *xpm_found_gpus_at(xpm_found_gpus *found, const char *pci)
{
        for (size_t i = 0; *pci && i < found->count; i++)
                if (strcmp(found->items[i].gpu.pci, pci) == 0)
                        return &found->items[i];
        const char *copy = xpm_arena_strdup(found->arena, pci);
        found->failed |= !copy;
        if (!copy || found->count == XPM_DEVICES)
                return NULL;
        xpm_found_gpu *item = &found->items[found->count++];
        *item = (xpm_found_gpu){
                .gpu = {.name = "", .model = "", .visible = "", .pci = copy, .numa = -1},
                .number = -1,
                .seen = -1,
                .rank = 100,
        };
        return item;
}

bool xpm_found_gpus_lack(const xpm_found_gpus *found, enum xpm_gpu_kind kind)
{
        bool any = false;
        for (size_t i = 0; i < found->count; i++) {
                const xpm_host_gpu *gpu = &found->items[i].gpu;
                if (gpu->kind == kind && (!*gpu->visible || gpu->memory == 0))
                        return true;
                any |= gpu->kind == kind;
        }
        return !any;
}

void xpm_found_gpus_set(xpm_found_gpus *found, const char **field, const char *text, size_t length)
{
        if (**field || length == 0)
                return;
        const char *copy = xpm_arena_strndup(found->arena, text, length);
        if (copy)
                *field = copy;
        else
                found->failed = true;
}

/* What hwloc says of devices, by their subtype. */
struct flavour {
        const char *subtype;
        enum xpm_gpu_kind kind; /* ANY: its vendor tells */
        const char *uuid;       /* NULL: none that anybody understands */
        const char *memory[2];  /* in kilobytes, added up */
        const char *model;
};

static const struct flavour flavours[] = {
        /* the best name first */
        {"CUDA", XPM_GPU_CUDA, NULL, {"CUDAGlobalMemorySize"}, "GPUModel"},
        {"NVML", XPM_GPU_CUDA, "NVIDIAUUID", {NULL}, "GPUModel"},
        {"RSMI", XPM_GPU_ROCM, "AMDUUID", {"RSMIVRAMSize"}, "GPUModel"},
        {"LevelZero", XPM_GPU_ANY, NULL, {"LevelZeroHBMSize", "LevelZeroDDRSize"}, "LevelZeroModel"},
        {"OpenCL", XPM_GPU_ANY, NULL, {"OpenCLGlobalMemorySize"}, "GPUModel"},
};

enum {
        FLAVOURS = sizeof flavours / sizeof *flavours,
        IS_CUDA = 0,
        IS_LEVEL_ZERO = FLAVOURS - 2,
        IS_OPENCL = FLAVOURS - 1
};

/* The place of the flavour of DEVICE; FLAVOURS for what is no accelerator: a display, a processor with OpenCL. */
static size_t flavour_of(hwloc_obj_t device)
{
        size_t i = 0;
        const char *type = hwloc_obj_get_info_by_name(device, "OpenCLDeviceType");
        enum hwloc_obj_osdev_type_e kind = device->attr->osdev.type;
        if ((kind != HWLOC_OBJ_OSDEV_GPU && kind != HWLOC_OBJ_OSDEV_COPROC) || !device->subtype)
                return FLAVOURS;
        while (i < FLAVOURS && strcmp(device->subtype, flavours[i].subtype) != 0)
                i++;
        return i == IS_OPENCL && type && strcmp(type, "CPU") == 0 ? FLAVOURS : i;
}

/* The NUMA node that OBJECT, or what it hangs on, is near to. */
static int numa_of(hwloc_topology_t hw, hwloc_obj_t object)
{
        int nodes = hwloc_get_nbobjs_by_type(hw, HWLOC_OBJ_NUMANODE);
        hwloc_obj_t near = object ? hwloc_get_non_io_ancestor_obj(hw, object) : NULL;
        if (nodes == 1)
                return 0;
        if (!near || !near->nodeset || hwloc_bitmap_weight(near->nodeset) == nodes)
                return -1;
        hwloc_obj_t node = hwloc_get_numanode_obj_by_os_index(hw, (unsigned)hwloc_bitmap_first(near->nodeset));
        return node && node->logical_index < XPM_NUMA_NODES ? (int)node->logical_index : -1;
}

/* The number at the end of `nvml3`, -1 without. */
static int number_of(const char *name)
{
        size_t length = strlen(name), start = length;
        while (start > 0 && isdigit((unsigned char)name[start - 1]))
                start--;
        return length > start && length - start < 6 ? atoi(name + start) : -1;
}

/* ROCm's names are `GPU-` and 16 digits; 0 is a device that has none. */
static void set_uuid(xpm_found_gpus *found, xpm_host_gpu *gpu, const char *uuid)
{
        char text[32];
        if (gpu->kind == XPM_GPU_ROCM && uuid) {
                unsigned long long id = strtoull(uuid, NULL, 16);
                snprintf(text, sizeof text, "GPU-%016llx", id);
                uuid = id > 0 ? text : NULL;
        }
        if (uuid)
                xpm_found_gpus_set(found, &gpu->visible, uuid, strlen(uuid));
}

static void add(xpm_found_gpus *found, hwloc_topology_t hw, hwloc_obj_t device, size_t at)
{
        const struct flavour *flavour = &flavours[at];
        hwloc_obj_t bus = device->parent->type == HWLOC_OBJ_PCI_DEVICE ? device->parent : NULL;
        char pci[32] = "";
        if (bus)
                snprintf(pci, sizeof pci, "%04x:%02x:%02x.%01x", bus->attr->pcidev.domain, bus->attr->pcidev.bus,
                         bus->attr->pcidev.dev, bus->attr->pcidev.func);
        xpm_found_gpu *item = xpm_found_gpus_at(found, pci);
        if (!item)
                return;
        xpm_host_gpu *gpu = &item->gpu;
        if (gpu->kind == XPM_GPU_ANY)
                gpu->kind = flavour->kind != XPM_GPU_ANY                   ? flavour->kind
                            : bus && bus->attr->pcidev.vendor_id == NVIDIA ? XPM_GPU_CUDA
                            : bus && bus->attr->pcidev.vendor_id == AMD    ? XPM_GPU_ROCM
                                                                           : XPM_GPU_ANY;
        if ((int)at < item->rank) {
                gpu->name = "";
                item->rank = (int)at;
                xpm_found_gpus_set(found, &gpu->name, device->name, strlen(device->name));
        }
        const char *model = hwloc_obj_get_info_by_name(device, flavour->model);
        if (model)
                xpm_found_gpus_set(found, &gpu->model, model, strlen(model));
        uint64_t memory = 0;
        for (size_t i = 0; i < 2 && flavour->memory[i]; i++) {
                const char *size = hwloc_obj_get_info_by_name(device, flavour->memory[i]);
                memory += size ? strtoull(size, NULL, 10) * 1024 : 0;
        }
        if (gpu->memory == 0)
                gpu->memory = memory;
        if (flavour->uuid)
                set_uuid(found, gpu, hwloc_obj_get_info_by_name(device, flavour->uuid));
        gpu->numa = numa_of(hw, device);
        if (at == IS_CUDA)
                item->seen = number_of(device->name);
        else if (at != IS_OPENCL || (gpu->kind == XPM_GPU_ANY && !gpu->level_zero))
                item->number = number_of(device->name);
        if (at == IS_LEVEL_ZERO)
                gpu->level_zero = item->number >= 0;
}

static bool is_named(const xpm_found_gpu *item, const char *word, size_t length)
{
        return isdigit((unsigned char)*word) ? item->number == atoi(word)
                                             : strncmp(item->gpu.visible, word, length) == 0;
}

/* Does WORD, which names nothing that is known, stand for a device all the same? A part of one does, and, with GUESS,
 * whatever looks like one. */
static bool is_device(const char *word, bool guess)
{
        return strncmp(word, "MIG-", 4) == 0 ||
               (guess && (isdigit((unsigned char)*word) || strncmp(word, "GPU-", 4) == 0));
}

/* Which of KIND the list WORD,WORD,… keeps. It ends, as for the drivers, at the first word that means nothing. */
static void keep(xpm_found_gpus *found, enum xpm_gpu_kind kind, const char *list, bool guess)
{
        size_t known = found->count;
        for (const char *end; *list; list = end + (*end == ',')) {
                bool met = false;
                end = list + strcspn(list, ",");
                list += strspn(list, " ");
                if (list >= end)
                        return;
                size_t length = (size_t)(end - list);
                for (size_t i = 0; i < known; i++)
                        if (found->items[i].gpu.kind == kind && is_named(&found->items[i], list, length))
                                found->items[i].kept = met = true;
                if (!met && !is_device(list, guess))
                        return;
                xpm_found_gpu *item = met ? NULL : xpm_found_gpus_at(found, "");
                if (item) {
                        item->gpu.kind = kind;
                        item->kept = true;
                        xpm_found_gpus_set(found, &item->gpu.visible, list, length);
                }
        }
}

/* CUDA itself has seen to it. What its numbers mean stands in LIST, which jobs will not see. */
static bool keep_seen(xpm_found_gpus *found, const char *list)
{
        bool asked = false;
        for (size_t i = 0; i < found->count; i++) {
                xpm_found_gpu *item = &found->items[i];
                const char *word = list;
                if (item->gpu.kind != XPM_GPU_CUDA || item->seen < 0)
                        continue;
                for (int skip = item->seen; skip > 0 && word; skip--) {
                        word = strchr(word, ',');
                        word = word ? word + 1 : NULL;
                }
                if (word)
                        xpm_found_gpus_set(found, &item->gpu.visible, word, strcspn(word, ","));
                item->kept = asked = true;
        }
        return asked;
}

/* Only what the variables leave to us. Where nothing is known of devices, their words are the devices; a cluster that
 * does not know of what kind those are sets all variables. */
static void restrict_visible(xpm_found_gpus *found)
{
        const char *cuda = getenv("CUDA_VISIBLE_DEVICES"), *rocm = getenv("ROCR_VISIBLE_DEVICES");
        bool guess = found->count == 0;
        if (guess && !cuda && !rocm)
                cuda = getenv("SLURM_STEP_GPUS");
        for (size_t i = 0; i < found->count; i++) {
                enum xpm_gpu_kind kind = found->items[i].gpu.kind;
                found->items[i].kept = !(kind == XPM_GPU_CUDA ? cuda : kind == XPM_GPU_ROCM ? rocm : NULL);
        }
        if (cuda && !keep_seen(found, cuda))
                keep(found, XPM_GPU_CUDA, cuda, guess);
        if (rocm)
                keep(found, XPM_GPU_ROCM, rocm, guess && !cuda);
        /* Level Zero may count anew what a mask leaves: then that stands for jobs as it is. */
        const char *mask = getenv("ZE_AFFINITY_MASK");
        for (size_t i = 0; mask && *mask && i < found->count; i++)
                found->items[i].gpu.level_zero = false;
        size_t kept = 0;
        for (size_t i = 0; i < found->count; i++)
                if (found->items[i].kept)
                        found->items[kept++] = found->items[i];
        found->count = kept;
}

/* Names for those that only a driver or a variable knows, and numbers for those without a UUID. */
static int finish(xpm_found_gpus *found, hwloc_topology_t hw)
{
        static const char *const stems[] = {[XPM_GPU_ANY] = "gpu", [XPM_GPU_CUDA] = "cuda", [XPM_GPU_ROCM] = "rocm"};
        size_t of_kind[] = {[XPM_GPU_ANY] = 0, [XPM_GPU_CUDA] = 0, [XPM_GPU_ROCM] = 0};
        for (size_t i = 0; i < found->count; i++) {
                xpm_found_gpu *item = &found->items[i];
                xpm_host_gpu *gpu = &item->gpu;
                char text[32];
                unsigned domain, bus, device, function;
                int order = (int)of_kind[gpu->kind]++;
                int length =
                        snprintf(text, sizeof text, "%s%d", stems[gpu->kind], item->number >= 0 ? item->number : order);
                xpm_found_gpus_set(found, &gpu->name, text, (size_t)length);
                length = snprintf(text, sizeof text, "%d",
                                  item->number >= 0 ? item->number
                                  : item->seen >= 0 ? item->seen
                                                    : order);
                xpm_found_gpus_set(found, &gpu->visible, text, (size_t)length);
                if (gpu->numa < 0 && sscanf(gpu->pci, "%x:%x:%x.%x", &domain, &bus, &device, &function) == 4)
                        gpu->numa = numa_of(hw, hwloc_get_pcidev_by_busid(hw, domain, bus, device, function));
                else if (gpu->numa < 0)
                        gpu->numa = numa_of(hw, NULL);
        }
        return found->failed ? XPM_ENOMEM : 0;
}

int xpm_gpus_find(hwloc_topology_t hw, const xpm_gpu_place *place, xpm_arena *arena, const xpm_host_gpu **out,
                  size_t *count, xpm_error *err)
{
        xpm_found_gpus *found = xpm_arena_alloc(arena, sizeof *found);
        if (!found)
                return xpm_fail_memory(err);
        found->arena = arena;
        found->place = place;
        for (hwloc_obj_t device = NULL; (device = hwloc_get_next_osdev(hw, device));) {
                size_t at = flavour_of(device);
                if (at < FLAVOURS && device->parent->type != HWLOC_OBJ_OS_DEVICE) /* else a part of one */
                        add(found, hw, device, at);
        }
        if (place) {
                xpm_found_gpus_ask(found);
                restrict_visible(found);
        }
        xpm_host_gpu *gpus = xpm_arena_calloc(arena, found->count + 1, sizeof *gpus);
        if (finish(found, hw) != 0 || !gpus)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < found->count; i++) {
                gpus[i] = found->items[i].gpu;
                gpus[i].level_zero &= gpus[i].kind == XPM_GPU_ANY;
        }
        *out = gpus;
        *count = found->count;
        return 0;
}
