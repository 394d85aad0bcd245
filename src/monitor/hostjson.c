/* Numbers of cores, NUMA nodes and GPUs are places in their lists; sizes are bytes; a holder is a place in `holders`.
 */
#include "base/json.h"
#include "monitor/hostview.h"

typedef struct document {
        const xpm_topology *topology;
        const xpm_holder *holders;
        size_t count;
        xpm_text *text;
} document;

static void begin(const document *of, const char *key, char bracket)
{
        if (key)
                xpm_json_key(of->text, key);
        else
                xpm_json_item(of->text);
        xpm_text_putc(of->text, bracket);
}

static void put_int(const document *of, const char *key, uint64_t value)
{
        xpm_json_key(of->text, key);
        xpm_json_int(of->text, value < INT64_MAX ? (int64_t)value : INT64_MAX);
}

static void put_string(const document *of, const char *key, const char *value)
{
        xpm_json_key(of->text, key);
        xpm_json_cstring(of->text, value);
}

/* NUMBER, or null when there is none (-1). */
static void put_optional(const document *of, const char *key, int number)
{
        xpm_json_key(of->text, key);
        if (number < 0)
                xpm_text_puts(of->text, "null");
        else
                xpm_json_int(of->text, number);
}

static void put_bits(const document *of, const char *key, const xpm_bits *bits, size_t limit)
{
        begin(of, key, '[');
        for (int i = xpm_bits_next(bits, -1); i >= 0 && (size_t)i < limit; i = xpm_bits_next(bits, i)) {
                xpm_json_item(of->text);
                xpm_json_int(of->text, i);
        }
        xpm_text_putc(of->text, ']');
}

static int core_holder(const document *of, size_t core)
{
        for (size_t i = 0; i < of->count; i++)
                if (xpm_bits_has(&of->holders[i].portion.cores, (unsigned)core))
                        return (int)i;
        return -1;
}

static int gpu_holder(const document *of, size_t gpu)
{
        for (size_t i = 0; i < of->count; i++)
                if (xpm_bits_has(&of->holders[i].portion.gpus, (unsigned)gpu))
                        return (int)i;
        return -1;
}

static void write_packages(const document *of)
{
        const xpm_host_core *cores = of->topology->cores;
        begin(of, "packages", '[');
        for (size_t package = 0, written = 0; written < of->topology->core_count; package++) {
                xpm_bits members = {0};
                for (size_t i = 0; i < of->topology->core_count; i++)
                        if (cores[i].package == package) {
                                xpm_bits_add(&members, (unsigned)i);
                                written++;
                        }
                begin(of, NULL, '{');
                put_int(of, "index", package);
                put_bits(of, "cores", &members, of->topology->core_count);
                xpm_text_putc(of->text, '}');
        }
        xpm_text_putc(of->text, ']');
}

static void write_numa(const document *of)
{
        const xpm_topology *topology = of->topology;
        begin(of, "numa", '[');
        for (size_t i = 0; i < topology->numa_count; i++) {
                xpm_bits members = {0};
                for (size_t j = 0; j < topology->core_count; j++)
                        if (topology->cores[j].numa == i)
                                xpm_bits_add(&members, (unsigned)j);
                begin(of, NULL, '{');
                put_int(of, "index", i);
                put_int(of, "os_index", topology->numa[i].os_index);
                put_int(of, "package", topology->numa[i].package);
                put_int(of, "memory", topology->numa[i].memory);
                put_bits(of, "cores", &members, topology->core_count);
                begin(of, "distances", '[');
                for (size_t j = 0; j < topology->numa_count; j++) {
                        xpm_json_item(of->text);
                        xpm_json_int(of->text, topology->distances[i * topology->numa_count + j]);
                }
                xpm_text_puts(of->text, "]}");
        }
        xpm_text_putc(of->text, ']');
}

static void write_cores(const document *of)
{
        begin(of, "cores", '[');
        for (size_t i = 0; i < of->topology->core_count; i++) {
                const xpm_host_core *core = &of->topology->cores[i];
                begin(of, NULL, '{');
                put_int(of, "index", i);
                begin(of, "pus", '[');
                for (uint32_t j = 0; j < core->pu_count; j++) {
                        xpm_json_item(of->text);
                        xpm_json_int(of->text, of->topology->pus[core->first_pu + j]);
                }
                xpm_text_putc(of->text, ']');
                put_int(of, "numa", core->numa);
                put_int(of, "l3", core->l3);
                put_int(of, "package", core->package);
                put_int(of, "kind", core->kind);
                put_optional(of, "holder", core_holder(of, i));
                xpm_text_putc(of->text, '}');
        }
        xpm_text_putc(of->text, ']');
}

static void write_gpus(const document *of)
{
        begin(of, "gpus", '[');
        for (size_t i = 0; i < of->topology->gpu_count; i++) {
                const xpm_host_gpu *gpu = &of->topology->gpus[i];
                begin(of, NULL, '{');
                put_int(of, "index", i);
                put_string(of, "kind", xpm_gpu_kind_word(gpu->kind));
                put_string(of, "name", gpu->name);
                put_string(of, "model", gpu->model);
                put_string(of, "visible", gpu->visible);
                put_string(of, "pci", gpu->pci);
                put_int(of, "memory", gpu->memory);
                put_optional(of, "numa", gpu->numa);
                put_optional(of, "holder", gpu_holder(of, i));
                xpm_text_putc(of->text, '}');
        }
        xpm_text_putc(of->text, ']');
}

static void write_holders(const document *of)
{
        begin(of, "holders", '[');
        for (size_t i = 0; i < of->count; i++) {
                const xpm_holder *holder = &of->holders[i];
                begin(of, NULL, '{');
                put_optional(of, "pid", holder->pid > 0 ? (int)holder->pid : -1);
                put_string(of, "label", holder->label);
                put_bits(of, "cores", &holder->portion.cores, of->topology->core_count);
                put_bits(of, "gpus", &holder->portion.gpus, of->topology->gpu_count);
                put_int(of, "memory", holder->portion.memory);
                xpm_json_key(of->text, "waits");
                xpm_json_bool(of->text, holder->waits);
                xpm_text_putc(of->text, '}');
        }
        xpm_text_putc(of->text, ']');
}

void xpm_host_write_json(const xpm_topology *topology, const xpm_holder *holders, size_t count, xpm_text *text)
{
        const document of = {topology, holders, count, text};
        xpm_text_putc(text, '{');
        write_packages(&of);
        write_numa(&of);
        write_cores(&of);
        write_gpus(&of);
        put_int(&of, "memory", topology->memory);
        xpm_json_key(text, "this_system");
        xpm_json_bool(text, topology->this_system);
        write_holders(&of);
        xpm_text_puts(text, "}\n");
}
