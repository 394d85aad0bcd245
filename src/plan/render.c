/* From compiled templates and one job's values to what is run. Requirements come first, because everything else may
 * name the resources that they ask for. Strings that no template changes are borrowed from the plan; the others are
 * rendered into one scratch text and copied to the caller's arena.
 *
 * What a grammar or a filesystem restricts is checked after rendering: numbers, requirements, names of files, so that a
 * job that was rendered can be run. */
#include "plan/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "base/sha256.h"
#include "plan/names.h"
#include "plan/setting.h"
#include "plan/task.h"
#include "plan/template.h"

typedef struct job_renderer {
        xpm_rendering rendering;
        const xpm_templates *templates;
        xpm_arena *arena;
        xpm_text scratch;
        xpm_jobspec *out;
        xpm_error *err;
} job_renderer;

static const xpm_mustache_item *root_of(const xpm_rendering *rendering, xpm_mustache_item *item)
{
        *item = xpm_names_root(rendering->job);
        return item;
}

/* --- one template --- */

static int fail_job(const xpm_job *job, const xpm_node *node, size_t offset, const char *what, const char *message,
                    xpm_error *err)
{
        char label[256];
        return xpm_fail_at(err, xpm_node_locate(node, offset), "job '%s': %s: %s",
                           xpm_job_label(job, label, sizeof label), what, message);
}

/* Say where WRONG happened. */
static int explain(const xpm_rendering *rendering, const xpm_template *template, int rc, const xpm_error *wrong,
                   xpm_error *err)
{
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(err);
        return fail_job(rendering->job, template->node, rendering->failed ? rendering->failed->offset : 0,
                        template->what, wrong->message, err);
}

static int render_template(xpm_rendering *rendering, const xpm_template *template, xpm_text *text, xpm_error *err)
{
        xpm_mustache_item root;
        xpm_error wrong;
        wrong.code = 0;
        rendering->shell = template->shell;
        rendering->binary = template->binary;
        rendering->failed = NULL;
        int rc = xpm_mustache_render(&template->code, &xpm_names_view, rendering, root_of(rendering, &root), text,
                                     &wrong);
        return rc == 0 ? 0 : explain(rendering, template, rc, &wrong, err);
}

/* What TEMPLATE says for the job, borrowed from the plan or in the arena. */
static const char *render_string(job_renderer *r, const xpm_template *template, size_t *length)
{
        const xpm_mustache *code = &template->code;
        if (template->fixed) {
                *length = code->count > 0 ? code->tags[0].length : 0;
                return code->count > 0 ? code->tags[0].text : "";
        }
        xpm_text_clear(&r->scratch);
        if (render_template(&r->rendering, template, &r->scratch, r->err) != 0)
                return NULL;
        *length = r->scratch.length;
        const char *string = xpm_arena_strndup(r->arena, xpm_text_string(&r->scratch), r->scratch.length);
        if (!string)
                xpm_fail_memory(r->err);
        return string;
}

static int render_optional(job_renderer *r, const xpm_template *template, const char **out)
{
        size_t length;
        *out = NULL;
        if (!template)
                return 0;
        *out = render_string(r, template, &length);
        if (!*out)
                return r->err ? r->err->code : XPM_EPLAN;
        return 0;
}

/* --- lists --- */

/* One argument: what TEXT has from START on. */
typedef int (*sink)(void *data, xpm_text *text, size_t start);

/* An item that is nothing but a list: each of its values. 1 when it was one. */
static int expand(xpm_rendering *rendering, const xpm_template *template, xpm_text *text, sink take, void *data,
                  xpm_error *err)
{
        const xpm_mustache_view *view = &xpm_names_view;
        const xpm_mustache_tag *tag = &template->code.tags[0];
        xpm_mustache_item list, item;
        xpm_error wrong;
        wrong.code = 0;
        rendering->failed = tag;
        int rc = xpm_names_value(rendering, tag, &list, &wrong);
        long count = rc == 1 ? view->count(rendering, &list) : -1;
        if (rc >= 0 && count < 0)
                return 0;
        rendering->shell = rendering->binary = false;
        for (long i = 0; i < count && rc >= 0; i++) {
                size_t start = text->length;
                view->item(rendering, &list, (size_t)i, &item);
                rc = view->print(rendering, tag, &item, text, &wrong);
                if (rc == 0)
                        rc = take(data, text, start);
        }
        return rc < 0 ? explain(rendering, template, rc, &wrong, err) : 1;
}

static int render_items(xpm_rendering *rendering, const xpm_template *templates, size_t count, xpm_text *text,
                        sink take, void *data, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; i < count && rc >= 0; i++) {
                rc = templates[i].alone ? expand(rendering, &templates[i], text, take, data, err) : 0;
                if (rc != 0)
                        continue;
                size_t start = text->length;
                rc = render_template(rendering, &templates[i], text, err);
                if (rc == 0 && (!templates[i].sections || text->length > start))
                        rc = take(data, text, start);
        }
        return rc < 0 ? rc : 0;
}

typedef struct strings {
        xpm_arena *arena;
        const char **items;
        size_t count, capacity;
} strings;

static int keep(void *data, xpm_text *text, size_t start)
{
        strings *list = data;
        const char *copy =
                text->length > start ? xpm_arena_strndup(list->arena, text->data + start, text->length - start) : "";
        if (text->failed || !copy ||
            xpm_arena_reserve(list->arena, &list->items, &list->capacity, list->count + 2, sizeof *list->items) != 0)
                return XPM_ENOMEM;
        list->items[list->count++] = copy;
        list->items[list->count] = NULL;
        xpm_text_cut(text, start);
        return 0;
}

static int render_list(job_renderer *r, const xpm_template *templates, size_t count, const char *const **out,
                       size_t *out_count)
{
        strings list = {.arena = r->arena};
        *out = NULL;
        xpm_text_clear(&r->scratch);
        int rc = render_items(&r->rendering, templates, count, &r->scratch, keep, &list, r->err);
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(r->err);
        *out = list.items;
        *out_count = list.count;
        return rc;
}

/* --- the command as a line --- */

static int quote(void *data, xpm_text *text, size_t start)
{
        (void)data;
        xpm_names_quote(text, start);
        xpm_text_putc(text, ' ');
        return 0;
}

static int render_line(xpm_rendering *rendering, const xpm_templates *templates, xpm_text *text, xpm_error *err)
{
        size_t start = text->length;
        char last = templates->list ? ' ' : '\n';
        int rc = templates->list
                         ? render_items(rendering, templates->command, templates->command_count, text, quote, NULL, err)
                         : render_template(rendering, &templates->command[0], text, err);
        size_t length = text->length;
        while (length > start && text->data[length - 1] == last && (last == '\n' || length == text->length))
                length--;
        if (length < text->length)
                xpm_text_cut(text, length);
        return rc;
}

/* --- requirements --- */

static int render_number(job_renderer *r, const xpm_template *template, int64_t least, int64_t *out)
{
        const char *text;
        *out = 0;
        int rc = render_optional(r, template, &text);
        if (rc != 0 || !text)
                return rc;
        if (xpm_int_parse(text, strlen(text), out, NULL) && *out >= least)
                return 0;
        char message[256];
        snprintf(message, sizeof message, "'%.100s' is not a number of at least %d", text, (int)least);
        return fail_job(r->rendering.job, template->node, 0, template->what, message, r->err);
}

/* `mpi:` of the task goes into every alternative, and must not contradict one. */
static int add_ranks(job_renderer *r, xpm_requirement *requirement)
{
        const xpm_templates *t = r->templates;
        int64_t ranks, per_node;
        int rc = render_number(r, t->ranks, 1, &ranks);
        if (rc == 0)
                rc = render_number(r, t->per_node, 1, &per_node);
        if (rc != 0 || (ranks == 0 && per_node == 0))
                return rc;
        xpm_need *needs = xpm_arena_memdup(r->arena, requirement->alternatives, requirement->count * sizeof *needs);
        if (!needs)
                return xpm_fail_memory(r->err);
        for (size_t i = 0; i < requirement->count; i++) {
                bool differs = (needs[i].ranks && ranks && needs[i].ranks != ranks) ||
                               (needs[i].per_node && per_node && needs[i].per_node != per_node);
                if (differs)
                        return fail_job(r->rendering.job, t->ranks ? t->ranks->node : t->per_node->node, 0, "mpi",
                                        "two different values: here and as mpi(…) in the requirements", r->err);
                needs[i].ranks = ranks ? ranks : needs[i].ranks;
                needs[i].per_node = per_node ? per_node : needs[i].per_node;
                needs[i].implied = false;
        }
        requirement->alternatives = needs;
        return 0;
}

static int render_requirements(job_renderer *r, xpm_requirement *out)
{
        static const xpm_need one_core = {.cores = 1, .implied = true};
        const xpm_template *template = r->templates->requirements;
        xpm_error wrong = XPM_ERROR_NONE;
        const char *text;
        *out = (xpm_requirement){.alternatives = &one_core, .count = 1};
        int rc = render_optional(r, template, &text);
        if (rc != 0)
                return rc;
        if (text && text[strspn(text, " \t\r\n")] != '\0')
                rc = xpm_requirement_parse(r->arena, text, out, &wrong);
        if (rc != 0)
                return explain(&r->rendering, template, rc, &wrong, r->err);
        return add_ranks(r, out);
}

static int render_outputs(job_renderer *r)
{
        const xpm_templates *t = r->templates;
        xpm_jobspec *out = r->out;
        int rc = render_list(r, t->outputs, t->output_count, &out->outputs, &out->output_count);
        for (size_t i = 0; i < out->output_count && rc == 0; i++)
                rc = xpm_check_inside(out->outputs[i], strlen(out->outputs[i]), "an output", out->script,
                                      t->task->outputs->pos, r->err);
        return rc;
}

static int render_files(job_renderer *r)
{
        const xpm_templates *t = r->templates;
        xpm_input_file *files = xpm_arena_calloc(r->arena, t->file_count, sizeof *files);
        if (!files)
                return xpm_fail_memory(r->err);
        int rc = 0;
        for (size_t i = 0; i < t->file_count && rc == 0; i++) {
                size_t length;
                files[i].name = render_string(r, &t->files[i].name, &length);
                if (files[i].name)
                        files[i].content = render_string(r, &t->files[i].content, &files[i].length);
                if (!files[i].name || !files[i].content)
                        return r->err ? r->err->code : XPM_EPLAN;
                rc = xpm_check_inside(files[i].name, length, "an input file", r->out->script, t->files[i].node->pos,
                                      r->err);
                for (size_t j = 0; j < i && rc == 0; j++)
                        if (strcmp(files[i].name, files[j].name) == 0)
                                rc = fail_job(r->rendering.job, t->files[i].node, 0, "files",
                                              "two files have the same name", r->err);
        }
        r->out->files = files;
        r->out->file_count = t->file_count;
        return rc;
}

static int render_env(job_renderer *r)
{
        const xpm_templates *t = r->templates;
        xpm_binding *env = xpm_arena_calloc(r->arena, t->env_count, sizeof *env);
        if (!env)
                return xpm_fail_memory(r->err);
        for (size_t i = 0; i < t->env_count; i++) {
                env[i].name = t->env[i].name;
                int rc = render_optional(r, &t->env[i].value, &env[i].value);
                if (rc != 0)
                        return rc;
        }
        r->out->env = env;
        r->out->env_count = t->env_count;
        return 0;
}

static int check_total(job_renderer *r, const xpm_named_template *token, int64_t count)
{
        const xpm_node *total = xpm_node_get(r->rendering.context->plan->tokens, token->name);
        int64_t number;
        if (!total || total->kind != XPM_NODE_SCALAR || !xpm_int_parse(total->text, total->length, &number, NULL) ||
            count <= number)
                return 0;
        char message[128];
        snprintf(message, sizeof message, "%lld of them are asked for, and there are %lld", (long long)count,
                 (long long)number);
        return fail_job(r->rendering.job, token->value.node, 0, token->value.what, message, r->err);
}

static int render_tokens(job_renderer *r)
{
        const xpm_templates *t = r->templates;
        xpm_count *tokens = xpm_arena_calloc(r->arena, t->token_count, sizeof *tokens);
        if (!tokens)
                return xpm_fail_memory(r->err);
        int rc = 0;
        for (size_t i = 0; i < t->token_count && rc == 0; i++) {
                tokens[i].name = t->tokens[i].name;
                rc = render_number(r, &t->tokens[i].value, 0, &tokens[i].count);
                if (rc == 0)
                        rc = check_total(r, &t->tokens[i], tokens[i].count);
        }
        r->out->tokens = tokens;
        r->out->token_count = t->token_count;
        return rc;
}

/* A relative directory is one in the job's. */
static int render_cwd(job_renderer *r)
{
        const char *cwd;
        int rc = render_optional(r, r->templates->cwd, &cwd);
        if (rc != 0 || !cwd || !*cwd)
                return rc;
        char *path = xpm_path_join(r->out->path, cwd);
        r->out->cwd = path ? xpm_arena_strdup(r->arena, path) : NULL;
        free(path);
        return r->out->cwd ? 0 : xpm_fail_memory(r->err);
}

static int render_command(job_renderer *r)
{
        const xpm_templates *t = r->templates;
        xpm_jobspec *out = r->out;
        size_t count;
        int rc = t->list ? render_list(r, t->command, t->command_count, &out->argv, &count)
                         : render_optional(r, &t->command[0], &out->text);
        const char *first = out->argv ? out->argv[0] : out->text;
        if (rc == 0 && (!first || first[strspn(first, " \t\r\n")] == '\0'))
                return fail_job(r->rendering.job, t->command[0].node, 0, "command", "the command is empty", r->err);
        if (rc != 0)
                return rc;
        xpm_text_clear(&r->scratch);
        rc = render_line(&r->rendering, t, &r->scratch, r->err);
        if (rc != 0)
                return rc;
        out->command = xpm_arena_strndup(r->arena, xpm_text_string(&r->scratch), r->scratch.length);
        return out->command ? 0 : xpm_fail_memory(r->err);
}

static int render_dependencies(job_renderer *r)
{
        const xpm_job *job = r->rendering.job;
        char digits[XPM_SHA256_HEX];
        const char **names = xpm_arena_calloc(r->arena, job->dependency_count, sizeof *names);
        if (!names)
                return xpm_fail_memory(r->err);
        for (size_t i = 0; i < job->dependency_count; i++) {
                const xpm_config *config = job->dependencies[i]->config;
                xpm_hex(config->id, sizeof config->id, digits);
                names[i] = xpm_arena_printf(r->arena, "%s/%s", config->type->lower, digits);
                if (!names[i])
                        return xpm_fail_memory(r->err);
        }
        r->out->dependencies = names;
        r->out->dependency_count = job->dependency_count;
        return 0;
}

static int render_partial_paths(job_renderer *r)
{
        const xpm_config *config = r->rendering.job->config;
        size_t count = config->type->partial_count;
        const char **paths = xpm_arena_calloc(r->arena, count, sizeof *paths);
        if (!paths)
                return xpm_fail_memory(r->err);
        for (size_t i = 0; i < count; i++) {
                xpm_text_clear(&r->scratch);
                int rc = xpm_partial_path(r->rendering.context->workspace, config, &config->type->partials[i],
                                          &r->scratch, r->err);
                if (rc != 0)
                        return rc;
                paths[i] = xpm_arena_strndup(r->arena, xpm_text_string(&r->scratch), r->scratch.length);
                if (!paths[i])
                        return xpm_fail_memory(r->err);
        }
        r->out->partials = paths;
        r->out->partial_count = count;
        return 0;
}

/* What `paths_file` names, once everything that could name it was rendered. */
static int render_paths(job_renderer *r)
{
        size_t count = 0;
        for (const xpm_paths_use *use = r->rendering.paths; use; use = use->next)
                count++;
        struct xpm_paths_file *files = xpm_arena_calloc(r->arena, count, sizeof *files);
        if (!files)
                return xpm_fail_memory(r->err);
        r->out->paths_files = files;
        r->out->paths_file_count = count;
        for (const xpm_paths_use *use = r->rendering.paths; use; use = use->next, files++) {
                xpm_text_clear(&r->scratch);
                for (size_t i = 0; i < use->jobs->count; i++) {
                        const xpm_value *item = &use->jobs->items[i];
                        if (item->kind != XPM_CONFIG || !item->config->job)
                                continue;
                        xpm_job_path(r->rendering.context->workspace, item->config->job, &r->scratch);
                        xpm_text_putc(&r->scratch, '\n');
                }
                files->name = use->name;
                files->length = r->scratch.length;
                files->content = xpm_arena_strndup(r->arena, xpm_text_string(&r->scratch), r->scratch.length);
                if (!files->content)
                        return xpm_fail_memory(r->err);
        }
        return 0;
}

static int begin(job_renderer *r)
{
        const xpm_render_context *context = r->rendering.context;
        const xpm_job *job = r->rendering.job;
        const xpm_templates *t = r->templates;
        char digits[XPM_SHA256_HEX];
        xpm_hex(job->config->id, XPM_SHA256_SIZE, digits);
        *r->out = (xpm_jobspec){
                .job_id = xpm_arena_strdup(r->arena, digits),
                .task_id = job->config->type->lower,
                .script = xpm_task_script(job->config->type),
                .path = xpm_arena_printf(r->arena, "%s/jobs/%s/%s", context->workspace, job->config->type->lower,
                                         digits),
                .workspace = context->workspace,
                .experiment_id = context->plan->id,
                .experiment_dir = context->plan->document.source->dir,
                .results = context->run ? xpm_arena_printf(r->arena, "%s/results", context->run) : "",
                .shell = t->shell,
                .required_env = context->extra_env,
                .required_env_count = context->extra_env_count,
                .secrets = t->secrets,
                .secret_count = t->secret_count,
                .retry = t->retry,
                .max_retries = t->max_retries,
                .resumable = t->resumable,
                .transient = t->transient,
                .launcher = t->launcher,
        };
        return r->out->job_id && r->out->path && r->out->results ? 0 : xpm_fail_memory(r->err);
}

static int render_all(job_renderer *r)
{
        const xpm_templates *t = r->templates;
        xpm_jobspec *out = r->out;
        int rc = begin(r);
        if (rc == 0)
                rc = render_requirements(r, &out->requirement);
        if (rc != 0)
                return rc;
        size_t chosen = r->rendering.context->alternative;
        out->need = out->requirement.alternatives[chosen < out->requirement.count ? chosen : 0];
        xpm_need_grow(&out->need, &r->rendering.context->growth);
        r->rendering.need = &out->need;
        rc = render_command(r);
        if (rc == 0)
                rc = render_optional(r, t->setup, &out->setup);
        if (rc == 0)
                rc = render_list(r, t->modules, t->module_count, &out->modules, &out->module_count);
        if (rc == 0)
                rc = render_env(r);
        if (rc == 0)
                rc = render_cwd(r);
        if (rc == 0)
                rc = render_files(r);
        if (rc == 0)
                rc = render_outputs(r);
        if (rc == 0)
                rc = render_tokens(r);
        if (rc == 0)
                rc = render_dependencies(r);
        if (rc == 0)
                rc = render_partial_paths(r);
        return rc == 0 ? render_paths(r) : rc;
}

static int render_job(const xpm_render_context *context, xpm_arena *arena, const xpm_job *job, xpm_jobspec *out,
                      xpm_error *err)
{
        xpm_error own = XPM_ERROR_NONE;
        job_renderer r = {.rendering = {.context = context, .job = job, .arena = arena},
                          .templates = job->step->templates,
                          .arena = arena,
                          .out = out,
                          .err = err ? err : &own};
        int rc = render_all(&r);
        xpm_text_release(&r.scratch);
        return rc;
}

int xpm_render_job(const xpm_render_context *context, xpm_arena *arena, const xpm_job *job, xpm_jobspec *out,
                   xpm_error *err)
{
        int rc = render_job(context, arena, job, out, err);
        return rc == 0 ? xpm_render_recipe(context, job, &out->recipe, err) : rc;
}

int xpm_render_requirement(const xpm_render_context *context, xpm_arena *arena, const xpm_job *job,
                           xpm_requirement *out, bool *fixed, xpm_error *err)
{
        xpm_error own = XPM_ERROR_NONE;
        const xpm_templates *t = job->step->templates;
        job_renderer r = {.rendering = {.context = context, .job = job, .arena = arena},
                          .templates = t,
                          .arena = arena,
                          .err = err ? err : &own};
        *fixed = xpm_templates_fix_need(t);
        int rc = render_requirements(&r, out);
        xpm_text_release(&r.scratch);
        return rc;
}

int xpm_render_check(const xpm_render_context *context, const xpm_job *job, xpm_error *err)
{
        xpm_templates *templates = job->step->templates;
        if (templates->checked)
                return 0;
        xpm_jobspec spec;
        xpm_arena *arena = xpm_arena_create();
        int rc = arena ? render_job(context, arena, job, &spec, err) : xpm_fail_memory(err);
        templates->checked = rc == 0 && templates->certain;
        xpm_arena_destroy(arena);
        return rc;
}

/* The resources that a command names need a memory of their own; hardly any does. */
static int render_with_need(const xpm_render_context *context, const xpm_job *job, xpm_text *text, xpm_error *err)
{
        xpm_jobspec spec;
        xpm_arena *arena = xpm_arena_create();
        if (!arena)
                return xpm_fail_memory(err);
        int rc = render_job(context, arena, job, &spec, err);
        if (rc == 0)
                xpm_text_puts(text, spec.command);
        xpm_arena_destroy(arena);
        return rc;
}

int xpm_render_command(const xpm_render_context *context, const xpm_job *job, xpm_text *text, xpm_error *err)
{
        const xpm_templates *templates = job->step->templates;
        if (templates->resources)
                return render_with_need(context, job, text, err);
        xpm_rendering rendering = {.context = context, .job = job};
        int rc = render_line(&rendering, templates, text, err);
        return rc == 0 && text->failed ? xpm_fail_memory(err) : rc;
}
