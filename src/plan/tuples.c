/* Which choices of several references go together.
 *
 * Without `match` and without a name that two `by` share they multiply. Otherwise it is a join: each reference has an
 * index from the values that must be equal to its choices, so that pairing a thousand jobs with a thousand looks at a
 * thousand pairs. Only `match` by a step where a job has several ancestors (it has a list of them) cannot be a key;
 * those are compared set by set.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/pattern.h"
#include "plan/reference.h"
#include "plan/step.h"

enum { LOOKS = 10 * XPM_COMBINATIONS };

/* The choice of this reference must have the key that PARTNER's has. */
typedef struct join {
        size_t partner;
        const char *const *own, *const *other; /* a key of NULL equals none */
        size_t own_stride, other_stride;
} join;

typedef struct jobs {
        xpm_job **items; /* ascending by address, each once */
        size_t count, capacity;
} jobs;

typedef struct dimension {
        const xpm_reference *reference;
        size_t count; /* at least 1 when some block does not use it */
        join *joins;
        size_t join_count, join_capacity;
        xpm_map index; /* from keys to the first choice + 1; only with joins */
        size_t *next;  /* choice + 1 with the same key, 0 at the end */
} dimension;

typedef struct ancestry { /* of one `match` by a step with several ancestors: sets, for each choosing `each` */
        jobs **sets;
} ancestry;

typedef struct joiner {
        xpm_plan *plan;
        const xpm_step *step;
        dimension *dimensions;
        size_t count;
        ancestry *ancestries;
        size_t ancestry_count;
        xpm_tuples *out;
        uint32_t *chosen;
        xpm_text key;
        size_t looks;
        jobs visiting; /* while ancestors are looked for */
        xpm_error *err;
} joiner;

/* --- ancestors --- */

typedef struct climb {
        xpm_arena *arena;
        xpm_map seen;   /* by the bytes of where a job keeps its config: an address of its own */
        jobs *visiting; /* all that were seen, in order */
} climb;

static int push(xpm_arena *arena, jobs *list, xpm_job *job)
{
        if (xpm_arena_reserve(arena, &list->items, &list->capacity, list->count + 1, sizeof(xpm_job *)) != 0)
                return XPM_ENOMEM;
        list->items[list->count++] = job;
        return 0;
}

static int climb_to(climb *c, xpm_job *job)
{
        const char *key = (const char *)&job->config;
        if (xpm_map_get_n(&c->seen, key, sizeof job->config))
                return 0;
        if (xpm_map_put_n(&c->seen, key, sizeof job->config, job) != 0)
                return XPM_ENOMEM;
        return push(c->arena, c->visiting, job);
}

static int climb_value(climb *c, const xpm_value *value)
{
        int rc = 0;
        const xpm_config *config;
        switch (value->kind) {
        case XPM_CONFIG:
                config = value->config;
                if (config->job)
                        return climb_to(c, config->job);
                for (size_t i = 0; i < config->type->param_count && rc == 0; i++)
                        rc = climb_value(c, &config->values[i]);
                return rc;
        case XPM_LIST:
        case XPM_SET:
                for (size_t i = 0; i < value->array->count && rc == 0; i++)
                        rc = climb_value(c, &value->array->items[i]);
                return rc;
        case XPM_DICT:
                for (size_t i = 0; i < value->dict->count && rc == 0; i++)
                        rc = climb_value(c, &value->dict->items[i].value);
                return rc;
        default: return 0;
        }
}

static int compare_jobs(const void *a, const void *b)
{
        uintptr_t x = (uintptr_t) * (xpm_job *const *)a, y = (uintptr_t) * (xpm_job *const *)b;
        return (x > y) - (x < y);
}

/* JOB and those that it descends from, as far as STEP has them. A chain may be long, so it is not recursed into. */
static int find_ancestors(joiner *j, const xpm_step *step, xpm_job *job, jobs *out)
{
        climb c = {.arena = j->plan->arena, .visiting = &j->visiting};
        j->visiting.count = 0;
        int rc = climb_to(&c, job);
        for (size_t at = 0; at < j->visiting.count && rc == 0; at++) {
                const xpm_config *config = j->visiting.items[at]->config;
                xpm_job_view view;
                if (xpm_job_view_in(j->visiting.items[at], step, &view))
                        rc = push(c.arena, out, j->visiting.items[at]);
                for (size_t i = 0; i < config->type->param_count && rc == 0; i++)
                        rc = climb_value(&c, &config->values[i]);
        }
        xpm_map_release(&c.seen);
        if (rc != 0)
                return xpm_fail_memory(j->err);
        if (out->count > 1)
                qsort(out->items, out->count, sizeof *out->items, compare_jobs);
        return 0;
}

/* --- what must be equal --- */

static int add_join(joiner *j, dimension *d, const join *new)
{
        if (xpm_arena_reserve(j->plan->arena, &d->joins, &d->join_capacity, d->join_count + 1, sizeof *d->joins) != 0)
                return xpm_fail_memory(j->err);
        d->joins[d->join_count++] = *new;
        return 0;
}

/* Names that two `all … by` share. */
static int join_groups(joiner *j)
{
        int rc = 0;
        for (size_t d = 1; d < j->count; d++) {
                const xpm_reference *own = j->dimensions[d].reference;
                for (size_t i = 0; own->kind == XPM_ALL && i < own->by_count; i++) {
                        bool joined = false;
                        for (size_t p = 0; p < d && !joined; p++) {
                                const xpm_reference *other = j->dimensions[p].reference;
                                for (size_t k = 0; other->kind == XPM_ALL && k < other->by_count && !joined; k++) {
                                        if (strcmp(own->by[i], other->by[k]) != 0)
                                                continue;
                                        const join new = {p, own->keys + i, other->keys + k, own->by_count,
                                                          other->by_count};
                                        rc = add_join(j, &j->dimensions[d], &new);
                                        joined = true;
                                }
                        }
                        if (rc != 0)
                                return rc;
                }
        }
        return 0;
}

/* KEYS[d] are the keys of dimension d's choices, NULL where it is no `each`. */
static int join_keys(joiner *j, const char ***keys)
{
        size_t first = 0;
        int rc = 0;
        while (!keys[first])
                first++;
        for (size_t d = first + 1; d < j->count && rc == 0; d++) {
                const join new = {first, keys[d], keys[first], 1, 1};
                if (keys[d])
                        rc = add_join(j, &j->dimensions[d], &new);
        }
        return rc;
}

static bool is_each(const dimension *d)
{
        return d->reference->kind == XPM_EACH;
}

/* The key of one choice: its tag, as text. */
static int tag_key(joiner *j, const xpm_reference *reference, size_t choice, const xpm_node *name, const char **out)
{
        xpm_value value = {0};
        int rc = xpm_tag_find_in(reference->steps, reference->step_count, reference->jobs[choice], name->text,
                                 name->pos, &value, j->err);
        if (rc < 0)
                return rc;
        xpm_text_cut(&j->key, 0);
        if (xpm_tag_key(&value, &j->key) != 0)
                return xpm_fail_memory(j->err);
        *out = xpm_arena_strdup(j->plan->arena, xpm_text_string(&j->key));
        return *out ? 0 : xpm_fail_memory(j->err);
}

static int match_tag(joiner *j, const xpm_node *name)
{
        const char ***keys = xpm_arena_calloc(j->plan->arena, j->count, sizeof *keys);
        if (!keys)
                return xpm_fail_memory(j->err);
        for (size_t d = 0; d < j->count; d++) {
                const xpm_reference *reference = j->dimensions[d].reference;
                if (!is_each(&j->dimensions[d]))
                        continue;
                int rc = xpm_tag_check(reference->steps, reference->step_count, name->text, name->pos, j->err);
                keys[d] = xpm_arena_calloc(j->plan->arena, j->dimensions[d].count, sizeof **keys);
                if (rc == 0 && !keys[d])
                        rc = xpm_fail_memory(j->err);
                for (size_t i = 0; i < reference->count && rc == 0; i++)
                        rc = tag_key(j, reference, i, name, &keys[d][i]);
                if (rc != 0)
                        return rc;
        }
        return join_keys(j, keys);
}

/* Ancestors that are single are keys. */
static int join_single(joiner *j, jobs *const *sets)
{
        const char ***keys = xpm_arena_calloc(j->plan->arena, j->count, sizeof *keys);
        if (!keys)
                return xpm_fail_memory(j->err);
        for (size_t d = 0; d < j->count; d++) {
                if (!sets[d])
                        continue;
                keys[d] = xpm_arena_calloc(j->plan->arena, j->dimensions[d].count, sizeof **keys);
                if (!keys[d])
                        return xpm_fail_memory(j->err);
                for (size_t i = 0; i < j->dimensions[d].count; i++)
                        if (sets[d][i].count == 1 &&
                            !(keys[d][i] = xpm_arena_printf(j->plan->arena, "%p", (void *)sets[d][i].items[0])))
                                return xpm_fail_memory(j->err);
        }
        return join_keys(j, keys);
}

static int match_step(joiner *j, const xpm_step *step)
{
        jobs **sets = xpm_arena_calloc(j->plan->arena, j->count, sizeof *sets);
        bool single = true;
        if (!sets)
                return xpm_fail_memory(j->err);
        for (size_t d = 0; d < j->count; d++) {
                const xpm_reference *reference = j->dimensions[d].reference;
                if (!is_each(&j->dimensions[d]))
                        continue;
                sets[d] = xpm_arena_calloc(j->plan->arena, j->dimensions[d].count, sizeof **sets);
                if (!sets[d])
                        return xpm_fail_memory(j->err);
                for (size_t i = 0; i < reference->count; i++) {
                        int rc = find_ancestors(j, step, reference->jobs[i], &sets[d][i]);
                        if (rc != 0)
                                return rc;
                        single = single && sets[d][i].count <= 1;
                }
        }
        if (single)
                return join_single(j, sets);
        j->ancestries[j->ancestry_count++].sets = sets;
        return 0;
}

static int read_match(joiner *j)
{
        const xpm_node *match = j->step->detail->match;
        size_t eaches = 0;
        for (size_t d = 0; d < j->count; d++)
                eaches += is_each(&j->dimensions[d]);
        if (!match || match->item_count == 0)
                return 0;
        if (eaches < 2)
                return xpm_fail_at(j->err, match->pos,
                                   "step '%s' has %s 'each', and 'match' says which of several go together",
                                   j->step->name, eaches ? "one" : "no");
        j->ancestries = xpm_arena_calloc(j->plan->arena, match->item_count, sizeof *j->ancestries);
        if (!j->ancestries)
                return xpm_fail_memory(j->err);
        for (size_t i = 0; i < match->item_count; i++) {
                const xpm_node *name = match->items[i];
                const xpm_step *step = NULL;
                for (size_t k = 0; k < j->plan->step_count && !step; k++)
                        if (strcmp(j->plan->steps[k].name, name->text) == 0)
                                step = &j->plan->steps[k];
                int rc = step ? match_step(j, step) : match_tag(j, name);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

/* --- joining --- */

/* The keys of CHOICE of dimension D (OWN), or those that its partners' choices want, one line each; false when one is
 * NULL. */
static bool put_key(joiner *j, const dimension *d, size_t choice, bool own)
{
        xpm_text_cut(&j->key, 0);
        for (size_t i = 0; i < d->join_count; i++) {
                const join *at = &d->joins[i];
                const char *key =
                        own ? at->own[choice * at->own_stride] : at->other[j->chosen[at->partner] * at->other_stride];
                if (!key)
                        return false;
                xpm_text_puts(&j->key, key);
                xpm_text_putc(&j->key, '\n');
        }
        return true;
}

static int make_index(joiner *j, dimension *d)
{
        d->next = xpm_arena_calloc(j->plan->arena, d->count, sizeof *d->next);
        if (!d->next)
                return xpm_fail_memory(j->err);
        /* From the last to the first, so that each chain ascends. */
        for (size_t i = d->reference->count; i-- > 0;) {
                if (!put_key(j, d, i, true))
                        continue;
                const char *key = xpm_text_string(&j->key);
                d->next[i] = (uintptr_t)xpm_map_get_n(&d->index, key, j->key.length);
                if (d->next[i] == 0 && !(key = xpm_arena_memdup(j->plan->arena, key, j->key.length)))
                        return xpm_fail_memory(j->err);
                if (j->key.failed || xpm_map_put_n(&d->index, key, j->key.length, (void *)(uintptr_t)(i + 1)) != 0)
                        return xpm_fail_memory(j->err);
        }
        return 0;
}

static bool is_in(const jobs *set, xpm_job *job)
{
        return set->count > 0 && bsearch(&job, set->items, set->count, sizeof *set->items, compare_jobs) != NULL;
}

/* Some ancestor is one of all choices. */
static bool have_common(const joiner *j, const ancestry *shared)
{
        const jobs *first = NULL;
        for (size_t d = 0; d < j->count && !first; d++)
                if (shared->sets[d])
                        first = &shared->sets[d][j->chosen[d]];
        for (size_t i = 0; i < first->count; i++) {
                bool all = true;
                for (size_t d = 0; d < j->count && all; d++)
                        all = !shared->sets[d] || is_in(&shared->sets[d][j->chosen[d]], first->items[i]);
                if (all)
                        return true;
        }
        return false;
}

static int fail_many(const joiner *j, double count, bool exact)
{
        return xpm_fail_at(j->err, j->step->detail->pos,
                           "step '%s' has %s%.15g combinations, and a step has at most %d", j->step->name,
                           exact ? "" : "more than ", count, XPM_COMBINATIONS);
}

static int keep_tuple(joiner *j)
{
        xpm_tuples *out = j->out;
        for (size_t i = 0; i < j->ancestry_count; i++)
                if (!have_common(j, &j->ancestries[i]))
                        return 0;
        if ((out->count + 1) * j->step->detail->combinations > XPM_COMBINATIONS)
                return fail_many(j, XPM_COMBINATIONS, false);
        if (j->count > 0 && out->count == out->capacity) {
                size_t capacity = out->capacity ? 2 * out->capacity : 64;
                uint32_t *choices = realloc(out->choices, capacity * j->count * sizeof *choices);
                if (!choices)
                        return xpm_fail_memory(j->err);
                out->choices = choices;
                out->capacity = capacity;
        }
        if (j->count > 0)
                memcpy(out->choices + out->count * j->count, j->chosen, j->count * sizeof *j->chosen);
        out->count++;
        return 0;
}

static int enumerate(joiner *j, size_t depth)
{
        int rc = 0;
        if (depth == j->count)
                return keep_tuple(j);
        dimension *d = &j->dimensions[depth];
        if (++j->looks > LOOKS)
                return fail_many(j, LOOKS, false);
        if (d->join_count == 0) {
                for (size_t i = 0; i < d->count && rc == 0; i++) {
                        j->chosen[depth] = (uint32_t)i;
                        rc = enumerate(j, depth + 1);
                }
                return rc;
        }
        size_t at = put_key(j, d, 0, false)
                            ? (uintptr_t)xpm_map_get_n(&d->index, xpm_text_string(&j->key), j->key.length)
                            : 0;
        if (j->key.failed)
                return xpm_fail_memory(j->err);
        for (; at > 0 && rc == 0; at = d->next[at - 1]) {
                j->chosen[depth] = (uint32_t)(at - 1);
                rc = enumerate(j, depth + 1);
        }
        return rc;
}

/* Some block replaces what the reference stands in. */
static bool is_dead_somewhere(const xpm_step *step, const xpm_reference *reference)
{
        const struct xpm_step_detail *detail = step->detail;
        for (size_t i = 0; i < detail->references.count; i++)
                for (size_t k = 0; detail->references.items[i] == reference && k < detail->block_count; k++)
                        if (!detail->blocks[k].frame->live[i])
                                return true;
        return false;
}

int xpm_tuples_make(xpm_plan *plan, const xpm_step *step, xpm_reference *const *references, size_t count,
                    xpm_tuples *out, xpm_error *err)
{
        joiner j = {.plan = plan, .step = step, .count = count, .out = out, .err = err};
        double product = (double)step->detail->combinations;
        bool joined = false;
        *out = (xpm_tuples){.width = count};
        j.dimensions = xpm_arena_calloc(plan->arena, count, sizeof *j.dimensions);
        j.chosen = xpm_arena_calloc(plan->arena, count, sizeof *j.chosen);
        if (!j.dimensions || !j.chosen)
                return xpm_fail_memory(err);
        for (size_t d = 0; d < count; d++) {
                j.dimensions[d] = (dimension){.reference = references[d], .count = references[d]->count};
                if (references[d]->count == 0 && is_dead_somewhere(step, references[d]))
                        j.dimensions[d].count = 1;
                product *= (double)j.dimensions[d].count;
        }
        int rc = join_groups(&j);
        if (rc == 0)
                rc = read_match(&j);
        for (size_t d = 0; d < count && rc == 0; d++) {
                joined = joined || j.dimensions[d].join_count > 0;
                if (j.dimensions[d].join_count > 0)
                        rc = make_index(&j, &j.dimensions[d]);
        }
        if (rc == 0 && !joined && j.ancestry_count == 0 && product > XPM_COMBINATIONS)
                rc = fail_many(&j, product, true);
        if (rc == 0)
                rc = enumerate(&j, 0);
        for (size_t d = 0; d < count; d++)
                xpm_map_release(&j.dimensions[d].index);
        xpm_text_release(&j.key);
        if (rc != 0)
                xpm_tuples_release(out);
        return rc;
}

void xpm_tuples_release(xpm_tuples *tuples)
{
        free(tuples->choices);
        *tuples = (xpm_tuples){0};
}
