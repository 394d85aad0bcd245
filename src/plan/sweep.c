/* Sweeps are read completely, and their combinations counted, before a single value is converted: a product that is too
 * big is an error in the time that it takes to multiply.
 *
 * A value is converted once, for all combinations that use it, and what is wrong with it is kept beside it: `exclude`
 * is judged first, so only a combination that stays may complain. */
#include "plan/sweep.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/words.h"
#include "plan/range.h"

enum { ERRORS_KEPT = 100 };

typedef struct reader {
        xpm_arena *arena;
        const char *step;
        const xpm_node *zip; /* or NULL */
        bool *zipped;        /* for each group: some mapping has it */
        xpm_block *blocks;
        size_t count;
        xpm_error *err;
} reader;

static uint32_t last_layer(const xpm_node *node)
{
        uint32_t layer = node->layer;
        size_t count = node->kind == XPM_NODE_SEQUENCE  ? node->item_count
                       : node->kind == XPM_NODE_MAPPING ? node->pair_count
                                                        : 0;
        for (size_t i = 0; i < count; i++) {
                uint32_t inner = last_layer(node->kind == XPM_NODE_SEQUENCE ? node->items[i] : node->pairs[i].value);
                layer = inner > layer ? inner : layer;
        }
        return layer;
}

/* --- the values of one path --- */

static int read_one_of(reader *r, const xpm_node *alternatives, xpm_swept *swept)
{
        if (alternatives->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(r->err, alternatives->pos,
                                   "'one_of' takes a mapping from names to alternatives, as in {small: {…}, big: {…}}");
        swept->count = alternatives->pair_count;
        xpm_node **nodes = xpm_arena_calloc(r->arena, swept->count, sizeof *nodes);
        const xpm_string **names = xpm_arena_calloc(r->arena, swept->count, sizeof *names);
        if (!nodes || !names)
                return xpm_fail_memory(r->err);
        for (size_t i = 0; i < swept->count; i++) {
                const xpm_pair *pair = &alternatives->pairs[i];
                nodes[i] = pair->value;
                names[i] = xpm_string_create(r->arena, pair->key, pair->key_length);
                if (!names[i])
                        return xpm_fail_memory(r->err);
        }
        swept->nodes = nodes;
        swept->names = names;
        return 0;
}

static int take_single(reader *r, xpm_node *node, xpm_swept *swept)
{
        swept->nodes = xpm_arena_memdup(r->arena, &node, sizeof(xpm_node *));
        swept->count = 1;
        return swept->nodes ? 0 : xpm_fail_memory(r->err);
}

static int read_values(reader *r, xpm_node *node, xpm_swept *swept)
{
        int rc = 0;
        if (node->kind == XPM_NODE_SCALAR) {
                rc = take_single(r, node, swept);
        } else if (node->kind == XPM_NODE_SEQUENCE) {
                swept->nodes = node->items;
                swept->count = node->item_count;
        } else if (xpm_node_is_range(node)) {
                xpm_value *numbers = NULL;
                rc = xpm_range_read(r->arena, node, XPM_COMBINATIONS, &numbers, &swept->count, r->err);
                swept->numbers = numbers;
        } else if (node->pair_count == 1 && xpm_node_find(node, "one_of")) {
                rc = read_one_of(r, node->pairs[0].value, swept);
        } else {
                const char *slip = xpm_node_slip(node);
                rc = xpm_fail_at(r->err, node->pos,
                                 "the sweep of '%s' takes a list, a range or {one_of: {name: value, …}}: %s%s%s",
                                 swept->trail.text, slip ? "did you mean '" : "write [ ] around a single mapping",
                                 slip ? slip : "", slip ? "'?" : "");
        }
        if (rc == 0 && swept->count == 0)
                rc = xpm_fail_at(r->err, node->pos, "the sweep of '%s' is empty: no job would be left",
                                 swept->trail.text);
        return rc;
}

static int start_swept(reader *r, const xpm_pair *pair, xpm_swept *swept)
{
        *swept = (xpm_swept){.pos = pair->key_pos, .layer = last_layer(pair->value)};
        return xpm_trail_parse(r->arena, pair->key, "what is swept", pair->key_pos, &swept->trail, r->err);
}

/* --- axes --- */

static xpm_swept *find_swept(const xpm_block *block, const char *path)
{
        for (size_t i = 0; i < block->swept_count; i++)
                if (strcmp(block->swept[i].trail.text, path) == 0)
                        return &block->swept[i];
        return NULL;
}

/* Give the members of a group, all of which BLOCK has, the axis of the first. */
static int zip_members(reader *r, const xpm_node *group, const xpm_block *block, xpm_swept **leader)
{
        xpm_swept *first = find_swept(block, group->items[0]->text);
        for (size_t i = 0; i < group->item_count; i++) {
                const xpm_node *item = group->items[i];
                xpm_swept *member = find_swept(block, item->text);
                size_t place = (size_t)(member - block->swept);
                if (leader[place])
                        return xpm_fail_at(r->err, item->pos, "'%s' is zipped twice", item->text);
                if (member->count != first->count)
                        return xpm_fail_at(r->err, item->pos,
                                           "zipped paths need equally many values: '%s' has %zu and '%s' has %zu",
                                           first->trail.text, first->count, item->text, member->count);
                leader[place] = first;
        }
        return 0;
}

/* Apply one group to BLOCK, if its members are there. */
static int zip_group(reader *r, size_t index, const xpm_block *block, xpm_swept **leader)
{
        const xpm_node *group = r->zip->items[index], *there = NULL, *missing = NULL;
        for (size_t i = 0; i < group->item_count; i++) {
                const xpm_node *item = group->items[i];
                *(find_swept(block, item->text) ? &there : &missing) = item;
        }
        if (there && missing)
                return xpm_fail_at(
                        r->err, missing->pos,
                        "'%s' and '%s' are zipped, so one mapping of 'sweep' must have both, and '%s' is not there",
                        there->text, missing->text, missing->text);
        if (missing)
                return 0;
        r->zipped[index] = true;
        return zip_members(r, group, block, leader);
}

/* Number the axes: a path is one, a group one where its first member stands. */
static int make_axes(reader *r, xpm_block *block)
{
        xpm_swept **leader = xpm_arena_calloc(r->arena, block->swept_count, sizeof(xpm_swept *));
        block->axes = xpm_arena_calloc(r->arena, block->swept_count, sizeof *block->axes);
        if (!leader || !block->axes)
                return xpm_fail_memory(r->err);
        for (size_t i = 0; r->zip && i < r->zip->item_count; i++) {
                int rc = zip_group(r, i, block, leader);
                if (rc != 0)
                        return rc;
        }
        for (size_t i = 0; i < block->swept_count; i++) {
                xpm_swept *swept = &block->swept[i];
                if (leader[i] && leader[i] != swept)
                        continue;
                swept->axis = block->axis_count++;
                block->axes[swept->axis].count = swept->count;
        }
        for (size_t i = 0; i < block->swept_count; i++)
                if (leader[i])
                        block->swept[i].axis = leader[i]->axis;
        return 0;
}

/* The product, as a double while it may be beyond any limit. */
static double measure(xpm_block *block)
{
        double product = 1;
        for (size_t i = 0; i < block->axis_count; i++)
                product *= (double)block->axes[i].count;
        block->count = 1;
        if (product > XPM_COMBINATIONS)
                return product;
        for (size_t i = block->axis_count; i-- > 0;) {
                block->axes[i].stride = block->count;
                block->count *= block->axes[i].count;
        }
        return product;
}

/* --- blocks --- */

static int read_product(reader *r, const xpm_node *node, xpm_block *block)
{
        if (node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(
                        r->err, node->pos,
                        "'sweep' takes a mapping from parameters to lists or ranges, or a list of such mappings");
        *block = (xpm_block){.pos = node->pos, .swept_count = node->pair_count};
        block->swept = xpm_arena_calloc(r->arena, node->pair_count, sizeof *block->swept);
        if (!block->swept)
                return xpm_fail_memory(r->err);
        for (size_t i = 0; i < node->pair_count; i++) {
                int rc = start_swept(r, &node->pairs[i], &block->swept[i]);
                if (rc == 0)
                        rc = read_values(r, node->pairs[i].value, &block->swept[i]);
                if (rc != 0)
                        return rc;
        }
        return make_axes(r, block);
}

/* An entry of include may name an alternative of a one_of. */
static void use_alternative(const reader *r, const xpm_node *node, xpm_swept *swept)
{
        for (size_t i = 0; i < r->count && !r->blocks[i].include && node->kind == XPM_NODE_SCALAR; i++) {
                const xpm_swept *same = find_swept(&r->blocks[i], swept->trail.text);
                for (size_t j = 0; same && same->names && j < same->count; j++)
                        if (strcmp(same->names[j]->data, node->text) == 0) {
                                swept->nodes = &same->nodes[j];
                                swept->names = &same->names[j];
                                return;
                        }
        }
}

static int read_include(reader *r, const xpm_node *node, xpm_block *block)
{
        if (node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(r->err, node->pos, "an entry of 'include' is a mapping from parameters to values");
        *block = (xpm_block){.include = true, .pos = node->pos, .swept_count = node->pair_count, .axis_count = 1};
        block->swept = xpm_arena_calloc(r->arena, node->pair_count, sizeof *block->swept);
        block->axes = xpm_arena_calloc(r->arena, 1, sizeof *block->axes);
        if (!block->swept || !block->axes)
                return xpm_fail_memory(r->err);
        block->axes[0].count = 1;
        for (size_t i = 0; i < node->pair_count; i++) {
                xpm_swept *swept = &block->swept[i];
                int rc = start_swept(r, &node->pairs[i], swept);
                if (rc == 0)
                        rc = take_single(r, node->pairs[i].value, swept);
                if (rc != 0)
                        return rc;
                use_alternative(r, node->pairs[i].value, swept);
        }
        return 0;
}

static int check_zip(reader *r)
{
        static const char shape[] = "'zip' takes a list of groups of swept parameters, as in [[a, b], [c, d]]";
        if (!r->zip)
                return 0;
        if (r->zip->kind != XPM_NODE_SEQUENCE)
                return xpm_fail_at(r->err, r->zip->pos, shape);
        for (size_t i = 0; i < r->zip->item_count; i++) {
                const xpm_node *group = r->zip->items[i];
                if (group->kind != XPM_NODE_SEQUENCE || group->item_count == 0)
                        return xpm_fail_at(r->err, group->pos, shape);
                for (size_t j = 0; j < group->item_count; j++)
                        if (group->items[j]->kind != XPM_NODE_SCALAR)
                                return xpm_fail_at(r->err, group->items[j]->pos, shape);
        }
        r->zipped = xpm_arena_calloc(r->arena, r->zip->item_count, sizeof *r->zipped);
        return r->zipped ? 0 : xpm_fail_memory(r->err);
}

/* A group that no mapping has names what is not swept. */
static int check_zipped(reader *r)
{
        for (size_t i = 0; r->zip && i < r->zip->item_count; i++) {
                if (r->zipped[i])
                        continue;
                const xpm_node *item = r->zip->items[i]->items[0];
                const char *near = NULL;
                for (size_t j = 0; j < r->count && !near; j++)
                        for (size_t k = 0; k < r->blocks[j].swept_count && !near; k++)
                                near = xpm_words_nearest(item->text, &r->blocks[j].swept[k].trail.text, 1);
                if (near)
                        return xpm_fail_at(r->err, item->pos, "'%s' is zipped but not swept: did you mean '%s'?",
                                           item->text, near);
                return xpm_fail_at(r->err, item->pos, "'%s' is zipped but not swept", item->text);
        }
        return 0;
}

static int count_all(reader *r, xpm_pos pos, size_t *total)
{
        double sum = 0;
        *total = 0;
        for (size_t i = 0; i < r->count; i++) {
                sum += measure(&r->blocks[i]);
                r->blocks[i].first = *total;
                *total += r->blocks[i].count;
        }
        if (sum > XPM_COMBINATIONS)
                return xpm_fail_at(r->err, pos, "step '%s' has %.15g combinations, and a step has at most %d", r->step,
                                   sum, XPM_COMBINATIONS);
        return 0;
}

static bool is_nothing(const xpm_node *node)
{
        return !node || xpm_node_is_null(node);
}

int xpm_sweep_read(xpm_arena *arena, const char *name, xpm_pos pos, const xpm_node *sweep, const xpm_node *zip,
                   const xpm_node *include, xpm_block **blocks, size_t *count, size_t *total, xpm_error *err)
{
        reader r = {.arena = arena, .step = name, .zip = is_nothing(zip) ? NULL : zip, .err = err};
        bool list = sweep && sweep->kind == XPM_NODE_SEQUENCE;
        if (is_nothing(include))
                include = NULL;
        if (include && include->kind != XPM_NODE_SEQUENCE)
                return xpm_fail_at(err, include->pos, "'include' takes a list of combinations, as in [{lr: 0.5}]");
        if (list && sweep->item_count == 0)
                return xpm_fail_at(err, sweep->pos, "the sweep of step '%s' is empty: no job would be left", name);
        size_t includes = include ? include->item_count : 0, products = list ? sweep->item_count : 1;
        if (is_nothing(sweep) || (sweep->kind == XPM_NODE_MAPPING && sweep->pair_count == 0)) {
                sweep = NULL;
                products = includes > 0 ? 0 : 1;
        }
        if (includes + products > XPM_COMBINATIONS)
                return xpm_fail_at(err, pos, "step '%s' has %zu combinations, and a step has at most %d", name,
                                   includes + products, XPM_COMBINATIONS);
        r.blocks = xpm_arena_calloc(arena, includes + products, sizeof *r.blocks);
        int rc = r.blocks ? check_zip(&r) : xpm_fail_memory(err);
        for (size_t i = 0; i < products && rc == 0; i++, r.count++) {
                if (sweep)
                        rc = read_product(&r, list ? sweep->items[i] : sweep, &r.blocks[i]);
                else
                        r.blocks[i] = (xpm_block){.pos = pos};
        }
        if (rc == 0)
                rc = check_zipped(&r);
        for (size_t i = 0; i < includes && rc == 0; i++, r.count++)
                rc = read_include(&r, include->items[i], &r.blocks[r.count]);
        if (rc == 0)
                rc = count_all(&r, sweep ? sweep->pos : pos, total);
        *blocks = r.blocks;
        *count = r.count;
        return rc;
}

const xpm_block *xpm_block_find(const xpm_block *blocks, size_t count, size_t *combination)
{
        size_t low = 0, high = count;
        while (high - low > 1) {
                size_t middle = low + (high - low) / 2;
                *(blocks[middle].first <= *combination ? &low : &high) = middle;
        }
        *combination -= blocks[low].first;
        return &blocks[low];
}

/* --- conversion --- */

static int convert_number(const xpm_converter *converter, const xpm_swept *swept, size_t index, const xpm_type *type,
                          const xpm_param *param, xpm_value *out, xpm_error *err)
{
        char buffer[XPM_FLOAT_SIZE];
        *out = swept->numbers[index];
        if (xpm_value_adapt(type, true, out))
                return param ? xpm_check_value(converter, param, out, swept->pos, err) : 0;
        if (out->kind == XPM_INT)
                snprintf(buffer, sizeof buffer, "%lld", (long long)out->integer);
        else
                xpm_float_format(buffer, out->number);
        xpm_text wanted = XPM_TEXT_INIT;
        xpm_type_print(type, &wanted);
        int rc = xpm_fail_at(err, swept->pos, "'%s': expected %s, found the number %s of a range", swept->trail.text,
                             xpm_text_string(&wanted), buffer);
        xpm_text_release(&wanted);
        return rc;
}

static int keep_error(const xpm_converter *converter, const xpm_swept *swept, xpm_converted *converted, size_t index,
                      size_t *kept, const xpm_error *error)
{
        if (!converted->errors)
                converted->errors = xpm_arena_calloc(converter->arena, swept->count, sizeof *converted->errors);
        if (!converted->errors)
                return XPM_ENOMEM;
        /* Only the first is ever shown; beyond a few they need not be told apart. */
        xpm_error *copy = NULL;
        for (size_t i = index; *kept >= ERRORS_KEPT && !copy && i-- > 0;)
                copy = converted->errors[i];
        if (!copy) {
                copy = xpm_arena_memdup(converter->arena, error, sizeof *error);
                ++*kept;
        }
        converted->errors[index] = copy;
        return copy ? 0 : XPM_ENOMEM;
}

int xpm_swept_convert(const xpm_converter *converter, xpm_swept *swept, const xpm_type *type, const xpm_param *param,
                      xpm_converted **out, xpm_error *err)
{
        for (xpm_converted *known = swept->converted; known; known = known->next)
                if (known->param == param && known->type == type) {
                        *out = known;
                        return 0;
                }
        xpm_converted *converted = xpm_arena_alloc(converter->arena, sizeof *converted);
        if (converted)
                converted->values = xpm_arena_calloc(converter->arena, swept->count, sizeof *converted->values);
        if (!converted || !converted->values)
                return xpm_fail_memory(err);
        size_t kept = 0;
        for (size_t i = 0; i < swept->count; i++) {
                xpm_error wrong = XPM_ERROR_NONE;
                xpm_value *value = &converted->values[i];
                int rc = swept->numbers ? convert_number(converter, swept, i, type, param, value, &wrong)
                                        : xpm_convert(converter, swept->nodes[i], type, param, value, &wrong);
                if (rc != 0 && rc != XPM_ENOMEM)
                        rc = keep_error(converter, swept, converted, i, &kept, &wrong);
                if (rc != 0)
                        return xpm_fail_memory(err);
        }
        converted->param = param;
        converted->type = type;
        converted->next = swept->converted;
        swept->converted = converted;
        *out = converted;
        return 0;
}

xpm_node *xpm_swept_node(xpm_arena *arena, const xpm_swept *swept, size_t index)
{
        if (swept->nodes)
                return swept->nodes[index];
        char buffer[XPM_FLOAT_SIZE];
        xpm_value number = swept->numbers[index];
        /* A whole float suits an int, and an int suits a float; but for the sign of -0.0. */
        if (number.kind == XPM_FLOAT && fabs(number.number) < 0x1p63 && number.number == trunc(number.number) &&
            !(number.number == 0 && signbit(number.number)))
                number = (xpm_value){.kind = XPM_INT, .integer = (int64_t)number.number};
        if (number.kind == XPM_INT)
                snprintf(buffer, sizeof buffer, "%lld", (long long)number.integer);
        else
                xpm_float_format(buffer, number.number);
        return xpm_node_scalar(arena, swept->pos, buffer, strlen(buffer), false);
}
