/* Enums, configs and tasks, from nodes to types.
 *
 * The order in the file is free, so reading goes in rounds: all names; who extends whom; parameters and tasks, parents
 * first; then defaults and constants. A default may be a config whose own defaults are not made yet: they are made
 * on demand, through the converter's hook, and one that would need itself is the only circle that is an error (a
 * config that requires itself can be declared; nobody can build one).
 *
 * A draft is a config type with what is needed to finish it; the type is its first member, and stays. */
#include "plan/declare.h"

#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "plan/content.h"
#include "plan/parameter.h"
#include "plan/setting.h"
#include "plan/task.h"

enum { SHOWN = 60, DEEPEST = 500 };

enum progress { TODO, DOING, DONE };

struct fallback {
        const xpm_node *node; /* to be converted; NULL: inherited, or none */
        bool inherited, narrowed;
        enum progress progress;
        xpm_pos pos; /* of the parameter's name */
};

struct draft {
        xpm_config_type type;
        const xpm_pair *pair;
        struct draft *parent;
        xpm_param *params;          /* type.params, while they may change */
        struct fallback *fallbacks; /* one for each of them */
        bool settled;
};

struct reader {
        xpm_converter *converter;
        xpm_arena *arena;
        xpm_types *types;
        xpm_map lowered; /* lower-case name -> xpm_pair */
        int depth;       /* of defaults in defaults */
};

/* First round: names. */

static char *lower(xpm_arena *arena, const char *name)
{
        char *copy = xpm_arena_strdup(arena, name);
        for (char *at = copy; at && *at; at++)
                if (*at >= 'A' && *at <= 'Z')
                        *at = (char)(*at - 'A' + 'a');
        return copy;
}

/* One name, one type, in any case: the workspace has them in lower case. */
static int claim(struct reader *reader, const xpm_pair *pair, const char *what, const char **lowered, xpm_error *err)
{
        int rc = xpm_check_name(pair->key, pair->key_pos, true, what, err);
        if (rc != 0)
                return rc;
        if (xpm_type_is_reserved(pair->key))
                return xpm_fail_at(err, pair->key_pos, "'%s' is a type of the language: %s needs another name",
                                   pair->key, what);
        *lowered = lower(reader->arena, pair->key);
        if (!*lowered)
                return xpm_fail_memory(err);
        const xpm_pair *other = xpm_map_get(&reader->lowered, *lowered);
        if (!other)
                return xpm_map_put(&reader->lowered, *lowered, (void *)pair) == 0 ? 0 : xpm_fail_memory(err);
        char place[256];
        xpm_pos_print(other->key_pos, place, sizeof place);
        if (strcmp(other->key, pair->key) == 0)
                return xpm_fail_at(err, pair->key_pos, "'%s' is declared already, at %s", pair->key, place);
        return xpm_fail_at(err, pair->key_pos,
                           "'%s' differs from '%s' (%s) in case only, and a job's directory has the name in lower case",
                           pair->key, other->key, place);
}

/* Any text that fits a line: `l-bfgs` and `8bit` are names of what exists. */
static int check_member(const xpm_node *item, const char *enumeration, xpm_error *err)
{
        enum { LONGEST = 200 };
        int rc = xpm_check_text(item, enumeration, err);
        if (rc != 0)
                return rc;
        if (item->length == 0 || item->length > LONGEST)
                return xpm_fail_at(err, item->pos, "a member of the enum '%s' has a name of 1 to %d bytes", enumeration,
                                   LONGEST);
        for (size_t i = 0; i < item->length; i++)
                if ((unsigned char)item->text[i] < ' ' || item->text[i] == 0x7f)
                        return xpm_fail_at(err, item->pos, "the name of a member cannot hold the character U+%04X",
                                           (unsigned char)item->text[i]);
        return 0;
}

static int read_members(struct reader *reader, const xpm_pair *pair, xpm_enum_type *enumeration, xpm_error *err)
{
        const xpm_node *list = pair->value;
        if (list->kind != XPM_NODE_SEQUENCE || list->item_count == 0)
                return xpm_fail_at(err, list->pos, "enum '%s': expected a list of names: [A, B]", pair->key);
        xpm_enum_member *members = xpm_arena_calloc(reader->arena, list->item_count, sizeof *members);
        xpm_map seen = XPM_MAP_INIT;
        int rc = members ? 0 : xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < list->item_count; i++) {
                const xpm_node *item = list->items[i];
                rc = check_member(item, pair->key, err);
                if (rc == 0 && xpm_map_get(&seen, item->text))
                        rc = xpm_fail_at(err, item->pos, "enum '%s' has '%s' twice", pair->key, item->text);
                members[i] = (xpm_enum_member){.type = enumeration, .name = item->text};
                if (rc == 0 && xpm_map_put(&seen, item->text, &members[i]) != 0)
                        rc = xpm_fail_memory(err);
        }
        xpm_map_release(&seen);
        enumeration->members = members;
        enumeration->count = list->item_count;
        return rc;
}

static int name_enums(struct reader *reader, const xpm_node *enums, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && enums && i < enums->pair_count; i++) {
                const xpm_pair *pair = &enums->pairs[i];
                const char *lowered;
                xpm_enum_type *enumeration = xpm_arena_alloc(reader->arena, sizeof *enumeration);
                if (!enumeration)
                        return xpm_fail_memory(err);
                enumeration->name = pair->key;
                rc = claim(reader, pair, "an enum", &lowered, err);
                if (rc == 0)
                        rc = read_members(reader, pair, enumeration, err);
                if (rc == 0 && xpm_map_put(&reader->types->enums, pair->key, enumeration) != 0)
                        rc = xpm_fail_memory(err);
        }
        return rc;
}

static int name_configs(struct reader *reader, const xpm_node *configs, bool tasks, xpm_error *err)
{
        const char *what = tasks ? "a task" : "a config";
        int rc = 0;
        for (size_t i = 0; rc == 0 && configs && i < configs->pair_count; i++) {
                const xpm_pair *pair = &configs->pairs[i];
                struct draft *draft = xpm_arena_alloc(reader->arena, sizeof *draft);
                if (!draft)
                        return xpm_fail_memory(err);
                draft->pair = pair;
                draft->type.name = pair->key;
                draft->type.is_task = tasks;
                rc = claim(reader, pair, what, &draft->type.lower, err);
                if (rc == 0 && xpm_map_put(&reader->types->configs, pair->key, draft) != 0)
                        rc = xpm_fail_memory(err);
        }
        return rc;
}

static struct draft *draft_at(const struct reader *reader, size_t index)
{
        return reader->types->configs.entries[index].value;
}

/* Second round: who extends whom. */

static int find_parent(struct reader *reader, struct draft *draft, xpm_error *err)
{
        const xpm_node *name = xpm_node_get(draft->pair->value, "extends");
        const xpm_map *configs = &reader->types->configs;
        if (!name || xpm_node_is_null(name))
                return 0;
        if (name->kind != XPM_NODE_SCALAR)
                return xpm_fail_at(err, name->pos, "'%s' extends one type: expected its name", draft->type.name);
        draft->parent = xpm_map_get_n(configs, name->text, name->length);
        if (!draft->parent) {
                const char **names = xpm_arena_calloc(reader->arena, configs->count, sizeof *names);
                if (!names)
                        return xpm_fail_memory(err);
                for (size_t i = 0; i < configs->count; i++)
                        names[i] = configs->entries[i].key;
                const char *near = xpm_words_nearest(name->text, names, configs->count);
                return near ? xpm_fail_at(err, name->pos,
                                          "'%s' extends '%.*s', which is not declared: did you mean '%s'?",
                                          draft->type.name, SHOWN, name->text, near)
                            : xpm_fail_at(err, name->pos, "'%s' extends '%.*s', which is not declared",
                                          draft->type.name, SHOWN, name->text);
        }
        if (draft->parent->type.is_task && !draft->type.is_task)
                return xpm_fail_at(err, name->pos, "a config cannot extend a task: '%s' is one",
                                   draft->parent->type.name);
        draft->type.parent = &draft->parent->type;
        return 0;
}

static int refuse_circle(const struct draft *draft, xpm_error *err)
{
        const struct draft *start = draft, *at;
        xpm_text chain = XPM_TEXT_INIT;
        xpm_text_printf(&chain, "'%s'", start->type.name);
        for (at = start->parent; at != start; at = at->parent)
                xpm_text_printf(&chain, " extends '%s'", at->type.name);
        int rc = xpm_fail_at(err, start->pair->key_pos, "a circle: %s extends '%s'", xpm_text_string(&chain),
                             start->type.name);
        xpm_text_release(&chain);
        return rc;
}

static int find_parents(struct reader *reader, xpm_error *err)
{
        size_t count = reader->types->configs.count;
        int rc = 0;
        for (size_t i = 0; i < count && rc == 0; i++) {
                if (draft_at(reader, i)->pair->value->kind == XPM_NODE_MAPPING)
                        rc = find_parent(reader, draft_at(reader, i), err);
        }
        for (size_t i = 0; i < count && rc == 0; i++) {
                size_t steps = 0;
                for (const struct draft *at = draft_at(reader, i); at && steps <= count; at = at->parent)
                        if (++steps > count) /* AT is on the circle, where the first may only lead to it */
                                rc = refuse_circle(at, err);
        }
        return rc;
}

/* Third round: parameters, parents first. */

/* In the order of writing: inherited ones, then own ones. */
static int collect_params(struct reader *reader, struct draft *draft, const xpm_node *own, xpm_parameter *all,
                          struct fallback *fallbacks, size_t *count, xpm_error *err)
{
        const struct draft *parent = draft->parent;
        *count = parent ? parent->type.param_count : 0;
        for (size_t i = 0; i < *count; i++) {
                size_t index = parent->type.declared[i];
                all[i] = (xpm_parameter){.param = parent->params[index]};
                fallbacks[i] = (struct fallback){.inherited = true, .pos = parent->fallbacks[index].pos};
        }
        int rc = 0;
        for (size_t i = 0; rc == 0 && own && i < own->pair_count; i++) {
                const xpm_pair *pair = &own->pairs[i];
                long inherited = parent ? xpm_param_find(&parent->type, pair->key, pair->key_length) : -1;
                size_t place = *count;
                if (inherited >= 0) {
                        place = parent->params[inherited].declared;
                        const xpm_type *before = all[place].param.type;
                        rc = xpm_parameter_redeclare(reader->converter, pair, draft->type.name, &all[place], err);
                        fallbacks[place].narrowed = all[place].param.type != before;
                } else {
                        rc = xpm_parameter_read(reader->converter, pair, draft->type.name, &all[place], err);
                        all[place].param.declared = place;
                        ++*count;
                }
                fallbacks[place].pos = pair->key_pos;
                fallbacks[place].node = all[place].fallback;
                fallbacks[place].inherited = inherited >= 0 && !all[place].fallback;
        }
        return rc;
}

struct sorted {
        xpm_parameter *parameter;
        struct fallback *fallback;
};

static int compare_names(const void *a, const void *b)
{
        const struct sorted *x = a, *y = b;
        return strcmp(x->parameter->param.name, y->parameter->param.name);
}

static int read_params(struct reader *reader, struct draft *draft, xpm_error *err)
{
        const xpm_node *own;
        int rc = xpm_task_section(draft->pair->value, "params", &own, err);
        if (rc != 0)
                return rc;
        size_t most = (draft->parent ? draft->parent->type.param_count : 0) + (own ? own->pair_count : 0), count;
        xpm_arena *arena = reader->arena;
        xpm_parameter *all = xpm_arena_calloc(arena, most, sizeof *all);
        struct fallback *fallbacks = xpm_arena_calloc(arena, most, sizeof *fallbacks);
        struct sorted *sorted = xpm_arena_calloc(arena, most, sizeof *sorted);
        size_t *declared = xpm_arena_calloc(arena, most, sizeof *declared);
        draft->params = xpm_arena_calloc(arena, most, sizeof *draft->params);
        draft->fallbacks = xpm_arena_calloc(arena, most, sizeof *draft->fallbacks);
        if (!all || !fallbacks || !sorted || !declared || !draft->params || !draft->fallbacks)
                return xpm_fail_memory(err);
        rc = collect_params(reader, draft, own, all, fallbacks, &count, err);
        if (rc != 0)
                return rc;
        for (size_t i = 0; i < count; i++)
                sorted[i] = (struct sorted){&all[i], &fallbacks[i]};
        if (count > 0)
                qsort(sorted, count, sizeof *sorted, compare_names);
        for (size_t i = 0; i < count; i++) {
                draft->params[i] = sorted[i].parameter->param;
                draft->fallbacks[i] = *sorted[i].fallback;
                declared[draft->params[i].declared] = i;
        }
        draft->type.params = draft->params;
        draft->type.param_count = count;
        draft->type.declared = declared;
        return 0;
}

/* Of generated parameters: the partial's name, or a name in the job's directory. */
static int check_generated(const struct draft *draft, size_t index, xpm_error *err)
{
        const xpm_param *param = &draft->params[index];
        xpm_pos pos = draft->fallbacks[index].pos;
        size_t place = 0;
        if (!param->partial)
                return xpm_check_inside(param->generated, strlen(param->generated), "a generated file",
                                        draft->type.is_task ? xpm_task_script(&draft->type) : NULL, pos, err);
        if (!draft->type.is_task)
                return xpm_fail_at(err, pos, "'%s' is in the partial '%s', and only tasks have partials", param->name,
                                   param->partial);
        while (place < draft->type.partial_count && strcmp(draft->type.partials[place].name, param->partial) != 0)
                place++;
        if (place == draft->type.partial_count)
                return xpm_fail_at(err, pos, "'%s' is in the partial '%s', which '%s' does not have", param->name,
                                   param->partial, draft->type.name);
        return 0;
}

static bool same_place(const xpm_param *a, const xpm_param *b)
{
        bool together = a->partial && b->partial ? strcmp(a->partial, b->partial) == 0 : a->partial == b->partial;
        return together && b->generated && strcmp(a->generated, b->generated) == 0;
}

/* Two that write one file: parameters, most likely by a slip (which does no harm when nothing writes to one of them);
 * or one and an input file, which is an error. */
static int check_alone(const struct draft *draft, size_t index, const xpm_log *log, xpm_error *err)
{
        const xpm_param *param = &draft->params[index];
        xpm_pos pos = draft->fallbacks[index].pos;
        const xpm_node *files = draft->type.task ? draft->type.task->files : NULL;
        const xpm_pair *file = param->partial ? NULL : xpm_node_find(files, param->generated);
        char where[256];
        xpm_pos_print(pos, where, sizeof where);
        for (size_t i = 0; i < draft->type.param_count; i++)
                if (draft->params[i].declared < param->declared && same_place(param, &draft->params[i]))
                        xpm_warn(log,
                                 "%s: '%s' and '%s' are both generated as '%s', so that one is written over the other: "
                                 "give each a name of its own",
                                 where, draft->params[i].name, param->name, param->generated);
        if (!file)
                return 0;
        return xpm_fail_at(err, file->key_pos,
                           "the input file '%s' is what the parameter '%s' generates, too (%s): give one of them "
                           "another name",
                           file->key, param->name, where);
}

static int read_head(struct draft *draft, xpm_error *err)
{
        static const char *const config_keys[] = {"help", "extends", "params", "instance", NULL};
        static const char *const task_keys[] = {
                "help",    "extends",   "params",      "instance",  "partials", "command", "shell",   "setup",
                "modules", "env",       "files",       "cwd",       "mpi",      "tokens",  "outputs", "requirements",
                "retry",   "resumable", "max_retries", "transient", "launcher", NULL,
        };
        bool task = draft->type.is_task;
        const xpm_node *node = draft->pair->value;
        if (!task && xpm_node_is_null(node))
                return 0;
        if (node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, node->pos, "%s '%s' is a mapping: expected 'params' and the like",
                                   task ? "task" : "config", draft->type.name);
        const xpm_pair *command = task ? NULL : xpm_node_find(node, "command");
        if (command)
                return xpm_fail_at(err, command->key_pos, "config '%s' has a command: what is run stands under 'tasks'",
                                   draft->type.name);
        int rc = xpm_check_keys(node, task ? "a task" : "a config", task ? task_keys : config_keys, err);
        const xpm_node *help = xpm_node_get(node, "help"), *instance = xpm_node_get(node, "instance");
        if (rc == 0 && help && !xpm_node_is_null(help)) {
                rc = xpm_check_text(help, "help", err);
                draft->type.help = help->text;
        }
        draft->type.instance = draft->parent && draft->parent->type.instance;
        if (rc == 0 && instance)
                rc = xpm_check_bool(instance, "instance", &draft->type.instance, err);
        return rc;
}

static int settle(struct reader *reader, struct draft *draft, xpm_error *err)
{
        int rc = read_head(draft, err);
        if (rc == 0)
                rc = read_params(reader, draft, err);
        if (rc == 0 && draft->type.is_task)
                rc = xpm_task_read(reader->arena, draft->pair, &draft->type, err);
        for (size_t i = 0; rc == 0 && i < draft->type.param_count; i++)
                if (draft->params[i].generated && (rc = check_generated(draft, i, err)) == 0)
                        rc = check_alone(draft, i, reader->converter->log, err);
        draft->settled = true;
        return rc;
}

static int settle_all(struct reader *reader, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; i < reader->types->configs.count && rc == 0; i++)
                while (rc == 0 && !draft_at(reader, i)->settled) {
                        struct draft *top = draft_at(reader, i);
                        while (top->parent && !top->parent->settled)
                                top = top->parent;
                        rc = settle(reader, top, err);
                }
        return rc;
}

/* Where instances can be: the least set that is closed under "has a parameter that may hold one of those". */

static const xpm_config_type *config_in(const xpm_type *type)
{
        while (type->item)
                type = type->item;
        return type->config;
}

static bool may_hold_instance(const struct reader *reader, const xpm_config_type *held)
{
        for (size_t i = 0; i < reader->types->configs.count; i++) {
                const xpm_config_type *type = &draft_at(reader, i)->type;
                if ((type->instance || type->reaches_instance) && xpm_config_type_is(type, held))
                        return true;
        }
        return false;
}

static bool spread(const struct reader *reader, struct draft *draft)
{
        for (size_t i = 0; i < draft->type.param_count; i++) {
                const xpm_param *param = &draft->params[i];
                const xpm_config_type *held = param->meta ? NULL : config_in(param->type);
                if (held && may_hold_instance(reader, held))
                        return draft->type.reaches_instance = true;
        }
        return false;
}

static void find_instances(const struct reader *reader)
{
        bool more = false;
        for (size_t i = 0; i < reader->types->configs.count; i++)
                more |= draft_at(reader, i)->type.instance;
        while (more) {
                more = false;
                for (size_t i = 0; i < reader->types->configs.count; i++) {
                        struct draft *draft = draft_at(reader, i);
                        more |= !draft->type.reaches_instance && spread(reader, draft);
                }
        }
}

/* Last round: defaults and constants. */

static int make_fallback(void *data, const xpm_config_type *type, size_t index, xpm_error *err);

static int inherit_fallback(struct reader *reader, struct draft *draft, size_t index, xpm_error *err)
{
        xpm_param *param = &draft->params[index];
        long from = xpm_param_find(&draft->parent->type, param->name, strlen(param->name));
        int rc = make_fallback(reader, &draft->parent->type, (size_t)from, err);
        if (rc != 0)
                return rc;
        param->fallback = draft->parent->params[from].fallback;
        if (draft->fallbacks[index].narrowed && param->fallback.kind != XPM_UNSET &&
            !xpm_value_adapt(param->type, false, &param->fallback))
                return xpm_fail_at(err, draft->fallbacks[index].pos,
                                   "the default that '%s' inherits does not suit its narrower type: give it another",
                                   param->name);
        return 0;
}

/* The converter's hook. */
static int make_fallback(void *data, const xpm_config_type *type, size_t index, xpm_error *err)
{
        struct reader *reader = data;
        struct draft *draft = (struct draft *)type;
        struct fallback *fallback = &draft->fallbacks[index];
        xpm_param *param = &draft->params[index];
        int rc = 0;
        if (fallback->progress == DONE)
                return 0;
        if (fallback->progress == DOING)
                return xpm_fail_at(err, fallback->pos, "the default of '%s' of '%s' needs itself: it would never end",
                                   param->name, type->name);
        if (++reader->depth > DEEPEST)
                return xpm_fail_at(err, fallback->pos, "defaults are nested more than %d deep", DEEPEST);
        fallback->progress = DOING;
        if (fallback->inherited)
                rc = inherit_fallback(reader, draft, index, err);
        else if (fallback->node)
                rc = xpm_convert(reader->converter, fallback->node, param->type, param, &param->fallback, err);
        /* What is compared with it may have the same content; a file that is not there is equal to none. */
        if (rc == 0 && param->ignore_default &&
            xpm_content_hash_all(reader->converter, &param->fallback, NULL) == XPM_ENOMEM)
                rc = xpm_fail_memory(err);
        fallback->progress = DONE;
        reader->depth--;
        return rc;
}

static int make_fallbacks(struct reader *reader, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; i < reader->types->configs.count; i++) {
                struct draft *draft = draft_at(reader, i);
                for (size_t j = 0; j < draft->type.param_count && rc == 0; j++)
                        rc = make_fallback(reader, &draft->type, j, err);
        }
        return rc;
}

static void release_map(void *map)
{
        xpm_map_release(map);
}

static int read_all(struct reader *reader, const xpm_node *root, xpm_error *err)
{
        const xpm_node *enums, *configs, *tasks;
        int rc = xpm_task_section(root, "enums", &enums, err);
        if (rc == 0)
                rc = xpm_task_section(root, "configs", &configs, err);
        if (rc == 0)
                rc = xpm_task_section(root, "tasks", &tasks, err);
        if (rc == 0)
                rc = name_enums(reader, enums, err);
        if (rc == 0)
                rc = name_configs(reader, configs, false, err);
        if (rc == 0)
                rc = name_configs(reader, tasks, true, err);
        if (rc == 0)
                rc = find_parents(reader, err);
        if (rc == 0)
                rc = settle_all(reader, err);
        if (rc != 0)
                return rc;
        find_instances(reader);
        for (size_t i = 0; i < reader->types->configs.count; i++)
                xpm_task_warn(reader->types, &draft_at(reader, i)->type, draft_at(reader, i)->pair->key_pos,
                              reader->converter->log);
        return make_fallbacks(reader, err);
}

int xpm_declare(xpm_converter *converter, const xpm_node *root, xpm_types *types, xpm_error *err)
{
        struct reader reader = {.converter = converter, .arena = converter->arena, .types = types};
        xpm_converter before = *converter;
        if (xpm_arena_defer(reader.arena, release_map, &types->configs) != 0 ||
            xpm_arena_defer(reader.arena, release_map, &types->enums) != 0)
                return xpm_fail_memory(err);
        converter->types = types;
        converter->reference = NULL;
        converter->allow_missing = false;
        converter->fallback = make_fallback;
        converter->fallback_data = &reader;
        int rc = read_all(&reader, root, err);
        *converter = before;
        converter->types = types;
        converter->fallback = NULL;
        xpm_map_release(&reader.lowered);
        return rc;
}
