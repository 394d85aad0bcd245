/* Binding: what every name in a template means, found once, from the types alone.
 *
 * A shape is what is known of a value before there is one: its declared type, or nothing (a name that only a subtype
 * has, an entry of a dict). A name is an error when no value of its shape could have it; it is left to each job when
 * some could. What stands around a name is a chain of shapes, one for each open section; the innermost that certainly
 * has the name wins, which is what rendering will find too, because it asks in the same order.
 *
 * Invariant: a binding is only a hint as to where to find a value. Evaluation compares types before it trusts an index,
 * so a subtype in the place of the declared type is found by name. */
#include "plan/names.h"

#include <string.h>

#include "base/words.h"
#include "plan/configvalue.h"

typedef struct shape {
        enum { UNKNOWN, TYPED, CONFIG, TEXT, VALUE, PATHS } kind;
        const xpm_type *type;          /* TYPED */
        const xpm_config_type *config; /* CONFIG, or TYPED as one */
        const xpm_value *value;        /* VALUE: from the configuration */
        bool optional;
} shape;

typedef struct level {
        shape shape;
        const struct level *outer; /* NULL: the root */
} level;

typedef struct binder {
        const xpm_scope *scope;
        xpm_arena *arena;
        xpm_mustache *template;
        size_t *offset;
        xpm_error *err;
} binder;

/* What the first part of a name may be beside parameters. */
static const char *const roots[] = {"self", "xpm",    "job", "experiment", "workspace", "resources",
                                    "type", "config", "env", "tags",       "partials"};
enum { ROOTS = sizeof roots / sizeof *roots };

static bool is(const xpm_name_part *part, const char *text)
{
        return strcmp(part->text, text) == 0;
}

/* --- shapes --- */

static shape shape_of_type(const xpm_type *type)
{
        return (shape){.kind = TYPED,
                       .type = type,
                       .config = type->kind == XPM_CONFIG ? type->config : NULL,
                       .optional = type->optional};
}

static shape shape_of_config(const xpm_config_type *config)
{
        return (shape){.kind = CONFIG, .config = config};
}

static enum xpm_kind kind_of(const shape *at)
{
        switch (at->kind) {
        case CONFIG: return XPM_CONFIG;
        case TYPED: return at->type->kind;
        case VALUE: return at->value->kind;
        case TEXT: return XPM_STR;
        default: return XPM_UNSET;
        }
}

static bool is_list(const shape *at)
{
        enum xpm_kind kind = kind_of(at);
        return kind == XPM_LIST || kind == XPM_SET;
}

/* What a section over LIST, or what is none, puts on the stack. */
static shape element(const shape *list)
{
        if (!is_list(list))
                return *list;
        return list->kind == TYPED ? shape_of_type(list->type->item) : (shape){.kind = UNKNOWN};
}

static const xpm_param *parameter(const xpm_config_type *type, const xpm_name_part *part, long *index)
{
        *index = xpm_param_find(type, part->text, part->length);
        return *index < 0 ? NULL : &type->params[*index];
}

/* Some type that extends TYPE has the parameter; or, without PART, is a task. */
static bool subtype_has(const binder *b, const xpm_config_type *type, const xpm_name_part *part)
{
        const xpm_map *types = &b->scope->plan->types.configs;
        for (size_t i = 0; i < types->count; i++) {
                const xpm_config_type *other = types->entries[i].value;
                if (!xpm_config_type_is(other, type))
                        continue;
                if (part ? xpm_param_find(other, part->text, part->length) >= 0 : other->is_task)
                        return true;
        }
        return false;
}

/* --- messages --- */

static int fail(const binder *b, const xpm_mustache_tag *tag, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static int fail(const binder *b, const xpm_mustache_tag *tag, const char *format, ...)
{
        va_list args;
        *b->offset = tag->offset;
        va_start(args, format);
        int rc = xpm_vfail(b->err, XPM_EPLAN, format, args);
        va_end(args);
        return rc;
}

typedef struct candidates {
        const char **items;
        size_t count, capacity;
} candidates;

static int add_word(const binder *b, candidates *words, const char *word)
{
        if (xpm_arena_reserve(b->arena, &words->items, &words->capacity, words->count + 1, sizeof *words->items) != 0)
                return xpm_fail_memory(b->err);
        words->items[words->count++] = word;
        return 0;
}

static int add_parameters(const binder *b, candidates *words, const xpm_config_type *type)
{
        int rc = 0;
        const xpm_map *types = &b->scope->plan->types.configs;
        for (size_t i = 0; type && i < types->count; i++) {
                const xpm_config_type *other = types->entries[i].value;
                if (!xpm_config_type_is(other, type))
                        continue;
                for (size_t j = 0; j < other->param_count && rc == 0; j++)
                        rc = add_word(b, words, other->params[j].name);
        }
        return rc;
}

static const char *article(const xpm_config_type *type)
{
        return type->is_task ? "task" : "config";
}

/* A name that is wrong, with the nearest of WORDS, or else OTHERWISE, after the message. */
static int fail_near(const binder *b, const xpm_mustache_tag *tag, const char *wrong, const candidates *words,
                     const char *otherwise, const char *format, ...) __attribute__((format(printf, 6, 7)));

static int fail_near(const binder *b, const xpm_mustache_tag *tag, const char *wrong, const candidates *words,
                     const char *otherwise, const char *format, ...)
{
        const char *near = xpm_words_nearest(wrong, words->items, words->count);
        va_list args;
        va_start(args, format);
        const char *message = xpm_arena_vprintf(b->arena, format, args);
        va_end(args);
        if (!message)
                return xpm_fail_memory(b->err);
        if (near)
                return fail(b, tag, "'{{%s}}': %s: did you mean '%s'?", tag->text, message, near);
        return fail(b, tag, "'{{%s}}': %s%s", tag->text, message, otherwise);
}

static int fail_parameter(const binder *b, const xpm_mustache_tag *tag, const xpm_config_type *type, const char *part)
{
        candidates words = {0};
        int rc = add_parameters(b, &words, type);
        return rc != 0 ? rc
                       : fail_near(b, tag, part, &words, "", "%s '%s' has no parameter '%s'", article(type), type->name,
                                   part);
}

/* Nothing around the tag has its first part; after `xpm.`, which no parameter follows, its second. */
static int fail_unknown(const binder *b, const level *at, const xpm_mustache_tag *tag, const xpm_name *name)
{
        const xpm_config_type *type = b->scope->type;
        bool beyond = is(&name->parts[0], "xpm") && name->count > 1;
        const char *part = name->parts[beyond].text;
        candidates words = {0};
        int rc = 0;
        for (; !beyond && at && rc == 0; at = at->outer)
                rc = add_parameters(b, &words, at->shape.config);
        for (size_t i = 0; i < ROOTS && rc == 0; i++)
                rc = add_word(b, &words, roots[i]);
        if (rc == 0 && beyond)
                return fail_near(b, tag, part, &words, "", "templates know no name '%s'", part);
        return rc != 0 ? rc
                       : fail_near(b, tag, part, &words, ", and templates know no such name",
                                   "%s '%s' has no parameter '%s'", article(type), type->name, part);
}

/* --- the rest of a name, after its first part --- */

static int find_leaf(const binder *b, const xpm_mustache_tag *tag, const xpm_space *space, const xpm_name *name,
                     size_t index, enum xpm_leaf *leaf)
{
        const struct xpm_field *field = index < name->count ? xpm_field_find(space, name->parts[index].text) : NULL;
        if (field) {
                *leaf = field->leaf;
                return 0;
        }
        if (index >= name->count)
                return fail(b, tag, "'{{%s}}' is no value by itself: write for instance {{%s.%s}}", tag->text,
                            tag->text, space->fields[0].name);
        candidates words = {0};
        for (field = space->fields; field->name; field++)
                if (add_word(b, &words, field->name) != 0)
                        return XPM_ENOMEM;
        return fail_near(b, tag, name->parts[index].text, &words, "", "'%s' has no '%s'", space->name,
                         name->parts[index].text);
}

/* Most likely a parameter hides what is meant. */
static int fail_inside(const binder *b, const xpm_mustache_tag *tag, const xpm_name *name, const char *part)
{
        for (size_t i = 0; i < ROOTS; i++)
                if (is(&name->parts[0], roots[i]))
                        return fail(b, tag, "'{{%s}}': '%s' is a parameter here, which has no '%s': write {{xpm.%s}}",
                                    tag->text, roots[i], part, tag->text);
        return fail(b, tag, "'{{%s}}': there is nothing inside of a value, no '%s'", tag->text, part);
}

static int walk(const binder *b, const xpm_mustache_tag *tag, xpm_name *name, xpm_name_part *parts, size_t from,
                shape *at);

/* Part FROM of a name, in a config. */
static int walk_config(const binder *b, const xpm_mustache_tag *tag, xpm_name *name, xpm_name_part *parts, size_t from,
                       shape *at)
{
        xpm_name_part *part = &parts[from];
        const xpm_config_type *type = at->config;
        const xpm_param *param = parameter(type, part, &part->index);
        if (at->optional)
                name->certain = false;
        if (param) {
                part->type = type;
                *at = shape_of_type(param->type);
                if (param->generated)
                        *at = (shape){.kind = TEXT};
                return walk(b, tag, name, parts, from + 1, at);
        }
        if (is(part, "type")) {
                *at = (shape){.kind = TEXT};
                return walk(b, tag, name, parts, from + 1, at);
        }
        if (subtype_has(b, type, part)) {
                name->certain = false;
                *at = (shape){.kind = UNKNOWN};
                return 0;
        }
        if (is(part, "job") && subtype_has(b, type, NULL)) {
                enum xpm_leaf leaf;
                name->certain = false;
                *at = (shape){.kind = TEXT};
                int rc = find_leaf(b, tag, xpm_space_find("job"), name, from + 1, &leaf);
                return rc != 0 ? rc : walk(b, tag, name, parts, from + 2, at);
        }
        return fail_parameter(b, tag, type, part->text);
}

/* Can an element of this list be a job? */
static bool holds_jobs(const binder *b, const shape *list)
{
        if (list->kind != TYPED || !list->type->item)
                return false;
        return list->type->item->kind == XPM_CONFIG && subtype_has(b, list->type->item->config, NULL);
}

/* Part FROM of a name is looked for in a list: it is that of an item, or, if it is a number, the next one is. */
static int fail_list(const binder *b, const xpm_mustache_tag *tag, const xpm_name *name, size_t from)
{
        const char *part = name->parts[from].text;
        size_t rest = from + (strspn(part, "0123456789") == name->parts[from].length);
        int list = (int)(part - name->parts[0].text) - 1;
        const char *inner = rest < name->count ? tag->text + (name->parts[rest].text - name->parts[0].text) : ".";
        return fail(b, tag, "'{{%s}}': a list has no '%s': write a section, {{#%.*s}} {{%s}} {{/%.*s}}", tag->text,
                    part, list, tag->text, inner, list, tag->text);
}

static int walk(const binder *b, const xpm_mustache_tag *tag, xpm_name *name, xpm_name_part *parts, size_t from,
                shape *at)
{
        if (from >= name->count)
                return 0;
        const char *part = parts[from].text;
        switch (kind_of(at)) {
        case XPM_UNSET:
        case XPM_DICT:
                name->certain = false;
                *at = at->kind == TYPED ? shape_of_type(at->type->item) : (shape){.kind = UNKNOWN};
                return walk(b, tag, name, parts, from + 1, at);
        case XPM_CONFIG: return walk_config(b, tag, name, parts, from, at);
        case XPM_LIST:
        case XPM_SET:
                if (is(&parts[from], "paths_file") && from + 1 == name->count && holds_jobs(b, at)) {
                        *at = (shape){.kind = PATHS};
                        return 0;
                }
                return fail_list(b, tag, name, from);
        default: return fail_inside(b, tag, name, part);
        }
}

/* --- the first part --- */

static int bind_config(const binder *b, const xpm_mustache_tag *tag, xpm_name *name, shape *at)
{
        xpm_document *document = &b->scope->plan->document;
        const xpm_node *root = document->root;
        const xpm_pair *key = NULL;
        const xpm_node *node = xpm_config_node(root, name->rest, &key);
        if (!node) {
                candidates words = {0};
                int rc = 0;
                for (size_t i = 0; i < root->pair_count && rc == 0; i++)
                        rc = add_word(b, &words, root->pairs[i].key);
                if (rc != 0)
                        return rc;
                return fail_near(b, tag, name->rest, &words, "", "the configuration has no key '%s'", name->rest);
        }
        if (xpm_map_put_n(&document->keys_read, key->key, key->key_length, key->value) != 0)
                return xpm_fail_memory(b->err);
        name->place = XPM_PLACE_VALUE;
        name->spent = name->count;
        int rc = xpm_config_value(b->arena, node, &name->value, b->err);
        *at = (shape){.kind = VALUE, .value = &name->value};
        return rc;
}

static int bind_partial(const binder *b, const xpm_mustache_tag *tag, xpm_name *name, shape *at)
{
        const xpm_config_type *type = b->scope->type;
        candidates words = {0};
        for (size_t i = 0; i < type->partial_count; i++) {
                if (strcmp(type->partials[i].name, name->rest) == 0) {
                        name->place = XPM_PLACE_PARTIAL;
                        name->partial = &type->partials[i];
                        name->spent = name->count;
                        *at = (shape){.kind = TEXT};
                        return 0;
                }
                if (add_word(b, &words, type->partials[i].name) != 0)
                        return XPM_ENOMEM;
        }
        return fail_near(b, tag, name->rest, &words, "", "%s '%s' has no partial '%s'", article(type), type->name,
                         name->rest);
}

static int bind_space(const binder *b, const xpm_mustache_tag *tag, xpm_name *name, size_t from, const xpm_space *space,
                      shape *at)
{
        if (strcmp(space->name, "resources") == 0 && !b->scope->resources)
                return fail(b, tag, "'{{%s}}': the resources of a job are made from this", tag->text);
        name->place = XPM_PLACE_LEAF;
        name->spent = from + 2;
        *at = (shape){.kind = TEXT};
        int rc = find_leaf(b, tag, space, name, from + 1, &name->leaf);
        if (name->leaf == XPM_LEAF_RESOURCES_MEMORY)
                name->certain = false;
        return rc;
}

/* A secret is passed on and never written; a rendered template is. */
static int check_secret(const binder *b, const xpm_mustache_tag *tag, const xpm_name *name)
{
        const xpm_node *secrets = b->scope->plan->secrets;
        for (size_t i = 0; secrets && i < secrets->item_count; i++)
                if (strcmp(secrets->items[i]->text, name->rest) == 0)
                        return fail(b, tag,
                                    "'{{%s}}': '%s' is one of the secrets, which are written to no file: write $%s "
                                    "for the shell",
                                    tag->text, name->rest, name->rest);
        return 0;
}

/* The names that every template has; 1 when part FROM is one of them, 0 when not, or an error. */
static int bind_root(const binder *b, const xpm_mustache_tag *tag, xpm_name *name, xpm_name_part *parts, size_t from,
                     shape *at)
{
        const xpm_name_part *part = &parts[from];
        const xpm_space *space = xpm_space_find(part->text);
        int rc = 0;
        if (is(part, "self") || is(part, "type")) {
                name->place = XPM_PLACE_SELF;
                name->spent = from + is(part, "self");
                *at = shape_of_config(b->scope->type);
        } else if (space) {
                rc = bind_space(b, tag, name, from, space, at);
        } else if (is(part, "config") || is(part, "env") || is(part, "tags") || is(part, "partials")) {
                if (from + 1 >= name->count)
                        return fail(b, tag, "'{{%s}}' is no value by itself: write {{%s.NAME}}", tag->text, tag->text);
                name->rest = tag->text + (parts[from + 1].text - parts[0].text);
                name->spent = name->count;
                name->certain = is(part, "config") || is(part, "partials");
                name->place = is(part, "env") ? XPM_PLACE_ENV : XPM_PLACE_TAG;
                *at = (shape){.kind = is(part, "env") ? TEXT : UNKNOWN};
                if (is(part, "config"))
                        rc = bind_config(b, tag, name, at);
                else if (is(part, "env"))
                        rc = check_secret(b, tag, name);
                else if (is(part, "partials"))
                        rc = bind_partial(b, tag, name, at);
        } else {
                return 0;
        }
        return rc != 0 ? rc : 1;
}

/* Parameters first; then the names that every template has; then what only a subtype of the task has. */
static int bind_outermost(const binder *b, const xpm_mustache_tag *tag, xpm_name *name, xpm_name_part *parts, shape *at)
{
        const xpm_config_type *type = b->scope->type;
        int rc = xpm_param_find(type, parts[0].text, parts[0].length) >= 0;
        bool parameter = rc;
        if (!parameter && (!is(&parts[0], "xpm") || name->count > 1))
                rc = bind_root(b, tag, name, parts, is(&parts[0], "xpm"), at);
        if (parameter || (rc == 0 && subtype_has(b, type, &parts[0]))) {
                name->place = XPM_PLACE_PARAMETERS;
                *at = shape_of_config(type);
                rc = 1;
        }
        if (rc <= 0)
                return rc;
        rc = walk(b, tag, name, parts, name->spent, at);
        return rc == 0 ? 1 : rc;
}

/* What the sections around a tag have of its first part: something for certain, or only perhaps. */
static int bind_inside(const binder *b, const level *at, const xpm_mustache_tag *tag, xpm_name *name,
                       xpm_name_part *parts, bool *maybe, shape *out)
{
        long index;
        for (; at->outer; at = at->outer) {
                const shape *around = &at->shape;
                if (around->config && (parameter(around->config, &parts[0], &index) || is(&parts[0], "type"))) {
                        *out = *around;
                        int rc = walk(b, tag, name, parts, 0, out);
                        return rc != 0 ? rc : 1;
                }
                /* A parameter called `job` would be found outside, and what a job around the tag has comes before. */
                bool hidden = is(&parts[0], "job") && parameter(b->scope->type, &parts[0], &index);
                if (around->config)
                        *maybe = *maybe || subtype_has(b, around->config, &parts[0]) ||
                                 (hidden && subtype_has(b, around->config, NULL));
                else
                        *maybe = *maybe || around->kind == UNKNOWN || kind_of(around) == XPM_DICT;
        }
        return 0;
}

static int bind_name(const binder *b, const level *at, const xpm_mustache_tag *tag, xpm_name *name,
                     xpm_name_part *parts, shape *out)
{
        bool maybe = false;
        shape outside = {.kind = UNKNOWN};
        int found = bind_inside(b, at, tag, name, parts, &maybe, out);
        if (found < 0)
                return found;

        /* A name is bound outside of the sections too: a job may lack there what the types promise. */
        bool certain = name->certain && !maybe;
        xpm_error ignored = XPM_ERROR_NONE;
        binder quiet = *b;
        if (found || maybe)
                quiet.err = &ignored;
        int rc = bind_outermost(&quiet, tag, name, parts, &outside);
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(b->err);
        if (rc <= 0)
                name->place = XPM_PLACE_NOWHERE;
        name->certain = certain && (found || name->certain);
        if (found)
                return 0;
        if (rc < 0 && !maybe)
                return rc;
        if (rc == 0 && !maybe)
                return fail_unknown(b, at, tag, name);
        *out = maybe ? (shape){.kind = UNKNOWN} : outside;
        return 0;
}

/* --- tags --- */

/* Can a value of this shape be printed at all? */
static int check_printed(const binder *b, const xpm_mustache_tag *tag, xpm_name *name, const shape *at)
{
        enum xpm_kind kind = kind_of(at), item = XPM_UNSET;
        if (at->kind == TYPED && is_list(at)) {
                item = at->type->item->kind;
                name->certain = name->certain && !at->type->item->optional;
        }
        bool string = item == XPM_STR || (kind == XPM_STR && at->kind != TEXT);
        if (at->optional || at->kind == UNKNOWN || (string && b->scope->nul))
                name->certain = false;
        if (kind == XPM_CONFIG && at->config->param_count > 0)
                return fail(b, tag, "'{{%s}}' is a %s and cannot be printed: print a parameter of it, as in {{%s.%s}}",
                            tag->text, article(at->config), tag->text, at->config->params[0].name);
        if (kind == XPM_CONFIG)
                return fail(b, tag, "'{{%s}}' is a %s and cannot be printed", tag->text, article(at->config));
        if (kind == XPM_DICT)
                return fail(b, tag, "'{{%s}}' is a dict and cannot be printed: print an entry of it, as in {{%s.key}}",
                            tag->text, tag->text);
        if (kind == XPM_NULL)
                return fail(b, tag,
                            "'{{%s}}' is null and cannot be printed: give it a value, or write {{#%s}} "
                            "around it",
                            tag->text, tag->text);
        if (item == XPM_CONFIG || item == XPM_LIST || item == XPM_SET || item == XPM_DICT)
                return fail(b, tag,
                            "'{{%s}}' is a list of things that cannot be printed: write a section, {{#%s}} "
                            "{{/%s}}",
                            tag->text, tag->text, tag->text);
        return 0;
}

/* The name of `paths_file`, which is the same for all sections that it could stand in, so it stands in none. */
static int name_paths(const binder *b, const xpm_mustache_tag *tag, xpm_name *name)
{
        if (name->place != XPM_PLACE_PARAMETERS && name->place != XPM_PLACE_SELF)
                return fail(b, tag,
                            "'{{%s}}' is the name of one file and cannot be inside a section: begin it with "
                            "'self.'",
                            tag->text);
        size_t skip = name->place == XPM_PLACE_SELF ? (size_t)(name->parts[name->spent].text - name->parts[0].text) : 0;
        size_t length = tag->length - skip - strlen(".paths_file");
        name->paths = xpm_arena_printf(b->arena, ".experimaestro/%.*s.paths", (int)length, tag->text + skip);
        return name->paths ? 0 : xpm_fail_memory(b->err);
}

static int bind_tag(const binder *b, const level *at, xpm_mustache_tag *tag, shape *out)
{
        xpm_name *name = xpm_arena_alloc(b->arena, sizeof *name);
        xpm_name_part *parts = NULL;
        if (!name)
                return xpm_fail_memory(b->err);
        name->certain = true;
        tag->binding = name;
        int rc = 0;
        if (strcmp(tag->text, ".") == 0) {
                *out = at->shape;
        } else {
                rc = xpm_parts_split(b->arena, tag->text, &parts, &name->count, b->err);
                name->parts = parts;
                if (rc == 0)
                        rc = bind_name(b, at, tag, name, parts, out);
                if (rc == 0 && out->kind == PATHS)
                        rc = name_paths(b, tag, name);
        }
        name->list = is_list(out) || out->kind == UNKNOWN;
        bool printed = tag->kind == XPM_MUSTACHE_VARIABLE || tag->kind == XPM_MUSTACHE_RAW;
        if (rc == 0 && printed)
                rc = check_printed(b, tag, name, out);
        return rc;
}

static int bind_range(const binder *b, size_t from, size_t to, const level *at)
{
        int rc = 0;
        for (size_t i = from; i < to && rc == 0;) {
                xpm_mustache_tag *tag = &b->template->tags[i];
                level inner = {.outer = at};
                if (tag->kind == XPM_MUSTACHE_TEXT) {
                        i++;
                        continue;
                }
                rc = bind_tag(b, at, tag, &inner.shape);
                if (tag->kind == XPM_MUSTACHE_VARIABLE || tag->kind == XPM_MUSTACHE_RAW) {
                        i++;
                        continue;
                }
                inner.shape = element(&inner.shape);
                inner.shape.optional = false;
                if (rc == 0)
                        rc = bind_range(b, i + 1, tag->end, tag->kind == XPM_MUSTACHE_SECTION ? &inner : at);
                i = tag->end;
        }
        return rc;
}

int xpm_names_bind(const xpm_scope *scope, xpm_mustache *template, size_t *offset, xpm_error *err)
{
        binder b = {.scope = scope, .arena = scope->plan->arena, .template = template, .offset = offset, .err = err};
        level root = {.shape = shape_of_config(scope->type)};
        return bind_range(&b, 0, template->count, &root);
}
