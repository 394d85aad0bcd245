/* types.h: types and values made by hand, for tests of what works on them
 *
 *     struct world world = {.arena = xpm_arena_create()};
 *     xpm_config_type *type = world_type(&world, "Vec.T", NULL);
 *     world_param(&world, type, "x", "int");
 *     xpm_config *config = world_config(&world, type);
 *     *world_value(config, "x") = world_int(3);
 *     …
 *     world_release(&world);
 *
 * Parameters may be added in any order, before the first config of the type is made.
 */
#ifndef XPM_TEST_TYPES_H
#define XPM_TEST_TYPES_H

#include <stdlib.h>
#include <string.h>

#include "model/type.h"

struct world {
        xpm_arena *arena;
        xpm_types types;
};

enum { WORLD_PARAMS = 16 };

static inline void world_release(struct world *world)
{
        xpm_map_release(&world->types.configs);
        xpm_map_release(&world->types.enums);
        xpm_arena_destroy(world->arena);
}

static inline void *world_need(void *pointer)
{
        if (!pointer)
                abort();
        return pointer;
}

/* A config type that extends PARENT, with its parameters. */
static inline xpm_config_type *world_type(struct world *world, const char *name, const xpm_config_type *parent)
{
        xpm_config_type *type = world_need(xpm_arena_alloc(world->arena, sizeof *type));
        char *lower = world_need(xpm_arena_strdup(world->arena, name));
        for (char *at = lower; *at; at++)
                *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 'a' - 'A' : *at);
        xpm_param *params = world_need(xpm_arena_calloc(world->arena, WORLD_PARAMS, sizeof *params));
        size_t *declared = world_need(xpm_arena_calloc(world->arena, WORLD_PARAMS, sizeof *declared));
        if (parent) {
                memcpy(params, parent->params, parent->param_count * sizeof *params);
                memcpy(declared, parent->declared, parent->param_count * sizeof *declared);
        }
        *type = (xpm_config_type){.name = name,
                                  .lower = lower,
                                  .parent = parent,
                                  .params = params,
                                  .declared = declared,
                                  .param_count = parent ? parent->param_count : 0};
        if (xpm_map_put(&world->types.configs, name, type) != 0)
                abort();
        return type;
}

/* An enum; MEMBERS ends with NULL. */
static inline xpm_enum_type *world_enum(struct world *world, const char *name, const char *const *members)
{
        xpm_enum_type *type = world_need(xpm_arena_alloc(world->arena, sizeof *type));
        xpm_enum_member *list = world_need(xpm_arena_calloc(world->arena, WORLD_PARAMS, sizeof *list));
        type->name = name;
        type->members = list;
        for (; members[type->count]; type->count++)
                list[type->count] = (xpm_enum_member){.type = type, .name = members[type->count]};
        if (xpm_map_put(&world->types.enums, name, type) != 0)
                abort();
        return type;
}

static inline const xpm_type *world_parse(struct world *world, const char *text)
{
        const xpm_type *type;
        if (xpm_type_parse(world->arena, &world->types, text, &type, NULL) != 0)
                abort();
        return type;
}

/* A new parameter, to be set up further until the next one is added. */
static inline xpm_param *world_param(struct world *world, xpm_config_type *type, const char *name, const char *text)
{
        xpm_param *params = (xpm_param *)type->params;
        size_t *declared = (size_t *)type->declared, place = 0;
        while (place < type->param_count && strcmp(params[place].name, name) < 0)
                place++;
        if (type->param_count == WORLD_PARAMS)
                abort();
        memmove(&params[place + 1], &params[place], (type->param_count - place) * sizeof *params);
        params[place] = (xpm_param){.name = name, .type = world_parse(world, text), .declared = type->param_count++};
        for (size_t i = 0; i < type->param_count; i++)
                declared[params[i].declared] = i;
        return &params[place];
}

static inline xpm_config *world_config(struct world *world, const xpm_config_type *type)
{
        return world_need(xpm_config_create(world->arena, type));
}

static inline xpm_value *world_value(xpm_config *config, const char *name)
{
        long index = xpm_param_find(config->type, name, strlen(name));
        if (index < 0)
                abort();
        return &config->values[index];
}

static inline xpm_value world_null(void)
{
        return (xpm_value){.kind = XPM_NULL};
}

static inline xpm_value world_bool(bool boolean)
{
        return (xpm_value){.kind = XPM_BOOL, .boolean = boolean};
}

static inline xpm_value world_int(int64_t integer)
{
        return (xpm_value){.kind = XPM_INT, .integer = integer};
}

static inline xpm_value world_float(double number)
{
        return (xpm_value){.kind = XPM_FLOAT, .number = number};
}

static inline xpm_value world_text(struct world *world, enum xpm_kind kind, const char *text, size_t length)
{
        return (xpm_value){.kind = kind, .string = world_need(xpm_string_create(world->arena, text, length))};
}

static inline xpm_value world_str(struct world *world, const char *text)
{
        return world_text(world, XPM_STR, text, strlen(text));
}

static inline xpm_value world_file(struct world *world, const char *path, const char *hash)
{
        xpm_file *file = world_need(xpm_arena_alloc(world->arena, sizeof *file));
        file->path = world_need(xpm_string_create(world->arena, path, strlen(path)));
        strncpy(file->hash, hash, sizeof file->hash - 1);
        return (xpm_value){.kind = XPM_FILE, .file = file};
}

static inline xpm_value world_member(const xpm_enum_type *type, size_t index)
{
        return (xpm_value){.kind = XPM_ENUM, .member = &type->members[index]};
}

static inline xpm_value world_nested(xpm_config *config)
{
        return (xpm_value){.kind = XPM_CONFIG, .config = config};
}

/* A LIST or SET. */
static inline xpm_value world_array(struct world *world, enum xpm_kind kind, const xpm_value *items, size_t count)
{
        xpm_array *array = world_need(xpm_arena_alloc(world->arena, sizeof *array + count * sizeof *items));
        array->count = count;
        if (count > 0)
                memcpy(array->items, items, count * sizeof *items);
        return (xpm_value){.kind = kind, .array = array};
}

/* KEYS and VALUES side by side. */
static inline xpm_value world_dict(struct world *world, const xpm_value *keys, const xpm_value *values, size_t count)
{
        xpm_dict *dict = world_need(xpm_arena_alloc(world->arena, sizeof *dict + count * sizeof *dict->items));
        dict->count = count;
        for (size_t i = 0; i < count; i++) {
                dict->items[i].key = keys[i];
                dict->items[i].value = values[i];
        }
        return (xpm_value){.kind = XPM_DICT, .dict = dict};
}

#define WORLD_ARRAY(world, kind, ...) \
        world_array(world, kind, (xpm_value[]){__VA_ARGS__}, sizeof((xpm_value[]){__VA_ARGS__}) / sizeof(xpm_value))

#endif
