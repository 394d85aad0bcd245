/* libyaml's events become nodes on a stack of open lists and mappings: no recursion, so that depth is an error and
 * never a crash. libyaml decides where scalars begin and end; what a plain one means is decided elsewhere, when its
 * type is known.
 *
 * A collection is attached to its parent when it begins. An alias is a copy, made within a budget of the size that a
 * file may have, so that a small file cannot fill the memory. */
#include "plan/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "plan/hints.h"
#include "plan/load.h"
#include "plan/yamltext.h"

/* A list or mapping that is not yet closed. */
struct level {
        xpm_node *node;
        bool flow, has_key, merging; /* merging: the key is `<<` */
        xpm_node *key;
        xpm_node *merged; /* the value of `<<` */
        xpm_pos merged_pos;
        yaml_mark_t mark;
};

struct reader {
        xpm_arena *arena;
        yaml_parser_t yaml;
        xpm_yaml_trouble trouble;
        uint32_t layer;
        struct level *levels;
        size_t depth, capacity;
        size_t outermost_flow; /* index in levels + 1, or 0 */
        xpm_map anchors;
        size_t budget;
        xpm_node *root;
        size_t documents;
        bool done;
        const xpm_yaml_hidden *hidden; /* NULL: nothing is */
        xpm_error *err;
};

static struct level *top(const struct reader *reader)
{
        return reader->depth ? &reader->levels[reader->depth - 1] : NULL;
}

static xpm_pos position(const struct reader *reader, yaml_mark_t mark)
{
        return xpm_yaml_position(&reader->trouble, mark);
}

static bool wants_key(const struct reader *reader)
{
        const struct level *level = top(reader);
        return level && level->node->kind == XPM_NODE_MAPPING && !level->has_key;
}

static int take_key(struct reader *reader, xpm_node *key)
{
        struct level *level = top(reader);
        if (key->kind != XPM_NODE_SCALAR)
                return xpm_fail_at(reader->err, key->pos, "a key must be a text, not a list or a mapping");
        if (key->length == 0 && !key->quoted)
                return xpm_fail_at(reader->err, key->pos, "a key is missing before ':'");
        if (key->replace || key->remove)
                return xpm_fail_at(reader->err, key->pos, "the tag '!%s' stands before a value, not before a key",
                                   key->replace ? "replace" : "remove");
        level->merging = !key->quoted && key->length == 2 && memcmp(key->text, "<<", 2) == 0;
        const xpm_pair *old = level->merging ? NULL : xpm_node_find_n(level->node, key->text, key->length);
        if (old || (level->merging && level->merged))
                return xpm_fail_at(reader->err, key->pos, "duplicate key '%s': it stands in line %u already%s",
                                   key->text, old ? old->key_pos.line : level->merged_pos.line,
                                   old ? "" : " (several mappings are merged by '<<: [*a, *b]')");
        level->key = key;
        level->has_key = true;
        return 0;
}

static int take_value(struct reader *reader, struct level *level, xpm_node *value)
{
        level->has_key = false;
        if (!level->merging)
                return xpm_node_put(reader->arena, level->node, level->key->text, level->key->length, level->key->pos,
                                    value);
        level->merged = value;
        level->merged_pos = level->key->pos;
        return 0;
}

static int attach(struct reader *reader, xpm_node *node)
{
        struct level *level = top(reader);
        if (wants_key(reader))
                return take_key(reader, node);
        if (node->remove && level && level->node->kind == XPM_NODE_SEQUENCE)
                return xpm_fail_at(reader->err, node->pos, "the tag '!remove' stands before the value of a key only");
        int rc = 0;
        if (!level)
                reader->root = node;
        else if (level->node->kind == XPM_NODE_SEQUENCE)
                rc = xpm_node_append(reader->arena, level->node, node);
        else
                rc = take_value(reader, level, node);
        return rc == 0 ? 0 : xpm_fail_memory(reader->err);
}

static int set_tag(struct reader *reader, xpm_node *node, const yaml_char_t *tag)
{
        if (!tag)
                return 0;
        node->replace = strcmp((const char *)tag, "!replace") == 0;
        node->remove = strcmp((const char *)tag, "!remove") == 0;
        if (node->replace || node->remove)
                return 0;
        const char *name = (const char *)tag, *standard = "tag:yaml.org,2002:";
        bool short_form = strncmp(name, standard, strlen(standard)) == 0;
        return xpm_fail_at(
                reader->err, node->pos,
                "unknown tag '%s%s': only !replace and !remove have a meaning here; quote a value that begins "
                "with '!', and quote what must be a text",
                short_form ? "!!" : "", short_form ? name + strlen(standard) : name);
}

static int set_anchor(struct reader *reader, xpm_node *node, const yaml_char_t *anchor)
{
        if (!anchor)
                return 0;
        char *name = xpm_arena_strdup(reader->arena, (const char *)anchor);
        return name && xpm_map_put(&reader->anchors, name, node) == 0 ? 0 : xpm_fail_memory(reader->err);
}

/* What every node needs before it is attached. */
static int finish_node(struct reader *reader, xpm_node *node, const yaml_char_t *anchor, const yaml_char_t *tag)
{
        if (!node)
                return xpm_fail_memory(reader->err);
        node->layer = reader->layer;
        int rc = set_tag(reader, node, tag);
        if (rc == 0)
                rc = set_anchor(reader, node, anchor);
        return rc == 0 ? attach(reader, node) : rc;
}

static int read_scalar(struct reader *reader, const yaml_event_t *event)
{
        bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        if (event->end_mark.index > event->start_mark.index) {
                reader->trouble.scalar = event->start_mark;
                reader->trouble.scalar_end = event->end_mark;
        }
        size_t length = event->data.scalar.length;
        if (reader->hidden)
                length = xpm_yaml_show(reader->hidden, (char *)event->data.scalar.value, length,
                                       event->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE);
        int rc = !quoted && reader->outermost_flow ? xpm_yaml_check_cut(&reader->trouble, event, reader->err) : 0;
        if (rc != 0)
                return rc;
        xpm_node *node = xpm_node_scalar(reader->arena, position(reader, event->start_mark),
                                         (const char *)event->data.scalar.value, length, quoted);
        return finish_node(reader, node, event->data.scalar.anchor, event->data.scalar.tag);
}

static int push(struct reader *reader, xpm_node *node, bool flow, yaml_mark_t mark)
{
        if (reader->depth == XPM_NODE_LEVELS)
                return xpm_fail_at(reader->err, node->pos, "nested deeper than 1,000 levels");
        if (reader->depth == reader->capacity) {
                size_t capacity = reader->capacity ? reader->capacity * 2 : 16;
                struct level *levels = realloc(reader->levels, capacity * sizeof *levels);
                if (!levels)
                        return xpm_fail_memory(reader->err);
                reader->levels = levels;
                reader->capacity = capacity;
        }
        reader->levels[reader->depth++] = (struct level){.node = node, .flow = flow, .mark = mark};
        if (flow && !reader->outermost_flow) {
                reader->outermost_flow = reader->depth;
                reader->trouble.in_flow = true;
                reader->trouble.flow = mark;
        }
        return 0;
}

static int begin(struct reader *reader, const yaml_event_t *event)
{
        bool mapping = event->type == YAML_MAPPING_START_EVENT;
        xpm_pos pos = position(reader, event->start_mark);
        if (wants_key(reader))
                return xpm_yaml_explain_key(&reader->trouble, event->start_mark, reader->err);
        xpm_node *node = mapping ? xpm_node_mapping(reader->arena, pos) : xpm_node_sequence(reader->arena, pos);
        int rc = finish_node(reader, node,
                             mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor,
                             mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag);
        bool flow = mapping ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                            : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
        return rc == 0 ? push(reader, node, flow, event->start_mark) : rc;
}

/* Add to TARGET the pairs of SOURCE that neither TARGET nor WRITTEN has. */
static int merge_pairs(struct reader *reader, xpm_node *target, const xpm_node *written, const xpm_node *source)
{
        if (source->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(reader->err, source->pos, "'<<' takes a mapping or a list of mappings");
        for (size_t i = 0; i < source->pair_count; i++) {
                const xpm_pair *pair = &source->pairs[i];
                if (xpm_node_find_n(written, pair->key, pair->key_length) ||
                    xpm_node_find_n(target, pair->key, pair->key_length))
                        continue;
                if (xpm_node_put(reader->arena, target, pair->key, pair->key_length, pair->key_pos, pair->value) != 0)
                        return xpm_fail_memory(reader->err);
        }
        return 0;
}

/* The merged keys stand first; a key written out wins and keeps its place. */
static int apply_merge(struct reader *reader, const struct level *level)
{
        xpm_node *merged = level->merged, *all = xpm_node_mapping(reader->arena, level->node->pos);
        if (!all)
                return xpm_fail_memory(reader->err);
        int rc = 0;
        if (merged->kind != XPM_NODE_SEQUENCE)
                rc = merge_pairs(reader, all, level->node, merged);
        else
                for (size_t i = 0; rc == 0 && i < merged->item_count; i++)
                        rc = merge_pairs(reader, all, level->node, merged->items[i]);
        static const xpm_node nothing = {.kind = XPM_NODE_MAPPING};
        if (rc == 0)
                rc = merge_pairs(reader, all, &nothing, level->node);
        if (rc != 0)
                return rc;
        level->node->pairs = all->pairs;
        level->node->pair_count = all->pair_count;
        level->node->pair_capacity = all->pair_capacity;
        level->node->index = all->index;
        return 0;
}

static int end(struct reader *reader)
{
        const struct level *level = top(reader);
        int rc = level->merged ? apply_merge(reader, level) : 0;
        if (reader->outermost_flow == reader->depth) {
                reader->outermost_flow = 0;
                reader->trouble.in_flow = false;
        }
        reader->depth--;
        return rc;
}

static int read_alias(struct reader *reader, const yaml_event_t *event)
{
        const char *name = (const char *)event->data.alias.anchor;
        xpm_pos pos = position(reader, event->start_mark);
        xpm_node *target = xpm_map_get(&reader->anchors, name);
        if (!target)
                return xpm_fail_at(
                        reader->err, pos,
                        "'*%s' is an alias, and no anchor '&%s' stands before it: put quotes around a text that "
                        "begins with '*'",
                        name, name);
        for (size_t i = 0; i < reader->depth; i++)
                if (reader->levels[i].node == target)
                        return xpm_fail_at(reader->err, pos, "the alias '*%s' stands inside its own anchor", name);
        size_t levels, cost = xpm_node_cost(target, reader->budget, &levels);
        if (cost > reader->budget)
                return xpm_fail_at(reader->err, pos, "the aliases up to '*%s' expand to more than 64 MiB", name);
        if (reader->depth + levels > XPM_NODE_LEVELS + 1)
                return xpm_fail_at(reader->err, pos, "nested deeper than 1,000 levels, with the alias '*%s'", name);
        reader->budget -= cost;
        target->aliased = true;
        xpm_node *copy = xpm_node_copy(reader->arena, target);
        if (!copy)
                return xpm_fail_memory(reader->err);
        copy->aliased = false;
        return attach(reader, copy);
}

static int begin_document(struct reader *reader, const yaml_event_t *event)
{
        if (reader->documents++ == 0)
                return 0;
        return xpm_fail_at(reader->err, position(reader, event->start_mark),
                           "a second document begins here: an experiment file has one");
}

static int handle(struct reader *reader, const yaml_event_t *event)
{
        switch (event->type) {
        case YAML_SCALAR_EVENT: return read_scalar(reader, event);
        case YAML_SEQUENCE_START_EVENT:
        case YAML_MAPPING_START_EVENT: return begin(reader, event);
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT: return end(reader);
        case YAML_ALIAS_EVENT: return read_alias(reader, event);
        case YAML_DOCUMENT_START_EVENT: return begin_document(reader, event);
        case YAML_STREAM_END_EVENT: reader->done = true; return 0;
        default: return 0;
        }
}

static int read_events(struct reader *reader)
{
        int rc = 0;
        while (rc == 0 && !reader->done) {
                yaml_event_t event;
                if (!yaml_parser_parse(&reader->yaml, &event))
                        return xpm_yaml_explain(&reader->trouble, &reader->yaml, reader->err);
                rc = handle(reader, &event);
                yaml_event_delete(&event);
        }
        return rc;
}

int xpm_yaml_read(xpm_arena *arena, const xpm_source *source, const char *text, size_t length, uint32_t first_column,
                  uint32_t layer, xpm_node **out, xpm_error *err)
{
        if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
                text += 3;
                length -= 3;
        }
        int rc = xpm_yaml_text_check(source, text, length, err);
        if (rc != 0)
                return rc;

        bool failed;
        xpm_yaml_hidden hidden;
        char *rewritten = xpm_yaml_hide(text, length, &hidden, &failed);
        struct reader reader = {
                .arena = arena,
                .layer = layer,
                .trouble = {.source = source, .text = text, .length = length, .first_column = first_column},
                .anchors = XPM_MAP_INIT,
                .budget = XPM_YAML_LIMIT,
                .hidden = rewritten ? &hidden : NULL,
                .err = err,
        };
        if (failed || !yaml_parser_initialize(&reader.yaml)) {
                free(rewritten);
                return xpm_fail_memory(err);
        }
        yaml_parser_set_encoding(&reader.yaml, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&reader.yaml, (const unsigned char *)(rewritten ? rewritten : text), length);
        rc = read_events(&reader);
        if (rc == 0)
                *out = reader.root;
        yaml_parser_delete(&reader.yaml);
        xpm_map_release(&reader.anchors);
        free(reader.levels);
        free(rewritten);
        return rc;
}

int xpm_yaml_parse(xpm_arena *arena, const xpm_source *source, const char *text, size_t length, uint32_t layer,
                   xpm_node **out, xpm_error *err)
{
        xpm_node *root = NULL;
        int rc = xpm_yaml_read(arena, source, text, length, 0, layer, &root, err);
        if (rc != 0)
                return rc;
        if (root && root->remove)
                return xpm_fail_at(err, root->pos, "the tag '!remove' stands before the value of a key only");
        bool empty = !root || (root->kind == XPM_NODE_SCALAR && root->length == 0 && !root->quoted);
        if (empty) {
                root = xpm_node_mapping(arena, (xpm_pos){.source = source, .line = 1, .column = 1});
                if (!root)
                        return xpm_fail_memory(err);
                root->layer = layer;
        }
        *out = root;
        return 0;
}
