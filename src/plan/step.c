/* Reading steps. A step may name any other, so all of them get their task first; then each is read completely: its
 * references are found in the nodes, in order of writing, and become alive when a conversion meets them where their
 * type is wanted.
 *
 * Invariant: after reading, every name in a step (task, step, parameter, path) is known to exist; what is left for
 * expansion are values. */
#include "plan/step.h"

#include <string.h>

#include "base/words.h"
#include "plan/setting.h"

int xpm_fail_unknown(xpm_error *err, xpm_pos pos, const char *what, const char *name, const char *const *candidates,
                     size_t count)
{
        const char *near = xpm_words_nearest(name, candidates, count);
        if (near)
                return xpm_fail_at(err, pos, "%s '%.200s': did you mean '%s'?", what, name, near);
        return xpm_fail_at(err, pos, "%s '%.200s'", what, name);
}

int xpm_step_find(const xpm_plan *plan, const char *name, xpm_pos pos, xpm_step **out, xpm_error *err)
{
        for (size_t i = 0; i < plan->step_count; i++)
                if (strcmp(plan->steps[i].name, name) == 0) {
                        *out = &plan->steps[i];
                        return 0;
                }
        const char **names = xpm_arena_calloc(plan->arena, plan->step_count, sizeof *names);
        if (!names)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < plan->step_count; i++)
                names[i] = plan->steps[i].name;
        return xpm_fail_unknown(err, pos, "there is no step", name, names, plan->step_count);
}

static int fail_task(const xpm_plan *plan, const xpm_step *step, const xpm_node *node, xpm_error *err)
{
        const xpm_map *types = &plan->types.configs;
        const char **names = xpm_arena_calloc(plan->arena, types->count, sizeof *names);
        size_t count = 0;
        if (!names)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < types->count; i++)
                if (((const xpm_config_type *)types->entries[i].value)->is_task)
                        names[count++] = types->entries[i].key;
        const xpm_config_type *other = xpm_map_get(types, node->text);
        if (other)
                return xpm_fail_at(err, node->pos,
                                   "step '%s': '%s' is a config, which cannot be run: declare it under 'tasks'",
                                   step->name, node->text);
        return xpm_fail_unknown(err, node->pos, "there is no task", node->text, names, count);
}

/* What must be known of a step before others are read. */
static int read_head(xpm_plan *plan, const xpm_pair *pair, xpm_step *step, xpm_error *err)
{
        static const char *const keys[] = {
                "task",   "params",       "sweep",    "zip",   "include", "exclude",     "match",     "tags", "after",
                "tokens", "requirements", "launcher", "retry", "env",     "max_retries", "transient", NULL};
        *step = (xpm_step){
                .name = pair->key, .node = pair->value, .wanted = true, .index = (size_t)(step - plan->steps)};
        step->detail = xpm_arena_alloc(plan->arena, sizeof *step->detail);
        if (!step->detail)
                return xpm_fail_memory(err);
        step->detail->pos = pair->key_pos;
        int rc = xpm_check_name(pair->key, pair->key_pos, false, "a step", err);
        if (rc != 0)
                return rc;
        if (step->node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, step->node->pos, "step '%s' takes a mapping with 'task' in it", step->name);
        rc = xpm_check_keys(step->node, "a step", keys, err);
        if (rc != 0)
                return rc;
        const xpm_node *task = xpm_node_get(step->node, "task");
        if (!task)
                return xpm_fail_at(err, pair->key_pos,
                                   "step '%s' has no 'task': write the name of the task that it runs", step->name);
        if (task->kind != XPM_NODE_SCALAR)
                return xpm_fail_at(err, task->pos, "the 'task' of step '%s' is one name", step->name);
        const xpm_config_type *type = xpm_map_get_n(&plan->types.configs, task->text, task->length);
        if (!type || !type->is_task)
                return fail_task(plan, step, task, err);
        step->task = type->task;
        return 0;
}

static int read_settings(xpm_plan *plan, xpm_step *step, xpm_error *err)
{
        const struct {
                const char *key;
                const xpm_node **slot;
        } settings[] = {{"tokens", &step->tokens},
                        {"requirements", &step->requirements},
                        {"launcher", &step->launcher},
                        {"retry", &step->retry},
                        {"env", &step->env},
                        {"max_retries", &step->max_retries},
                        {"transient", &step->transient}};
        for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
                *settings[i].slot = xpm_node_get(step->node, settings[i].key);
                if (!*settings[i].slot)
                        continue;
                int rc = xpm_check_setting(plan->arena, settings[i].key, settings[i].slot, err);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

/* A list of names, or one name, as steps; NULL for nothing. */
static int read_after(xpm_plan *plan, xpm_step *step, xpm_error *err)
{
        struct xpm_step_detail *detail = step->detail;
        xpm_node *node = xpm_node_get(step->node, "after");
        if (!node || xpm_node_is_null(node))
                return 0;
        bool list = node->kind == XPM_NODE_SEQUENCE;
        size_t count = list ? node->item_count : 1;
        detail->after = xpm_arena_calloc(plan->arena, count, sizeof *detail->after);
        if (!detail->after)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < count; i++) {
                const xpm_node *item = list ? node->items[i] : node;
                if (item->kind != XPM_NODE_SCALAR)
                        return xpm_fail_at(err, item->pos, "'after' takes a list of steps, as in [prepare]");
                int rc = xpm_step_find(plan, item->text, item->pos, &detail->after[i], err);
                if (rc != 0)
                        return rc;
        }
        detail->after_count = count;
        return 0;
}

static int check_list(const xpm_node *node, enum xpm_node_kind kind, const char *what, xpm_error *err)
{
        if (node->kind != XPM_NODE_SEQUENCE)
                return xpm_fail_at(err, node->pos, "%s", what);
        for (size_t i = 0; i < node->item_count; i++)
                if (node->items[i]->kind != kind)
                        return xpm_fail_at(err, node->items[i]->pos, "%s", what);
        return 0;
}

/* Shapes only: the names are those of tags, which are not known yet. */
static int read_lists(xpm_step *step, xpm_error *err)
{
        struct xpm_step_detail *detail = step->detail;
        const xpm_node *exclude = xpm_node_get(step->node, "exclude"), *match = xpm_node_get(step->node, "match"),
                       *tags = xpm_node_get(step->node, "tags");
        int rc = 0;
        if (exclude && !xpm_node_is_null(exclude)) {
                detail->exclude = exclude;
                rc = check_list(exclude, XPM_NODE_MAPPING,
                                "'exclude' takes a list of combinations of tags, as in [{lr: 0.1, hidden: 128}]", err);
        }
        for (size_t i = 0; rc == 0 && detail->exclude && i < exclude->item_count; i++)
                if (exclude->items[i]->pair_count == 0)
                        rc = xpm_fail_at(err, exclude->items[i]->pos,
                                         "this entry of 'exclude' names no tag: it would exclude every combination");
        if (rc == 0 && match && !xpm_node_is_null(match)) {
                detail->match = match;
                rc = check_list(match, XPM_NODE_SCALAR, "'match' takes a list of tags or steps, as in [seed]", err);
        }
        if (rc == 0 && tags && !xpm_node_is_null(tags)) {
                detail->extra_tags = tags;
                if (tags->kind != XPM_NODE_MAPPING)
                        rc = check_list(tags, XPM_NODE_SCALAR,
                                        "'tags' takes a list of parameters, or a mapping from names to values", err);
        }
        return rc;
}

/* Find everything that looks like a reference, params first, in order of writing. */
static int collect(xpm_plan *plan, xpm_step *step, xpm_error *err)
{
        struct xpm_step_detail *detail = step->detail;
        const xpm_trail root = {.text = ""};
        int rc = xpm_references_collect(plan->arena, detail->params, &root, false, &detail->references, err);
        for (size_t i = 0; i < detail->block_count; i++) {
                const xpm_block *block = &detail->blocks[i];
                for (size_t j = 0; j < block->swept_count; j++) {
                        xpm_swept *swept = &block->swept[j];
                        size_t before = detail->references.count;
                        for (size_t k = 0; swept->nodes && k < swept->count && rc == 0; k++)
                                rc = xpm_references_collect(plan->arena, swept->nodes[k], &swept->trail, true,
                                                            &detail->references, err);
                        swept->open = detail->references.count > before;
                }
        }
        return rc;
}

static uint32_t latest(const xpm_node *node, const xpm_node **where)
{
        uint32_t layer = node->layer;
        size_t count = node->kind == XPM_NODE_MAPPING    ? node->pair_count
                       : node->kind == XPM_NODE_SEQUENCE ? node->item_count
                                                         : 0;
        *where = node;
        for (size_t i = 0; i < count; i++) {
                const xpm_node *inner_where;
                uint32_t inner =
                        latest(node->kind == XPM_NODE_MAPPING ? node->pairs[i].value : node->items[i], &inner_where);
                if (inner > layer) {
                        layer = inner;
                        *where = inner_where;
                }
        }
        return layer;
}

/* A value that a later layer gives to what is swept would change no job, which nobody wants. */
static int check_layers(const xpm_step *step, xpm_error *err)
{
        const struct xpm_step_detail *detail = step->detail;
        for (size_t i = 0; i < detail->block_count; i++) {
                const xpm_block *block = &detail->blocks[i];
                for (size_t j = 0; j < block->swept_count && !block->include; j++) {
                        const xpm_swept *swept = &block->swept[j];
                        const xpm_node *where,
                                *node = xpm_node_follow(detail->params, &swept->trail, swept->trail.count);
                        char sweep[256];
                        if (!node || latest(node, &where) <= swept->layer)
                                continue;
                        xpm_pos_print(swept->pos, sweep, sizeof sweep);
                        return xpm_fail_at(
                                err, where->pos,
                                "'%s' of step '%s' is set here, but it is swept at %s, which decides: change "
                                "plan.%s.sweep.%s instead",
                                swept->trail.text, step->name, sweep, step->name, swept->trail.text);
                }
        }
        return 0;
}

static int read_params(xpm_plan *plan, xpm_step *step, xpm_error *err)
{
        const xpm_node *params = xpm_node_get(step->node, "params");
        if (!params || xpm_node_is_null(params))
                return 0;
        if (params->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, params->pos,
                                   "the 'params' of step '%s' take a mapping from parameters to values", step->name);
        step->detail->params = xpm_node_copy(plan->arena, params);
        return step->detail->params ? 0 : xpm_fail_memory(err);
}

static int add_need(xpm_plan *plan, struct xpm_step_detail *detail, xpm_step *need, xpm_error *err)
{
        for (size_t i = 0; i < detail->need_count; i++)
                if (detail->needs[i] == need)
                        return 0;
        if (xpm_arena_reserve(plan->arena, &detail->needs, &detail->need_capacity, detail->need_count + 1,
                              sizeof *detail->needs) != 0)
                return xpm_fail_memory(err);
        detail->needs[detail->need_count++] = need;
        return 0;
}

/* Which references multiply the step, and which steps come before it. */
static int list_needs(xpm_plan *plan, xpm_step *step, xpm_error *err)
{
        struct xpm_step_detail *detail = step->detail;
        int rc = 0;
        detail->choosing = xpm_arena_calloc(plan->arena, detail->references.count, sizeof(xpm_reference *));
        if (!detail->choosing)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < detail->references.count; i++) {
                xpm_reference *reference = detail->references.items[i];
                if (!reference->type || reference->kind > XPM_ALL)
                        continue;
                detail->choosing[detail->choosing_count++] = reference;
                for (size_t j = 0; j < reference->step_count && rc == 0; j++)
                        rc = add_need(plan, detail, reference->steps[j], err);
        }
        for (size_t i = 0; i < detail->after_count && rc == 0; i++)
                rc = add_need(plan, detail, detail->after[i], err);
        return rc;
}

static int read_step(xpm_plan *plan, const xpm_converter *converter, xpm_step *step, xpm_error *err)
{
        struct xpm_step_detail *detail = step->detail;
        const xpm_node *node = step->node;
        xpm_reference_reader reader = {.plan = plan, .step = step};
        xpm_converter own = *converter;
        own.reference = xpm_reference_read;
        own.reference_data = &reader;
        own.allow_missing = true;
        int rc = read_settings(plan, step, err);
        if (rc == 0)
                rc = read_after(plan, step, err);
        if (rc == 0)
                rc = read_lists(step, err);
        if (rc == 0)
                rc = read_params(plan, step, err);
        if (rc == 0)
                rc = xpm_sweep_read(plan->arena, step->name, detail->pos, xpm_node_get(node, "sweep"),
                                    xpm_node_get(node, "zip"), xpm_node_get(node, "include"), &detail->blocks,
                                    &detail->block_count, &detail->combinations, err);
        if (rc == 0)
                rc = check_layers(step, err);
        if (rc == 0)
                rc = collect(plan, step, err);
        if (rc == 0)
                rc = xpm_frames_make(plan, step, &own, err);
        return rc != 0 ? rc : list_needs(plan, step, err);
}

int xpm_steps_read(xpm_plan *plan, const xpm_converter *converter, xpm_error *err)
{
        const xpm_node *node = xpm_node_get(plan->document.root, "plan");
        if (!node || xpm_node_is_null(node))
                return 0;
        if (node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, node->pos, "'plan' takes a mapping from the names of steps to steps");
        plan->steps = xpm_arena_calloc(plan->arena, node->pair_count, sizeof *plan->steps);
        if (!plan->steps)
                return xpm_fail_memory(err);
        int rc = 0;
        for (; plan->step_count < node->pair_count && rc == 0; plan->step_count++)
                rc = read_head(plan, &node->pairs[plan->step_count], &plan->steps[plan->step_count], err);
        for (size_t i = 0; i < plan->step_count && rc == 0; i++)
                rc = read_step(plan, converter, &plan->steps[i], err);
        return rc;
}
