/* A task is a config type with a command: partials, and the settings that say how its jobs are run. A subtype has those
 * of its parent, key by key, so reading starts from the parent's and replaces what is said again; `null` takes one
 * back. */
#include "plan/task.h"

#include <stddef.h>
#include <string.h>

#include "plan/setting.h"

int xpm_task_section(const xpm_node *node, const char *key, const xpm_node **out, xpm_error *err)
{
        const xpm_node *value = xpm_node_get(node, key);
        *out = NULL;
        if (!value || xpm_node_is_null(value))
                return 0;
        if (value->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, value->pos, "'%s' is a mapping from names to declarations", key);
        *out = value;
        return 0;
}

/* Partials. */

static int read_partial(xpm_arena *arena, const xpm_pair *pair, xpm_partial *out, xpm_error *err)
{
        static const char *const keys[] = {"exclude_groups", NULL};
        int rc = xpm_check_name(pair->key, pair->key_pos, false, "a partial", err);
        if (rc == 0)
                rc = xpm_check_keys(pair->value, "a partial", keys, err);
        if (rc != 0)
                return rc;
        const xpm_node *list = xpm_node_get(pair->value, "exclude_groups");
        if (!list || list->kind != XPM_NODE_SEQUENCE)
                return xpm_fail_at(err, list ? list->pos : pair->value->pos,
                                   "partial '%s' needs 'exclude_groups', a list of groups: [name]", pair->key);
        const char **groups = xpm_arena_calloc(arena, list->item_count + 1, sizeof *groups);
        if (!groups)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < list->item_count && rc == 0; i++) {
                rc = xpm_check_text(list->items[i], "exclude_groups", err);
                groups[i] = list->items[i]->text;
        }
        *out = (xpm_partial){.name = pair->key, .exclude_groups = groups, .group_count = list->item_count};
        return rc;
}

static int read_partials(xpm_arena *arena, const xpm_pair *pair, xpm_config_type *type, xpm_error *err)
{
        const xpm_config_type *parent = type->parent;
        size_t count = parent ? parent->partial_count : 0;
        const xpm_node *own;
        int rc = xpm_task_section(pair->value, "partials", &own, err);
        if (rc != 0)
                return rc;
        xpm_partial *partials = xpm_arena_calloc(arena, count + (own ? own->pair_count : 0), sizeof *partials);
        if (!partials)
                return xpm_fail_memory(err);
        if (count > 0)
                memcpy(partials, parent->partials, count * sizeof *partials);
        for (size_t i = 0; rc == 0 && own && i < own->pair_count; i++) {
                size_t place = 0;
                while (place < count && strcmp(partials[place].name, own->pairs[i].key) != 0)
                        place++;
                rc = read_partial(arena, &own->pairs[i], &partials[place], err);
                count += place == count;
        }
        type->partials = partials;
        type->partial_count = count;
        return rc;
}

static bool has_group(const xpm_config_type *type, const char *group)
{
        for (size_t i = 0; i < type->param_count; i++)
                for (size_t j = 0; j < type->params[i].group_count; j++)
                        if (strcmp(type->params[i].groups[j], group) == 0)
                                return true;
        return false;
}

static bool is_used(const xpm_types *types, const xpm_config_type *type, const char *group)
{
        for (size_t i = 0; i < types->configs.count; i++) {
                const xpm_config_type *other = types->configs.entries[i].value;
                if (xpm_config_type_is(other, type) && has_group(other, group))
                        return true;
        }
        return false;
}

static bool is_inherited(const xpm_config_type *type, const xpm_partial *partial)
{
        for (size_t i = 0; type->parent && i < type->parent->partial_count; i++)
                if (type->parent->partials[i].exclude_groups == partial->exclude_groups)
                        return true;
        return false;
}

/* A slip, most likely; but a partial that excludes nothing does no harm. */
static void warn_of(const xpm_types *types, const xpm_config_type *type, const xpm_partial *partial, const char *place,
                    const xpm_log *log)
{
        for (size_t i = 0; i < partial->group_count; i++)
                if (!is_used(types, type, partial->exclude_groups[i]))
                        xpm_warn(log, "%s: partial '%s' of '%s' excludes the group '%s', which no parameter is in",
                                 place, partial->name, type->name, partial->exclude_groups[i]);
}

void xpm_task_warn(const xpm_types *types, const xpm_config_type *type, xpm_pos pos, const xpm_log *log)
{
        char place[256];
        xpm_pos_print(pos, place, sizeof place);
        for (size_t i = 0; i < type->partial_count; i++)
                if (!is_inherited(type, &type->partials[i]))
                        warn_of(types, type, &type->partials[i], place, log);
}

/* Tasks. */

static const struct {
        const char *key;
        size_t place; /* of the node in xpm_task */
} settings[] = {
#define S(name) {#name, offsetof(xpm_task, name)},
        S(command) S(shell) S(setup) S(modules) S(env) S(files) S(cwd) S(requirements) S(mpi) S(tokens) S(outputs)
                S(resumable) S(retry) S(max_retries) S(transient) S(launcher)
#undef S
};

enum { SETTINGS = sizeof settings / sizeof *settings };

static int read_settings(xpm_arena *arena, const xpm_pair *pair, xpm_config_type *type, xpm_error *err)
{
        const xpm_config_type *parent = type->parent;
        xpm_task *task = xpm_arena_alloc(arena, sizeof *task);
        if (!task)
                return xpm_fail_memory(err);
        if (parent && parent->task)
                *task = *parent->task;
        task->type = type;
        task->node = pair->value;
        type->task = task;
        for (size_t i = 0; i < SETTINGS; i++) {
                const xpm_node *node = xpm_node_get(task->node, settings[i].key);
                if (!node)
                        continue;
                int rc = xpm_check_setting(arena, settings[i].key, &node, err);
                if (rc != 0)
                        return rc;
                memcpy((char *)task + settings[i].place, &node, sizeof node);
        }
        if (!task->command)
                return xpm_fail_at(err, pair->key_pos, "task '%s' lacks 'command'", type->name);
        return 0;
}

const char *xpm_task_script(const xpm_config_type *type)
{
        const char *dot = strrchr(type->lower, '.');
        return dot ? dot + 1 : type->lower;
}

/* Names in the job's directory, now that the task's own name is known. */
static int check_files(const xpm_config_type *type, xpm_error *err)
{
        const xpm_task *task = type->task;
        const char *script = xpm_task_script(type);
        int rc = 0;
        for (size_t i = 0; rc == 0 && task->outputs && i < task->outputs->item_count; i++) {
                const xpm_node *item = task->outputs->items[i];
                if (!xpm_is_template(item->text))
                        rc = xpm_check_inside(item->text, item->length, "an output", script, item->pos, err);
        }
        for (size_t i = 0; rc == 0 && task->files && i < task->files->pair_count; i++) {
                const xpm_pair *pair = &task->files->pairs[i];
                rc = xpm_check_inside(pair->key, pair->key_length, "an input file", script, pair->key_pos, err);
        }
        return rc;
}

/* May a config of TARGET stand somewhere inside of FROM? 1, 0 or XPM_ENOMEM. VISITED has the types that were asked. */
static int reaches(const xpm_types *types, const xpm_config_type *from, const xpm_config_type *target, xpm_map *visited)
{
        int found = 0;
        for (size_t i = 0; i < from->param_count && found == 0; i++) {
                const xpm_type *type = from->params[i].type;
                while (type->item)
                        type = type->item;
                if (type->kind != XPM_CONFIG || type->config->is_task)
                        continue;
                if (xpm_config_type_is(target, type->config))
                        return 1;
                for (size_t j = 0; j < types->configs.count && found == 0; j++) {
                        const xpm_config_type *inner = types->configs.entries[j].value;
                        if (inner->is_task || !xpm_config_type_is(inner, type->config) ||
                            xpm_map_get(visited, inner->name))
                                continue;
                        if (xpm_map_put(visited, inner->name, (void *)inner) != 0)
                                return XPM_ENOMEM;
                        found = reaches(types, inner, target, visited);
                }
        }
        return found;
}

static int check_nested(const xpm_types *types, const xpm_config_type *task, const xpm_config_type *config,
                        const char *name, xpm_error *err)
{
        xpm_map visited = XPM_MAP_INIT;
        int found = reaches(types, task, config, &visited);
        xpm_map_release(&visited);
        if (found < 0)
                return xpm_fail_memory(err);
        return found == 0
                       ? 0
                       : xpm_fail_at(err, task->task->node->pos,
                                     "a job of '%s' has a '%s' already, and '%s', which it may hold, generates a file "
                                     "of that name: choose another name there",
                                     task->name, name, config->name);
}

/* By the engine, or by an input file. */
static bool is_taken(const xpm_config_type *task, const char *name)
{
        const xpm_pos nowhere = {0};
        return xpm_check_inside(name, strlen(name), "", xpm_task_script(task), nowhere, NULL) != 0 ||
               xpm_node_find(task->task->files, name);
}

int xpm_task_check_nested(const xpm_types *types, const xpm_config_type *task, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; i < types->configs.count && rc == 0; i++) {
                const xpm_config_type *config = types->configs.entries[i].value;
                for (size_t j = 0; j < config->param_count && rc == 0 && !config->is_task; j++) {
                        const char *name = config->params[j].generated;
                        if (name && is_taken(task, name))
                                rc = check_nested(types, task, config, name, err);
                }
        }
        return rc;
}

int xpm_task_read(xpm_arena *arena, const xpm_pair *pair, xpm_config_type *type, xpm_error *err)
{
        int rc = read_partials(arena, pair, type, err);
        if (rc == 0)
                rc = read_settings(arena, pair, type, err);
        return rc == 0 ? check_files(type, err) : rc;
}
