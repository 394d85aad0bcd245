/* Numbers stay texts here, because a text is what a template makes of them: 1e-3 must not become 0.001, nor 010 ten. */
#include "plan/configvalue.h"

#include <string.h>

#include "plan/override.h"
#include "plan/scalar.h"

static const xpm_node *find(const xpm_node *root, const char *name, size_t length, const xpm_pair **first)
{
        if (root->kind == XPM_NODE_SEQUENCE) {
                size_t taken;
                xpm_node **item = xpm_address_step(root, name, length, &taken);
                return item && taken < length ? find(*item, name + taken, length - taken, first) : item ? *item : NULL;
        }
        for (size_t cut = length; cut > 0; cut--) {
                if (cut < length && name[cut] != '.')
                        continue;
                const xpm_pair *pair = xpm_node_find_n(root, name, cut), *inner;
                if (!pair)
                        continue;
                *first = pair;
                const xpm_node *found =
                        cut == length ? pair->value : find(pair->value, name + cut + 1, length - cut - 1, &inner);
                if (found)
                        return found;
        }
        return NULL;
}

const xpm_node *xpm_config_node(const xpm_node *root, const char *name, const xpm_pair **first)
{
        return find(root, name, strlen(name), first);
}

static int make_scalar(xpm_arena *arena, const xpm_node *node, xpm_value *out, xpm_error *err)
{
        xpm_value value;
        int rc = xpm_scalar_resolve(arena, node, &value, NULL);
        if (rc == 0 && (value.kind == XPM_NULL || value.kind == XPM_BOOL)) {
                *out = value;
                return 0;
        }
        *out = (xpm_value){.kind = XPM_STR, .string = xpm_string_create(arena, node->text, node->length)};
        return rc == XPM_ENOMEM || !out->string ? xpm_fail_memory(err) : 0;
}

static int make_list(xpm_arena *arena, const xpm_node *node, xpm_value *out, xpm_error *err)
{
        xpm_array *array = xpm_arena_alloc(arena, sizeof *array + node->item_count * sizeof *array->items);
        if (!array)
                return xpm_fail_memory(err);
        int rc = 0;
        array->count = node->item_count;
        for (size_t i = 0; i < node->item_count && rc == 0; i++)
                rc = xpm_config_value(arena, node->items[i], &array->items[i], err);
        *out = (xpm_value){.kind = XPM_LIST, .array = array};
        return rc;
}

static int make_dict(xpm_arena *arena, const xpm_node *node, xpm_value *out, xpm_error *err)
{
        xpm_dict *dict = xpm_arena_alloc(arena, sizeof *dict + node->pair_count * sizeof *dict->items);
        if (!dict)
                return xpm_fail_memory(err);
        int rc = 0;
        dict->count = node->pair_count;
        for (size_t i = 0; i < node->pair_count && rc == 0; i++) {
                const xpm_pair *pair = &node->pairs[i];
                const xpm_string *key = xpm_string_create(arena, pair->key, pair->key_length);
                dict->items[i].key = (xpm_value){.kind = XPM_STR, .string = key};
                rc = key ? xpm_config_value(arena, pair->value, &dict->items[i].value, err) : xpm_fail_memory(err);
        }
        *out = (xpm_value){.kind = XPM_DICT, .dict = dict};
        return rc;
}

int xpm_config_value(xpm_arena *arena, const xpm_node *node, xpm_value *out, xpm_error *err)
{
        switch (node->kind) {
        case XPM_NODE_SEQUENCE: return make_list(arena, node, out, err);
        case XPM_NODE_MAPPING: return make_dict(arena, node, out, err);
        default: return make_scalar(arena, node, out, err);
        }
}
