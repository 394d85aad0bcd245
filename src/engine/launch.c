/* A job is rendered when a launcher has room for it and forgotten when it was handed over, so that the engine's memory
 * does not grow with what is rendered from templates. */
#include "engine/launch.h"

#include <string.h>

#include "exec/runfile.h"

/* The environment of the settings and the workspace stands before that of the experiment file, which may replace it. */
static int add_settings_env(xpm_rendered *rendered, const xpm_experiment *experiment, xpm_error *err)
{
        const char *const *pairs = experiment->choice.env;
        size_t count = 0;
        while (pairs && pairs[2 * count])
                count++;
        if (count == 0)
                return 0;
        xpm_binding *env = xpm_arena_calloc(rendered->arena, count + rendered->spec.env_count, sizeof *env);
        if (!env)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < count; i++)
                env[i] = (xpm_binding){pairs[2 * i], pairs[2 * i + 1]};
        if (rendered->spec.env_count)
                memcpy(env + count, rendered->spec.env, rendered->spec.env_count * sizeof *env);
        rendered->spec.env = env;
        rendered->spec.env_count += count;
        return 0;
}

typedef struct directives {
        xpm_arena *arena;
        const char **items;
        size_t count, capacity;
} directives;

static int add_directive(void *data, const char *directive)
{
        directives *list = data;
        if (xpm_arena_reserve(list->arena, &list->items, &list->capacity, list->count + 2, sizeof *list->items) != 0)
                return XPM_ENOMEM;
        list->items[list->count + 1] = NULL;
        return (list->items[list->count++] = xpm_arena_strdup(list->arena, directive)) ? 0 : XPM_ENOMEM;
}

/* What its launcher's scheduler is told of the job. */
static int add_directives(xpm_rendered *rendered, xpm_experiment *experiment, const xpm_job *job, xpm_error *err)
{
        directives list = {.arena = rendered->arena};
        size_t chosen = experiment->choices[job->index].candidate;
        const xpm_candidate *candidate = &experiment->candidates.list[chosen];
        if (!candidate->ops || !candidate->ops->directives)
                return 0;
        int rc = xpm_candidates_open(&experiment->candidates, chosen, err);
        const xpm_shape shape = xpm_shape_of(&rendered->spec.need);
        if (rc == 0)
                rc = candidate->ops->directives(candidate->instance, &shape, add_directive, &list, err);
        rendered->spec.directives = list.items;
        return rc == XPM_ENOMEM ? xpm_fail_memory(err) : rc;
}

static int render(xpm_rendered *rendered, xpm_experiment *experiment, const xpm_render_context *context,
                  const xpm_job *job, const char *template_name, xpm_error *err)
{
        xpm_text objects = XPM_TEXT_INIT, tree = XPM_TEXT_INIT;
        int rc = xpm_render_job(context, rendered->arena, job, &rendered->spec, err);
        if (rc == 0)
                rc = add_settings_env(rendered, experiment, err);
        if (rc == 0)
                rc = add_directives(rendered, experiment, job, err);
        if (rc == 0)
                rc = xpm_render_objects(context, job, &objects, err);
        if (rc == 0)
                rc = xpm_render_params(context, job, &tree, err);
        if (rc == 0)
                rc = xpm_runfile_params(&rendered->spec, xpm_text_string(&objects), xpm_text_string(&tree),
                                        &rendered->params, err);
        if (rc == 0)
                rc = xpm_runfile_script(&rendered->spec, template_name, experiment->executable, &rendered->script, err);
        if (rc == 0 && (objects.failed || tree.failed || rendered->params.failed || rendered->script.failed))
                rc = xpm_fail_memory(err);
        xpm_text_release(&objects);
        xpm_text_release(&tree);
        return rc;
}

int xpm_rendered_init_scaled(xpm_rendered *rendered, xpm_experiment *experiment, const xpm_job *job,
                             const char *template_name, double memory, double duration, xpm_error *err)
{
        xpm_render_context context = experiment->render;
        context.alternative = experiment->choices[job->index].alternative;
        const xpm_launcher_entry *entry = xpm_experiment_entry(experiment, job);
        context.growth = (xpm_growth){.memory = memory,
                                      .duration = duration,
                                      .most_memory = entry ? entry->host.memory : 0,
                                      .most_duration = entry ? entry->max_duration : 0};
        *rendered = (xpm_rendered){.arena = xpm_arena_create()};
        if (!rendered->arena)
                return xpm_fail_memory(err);
        int rc = render(rendered, experiment, &context, job, template_name, err);
        if (rc != 0)
                xpm_rendered_release(rendered);
        return rc;
}

int xpm_rendered_init(xpm_rendered *rendered, xpm_experiment *experiment, const xpm_job *job, const char *template_name,
                      xpm_error *err)
{
        return xpm_rendered_init_scaled(rendered, experiment, job, template_name, 1, 1, err);
}

void xpm_rendered_release(xpm_rendered *rendered)
{
        xpm_text_release(&rendered->params);
        xpm_text_release(&rendered->script);
        xpm_arena_destroy(rendered->arena);
        *rendered = (xpm_rendered){0};
}

xpm_launch xpm_rendered_launch(const xpm_rendered *rendered, uint64_t tag, uint32_t attempt, bool again)
{
        return (xpm_launch){
                .tag = tag,
                .attempt = attempt,
                .again = again,
                .spec = &rendered->spec,
                .path = rendered->spec.path,
                .directives = rendered->spec.directives,
                .params = xpm_text_string(&rendered->params),
                .params_length = rendered->params.length,
                .script = xpm_text_string(&rendered->script),
                .script_length = rendered->script.length,
        };
}
