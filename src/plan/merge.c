/* Merging moves nodes from the new tree into the old one and copies nothing: it is linear in the new tree. The tags of
 * a tree are used up when it is merged, also where there is nothing under it to merge with, so that no later reader
 * meets them.
 *
 * Whether a mapping is a reference is seen from its keys, and a step or a parameter may bear such a name (`plan: {all:
 * …}`); so the levels of structure merge by key whatever they look like. */
#include "plan/merge.h"

#include <string.h>

enum { SECTION_LEVELS = 3 }; /* tasks . NAME . params */

size_t xpm_merge_structure(const char *key, size_t length)
{
        static const char *const sections[] = {"enums",  "configs", "tasks",    "plan",
                                               "tokens", "env",     "services", "results"};
        for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
                if (strlen(sections[i]) == length && memcmp(sections[i], key, length) == 0)
                        return SECTION_LEVELS;
        return 0;
}

/* Take the tags out of NODE, which stands by itself, and give it its layer. */
static void settle(xpm_node *node, uint32_t layer)
{
        node->layer = layer;
        node->replace = node->remove = false;
        if (node->kind == XPM_NODE_SEQUENCE)
                for (size_t i = 0; i < node->item_count; i++)
                        settle(node->items[i], layer);
        if (node->kind != XPM_NODE_MAPPING)
                return;
        for (size_t i = 0; i < node->pair_count; i++) {
                xpm_pair *pair = &node->pairs[i];
                if (pair->value->remove)
                        pair->value = NULL;
                else
                        settle(pair->value, layer);
        }
        xpm_node_sweep(node);
}

static bool name_other_types(const xpm_node *a, const xpm_node *b)
{
        const xpm_node *one = xpm_node_get(a, "type"), *other = xpm_node_get(b, "type");
        if (!one || !other || one->kind != XPM_NODE_SCALAR || other->kind != XPM_NODE_SCALAR || other->remove)
                return false;
        return one->length != other->length || memcmp(one->text, other->text, one->length) != 0;
}

static bool is_special(const xpm_node *node)
{
        return xpm_node_is_reference(node) || xpm_node_is_range(node);
}

static bool merges(const xpm_node *old, const xpm_node *new_node, size_t structure)
{
        if (!old || old->kind != XPM_NODE_MAPPING || new_node->kind != XPM_NODE_MAPPING || new_node->replace)
                return false;
        return structure > 0 || !(name_other_types(old, new_node) || is_special(old) || is_special(new_node));
}

static int merge(xpm_arena *arena, xpm_node **old, xpm_node *new_node, uint32_t layer, size_t structure, bool root)
{
        if (new_node->remove) {
                *old = NULL;
                return 0;
        }
        if (!merges(*old, new_node, structure)) {
                settle(new_node, layer);
                *old = new_node;
                return 0;
        }
        bool removed = false;
        for (size_t i = 0; i < new_node->pair_count; i++) {
                const xpm_pair *pair = &new_node->pairs[i];
                xpm_pair *under = xpm_node_find_n(*old, pair->key, pair->key_length);
                xpm_node *value = under ? under->value : NULL;
                size_t below = root            ? xpm_merge_structure(pair->key, pair->key_length)
                               : structure > 0 ? structure - 1
                                               : 0;
                int rc = merge(arena, &value, pair->value, layer, below, false);
                if (rc == 0 && value)
                        rc = xpm_node_put(arena, *old, pair->key, pair->key_length, pair->key_pos, value);
                else if (under)
                        under->value = NULL;
                if (rc != 0)
                        return rc;
                removed |= !value;
        }
        if (removed)
                xpm_node_sweep(*old);
        return 0;
}

int xpm_merge(xpm_arena *arena, xpm_node **old, xpm_node *new_node, uint32_t layer, size_t structure)
{
        return merge(arena, old, new_node, layer, structure, false);
}

int xpm_merge_root(xpm_arena *arena, xpm_node **root, xpm_node *layer_root, uint32_t layer)
{
        return merge(arena, root, layer_root, layer, 1, true);
}
