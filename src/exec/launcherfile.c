/* The file is read with the plan's own reader, so its errors have positions and its values mean what they mean there.
 * Sizes and durations are read by the requirement grammar: what a job may ask for and what a host offers are written
 * alike. */
#include "exec/launcherfile.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "plan/declare.h"
#include "plan/load.h"
#include "plan/scalar.h"
#include "workspace/settings.h"

enum { FILE_LIMIT = 1 << 20 };

struct xpm_launcher_file {
        xpm_arena *arena;
        xpm_launcher_entry *entries;
        size_t count;
        bool there;
};

static int read_int(xpm_arena *arena, const xpm_node *node, const char *what, int64_t *out, xpm_error *err)
{
        xpm_value value;
        if (!node)
                return 0;
        if (node->kind != XPM_NODE_SCALAR || xpm_scalar_resolve(arena, node, &value, NULL) != 0 ||
            value.kind != XPM_INT)
                return xpm_fail_at(err, node->pos, "%s is a whole number", what);
        *out = value.integer;
        return 0;
}

/* The same for what there is so many of. */
static int read_count(xpm_arena *arena, const xpm_node *node, const char *what, int64_t *out, xpm_error *err)
{
        int rc = read_int(arena, node, what, out, err);
        return rc == 0 && node && *out < 1 ? xpm_fail_at(err, node->pos, "%s is a whole number above 0", what) : rc;
}

static int read_text(const xpm_node *node, const char *what, const char **out, xpm_error *err)
{
        if (!node)
                return 0;
        if (node->kind != XPM_NODE_SCALAR)
                return xpm_fail_at(err, node->pos, "%s is a text", what);
        *out = node->text;
        return 0;
}

/* TERM such as `duration=%s` with the node's text in it, read as a requirement. */
static int read_need(xpm_arena *arena, const xpm_node *node, const char *before, const char *after, xpm_need *out,
                     xpm_error *err)
{
        xpm_requirement requirement;
        xpm_error own = XPM_ERROR_NONE;
        /* With one of these the text would be more of the requirement than the one value. */
        if (node->kind != XPM_NODE_SCALAR || strpbrk(node->text, ",&|()*="))
                return xpm_fail_at(err, node->pos, "one value is expected here");
        const char *text = xpm_arena_printf(arena, "%s%s%s", before, node->text, after);
        if (!text)
                return xpm_fail_memory(err);
        int rc = xpm_requirement_parse(arena, text, &requirement, &own);
        if (rc != 0)
                return rc == XPM_ENOMEM ? xpm_fail_memory(err) : xpm_fail_at(err, node->pos, "%s", own.message);
        *out = requirement.alternatives[0];
        return 0;
}

static int read_memory(xpm_arena *arena, const xpm_node *node, uint64_t *out, xpm_error *err)
{
        xpm_need need = {0};
        int rc = node ? read_need(arena, node, "cpu(mem=", ")", &need, err) : 0;
        if (rc == 0 && node)
                *out = need.memory;
        return rc;
}

static int read_gpus(xpm_arena *arena, const xpm_node *node, xpm_need *host, xpm_error *err)
{
        static const char *const keys[] = {"count", "memory", "type", NULL};
        static const char *const types[] = {"cuda", "rocm", "gpu"};
        xpm_gpu_need *gpus = xpm_arena_alloc(arena, sizeof *gpus);
        const char *type = "gpu";
        if (!gpus)
                return xpm_fail_memory(err);
        int rc = xpm_check_keys(node, "gpus", keys, err);
        gpus->count = 1;
        if (rc == 0)
                rc = read_count(arena, xpm_node_get(node, "count"), "count", &gpus->count, err);
        if (rc == 0)
                rc = read_memory(arena, xpm_node_get(node, "memory"), &gpus->memory, err);
        if (rc == 0)
                rc = read_text(xpm_node_get(node, "type"), "type", &type, err);
        if (rc != 0)
                return rc;
        static const enum xpm_gpu_kind kinds[] = {XPM_GPU_CUDA, XPM_GPU_ROCM, XPM_GPU_ANY};
        size_t kind = 0;
        while (kind < 3 && strcmp(types[kind], type) != 0)
                kind++;
        if (kind == 3)
                return xpm_fail_at(err, xpm_node_get(node, "type")->pos, "'%s' is no type of GPU: cuda, rocm or gpu",
                                   type);
        gpus->kind = kinds[kind];
        host->gpus = gpus;
        host->gpu_count = 1;
        return 0;
}

static int read_host(xpm_arena *arena, const xpm_node *node, xpm_launcher_entry *entry, xpm_error *err)
{
        static const char *const keys[] = {"cores", "memory", "gpus", "max_duration", NULL};
        if (!node)
                return 0;
        const xpm_node *duration = xpm_node_get(node, "max_duration"), *gpus = xpm_node_get(node, "gpus");
        xpm_need limit = {0};
        int rc = xpm_check_keys(node, "host", keys, err);
        if (rc == 0)
                rc = read_count(arena, xpm_node_get(node, "cores"), "cores", &entry->host.cores, err);
        if (rc == 0)
                rc = read_memory(arena, xpm_node_get(node, "memory"), &entry->host.memory, err);
        if (rc == 0 && duration)
                rc = read_need(arena, duration, "duration=", "", &limit, err);
        entry->max_duration = limit.duration;
        if (rc == 0 && gpus)
                rc = read_gpus(arena, gpus, &entry->host, err);
        return rc;
}

static int read_tags(xpm_arena *arena, const xpm_node *node, xpm_launcher_entry *entry, xpm_error *err)
{
        if (!node)
                return 0;
        if (node->kind != XPM_NODE_SEQUENCE)
                return xpm_fail_at(err, node->pos, "tags is a list of names");
        const char **tags = xpm_arena_calloc(arena, node->item_count + 1, sizeof *tags);
        if (!tags)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < node->item_count; i++) {
                int rc = read_text(node->items[i], "a tag", &tags[i], err);
                if (rc != 0)
                        return rc;
        }
        entry->tags = tags;
        entry->tag_count = node->item_count;
        return 0;
}

static int read_limits(xpm_arena *arena, const xpm_node *node, xpm_error *err)
{
        static const char *const keys[] = {"submitted", "submissions_per_minute", "array", NULL};
        int64_t ignored;
        int rc = node ? xpm_check_keys(node, "limits", keys, err) : 0;
        for (size_t i = 0; rc == 0 && node && i < node->pair_count; i++)
                rc = read_count(arena, node->pairs[i].value, node->pairs[i].key, &ignored, err);
        return rc;
}

static int read_type(const xpm_node *node, const char *name, const char **type, xpm_error *err)
{
        static const char *const types[] = {"local", "slurm", "mpi"};
        const xpm_node *said = xpm_node_get(node, "type");
        if (!said)
                return xpm_fail_at(err, node->pos, "launcher '%s' has no type: local, slurm or mpi", name);
        int rc = read_text(said, "type", type, err);
        for (size_t i = 0; rc == 0 && i < 3; i++)
                if (strcmp(types[i], *type) == 0)
                        return 0;
        return rc != 0 ? rc : xpm_fail_at(err, said->pos, "'%s' is no type of launcher: local, slurm or mpi", *type);
}

static int read_config(xpm_arena *arena, const xpm_node *node, const char **config, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        int rc = xpm_node_json(node, &text, err);
        if (rc == 0 && !(*config = xpm_arena_strdup(arena, xpm_text_string(&text))))
                rc = xpm_fail_memory(err);
        xpm_text_release(&text);
        return rc;
}

static int read_entry(xpm_arena *arena, const xpm_pair *pair, xpm_launcher_entry *entry, xpm_error *err)
{
        static const char *const keys[] = {"type",    "cores", "memory", "tags",    "priority", "host",
                                           "options", "setup", "limits", "starter", NULL};
        const xpm_node *node = pair->value;
        const char *text = NULL;
        entry->name = pair->key;
        entry->line = pair->key_pos.line;
        int rc = xpm_check_keys(node, "a launcher", keys, err);
        if (rc == 0)
                rc = read_type(node, pair->key, &entry->type, err);
        if (rc == 0)
                rc = read_count(arena, xpm_node_get(node, "cores"), "cores", &entry->host.cores, err);
        if (rc == 0)
                rc = read_memory(arena, xpm_node_get(node, "memory"), &entry->host.memory, err);
        if (rc == 0)
                rc = read_tags(arena, xpm_node_get(node, "tags"), entry, err);
        if (rc == 0)
                rc = read_int(arena, xpm_node_get(node, "priority"), "priority", &entry->priority, err);
        if (rc == 0)
                rc = read_host(arena, xpm_node_get(node, "host"), entry, err);
        if (rc == 0)
                rc = read_limits(arena, xpm_node_get(node, "limits"), err);
        if (rc == 0)
                rc = read_text(xpm_node_get(node, "setup"), "setup", &text, err);
        if (rc == 0)
                rc = read_text(xpm_node_get(node, "starter"), "starter", &text, err);
        if (rc == 0)
                rc = read_config(arena, node, &entry->config, err);
        return rc;
}

static int read_entries(xpm_launcher_file *file, const xpm_node *root, xpm_error *err)
{
        static const char *const keys[] = {"launchers", NULL};
        const xpm_node *launchers = xpm_node_get(root, "launchers");
        int rc = xpm_check_keys(root, "launchers.yaml", keys, err);
        if (rc != 0 || !launchers)
                return rc;
        if (launchers->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, launchers->pos, "launchers is a mapping from names to launchers");
        file->entries = xpm_arena_calloc(file->arena, launchers->pair_count + 1, sizeof *file->entries);
        if (!file->entries)
                return xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < launchers->pair_count; i++)
                rc = read_entry(file->arena, &launchers->pairs[i], &file->entries[file->count++], err);
        return rc;
}

static int read_file(xpm_launcher_file *file, const char *dir, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_node *root;
        xpm_source *source = xpm_arena_alloc(file->arena, sizeof *source);
        char *path = xpm_settings_path(dir, "launchers.yaml");
        int rc = source && path ? 0 : xpm_fail_memory(err);
        if (rc == 0 && !(source->name = source->path = xpm_arena_strdup(file->arena, path)))
                rc = xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_file_read(AT_FDCWD, path, FILE_LIMIT, &text, err);
        if (rc == 0)
                rc = xpm_yaml_parse(file->arena, source, xpm_text_string(&text), text.length, 0, &root, err);
        if (rc == 0)
                rc = read_entries(file, root, err);
        xpm_text_release(&text);
        free(path);
        return rc;
}

int xpm_launcher_file_read(const char *dir, xpm_launcher_file **out, xpm_error *err)
{
        xpm_error own = XPM_ERROR_NONE;
        xpm_arena *arena = xpm_arena_create();
        xpm_launcher_file *file = arena ? xpm_arena_alloc(arena, sizeof *file) : NULL;
        if (!file) {
                xpm_arena_destroy(arena);
                return xpm_fail_memory(err);
        }
        file->arena = arena;
        int rc = read_file(file, dir, &own);
        if (rc == 0 || rc == XPM_ENOTFOUND) {
                file->there = rc == 0;
                *out = file;
                return 0;
        }
        xpm_arena_destroy(arena);
        return xpm_fail(err, rc == XPM_EPLAN ? XPM_ESETTINGS : rc, "%s", own.message);
}

void xpm_launcher_file_destroy(xpm_launcher_file *file)
{
        if (file)
                xpm_arena_destroy(file->arena);
}

/* It has been read before, and was right. */
int xpm_launcher_limits(const char *config, xpm_host_limits *out, xpm_error *err)
{
        *out = (xpm_host_limits){0};
        if (!config)
                return 0;
        xpm_arena *arena = xpm_arena_create();
        json_t *document = json_loads(config, 0, NULL);
        const char *memory = json_string_value(json_object_get(document, "memory"));
        xpm_requirement requirement;
        const char *text = arena && memory ? xpm_arena_printf(arena, "cpu(mem=%s)", memory) : NULL;
        int rc = arena && document && (text || !memory) ? 0 : xpm_fail_memory(err);
        if (text)
                rc = xpm_requirement_parse(arena, text, &requirement, err);
        if (rc == 0) {
                out->cores = json_integer_value(json_object_get(document, "cores"));
                out->memory = text ? requirement.alternatives[0].memory : 0;
        }
        json_decref(document);
        xpm_arena_destroy(arena);
        return rc;
}

bool xpm_launcher_file_is_there(const xpm_launcher_file *file)
{
        return file->there;
}

size_t xpm_launcher_file_count(const xpm_launcher_file *file)
{
        return file->count;
}

const xpm_launcher_entry *xpm_launcher_file_entry(const xpm_launcher_file *file, size_t index)
{
        return &file->entries[index];
}

const xpm_launcher_entry *xpm_launcher_file_find(const xpm_launcher_file *file, const char *name)
{
        for (size_t i = 0; i < file->count; i++)
                if (strcmp(file->entries[i].name, name) == 0)
                        return &file->entries[i];
        return NULL;
}
