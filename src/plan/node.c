/* Nodes are made in an arena and never freed alone. A mapping keeps its pairs in order in one array; from INDEXED pairs
 * on it has an index too, so that no file, however large, is read or merged in quadratic time.
 *
 * Invariant: an index is complete (it has every key) or empty. An empty one, left by a deletion that found no memory,
 * only means a linear search; the next put completes it.
 *
 * Depth is bounded (1,000 levels where a file is read, and again where interpolation composes), so the functions here
 * may recurse. */
#include "plan/node.h"

#include <stdio.h>
#include <string.h>

#include "base/words.h"

enum { INDEXED = 16 };

xpm_node *xpm_node_scalar(xpm_arena *arena, xpm_pos pos, const char *text, size_t length, bool quoted)
{
        xpm_node *node = xpm_arena_alloc(arena, sizeof *node);
        char *copy = node ? xpm_arena_strndup(arena, text, length) : NULL;
        if (!copy)
                return NULL;
        *node = (xpm_node){.kind = XPM_NODE_SCALAR, .quoted = quoted, .pos = pos, .text = copy, .length = length};
        return node;
}

static xpm_node *create(xpm_arena *arena, enum xpm_node_kind kind, xpm_pos pos)
{
        xpm_node *node = xpm_arena_alloc(arena, sizeof *node);
        if (node)
                *node = (xpm_node){.kind = kind, .pos = pos};
        return node;
}

xpm_node *xpm_node_sequence(xpm_arena *arena, xpm_pos pos)
{
        return create(arena, XPM_NODE_SEQUENCE, pos);
}

xpm_node *xpm_node_mapping(xpm_arena *arena, xpm_pos pos)
{
        return create(arena, XPM_NODE_MAPPING, pos);
}

int xpm_node_append(xpm_arena *arena, xpm_node *sequence, xpm_node *item)
{
        if (xpm_arena_reserve(arena, &sequence->items, &sequence->item_capacity, sequence->item_count + 1,
                              sizeof *sequence->items) != 0)
                return XPM_ENOMEM;
        sequence->items[sequence->item_count++] = item;
        return 0;
}

static void release_index(void *index)
{
        xpm_map_release(index);
}

/* Positions are stored plus one: a map holds no NULL. */
static int index_pair(xpm_node *mapping, size_t position)
{
        const xpm_pair *pair = &mapping->pairs[position];
        return xpm_map_put_n(mapping->index, pair->key, pair->key_length, (void *)(uintptr_t)(position + 1));
}

static int complete_index(xpm_arena *arena, xpm_node *mapping)
{
        if (!mapping->index) {
                xpm_map *index = xpm_arena_alloc(arena, sizeof *index);
                if (!index || xpm_arena_defer(arena, release_index, index) != 0)
                        return XPM_ENOMEM;
                mapping->index = index;
        }
        for (size_t i = mapping->index->count; i < mapping->pair_count; i++)
                if (index_pair(mapping, i) != 0) {
                        xpm_map_release(mapping->index);
                        return XPM_ENOMEM;
                }
        return 0;
}

int xpm_node_put(xpm_arena *arena, xpm_node *mapping, const char *key, size_t length, xpm_pos key_pos, xpm_node *value)
{
        xpm_pair *old = xpm_node_find_n(mapping, key, length);
        if (old) {
                old->value = value;
                old->key_pos = key_pos;
                return 0;
        }
        char *copy = xpm_arena_strndup(arena, key, length);
        if (!copy || xpm_arena_reserve(arena, &mapping->pairs, &mapping->pair_capacity, mapping->pair_count + 1,
                                       sizeof *mapping->pairs) != 0)
                return XPM_ENOMEM;
        mapping->pairs[mapping->pair_count++] =
                (xpm_pair){.key = copy, .key_length = length, .key_pos = key_pos, .value = value};
        if (mapping->pair_count >= INDEXED && complete_index(arena, mapping) != 0) {
                mapping->pair_count--;
                return XPM_ENOMEM;
        }
        return 0;
}

void xpm_node_sweep(xpm_node *mapping)
{
        size_t kept = 0;
        for (size_t i = 0; i < mapping->pair_count; i++)
                if (mapping->pairs[i].value)
                        mapping->pairs[kept++] = mapping->pairs[i];
        if (kept == mapping->pair_count)
                return;
        mapping->pair_count = kept;
        if (!mapping->index)
                return;
        xpm_map_release(mapping->index);
        for (size_t i = 0; i < kept; i++)
                if (index_pair(mapping, i) != 0) {
                        xpm_map_release(mapping->index);
                        return;
                }
}

void xpm_node_delete(xpm_node *mapping, size_t position)
{
        mapping->pairs[position].value = NULL;
        xpm_node_sweep(mapping);
}

xpm_pair *xpm_node_find_n(const xpm_node *node, const char *key, size_t length)
{
        if (!node || node->kind != XPM_NODE_MAPPING)
                return NULL;
        if (node->index && node->index->count == node->pair_count) {
                uintptr_t position = (uintptr_t)xpm_map_get_n(node->index, key, length);
                return position ? &node->pairs[position - 1] : NULL;
        }
        for (size_t i = 0; i < node->pair_count; i++)
                if (node->pairs[i].key_length == length && memcmp(node->pairs[i].key, key, length) == 0)
                        return &node->pairs[i];
        return NULL;
}

xpm_pair *xpm_node_find(const xpm_node *node, const char *key)
{
        return xpm_node_find_n(node, key, strlen(key));
}

xpm_node *xpm_node_get(const xpm_node *node, const char *key)
{
        xpm_pair *pair = xpm_node_find(node, key);
        return pair ? pair->value : NULL;
}

static bool is_one_of(const char *text, size_t length, const char *const *words)
{
        for (; *words; words++)
                if (strlen(*words) == length && memcmp(text, *words, length) == 0)
                        return true;
        return false;
}

bool xpm_node_is_null(const xpm_node *node)
{
        static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
        return node->kind == XPM_NODE_SCALAR && !node->quoted && is_one_of(node->text, node->length, nulls);
}

bool xpm_node_is_reference(const xpm_node *node)
{
        static const char *const jobs[] = {"each", "all", NULL}, *const places[] = {"from", "tag", NULL};
        static const char *const job_companions[] = {"by", "where", "allow_empty", NULL};
        static const char *const place_companions[] = {"allow_empty", NULL};
        if (!node || node->kind != XPM_NODE_MAPPING)
                return false;
        size_t heads = 0, companions_of_jobs = 0, companions_of_places = 0;
        bool of_jobs = false;
        for (size_t i = 0; i < node->pair_count; i++) {
                const xpm_pair *pair = &node->pairs[i];
                bool job = is_one_of(pair->key, pair->key_length, jobs);
                heads += job || is_one_of(pair->key, pair->key_length, places);
                of_jobs |= job;
                companions_of_jobs += is_one_of(pair->key, pair->key_length, job_companions);
                companions_of_places += is_one_of(pair->key, pair->key_length, place_companions);
        }
        return heads == 1 && 1 + (of_jobs ? companions_of_jobs : companions_of_places) == node->pair_count;
}

bool xpm_node_is_range(const xpm_node *node)
{
        static const char *const ranges[] = {"range", "linspace", "logspace", "range_mult", NULL};
        return node && node->kind == XPM_NODE_MAPPING && node->pair_count == 1 &&
               is_one_of(node->pairs[0].key, node->pairs[0].key_length, ranges);
}

const char *xpm_key_slip(const char *key)
{
        static const char *const keys[] = {"each",     "from",     "where",      "allow_empty", "range",
                                           "linspace", "logspace", "range_mult", "one_of"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
                if (xpm_words_slip(key, keys[i]))
                        return keys[i];
        return NULL;
}

const char *xpm_node_slip(const xpm_node *node)
{
        const char *slip = NULL;
        if (node->kind == XPM_NODE_MAPPING)
                for (size_t i = 0; i < node->pair_count && !slip; i++)
                        slip = xpm_key_slip(node->pairs[i].key);
        return slip;
}

static xpm_node *copy_items(xpm_arena *arena, xpm_node *copy, const xpm_node *node)
{
        copy->items = xpm_arena_calloc(arena, node->item_count, sizeof *copy->items);
        copy->item_capacity = copy->item_count = node->item_count;
        if (!copy->items)
                return NULL;
        for (size_t i = 0; i < node->item_count; i++)
                if (!(copy->items[i] = xpm_node_copy(arena, node->items[i])))
                        return NULL;
        return copy;
}

static xpm_node *copy_pairs(xpm_arena *arena, xpm_node *copy, const xpm_node *node)
{
        copy->index = NULL;
        copy->pairs = xpm_arena_calloc(arena, node->pair_count, sizeof *copy->pairs);
        copy->pair_capacity = copy->pair_count = node->pair_count;
        if (!copy->pairs)
                return NULL;
        for (size_t i = 0; i < node->pair_count; i++) {
                copy->pairs[i] = node->pairs[i];
                if (!(copy->pairs[i].value = xpm_node_copy(arena, node->pairs[i].value)))
                        return NULL;
        }
        return copy->pair_count < INDEXED || complete_index(arena, copy) == 0 ? copy : NULL;
}

xpm_node *xpm_node_copy(xpm_arena *arena, const xpm_node *node)
{
        xpm_node *copy = xpm_arena_memdup(arena, node, sizeof *node);
        if (!copy || node->kind == XPM_NODE_SCALAR)
                return copy; /* texts are never changed, so they are shared */
        return node->kind == XPM_NODE_SEQUENCE ? copy_items(arena, copy, node) : copy_pairs(arena, copy, node);
}

size_t xpm_node_cost(const xpm_node *node, size_t limit, size_t *levels)
{
        size_t cost = sizeof *node, deepest = 0;
        if (node->kind == XPM_NODE_SCALAR)
                cost += node->length;
        else if (node->kind == XPM_NODE_SEQUENCE)
                for (size_t i = 0; i < node->item_count && cost <= limit; i++) {
                        size_t below;
                        cost += xpm_node_cost(node->items[i], limit - cost, &below);
                        deepest = below > deepest ? below : deepest;
                }
        else
                for (size_t i = 0; i < node->pair_count && cost <= limit; i++) {
                        size_t below;
                        cost += node->pairs[i].key_length;
                        cost += xpm_node_cost(node->pairs[i].value, limit > cost ? limit - cost : 0, &below);
                        deepest = below > deepest ? below : deepest;
                }
        *levels = deepest + 1;
        return cost;
}

void xpm_pos_print(xpm_pos pos, char *buffer, size_t size)
{
        if (pos.source)
                snprintf(buffer, size, "%s:%u:%u", pos.source->name, pos.line, pos.column);
        else if (size > 0)
                buffer[0] = '\0';
}

int xpm_fail_at(xpm_error *err, xpm_pos pos, const char *format, ...)
{
        char message[sizeof err->message];
        va_list args;
        va_start(args, format);
        vsnprintf(message, sizeof message, format, args);
        va_end(args);
        if (!pos.source)
                return xpm_fail(err, XPM_EPLAN, "%s", message);
        return xpm_fail(err, XPM_EPLAN, "%s:%u:%u: %s", pos.source->name, pos.line, pos.column, message);
}
