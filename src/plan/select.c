/* What to run, out of what there is. A job that is kept keeps what it needs, however far, whatever the filter says of
 * that; positions are renumbered, so that plan->jobs[i]->index is i again. */
#include "plan/select.h"

#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "model/filter.h"
#include "plan/step.h"

typedef struct selection {
        xpm_plan *plan;
        xpm_filter *filter; /* or NULL */
        bool *kept;         /* by the index of a job */
        const xpm_job *job; /* being looked at */
        xpm_text text;      /* of a tag that is no scalar */
        xpm_error *err;
} selection;

/* --- --only --- */

static int want_step(xpm_plan *plan, const char *name, size_t length, xpm_error *err)
{
        size_t count = 0;
        for (size_t i = 0; i < plan->step_count; i++)
                if (strlen(plan->steps[i].name) == length && memcmp(plan->steps[i].name, name, length) == 0) {
                        plan->steps[i].wanted = true;
                        return 0;
                }
        const char **names = xpm_arena_calloc(plan->arena, plan->step_count, sizeof *names);
        char *word = xpm_arena_strndup(plan->arena, name, length);
        if (!names || !word)
                return xpm_fail_memory(err);
        for (; count < plan->step_count; count++)
                names[count] = plan->steps[count].name;
        const char *near = xpm_words_nearest(word, names, count);
        return xpm_fail(err, XPM_EUSAGE, "--only: there is no step '%s'%s%s%s", word, near ? ": did you mean '" : "",
                        near ? near : "", near ? "'?" : "");
}

static int want_steps(xpm_plan *plan, const char *only, xpm_error *err)
{
        for (size_t i = 0; i < plan->step_count; i++)
                plan->steps[i].wanted = !only;
        while (only) {
                size_t length = strcspn(only, ",");
                int rc = want_step(plan, only, length, err);
                if (rc != 0)
                        return rc;
                only = only[length] ? only + length + 1 : NULL;
        }
        return 0;
}

/* --- --where --- */

static int give_value(selection *s, const xpm_value *value, xpm_filter_value *out)
{
        out->kind = value->kind;
        switch (value->kind) {
        case XPM_UNSET:
        case XPM_NULL: return 0;
        case XPM_BOOL: out->boolean = value->boolean; return 0;
        case XPM_INT: out->integer = value->integer; return 0;
        case XPM_FLOAT: out->number = value->number; return 0;
        case XPM_STR:
        case XPM_PATH:
                out->string = value->string->data;
                out->length = value->string->length;
                break;
        case XPM_FILE:
                out->string = value->file->path->data;
                out->length = value->file->path->length;
                break;
        case XPM_ENUM:
                out->string = value->member->name;
                out->length = strlen(out->string);
                break;
        default:
                xpm_text_cut(&s->text, 0);
                if (xpm_value_json(value, NULL, &s->text) != 0 || s->text.failed)
                        return xpm_fail_memory(s->err);
                out->string = xpm_text_string(&s->text);
                out->length = s->text.length;
        }
        out->kind = XPM_STR;
        return 0;
}

static int look_up(void *data, const char *name, xpm_filter_value *out, xpm_error *err)
{
        selection *s = data;
        xpm_value value = {0};
        if (strcmp(name, "@name") == 0) {
                *out = (xpm_filter_value){.kind = XPM_STR};
                out->string = s->job->config->type->lower;
                out->length = strlen(out->string);
                return 0;
        }
        int rc = xpm_job_tag(s->plan, s->job, name, &value, err);
        return rc <= 0 ? rc : give_value(s, &value, out);
}

/* A name that no job could have is a slip, not a filter that nothing passes. */
static int check_names(const selection *s)
{
        const xpm_plan *plan = s->plan;
        xpm_step **steps = xpm_arena_calloc(plan->arena, plan->step_count, sizeof *steps);
        if (!steps)
                return xpm_fail_memory(s->err);
        for (size_t i = 0; i < plan->step_count; i++)
                steps[i] = &plan->steps[i];
        for (size_t i = 0;; i++) {
                const char *name = xpm_filter_name(s->filter, i);
                bool known = !name || strcmp(name, "@name") == 0;
                for (size_t j = 0; j < plan->step_count && !known; j++)
                        known = xpm_tag_known(steps[j], name);
                if (!name)
                        return 0;
                if (known)
                        continue;
                if (name[0] == '@')
                        return xpm_fail(s->err, XPM_EUSAGE,
                                        "--where: a job of a plan has no '%s', only tags and '@name'", name);
                xpm_text text = XPM_TEXT_INIT;
                xpm_tag_suggest(steps, plan->step_count, name, &text);
                int rc = xpm_fail(s->err, XPM_EUSAGE, "--where: no job has a tag '%s'%s", name, xpm_text_string(&text));
                xpm_text_release(&text);
                return rc;
        }
}

/* --- keeping --- */

/* JOB and all that it needs, by a stack of our own: a chain may be long. */
static void keep(selection *s, xpm_job *job, xpm_job **stack)
{
        size_t depth = 0;
        if (s->kept[job->index])
                return;
        s->kept[job->index] = true;
        stack[depth++] = job;
        while (depth > 0) {
                const xpm_job *top = stack[--depth];
                for (size_t i = 0; i < top->dependency_count; i++) {
                        xpm_job *need = top->dependencies[i];
                        if (s->kept[need->index])
                                continue;
                        s->kept[need->index] = true;
                        stack[depth++] = need;
                }
        }
}

static int keep_step(selection *s, const xpm_step *step, size_t limit, xpm_job **stack)
{
        size_t count = 0;
        for (size_t i = 0; i < step->job_count && (limit == 0 || count < limit); i++) {
                s->job = step->jobs[i];
                int rc = s->filter ? xpm_filter_eval(s->filter, look_up, s, s->err) : 1;
                if (rc > 0) {
                        count++;
                        keep(s, step->jobs[i], stack);
                }
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static void drop_others(selection *s)
{
        xpm_plan *plan = s->plan;
        size_t count = 0;
        for (size_t i = 0; i < plan->job_count; i++) {
                if (!s->kept[i])
                        continue;
                plan->jobs[i]->index = count;
                plan->jobs[count++] = plan->jobs[i];
        }
        plan->job_count = count;
}

int xpm_plan_select(xpm_plan *plan, const xpm_plan_options *options, xpm_error *err)
{
        selection s = {.plan = plan, .err = err};
        int rc = want_steps(plan, options->only, err);
        if (rc != 0 || (!options->only && !options->where && options->limit == 0))
                return rc;
        if (options->where)
                rc = xpm_filter_parse(plan->arena, options->where, &s.filter, err);
        if (rc == 0 && s.filter)
                rc = check_names(&s);
        s.kept = calloc(plan->job_count + 1, sizeof *s.kept);
        xpm_job **stack = calloc(plan->job_count + 1, sizeof(xpm_job *));
        if (rc == 0 && (!s.kept || !stack))
                rc = xpm_fail_memory(err);
        for (size_t i = 0; i < plan->step_count && rc == 0; i++)
                if (plan->steps[i].wanted)
                        rc = keep_step(&s, &plan->steps[i], options->limit, stack);
        if (rc == 0)
                drop_others(&s);
        free(s.kept);
        free(stack);
        xpm_text_release(&s.text);
        return rc;
}
