/* Launchers are asked through a core of their own, which knows this host and no experiment: it can open launchers and
 * let them check what a job asks for. */
#include "monitor/launcherview.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "exec/channel.h"
#include "monitor/launcherstate.h"
#include "workspace/settings.h"

/* The core. */

/* There are no jobs. */
static void on_event(const xpm_core *core, const xpm_launch_event *event)
{
        (void)core;
        (void)event;
}

static void on_log(const xpm_core *core, int level, const char *line)
{
        xpm_launcher_view *view = core->data;
        xpm_text_printf(level <= XPM_LOG_WARNING ? &view->heard : &view->told, "%s\n", line);
}

/* Nobody counts them here. */
static void requested(const xpm_core *core, size_t count)
{
        (void)core;
        (void)count;
}

static int host_check(const xpm_core *core, const xpm_host_limits *limits, const xpm_shape *shape, xpm_error *err)
{
        xpm_launcher_view *view = core->data;
        return shape->need ? xpm_host_check(&view->host, limits, shape->need, err) : 0;
}

static int lend(xpm_launcher_view *view, xpm_error *err)
{
        char *dir = xpm_executable_dir();
        if (!dir)
                return errno == ENOMEM ? xpm_fail_memory(err)
                                       : xpm_fail_errno(err, "cannot find the directory of this program");
        view->executable = xpm_path_join(dir, "xpm");
        free(dir);
        if (!view->executable)
                return xpm_fail_memory(err);
        view->core = (xpm_core){
                .abi = XPM_LAUNCHER_ABI,
                .size = sizeof view->core,
                .data = view,
                .executable = view->executable,
                .workspace = "",
                .label = "",
                .event = on_event,
                .log = on_log,
                .host_limits = xpm_launcher_limits,
                .host_check = host_check,
                .requested = requested,
        };
        xpm_channel_lend(&view->core);
        return 0;
}

/* The view. */

int xpm_launcher_view_open(const char *config_dir, xpm_launcher_view **out, xpm_error *err)
{
        xpm_launcher_view *view = calloc(1, sizeof *view);
        if (!view)
                return xpm_fail_memory(err);
        view->arena = xpm_arena_create();
        view->path = xpm_settings_path(config_dir, "launchers.yaml");
        int rc = view->arena && view->path ? lend(view, err) : xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_launcher_file_read(config_dir, &view->file, err);
        if (rc == 0)
                rc = xpm_candidates_init(&view->candidates, view->file, &view->core, err);
        if (rc == 0)
                *out = view;
        else
                xpm_launcher_view_close(view);
        return rc;
}

void xpm_launcher_view_close(xpm_launcher_view *view)
{
        if (!view)
                return;
        xpm_candidates_release(&view->candidates);
        xpm_host_release(&view->host);
        xpm_launcher_file_destroy(view->file);
        xpm_arena_destroy(view->arena);
        xpm_text_release(&view->heard);
        xpm_text_release(&view->told);
        free(view->executable);
        free(view->path);
        free(view);
}

const char *xpm_launcher_view_path(const xpm_launcher_view *view)
{
        return view->path;
}

bool xpm_launcher_view_has_file(const xpm_launcher_view *view)
{
        return xpm_launcher_file_is_there(view->file);
}

size_t xpm_launcher_view_count(const xpm_launcher_view *view)
{
        return view->candidates.order_count;
}

size_t xpm_launcher_view_rank(const xpm_launcher_view *view, size_t place)
{
        size_t rank = 0;
        while (view->candidates.order[rank] != place)
                rank++;
        return rank;
}

xpm_launcher_row xpm_launcher_view_row(const xpm_launcher_view *view, size_t rank)
{
        const xpm_candidate *one = xpm_launcher_view_candidate(view, rank);
        if (!one->entry)
                return (xpm_launcher_row){.name = one->name, .type = one->name};
        return (xpm_launcher_row){.name = one->name,
                                  .type = one->entry->type,
                                  .tags = one->entry->tags,
                                  .tag_count = one->entry->tag_count,
                                  .priority = one->entry->priority,
                                  .line = one->entry->line};
}

/* What hosts offer. */

/* Without an entry its name is its type. */
static bool runs_here(const xpm_candidate *one)
{
        return strcmp(one->entry ? one->entry->type : one->name, "local") == 0;
}

static bool suits(const xpm_host_gpu *gpu, const xpm_gpu_need *said)
{
        return (said->kind == XPM_GPU_ANY || said->kind == gpu->kind) && gpu->memory >= said->memory;
}

/* The GPUs of this host by kind and memory: those that SAID (NULL: nothing) describes, and as many as it says. */
static int sort_gpus(xpm_launcher_view *view, const xpm_gpu_need *said, xpm_launcher_offer *out)
{
        const xpm_topology *topology = view->host.topology;
        xpm_gpu_need *gpus = xpm_arena_calloc(view->arena, topology->gpu_count + 1, sizeof *gpus);
        int64_t left = said ? said->count : INT64_MAX;
        if (!gpus)
                return XPM_ENOMEM;
        for (size_t i = 0, at; i < topology->gpu_count && left > 0; i++) {
                const xpm_host_gpu *gpu = &topology->gpus[i];
                if (said && !suits(gpu, said))
                        continue;
                for (at = 0; at < out->gpu_count; at++)
                        if (gpus[at].kind == gpu->kind && gpus[at].memory == gpu->memory)
                                break;
                if (at == out->gpu_count)
                        gpus[out->gpu_count++] = (xpm_gpu_need){.kind = gpu->kind, .memory = gpu->memory};
                gpus[at].count++;
                left--;
        }
        out->gpus = gpus;
        out->gpus_known = true;
        return 0;
}

/* The lesser of what there is and what was SAID, if anything. */
static uint64_t least(uint64_t there, uint64_t said)
{
        return said > 0 && said < there ? said : there;
}

static int offer_here(xpm_launcher_view *view, const xpm_launcher_entry *entry, xpm_launcher_offer *out, xpm_error *err)
{
        size_t cores;
        xpm_host_limits limits;
        int rc = xpm_host_cores(&view->host, true, &cores, err);
        if (rc == 0)
                rc = xpm_launcher_limits(entry ? entry->config : NULL, &limits, err);
        if (rc != 0)
                return rc;
        const xpm_need said = entry ? entry->host : (xpm_need){0};
        out->cores = (int64_t)least(least(cores, (uint64_t)limits.cores), (uint64_t)said.cores);
        out->memory = least(least(view->host.topology->memory, limits.memory), said.memory);
        return sort_gpus(view, said.gpu_count ? &said.gpus[0] : NULL, out) == 0 ? 0 : xpm_fail_memory(err);
}

int xpm_launcher_view_offer(xpm_launcher_view *view, size_t rank, xpm_launcher_offer *out, xpm_error *err)
{
        const xpm_candidate *one = xpm_launcher_view_candidate(view, rank);
        const xpm_launcher_entry *entry = one->entry;
        *out = (xpm_launcher_offer){.duration = entry ? entry->max_duration : 0};
        if (runs_here(one))
                return offer_here(view, entry, out, err);
        if (!entry)
                return 0;
        out->cores = entry->host.cores;
        out->memory = entry->host.memory;
        out->gpus = entry->host.gpus;
        out->gpu_count = entry->host.gpu_count;
        /* Who tells of cores or memory and not of GPUs has none (choice.c). */
        out->gpus_known = out->gpu_count > 0 || out->cores > 0 || out->memory > 0;
        return 0;
}

/* Whether they can be used. */

static void compare(const xpm_launcher_view *view, const xpm_launcher_entry *entry, const xpm_host_limits *limits,
                    xpm_text *warnings)
{
        const xpm_topology *topology = view->host.topology;
        int64_t cores = limits->cores > entry->host.cores ? limits->cores : entry->host.cores;
        uint64_t memory = limits->memory > entry->host.memory ? limits->memory : entry->host.memory;
        if (cores > (int64_t)topology->core_count)
                xpm_text_printf(warnings, "it says %" PRId64 " cores, and this host has %zu\n", cores,
                                topology->core_count);
        if (memory > topology->memory)
                xpm_text_printf(warnings, "it says %s of memory, and this host has %s\n",
                                xpm_quantity_size(memory).text, xpm_quantity_size(topology->memory).text);
        for (size_t i = 0; i < entry->host.gpu_count; i++) {
                const xpm_gpu_need *said = &entry->host.gpus[i];
                int64_t there = 0;
                for (size_t k = 0; k < topology->gpu_count; k++)
                        there += suits(&topology->gpus[k], said);
                if (there < said->count)
                        xpm_text_printf(warnings, "it says %" PRId64 " GPUs (%s%s%s), and this host has %" PRId64 "\n",
                                        said->count, xpm_gpu_kind_word(said->kind), said->memory ? ", " : "",
                                        said->memory ? xpm_quantity_size(said->memory).text : "", there);
        }
}

int xpm_launcher_view_check(xpm_launcher_view *view, size_t rank, const char **trouble, const char **warnings,
                            xpm_error *err)
{
        const xpm_candidate *one = xpm_launcher_view_candidate(view, rank);
        xpm_error own = XPM_ERROR_NONE;
        xpm_host_limits limits;
        size_t cores;
        int rc = 0;
        xpm_text_clear(&view->heard);
        xpm_text_clear(&view->told);
        if (xpm_candidates_open(&view->candidates, view->candidates.order[rank], &own) == XPM_ENOMEM)
                return xpm_fail_memory(err);
        /* One that runs jobs elsewhere is asked whether it is there. */
        const xpm_need anything = {.cores = 1};
        if (!own.code && !runs_here(one) && one->ops->check)
                xpm_candidates_check(&view->candidates, view->candidates.order[rank], &anything, &own);
        if (one->entry && runs_here(one)) {
                rc = xpm_host_cores(&view->host, one->entry->host.gpu_count > 0, &cores, err);
                if (rc == 0)
                        rc = xpm_launcher_limits(one->entry->config, &limits, err);
                if (rc == 0)
                        compare(view, one->entry, &limits, &view->heard);
        }
        *trouble = own.code ? xpm_arena_strdup(view->arena, own.message) : NULL;
        *warnings = xpm_arena_strdup(view->arena, xpm_text_string(&view->heard));
        bool whole = *warnings && (*trouble || !own.code) && !view->heard.failed;
        return rc != 0 || whole ? rc : xpm_fail_memory(err);
}

const char *xpm_launcher_view_told(const xpm_launcher_view *view)
{
        return xpm_text_string(&view->told);
}
