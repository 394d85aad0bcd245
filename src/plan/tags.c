/* Tags are looked up, never stored: a step knows where each of its tags is in a job (a trail, or a reference and a name
 * there), and its jobs only hold the parameters that they have anyway.
 *
 * "Tags belong to a job in a step": a job that two steps have is seen by a reference as a job of the step that the
 * reference names; only who lists jobs sees the tags of all its steps. */
#include "plan/tags.h"

#include <string.h>

#include "base/json.h"
#include "base/words.h"
#include "plan/scalar.h"
#include "plan/step.h"

enum { TAGS = 65536, LISTED = 12 };

/* --- the list of a step --- */

static const xpm_tag *get(const xpm_step *step, const char *name)
{
        for (size_t i = 0; i < step->detail->tag_count; i++)
                if (strcmp(step->detail->tags[i].name, name) == 0)
                        return &step->detail->tags[i];
        return NULL;
}

static int add(xpm_plan *plan, xpm_step *step, const xpm_tag *tag, xpm_error *err)
{
        struct xpm_step_detail *detail = step->detail;
        if (detail->tag_count >= TAGS)
                return xpm_fail_at(err, detail->pos, "step '%s' would have more than %d tags", step->name, TAGS);
        if (xpm_arena_reserve(plan->arena, &detail->tags, &detail->tag_capacity, detail->tag_count + 1,
                              sizeof *detail->tags) != 0)
                return xpm_fail_memory(err);
        detail->tags[detail->tag_count] = *tag;
        detail->tags[detail->tag_count++].length = strlen(tag->name);
        return 0;
}

static int add_swept(xpm_plan *plan, xpm_step *step, xpm_error *err)
{
        const struct xpm_step_detail *detail = step->detail;
        int rc = 0;
        for (size_t i = 0; i < detail->block_count; i++)
                for (size_t j = 0; j < detail->blocks[i].swept_count && rc == 0; j++) {
                        const xpm_swept *swept = &detail->blocks[i].swept[j];
                        xpm_tag *known = (xpm_tag *)get(step, swept->trail.text);
                        const xpm_tag tag = {.name = swept->trail.text, .trail = swept->trail, .named = swept->names};
                        if (known)
                                known->named = known->named || swept->names;
                        else
                                rc = add(plan, step, &tag, err);
                }
        return rc;
}

static int add_extra(xpm_plan *plan, xpm_step *step, xpm_error *err)
{
        const xpm_node *node = step->detail->extra_tags;
        bool list = node && node->kind == XPM_NODE_SEQUENCE;
        size_t count = !node ? 0 : list ? node->item_count : node->pair_count;
        int rc = 0;
        for (size_t i = 0; i < count && rc == 0; i++) {
                const xpm_node *item = list ? node->items[i] : node->pairs[i].value;
                xpm_tag tag = {.name = list ? item->text : node->pairs[i].key, .literal_node = list ? NULL : item};
                if (list) {
                        rc = xpm_trail_parse(plan->arena, item->text, "a tag", item->pos, &tag.trail, err);
                        if (rc == 0)
                                rc = xpm_trail_check(plan, step, &tag.trail, item->pos, err);
                } else {
                        rc = xpm_check_name(tag.name, node->pairs[i].key_pos, true, "a tag", err);
                        if (rc == 0 && item->kind != XPM_NODE_SCALAR)
                                rc = xpm_fail_at(err, item->pos, "the value of tag '%s' is a text, a number or a bool",
                                                 tag.name);
                        if (rc == 0)
                                rc = xpm_scalar_resolve(plan->arena, item, &tag.literal, err);
                        if (rc == 0 && get(step, tag.name))
                                rc = xpm_fail_at(err, node->pairs[i].key_pos, "'%s' is a tag already: it is swept",
                                                 tag.name);
                }
                if (rc == 0 && !get(step, tag.name))
                        rc = add(plan, step, &tag, err);
        }
        return rc;
}

/* TRAIL up to the first set on it, in *OUT: the elements of a set have no names of their own. */
static int before_set(xpm_plan *plan, const xpm_step *step, const xpm_trail *trail, xpm_trail *out, xpm_error *err)
{
        const xpm_type root = {.kind = XPM_CONFIG, .config = step->task->type}, *type = &root;
        size_t length = 0;
        *out = *trail;
        for (size_t i = 0; i < trail->count; i++) {
                const char *part = trail->parts[i];
                if (type->kind == XPM_SET) {
                        out->count = i;
                        out->text = xpm_arena_strndup(plan->arena, trail->text, length);
                        return out->text ? 0 : xpm_fail_memory(err);
                }
                length += strlen(part) + (i > 0);
                if (type->kind == XPM_LIST || type->kind == XPM_DICT) {
                        type = type->item;
                        continue;
                }
                long index = type->kind == XPM_CONFIG ? xpm_param_find(type->config, part, strlen(part)) : -1;
                if (index < 0)
                        return 0;
                type = type->config->params[index].type;
        }
        return 0;
}

static int add_inherited(xpm_plan *plan, xpm_step *step, xpm_reference *reference, xpm_error *err)
{
        xpm_trail through;
        int rc = before_set(plan, step, &reference->place, &through, err);
        for (size_t i = 0; i < reference->step_count; i++) {
                const struct xpm_step_detail *above = reference->steps[i]->detail;
                for (size_t j = 0; j < above->tag_count && rc == 0; j++) {
                        xpm_tag tag = {.trail = through, .reference = reference, .rest = &above->tags[j]};
                        tag.name = xpm_arena_printf(plan->arena, "%s.%s", through.text, tag.rest->name);
                        if (!tag.name)
                                return xpm_fail_memory(err);
                        if (!get(step, tag.name))
                                rc = add(plan, step, &tag, err);
                }
        }
        return rc;
}

int xpm_tags_define(xpm_plan *plan, xpm_step *step, xpm_error *err)
{
        struct xpm_step_detail *detail = step->detail;
        int rc = add_swept(plan, step, err);
        if (rc == 0)
                rc = add_extra(plan, step, err);
        detail->own_count = detail->tag_count;
        for (size_t i = 0; i < detail->references.count && rc == 0; i++) {
                xpm_reference *reference = detail->references.items[i];
                if (!reference->type)
                        continue;
                xpm_step *const *steps = NULL;
                if (reference->kind == XPM_FROM) {
                        reference->step_count = xpm_reference_steps(step, &reference->from, &steps);
                        reference->steps = (xpm_step **)steps;
                }
                rc = add_inherited(plan, step, reference, err);
        }
        return rc;
}

/* --- values --- */

bool xpm_job_view_in(const xpm_job *job, const xpm_step *step, xpm_job_view *out)
{
        *out = (xpm_job_view){.step = step, .config = job->config, .combination = job->combination};
        if (job->step == step)
                return true;
        for (const struct xpm_job_also *also = job->also; also; also = also->next)
                if (also->step == step) {
                        out->combination = also->combination;
                        return true;
                }
        return false;
}

/* The name of the alternative that the combination chose for TRAIL, or NULL. */
static const xpm_string *alternative(const xpm_job_view *view, const xpm_trail *trail)
{
        const struct xpm_step_detail *detail = view->step->detail;
        size_t combination = view->combination % detail->combinations;
        const xpm_block *block = xpm_block_find(detail->blocks, detail->block_count, &combination);
        for (size_t i = 0; i < block->swept_count; i++) {
                const xpm_swept *swept = &block->swept[i];
                if (swept->names && strcmp(swept->trail.text, trail->text) == 0)
                        return swept->names[xpm_swept_index(block, swept, combination)];
        }
        return NULL;
}

/* The tag that TAG leads to, of JOB in the first of the reference's steps that has both. */
static int value_of_job(const xpm_tag *tag, const xpm_job *job, xpm_value *out, xpm_error *err)
{
        const xpm_reference *reference = tag->reference;
        xpm_job_view view;
        int rc = 0;
        for (size_t i = 0; i < reference->step_count && rc == 0; i++) {
                const xpm_tag *there =
                        reference->step_count == 1 ? tag->rest : get(reference->steps[i], tag->rest->name);
                if (there && xpm_job_view_in(job, reference->steps[i], &view))
                        rc = xpm_tag_value(&view, there, out, err);
        }
        return rc;
}

/* What all jobs of a list agree on. */
static int value_of_list(const xpm_tag *tag, const xpm_array *list, xpm_value *out, xpm_error *err)
{
        for (size_t i = 0; i < list->count; i++) {
                const xpm_value *item = &list->items[i];
                xpm_value other = {0};
                if (item->kind != XPM_CONFIG || !item->config->job)
                        return 0;
                int rc = value_of_job(tag, item->config->job, &other, err);
                if (rc <= 0)
                        return rc;
                if (i == 0)
                        *out = other;
                else if (!xpm_value_equal(out, &other))
                        return 0;
        }
        return list->count > 0;
}

static int own_value(const xpm_job_view *view, const xpm_tag *tag, xpm_value *out, xpm_error *err)
{
        const xpm_string *name = tag->named ? alternative(view, &tag->trail) : NULL;
        if (tag->literal_node || name) {
                *out = name ? (xpm_value){.kind = XPM_STR, .string = name} : tag->literal;
                return 1;
        }
        int rc = view->ensure ? view->ensure(view->data, &tag->trail, err) : 0;
        if (rc != 0)
                return rc;
        const xpm_value *value = xpm_trail_follow(&tag->trail, view->config);
        if (!value || value->kind == XPM_UNSET || value->kind == XPM_HOLE)
                return 0;
        *out = *value;
        return 1;
}

/* A chain of jobs may be as long as the file, so it is followed by a loop; only lists and steps that share a reference
 * are recursed into. */
int xpm_tag_value(const xpm_job_view *view, const xpm_tag *tag, xpm_value *out, xpm_error *err)
{
        xpm_job_view at = *view;
        while (tag->reference) {
                int rc = at.ensure ? at.ensure(at.data, &tag->trail, err) : 0;
                if (rc != 0)
                        return rc;
                const xpm_value *value = xpm_trail_follow(&tag->trail, at.config);
                if (value && (value->kind == XPM_LIST || value->kind == XPM_SET))
                        return value_of_list(tag, value->array, out, err);
                if (!value || value->kind != XPM_CONFIG || !value->config->job)
                        return 0;
                if (tag->reference->step_count > 1)
                        return value_of_job(tag, value->config->job, out, err);
                if (!xpm_job_view_in(value->config->job, tag->reference->steps[0], &at))
                        return 0;
                tag = tag->rest;
        }
        return own_value(&at, tag, out, err);
}

/* --- names --- */

/* FULL is NAME or ends in `.NAME`. */
static bool is_meant(const xpm_tag *full, const char *name, size_t length)
{
        return full->length >= length && strcmp(full->name + full->length - length, name) == 0 &&
               (full->length == length || full->name[full->length - length - 1] == '.');
}

static int fail_ambiguous(const xpm_job_view *view, const char *name, size_t from, size_t to, xpm_error *err)
{
        const xpm_tag *tags = view->step->detail->tags;
        xpm_text list = XPM_TEXT_INIT;
        size_t length = strlen(name);
        for (size_t i = from; i < to; i++) {
                xpm_value value;
                if (is_meant(&tags[i], name, length) && xpm_tag_value(view, &tags[i], &value, NULL) > 0)
                        xpm_text_printf(&list, "%s'%s'", list.length ? ", " : "", tags[i].name);
        }
        static const char message[] = "tag '%s' of step '%s' is ambiguous: write one of %s";
        int rc = view->pos.source ? xpm_fail_at(err, view->pos, message, name, view->step->name, xpm_text_string(&list))
                                  : xpm_fail(err, XPM_EPLAN, message, name, view->step->name, xpm_text_string(&list));
        xpm_text_release(&list);
        return rc;
}

/* The one tag from FROM to TO that ends in NAME and that the job has. */
static int find_between(const xpm_job_view *view, const char *name, size_t from, size_t to, const xpm_tag **tag,
                        xpm_value *out, xpm_error *err)
{
        const xpm_tag *tags = view->step->detail->tags;
        size_t length = strlen(name), found = 0;
        for (size_t i = from; i < to; i++) {
                xpm_value value;
                if (!is_meant(&tags[i], name, length))
                        continue;
                int rc = xpm_tag_value(view, &tags[i], &value, err);
                if (rc < 0)
                        return rc;
                if (rc > 0 && found++ > 0)
                        return fail_ambiguous(view, name, from, to, err);
                if (rc > 0) {
                        *out = value;
                        if (tag)
                                *tag = &tags[i];
                }
        }
        return found > 0;
}

int xpm_tag_find(const xpm_job_view *view, const char *name, const xpm_tag **tag, xpm_value *out, xpm_error *err)
{
        const struct xpm_step_detail *detail = view->step->detail;
        const xpm_tag *exact = get(view->step, name);
        int rc = exact ? xpm_tag_value(view, exact, out, err) : 0;
        if (rc != 0) {
                if (tag)
                        *tag = exact;
                return rc;
        }
        rc = find_between(view, name, 0, detail->own_count, tag, out, err);
        return rc != 0 ? rc : find_between(view, name, detail->own_count, detail->tag_count, tag, out, err);
}

int xpm_tag_find_in(xpm_step *const *steps, size_t count, const xpm_job *job, const char *name, xpm_pos pos,
                    xpm_value *out, xpm_error *err)
{
        xpm_job_view view;
        int rc = 0;
        for (size_t i = 0; i < count && rc == 0; i++) {
                if (!xpm_job_view_in(job, steps[i], &view))
                        continue;
                view.pos = pos;
                rc = xpm_tag_find(&view, name, NULL, out, err);
        }
        return rc;
}

bool xpm_tag_known(const xpm_step *step, const char *name)
{
        size_t length = strlen(name);
        for (size_t i = 0; i < step->detail->tag_count; i++)
                if (is_meant(&step->detail->tags[i], name, length))
                        return true;
        return false;
}

/* The full name that NAME is a slip for, or whose end it is. */
static const char *nearest(const xpm_step *step, const char *name)
{
        for (size_t i = 0; i < step->detail->tag_count; i++) {
                const char *full = step->detail->tags[i].name;
                for (const char *end = full; end; end = strchr(end, '.')) {
                        end += *end == '.';
                        if (xpm_words_nearest(name, &end, 1))
                                return end;
                }
        }
        return NULL;
}

static bool has_full_name(const xpm_step *step, const char *name)
{
        for (size_t i = 0; i < step->detail->tag_count; i++)
                if (strcmp(step->detail->tags[i].name, name) == 0)
                        return true;
        return false;
}

/* Whether one of the first COUNT steps has a tag of the full name NAME. */
static bool is_listed(xpm_step *const *steps, size_t count, const char *name)
{
        for (size_t i = 0; i < count; i++)
                if (has_full_name(steps[i], name))
                        return true;
        return false;
}

void xpm_tag_suggest(xpm_step *const *steps, size_t count, const char *name, xpm_text *text)
{
        size_t listed = 0;
        for (size_t i = 0; i < count; i++) {
                const char *near = nearest(steps[i], name);
                if (near) {
                        xpm_text_printf(text, ": did you mean '%s'?", near);
                        return;
                }
        }
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < steps[i]->detail->tag_count && listed < LISTED; j++) {
                        const char *full = steps[i]->detail->tags[j].name;
                        if (!is_listed(steps, i, full))
                                xpm_text_printf(text, "%s%s", listed++ ? ", " : ": its tags are ", full);
                }
}

int xpm_tag_check(xpm_step *const *steps, size_t count, const char *name, xpm_pos pos, xpm_error *err)
{
        for (size_t i = 0; i < count; i++)
                if (xpm_tag_known(steps[i], name))
                        return 0;
        xpm_text text = XPM_TEXT_INIT;
        xpm_tag_suggest(steps, count, name, &text);
        int rc = xpm_fail_at(err, pos, "step '%s' has no tag '%.200s'%s", steps[0]->name, name, xpm_text_string(&text));
        xpm_text_release(&text);
        return rc;
}

/* --- for the other rooms --- */

/* The views of a job, its first step's first. */
static bool next_view(const xpm_job *job, const struct xpm_job_also **also, bool first, xpm_job_view *view)
{
        *also = first ? NULL : *also ? (*also)->next : job->also;
        if (!first && !*also)
                return false;
        *view = (xpm_job_view){.step = first ? job->step : (*also)->step,
                               .config = job->config,
                               .combination = first ? job->combination : (*also)->combination};
        return true;
}

/* A step before that of VIEW gave JOB the tag of this name. */
static bool is_told(const xpm_job *job, const xpm_step *step, const char *name)
{
        const struct xpm_job_also *also = NULL;
        xpm_job_view view;
        for (bool first = true; next_view(job, &also, first, &view) && view.step != step; first = false) {
                const xpm_tag *tag = get(view.step, name);
                xpm_value value;
                if (tag && xpm_tag_value(&view, tag, &value, NULL) > 0)
                        return true;
        }
        return false;
}

static int visit_tags(const xpm_job *job, bool own, xpm_tag_visitor visit, void *data)
{
        const struct xpm_job_also *also = NULL;
        xpm_job_view view;
        int rc = 0;
        for (bool first = true; rc == 0 && next_view(job, &also, first, &view); first = false) {
                const struct xpm_step_detail *detail = view.step->detail;
                size_t end = own ? detail->own_count : detail->tag_count;
                for (size_t i = own ? 0 : detail->own_count; i < end && rc == 0; i++) {
                        xpm_value value;
                        if (xpm_tag_value(&view, &detail->tags[i], &value, NULL) > 0 &&
                            !is_told(job, view.step, detail->tags[i].name))
                                rc = visit(data, detail->tags[i].name, &value);
                }
        }
        return rc;
}

int xpm_job_tags(const xpm_plan *plan, const xpm_job *job, xpm_tag_visitor visit, void *data)
{
        (void)plan;
        int rc = visit_tags(job, true, visit, data);
        return rc != 0 ? rc : visit_tags(job, false, visit, data);
}

int xpm_job_tag(const xpm_plan *plan, const xpm_job *job, const char *name, xpm_value *out, xpm_error *err)
{
        (void)plan;
        const struct xpm_job_also *also = NULL;
        xpm_job_view view;
        int rc = 0;
        for (bool first = true; rc == 0 && next_view(job, &also, first, &view); first = false)
                rc = xpm_tag_find(&view, name, NULL, out, err);
        return rc;
}

static int put_tag(void *data, const char *name, const xpm_value *value)
{
        xpm_text *text = data;
        xpm_json_key(text, name);
        return xpm_value_json(value, NULL, text);
}

int xpm_job_tags_json(const xpm_plan *plan, const xpm_job *job, xpm_text *text)
{
        xpm_text_putc(text, '{');
        int rc = xpm_job_tags(plan, job, put_tag, text);
        xpm_text_putc(text, '}');
        return rc != 0 || text->failed ? XPM_ENOMEM : 0;
}
