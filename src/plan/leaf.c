/* One table of names, for binding, and one function that prints, for evaluation. Everything is appended straight to the
 * output, so nothing is computed for a name that is not used. */
#include "plan/leaf.h"

#include <string.h>

#include "base/json.h"
#include "base/sha256.h"
#include "plan/names.h"
#include "plan/task.h"

static const xpm_space spaces[] = {
        {"job",
         {{"path", XPM_LEAF_JOB_PATH},
          {"id", XPM_LEAF_JOB_ID},
          {"task", XPM_LEAF_JOB_TASK},
          {"stdout", XPM_LEAF_JOB_STDOUT}}},
        {"experiment",
         {{"id", XPM_LEAF_EXPERIMENT_ID}, {"dir", XPM_LEAF_EXPERIMENT_DIR}, {"results", XPM_LEAF_EXPERIMENT_RESULTS}}},
        {"workspace", {{"path", XPM_LEAF_WORKSPACE_PATH}}},
        {"resources",
         {{"cores", XPM_LEAF_RESOURCES_CORES},
          {"memory", XPM_LEAF_RESOURCES_MEMORY},
          {"gpus", XPM_LEAF_RESOURCES_GPUS},
          {"ranks", XPM_LEAF_RESOURCES_RANKS}}},
};

const xpm_space *xpm_space_find(const char *name)
{
        for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
                if (strcmp(name, spaces[i].name) == 0)
                        return &spaces[i];
        return NULL;
}

const struct xpm_field *xpm_field_find(const xpm_space *space, const char *name)
{
        for (const struct xpm_field *field = space->fields; field->name; field++)
                if (strcmp(name, field->name) == 0)
                        return field;
        return NULL;
}

void xpm_job_path(const char *workspace, const xpm_job *job, xpm_text *text)
{
        char digits[XPM_SHA256_HEX];
        xpm_hex(job->config->id, XPM_SHA256_SIZE, digits);
        xpm_text_puts(text, workspace);
        xpm_text_puts(text, "/jobs/");
        xpm_text_puts(text, job->config->type->lower);
        xpm_text_putc(text, '/');
        xpm_text_append(text, digits, 2 * XPM_SHA256_SIZE);
}

static int64_t gpus_of(const xpm_need *need)
{
        int64_t sum = 0;
        for (size_t i = 0; i < need->gpu_count; i++)
                sum += need->gpus[i].count;
        return sum;
}

/* Of the run, or what it would be. */
static void print_results(const xpm_render_context *context, xpm_text *text)
{
        if (context->run)
                xpm_text_printf(text, "%s/results", context->run);
        else
                xpm_text_printf(text, "%s/experiments/%s/current/results", context->workspace, context->plan->id);
}

int xpm_leaf_print(const xpm_render_context *context, enum xpm_leaf leaf, const xpm_job *job, const xpm_need *need,
                   xpm_text *text, xpm_error *err)
{
        static const xpm_need none = {.cores = 1};
        need = need ? need : &none;
        char digits[XPM_SHA256_HEX];
        switch (leaf) {
        case XPM_LEAF_JOB_PATH: xpm_job_path(context->workspace, job, text); break;
        case XPM_LEAF_JOB_ID:
                xpm_hex(job->config->id, XPM_SHA256_SIZE, digits);
                xpm_text_puts(text, digits);
                break;
        case XPM_LEAF_JOB_TASK: xpm_text_puts(text, job->config->type->lower); break;
        case XPM_LEAF_JOB_STDOUT:
                xpm_job_path(context->workspace, job, text);
                xpm_text_putc(text, '/');
                xpm_text_puts(text, xpm_task_script(job->config->type));
                xpm_text_puts(text, ".out");
                break;
        case XPM_LEAF_EXPERIMENT_ID: xpm_text_puts(text, context->plan->id); break;
        case XPM_LEAF_EXPERIMENT_DIR: xpm_text_puts(text, context->plan->document.source->dir); break;
        case XPM_LEAF_EXPERIMENT_RESULTS: print_results(context, text); break;
        case XPM_LEAF_WORKSPACE_PATH: xpm_text_puts(text, context->workspace); break;
        case XPM_LEAF_RESOURCES_CORES: xpm_json_int(text, need->cores > 0 ? need->cores : 1); break;
        case XPM_LEAF_RESOURCES_MEMORY:
                if (need->memory == 0)
                        return xpm_fail(err, XPM_EPLAN, "'resources.memory': the requirements name no memory");
                xpm_json_int(text, (int64_t)need->memory);
                break;
        case XPM_LEAF_RESOURCES_GPUS: xpm_json_int(text, gpus_of(need)); break;
        case XPM_LEAF_RESOURCES_RANKS: xpm_json_int(text, need->ranks > 0 ? need->ranks : 1); break;
        }
        return 0;
}

int xpm_parts_split(xpm_arena *arena, const char *text, struct xpm_name_part **out, size_t *count, xpm_error *err)
{
        *count = 1;
        for (const char *c = text; *c; c++)
                *count += *c == '.';
        char *copy = xpm_arena_strdup(arena, text);
        xpm_name_part *parts = xpm_arena_calloc(arena, *count, sizeof *parts);
        if (!copy || !parts)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < *count; i++) {
                size_t length = strcspn(copy, ".");
                copy[length] = '\0';
                parts[i] = (xpm_name_part){.text = copy, .length = length, .index = -1};
                copy += length + 1;
        }
        *out = parts;
        return 0;
}
