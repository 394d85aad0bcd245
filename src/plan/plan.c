/* From an experiment file to a plan, in turns: the configuration, the types, the steps, their templates, and only when
 * all that can be wrong without a job is known to be right, the jobs.
 *
 * Invariant: a plan that was returned is complete and never changes; one that was not leaves nothing behind, because
 * everything, the plan itself too, lives in its arena. */
#include "plan/plan.h"

#include <string.h>
#include <time.h>

#include "base/number.h"
#include "base/words.h"
#include "plan/expand.h"
#include "plan/select.h"
#include "plan/setting.h"
#include "plan/step.h"
#include "plan/task.h"
#include "plan/template.h"

enum { ID_LENGTH = 200, LETTERS = 4 };

/* --- the top of the file --- */

static bool is_id(const char *id, size_t length)
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        if (length == 0 || length > ID_LENGTH || !memchr(letters, id[0], sizeof letters - 1))
                return false;
        for (size_t i = 0; i < length; i++)
                if (!memchr(letters, id[i], sizeof letters - 1) && !strchr("._-", id[i]))
                        return false;
        return !memchr(id, '\0', length);
}

static int stamp_id(xpm_plan *plan, int64_t now, xpm_error *err)
{
        const xpm_node *node = xpm_node_get(plan->document.root, "add_timestamp");
        char text[32];
        struct tm local;
        time_t seconds = (time_t)now;
        bool wanted = false;
        int rc = node && !xpm_node_is_null(node) ? xpm_check_bool(node, "add_timestamp", &wanted, err) : 0;
        if (rc != 0 || !wanted)
                return rc;
        if (!localtime_r(&seconds, &local) || strftime(text, sizeof text, "-%Y%m%d-%H%M", &local) == 0)
                return xpm_fail(err, XPM_ERANGE, "the time is out of range");
        plan->id = xpm_arena_printf(plan->arena, "%s%s", plan->id, text);
        return plan->id ? 0 : xpm_fail_memory(err);
}

static int read_id(xpm_plan *plan, int64_t now, xpm_error *err)
{
        const xpm_node *root = plan->document.root, *node = xpm_node_get(root, "id");
        if (!node || xpm_node_is_null(node))
                return xpm_fail_at(err, root->pos, "the experiment has no id: write 'id: NAME' at the top");
        if (node->kind != XPM_NODE_SCALAR)
                return xpm_fail_at(err, node->pos, "'id' takes one name: write 'id: NAME'");
        if (!is_id(node->text, node->length))
                return xpm_fail_at(
                        err, node->pos,
                        "'%.60s' cannot be the id of an experiment: expected letters, digits, '.', '_' and '-', a "
                        "letter or digit first, at most %d",
                        node->kind == XPM_NODE_SCALAR ? node->text : "id", ID_LENGTH);
        plan->id = node->text;
        return stamp_id(plan, now, err);
}

static int read_texts(xpm_plan *plan, xpm_error *err)
{
        const struct {
                const char *key;
                const char **text;
        } texts[] = {{"title", &plan->title},
                     {"subtitle", &plan->subtitle},
                     {"description", &plan->description},
                     {"paper", &plan->paper}};
        int rc = 0;
        for (size_t i = 0; i < sizeof texts / sizeof *texts && rc == 0; i++) {
                const xpm_node *node = xpm_node_get(plan->document.root, texts[i].key);
                if (!node || xpm_node_is_null(node))
                        continue;
                rc = xpm_check_text(node, texts[i].key, err);
                *texts[i].text = rc == 0 ? node->text : NULL;
        }
        return rc;
}

static int check_tokens(const xpm_node *node, xpm_error *err)
{
        if (node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, node->pos, "'tokens' takes a mapping from names to counts, as in {license: 4}");
        for (size_t i = 0; i < node->pair_count; i++) {
                const xpm_pair *pair = &node->pairs[i];
                int64_t count;
                int rc = xpm_check_name(pair->key, pair->key_pos, true, "a token", err);
                if (rc != 0)
                        return rc;
                if (pair->value->kind != XPM_NODE_SCALAR || pair->value->quoted ||
                    !xpm_int_parse(pair->value->text, pair->value->length, &count, NULL) || count < 1)
                        return xpm_fail_at(err, pair->value->pos,
                                           "token '%s': expected how many there are, an int of at least 1", pair->key);
        }
        return 0;
}

static int check_secrets(const xpm_node *node, xpm_error *err)
{
        static const char shape[] = "'secrets' takes a list of names of environment variables, as in [API_KEY]";
        if (node->kind != XPM_NODE_SEQUENCE)
                return xpm_fail_at(err, node->pos, shape);
        for (size_t i = 0; i < node->item_count; i++) {
                const xpm_node *item = node->items[i];
                if (item->kind != XPM_NODE_SCALAR)
                        return xpm_fail_at(err, item->pos, shape);
                int rc = xpm_check_name(item->text, item->pos, false, "an environment variable", err);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

static int check_dirty_git(const xpm_node *node, xpm_error *err)
{
        static const char *const words[] = {"ignore", "warn", "error"};
        for (size_t i = 0; i < 3 && node->kind == XPM_NODE_SCALAR; i++)
                if (strcmp(node->text, words[i]) == 0)
                        return 0;
        const char *near = node->kind == XPM_NODE_SCALAR ? xpm_words_nearest(node->text, words, 3) : NULL;
        return xpm_fail_at(err, node->pos, "'dirty_git' is one of ignore, warn, error%s%s%s",
                           near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int check_services(const xpm_node *node, xpm_error *err)
{
        if (node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, node->pos, "'services' takes a mapping from names to services");
        for (size_t i = 0; i < node->pair_count; i++)
                if (node->pairs[i].value->kind != XPM_NODE_MAPPING)
                        return xpm_fail_at(err, node->pairs[i].value->pos, "service '%s' takes a mapping",
                                           node->pairs[i].key);
        return 0;
}

/* One value of results: a key of the JSON, or a mapping that says where it is. */
static int check_result_value(const xpm_pair *pair, bool has_file, xpm_error *err)
{
        static const char *const keys[] = {"file", "key", "column", "row", "regex", NULL};
        const xpm_node *node = pair->value;
        if (node->kind == XPM_NODE_SCALAR && !xpm_node_is_null(node) && has_file)
                return 0;
        if (node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, node->pos,
                                   "result '%s': expected a key of the step's 'file', or a mapping such as "
                                   "{file: log.csv, column: loss, row: last}",
                                   pair->key);
        int rc = xpm_check_keys(node, "a result", keys, err);
        for (size_t i = 0; i < node->pair_count && rc == 0; i++)
                rc = xpm_check_text(node->pairs[i].value, node->pairs[i].key, err);
        if (rc == 0 && !has_file && !xpm_node_get(node, "file"))
                rc = xpm_fail_at(err, node->pos, "result '%s' has no 'file'", pair->key);
        return rc;
}

/* Names of steps are checked once there are steps. */
static int check_results(const xpm_plan *plan, const xpm_node *node, xpm_error *err)
{
        static const char *const keys[] = {"file", "values", NULL};
        if (node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, node->pos,
                                   "'results' takes a mapping from steps to what is read from their files");
        for (size_t i = 0; i < node->pair_count; i++) {
                const xpm_pair *pair = &node->pairs[i];
                xpm_step *step;
                int rc = xpm_step_find(plan, pair->key, pair->key_pos, &step, err);
                if (rc == 0)
                        rc = xpm_check_keys(pair->value, "the results of a step", keys, err);
                const xpm_node *file = xpm_node_get(pair->value, "file"), *values = xpm_node_get(pair->value, "values");
                if (rc == 0 && file)
                        rc = xpm_check_text(file, "file", err);
                if (rc == 0 && (!values || values->kind != XPM_NODE_MAPPING))
                        rc = xpm_fail_at(err, pair->value->pos,
                                         "the results of step '%s' need 'values', a mapping from names to "
                                         "where they are",
                                         pair->key);
                for (size_t j = 0; rc == 0 && j < values->pair_count; j++)
                        rc = check_result_value(&values->pairs[j], file != NULL, err);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

/* The value of a key, NULL where nothing is said. */
static const xpm_node *get(const xpm_plan *plan, const char *key)
{
        const xpm_node *node = xpm_node_get(plan->document.root, key);
        return node && !xpm_node_is_null(node) ? node : NULL;
}

static int read_settings(xpm_plan *plan, xpm_error *err)
{
        int rc = 0;
        plan->tokens = get(plan, "tokens");
        plan->env = get(plan, "env");
        plan->launcher = get(plan, "launcher");
        plan->secrets = get(plan, "secrets");
        plan->services = get(plan, "services");
        plan->dirty_git = get(plan, "dirty_git");
        if (plan->tokens)
                rc = check_tokens(plan->tokens, err);
        if (rc == 0 && plan->env)
                rc = xpm_check_setting(plan->arena, "env", &plan->env, err);
        if (rc == 0 && plan->launcher)
                rc = xpm_check_setting(plan->arena, "launcher", &plan->launcher, err);
        if (rc == 0 && plan->secrets)
                rc = check_secrets(plan->secrets, err);
        if (rc == 0 && plan->services)
                rc = check_services(plan->services, err);
        return rc == 0 && plan->dirty_git ? check_dirty_git(plan->dirty_git, err) : rc;
}

/* --- keys that nothing reads --- */

static const char *slip(const char *key)
{
        for (size_t i = 0; xpm_language_keys[i]; i++)
                if (strlen(xpm_language_keys[i]) >= LETTERS && xpm_words_slip(key, xpm_language_keys[i]))
                        return xpm_language_keys[i];
        return NULL;
}

static bool is_known(const char *key)
{
        for (size_t i = 0; xpm_language_keys[i]; i++)
                if (strcmp(xpm_language_keys[i], key) == 0)
                        return true;
        return false;
}

/* Has an alias read NODE, or something in it? */
static bool has_aliased(const xpm_node *node)
{
        bool found = node->aliased;
        if (node->kind == XPM_NODE_SEQUENCE)
                for (size_t i = 0; !found && i < node->item_count; i++)
                        found = has_aliased(node->items[i]);
        else if (node->kind == XPM_NODE_MAPPING)
                for (size_t i = 0; !found && i < node->pair_count; i++)
                        found = has_aliased(node->pairs[i].value);
        return found;
}

static int fail_slip(const xpm_pair *pair, const char *near, xpm_error *err)
{
        return xpm_fail_at(err, pair->key_pos, "unknown key '%.60s': did you mean '%s'?", pair->key, near);
}

/* Called last: templates read configuration values too. */
static int check_unread(const xpm_plan *plan, const xpm_log *log, xpm_error *err)
{
        const xpm_document *document = &plan->document;
        for (size_t i = 0; !document->code && i < document->root->pair_count; i++) {
                const xpm_pair *pair = &document->root->pairs[i];
                char where[256];
                if (is_known(pair->key) || xpm_map_get_n(&document->keys_read, pair->key, pair->key_length))
                        continue;
                const char *near = slip(pair->key);
                if (!near && has_aliased(pair->value))
                        continue;
                if (near)
                        return fail_slip(pair, near, err);
                xpm_pos_print(pair->key_pos, where, sizeof where);
                xpm_warn(log, "%s: nothing reads the key '%.60s'", where, pair->key);
        }
        return 0;
}

/* Where a key that others are looked up in is missing, and one that nothing read is a slip for it, what fails is a
 * consequence: a task that is not there because it stands under `taks`. Told in place of that. */
static int fail_misled(const xpm_plan *plan, int rc, xpm_error *err)
{
        static const char *const roots[] = {"parent", "imports", "enums", "configs", "tasks", "tokens", "plan"};
        const xpm_document *document = &plan->document;
        if (rc != XPM_EPLAN || !document->root || document->code)
                return rc;
        for (size_t i = 0; i < document->root->pair_count; i++) {
                const xpm_pair *pair = &document->root->pairs[i];
                const char *near = slip(pair->key);
                bool misleads = false;
                for (size_t j = 0; near && j < sizeof roots / sizeof *roots; j++)
                        misleads = misleads || strcmp(near, roots[j]) == 0;
                if (!misleads || is_known(pair->key) || xpm_node_get(document->root, near) ||
                    xpm_map_get_n(&document->keys_read, pair->key, pair->key_length))
                        continue;
                if (err)
                        *err = XPM_ERROR_NONE;
                return fail_slip(pair, near, err);
        }
        return rc;
}

/* --- all of it --- */

/* A task may be run by no step, and its templates are right or wrong all the same. */
static int compile_templates(xpm_plan *plan, const xpm_log *log, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; i < plan->step_count && rc == 0; i++)
                rc = xpm_templates_compile(plan, plan->steps[i].task, &plan->steps[i], log, err);
        for (size_t i = 0; i < plan->types.configs.count && rc == 0; i++) {
                const xpm_config_type *type = plan->types.configs.entries[i].value;
                bool used = !type->is_task;
                for (size_t j = 0; j < plan->step_count && !used; j++)
                        used = plan->steps[j].task == type->task;
                if (!used)
                        rc = xpm_templates_compile(plan, type->task, NULL, log, err);
                if (rc == 0 && type->is_task)
                        rc = xpm_task_check_nested(&plan->types, type, err);
        }
        return rc;
}

static int read_plan(xpm_plan *plan, const xpm_plan_options *options, xpm_error *err)
{
        const xpm_log *log = options->load.log;
        xpm_converter converter = {
                .arena = plan->arena, .log = log, .hash_file = options->hash_file, .hash_data = options->hash_data};
        xpm_step **order = NULL;
        int rc = xpm_load(plan->arena, &options->load, &plan->document, err);
        if (rc == 0)
                rc = read_id(plan, options->now, err);
        if (rc == 0)
                rc = read_texts(plan, err);
        if (rc == 0)
                rc = read_settings(plan, err);
        if (rc == 0)
                rc = xpm_declare(&converter, plan->document.root, &plan->types, err);
        if (rc == 0)
                rc = xpm_steps_read(plan, &converter, err);
        if (rc == 0)
                rc = xpm_steps_order(plan, &order, err);
        for (size_t i = 0; i < plan->step_count && rc == 0; i++)
                rc = xpm_tags_define(plan, order[i], err);
        plan->results = get(plan, "results");
        if (rc == 0 && plan->results)
                rc = check_results(plan, plan->results, err);
        if (rc == 0)
                rc = compile_templates(plan, log, err);
        rc = rc == 0 ? check_unread(plan, log, err) : fail_misled(plan, rc, err);
        if (rc == 0)
                rc = xpm_steps_expand(plan, order, &converter, err);
        return rc != 0 ? rc : xpm_plan_select(plan, options, err);
}

int xpm_plan_read(const xpm_plan_options *options, xpm_plan **out, xpm_error *err)
{
        xpm_arena *arena = xpm_arena_create();
        xpm_plan *plan = arena ? xpm_arena_alloc(arena, sizeof *plan) : NULL;
        if (!plan) {
                xpm_arena_destroy(arena);
                return xpm_fail_memory(err);
        }
        plan->arena = arena;
        int rc = read_plan(plan, options, err);
        if (rc == 0)
                *out = plan;
        else
                xpm_arena_destroy(arena);
        return rc;
}

void xpm_plan_destroy(xpm_plan *plan)
{
        if (plan)
                xpm_arena_destroy(plan->arena);
}
