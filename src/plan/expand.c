/* Steps are expanded in the order of their needs, each completely: its references find all their jobs, then every
 * combination of their choices and of its sweep becomes a job or is dropped.
 *
 * Order of jobs: choices of references outside, blocks of the sweep in order of writing inside, entries of include
 * last, the last axis fastest. It is part of the language, so nothing here may depend on addresses or hashes. */
#include "plan/expand.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "plan/assemble.h"
#include "plan/roster.h"

/* --- order --- */

enum mark { NEW, OPEN, DONE };

typedef struct visit {
        xpm_step *step;
        size_t next; /* need to look at */
} visit;

static int fail_circle(const visit *stack, size_t depth, const xpm_step *again, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        size_t first = 0;
        while (stack[first].step != again)
                first++;
        for (size_t i = first; i < depth; i++)
                xpm_text_printf(&text, "%s -> ", stack[i].step->name);
        int rc = xpm_fail_at(err, again->detail->pos, "steps need each other in a circle: %s%s", xpm_text_string(&text),
                             again->name);
        xpm_text_release(&text);
        return rc;
}

/* Depth first, by a stack of our own: a chain of steps may be as long as the file. */
static int visit_from(xpm_step *root, visit *stack, unsigned char *marks, xpm_step **order, size_t *count,
                      xpm_error *err)
{
        size_t depth = 0;
        stack[depth++] = (visit){.step = root};
        marks[root->index] = OPEN;
        while (depth > 0) {
                visit *top = &stack[depth - 1];
                const struct xpm_step_detail *detail = top->step->detail;
                if (top->next == detail->need_count) {
                        marks[top->step->index] = DONE;
                        order[(*count)++] = top->step;
                        depth--;
                        continue;
                }
                xpm_step *need = detail->needs[top->next++];
                if (marks[need->index] == OPEN)
                        return fail_circle(stack, depth, need, err);
                if (marks[need->index] == NEW) {
                        marks[need->index] = OPEN;
                        stack[depth++] = (visit){.step = need};
                }
        }
        return 0;
}

int xpm_steps_order(xpm_plan *plan, xpm_step ***order, xpm_error *err)
{
        size_t count = 0;
        int rc = 0;
        visit *stack = calloc(plan->step_count + 1, sizeof *stack);
        unsigned char *marks = calloc(plan->step_count + 1, 1);
        *order = xpm_arena_calloc(plan->arena, plan->step_count, sizeof **order);
        if (!stack || !marks || !*order)
                rc = xpm_fail_memory(err);
        for (size_t i = 0; i < plan->step_count && rc == 0; i++)
                if (marks[i] == NEW)
                        rc = visit_from(&plan->steps[i], stack, marks, *order, &count, err);
        free(stack);
        free(marks);
        return rc;
}

/* --- one step --- */

/* May the jobs of BLOCK be made with these choices? A reference that the block does not use counts once, at its first.
 */
static bool is_possible(const struct xpm_step_detail *detail, const xpm_block *block, const uint32_t *choices)
{
        const xpm_references *list = &detail->references;
        for (size_t i = 0, at = 0; at < detail->choosing_count; i++) {
                if (list->items[i] != detail->choosing[at])
                        continue;
                if (block->frame->live[i] ? choices[at] >= list->items[i]->count : choices[at] != 0)
                        return false;
                at++;
        }
        return true;
}

/* Its values may have references of their own, so that its jobs depend on different ones. */
static bool is_varied(const xpm_block *block)
{
        for (size_t i = 0; i < block->frame->group_count; i++)
                if (block->frame->groups[i].open)
                        return true;
        return false;
}

static int expand_tuple(xpm_roster *roster, xpm_assembly *assembly, const uint32_t *choices, size_t tuple,
                        xpm_error *err)
{
        struct xpm_step_detail *detail = roster->step->detail;
        for (size_t i = 0; i < detail->block_count; i++) {
                const xpm_block *block = &detail->blocks[i];
                bool varied = is_varied(block);
                if (!is_possible(detail, block, choices))
                        continue;
                xpm_roster_forget(roster);
                for (size_t k = 0; k < block->count; k++) {
                        xpm_config *root = NULL;
                        uint64_t number = (uint64_t)tuple * detail->combinations + block->first + k;
                        int rc = xpm_assembly_make(assembly, block, k, choices, number, &root, err);
                        if (varied)
                                xpm_roster_forget(roster);
                        if (rc > 0)
                                rc = xpm_roster_add(roster, root, number, err);
                        if (rc < 0)
                                return rc;
                }
        }
        return 0;
}

/* Each reference finds something, but nothing goes together: no error, since a filter may have left it so, but seldom
 * meant. */
static void warn_of_no_tuple(const xpm_step *step, const xpm_tuples *tuples, const xpm_log *log)
{
        const struct xpm_step_detail *detail = step->detail;
        char where[256];
        for (size_t i = 0; i < detail->choosing_count; i++)
                if (detail->choosing[i]->count == 0)
                        return;
        if (tuples->count > 0)
                return;
        xpm_pos_print(detail->match ? detail->match->pos : step->node->pos, where, sizeof where);
        xpm_warn(log, "%s: step '%s' has no job: no %s agree in %s", where, step->name,
                 detail->match ? "jobs of its 'each'" : "lists of its 'all'",
                 detail->match ? "what 'match' names" : "the tags that their 'by' share");
}

static int expand(xpm_plan *plan, xpm_step *step, xpm_roster *roster, const xpm_converter *converter, xpm_error *err)
{
        struct xpm_step_detail *detail = step->detail;
        xpm_reference_reader reader = {.plan = plan, .step = step};
        xpm_converter own = *converter;
        xpm_tuples tuples = {0};
        xpm_assembly *assembly = NULL;
        int rc = 0;
        own.reference = xpm_reference_read;
        own.reference_data = &reader;
        own.allow_missing = true;
        for (size_t i = 0; i < detail->choosing_count && rc == 0; i++)
                rc = xpm_reference_prepare(plan, detail->choosing[i], err);
        if (rc == 0)
                rc = xpm_tuples_make(plan, step, detail->choosing, detail->choosing_count, &tuples, err);
        if (rc == 0)
                warn_of_no_tuple(step, &tuples, converter->log);
        if (rc == 0)
                rc = xpm_assembly_create(plan, step, &own, &assembly, err);
        xpm_roster_begin(roster, step);
        for (size_t i = 0; i < tuples.count && rc == 0; i++)
                rc = expand_tuple(roster, assembly, tuples.choices + i * tuples.width, i, err);
        if (rc == 0)
                rc = xpm_roster_end(roster, err);
        if (rc == 0)
                xpm_assembly_warn(assembly);
        for (size_t i = 0; i < detail->block_count; i++)
                xpm_frame_release(detail->blocks[i].frame);
        xpm_tuples_release(&tuples);
        return rc;
}

/* --- all of them --- */

/* By step as written, each job once, under its first. */
static int list_jobs(xpm_plan *plan, size_t count, xpm_error *err)
{
        plan->jobs = xpm_arena_calloc(plan->arena, count, sizeof(xpm_job *));
        if (!plan->jobs)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < plan->step_count; i++) {
                const xpm_step *step = &plan->steps[i];
                for (size_t j = 0; j < step->job_count; j++) {
                        if (step->jobs[j]->step != step)
                                continue;
                        step->jobs[j]->index = plan->job_count;
                        plan->jobs[plan->job_count++] = step->jobs[j];
                }
        }
        return 0;
}

int xpm_steps_expand(xpm_plan *plan, xpm_step *const *order, const xpm_converter *converter, xpm_error *err)
{
        xpm_roster roster = {.plan = plan, .log = converter->log};
        int rc = 0;
        for (size_t i = 0; i < plan->step_count && rc == 0; i++)
                rc = expand(plan, order[i], &roster, converter, err);
        if (rc == 0)
                rc = list_jobs(plan, roster.count, err);
        xpm_roster_release(&roster);
        return rc;
}
