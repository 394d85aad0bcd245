/* From the nodes of a task (and of a step, which go before them) to compiled templates. Each scalar becomes one
 * template; what is a list or a mapping of scalars becomes an array of them. All that can be said without a job is said
 * here, so that a plan that was read can only fail for what a job's own values are.
 *
 * Files named by `files` are read here, once, and are part of what is constant afterwards. */
#include "plan/template.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "base/words.h"
#include "plan/command.h"
#include "plan/names.h"
#include "plan/tags.h"

enum { LARGEST_FILE = 64 * 1024 * 1024 };

typedef struct compiler {
        xpm_plan *plan;
        const xpm_task *task;
        const xpm_step *step;
        xpm_templates *out;
        xpm_error *err;
} compiler;

static void *allocate(const compiler *c, size_t count, size_t size)
{
        void *memory = xpm_arena_calloc(c->plan->arena, count, size);
        if (!memory)
                xpm_fail_memory(c->err);
        return memory;
}

/* --- one template --- */

static void classify(xpm_template *template)
{
        const xpm_mustache *code = &template->code;
        template->fixed = code->count == 0 || (code->count == 1 && code->tags[0].kind == XPM_MUSTACHE_TEXT);
        template->certain = true;
        template->sections = code->count > 0;
        for (size_t i = 0; i < code->count;) {
                const xpm_mustache_tag *tag = &code->tags[i];
                bool section = tag->kind == XPM_MUSTACHE_SECTION || tag->kind == XPM_MUSTACHE_INVERTED;
                template->sections = template->sections &&section;
                i = section ? tag->end : i + 1;
        }
        for (size_t i = 0; i < code->count; i++) {
                const xpm_name *name = code->tags[i].binding;
                template->certain = template->certain && (!name || name->certain);
        }
        const xpm_name *first = code->count == 1 ? code->tags[0].binding : NULL;
        template->alone = first && first->list;
}

/* Keep what TEMPLATE says that must hold for the whole task or step. */
static int note_names(const compiler *c, const xpm_template *template)
{
        const xpm_mustache *code = &template->code;
        xpm_templates *out = c->out;
        size_t section = 0; /* until there, tags are inside of one */
        for (size_t i = 0; i < code->count; i++) {
                const xpm_mustache_tag *tag = &code->tags[i];
                const xpm_name *name = tag->binding;
                section = tag->end > section ? tag->end : section;
                if (name && name->place == XPM_PLACE_LEAF && name->leaf >= XPM_LEAF_RESOURCES_CORES)
                        out->resources = true;
                if (!name || name->place != XPM_PLACE_TAG || i < section)
                        continue;
                if (xpm_arena_reserve(c->plan->arena, &out->tags, &out->tag_capacity, out->tag_count + 1,
                                      sizeof *out->tags) != 0)
                        return xpm_fail_memory(c->err);
                out->tags[out->tag_count++] = (struct xpm_tag_use){name->rest, template->node, tag->offset};
        }
        return 0;
}

/* Tags belong to a step, not to its task. */
static int check_tags(xpm_step *step, xpm_error *err)
{
        const xpm_templates *templates = step->templates;
        int rc = 0;
        for (size_t i = 0; i < templates->tag_count && rc == 0; i++) {
                const struct xpm_tag_use *use = &templates->tags[i];
                if (!xpm_tag_known(step, use->name))
                        rc = xpm_tag_check(&step, 1, use->name, xpm_node_locate(use->node, use->offset), err);
        }
        return rc;
}

/* NODE, a scalar, as a template. RESOURCES: may `resources` be named? */
static int compile(const compiler *c, const xpm_node *node, const char *what, bool resources, xpm_template *out)
{
        size_t offset = 0;
        xpm_error wrong = XPM_ERROR_NONE;
        const xpm_scope scope = {.plan = c->plan, .type = c->task->type, .resources = resources, .nul = c->out->nul};
        out->node = node;
        out->what = what;
        if (node->kind != XPM_NODE_SCALAR)
                return xpm_fail_at(c->err, node->pos, "%s: a text is expected here", what);
        int rc = xpm_mustache_compile(c->plan->arena, node->text, node->length, &out->code, &offset, &wrong);
        if (rc == 0)
                rc = xpm_names_bind(&scope, &out->code, &offset, &wrong);
        if (rc == 0 && out->shell)
                rc = xpm_command_check_places(&out->code, c->out->shell[0], &offset, &wrong);
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(c->err);
        if (rc != 0)
                return xpm_fail_at(c->err, xpm_node_locate(node, offset), "%s", wrong.message);
        classify(out);
        return note_names(c, out);
}

static int compile_one(const compiler *c, const xpm_node *node, const char *what, bool resources, bool shell,
                       xpm_template **out)
{
        if (!node)
                return 0;
        *out = allocate(c, 1, sizeof **out);
        if (!*out)
                return XPM_ENOMEM;
        (*out)->shell = shell;
        return compile(c, node, what, resources, *out);
}

static int compile_list(const compiler *c, const xpm_node *node, const char *what, xpm_template **out, size_t *count)
{
        if (!node)
                return 0;
        xpm_template *items = allocate(c, node->item_count, sizeof *items);
        if (!items)
                return XPM_ENOMEM;
        *out = items;
        *count = node->item_count;
        int rc = 0;
        for (size_t i = 0; i < node->item_count && rc == 0; i++)
                rc = compile(c, node->items[i], what, true, &items[i]);
        return rc;
}

static const char *label(const compiler *c, const char *what, const char *name)
{
        const char *text = xpm_arena_printf(c->plan->arena, "%s '%s'", what, name);
        if (!text)
                xpm_fail_memory(c->err);
        return text;
}

/* --- the parts of a task --- */

static int compile_command(const compiler *c)
{
        const xpm_node *node = c->task->command;
        xpm_templates *out = c->out;
        out->list = node->kind == XPM_NODE_SEQUENCE;
        if (out->list)
                return compile_list(c, node, "command", &out->command, &out->command_count);
        out->command_count = 1;
        return compile_one(c, node, "command", true, true, &out->command);
}

static int read_strings(const compiler *c, const xpm_node *node, const char *const **out, size_t *count)
{
        if (!node)
                return 0;
        const char **items = allocate(c, node->item_count + 1, sizeof *items);
        if (!items)
                return XPM_ENOMEM;
        for (size_t i = 0; i < node->item_count; i++)
                items[i] = node->items[i]->text;
        *out = items;
        *count = node->item_count;
        return 0;
}

static int read_shell(const compiler *c)
{
        static const char *const bash[] = {"/bin/bash", "-eo", "pipefail", NULL};
        size_t count;
        c->out->shell = bash;
        return read_strings(c, c->task->shell, &c->out->shell, &count);
}

/* Later layers replace the value of a name, which keeps its place. */
static int compile_env(const compiler *c)
{
        const xpm_node *layers[] = {c->plan->env, c->task->env, c->step ? c->step->env : NULL};
        enum { LAYERS = sizeof layers / sizeof *layers };
        xpm_templates *out = c->out;
        size_t size = 0;
        for (size_t i = 0; i < LAYERS; i++)
                size += layers[i] ? layers[i]->pair_count : 0;
        out->env = allocate(c, size, sizeof *out->env);
        if (!out->env)
                return XPM_ENOMEM;
        for (size_t i = 0; i < LAYERS; i++)
                for (size_t j = 0; layers[i] && j < layers[i]->pair_count; j++) {
                        const xpm_pair *pair = &layers[i]->pairs[j];
                        size_t at = 0;
                        while (at < out->env_count && strcmp(out->env[at].name, pair->key) != 0)
                                at++;
                        out->env_count += at == out->env_count;
                        out->env[at] = (xpm_named_template){.name = pair->key};
                        const char *what = label(c, "env", pair->key);
                        int rc = what ? compile(c, pair->value, what, true, &out->env[at].value) : XPM_ENOMEM;
                        if (rc != 0)
                                return rc;
                }
        return 0;
}

/* The text of a template file as a scalar that stands in that file. */
static int read_template(const compiler *c, const xpm_node *path, xpm_node **out)
{
        xpm_arena *arena = c->plan->arena;
        xpm_text text = XPM_TEXT_INIT;
        xpm_error wrong = XPM_ERROR_NONE;
        char *full = xpm_path_join(path->pos.source->dir, path->text);
        xpm_source *source = xpm_arena_alloc(arena, sizeof *source);
        int rc = full && source ? 0 : xpm_fail_memory(c->err);
        if (rc != 0)
                goto out;
        rc = xpm_file_read(AT_FDCWD, full, LARGEST_FILE, &text, &wrong);
        if (rc != 0) {
                rc = rc == XPM_ENOMEM
                             ? xpm_fail_memory(c->err)
                             : xpm_fail_at(c->err, path->pos, "the template cannot be read: %s", wrong.message);
                goto out;
        }
        *source = (xpm_source){.name = xpm_arena_strdup(arena, path->text),
                               .path = xpm_arena_strdup(arena, full),
                               .dir = path->pos.source->dir};
        const char *content = xpm_arena_strndup(arena, xpm_text_string(&text), text.length);
        *out = content && source->name && source->path
                       ? xpm_node_scalar(arena, (xpm_pos){source, 1, 1}, content, text.length, true)
                       : NULL;
        rc = *out ? 0 : xpm_fail_memory(c->err);
out:
        xpm_text_release(&text);
        free(full);
        return rc;
}

static int compile_file(const compiler *c, const xpm_pair *pair, xpm_file_template *out)
{
        const xpm_node *path = xpm_node_get(pair->value, "template");
        xpm_node *content = xpm_node_get(pair->value, "content");
        xpm_node *name = xpm_node_scalar(c->plan->arena, pair->key_pos, pair->key, pair->key_length, true);
        const char *what = label(c, "file", pair->key);
        if (!name || !what)
                return xpm_fail_memory(c->err);
        int rc = path ? read_template(c, path, &content) : 0;
        out->node = name;
        out->content.binary = true;
        if (rc == 0)
                rc = compile(c, name, "the name of a file", true, &out->name);
        return rc != 0 ? rc : compile(c, content, what, true, &out->content);
}

static int compile_files(const compiler *c)
{
        const xpm_node *node = c->task->files;
        if (!node)
                return 0;
        c->out->files = allocate(c, node->pair_count, sizeof *c->out->files);
        if (!c->out->files)
                return XPM_ENOMEM;
        c->out->file_count = node->pair_count;
        int rc = 0;
        for (size_t i = 0; i < node->pair_count && rc == 0; i++)
                rc = compile_file(c, &node->pairs[i], &c->out->files[i]);
        return rc;
}

/* A token must be declared at the top, or nothing could be held. */
static int check_token(const compiler *c, const xpm_pair *pair)
{
        const xpm_node *declared = c->plan->tokens;
        if (xpm_node_find(declared, pair->key))
                return 0;
        size_t count = declared ? declared->pair_count : 0;
        const char **names = allocate(c, count, sizeof *names);
        if (!names)
                return XPM_ENOMEM;
        for (size_t i = 0; i < count; i++)
                names[i] = declared->pairs[i].key;
        const char *near = xpm_words_nearest(pair->key, names, count);
        if (near)
                return xpm_fail_at(c->err, pair->key_pos, "there is no token '%s': did you mean '%s'?", pair->key,
                                   near);
        return xpm_fail_at(c->err, pair->key_pos,
                           "there is no token '%s': declare how many there are at the top, as in "
                           "'tokens: {%s: 4}'",
                           pair->key, pair->key);
}

static int compile_tokens(const compiler *c)
{
        const xpm_node *node = c->step && c->step->tokens ? c->step->tokens : c->task->tokens;
        if (!node)
                return 0;
        c->out->tokens = allocate(c, node->pair_count, sizeof *c->out->tokens);
        if (!c->out->tokens)
                return XPM_ENOMEM;
        c->out->token_count = node->pair_count;
        int rc = 0;
        for (size_t i = 0; i < node->pair_count && rc == 0; i++) {
                const char *what = label(c, "token", node->pairs[i].key);
                c->out->tokens[i].name = node->pairs[i].key;
                rc = what ? check_token(c, &node->pairs[i]) : XPM_ENOMEM;
                if (rc == 0)
                        rc = compile(c, node->pairs[i].value, what, true, &c->out->tokens[i].value);
        }
        return rc;
}

/* --- what is no template --- */

static bool mentions(const xpm_node *list, const char *word)
{
        for (size_t i = 0; list && i < list->item_count; i++)
                if (strcmp(list->items[i]->text, word) == 0)
                        return true;
        return false;
}

static bool says(const xpm_node *node, const char *word)
{
        return node && strcmp(node->text, word) == 0;
}

static int64_t read_count(const xpm_node *node)
{
        int64_t number;
        return node && xpm_int_parse(node->text, node->length, &number, NULL) ? number : -1;
}

static double read_factor(const xpm_node *node)
{
        double number;
        return node && xpm_float_parse(node->text, node->length, &number, NULL) ? number : 1.0;
}

static int read_settings(const compiler *c)
{
        static const xpm_step none;
        xpm_templates *out = c->out;
        const xpm_step *step = c->step ? c->step : &none;
        const xpm_node *retry = step->retry ? step->retry : c->task->retry;
        const xpm_node *transient = step->transient ? step->transient : c->task->transient;
        const xpm_node *launcher = step->launcher ? step->launcher : c->task->launcher;
        const xpm_node *on = xpm_node_get(retry, "on"), *scale = xpm_node_get(retry, "scale");
        launcher = launcher ? launcher : c->plan->launcher;
        out->launcher = launcher ? launcher->text : NULL;
        out->retry = (xpm_retry){.on_timeout = mentions(on, "timeout"),
                                 .on_memory = mentions(on, "memory"),
                                 .on_lost = mentions(on, "lost"),
                                 .on_failed = mentions(on, "failed"),
                                 .times = read_count(xpm_node_get(retry, "times")),
                                 .scale_memory = read_factor(xpm_node_get(scale, "mem")),
                                 .scale_duration = read_factor(xpm_node_get(scale, "duration"))};
        out->max_retries = read_count(step->max_retries ? step->max_retries : c->task->max_retries);
        out->resumable = says(c->task->resumable, "true");
        out->transient = says(transient, "true")     ? XPM_TRANSIENT_YES
                         : says(transient, "remove") ? XPM_TRANSIENT_REMOVE
                                                     : XPM_TRANSIENT_NO;
        return read_strings(c, c->plan->secrets, &out->secrets, &out->secret_count);
}

/* --- all of it --- */

static int compile_requirements(const compiler *c)
{
        const xpm_node *node = c->step && c->step->requirements ? c->step->requirements : c->task->requirements;
        xpm_templates *out = c->out;
        int rc = compile_one(c, node, "requirements", false, false, &out->requirements);
        if (rc == 0)
                rc = compile_one(c, xpm_node_get(c->task->mpi, "ranks"), "ranks", false, false, &out->ranks);
        if (rc == 0)
                rc = compile_one(c, xpm_node_get(c->task->mpi, "per_node"), "per_node", false, false, &out->per_node);
        return rc;
}

static bool all_of(const xpm_template *templates, size_t count, bool parsed)
{
        for (size_t i = 0; templates && i < count; i++)
                if (!templates[i].fixed && (parsed || !templates[i].certain))
                        return false;
        return true;
}

/* Is rendering for one job a proof for all? Not where a value may be missing, nor where it is parsed afterwards. */
static bool is_certain(const xpm_templates *t)
{
        bool certain = all_of(t->command, t->command_count, false) && all_of(t->setup, 1, false) &&
                       all_of(t->modules, t->module_count, false) && all_of(t->cwd, 1, false) &&
                       all_of(t->requirements, 1, true) && all_of(t->ranks, 1, true) && all_of(t->per_node, 1, true) &&
                       all_of(t->outputs, t->output_count, true);
        for (size_t i = 0; i < t->env_count; i++)
                certain = certain && all_of(&t->env[i].value, 1, false);
        for (size_t i = 0; i < t->token_count; i++)
                certain = certain && all_of(&t->tokens[i].value, 1, true);
        for (size_t i = 0; i < t->file_count; i++)
                certain = certain && all_of(&t->files[i].name, 1, true) && all_of(&t->files[i].content, 1, false);
        return certain;
}

/* Was this task compiled for an earlier step? Then its warnings were given, and without settings of its own the step
 * has the same templates. */
static const xpm_step *find_twin(const xpm_plan *plan, const xpm_task *task, const xpm_step *step)
{
        for (const xpm_step *other = plan->steps; step && other < step; other++)
                if (other->task == task && other->templates)
                        return other;
        return NULL;
}

static bool has_nul(const xpm_node *node)
{
        bool found = node->kind == XPM_NODE_SCALAR && memchr(node->text, '\0', node->length);
        for (size_t i = 0; node->kind == XPM_NODE_SEQUENCE && i < node->item_count && !found; i++)
                found = has_nul(node->items[i]);
        for (size_t i = 0; node->kind == XPM_NODE_MAPPING && i < node->pair_count && !found; i++)
                found = memchr(node->pairs[i].key, '\0', node->pairs[i].key_length) || has_nul(node->pairs[i].value);
        return found;
}

static bool changes_nothing(const xpm_step *step)
{
        return !step->tokens && !step->requirements && !step->launcher && !step->retry && !step->env &&
               !step->max_retries && !step->transient;
}

static int compile_all(const compiler *c, const xpm_log *log)
{
        const xpm_task *task = c->task;
        xpm_templates *out = c->out;
        int rc = read_shell(c);
        if (rc == 0)
                rc = compile_command(c);
        if (rc == 0)
                rc = compile_one(c, task->setup, "setup", true, true, &out->setup);
        if (rc == 0)
                rc = compile_list(c, task->modules, "modules", &out->modules, &out->module_count);
        if (rc == 0)
                rc = compile_env(c);
        if (rc == 0)
                rc = compile_files(c);
        if (rc == 0)
                rc = compile_one(c, task->cwd, "cwd", true, false, &out->cwd);
        if (rc == 0)
                rc = compile_requirements(c);
        if (rc == 0)
                rc = compile_tokens(c);
        if (rc == 0)
                rc = compile_list(c, task->outputs, "outputs", &out->outputs, &out->output_count);
        if (rc == 0)
                rc = read_settings(c);
        if (rc == 0)
                rc = xpm_command_check_paths(c->plan, out, log, c->err);
        if (rc == 0)
                rc = xpm_command_check_expansions(c->plan, out, c->err);
        return rc;
}

int xpm_templates_compile(xpm_plan *plan, const xpm_task *task, xpm_step *step, const xpm_log *log, xpm_error *err)
{
        const xpm_step *twin = find_twin(plan, task, step);
        if (twin && changes_nothing(twin) && changes_nothing(step)) {
                step->templates = twin->templates;
                return check_tags(step, err);
        }
        compiler c = {.plan = plan, .task = task, .step = step, .err = err};
        c.out = allocate(&c, 1, sizeof *c.out);
        if (!c.out)
                return XPM_ENOMEM;
        c.out->task = task;
        c.out->nul = has_nul(plan->document.root);
        int rc = compile_all(&c, twin ? NULL : log);
        c.out->certain = is_certain(c.out);
        if (rc != 0 || !step)
                return rc;
        step->templates = c.out;
        return check_tags(step, err);
}

static bool is_fixed(const xpm_template *template)
{
        return !template || template->fixed;
}

bool xpm_templates_fix_need(const xpm_templates *templates)
{
        return is_fixed(templates->requirements) && is_fixed(templates->ranks) && is_fixed(templates->per_node);
}
