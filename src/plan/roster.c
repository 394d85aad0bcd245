/* The identifier decides what a job is: two combinations that have one are one job, in one step or in several.
 *
 * A job belongs to the step that stands first in the file, in whatever order the steps were expanded; the others are
 * noted beside it, for their tags. While a plan is expanded a job's `index` is a stamp: the number of the collection
 * that last met it. */
#include "plan/roster.h"

#include <stdlib.h>
#include <string.h>

#include "model/identifier.h"
#include "plan/render.h"
#include "plan/template.h"

enum { FIRST_SLOTS = 1024, DEPENDENCIES = 100000000 };

void xpm_roster_release(xpm_roster *roster)
{
        free(roster->slots);
        free(roster->jobs);
        free(roster->found);
        xpm_text_release(&roster->example);
        *roster = (xpm_roster){0};
}

void xpm_roster_begin(xpm_roster *roster, xpm_step *step)
{
        roster->step = step;
        roster->job_count = 0;
        roster->merged = 0;
        roster->known = false;
        xpm_text_cut(&roster->example, 0);
}

void xpm_roster_forget(xpm_roster *roster)
{
        roster->known = false;
}

/* --- the table --- */

static uint64_t hash_of(const uint8_t id[32])
{
        uint64_t hash;
        memcpy(&hash, id, sizeof hash);
        return hash;
}

/* Where the job of this identifier is, or is to be. */
static struct xpm_roster_slot *slot_of(const xpm_roster *roster, const uint8_t id[32])
{
        const uint64_t hash = hash_of(id);
        const size_t mask = roster->slot_count - 1;
        for (size_t at = (size_t)hash & mask;; at = (at + 1) & mask) {
                struct xpm_roster_slot *slot = &roster->slots[at];
                if (!slot->job || (slot->hash == hash && memcmp(slot->job->config->id, id, 32) == 0))
                        return slot;
        }
}

static int grow(xpm_roster *roster, xpm_error *err)
{
        size_t count = roster->slot_count ? 2 * roster->slot_count : FIRST_SLOTS;
        struct xpm_roster_slot *slots = calloc(count, sizeof *slots);
        if (!slots)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < roster->slot_count; i++) {
                if (!roster->slots[i].job)
                        continue;
                size_t at = (size_t)roster->slots[i].hash & (count - 1);
                while (slots[at].job)
                        at = (at + 1) & (count - 1);
                slots[at] = roster->slots[i];
        }
        free(roster->slots);
        roster->slots = slots;
        roster->slot_count = count;
        return 0;
}

/* --- dependencies --- */

static int push(void *items, size_t *count, size_t *capacity, xpm_job *job)
{
        xpm_job ***array = items;
        if (*count == *capacity) {
                size_t more = *capacity ? 2 * *capacity : 64;
                xpm_job **grown = realloc(*array, more * sizeof *grown);
                if (!grown)
                        return XPM_ENOMEM;
                *array = grown;
                *capacity = more;
        }
        (*array)[(*count)++] = job;
        return 0;
}

static int note(xpm_roster *roster, xpm_job *job)
{
        if (job->index == roster->stamp)
                return 0;
        job->index = roster->stamp;
        return push(&roster->found, &roster->found_count, &roster->found_capacity, job);
}

static int collect(xpm_roster *roster, const xpm_value *value)
{
        int rc = 0;
        const xpm_config *config;
        switch (value->kind) {
        case XPM_CONFIG:
                config = value->config;
                if (config->job)
                        return note(roster, config->job);
                for (size_t i = 0; i < config->type->param_count && rc == 0; i++)
                        rc = collect(roster, &config->values[config->type->declared[i]]);
                return rc;
        case XPM_LIST:
        case XPM_SET:
                for (size_t i = 0; i < value->array->count && rc == 0; i++)
                        rc = collect(roster, &value->array->items[i]);
                return rc;
        case XPM_DICT:
                for (size_t i = 0; i < value->dict->count && rc == 0; i++)
                        rc = collect(roster, &value->dict->items[i].value);
                return rc;
        default: return 0;
        }
}

static int fail_total(const xpm_roster *roster, xpm_error *err)
{
        return xpm_fail_at(err, roster->step->detail->pos, "the jobs up to step '%s' have more than %d dependencies",
                           roster->step->name, DEPENDENCIES);
}

static int find_dependencies(xpm_roster *roster, const xpm_config *root, xpm_error *err)
{
        const struct xpm_step_detail *detail = roster->step->detail;
        const xpm_value value = {.kind = XPM_CONFIG, .config = (xpm_config *)root};
        if (roster->known)
                return 0;
        roster->stamp++;
        roster->found_count = 0;
        int rc = collect(roster, &value);
        for (size_t i = 0; i < detail->after_count; i++)
                for (size_t j = 0; j < detail->after[i]->job_count && rc == 0; j++)
                        rc = note(roster, detail->after[i]->jobs[j]);
        if (rc != 0)
                return xpm_fail_memory(err);
        roster->total += roster->found_count;
        if (roster->total > DEPENDENCIES)
                return fail_total(roster, err);
        roster->dependency_count = roster->found_count;
        roster->dependencies = NULL;
        if (roster->found_count > 0) {
                roster->dependencies =
                        xpm_arena_memdup(roster->plan->arena, roster->found, roster->found_count * sizeof(xpm_job *));
                if (!roster->dependencies)
                        return xpm_fail_memory(err);
        }
        roster->known = true;
        return 0;
}

/* Does a dependency of JOB, however far, depend on it? It may only when JOB is in several steps, one with `after`. */
static int reaches_itself(xpm_roster *roster, xpm_job *job)
{
        int found = 0;
        roster->stamp++;
        roster->found_count = 0;
        for (size_t i = 0; i < job->dependency_count && found == 0; i++)
                found = note(roster, job->dependencies[i]);
        for (size_t at = 0; at < roster->found_count && found == 0; at++) {
                xpm_job *next = roster->found[at];
                if (next == job)
                        found = 1;
                for (size_t i = 0; i < next->dependency_count && found == 0; i++)
                        found = note(roster, next->dependencies[i]);
        }
        return found;
}

/* --- jobs that are there already --- */

static bool same_nodes(const xpm_node *a, const xpm_node *b)
{
        if (a == b)
                return true;
        if (!a || !b || a->kind != b->kind)
                return false;
        if (a->kind == XPM_NODE_SCALAR)
                return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
        bool same = a->kind == XPM_NODE_SEQUENCE ? a->item_count == b->item_count : a->pair_count == b->pair_count;
        for (size_t i = 0; same && a->kind == XPM_NODE_SEQUENCE && i < a->item_count; i++)
                same = same_nodes(a->items[i], b->items[i]);
        for (size_t i = 0; same && a->kind == XPM_NODE_MAPPING && i < a->pair_count; i++)
                same = a->pairs[i].key_length == b->pairs[i].key_length &&
                       memcmp(a->pairs[i].key, b->pairs[i].key, a->pairs[i].key_length) == 0 &&
                       same_nodes(a->pairs[i].value, b->pairs[i].value);
        return same;
}

/* Do the two have one command and one requirement? What cannot be rendered is taken for different. */
static int render_alike(const xpm_plan *plan, const xpm_job *a, const xpm_job *b)
{
        const xpm_render_context context = {.plan = plan, .workspace = "/"};
        const xpm_templates *templates = a->step->templates;
        xpm_text one = XPM_TEXT_INIT, other = XPM_TEXT_INIT;
        if (!xpm_templates_fix_need(templates))
                return 0;
        int rc = xpm_render_command(&context, a, &one, NULL);
        if (rc == 0)
                rc = xpm_render_command(&context, b, &other, NULL);
        bool alike = rc == 0 && one.length == other.length &&
                     memcmp(xpm_text_string(&one), xpm_text_string(&other), one.length) == 0;
        xpm_text_release(&one);
        xpm_text_release(&other);
        return rc == XPM_ENOMEM ? rc : alike;
}

/* 1 or 0, or XPM_ENOMEM. What is no part of the identifier may differ: a meta parameter, or what the step says about
 * how its jobs run. */
static int runs_alike(const xpm_roster *roster, const xpm_job *job, xpm_config *root, const uint8_t id[32])
{
        const xpm_step *step = roster->step, *first = job->step;
        bool equal = true;
        for (size_t i = 0; i < root->type->param_count && equal; i++)
                equal = xpm_value_equal(&job->config->values[i], &root->values[i]);
        if (step != first && (step->task != first->task || !same_nodes(step->requirements, first->requirements) ||
                              !same_nodes(step->env, first->env)))
                return 0;
        if (equal)
                return 1;
        const xpm_job other = {.config = root, .step = roster->step};
        memcpy(root->id, id, sizeof root->id);
        return render_alike(roster->plan, job, &other);
}

static int note_difference(xpm_roster *roster, const xpm_job *job, xpm_config *root, uint64_t number, xpm_error *err)
{
        const xpm_job other = {.config = root, .step = roster->step, .combination = number};
        if (roster->merged++ > 0)
                return 0;
        xpm_text *text = &roster->example;
        int rc = xpm_job_tags_json(roster->plan, job, text);
        if (job->step != roster->step)
                xpm_text_printf(text, " of step '%s'", job->step->name);
        xpm_text_puts(text, " and ");
        if (rc == 0)
                rc = xpm_job_tags_json(roster->plan, &other, text);
        return rc != 0 || text->failed ? xpm_fail_memory(err) : 0;
}

/* Note that JOB is in STEP too, with the tags of combination NUMBER there. */
static int add_also(xpm_roster *roster, xpm_job *job, xpm_step *step, uint64_t number, xpm_error *err)
{
        struct xpm_job_also *also = xpm_arena_alloc(roster->plan->arena, sizeof *also);
        if (!also)
                return xpm_fail_memory(err);
        const struct xpm_job_also **at = &job->also;
        while (*at && (*at)->step->index < step->index)
                at = (const struct xpm_job_also **)&(*at)->next;
        *also = (struct xpm_job_also){.step = step, .combination = number, .next = (struct xpm_job_also *)*at};
        *at = also;
        return 0;
}

/* A job of several steps waits for the `after` of each of them, but never for itself. Its dependencies become those of
 * FIRST, then those of MORE. */
static int unite_dependencies(xpm_roster *roster, xpm_job *job, const xpm_job *first, const xpm_job *more,
                              xpm_error *err)
{
        xpm_job *const *const lists[] = {first->dependencies, more->dependencies};
        const size_t counts[] = {first->dependency_count, more->dependency_count};
        int rc = 0;
        roster->stamp++;
        roster->found_count = 0;
        job->index = roster->stamp;
        for (size_t k = 0; k < 2; k++)
                for (size_t i = 0; i < counts[k] && rc == 0; i++)
                        rc = note(roster, lists[k][i]);
        size_t count = roster->found_count;
        xpm_job *const *united =
                rc != 0 || count == 0 ? NULL
                                      : xpm_arena_memdup(roster->plan->arena, roster->found, count * sizeof(xpm_job *));
        if (rc != 0 || (count > 0 && !united))
                return xpm_fail_memory(err);
        roster->total += count;
        if (roster->total > DEPENDENCIES)
                return fail_total(roster, err);
        job->dependencies = united;
        job->dependency_count = count;
        return 0;
}

/* JOB, which OTHER has too, has been given to this step; with its `after` it may wait for itself. */
static int check_waiting(xpm_roster *roster, xpm_job *job, const xpm_step *other, xpm_error *err)
{
        int rc = reaches_itself(roster, job);
        if (rc < 0)
                return xpm_fail_memory(err);
        const xpm_step *step = roster->step, *waiting = step->detail->after_count > 0 ? step : other;
        return rc == 0 ? 0
                       : xpm_fail_at(err, waiting->detail->pos,
                                     "steps '%s' and '%s' share a job that would have to wait for itself because of "
                                     "the 'after' of '%s'",
                                     step->name, other->name, waiting->name);
}

/* The step stands before the one that JOB belonged to, so its values and its combination count. */
static int take_over(xpm_roster *roster, xpm_job *job, const xpm_config *root, uint64_t number, xpm_error *err)
{
        int rc = add_also(roster, job, job->step, job->combination, err);
        if (rc == 0)
                rc = find_dependencies(roster, root, err);
        if (rc != 0)
                return rc;
        xpm_step *other = job->step;
        memcpy(job->config->values, root->values, root->type->param_count * sizeof *root->values);
        job->step = roster->step;
        job->combination = number;
        if (job->dependency_count == roster->dependency_count &&
            (job->dependency_count == 0 ||
             memcmp(job->dependencies, roster->dependencies, job->dependency_count * sizeof *job->dependencies) == 0))
                return 0;
        const xpm_job here = {.dependencies = roster->dependencies, .dependency_count = roster->dependency_count};
        rc = unite_dependencies(roster, job, &here, job, err);
        return rc == 0 ? check_waiting(roster, job, other, err) : rc;
}

/* JOB stays with the step that stands first, and is in this one too. */
static int join(xpm_roster *roster, xpm_job *job, const xpm_config *root, uint64_t number, xpm_error *err)
{
        int rc = add_also(roster, job, roster->step, number, err);
        if (rc != 0 || roster->step->detail->after_count == 0)
                return rc;
        rc = find_dependencies(roster, root, err);
        const xpm_job here = {.dependencies = roster->dependencies, .dependency_count = roster->dependency_count};
        if (rc == 0)
                rc = unite_dependencies(roster, job, job, &here, err);
        return rc == 0 ? check_waiting(roster, job, job->step, err) : rc;
}

static int add_to_step(xpm_roster *roster, xpm_job *job, xpm_error *err)
{
        return push(&roster->jobs, &roster->job_count, &roster->job_capacity, job) != 0 ? xpm_fail_memory(err) : 0;
}

static int merge(xpm_roster *roster, xpm_job *job, xpm_config *root, const uint8_t id[32], uint64_t number,
                 xpm_error *err)
{
        xpm_job_view view;
        int rc = runs_alike(roster, job, root, id);
        if (rc < 0)
                return xpm_fail_memory(err);
        rc = rc > 0 ? 0 : note_difference(roster, job, root, number, err);
        if (rc != 0 || xpm_job_view_in(job, roster->step, &view))
                return rc;
        rc = roster->step->index < job->step->index ? take_over(roster, job, root, number, err)
                                                    : join(roster, job, root, number, err);
        return rc != 0 ? rc : add_to_step(roster, job, err);
}

static int create(xpm_roster *roster, const xpm_config *root, const uint8_t id[32], uint64_t number, xpm_job **out,
                  xpm_error *err)
{
        int rc = find_dependencies(roster, root, err);
        if (rc != 0)
                return rc;
        xpm_job *job = xpm_arena_alloc(roster->plan->arena, sizeof *job);
        xpm_config *config = xpm_config_copy(roster->plan->arena, root);
        if (!job || !config)
                return xpm_fail_memory(err);
        memcpy(config->id, id, sizeof config->id);
        config->has_id = true;
        config->job = job;
        *job = (xpm_job){.config = config,
                         .step = roster->step,
                         .combination = number,
                         .dependencies = roster->dependencies,
                         .dependency_count = roster->dependency_count};
        *out = job;
        return add_to_step(roster, job, err);
}

int xpm_roster_add(xpm_roster *roster, xpm_config *root, uint64_t number, xpm_error *err)
{
        uint8_t id[32];
        xpm_error wrong = XPM_ERROR_NONE;
        int rc = 0;
        if (4 * (roster->count + 1) > 3 * roster->slot_count && (rc = grow(roster, err)) != 0)
                return rc;
        rc = xpm_identifier(root, id, &wrong);
        if (rc == XPM_EPLAN)
                return xpm_fail_at(err, roster->step->detail->pos, "step '%s': %s", roster->step->name, wrong.message);
        if (rc != 0)
                return xpm_fail(err, rc, "%s", wrong.message);
        struct xpm_roster_slot *slot = slot_of(roster, id);
        if (slot->job)
                return merge(roster, slot->job, root, id, number, err);
        rc = create(roster, root, id, number, &slot->job, err);
        slot->hash = hash_of(id);
        roster->count += rc == 0;
        return rc;
}

int xpm_roster_end(xpm_roster *roster, xpm_error *err)
{
        xpm_step *step = roster->step;
        char where[256];
        step->jobs = xpm_arena_memdup(roster->plan->arena, roster->jobs ? roster->jobs : (xpm_job *[]){NULL},
                                      roster->job_count * sizeof(xpm_job *));
        if (!step->jobs)
                return xpm_fail_memory(err);
        step->job_count = roster->job_count;
        if (roster->merged == 0)
                return 0;
        xpm_pos_print(step->detail->pos, where, sizeof where);
        xpm_warn(roster->log,
                 "%s: %zu combination%s of step '%s' %s the same job as another, but would run differently, since "
                 "a meta parameter or a setting of the step differs: %s; the first is used",
                 where, roster->merged, roster->merged == 1 ? "" : "s", step->name, roster->merged == 1 ? "is" : "are",
                 xpm_text_string(&roster->example));
        return 0;
}
