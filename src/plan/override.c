/* A setting walks down its address as far as there is something, makes a mapping for each component that is left, and
 * merges its value there by the rules of merge.h: `-c model.type=X` sets one key and keeps the others. */
#include "plan/override.h"

#include <string.h>

#include "plan/merge.h"
#include "plan/yaml.h"
#include "plan/yamltext.h"

enum { LONGEST_NAME = 100 }; /* characters of an address in a message */

static xpm_node **step_by_key(const xpm_node *node, const char *address, size_t length, size_t *taken)
{
        for (size_t end = length;;) {
                xpm_pair *pair = xpm_node_find_n(node, address, end);
                if (pair) {
                        *taken = end < length ? end + 1 : end;
                        return &pair->value;
                }
                const char *dot = end > 0 ? memrchr(address, '.', end) : NULL;
                if (!dot)
                        return NULL;
                end = (size_t)(dot - address);
        }
}

static xpm_node **step_by_index(const xpm_node *node, const char *address, size_t length, size_t *taken)
{
        const char *dot = memchr(address, '.', length);
        size_t digits = dot ? (size_t)(dot - address) : length, index = 0;
        if (digits == 0 || digits > 15)
                return NULL;
        for (size_t i = 0; i < digits; i++) {
                if (address[i] < '0' || address[i] > '9')
                        return NULL;
                index = index * 10 + (size_t)(address[i] - '0');
        }
        *taken = dot ? digits + 1 : digits;
        return index < node->item_count ? &node->items[index] : NULL;
}

xpm_node **xpm_address_step(const xpm_node *node, const char *address, size_t length, size_t *taken)
{
        switch (node->kind) {
        case XPM_NODE_MAPPING: return step_by_key(node, address, length, taken);
        case XPM_NODE_SEQUENCE: return step_by_index(node, address, length, taken);
        default: return NULL;
        }
}

static size_t count_characters(const char *text, size_t length)
{
        size_t count = 0;
        for (size_t i = 0; i < length; i++)
                count += ((unsigned char)text[i] & 0xc0) != 0x80;
        return count;
}

struct setting {
        xpm_arena *arena;
        const xpm_source *source;
        const char *address;
        size_t length;
        xpm_node *value;
        uint32_t layer;
        xpm_error *err;
};

static xpm_pos position_of(const struct setting *setting, size_t offset)
{
        return (xpm_pos){.source = setting->source,
                         .line = 1,
                         .column = (uint32_t)count_characters(setting->address, offset) + 1};
}

static int fail_index(const struct setting *setting, const xpm_node *list, size_t at)
{
        int shown = (int)(at > 0 ? at - 1 : 0), index = (int)strcspn(setting->address + at, ".=");
        if (list->item_count == 0)
                return xpm_fail_at(setting->err, position_of(setting, at), "the list '%.*s' is empty", shown,
                                   setting->address);
        return xpm_fail_at(setting->err, position_of(setting, at),
                           "'%.*s' is no item of the list '%.*s': its items are 0 to %zu", index, setting->address + at,
                           shown, setting->address, list->item_count - 1);
}

/* Merge the value, wrapped in one mapping for each component from AT on, at *SLOT. */
static int create(const struct setting *setting, xpm_node **slot, size_t at, size_t structure)
{
        xpm_node *value = setting->value;
        if (at < setting->length && value->remove)
                return 0; /* what does not exist needs no removal */
        for (size_t end = setting->length; end > at;) {
                const char *dot = memrchr(setting->address + at, '.', end - at);
                size_t start = dot ? (size_t)(dot - setting->address) + 1 : at;
                xpm_node *mapping = xpm_node_mapping(setting->arena, position_of(setting, start));
                if (!mapping || xpm_node_put(setting->arena, mapping, setting->address + start, end - start,
                                             position_of(setting, start), value) != 0)
                        return xpm_fail_memory(setting->err);
                mapping->layer = setting->layer;
                value = mapping;
                end = dot ? start - 1 : at;
        }
        /* What a new component stands in is not merged by its type or its shape: one key of it is set. */
        size_t levels = at < setting->length ? structure + 1 : structure;
        return xpm_merge(setting->arena, slot, value, setting->layer, levels) == 0 ? 0 : xpm_fail_memory(setting->err);
}

static int apply(const struct setting *setting, xpm_node **root)
{
        xpm_node **slot = root, *parent = NULL;
        size_t at = 0, structure = 1;
        while (at < setting->length) {
                size_t taken;
                xpm_node **next = xpm_address_step(*slot, setting->address + at, setting->length - at, &taken);
                if (!next && (*slot)->kind == XPM_NODE_SEQUENCE)
                        return fail_index(setting, *slot, at);
                if (!next)
                        break;
                size_t key = at + taken < setting->length ? taken - 1 : taken;
                structure = at == 0 ? xpm_merge_structure(setting->address, key) : structure > 0 ? structure - 1 : 0;
                parent = *slot;
                slot = next;
                at += taken;
        }
        if (setting->value->remove && at == setting->length && parent && parent->kind == XPM_NODE_SEQUENCE)
                return xpm_fail_at(setting->err, setting->value->pos,
                                   "the tag '!remove' deletes keys, not items of a list");
        int rc = create(setting, slot, at, structure);
        if (rc == 0 && !*slot)
                xpm_node_sweep(parent);
        return rc;
}

static int check_address(const struct setting *setting)
{
        size_t components = 0;
        if (setting->length > XPM_ADDRESS_LIMIT)
                return xpm_fail_at(setting->err, position_of(setting, 0), "the address is longer than 4,096 bytes");
        for (size_t i = 0; i <= setting->length; i++) {
                bool end = i == setting->length || setting->address[i] == '.';
                if (end && (i == 0 || setting->address[i - 1] == '.'))
                        return xpm_fail_at(setting->err, position_of(setting, i), "a key is missing here");
                components += end;
        }
        size_t levels;
        xpm_node_cost(setting->value, SIZE_MAX / 2, &levels);
        if (components + levels > XPM_NODE_LEVELS + 1)
                return xpm_fail_at(setting->err, position_of(setting, 0), "nested deeper than 1,000 levels");
        return 0;
}

static int read_value(struct setting *setting, const char *value, uint32_t column)
{
        int rc = xpm_yaml_read(setting->arena, setting->source, value, strlen(value), column, setting->layer,
                               &setting->value, setting->err);
        if (rc != 0 || setting->value)
                return rc;
        xpm_pos pos = {.source = setting->source, .line = 1, .column = column + 1};
        setting->value = xpm_node_scalar(setting->arena, pos, "", 0, false);
        return setting->value ? 0 : xpm_fail_memory(setting->err);
}

int xpm_override(xpm_arena *arena, xpm_node **root, const char *text, const char *cwd, uint32_t layer, xpm_error *err)
{
        const char *equal = strchr(text, '=');
        if (!equal)
                return xpm_fail(err, XPM_EUSAGE, "-c '%s' has no '=': write -c key.path=value", text);
        size_t length = (size_t)(equal - text);
        xpm_source *source = xpm_arena_alloc(arena, sizeof *source);
        size_t shown = xpm_yaml_offset(text, length, 0, LONGEST_NAME);
        char *name = xpm_arena_printf(arena, "-c%s%.*s%s", length > 0 ? " " : "", (int)shown, text,
                                      shown < length ? "…" : "");
        char *dir = xpm_arena_strdup(arena, cwd);
        if (!source || !name || !dir)
                return xpm_fail_memory(err);
        *source = (xpm_source){.name = name, .dir = dir};
        struct setting setting = {
                .arena = arena, .source = source, .address = text, .length = length, .layer = layer, .err = err};
        int rc = xpm_yaml_text_check(source, text, strlen(text), err);
        if (rc == 0)
                rc = read_value(&setting, equal + 1, (uint32_t)count_characters(text, length) + 1);
        if (rc == 0)
                rc = check_address(&setting);
        return rc == 0 ? apply(&setting, root) : rc;
}
