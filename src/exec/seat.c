#include "exec/seat.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In a mask of Level Zero: words that name no device are passed over. */
#define NO_DEVICE "9999"

/* `0-3,8`, as the kernel writes lists of processors. */
static void put_list(xpm_text *text, const xpm_bits *numbers)
{
        const char *comma = "";
        for (int first = -1; (first = xpm_bits_next(numbers, first)) >= 0;) {
                int last = first;
                while (last + 1 < XPM_BITS && xpm_bits_has(numbers, (unsigned)last + 1))
                        last++;
                xpm_text_printf(text, last > first ? "%s%d-%d" : "%s%d", comma, first, last);
                comma = ",";
                first = last;
        }
}

static void put_places(xpm_text *text, const xpm_topology *topology, const xpm_bits *cores)
{
        const char *comma = "";
        for (int core = -1; (core = xpm_bits_next(cores, core)) >= 0;) {
                const xpm_host_core *one = &topology->cores[core];
                xpm_text_printf(text, "%s{", comma);
                for (uint32_t i = 0; i < one->pu_count; i++)
                        xpm_text_printf(text, i ? ",%u" : "%u", topology->pus[one->first_pu + i]);
                xpm_text_putc(text, '}');
                comma = ",";
        }
}

/* KIND XPM_GPU_ANY: all. */
static void put_devices(xpm_text *text, const xpm_topology *topology, const xpm_bits *gpus, enum xpm_gpu_kind kind)
{
        const char *comma = "";
        for (int gpu = -1; (gpu = xpm_bits_next(gpus, gpu)) >= 0;) {
                const xpm_host_gpu *one = &topology->gpus[gpu];
                if (kind != XPM_GPU_ANY && one->kind != kind)
                        continue;
                xpm_text_printf(text, "%s%s", comma, one->visible);
                comma = ",";
        }
}

/* Those that ZE_AFFINITY_MASK names. Tells whether the host has some. */
static bool put_mask(xpm_text *text, const xpm_topology *topology, const xpm_bits *gpus)
{
        const char *comma = "";
        bool any = false;
        for (size_t i = 0; i < topology->gpu_count; i++) {
                any |= topology->gpus[i].level_zero;
                if (!topology->gpus[i].level_zero || !xpm_bits_has(gpus, (unsigned)i))
                        continue;
                xpm_text_printf(text, "%s%s", comma, topology->gpus[i].visible);
                comma = ",";
        }
        if (any && !*comma)
                xpm_text_puts(text, NO_DEVICE);
        return any;
}

static bool has_kind(const xpm_topology *topology, enum xpm_gpu_kind kind)
{
        for (size_t i = 0; i < topology->gpu_count; i++)
                if (topology->gpus[i].kind == kind)
                        return true;
        return false;
}

static const char *keep(xpm_arena *arena, xpm_text *text, bool *failed)
{
        const char *kept = text->failed ? NULL : xpm_arena_strdup(arena, xpm_text_string(text));
        *failed |= !kept;
        xpm_text_clear(text);
        return kept;
}

int xpm_seat_describe(xpm_seat *seat, const xpm_topology *topology, const xpm_placement *placement,
                      const xpm_portion *portion, xpm_arena *arena, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        bool failed = false;
        *seat = (xpm_seat){.portion = *portion,
                           .cores = xpm_bits_count(&portion->cores),
                           .stock = -1,
                           .this_system = topology->this_system && !topology->counted,
                           .bind_memory = topology->this_system && !topology->counted && topology->numa_count > 1};
        for (int core = -1; (core = xpm_bits_next(&portion->cores, core)) >= 0;) {
                const xpm_host_core *one = &topology->cores[core];
                for (uint32_t i = 0; i < one->pu_count; i++) {
                        uint32_t number = topology->pus[one->first_pu + i];
                        if (number < XPM_BITS)
                                xpm_bits_add(&seat->cpus, number);
                        else /* a set that lacks some would be worse than none */
                                seat->this_system = false;
                }
        }
        if (seat->bind_memory)
                xpm_placement_nodes(placement, &portion->cores, &seat->nodes);
        put_list(&text, &seat->cpus);
        seat->cpuset = keep(arena, &text, &failed);
        put_places(&text, topology, &portion->cores);
        seat->places = keep(arena, &text, &failed);
        if (topology->gpu_count > 0) {
                put_devices(&text, topology, &portion->gpus, XPM_GPU_ANY);
                seat->devices = keep(arena, &text, &failed);
        }
        if (has_kind(topology, XPM_GPU_CUDA)) {
                put_devices(&text, topology, &portion->gpus, XPM_GPU_CUDA);
                seat->cuda = keep(arena, &text, &failed);
        }
        if (has_kind(topology, XPM_GPU_ROCM)) {
                put_devices(&text, topology, &portion->gpus, XPM_GPU_ROCM);
                seat->rocm = keep(arena, &text, &failed);
        }
        if (put_mask(&text, topology, &portion->gpus))
                seat->level_zero = keep(arena, &text, &failed);
        xpm_text_release(&text);
        return failed ? xpm_fail_memory(err) : 0;
}

const char *xpm_seat_mismatch(const xpm_seat *seat, pid_t pid, xpm_arena *arena)
{
        xpm_bits now = {0};
        xpm_text text = XPM_TEXT_INIT;
        bool failed = false;
        if (!seat->this_system || syscall(SYS_sched_getaffinity, pid, sizeof now, &now) < 0)
                return NULL;
        /* A program may well choose among what it was given. */
        if (xpm_bits_include(&seat->cpus, &now))
                return NULL;
        put_list(&text, &now);
        const char *list = keep(arena, &text, &failed);
        xpm_text_release(&text);
        return list;
}
