/* Every source may be absent, or say less than another: a container's NUMA nodes have the memory of the host, a Slurm
 * without control groups limits nobody but kills who uses more than it asked for. So all are asked, and what one does
 * not tell is no limit. A limit holds for all groups below it; the one that counts may stand at any height. */
#include "exec/hostmemory.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "exec/cgroupmount.h"

enum { FILE_LIMIT = 1 << 16 };

static uint64_t least(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* NUMBER times UNIT; "no limit" when it is no number or too big a one. */
static uint64_t parse(const char *number, uint64_t unit)
{
        uint64_t bytes;
        char *end;
        if (!number || !isdigit((unsigned char)*number))
                return UINT64_MAX;
        uint64_t value = strtoull(number, &end, 10);
        return end == number || __builtin_mul_overflow(value, unit, &bytes) ? UINT64_MAX : bytes;
}

static uint64_t total(const char *path)
{
        static const char key[] = "MemTotal:";
        xpm_text text = XPM_TEXT_INIT;
        uint64_t bytes = UINT64_MAX;
        if (xpm_file_read(AT_FDCWD, path, FILE_LIMIT, &text, NULL) == 0) {
                const char *line = strstr(xpm_text_string(&text), key);
                if (line) {
                        line += strlen(key);
                        bytes = parse(line + strspn(line, " \t"), 1024);
                }
        }
        xpm_text_release(&text);
        return bytes;
}

/* The least of the files called FILE in the directory PATH and those above, down to its first TOP bytes. */
static uint64_t limit_of(char *path, size_t top, const char *file)
{
        xpm_text name = XPM_TEXT_INIT, text = XPM_TEXT_INIT;
        uint64_t bytes = UINT64_MAX;
        for (size_t length = strlen(path); length >= top && length > 0; length--) {
                if (path[length] != '/' && path[length] != '\0')
                        continue;
                path[length] = '\0';
                xpm_text_clear(&name);
                xpm_text_clear(&text);
                xpm_text_printf(&name, "%s/%s", path, file);
                if (xpm_file_read(AT_FDCWD, xpm_text_string(&name), FILE_LIMIT, &text, NULL) == 0)
                        bytes = least(bytes, parse(xpm_text_string(&text), 1)); /* "max" is no number */
        }
        xpm_text_release(&name);
        xpm_text_release(&text);
        return bytes;
}

static uint64_t of_groups(const xpm_memory_place *place)
{
        static const struct {
                const char *controller, *seen, *limit;
        } hierarchies[] = {{NULL, "cgroup.controllers", "memory.max"},
                           {"memory", "memory.limit_in_bytes", "memory.limit_in_bytes"}};
        uint64_t bytes = UINT64_MAX;
        for (size_t i = 0; i < sizeof hierarchies / sizeof *hierarchies; i++) {
                size_t top = 0;
                char *path = xpm_cgroup_find(place->self, place->mounts, hierarchies[i].controller, hierarchies[i].seen,
                                             &top);
                if (path)
                        bytes = least(bytes, limit_of(path, top, hierarchies[i].limit));
                free(path);
        }
        return bytes;
}

/* In megabytes; 0 is all that the node has. */
static uint64_t of_slurm(void)
{
        if (!getenv("SLURM_JOB_ID"))
                return UINT64_MAX;
        uint64_t node = parse(getenv("SLURM_MEM_PER_NODE"), UINT64_C(1) << 20), bytes;
        uint64_t cpu = parse(getenv("SLURM_MEM_PER_CPU"), UINT64_C(1) << 20);
        uint64_t cpus = parse(getenv("SLURM_CPUS_ON_NODE"), 1);
        if (cpus == UINT64_MAX || cpus == 0 || cpu == 0 || __builtin_mul_overflow(cpu, cpus, &bytes))
                bytes = UINT64_MAX;
        return least(node > 0 ? node : UINT64_MAX, bytes);
}

uint64_t xpm_host_memory(const xpm_memory_place *place)
{
        return least(total(place->total), least(of_groups(place), of_slurm()));
}
