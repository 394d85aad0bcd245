/* Making a job: the base of the block, the values of its groups, then the references.
 *
 * What holds references is copied for the job, and every place that waits for one is noted by the number of the
 * reference; so filling never searches. A `from` or a `tag` first fills what it looks at: the references that stand on
 * the way to it or inside it. One that is met again while it is being filled closes a circle.
 *
 * What is wrong with a value waits until `exclude` was judged; only a job that stays may complain. */
#include "plan/assemble.h"

#include <string.h>

#include "plan/pattern.h"
#include "plan/scalar.h"

enum hole_state { ABSENT, WAITING, FILLING, FILLED };

typedef struct hole {
        enum hole_state state;
        xpm_value *slot;
} hole;

struct xpm_assembly {
        xpm_plan *plan;
        xpm_step *step;
        struct xpm_step_detail *detail;
        const xpm_converter *converter;
        xpm_config *root;
        bool *excluded; /* for each entry of exclude: it has dropped something */

        /* of the present job */
        const xpm_block *block;
        size_t combination; /* of the block */
        uint64_t number;    /* of the step */
        const uint32_t *choices;
        hole *holes; /* by number of the reference */
        size_t hole_capacity;
        size_t *waiting, waiting_count, waiting_capacity; /* those that are there */
        size_t *filling, filling_count, filling_capacity; /* those being filled, outermost first */
        xpm_array **sets; /* in which references stand: their elements may turn out to be equal */
        size_t set_count, set_capacity;
        xpm_error *err;
};

int xpm_assembly_create(xpm_plan *plan, xpm_step *step, const xpm_converter *converter, xpm_assembly **out,
                        xpm_error *err)
{
        xpm_assembly *a = xpm_arena_alloc(plan->arena, sizeof *a);
        if (!a)
                return xpm_fail_memory(err);
        *a = (xpm_assembly){.plan = plan, .step = step, .detail = step->detail, .converter = converter};
        a->root = xpm_config_create(plan->arena, step->task->type);
        a->excluded = xpm_arena_calloc(plan->arena, a->detail->exclude ? a->detail->exclude->item_count : 0, 1);
        if (!a->root || !a->excluded)
                return xpm_fail_memory(err);
        *out = a;
        return 0;
}

/* --- copies with holes --- */

static bool has_hole(const xpm_value *value)
{
        switch (value->kind) {
        case XPM_HOLE: return true;
        case XPM_CONFIG:
                for (size_t i = 0; !value->config->job && i < value->config->type->param_count; i++)
                        if (has_hole(&value->config->values[i]))
                                return true;
                return false;
        case XPM_LIST:
        case XPM_SET:
                for (size_t i = 0; i < value->array->count; i++)
                        if (has_hole(&value->array->items[i]))
                                return true;
                return false;
        case XPM_DICT:
                for (size_t i = 0; i < value->dict->count; i++)
                        if (has_hole(&value->dict->items[i].value))
                                return true;
                return false;
        default: return false;
        }
}

static int note_hole(xpm_assembly *a, xpm_value *slot)
{
        xpm_arena *arena = a->plan->arena;
        size_t count = a->detail->references.count;
        if (xpm_arena_reserve(arena, &a->holes, &a->hole_capacity, count, sizeof *a->holes) != 0 ||
            xpm_arena_reserve(arena, &a->waiting, &a->waiting_capacity, count, sizeof *a->waiting) != 0 ||
            xpm_arena_reserve(arena, &a->filling, &a->filling_capacity, count, sizeof *a->filling) != 0)
                return xpm_fail_memory(a->err);
        a->waiting[a->waiting_count++] = slot->hole;
        a->holes[slot->hole] = (hole){.state = WAITING, .slot = slot};
        return 0;
}

static int open_value(xpm_assembly *a, xpm_value *slot);

static int open_array(xpm_assembly *a, xpm_value *slot)
{
        int rc = 0;
        const xpm_array *old = slot->array;
        xpm_array *copy = xpm_arena_memdup(a->plan->arena, old, sizeof *old + old->count * sizeof *old->items);
        if (!copy)
                return xpm_fail_memory(a->err);
        slot->array = copy;
        for (size_t i = 0; i < copy->count && rc == 0; i++)
                rc = open_value(a, &copy->items[i]);
        if (rc != 0 || slot->kind != XPM_SET)
                return rc;
        if (xpm_arena_reserve(a->plan->arena, &a->sets, &a->set_capacity, a->set_count + 1, sizeof(xpm_array *)) != 0)
                return xpm_fail_memory(a->err);
        a->sets[a->set_count++] = copy;
        return 0;
}

static int open_dict(xpm_assembly *a, xpm_value *slot)
{
        int rc = 0;
        const xpm_dict *old = slot->dict;
        xpm_dict *copy = xpm_arena_memdup(a->plan->arena, old, sizeof *old + old->count * sizeof *old->items);
        if (!copy)
                return xpm_fail_memory(a->err);
        slot->dict = copy;
        for (size_t i = 0; i < copy->count && rc == 0; i++)
                rc = open_value(a, &copy->items[i].value);
        return rc;
}

static int open_config(xpm_assembly *a, xpm_value *slot)
{
        int rc = 0;
        xpm_config *copy = xpm_config_copy(a->plan->arena, slot->config);
        if (!copy)
                return xpm_fail_memory(a->err);
        slot->config = copy;
        for (size_t i = 0; i < copy->type->param_count && rc == 0; i++)
                rc = open_value(a, &copy->values[i]);
        return rc;
}

/* Give the job its own copy of whatever has a reference in it. */
static int open_value(xpm_assembly *a, xpm_value *slot)
{
        if (slot->kind == XPM_HOLE)
                return note_hole(a, slot);
        if (!has_hole(slot))
                return 0;
        if (slot->kind == XPM_CONFIG)
                return open_config(a, slot);
        return slot->kind == XPM_DICT ? open_dict(a, slot) : open_array(a, slot);
}

/* --- references --- */

static int fill(xpm_assembly *a, size_t number);

static int fail_circle(xpm_assembly *a, size_t number)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_reference *const *references = a->detail->references.items;
        size_t first = 0;
        while (a->filling[first] != number)
                first++;
        for (size_t i = first; i < a->filling_count; i++)
                xpm_text_printf(&text, "%s -> ", references[a->filling[i]]->place.text);
        int rc = xpm_fail_at(a->err, references[number]->node->pos, "step '%s': a value refers to itself: %s%s",
                             a->step->name, xpm_text_string(&text), references[number]->place.text);
        xpm_text_release(&text);
        return rc;
}

/* Fill what stands on the way to TRAIL and inside what is there. */
static int ensure(void *data, const xpm_trail *trail, xpm_error *err)
{
        xpm_assembly *a = data;
        (void)err; /* that of the assembly */
        for (size_t i = 0; i < a->waiting_count; i++) {
                const xpm_reference *reference = a->detail->references.items[a->waiting[i]];
                if (!xpm_trail_begins(trail, &reference->place) && !xpm_trail_begins(&reference->place, trail))
                        continue;
                int rc = fill(a, a->waiting[i]);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

static xpm_job_view view_of(xpm_assembly *a, xpm_pos pos)
{
        return (xpm_job_view){
                .step = a->step, .config = a->root, .combination = a->number, .pos = pos, .ensure = ensure, .data = a};
}

static size_t choice_of(const xpm_assembly *a, const xpm_reference *reference)
{
        size_t at = 0;
        while (a->detail->choosing[at] != reference)
                at++;
        return a->choices[at];
}

static int fail_nothing(xpm_assembly *a, const xpm_reference *reference, xpm_value *out)
{
        const char *key = reference->kind == XPM_FROM ? "from" : "tag";
        if (reference->allow_empty && reference->type->optional) {
                *out = (xpm_value){.kind = XPM_NULL};
                return 0;
        }
        return xpm_fail_at(a->err, reference->node->pos,
                           "step '%s': '%s': {%s: %s} finds nothing in a job of this step", a->step->name,
                           reference->place.text, key, reference->tag);
}

static int find_from(xpm_assembly *a, const xpm_reference *reference, xpm_value *out)
{
        const xpm_value root = {.kind = XPM_CONFIG, .config = a->root}, *value = &root;
        const xpm_param *param = NULL;
        int rc = ensure(a, &reference->from, NULL);
        if (rc != 0)
                return rc;
        for (size_t i = 0; i < reference->from.count && value; i++)
                value = xpm_value_child(value, reference->from.parts[i], strlen(reference->from.parts[i]), &param);
        if (value && param->generated)
                return xpm_fail_at(
                        a->err, reference->node->pos,
                        "'%s': '%s' is generated and has no value before the job runs: write {{%s}} in the command",
                        reference->place.text, reference->from.text, reference->from.text);
        if (!value)
                return fail_nothing(a, reference, out);
        if (value->kind == XPM_UNSET)
                return xpm_fail_missing(a->step, a->block, reference->from.text, a->err);
        *out = *value;
        return 0;
}

/* The tag's value; a name or a literal is read as what is wanted. */
static int find_tag(xpm_assembly *a, const xpm_reference *reference, xpm_value *out)
{
        const xpm_tag *tag = NULL;
        const xpm_pos pos = reference->node->pos;
        const xpm_job_view view = view_of(a, pos);
        int rc = xpm_tag_find(&view, reference->tag, &tag, out, a->err);
        if (rc < 0)
                return rc;
        if (rc == 0) {
                rc = xpm_tag_check(&(xpm_step *){a->step}, 1, reference->tag, pos, a->err);
                return rc != 0 ? rc : fail_nothing(a, reference, out);
        }
        if (tag->literal_node)
                return xpm_convert(a->converter, tag->literal_node, reference->type, reference->param, out, a->err);
        if (!tag->named || out->kind != XPM_STR)
                return 0;
        const xpm_node name = {.kind = XPM_NODE_SCALAR,
                               .quoted = true,
                               .pos = pos,
                               .text = out->string->data,
                               .length = out->string->length};
        return xpm_convert(a->converter, &name, reference->type, reference->param, out, a->err);
}

static int fail_type(xpm_assembly *a, const xpm_reference *reference, const xpm_value *value)
{
        xpm_text wanted = XPM_TEXT_INIT, found = XPM_TEXT_INIT;
        xpm_type_print(reference->type, &wanted);
        if (value->kind == XPM_CONFIG)
                xpm_text_puts(&found, value->config->type->name);
        else if (xpm_value_json(value, NULL, &found) != 0)
                xpm_text_cut(&found, 0);
        if (found.length > 60) {
                xpm_text_cut(&found, 60);
                xpm_text_puts(&found, "…");
        }
        int rc = xpm_fail_at(a->err, reference->node->pos, "'%s': expected %s, and {%s: %s} gives %s",
                             reference->place.text, xpm_text_string(&wanted),
                             reference->kind == XPM_FROM ? "from" : "tag", reference->tag, xpm_text_string(&found));
        xpm_text_release(&wanted);
        xpm_text_release(&found);
        return rc;
}

/* A value from elsewhere must suit the type and the bounds here. */
static int suit(xpm_assembly *a, const xpm_reference *reference, xpm_value *value)
{
        int rc = 0;
        if (!xpm_value_adapt(reference->type, false, value)) {
                rc = xpm_value_fit(a->plan->arena, reference->type, false, value, NULL);
                if (rc == XPM_ENOMEM)
                        return xpm_fail_memory(a->err);
                if (rc != 0)
                        return fail_type(a, reference, value);
        }
        return reference->param ? xpm_check_value(a->converter, reference->param, value, reference->node->pos, a->err)
                                : 0;
}

static int find_value(xpm_assembly *a, const xpm_reference *reference, xpm_value *out)
{
        int rc;
        switch (reference->kind) {
        case XPM_EACH:
                *out = (xpm_value){.kind = XPM_CONFIG, .config = reference->jobs[choice_of(a, reference)]->config};
                return 0;
        case XPM_ALL:
                *out = (xpm_value){.kind = reference->type->kind, .array = reference->groups[choice_of(a, reference)]};
                return 0;
        case XPM_FROM: rc = find_from(a, reference, out); break;
        default: rc = find_tag(a, reference, out); break;
        }
        if (rc != 0 || out->kind == XPM_NULL)
                return rc != 0 || reference->type->optional ? rc : fail_type(a, reference, out);
        return suit(a, reference, out);
}

static int fill(xpm_assembly *a, size_t number)
{
        xpm_value value = {0};
        hole *at = &a->holes[number];
        if (at->state == FILLED)
                return 0;
        if (at->state == FILLING)
                return fail_circle(a, number);
        at->state = FILLING;
        a->filling[a->filling_count++] = number;
        int rc = find_value(a, a->detail->references.items[number], &value);
        if (rc != 0)
                return rc;
        a->filling_count--;
        *at->slot = value;
        at->state = FILLED;
        return 0;
}

/* --- exclude --- */

/* The value as it is written of a swept NAME that could not be converted. */
static bool written_value(const xpm_assembly *a, const char *name, xpm_value *out)
{
        size_t length = strlen(name);
        for (size_t i = 0; i < a->block->swept_count; i++) {
                const xpm_swept *swept = &a->block->swept[i];
                size_t full = strlen(swept->trail.text), index = xpm_swept_index(a->block, swept, a->combination);
                const char *end = swept->trail.text + full - length;
                if (full < length || strcmp(end, name) != 0 || (full > length && end[-1] != '.'))
                        continue;
                if (swept->numbers)
                        *out = swept->numbers[index];
                else if (swept->nodes[index]->kind != XPM_NODE_SCALAR ||
                         xpm_scalar_resolve(a->plan->arena, swept->nodes[index], out, NULL) != 0)
                        return false;
                return true;
        }
        return false;
}

/* Does the entry name only tags whose values match: 1, 0 or an error. */
static int matches(xpm_assembly *a, const xpm_node *entry, bool wrong)
{
        for (size_t i = 0; i < entry->pair_count; i++) {
                const xpm_pair *pair = &entry->pairs[i];
                const xpm_job_view view = view_of(a, pair->key_pos);
                xpm_value value = {0};
                int rc = xpm_tag_find(&view, pair->key, NULL, &value, a->err);
                if (rc < 0)
                        return rc;
                if (rc == 0 && wrong)
                        written_value(a, pair->key, &value);
                if (!xpm_tag_matches(pair->value, &value))
                        return 0;
        }
        return 1;
}

static int is_excluded(xpm_assembly *a, bool wrong)
{
        const xpm_node *exclude = a->detail->exclude;
        for (size_t i = 0; exclude && !a->block->include && i < exclude->item_count; i++) {
                int rc = matches(a, exclude->items[i], wrong);
                if (rc > 0)
                        a->excluded[i] = true;
                if (rc != 0)
                        return rc;
        }
        return 0;
}

void xpm_assembly_warn(const xpm_assembly *a)
{
        const xpm_node *exclude = a->detail->exclude;
        for (size_t i = 0; a->converter->log && exclude && i < exclude->item_count; i++) {
                char where[256];
                xpm_text text = XPM_TEXT_INIT;
                const xpm_node *entry = exclude->items[i];
                if (a->excluded[i])
                        continue;
                for (size_t k = 0; k < entry->pair_count && text.length == 0; k++)
                        if (!xpm_tag_known(a->step, entry->pairs[k].key)) {
                                xpm_text_printf(&text, ": it has no tag '%s'", entry->pairs[k].key);
                                xpm_tag_suggest(&(xpm_step *){a->step}, 1, entry->pairs[k].key, &text);
                        }
                xpm_pos_print(entry->pos, where, sizeof where);
                xpm_warn(a->converter->log, "%s: this entry of 'exclude' matches no combination of step '%s'%s", where,
                         a->step->name, xpm_text_string(&text));
                xpm_text_release(&text);
        }
}

/* --- the job --- */

static int check_param(xpm_assembly *a, size_t param)
{
        xpm_text text = XPM_TEXT_INIT;
        int rc = 0;
        if (xpm_value_incomplete(&a->root->values[param], a->root->type->params[param].name, &text))
                rc = xpm_fail_missing(a->step, a->block, xpm_text_string(&text), a->err);
        else if (text.failed)
                rc = xpm_fail_memory(a->err);
        xpm_text_release(&text);
        return rc;
}

static bool is_open(const xpm_frame *frame, size_t param)
{
        for (size_t i = 0; i < frame->group_count; i++)
                if (frame->groups[i].param == param)
                        return frame->groups[i].open;
        return frame->open[param];
}

static bool is_grouped(const xpm_frame *frame, size_t param)
{
        for (size_t i = 0; i < frame->group_count; i++)
                if (frame->groups[i].param == param)
                        return true;
        return false;
}

/* Fill all that waits, and see that nothing is missing. */
static int finish(xpm_assembly *a)
{
        xpm_frame *frame = a->block->frame;
        int rc = 0;
        for (size_t i = 0; i < a->waiting_count && rc == 0; i++)
                rc = fill(a, a->waiting[i]);
        for (size_t i = 0; i < a->set_count && rc == 0; i++)
                rc = xpm_array_unique(a->sets[i], a->err);
        if (frame->checked && a->waiting_count == 0)
                return rc;
        for (size_t i = 0; i < a->root->type->param_count && rc == 0; i++)
                if (is_open(frame, i) || (!frame->checked && !is_grouped(frame, i)))
                        rc = check_param(a, i);
        frame->checked = rc == 0;
        return rc;
}

/* Base and groups; *WRONG is the first error of a value. */
static int start(xpm_assembly *a, const xpm_error **wrong)
{
        xpm_frame *frame = a->block->frame;
        size_t count = a->root->type->param_count;
        int rc = 0;
        *wrong = NULL;
        memcpy(a->root->values, frame->base->values, count * sizeof *a->root->values);
        for (size_t i = 0; i < frame->group_count; i++) {
                const xpm_error *error = NULL;
                xpm_group *group = &frame->groups[i];
                rc = xpm_group_value(a->converter, a->step, a->block, group, a->combination,
                                     &a->root->values[group->param], &error, a->err);
                if (rc != 0)
                        return rc;
                if (error && !*wrong)
                        *wrong = error;
        }
        for (size_t i = 0; i < a->waiting_count; i++)
                a->holes[a->waiting[i]].state = ABSENT;
        a->waiting_count = a->filling_count = a->set_count = 0;
        for (size_t i = 0; i < count && rc == 0 && a->detail->references.count > 0; i++)
                if (is_open(frame, i))
                        rc = open_value(a, &a->root->values[i]);
        return rc;
}

int xpm_assembly_make(xpm_assembly *a, const xpm_block *block, size_t combination, const uint32_t *choices,
                      uint64_t number, xpm_config **root, xpm_error *err)
{
        const xpm_error *wrong = NULL;
        a->block = block;
        a->combination = combination;
        a->number = number;
        a->choices = choices;
        a->err = err;
        int rc = start(a, &wrong);
        if (rc == 0)
                rc = is_excluded(a, wrong != NULL);
        if (rc != 0)
                return rc < 0 ? rc : 0;
        if (wrong)
                return xpm_fail(err, wrong->code, "%s", wrong->message);
        rc = finish(a);
        *root = a->root;
        return rc != 0 ? rc : 1;
}
