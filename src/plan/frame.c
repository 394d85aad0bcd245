/* Frames: what the jobs of a block share, and how a combination changes it.
 *
 * The base is converted from params without the swept places, so a value that stands beside its sweep is neither
 * checked nor referred to where it is not used. The way to a swept place is made of mappings where there was nothing.
 *
 * A group has one of three ways to its values. Usually each path leads through configs whose types are known: the value
 * is converted once for all, and only the configs along the path are copied. Where the type of what is on the way
 * depends on the choice (a swept config with a path into it), or the path leads through a list or a dict, the nodes are
 * put together and converted anew for each combination of the group: slower, and right by construction. */
#include "plan/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/step.h"

enum { FRESH = 64 };

/* --- checking a trail by types --- */

static bool subtype_has(const xpm_plan *plan, const xpm_config_type *type, const char *part)
{
        const xpm_map *types = &plan->types.configs;
        for (size_t i = 0; i < types->count; i++) {
                const xpm_config_type *other = types->entries[i].value;
                if (xpm_config_type_is(other, type) && xpm_param_find(other, part, strlen(part)) >= 0)
                        return true;
        }
        return false;
}

static int fail_parameter(xpm_plan *plan, const xpm_config_type *type, const xpm_trail *trail, const char *part,
                          xpm_pos pos, xpm_error *err)
{
        const char **names = xpm_arena_calloc(plan->arena, type->param_count, sizeof *names);
        char *what = xpm_arena_printf(plan->arena, "%s%s%s%s '%s' has no parameter", trail->count > 1 ? "'" : "",
                                      trail->count > 1 ? trail->text : "", trail->count > 1 ? "': " : "",
                                      type->is_task ? "task" : "config", type->name);
        if (!names || !what)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < type->param_count; i++)
                names[i] = type->params[i].name;
        return xpm_fail_unknown(err, pos, what, part, names, type->param_count);
}

/* A parameter that every job of a sweep would have, or that no job may be told. */
static int check_sweepable(const xpm_param *param, const xpm_trail *trail, xpm_pos pos, xpm_error *err)
{
        if (param->meta)
                return xpm_fail_at(
                        err, pos,
                        "'%s' cannot be swept: '%s' is meta, no part of the identifier, so all these jobs would be "
                        "one: take its 'meta: true' away",
                        trail->text, param->name);
        if (param->constant)
                return xpm_fail_at(err, pos, "'%s' cannot be swept: '%s' is a constant", trail->text, param->name);
        if (param->generated)
                return xpm_fail_at(err, pos, "'%s' cannot be swept: '%s' is generated", trail->text, param->name);
        return 0;
}

static int check_trail(xpm_plan *plan, const xpm_step *step, const xpm_trail *trail, bool swept, xpm_pos pos,
                       xpm_error *err)
{
        const xpm_type root = {.kind = XPM_CONFIG, .config = step->task->type}, *type = &root;
        xpm_text text = XPM_TEXT_INIT;
        for (size_t i = 0; i < trail->count; i++) {
                const char *part = trail->parts[i];
                if (type->kind == XPM_LIST || type->kind == XPM_SET || type->kind == XPM_DICT) {
                        type = type->item;
                        continue;
                }
                if (type->kind != XPM_CONFIG) {
                        xpm_type_print(type, &text);
                        int rc = xpm_fail_at(err, pos, "'%s': '%s' is %s and has no '%s'", trail->text,
                                             trail->parts[i - 1], xpm_text_string(&text), part);
                        xpm_text_release(&text);
                        return rc;
                }
                long index = xpm_param_find(type->config, part, strlen(part));
                if (index < 0 && i > 0 && subtype_has(plan, type->config, part))
                        return 0;
                if (index < 0)
                        return fail_parameter(plan, type->config, trail, part, pos, err);
                const xpm_param *param = &type->config->params[index];
                int rc = swept ? check_sweepable(param, trail, pos, err) : 0;
                if (rc != 0)
                        return rc;
                type = param->type;
        }
        return 0;
}

int xpm_trail_check(xpm_plan *plan, const xpm_step *step, const xpm_trail *trail, xpm_pos pos, xpm_error *err)
{
        return check_trail(plan, step, trail, false, pos, err);
}

/* --- looking into values that are not complete --- */

bool xpm_value_scan(const xpm_step *step, const xpm_value *value, const xpm_param *param, bool *live)
{
        bool found = false;
        switch (value->kind) {
        case XPM_HOLE:
                step->detail->references.items[value->hole]->param = param;
                if (live)
                        live[value->hole] = true;
                return true;
        case XPM_CONFIG:
                for (size_t i = 0; i < value->config->type->param_count; i++)
                        found |= xpm_value_scan(step, &value->config->values[i], &value->config->type->params[i], live);
                return found;
        case XPM_LIST:
        case XPM_SET:
                for (size_t i = 0; i < value->array->count; i++)
                        found |= xpm_value_scan(step, &value->array->items[i], param, live);
                return found;
        case XPM_DICT:
                for (size_t i = 0; i < value->dict->count; i++)
                        found |= xpm_value_scan(step, &value->dict->items[i].value, param, live);
                return found;
        default: return false;
        }
}

static bool has_children(const xpm_value *value)
{
        return value->kind == XPM_LIST || value->kind == XPM_SET || value->kind == XPM_DICT ||
               value->kind == XPM_CONFIG;
}

bool xpm_value_incomplete(const xpm_value *value, const char *name, xpm_text *text)
{
        size_t length = text->length, count = 0;
        if (value->kind != XPM_UNSET && !has_children(value))
                return false;
        if (value->kind == XPM_CONFIG && value->config->job)
                return false;
        xpm_text_printf(text, "%s%s", length ? "." : "", name);
        if (value->kind == XPM_UNSET)
                return true;
        count = value->kind == XPM_CONFIG ? value->config->type->param_count
                : value->kind == XPM_DICT ? value->dict->count
                                          : value->array->count;
        for (size_t i = 0; i < count; i++) {
                char index[24];
                snprintf(index, sizeof index, "%zu", i);
                const xpm_value *child = value->kind == XPM_CONFIG ? &value->config->values[i]
                                         : value->kind == XPM_DICT ? &value->dict->items[i].value
                                                                   : &value->array->items[i];
                if (xpm_value_incomplete(child, value->kind == XPM_CONFIG ? value->config->type->params[i].name : index,
                                         text))
                        return true;
        }
        xpm_text_cut(text, length);
        return false;
}

/* --- making frames --- */

typedef struct maker {
        xpm_plan *plan;
        xpm_step *step;
        const xpm_converter *converter;
        xpm_block *block;
        xpm_error *err;
} maker;

/* Another path of the block decides what SWEPT leads into. */
static bool is_below(const xpm_block *block, const xpm_swept *swept)
{
        for (size_t i = 0; i < block->swept_count; i++)
                if (&block->swept[i] != swept && xpm_trail_begins(&swept->trail, &block->swept[i].trail))
                        return true;
        return false;
}

static int make_base(maker *m, const xpm_node **node)
{
        const xpm_config_type *type = m->step->task->type;
        struct xpm_step_detail *detail = m->step->detail;
        xpm_frame *frame = m->block->frame;
        *node = detail->params;
        for (size_t i = 0; i < m->block->swept_count; i++) {
                const xpm_swept *swept = &m->block->swept[i];
                xpm_node *edited = NULL;
                int rc = check_trail(m->plan, m->step, &swept->trail, true, swept->pos, m->err);
                if (rc == 0 && is_below(m->block, swept))
                        continue;
                if (rc == 0)
                        rc = xpm_node_edit(m->plan->arena, *node, &swept->trail, 0, NULL, swept->pos, &edited, m->err);
                if (rc != 0)
                        return rc;
                *node = edited;
        }
        int rc = xpm_convert_config(m->converter, *node, detail->pos, type, &frame->base, m->err);
        if (rc != 0)
                return rc;
        if (frame->base->type != type)
                return xpm_fail_at(m->err, detail->params->pos,
                                   "step '%s' runs '%s': another task is chosen by 'task', not by 'type'",
                                   m->step->name, type->name);
        frame->open = xpm_arena_calloc(m->plan->arena, type->param_count, sizeof *frame->open);
        frame->live_count = detail->references.count;
        frame->live = xpm_arena_calloc(m->plan->arena, frame->live_count, sizeof *frame->live);
        if (!frame->open || !frame->live)
                return xpm_fail_memory(m->err);
        for (size_t i = 0; i < type->param_count; i++)
                frame->open[i] = xpm_value_scan(m->step, &frame->base->values[i], &type->params[i], frame->live);
        return 0;
}

/* Follow SWEPT through the configs of the base: *KNOWN when it ends at a parameter. */
static int follow_base(maker *m, const xpm_group *group, xpm_swept *swept, bool *known)
{
        const xpm_value *value = &m->block->frame->base->values[group->param];
        const xpm_param *param = &m->step->task->type->params[group->param];
        *known = false;
        for (size_t i = 1; i < swept->trail.count; i++) {
                const char *part = swept->trail.parts[i];
                if (value->kind != XPM_CONFIG)
                        return 0;
                const xpm_value *child = xpm_value_child(value, part, strlen(part), &param);
                if (!child)
                        return fail_parameter(m->plan, value->config->type, &swept->trail, part, swept->pos, m->err);
                int rc = check_sweepable(param, &swept->trail, swept->pos, m->err);
                if (rc != 0)
                        return rc;
                value = child;
        }
        *known = true;
        /* What it refers to should be known before there are jobs. */
        xpm_converted *converted;
        return swept->open ? xpm_swept_convert(m->converter, swept, param->type, param, &converted, m->err) : 0;
}

static int add_axis(maker *m, xpm_group *group, const xpm_swept *swept)
{
        for (size_t i = 0; i < group->axis_count; i++)
                if (group->axes[i] == swept->axis)
                        return 0;
        group->axes[group->axis_count++] = swept->axis;
        group->count *= m->block->axes[swept->axis].count;
        return 0;
}

/* Everything about a group whose swept paths are known. */
static int settle_group(maker *m, xpm_group *group, const xpm_node *params)
{
        xpm_frame *frame = m->block->frame;
        size_t depth = 0;
        group->count = 1;
        group->open = frame->open[group->param];
        group->whole = group->swept_count == 1 && group->swept[0]->trail.count == 1;
        group->node = xpm_node_get(params, group->swept[0]->trail.parts[0]);
        group->axes = xpm_arena_calloc(m->plan->arena, group->swept_count, sizeof *group->axes);
        if (!group->axes)
                return xpm_fail_memory(m->err);
        for (size_t i = 0; i < group->swept_count; i++) {
                xpm_swept *swept = group->swept[i];
                bool known = true;
                int rc = add_axis(m, group, swept);
                if (rc == 0 && !is_below(m->block, swept))
                        rc = follow_base(m, group, swept, &known);
                else
                        known = false;
                if (rc != 0)
                        return rc;
                depth += swept->trail.count;
                group->general |= !known || depth > FRESH;
                group->open |= swept->open;
        }
        return 0;
}

/* SWEPT goes behind those of the group that are not deeper. */
static void insert_swept(xpm_group *group, xpm_swept *swept)
{
        size_t at = group->swept_count++;
        for (; at > 0 && group->swept[at - 1]->trail.count > swept->trail.count; at--)
                group->swept[at] = group->swept[at - 1];
        group->swept[at] = swept;
}

static int make_groups(maker *m, const xpm_node *params)
{
        xpm_frame *frame = m->block->frame;
        size_t count = m->block->swept_count;
        frame->groups = xpm_arena_calloc(m->plan->arena, count, sizeof *frame->groups);
        if (!frame->groups)
                return xpm_fail_memory(m->err);
        for (size_t i = 0; i < count; i++) {
                xpm_swept *swept = &m->block->swept[i];
                const char *name = swept->trail.parts[0];
                size_t param = (size_t)xpm_param_find(m->step->task->type, name, strlen(name)), at = 0;
                while (at < frame->group_count && frame->groups[at].param != param)
                        at++;
                xpm_group *group = &frame->groups[at];
                if (at == frame->group_count) {
                        *group = (xpm_group){.param = param};
                        group->swept = xpm_arena_calloc(m->plan->arena, count, sizeof(xpm_swept *));
                        if (!group->swept)
                                return xpm_fail_memory(m->err);
                        frame->group_count++;
                }
                insert_swept(group, swept);
        }
        for (size_t i = 0; i < frame->group_count; i++) {
                int rc = settle_group(m, &frame->groups[i], params);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

static bool same_paths(const xpm_block *a, const xpm_block *b)
{
        if (a->swept_count != b->swept_count)
                return false;
        for (size_t i = 0; i < a->swept_count; i++)
                if (strcmp(a->swept[i].trail.text, b->swept[i].trail.text) != 0)
                        return false;
        return true;
}

int xpm_frames_make(xpm_plan *plan, xpm_step *step, const xpm_converter *converter, xpm_error *err)
{
        struct xpm_step_detail *detail = step->detail;
        const xpm_node *params = NULL;
        for (size_t i = 0; i < detail->block_count; i++) {
                xpm_block *block = &detail->blocks[i];
                maker m = {.plan = plan, .step = step, .converter = converter, .block = block, .err = err};
                /* A thousand entries of include that name the same parameters have one base. */
                bool same = i > 0 && same_paths(block, &detail->blocks[i - 1]);
                block->frame = xpm_arena_alloc(plan->arena, sizeof *block->frame);
                if (!block->frame)
                        return xpm_fail_memory(err);
                if (same) {
                        *block->frame = *detail->blocks[i - 1].frame;
                        block->frame->group_count = 0;
                }
                int rc = same ? 0 : make_base(&m, &params);
                if (rc == 0)
                        rc = make_groups(&m, params);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

void xpm_frame_release(xpm_frame *frame)
{
        for (size_t i = 0; i < frame->group_count; i++) {
                free(frame->groups[i].made);
                frame->groups[i].made = NULL;
        }
}

/* --- values of groups --- */

typedef struct building {
        const xpm_converter *converter;
        const xpm_step *step;
        const xpm_block *block;
        const xpm_group *group;
        size_t combination;
        xpm_config *fresh[FRESH]; /* copied for this value already */
        size_t fresh_count;
        const xpm_error *wrong; /* what is wrong with a value, or NULL */
        xpm_error *err;
} building;

/* The value of SWEPT in this combination; b->wrong when it does not suit. */
static int choose(building *b, xpm_swept *swept, const xpm_param *param, xpm_value *out)
{
        xpm_converted *converted = NULL;
        size_t index = xpm_swept_index(b->block, swept, b->combination);
        int rc = xpm_swept_convert(b->converter, swept, param->type, param, &converted, b->err);
        if (rc != 0)
                return rc;
        *out = converted->values[index];
        if (swept->open)
                xpm_value_scan(b->step, out, param, NULL);
        if (converted->errors)
                b->wrong = converted->errors[index];
        return 0;
}

/* The config in SLOT, copied unless this value has a copy of its own. */
static xpm_config *freshen(building *b, xpm_value *slot)
{
        for (size_t i = 0; i < b->fresh_count; i++)
                if (b->fresh[i] == slot->config)
                        return slot->config;
        slot->config = xpm_config_copy(b->converter->arena, slot->config);
        if (slot->config)
                b->fresh[b->fresh_count++] = slot->config;
        return slot->config;
}

static int patch(building *b, xpm_swept *swept, xpm_value *value)
{
        const xpm_param *param = NULL;
        xpm_value *slot = value;
        for (size_t i = 1; i < swept->trail.count; i++) {
                if (!freshen(b, slot))
                        return xpm_fail_memory(b->err);
                slot = (xpm_value *)xpm_value_child(slot, swept->trail.parts[i], strlen(swept->trail.parts[i]), &param);
        }
        return choose(b, swept, param, slot);
}

static int keep_wrong(building *b, int rc, const xpm_error *error)
{
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(b->err);
        b->wrong = xpm_arena_memdup(b->converter->arena, error, sizeof *error);
        return b->wrong ? 0 : xpm_fail_memory(b->err);
}

/* No part of the way may be meta, which only the types of this combination tell. */
static int check_way(const xpm_trail *trail, const xpm_value *value, xpm_pos pos, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 1; i < trail->count && value && rc == 0; i++) {
                const xpm_param *param = NULL;
                value = xpm_value_child(value, trail->parts[i], strlen(trail->parts[i]), &param);
                rc = param ? check_sweepable(param, trail, pos, err) : 0;
        }
        return rc;
}

static int build_general(building *b, const xpm_param *param, xpm_value *out)
{
        xpm_error wrong = XPM_ERROR_NONE;
        const xpm_node *node = b->group->node;
        int rc = 0;
        for (size_t i = 0; i < b->group->swept_count && rc == 0; i++) {
                const xpm_swept *swept = b->group->swept[i];
                xpm_node *edited = NULL, *choice = xpm_swept_node(b->converter->arena, swept,
                                                                  xpm_swept_index(b->block, swept, b->combination));
                if (!choice)
                        return xpm_fail_memory(b->err);
                rc = swept->trail.count == 1 ? 0
                                             : xpm_node_edit(b->converter->arena, node, &swept->trail, 1, choice,
                                                             swept->pos, &edited, &wrong);
                node = swept->trail.count == 1 ? choice : edited;
        }
        if (rc == 0)
                rc = xpm_convert(b->converter, node, param->type, param, out, &wrong);
        for (size_t i = 0; i < b->group->swept_count && rc == 0; i++)
                rc = check_way(&b->group->swept[i]->trail, out, b->group->swept[i]->pos, &wrong);
        if (rc != 0)
                return keep_wrong(b, rc, &wrong);
        if (b->group->open)
                xpm_value_scan(b->step, out, param, NULL);
        return 0;
}

static int build(building *b, const xpm_param *param, xpm_value *out)
{
        const xpm_group *group = b->group;
        if (group->general)
                return build_general(b, param, out);
        if (group->whole)
                return choose(b, group->swept[0], param, out);
        int rc = 0;
        *out = b->block->frame->base->values[group->param];
        for (size_t i = 0; i < group->swept_count && rc == 0 && !b->wrong; i++)
                rc = patch(b, group->swept[i], out);
        return rc;
}

/* A value that lacks a parameter is wrong; one with references is looked at when they are filled. */
static int check_complete(building *b, const xpm_param *param, const xpm_value *value)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_error wrong = XPM_ERROR_NONE;
        int rc = 0;
        if (xpm_value_incomplete(value, param->name, &text)) {
                rc = xpm_fail_missing(b->step, b->block, xpm_text_string(&text), &wrong);
                rc = keep_wrong(b, rc, &wrong);
        } else if (text.failed)
                rc = xpm_fail_memory(b->err);
        xpm_text_release(&text);
        return rc;
}

static size_t made_index(const xpm_block *block, const xpm_group *group, size_t combination)
{
        size_t index = 0;
        for (size_t i = 0; i < group->axis_count; i++) {
                const xpm_axis *axis = &block->axes[group->axes[i]];
                index = index * axis->count + combination / axis->stride % axis->count;
        }
        return index;
}

int xpm_group_value(const xpm_converter *converter, const xpm_step *step, const xpm_block *block, xpm_group *group,
                    size_t combination, xpm_value *out, const xpm_error **error, xpm_error *err)
{
        const xpm_param *param = &step->task->type->params[group->param];
        building b = {.converter = converter,
                      .step = step,
                      .block = block,
                      .group = group,
                      .combination = combination,
                      .err = err};
        bool keep = !group->open && !(group->whole && param->type->kind < XPM_LIST);
        size_t index = keep ? made_index(block, group, combination) : 0;
        if (keep && !group->made && !(group->made = calloc(group->count, sizeof *group->made)))
                return xpm_fail_memory(err);
        xpm_made *made = keep ? &group->made[index] : NULL;
        if (made && (made->value.kind != XPM_UNSET || made->error)) {
                *out = made->value;
                *error = made->error;
                return 0;
        }
        int rc = build(&b, param, out);
        if (rc == 0 && !b.wrong && !group->open)
                rc = check_complete(&b, param, out);
        if (rc != 0)
                return rc;
        *error = b.wrong;
        if (b.wrong)
                *out = (xpm_value){0};
        if (made)
                *made = (xpm_made){.value = *out, .error = b.wrong};
        return 0;
}

int xpm_fail_missing(const xpm_step *step, const xpm_block *block, const char *trail, xpm_error *err)
{
        const struct xpm_step_detail *detail = step->detail;
        xpm_pos pos = block->include ? block->pos : detail->params ? detail->params->pos : detail->pos;
        return xpm_fail_at(err, pos, "step '%s': parameter '%s' of task '%s' has no value: give it one in 'params'%s",
                           step->name, trail, step->task->type->name, block->include ? " or here" : " or in 'sweep'");
}
