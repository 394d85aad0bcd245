#include "engine/choice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/words.h"
#include "exec/loader.h"

static const char *const types[] = {"local", "slurm", "mpi"};
enum { LOCAL, SLURM, TYPES = sizeof types / sizeof *types };

/* This host. */

static int load_topology(xpm_host *host, bool devices, xpm_error *err)
{
        if (host->topology && (host->topology->with_gpus || !devices))
                return 0;
        xpm_host_release(host);
        return xpm_topology_load(devices, &host->topology, err);
}

int xpm_host_cores(xpm_host *host, bool devices, size_t *cores, xpm_error *err)
{
        int rc = load_topology(host, devices, err);
        if (rc == 0)
                *cores = host->topology->core_count;
        return rc;
}

int xpm_host_check(xpm_host *host, const xpm_host_limits *limits, const xpm_need *need, xpm_error *err)
{
        int rc = load_topology(host, need->gpu_count > 0, err);
        bool same = host->placement && host->limits.cores == limits->cores && host->limits.memory == limits->memory;
        if (rc == 0 && !same) {
                xpm_placement_destroy(host->placement);
                host->placement = NULL;
                host->limits = *limits;
                rc = xpm_placement_create(host->topology, (size_t)limits->cores, limits->memory, &host->placement, err);
        }
        const xpm_demand demand = xpm_demand_of(need);
        return rc == 0 ? xpm_placement_check(host->placement, &demand, err) : rc;
}

void xpm_host_release(xpm_host *host)
{
        xpm_placement_destroy(host->placement);
        xpm_topology_destroy(host->topology);
        *host = (xpm_host){0};
}

/* Candidates. */

static int add(xpm_candidates *candidates, const char *name, const xpm_launcher_entry *entry, xpm_error *err)
{
        if (candidates->count == XPM_CANDIDATES)
                return xpm_fail(err, XPM_ELAUNCHER, "more than %d launchers cannot be told apart", XPM_CANDIDATES);
        candidates->list[candidates->count++] = (xpm_candidate){.name = name, .entry = entry};
        return 0;
}

/* By priority; those of one priority stay in order. */
static void rank(xpm_candidates *candidates)
{
        for (size_t i = 0; i < candidates->count; i++) {
                size_t at = candidates->order_count++;
                int64_t priority = candidates->list[i].entry->priority;
                for (; at > 0 && candidates->list[candidates->order[at - 1]].entry->priority < priority; at--)
                        candidates->order[at] = candidates->order[at - 1];
                candidates->order[at] = i;
        }
}

/* Of a cluster, and outside of an allocation: no sweep should land here unless that is said. An engine that was
 * submitted by itself (XPM_ENGINE) chooses as it would have where it was submitted. */
static bool is_login_node(void)
{
        const char *conf = getenv("SLURM_CONF");
        return (!getenv("SLURM_JOB_ID") || getenv("XPM_ENGINE")) &&
               access(conf && *conf ? conf : "/etc/slurm/slurm.conf", F_OK) == 0;
}

int xpm_candidates_init(xpm_candidates *candidates, const xpm_launcher_file *file, const xpm_core *core, xpm_error *err)
{
        int rc = 0;
        *candidates = (xpm_candidates){.file = file, .core = core};
        for (size_t i = 0; rc == 0 && i < xpm_launcher_file_count(file); i++)
                rc = add(candidates, xpm_launcher_file_entry(file, i)->name, xpm_launcher_file_entry(file, i), err);
        if (rc == 0)
                rank(candidates);
        if (rc == 0 && candidates->count == 0) {
                rc = add(candidates, types[is_login_node() ? SLURM : LOCAL], NULL, err);
                candidates->order[candidates->order_count++] = 0;
        }
        return rc;
}

void xpm_candidates_release(xpm_candidates *candidates)
{
        for (size_t i = 0; i < candidates->count; i++)
                if (candidates->list[i].instance)
                        candidates->list[i].ops->close(candidates->list[i].instance);
        candidates->count = candidates->order_count = 0;
}

static bool is_type(const char *name)
{
        for (size_t i = 0; i < TYPES; i++)
                if (strcmp(types[i], name) == 0)
                        return true;
        return false;
}

static int refuse(const xpm_candidates *candidates, const char *name, xpm_error *err)
{
        const char *known[XPM_CANDIDATES + TYPES];
        size_t count = 0;
        for (; count < candidates->count; count++)
                known[count] = candidates->list[count].name;
        for (size_t i = 0; i < TYPES; i++)
                known[count++] = types[i];
        const char *near = xpm_words_nearest(name, known, count);
        return xpm_fail(err, XPM_EUSAGE, "there is no launcher '%s' in launchers.yaml%s%s%s", name,
                        near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int xpm_candidates_find(xpm_candidates *candidates, const char *name, size_t *index, xpm_error *err)
{
        for (size_t i = 0; i < candidates->count; i++)
                if (strcmp(candidates->list[i].name, name) == 0) {
                        *index = i;
                        return 0;
                }
        /* A name that nothing explains may still be that of a module that a site has added. */
        const xpm_launcher *found;
        if (!is_type(name) && xpm_launcher_find(name, &found, NULL) != 0)
                return refuse(candidates, name, err);
        *index = candidates->count;
        return add(candidates, name, NULL, err);
}

static int again(const xpm_candidate *one, xpm_error *err)
{
        return xpm_fail(err, one->trouble.code, "%s", one->trouble.message);
}

int xpm_candidates_load(xpm_candidates *candidates, size_t index, xpm_error *err)
{
        xpm_candidate *one = &candidates->list[index];
        if (one->trouble.code)
                return again(one, err);
        if (!one->ops && xpm_launcher_find(one->entry ? one->entry->type : one->name, &one->ops, &one->trouble) != 0)
                return again(one, err);
        return 0;
}

int xpm_candidates_open(xpm_candidates *candidates, size_t index, xpm_error *err)
{
        xpm_candidate *one = &candidates->list[index];
        int rc = xpm_candidates_load(candidates, index, err);
        if (rc != 0 || one->instance)
                return rc;
        if (one->ops->open(candidates->core, one->name, one->entry ? one->entry->config : NULL, &one->instance,
                           &one->trouble) == 0)
                return 0;
        one->instance = NULL;
        if (!one->trouble.code)
                xpm_fail(&one->trouble, XPM_ELAUNCHER, "launcher '%s' cannot be opened", one->name);
        return again(one, err);
}

/* What its entry says of its hosts. */
static int check_host(const xpm_launcher_entry *entry, const xpm_need *need, xpm_error *err)
{
        const xpm_need *host = &entry->host;
        if (host->cores > 0 && need->cores > host->cores)
                return xpm_fail(err, XPM_ELAUNCHER, "it wants %" PRId64 " cores, and its hosts have %" PRId64,
                                need->cores, host->cores);
        if (host->memory > 0 && need->memory > host->memory)
                return xpm_fail(err, XPM_ELAUNCHER, "it wants %" PRIu64 " MiB of memory, and its hosts have %" PRIu64,
                                need->memory >> 20, host->memory >> 20);
        if (entry->max_duration > 0 && need->duration > entry->max_duration)
                return xpm_fail(err, XPM_ELAUNCHER, "it wants %" PRId64 " s, and jobs may take %" PRId64 " s there",
                                need->duration, entry->max_duration);
        int64_t wanted = 0;
        for (size_t i = 0; i < need->gpu_count; i++) {
                const xpm_gpu_need *gpu = &need->gpus[i], *have = host->gpu_count ? &host->gpus[0] : NULL;
                bool kind = have && (gpu->kind == XPM_GPU_ANY || have->kind == XPM_GPU_ANY || gpu->kind == have->kind);
                if (have && !kind)
                        return xpm_fail(err, XPM_ELAUNCHER, "it wants GPUs of another type than its hosts have");
                if (have && have->memory > 0 && gpu->memory > have->memory)
                        return xpm_fail(err, XPM_ELAUNCHER,
                                        "it wants GPUs of %" PRIu64 " MiB, and those of its hosts have %" PRIu64,
                                        gpu->memory >> 20, have->memory >> 20);
                wanted += gpu->count;
        }
        if (host->gpu_count > 0 && wanted > host->gpus[0].count)
                return xpm_fail(err, XPM_ELAUNCHER, "it wants %" PRId64 " GPUs, and its hosts have %" PRId64, wanted,
                                host->gpus[0].count);
        bool told = host->cores > 0 || host->memory > 0;
        if (wanted > 0 && host->gpu_count == 0 && told && strcmp(entry->type, types[LOCAL]) != 0)
                return xpm_fail(err, XPM_ELAUNCHER, "it wants %" PRId64 " GPUs, and its hosts have none", wanted);
        return 0;
}

xpm_shape xpm_shape_of(const xpm_need *need)
{
        const xpm_demand demand = xpm_demand_of(need);
        return (xpm_shape){.cores = (int64_t)demand.cores,
                           .duration = need->duration,
                           .ranks = need->ranks,
                           .per_node = need->per_node,
                           .nodes = need->nodes,
                           .memory = demand.memory,
                           .gpus = (int64_t)demand.gpu_count,
                           .need = need};
}

int xpm_candidates_check(xpm_candidates *candidates, size_t index, const xpm_need *need, xpm_error *err)
{
        const xpm_candidate *one = &candidates->list[index];
        int rc = one->entry ? check_host(one->entry, need, err) : 0;
        if (rc == 0)
                rc = xpm_candidates_open(candidates, index, err);
        const xpm_shape shape = xpm_shape_of(need);
        return rc == 0 ? one->ops->check(one->instance, &shape, err) : rc;
}

const char *xpm_candidate_lacks_tag(const xpm_candidate *one, const char *const *tags, size_t tag_count)
{
        for (size_t i = 0; i < tag_count; i++) {
                bool found = false;
                for (size_t k = 0; one->entry && k < one->entry->tag_count && !found; k++)
                        found = strcmp(one->entry->tags[k], tags[i]) == 0;
                if (!found)
                        return tags[i];
        }
        return NULL;
}

/* Nothing was asked for, which any host has, so none need be looked at. */
static bool is_trivial(const xpm_candidates *candidates, size_t index, const xpm_need *need)
{
        const xpm_candidate *one = &candidates->list[index];
        return need->implied && strcmp(one->entry ? one->entry->type : one->name, types[LOCAL]) == 0;
}

static void say(const xpm_candidate *one, const char *words, xpm_text *why)
{
        if (why)
                xpm_text_printf(why, "%s%s: %s", why->length ? "; " : "", one->name, words);
}

int xpm_candidates_choose(xpm_candidates *candidates, int named, const char *const *tags, size_t tag_count,
                          const xpm_requirement *requirement, xpm_choice *out, xpm_text *why, xpm_error *err)
{
        size_t single = named >= 0 ? (size_t)named : 0;
        const size_t *order = named >= 0 ? &single : candidates->order;
        size_t count = named >= 0 ? 1 : candidates->order_count;
        if (count == 0)
                return xpm_fail(err, XPM_ELAUNCHER, "there is no launcher");
        /* What is missing then is said when it is used: a dry run may do without. */
        if (named >= 0 && xpm_candidates_load(candidates, single, NULL) != 0) {
                *out = (xpm_choice){.candidate = (uint8_t)single};
                return 0;
        }
        for (size_t i = 0; i < requirement->count; i++)
                for (size_t k = 0; k < count; k++) {
                        const xpm_candidate *one = &candidates->list[order[k]];
                        const xpm_need *need = &requirement->alternatives[i];
                        const char *tag = xpm_candidate_lacks_tag(one, tags, tag_count);
                        xpm_error lack = XPM_ERROR_NONE;
                        bool fits = !tag && (is_trivial(candidates, order[k], need) ||
                                             xpm_candidates_check(candidates, order[k], need, &lack) == 0);
                        /* One that cannot tell now (its controller is away) is waited for when there is no other. */
                        fits |= !tag && count == 1 && lack.code == XPM_EIO;
                        if (fits) {
                                *out = (xpm_choice){(uint8_t)order[k], (uint8_t)i, false};
                                return 0;
                        }
                        if (lack.code == XPM_ENOMEM)
                                return xpm_fail_memory(err);
                        char words[128];
                        snprintf(words, sizeof words, "it has no tag '%.80s'", tag ? tag : "");
                        if (!tag || i == 0)
                                say(one, tag ? words : lack.message, why);
                }
        *out = (xpm_choice){(uint8_t)order[0], 0, true};
        return 0;
}
