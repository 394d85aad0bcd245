/* GPUs that hwloc was not built to know: distributions have no plug-ins for CUDA, NVML and RSMI. NVIDIA's driver is
 * asked by nvidia-smi, which alone tells how much memory they have, and shows only those of our container; without it,
 * by the files of the driver. AMD's driver tells all in files, and those of devices that are not ours cannot be read.
 * What cannot be had, or is not understood, is as if it were not there. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/spawn.h"
#include "exec/gpus.h"

/* PATIENCE in milliseconds: without its persistence daemon it takes some seconds. */
enum { OUTPUT_LIMIT = 1 << 20, FILE_LIMIT = 1 << 16, AMD = 0x1002, PATIENCE = 30000 };

/* PCI ids as hwloc writes them: nvidia-smi's domain has eight digits, and letters may be big. */
static void unify_pci(char *pci)
{
        size_t domain = strcspn(pci, ":");
        if (domain > 4)
                memmove(pci, pci + domain - 4, strlen(pci) - domain + 5);
        for (; *pci; pci++)
                *pci = (char)tolower((unsigned char)*pci);
}

static void set(xpm_found_gpus *found, const char **field, const char *text)
{
        xpm_found_gpus_set(found, field, text, strlen(text));
}

/* `0, GPU-…, NVIDIA H100, 81559, 00000000:18:00.0`, in megabytes. */
static void read_smi_line(xpm_found_gpus *found, char *line)
{
        char *words[5], *rest = line;
        size_t count = 0;
        for (char *word; count < 5 && (word = strsep(&rest, ",")); count++)
                words[count] = word + strspn(word, " ");
        if (count != 5 || !isdigit((unsigned char)*words[0]) || strncmp(words[1], "GPU-", 4) != 0)
                return;
        unify_pci(words[4]);
        xpm_found_gpu *item = xpm_found_gpus_at(found, words[4]);
        if (!item)
                return;
        item->gpu.kind = XPM_GPU_CUDA;
        item->number = atoi(words[0]);
        set(found, &item->gpu.visible, words[1]);
        set(found, &item->gpu.model, words[2]);
        if (item->gpu.memory == 0)
                item->gpu.memory = strtoull(words[3], NULL, 10) << 20; /* `[N/A]` where it shares that of the host */
}

/* false when there is no such program, or it failed, or hangs, as it does with a device that fell off its bus. */
static bool ask_smi(xpm_found_gpus *found)
{
        static const char *const argv[] = {"nvidia-smi", "--query-gpu=index,uuid,name,memory.total,pci.bus_id",
                                           "--format=csv,noheader,nounits", NULL};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        xpm_text output = XPM_TEXT_INIT;
        int status;
        spawn.argv = argv;
        spawn.patience = PATIENCE;
        bool told = xpm_spawn_capture(&spawn, NULL, 0, OUTPUT_LIMIT, &output, NULL, &status, NULL) == 0 &&
                    WIFEXITED(status) && WEXITSTATUS(status) == 0;
        for (char *line, *rest = told ? output.data : NULL; rest && (line = strsep(&rest, "\n"));)
                read_smi_line(found, line);
        xpm_text_release(&output);
        return told;
}

/* What stands behind KEY at the beginning of a line, up to its end; NULL when it is not there. */
static const char *find(const char *text, const char *key, size_t *length)
{
        size_t size = strlen(key);
        while (text && strncmp(text, key, size) != 0) {
                text = strchr(text, '\n');
                text = text ? text + 1 : NULL;
        }
        if (!text)
                return NULL;
        text += size;
        text += strspn(text, " \t");
        *length = strcspn(text, "\n");
        return text;
}

static const char *read_file(int dir, const char *folder, const char *name, xpm_text *text)
{
        char path[320];
        xpm_text_clear(text);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        return xpm_file_read(dir, path, FILE_LIMIT, text, NULL) == 0 ? xpm_text_string(text) : NULL;
}

/* A control group may keep a device from us that the files of the driver show. */
static bool may_use(const xpm_found_gpus *found, const char *information)
{
        char path[320];
        size_t length;
        const char *minor = find(information, "Device Minor:", &length);
        if (!minor)
                return true;
        snprintf(path, sizeof path, "%s/nvidia%.*s", found->place->devices, (int)length, minor);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd >= 0)
                close(fd);
        return fd >= 0;
}

/* How many of KIND have a number. */
static int count_numbered(const xpm_found_gpus *found, enum xpm_gpu_kind kind)
{
        int count = 0;
        for (size_t i = 0; i < found->count; i++)
                count += found->items[i].gpu.kind == kind && found->items[i].number >= 0;
        return count;
}

/* A folder of /proc/driver/nvidia/gpus. Its UUID has question marks until somebody has used the device. */
static void read_nvidia(xpm_found_gpus *found, int dir, const char *folder, xpm_text *text)
{
        size_t length;
        char pci[32];
        const char *information = read_file(dir, folder, "information", text), *value;
        if (!information || strlen(folder) >= sizeof pci || !may_use(found, information))
                return;
        strcpy(pci, folder);
        unify_pci(pci);
        xpm_found_gpu *item = xpm_found_gpus_at(found, pci);
        if (!item)
                return;
        item->gpu.kind = XPM_GPU_CUDA;
        if (item->number < 0)
                item->number = count_numbered(found, XPM_GPU_CUDA);
        value = find(information, "GPU UUID:", &length);
        if (value && !memchr(value, '?', length))
                xpm_found_gpus_set(found, &item->gpu.visible, value, length);
        value = find(information, "Model:", &length);
        if (value)
                xpm_found_gpus_set(found, &item->gpu.model, value, length);
}

static uint64_t number(const char *text, const char *key)
{
        size_t length;
        const char *value = text ? find(text, key, &length) : NULL;
        return value ? strtoull(value, NULL, 10) : 0;
}

/* A folder of /sys/class/kfd/kfd/topology/nodes: processors have no SIMD units. ROCm counts devices in this order. */
static void read_kfd(xpm_found_gpus *found, int dir, const char *folder, xpm_text *text)
{
        char pci[32], uuid[32];
        const char *properties = read_file(dir, folder, "properties", text);
        if (!properties || number(properties, "simd_count ") == 0 || number(properties, "vendor_id ") != AMD)
                return;
        unsigned place = (unsigned)number(properties, "location_id ");
        unsigned domain = (unsigned)number(properties, "domain ");
        snprintf(pci, sizeof pci, "%04x:%02x:%02x.%x", domain, place >> 8 & 0xff, place >> 3 & 0x1f, place & 7);
        xpm_found_gpu *item = xpm_found_gpus_at(found, pci);
        if (!item)
                return;
        item->gpu.kind = XPM_GPU_ROCM;
        if (item->number < 0)
                item->number = count_numbered(found, XPM_GPU_ROCM);
        uint64_t id = number(properties, "unique_id ");
        snprintf(uuid, sizeof uuid, "GPU-%016llx", (unsigned long long)id);
        if (id > 0)
                set(found, &item->gpu.visible, uuid);
        if (item->gpu.memory == 0)
                item->gpu.memory = number(read_file(dir, folder, "mem_banks/0/properties", text), "size_in_bytes ");
        const char *name = read_file(dir, folder, "name", text); /* gfx90a */
        if (name)
                xpm_found_gpus_set(found, &item->gpu.model, name, strcspn(name, "\n"));
}

/* EACH for every folder in the directory PATH, by number. */
static void read_folders(xpm_found_gpus *found, const char *path,
                         void (*each)(xpm_found_gpus *found, int dir, const char *folder, xpm_text *text))
{
        struct dirent **entries = NULL;
        xpm_text text = XPM_TEXT_INIT;
        int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int count = dir < 0 ? 0 : scandirat(dir, ".", &entries, NULL, versionsort);
        for (int i = 0; i < count; i++) {
                if (entries[i]->d_name[0] != '.')
                        each(found, dir, entries[i]->d_name, &text);
                free(entries[i]);
        }
        free(entries);
        if (dir >= 0)
                close(dir);
        xpm_text_release(&text);
}

void xpm_found_gpus_ask(xpm_found_gpus *found)
{
        if (xpm_found_gpus_lack(found, XPM_GPU_CUDA) && !ask_smi(found))
                read_folders(found, found->place->nvidia, read_nvidia);
        if (xpm_found_gpus_lack(found, XPM_GPU_ROCM))
                read_folders(found, found->place->kfd, read_kfd);
}
