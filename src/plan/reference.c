/* References from the node to the jobs that they give.
 *
 * Whether a mapping such as {each: train} is a reference depends on the wanted type (for a `dict` it is a literal), so
 * all candidates are collected first, in order of writing, and one becomes alive when the conversion of its node asks
 * for it. What is not alive costs nothing and is no dependency. */
#include "plan/reference.h"

#include <stdio.h>
#include <string.h>

#include "plan/pattern.h"
#include "plan/setting.h"
#include "plan/step.h"

enum { DEEPEST = 64 };

/* --- finding them --- */

typedef struct link { /* the way from the root of the job, so that a trail is made only where something is found */
        const struct link *up;
        const char *part;
        size_t length;
} link;

typedef struct collector {
        xpm_arena *arena;
        const xpm_trail *place;
        bool in_sweep;
        xpm_references *list;
        xpm_error *err;
} collector;

static int make_trail(const collector *c, const link *at, xpm_trail *out)
{
        if (!at->up) {
                *out = *c->place;
                return 0;
        }
        xpm_trail before;
        int rc = make_trail(c, at->up, &before);
        return rc != 0 ? rc : xpm_trail_extend(c->arena, &before, at->part, at->length, out);
}

static int add(const collector *c, const xpm_node *node, const link *at)
{
        xpm_references *list = c->list;
        xpm_reference *reference = xpm_arena_alloc(c->arena, sizeof *reference);
        if (!reference ||
            xpm_arena_reserve(c->arena, &list->items, &list->capacity, list->count + 1, sizeof *list->items) != 0 ||
            make_trail(c, at, &reference->place) != 0)
                return xpm_fail_memory(c->err);
        reference->node = node;
        reference->in_sweep = c->in_sweep;
        list->items[list->count++] = reference;
        return 0;
}

static int collect(const collector *c, const xpm_node *node, const link *at)
{
        int rc = 0;
        /* The mapping of a step's params is none, whatever its parameters are called. */
        if ((at->up || c->in_sweep) && xpm_node_is_reference(node))
                return add(c, node, at);
        for (size_t i = 0; node->kind == XPM_NODE_MAPPING && i < node->pair_count && rc == 0; i++) {
                const xpm_pair *pair = &node->pairs[i];
                link next = {.up = at, .part = pair->key, .length = pair->key_length};
                if (pair->value->kind != XPM_NODE_SCALAR)
                        rc = collect(c, pair->value, &next);
        }
        for (size_t i = 0; node->kind == XPM_NODE_SEQUENCE && i < node->item_count && rc == 0; i++) {
                char index[24];
                if (node->items[i]->kind == XPM_NODE_SCALAR)
                        continue;
                link next = {.up = at, .part = index, .length = (size_t)snprintf(index, sizeof index, "%zu", i)};
                rc = collect(c, node->items[i], &next);
        }
        return rc;
}

int xpm_references_collect(xpm_arena *arena, const xpm_node *node, const xpm_trail *place, bool in_sweep,
                           xpm_references *list, xpm_error *err)
{
        const collector c = {.arena = arena, .place = place, .in_sweep = in_sweep, .list = list, .err = err};
        const link root = {0};
        return node ? collect(&c, node, &root) : 0;
}

/* --- reading them --- */

static xpm_reference *find(xpm_references *list, const xpm_node *node, size_t *index)
{
        for (size_t i = 0; i < list->count; i++) {
                *index = (list->last + i) % list->count;
                if (list->items[*index]->node == node) {
                        list->last = *index;
                        return list->items[*index];
                }
        }
        return NULL;
}

/* One name or a list of names. */
static int read_names(xpm_arena *arena, const xpm_node *node, const char *key, const char *of, const char ***out,
                      size_t *count, xpm_error *err)
{
        bool list = node->kind == XPM_NODE_SEQUENCE;
        *count = list ? node->item_count : 1;
        *out = xpm_arena_calloc(arena, *count, sizeof **out);
        if (!*out)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < *count; i++) {
                const xpm_node *item = list ? node->items[i] : node;
                if (item->kind != XPM_NODE_SCALAR || xpm_node_is_null(item))
                        return xpm_fail_at(err, item->pos, "'%s' takes the name of a %s, or a list of them", key, of);
                (*out)[i] = item->text;
        }
        return 0;
}

static int read_steps(xpm_plan *plan, xpm_reference *reference, const char *key, const xpm_node *node, xpm_error *err)
{
        const char **names;
        int rc = read_names(plan->arena, node, key, "step", &names, &reference->step_count, err);
        if (rc != 0)
                return rc;
        if (reference->step_count == 0)
                return xpm_fail_at(err, node->pos, "this '%s' names no step", key);
        reference->steps = xpm_arena_calloc(plan->arena, reference->step_count, sizeof *reference->steps);
        if (!reference->steps)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < reference->step_count && rc == 0; i++)
                rc = xpm_step_find(plan, names[i], node->kind == XPM_NODE_SEQUENCE ? node->items[i]->pos : node->pos,
                                   &reference->steps[i], err);
        return rc;
}

static int read_head(xpm_plan *plan, xpm_reference *reference, const xpm_pair *pair, xpm_error *err)
{
        static const char *const heads[] = {
                [XPM_EACH] = "each", [XPM_ALL] = "all", [XPM_FROM] = "from", [XPM_TAG] = "tag"};
        const xpm_node *value = pair->value;
        for (reference->kind = XPM_EACH; strcmp(pair->key, heads[reference->kind]) != 0;)
                reference->kind++;
        if (reference->kind <= XPM_ALL)
                return read_steps(plan, reference, pair->key, value, err);
        if (value->kind != XPM_NODE_SCALAR || xpm_node_is_null(value))
                return xpm_fail_at(err, value->pos, "'%s' takes one name, as in {%s: model.lr}", pair->key, pair->key);
        reference->tag = value->text;
        return reference->kind == XPM_TAG ? 0
                                          : xpm_trail_parse(plan->arena, value->text, "what 'from' takes", value->pos,
                                                            &reference->from, err);
}

static int read_keys(xpm_plan *plan, xpm_reference *reference, xpm_error *err)
{
        const xpm_node *node = reference->node;
        int rc = 0;
        for (size_t i = 0; i < node->pair_count && rc == 0; i++) {
                const xpm_pair *pair = &node->pairs[i];
                if (strcmp(pair->key, "allow_empty") == 0)
                        rc = xpm_check_bool(pair->value, "'allow_empty'", &reference->allow_empty, err);
                else if (strcmp(pair->key, "by") == 0)
                        rc = read_names(plan->arena, pair->value, "by", "tag", &reference->by, &reference->by_count,
                                        err);
                else if (strcmp(pair->key, "where") == 0)
                        reference->where = pair->value;
                else
                        rc = read_head(plan, reference, pair, err);
        }
        if (rc == 0 && reference->where && reference->where->kind != XPM_NODE_MAPPING)
                rc = xpm_fail_at(err, reference->where->pos,
                                 "'where' takes a mapping from tags to values, as in {lr: [0.1, 0.01]}");
        if (rc == 0 && reference->kind == XPM_EACH && reference->by)
                rc = xpm_fail_at(err, node->pos, "'by' makes lists of jobs: it goes with 'all', not with 'each'");
        return rc;
}

static int fail_shape(const xpm_reference *reference, const xpm_type *type, xpm_error *err)
{
        const xpm_step *first = reference->steps[0];
        xpm_text text = XPM_TEXT_INIT;
        int rc;
        xpm_type_print(type, &text);
        if (reference->kind == XPM_ALL)
                rc = xpm_fail_at(err, reference->node->pos,
                                 "'%s': {all: %s} gives a list, and %s is wanted: use 'each' for one job per job, or "
                                 "declare a list[%s]",
                                 reference->place.text, first->name, xpm_text_string(&text), first->task->type->name);
        else
                rc = xpm_fail_at(err, reference->node->pos,
                                 "'%s': {each: %s} gives one job for each job, and %s is wanted: use 'all' for a list "
                                 "of them",
                                 reference->place.text, first->name, xpm_text_string(&text));
        xpm_text_release(&text);
        return rc;
}

static int fail_task(const xpm_reference *reference, const xpm_step *step, const xpm_type *wanted, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_type_print(wanted, &text);
        int rc = xpm_fail_at(err, reference->node->pos, "'%s': {%s: %s} gives jobs of task '%s', and %s is wanted",
                             reference->place.text, reference->kind == XPM_EACH ? "each" : "all", step->name,
                             step->task->type->name, xpm_text_string(&text));
        xpm_text_release(&text);
        return rc;
}

/* The jobs of the steps must suit where the reference stands. */
static int check_type(const xpm_reference *reference, const xpm_type *type, xpm_error *err)
{
        bool list = type->kind == XPM_LIST || type->kind == XPM_SET;
        if (list != (reference->kind == XPM_ALL))
                return fail_shape(reference, type, err);
        const xpm_type *wanted = list ? type->item : type;
        for (size_t i = 0; i < reference->step_count; i++) {
                const xpm_step *step = reference->steps[i];
                if (wanted->kind != XPM_CONFIG || !xpm_config_type_is(step->task->type, wanted->config))
                        return fail_task(reference, step, wanted, err);
        }
        return 0;
}

int xpm_reference_read(void *data, const xpm_node *node, const xpm_type *type, xpm_value *out, xpm_error *err)
{
        const xpm_reference_reader *reader = data;
        xpm_references *list = &reader->step->detail->references;
        size_t index = 0;
        int rc = 0;
        xpm_reference *reference = find(list, node, &index);
        if (!reference)
                return xpm_fail_at(err, node->pos, "a reference to a step stands in a step's 'params' only");
        if (!reference->type) {
                rc = read_keys(reader->plan, reference, err);
                if (rc == 0 && reference->in_sweep && reference->kind <= XPM_ALL)
                        rc = xpm_fail_at(err, node->pos,
                                         "'each' and 'all' stand in 'params' only: give '%s' the reference there",
                                         reference->place.text);
        }
        if (rc == 0 && reference->kind <= XPM_ALL)
                rc = check_type(reference, type, err);
        if (rc != 0)
                return rc;
        reference->type = type;
        *out = (xpm_value){.kind = XPM_HOLE, .hole = index};
        return 0;
}

/* --- what they give --- */

typedef struct search {
        xpm_plan *plan;
        xpm_reference *reference;
        xpm_job **jobs;
        size_t count;
        xpm_error *err;
} search;

static int is_wanted(const search *s, const xpm_job *job)
{
        const xpm_node *where = s->reference->where;
        for (size_t i = 0; where && i < where->pair_count; i++) {
                const xpm_pair *pair = &where->pairs[i];
                xpm_value value = {0};
                int rc = xpm_tag_find_in(s->reference->steps, s->reference->step_count, job, pair->key, pair->key_pos,
                                         &value, s->err);
                if (rc < 0)
                        return rc;
                if (!xpm_tag_matches(pair->value, &value))
                        return 0;
        }
        return 1;
}

/* A job that several of the steps have is found once, in the first of them. */
static bool is_first(const xpm_reference *reference, size_t step, const xpm_job *job)
{
        xpm_job_view view;
        for (size_t i = 0; i < step; i++)
                if (xpm_job_view_in(job, reference->steps[i], &view))
                        return false;
        return true;
}

static int find_jobs(search *s)
{
        const xpm_reference *reference = s->reference;
        size_t most = 0;
        for (size_t i = 0; i < reference->step_count; i++)
                most += reference->steps[i]->job_count;
        if (reference->step_count == 1 && !reference->where) {
                s->jobs = reference->steps[0]->jobs;
                s->count = most;
                return 0;
        }
        s->jobs = xpm_arena_calloc(s->plan->arena, most, sizeof(xpm_job *));
        if (!s->jobs)
                return xpm_fail_memory(s->err);
        for (size_t i = 0; i < reference->step_count; i++)
                for (size_t j = 0; j < reference->steps[i]->job_count; j++) {
                        xpm_job *job = reference->steps[i]->jobs[j];
                        int rc = is_first(reference, i, job) ? is_wanted(s, job) : 0;
                        if (rc < 0)
                                return rc;
                        if (rc > 0)
                                s->jobs[s->count++] = job;
                }
        return 0;
}

static int fail_empty(const search *s)
{
        const xpm_reference *reference = s->reference;
        const xpm_node *where = reference->where;
        for (size_t i = 0; where && i < where->pair_count; i++) {
                int rc = xpm_tag_check(reference->steps, reference->step_count, where->pairs[i].key,
                                       where->pairs[i].key_pos, s->err);
                if (rc != 0)
                        return rc;
        }
        return xpm_fail_at(s->err, reference->node->pos,
                           "'%s': step '%s' has no job%s: if that may be, write allow_empty: true",
                           reference->place.text, reference->steps[0]->name, where ? " that 'where' allows" : "");
}

static xpm_array *make_array(xpm_arena *arena, size_t count)
{
        xpm_array *array = xpm_arena_alloc(arena, sizeof *array + count * sizeof *array->items);
        if (array)
                array->count = 0;
        return array;
}

static void put_job(xpm_array *array, xpm_job *job)
{
        array->items[array->count++] = (xpm_value){.kind = XPM_CONFIG, .config = job->config};
}

static int make_single(const search *s)
{
        xpm_reference *reference = s->reference;
        reference->groups = xpm_arena_calloc(s->plan->arena, 1, sizeof *reference->groups);
        if (!reference->groups || !(reference->groups[0] = make_array(s->plan->arena, s->count)))
                return xpm_fail_memory(s->err);
        for (size_t i = 0; i < s->count; i++)
                put_job(reference->groups[0], s->jobs[i]);
        reference->count = 1;
        return 0;
}

/* The canonical texts of JOB's values of `by`, one after the other, each ended by NUL; NULL texts end there. */
static int job_key(const search *s, const xpm_job *job, xpm_text *key)
{
        const xpm_reference *reference = s->reference;
        xpm_text_cut(key, 0);
        for (size_t i = 0; i < reference->by_count; i++) {
                xpm_value value = {0};
                int rc = xpm_tag_find_in(reference->steps, reference->step_count, job, reference->by[i],
                                         reference->node->pos, &value, s->err);
                if (rc < 0)
                        return rc;
                if (xpm_tag_key(&value, key) != 0)
                        return xpm_fail_memory(s->err);
                xpm_text_putc(key, '\0');
        }
        return key->failed ? xpm_fail_memory(s->err) : 0;
}

typedef struct group {
        size_t number, size;
        const char *key;
} group;

/* Which group each job is in, groups numbered in order of first appearance. */
static int number_jobs(const search *s, xpm_map *groups, group **of)
{
        xpm_text key = XPM_TEXT_INIT;
        int rc = 0;
        for (size_t i = 0; i < s->count && rc == 0; i++) {
                rc = job_key(s, s->jobs[i], &key);
                if (rc != 0)
                        break;
                group *found = xpm_map_get_n(groups, xpm_text_string(&key), key.length);
                if (!found) {
                        found = xpm_arena_alloc(s->plan->arena, sizeof *found);
                        char *copy = xpm_arena_memdup(s->plan->arena, xpm_text_string(&key), key.length + 1);
                        if (!found || !copy || xpm_map_put_n(groups, copy, key.length, found) != 0) {
                                rc = xpm_fail_memory(s->err);
                                break;
                        }
                        *found = (group){.number = groups->count - 1, .key = copy};
                }
                found->size++;
                of[i] = found;
        }
        xpm_text_release(&key);
        return rc;
}

static int make_groups(const search *s)
{
        xpm_reference *reference = s->reference;
        xpm_arena *arena = s->plan->arena;
        xpm_map groups = XPM_MAP_INIT;
        int rc = 0;
        for (size_t i = 0; i < reference->by_count && rc == 0; i++)
                rc = xpm_tag_check(reference->steps, reference->step_count, reference->by[i], reference->node->pos,
                                   s->err);
        group **of = xpm_arena_calloc(arena, s->count, sizeof *of);
        if (rc == 0)
                rc = of ? number_jobs(s, &groups, of) : xpm_fail_memory(s->err);
        if (rc != 0)
                goto out;
        reference->groups = xpm_arena_calloc(arena, groups.count, sizeof *reference->groups);
        reference->keys = xpm_arena_calloc(arena, groups.count * reference->by_count, sizeof *reference->keys);
        if (!reference->groups || !reference->keys) {
                rc = xpm_fail_memory(s->err);
                goto out;
        }
        for (size_t i = 0; i < groups.count; i++) {
                const group *g = groups.entries[i].value;
                const char *key = g->key;
                if (!(reference->groups[i] = make_array(arena, g->size))) {
                        rc = xpm_fail_memory(s->err);
                        goto out;
                }
                for (size_t j = 0; j < reference->by_count; j++, key += strlen(key) + 1)
                        reference->keys[i * reference->by_count + j] = key;
        }
        for (size_t i = 0; i < s->count; i++)
                put_job(reference->groups[of[i]->number], s->jobs[i]);
        reference->count = groups.count;
out:
        xpm_map_release(&groups);
        return rc;
}

int xpm_reference_prepare(xpm_plan *plan, xpm_reference *reference, xpm_error *err)
{
        search s = {.plan = plan, .reference = reference, .err = err};
        int rc = find_jobs(&s);
        if (rc != 0)
                return rc;
        if (s.count == 0 && !reference->allow_empty)
                return fail_empty(&s);
        if (reference->kind == XPM_ALL)
                return reference->by ? make_groups(&s) : make_single(&s);
        reference->jobs = s.jobs;
        reference->count = s.count;
        return 0;
}

/* --- where jobs stand --- */

static size_t steps_at(const xpm_step *step, const xpm_trail *trail, int depth, xpm_step *const **steps)
{
        const xpm_references *list = &step->detail->references;
        for (size_t i = 0; i < list->count && depth < DEEPEST; i++) {
                const xpm_reference *reference = list->items[i];
                size_t spent = reference->place.count;
                if (!reference->type || !xpm_trail_begins(trail, &reference->place))
                        continue;
                if (reference->kind == XPM_FROM && trail->count == spent)
                        return steps_at(step, &reference->from, depth + 1, steps);
                if (reference->kind > XPM_ALL)
                        continue;
                if (reference->kind == XPM_ALL && trail->count > spent)
                        spent++; /* the index */
                *steps = reference->steps;
                if (trail->count == spent)
                        return reference->step_count;
                const xpm_trail rest = {
                        .text = trail->text, .parts = trail->parts + spent, .count = trail->count - spent};
                return steps_at(reference->steps[0], &rest, depth + 1, steps);
        }
        return 0;
}

size_t xpm_reference_steps(const xpm_step *step, const xpm_trail *trail, xpm_step *const **steps)
{
        return steps_at(step, trail, 0, steps);
}
