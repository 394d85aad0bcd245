/* Trails through values and through nodes. Both walks read a part in the same way: as a key, or, where a list stands,
 * as an index in base ten without sign or leading zeros, so that one item has one name. */
#include "plan/trail.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"

int xpm_trail_parse(xpm_arena *arena, const char *text, const char *what, xpm_pos pos, xpm_trail *out, xpm_error *err)
{
        size_t count = 1;
        for (const char *c = text; *c; c++)
                count += *c == '.';
        char *copy = xpm_arena_strdup(arena, text);
        const char **parts = xpm_arena_calloc(arena, count, sizeof *parts);
        if (!copy || !parts)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < count; i++) {
                size_t length = strcspn(copy, ".");
                if (length == 0)
                        return xpm_fail_at(err, pos,
                                           "%s is a path of parameters such as 'model.hidden', found '%.200s'", what,
                                           text);
                copy[length] = '\0';
                parts[i] = copy;
                copy += length + 1;
        }
        *out = (xpm_trail){.text = text, .parts = parts, .count = count};
        return 0;
}

int xpm_trail_extend(xpm_arena *arena, const xpm_trail *trail, const char *part, size_t length, xpm_trail *out)
{
        const char **parts = xpm_arena_calloc(arena, trail->count + 1, sizeof *parts);
        char *last = xpm_arena_strndup(arena, part, length);
        const char *text = last;
        if (trail->count > 0)
                text = last ? xpm_arena_printf(arena, "%s.%s", trail->text, last) : NULL;
        if (!parts || !text)
                return XPM_ENOMEM;
        if (trail->count > 0)
                memcpy(parts, trail->parts, trail->count * sizeof *parts);
        parts[trail->count] = last;
        *out = (xpm_trail){.text = text, .parts = parts, .count = trail->count + 1};
        return 0;
}

bool xpm_trail_begins(const xpm_trail *trail, const xpm_trail *prefix)
{
        if (trail->count < prefix->count)
                return false;
        for (size_t i = 0; i < prefix->count; i++)
                if (strcmp(trail->parts[i], prefix->parts[i]) != 0)
                        return false;
        return true;
}

/* The index that PART is in a list of COUNT items, or -1. */
static long list_index(const char *part, size_t count)
{
        size_t index = 0, length = strspn(part, "0123456789");
        if (length == 0 || part[length] || length > 9 || (length > 1 && *part == '0'))
                return -1;
        for (size_t i = 0; i < length; i++)
                index = 10 * index + (size_t)(part[i] - '0');
        return index < count ? (long)index : -1;
}

static bool is_key(const xpm_value *key, const char *part, size_t length)
{
        int64_t integer;
        double number;
        switch (key->kind) {
        case XPM_STR: return key->string->length == length && memcmp(key->string->data, part, length) == 0;
        case XPM_BOOL: return strcmp(part, key->boolean ? "true" : "false") == 0;
        case XPM_INT: return xpm_int_parse(part, length, &integer, NULL) && integer == key->integer;
        case XPM_FLOAT: return xpm_float_parse(part, length, &number, NULL) && number == key->number;
        default: return false;
        }
}

const xpm_value *xpm_value_child(const xpm_value *value, const char *part, size_t length, const xpm_param **param)
{
        long index;
        switch (value->kind) {
        case XPM_CONFIG:
                index = xpm_param_find(value->config->type, part, length);
                if (index >= 0 && param)
                        *param = &value->config->type->params[index];
                return index < 0 ? NULL : &value->config->values[index];
        case XPM_LIST:
                index = list_index(part, value->array->count);
                return index < 0 ? NULL : &value->array->items[index];
        case XPM_DICT:
                for (size_t i = 0; i < value->dict->count; i++)
                        if (is_key(&value->dict->items[i].key, part, length))
                                return &value->dict->items[i].value;
                return NULL;
        default: return NULL;
        }
}

const xpm_value *xpm_trail_follow(const xpm_trail *trail, const xpm_config *config)
{
        const xpm_value root = {.kind = XPM_CONFIG, .config = (xpm_config *)config};
        const xpm_value *value = &root;
        for (size_t i = 0; i < trail->count && value; i++)
                value = xpm_value_child(value, trail->parts[i], strlen(trail->parts[i]), NULL);
        return value == &root ? NULL : value;
}

const xpm_node *xpm_node_follow(const xpm_node *root, const xpm_trail *trail, size_t count)
{
        for (size_t i = 0; i < count && root; i++) {
                long index = -1;
                if (root->kind == XPM_NODE_SEQUENCE)
                        index = list_index(trail->parts[i], root->item_count);
                root = index >= 0 ? root->items[index] : xpm_node_get(root, trail->parts[i]);
        }
        return root;
}

/* A new node of ROOT's kind with the same children. */
static xpm_node *copy_level(xpm_arena *arena, const xpm_node *root)
{
        xpm_node *copy = root->kind == XPM_NODE_SEQUENCE ? xpm_node_sequence(arena, root->pos)
                                                         : xpm_node_mapping(arena, root->pos);
        if (!copy)
                return NULL;
        copy->layer = root->layer;
        for (size_t i = 0; root->kind == XPM_NODE_SEQUENCE && i < root->item_count; i++)
                if (xpm_node_append(arena, copy, root->items[i]) != 0)
                        return NULL;
        for (size_t i = 0; root->kind == XPM_NODE_MAPPING && i < root->pair_count; i++) {
                const xpm_pair *pair = &root->pairs[i];
                if (xpm_node_put(arena, copy, pair->key, pair->key_length, pair->key_pos, pair->value) != 0)
                        return NULL;
        }
        return copy;
}

/* Bytes of the text that the first COUNT parts take. */
static int text_of(const xpm_trail *trail, size_t count)
{
        size_t length = 0;
        for (size_t i = 0; i < count; i++)
                length += strlen(trail->parts[i]) + (i > 0);
        return (int)length;
}

/* The level that part AT of TRAIL stands in: a copy of NODE, or a new mapping. */
static int open_level(xpm_arena *arena, const xpm_node *node, const xpm_trail *trail, size_t at, xpm_pos pos,
                      xpm_node **out, xpm_error *err)
{
        const char *text = trail->text;
        int length = text_of(trail, at);
        if (node && node->kind == XPM_NODE_SCALAR && !xpm_node_is_null(node))
                return xpm_fail_at(err, pos, "'%s' leads into '%.*s', which is '%.60s' and no config", text, length,
                                   text, node->text);
        if (node && at > 0 && xpm_node_is_reference(node))
                return xpm_fail_at(err, pos,
                                   "'%s' leads into the reference '%.*s', and what another step decided cannot be "
                                   "changed here: sweep it in that step",
                                   text, length, text);
        if (node && node->kind == XPM_NODE_SEQUENCE && list_index(trail->parts[at], node->item_count) < 0)
                return xpm_fail_at(err, pos, "'%s': '%.*s' is a list of %zu items and has no '%s'", text, length, text,
                                   node->item_count, trail->parts[at]);
        bool fresh = !node || node->kind == XPM_NODE_SCALAR;
        *out = fresh ? xpm_node_mapping(arena, node ? node->pos : pos) : copy_level(arena, node);
        return *out ? 0 : xpm_fail_memory(err);
}

static void delete_key(xpm_node *mapping, const char *key)
{
        xpm_pair *pair = xpm_node_find(mapping, key);
        if (pair)
                xpm_node_delete(mapping, (size_t)(pair - mapping->pairs));
}

/* Where the value of KEY is kept, NULL in it when there was none. */
static xpm_node **open_key(xpm_arena *arena, xpm_node *mapping, const char *key, xpm_pos pos)
{
        xpm_pair *pair = xpm_node_find(mapping, key);
        if (!pair) {
                if (xpm_node_put(arena, mapping, key, strlen(key), pos, NULL) != 0)
                        return NULL;
                pair = &mapping->pairs[mapping->pair_count - 1];
        }
        return &pair->value;
}

int xpm_node_edit(xpm_arena *arena, const xpm_node *root, const xpm_trail *trail, size_t from, xpm_node *value,
                  xpm_pos pos, xpm_node **out, xpm_error *err)
{
        xpm_node *top = NULL, **slot = &top;
        const xpm_node *node = root;
        for (size_t i = from; i < trail->count; i++) {
                const char *part = trail->parts[i];
                xpm_node *level;
                int rc = open_level(arena, node, trail, i, pos, &level, err);
                if (rc != 0)
                        return rc;
                *slot = level;
                bool last = i + 1 == trail->count;
                if (level->kind == XPM_NODE_SEQUENCE) {
                        slot = &level->items[list_index(part, level->item_count)];
                } else if (last && !value) {
                        delete_key(level, part);
                        break;
                } else {
                        slot = open_key(arena, level, part, pos);
                        if (!slot)
                                return xpm_fail_memory(err);
                }
                node = *slot;
                if (last && value)
                        *slot = value;
        }
        *out = top;
        return 0;
}
