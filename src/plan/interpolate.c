/* Each scalar is resolved in place once; what it needs is resolved before it, by recursion, and a scalar that is met
 * again while it is being resolved closes a circle. The state of a node is kept in the node (`progress`), and copies
 * take it along: so a value that was taken is never looked into again, and one that came from the environment is known
 * as such wherever it went.
 *
 * Copies and texts are made within a budget, and recursion within a depth, so that a few lines cannot fill the memory.
 */
#include "plan/interpolate.h"

#include <string.h>

#include "base/words.h"
#include "plan/override.h"

enum { DONE = 1, BUSY = 2, FROM_ENV = 4 };
enum { BUDGET = 64 << 20, DEEPEST = 2000 };

/* Where a node stands, as far as it matters for the exemptions. */
enum zone { ROOT, TASKS, TASK, PLAN, STEP, ELSEWHERE, EXEMPT };

/* A key or item on the way to a node, for messages. */
struct place {
        const struct place *parent;
        const char *key; /* NULL: item INDEX */
        size_t length, index;
        size_t level;
};

/* A scalar that is being resolved. */
struct frame {
        const struct frame *outer;
        const struct place *place;
        const xpm_node *node;
};

struct interpolation {
        xpm_arena *arena;
        xpm_document *document;
        const char *(*getenv)(void *data, const char *name);
        void *getenv_data;
        const struct frame *frame;
        size_t depth, budget;
        bool any_env;
        xpm_error *err;
};

static bool is_word(const char *key, size_t length, const char *word)
{
        return strlen(word) == length && memcmp(key, word, length) == 0;
}

static enum zone enter_root(const char *key, size_t length)
{
        static const char *const exempt[] = {"env", "parent", "imports"};
        for (size_t i = 0; i < sizeof exempt / sizeof *exempt; i++)
                if (is_word(key, length, exempt[i]))
                        return EXEMPT;
        if (is_word(key, length, "tasks"))
                return TASKS;
        return is_word(key, length, "plan") ? PLAN : ELSEWHERE;
}

static enum zone enter_task(const char *key, size_t length)
{
        static const char *const exempt[] = {"command", "setup", "files", "env"};
        for (size_t i = 0; i < sizeof exempt / sizeof *exempt; i++)
                if (is_word(key, length, exempt[i]))
                        return EXEMPT;
        return ELSEWHERE;
}

static enum zone enter(enum zone zone, const char *key, size_t length)
{
        switch (zone) {
        case ROOT: return enter_root(key, length);
        case TASKS: return TASK;
        case PLAN: return STEP;
        case TASK: return enter_task(key, length);
        case STEP: return is_word(key, length, "env") ? EXEMPT : ELSEWHERE;
        default: return zone;
        }
}

static void print_place(xpm_text *text, const struct place *place)
{
        if (!place->parent)
                return;
        print_place(text, place->parent);
        if (place->parent->parent)
                xpm_text_putc(text, '.');
        if (place->key)
                xpm_text_append(text, place->key, place->length);
        else
                xpm_text_printf(text, "%zu", place->index);
}

/* The scalars that are being resolved, outermost first, from that of NODE on (NULL: all). */
static void print_chain(xpm_text *text, const struct frame *frame, const xpm_node *node)
{
        if (frame->outer && frame->node != node) {
                print_chain(text, frame->outer, node);
                xpm_text_puts(text, " → ");
        }
        print_place(text, frame->place);
}

/* A key may hold a NUL, where a message would end. */
static int finish_message(struct interpolation *ip, xpm_text *text)
{
        for (char *at = text->data; at && (at = memchr(at, '\0', (size_t)(text->data + text->length - at)));)
                *at = '?';
        int rc = text->failed ? xpm_fail_memory(ip->err)
                              : xpm_fail_at(ip->err, ip->frame->node->pos, "%s", xpm_text_string(text));
        xpm_text_release(text);
        return rc;
}

static int fail_circle(struct interpolation *ip, const xpm_node *node)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, "'${…}' goes round in a circle: ");
        print_chain(&text, ip->frame, node);
        const struct frame *first = ip->frame;
        while (first->node != node)
                first = first->outer;
        xpm_text_puts(&text, " → ");
        print_place(&text, first->place);
        return finish_message(ip, &text);
}

/* "'${expression}' at 'a → b': " and what follows. */
static int fail_expression(struct interpolation *ip, const char *expression, size_t length, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

static int fail_expression(struct interpolation *ip, const char *expression, size_t length, const char *format, ...)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_printf(&text, "'${%.*s}' at '", (int)(length < 200 ? length : 200), expression);
        print_chain(&text, ip->frame, NULL);
        xpm_text_puts(&text, "': ");
        va_list args;
        va_start(args, format);
        xpm_text_vprintf(&text, format, args);
        va_end(args);
        return finish_message(ip, &text);
}

static bool is_variable_name(const char *name, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if (!(name[i] == '_' || (name[i] >= 'A' && name[i] <= 'Z') ||
                      (i > 0 && name[i] >= '0' && name[i] <= '9')))
                        return false;
        return length > 0;
}

/* Is NODE, or something in it, being resolved? */
static bool is_being_resolved(const struct interpolation *ip, const xpm_node *node)
{
        bool found = false;
        for (const struct frame *frame = ip->frame; frame && !found; frame = frame->outer)
                found = frame->node == node;
        for (size_t i = 0; node->kind == XPM_NODE_SEQUENCE && i < node->item_count && !found; i++)
                found = is_being_resolved(ip, node->items[i]);
        for (size_t i = 0; node->kind == XPM_NODE_MAPPING && i < node->pair_count && !found; i++)
                found = is_being_resolved(ip, node->pairs[i].value);
        return found;
}

/* ADDRESS has no step at AT, from NODE on. */
static int fail_missing(struct interpolation *ip, const char *address, size_t length, size_t at, const xpm_node *node)
{
        const char *dot = memchr(address + at, '.', length - at);
        int key = (int)(dot ? (size_t)(dot - address) - at : length - at), before = (int)(at > 0 ? at - 1 : 0);
        if (node->kind == XPM_NODE_SEQUENCE)
                return fail_expression(ip, address, length,
                                       "the list '%.*s' has %zu items, counted from 0, and no '%.*s'", before, address,
                                       node->item_count, key, address + at);
        if (node->kind == XPM_NODE_SCALAR)
                return fail_expression(ip, address, length, "'%.*s' is no mapping and has no '%.*s'", before, address,
                                       key, address + at);
        char *word = xpm_arena_strndup(ip->arena, address + at, (size_t)key);
        const char **names = xpm_arena_calloc(ip->arena, node->pair_count, sizeof *names);
        if (!word || !names)
                return xpm_fail_memory(ip->err);
        /* Who is being defined cannot be meant: to take it would be a circle. */
        for (size_t i = 0; i < node->pair_count; i++)
                names[i] = is_being_resolved(ip, node->pairs[i].value) ? NULL : node->pairs[i].key;
        const char *near = xpm_words_nearest(word, names, node->pair_count);
        xpm_text remedy = XPM_TEXT_INIT;
        if (near)
                xpm_text_printf(&remedy, ": did you mean '%s'?", near);
        else if (at == 0 && is_variable_name(address, length))
                xpm_text_printf(&remedy, ": write '${oc.env:%s}' for the environment variable", word);
        else
                xpm_text_puts(&remedy, " (a literal '${' is written '\\${')");
        int rc = remedy.failed ? xpm_fail_memory(ip->err)
                 : at == 0     ? fail_expression(ip, address, length, "there is no key '%s'%s", word,
                                                 xpm_text_string(&remedy))
                               : fail_expression(ip, address, length, "there is no key '%s' in '%.*s'%s", word, before,
                                                 address, xpm_text_string(&remedy));
        xpm_text_release(&remedy);
        return rc;
}

static int visit(struct interpolation *ip, xpm_node **slot, const struct place *place, enum zone zone);

static int note_key(struct interpolation *ip, const char *key, size_t length)
{
        xpm_map *map = &ip->document->keys_read;
        if (xpm_map_get_n(map, key, length))
                return 0;
        char *copy = xpm_arena_strndup(ip->arena, key, length);
        return copy && xpm_map_put_n(map, copy, length, copy) == 0 ? 0 : xpm_fail_memory(ip->err);
}

/* Find what stands at ADDRESS, resolved. */
static int look_up(struct interpolation *ip, const char *address, size_t length, const xpm_node **out)
{
        static const struct place root = {0};
        struct place place = {.parent = &root, .key = address, .level = 1};
        enum zone zone = ROOT;
        xpm_node **slot = &ip->document->root;
        if (length > XPM_ADDRESS_LIMIT)
                return fail_expression(ip, address, length, "the address is longer than 4,096 bytes");
        for (size_t at = 0; at < length;) {
                size_t taken;
                xpm_node **next = xpm_address_step(*slot, address + at, length - at, &taken);
                if (!next)
                        return fail_missing(ip, address, length, at, *slot);
                size_t key = taken - (address[at + taken - 1] == '.');
                int rc = at == 0 ? note_key(ip, address, key) : 0;
                zone = enter(zone, address + at, key);
                at += taken;
                place.length = at - (at < length);
                place.level++;
                slot = next;
                /* On the way, only a scalar can become something else; at the end, everything must be done. */
                if (rc == 0 && (at == length || (*slot)->kind == XPM_NODE_SCALAR))
                        rc = visit(ip, slot, &place, zone);
                if (rc != 0)
                        return rc;
        }
        *out = *slot;
        return 0;
}

static void trim(const char **text, size_t *length)
{
        while (*length > 0 && (**text == ' ' || **text == '\t')) {
                (*text)++;
                (*length)--;
        }
        while (*length > 0 && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t'))
                (*length)--;
}

/* Is VARIABLE one of the secrets? What is interpolated stands in the files of jobs and runs. */
static bool is_secret(const struct interpolation *ip, const char *variable)
{
        const xpm_node *secrets = xpm_node_get(ip->document->root, "secrets");
        for (size_t i = 0; secrets && secrets->kind == XPM_NODE_SEQUENCE && i < secrets->item_count; i++) {
                const xpm_node *item = secrets->items[i];
                if (item->kind == XPM_NODE_SCALAR && strcmp(item->text, variable) == 0)
                        return true;
        }
        return false;
}

/* `oc.env:NAME,default` (BODY: what stands behind the colon). */
static int read_env(struct interpolation *ip, const char *expression, size_t length, const char *body,
                    const xpm_node **out)
{
        const char *end = expression + length, *comma = memchr(body, ',', (size_t)(end - body));
        const char *name = body, *fallback = comma ? comma + 1 : NULL;
        size_t name_length = (size_t)((comma ? comma : end) - body),
               fallback_length = comma ? (size_t)(end - comma) - 1 : 0;
        trim(&name, &name_length);
        if (name_length == 0 || memchr(name, '\0', name_length) || memchr(name, '=', name_length))
                return fail_expression(ip, expression, length, "the name of an environment variable is expected");
        char *variable = xpm_arena_strndup(ip->arena, name, name_length);
        if (!variable)
                return xpm_fail_memory(ip->err);
        if (is_secret(ip, variable))
                return fail_expression(ip, expression, length,
                                       "'%s' is one of the secrets, which are written to no file: jobs have $%s in "
                                       "their environment",
                                       variable, variable);
        const char *value = ip->getenv ? ip->getenv(ip->getenv_data, variable) : NULL;
        if (!value && !fallback)
                return fail_expression(
                        ip, expression, length,
                        "the environment variable '%s' is not set: set it, or give a default: '${oc.env:%s,…}'",
                        variable, variable);
        if (!value)
                trim(&fallback, &fallback_length);
        else if (xpm_utf8_check(value, strlen(value)) < strlen(value))
                return fail_expression(ip, expression, length,
                                       "the value of the environment variable '%s' is not UTF-8", variable);
        xpm_node *node = xpm_node_scalar(ip->arena, ip->frame->node->pos, value ? value : fallback,
                                         value ? strlen(value) : fallback_length, false);
        if (!node)
                return xpm_fail_memory(ip->err);
        node->progress = DONE | FROM_ENV;
        ip->any_env = true;
        *out = node;
        return 0;
}

/* The value of EXPRESSION, what stands between the braces. */
static int evaluate(struct interpolation *ip, const char *expression, size_t length, const xpm_node **out)
{
        static const char env[] = "oc.env:";
        const char *text = expression;
        size_t text_length = length;
        trim(&text, &text_length);
        if (memmem(text, text_length, "${", 2))
                return fail_expression(ip, expression, length, "one '${…}' cannot stand inside another");
        if (text_length == 0 || text[0] == '.' || text[text_length - 1] == '.')
                return fail_expression(ip, expression, length, "a key is missing");
        if (text_length >= strlen(env) && memcmp(text, env, strlen(env)) == 0)
                return read_env(ip, text, text_length, text + strlen(env), out);
        if (memchr(text, ':', text_length))
                return fail_expression(ip, expression, length,
                                       "only '${oc.env:NAME}' has a colon (a literal '${' is written '\\${')");
        return look_up(ip, text, text_length, out);
}

static int spend(struct interpolation *ip, size_t cost)
{
        if (cost > ip->budget)
                return xpm_fail_at(ip->err, ip->frame->node->pos, "the values of '${…}' grow beyond 64 MiB");
        ip->budget -= cost;
        return 0;
}

static void settle(xpm_node *node, uint32_t layer)
{
        node->layer = layer;
        node->progress |= DONE;
        if (node->kind == XPM_NODE_SEQUENCE)
                for (size_t i = 0; i < node->item_count; i++)
                        settle(node->items[i], layer);
        else if (node->kind == XPM_NODE_MAPPING)
                for (size_t i = 0; i < node->pair_count; i++)
                        settle(node->pairs[i].value, layer);
}

/* A whole scalar: VALUE itself takes its place, as it was written where it was written; but the layer is that of the
 * scalar, which put it here. */
static int replace(struct interpolation *ip, xpm_node **slot, const xpm_node *value)
{
        size_t levels, cost = xpm_node_cost(value, ip->budget, &levels);
        int rc = spend(ip, cost);
        if (rc != 0)
                return rc;
        if (ip->frame->place->level + levels > XPM_NODE_LEVELS + 2)
                return xpm_fail_at(ip->err, ip->frame->node->pos, "nested deeper than 1,000 levels by '${…}'");
        xpm_node *copy = xpm_node_copy(ip->arena, value);
        if (!copy)
                return xpm_fail_memory(ip->err);
        settle(copy, (*slot)->layer);
        *slot = copy;
        return 0;
}

static int append_value(struct interpolation *ip, xpm_text *text, const char *expression, size_t length, bool *from_env)
{
        const xpm_node *value;
        int rc = evaluate(ip, expression, length, &value);
        if (rc == 0 && value->kind != XPM_NODE_SCALAR)
                rc = fail_expression(ip, expression, length, "it is a %s, which cannot stand inside a text",
                                     value->kind == XPM_NODE_SEQUENCE ? "list" : "mapping");
        if (rc == 0)
                rc = spend(ip, value->length);
        if (rc != 0)
                return rc;
        xpm_text_append(text, value->text, value->length);
        *from_env |= (value->progress & FROM_ENV) != 0;
        return 0;
}

static int fail_open_brace(struct interpolation *ip)
{
        return xpm_fail_at(ip->err, ip->frame->node->pos, "'${' without '}' (a literal '${' is written '\\${')");
}

/* A longer text: the result is quoted when it was. */
static int compose(struct interpolation *ip, xpm_node **slot, xpm_text *text)
{
        const xpm_node *node = *slot;
        const char *at = node->text, *end = at + node->length;
        bool from_env = false;
        int rc = 0;
        while (rc == 0 && at < end) {
                const char *dollar = memmem(at, (size_t)(end - at), "${", 2);
                if (!dollar) {
                        xpm_text_append(text, at, (size_t)(end - at));
                        break;
                }
                bool literal = dollar > at && dollar[-1] == '\\';
                xpm_text_append(text, at, (size_t)(dollar - at) - literal);
                if (literal) {
                        xpm_text_puts(text, "${");
                        at = dollar + 2;
                        continue;
                }
                const char *close = memchr(dollar, '}', (size_t)(end - dollar));
                if (!close)
                        return fail_open_brace(ip);
                rc = append_value(ip, text, dollar + 2, (size_t)(close - dollar) - 2, &from_env);
                at = close + 1;
        }
        if (rc == 0)
                rc = spend(ip, node->length);
        if (rc != 0)
                return rc;
        xpm_node *result =
                text->failed ? NULL
                             : xpm_node_scalar(ip->arena, node->pos, xpm_text_string(text), text->length, node->quoted);
        if (!result)
                return xpm_fail_memory(ip->err);
        result->layer = node->layer;
        result->progress = DONE | (from_env ? FROM_ENV : 0);
        *slot = result;
        return 0;
}

static int expand(struct interpolation *ip, xpm_node **slot, const struct place *place)
{
        xpm_node *node = *slot;
        struct frame frame = {.outer = ip->frame, .place = place, .node = node};
        ip->frame = &frame;
        node->progress |= BUSY;
        size_t length = node->length;
        bool whole = memcmp(node->text, "${", 2) == 0 && memchr(node->text, '}', length) == node->text + length - 1;
        const xpm_node *value = NULL;
        xpm_text composed = XPM_TEXT_INIT;
        int rc = whole ? evaluate(ip, node->text + 2, length - 3, &value) : compose(ip, slot, &composed);
        if (rc == 0 && whole)
                rc = replace(ip, slot, value);
        xpm_text_release(&composed);
        ip->frame = frame.outer;
        return rc;
}

static int visit_children(struct interpolation *ip, xpm_node *node, const struct place *place, enum zone zone)
{
        bool list = node->kind == XPM_NODE_SEQUENCE;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < (list ? node->item_count : node->pair_count); i++) {
                struct place below = {.parent = place, .index = i, .level = place->level + 1};
                if (list) {
                        rc = visit(ip, &node->items[i], &below, zone);
                } else {
                        below.key = node->pairs[i].key;
                        below.length = node->pairs[i].key_length;
                        rc = visit(ip, &node->pairs[i].value, &below, enter(zone, below.key, below.length));
                }
        }
        return rc;
}

static int visit(struct interpolation *ip, xpm_node **slot, const struct place *place, enum zone zone)
{
        xpm_node *node = *slot;
        if (zone == EXEMPT || node->progress & DONE)
                return 0;
        if (node->progress & BUSY)
                return fail_circle(ip, node);
        if (ip->depth == DEEPEST)
                return xpm_fail_at(ip->err, node->pos, "'${…}' leads from one to another more than %d times", DEEPEST);
        ip->depth++;
        int rc = 0;
        if (node->kind != XPM_NODE_SCALAR)
                rc = visit_children(ip, node, place, zone);
        else if (memmem(node->text, node->length, "${", 2))
                rc = expand(ip, slot, place);
        (*slot)->progress |= DONE;
        ip->depth--;
        return rc;
}

/* Write down where values from the environment have come to stand. */
static int collect_env(struct interpolation *ip, const xpm_node *node, xpm_text *path)
{
        size_t length = path->length;
        if (node->kind == XPM_NODE_SCALAR) {
                if (!(node->progress & FROM_ENV))
                        return 0;
                char *key = path->failed ? NULL : xpm_arena_strdup(ip->arena, xpm_text_string(path));
                return key && xpm_map_put(&ip->document->env_values, key, key) == 0 ? 0 : xpm_fail_memory(ip->err);
        }
        bool list = node->kind == XPM_NODE_SEQUENCE;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < (list ? node->item_count : node->pair_count); i++) {
                if (length > 0)
                        xpm_text_putc(path, '.');
                if (list)
                        xpm_text_printf(path, "%zu", i);
                else
                        xpm_text_append(path, node->pairs[i].key, node->pairs[i].key_length);
                rc = collect_env(ip, list ? node->items[i] : node->pairs[i].value, path);
                if (!path->failed)
                        xpm_text_cut(path, length);
        }
        return rc;
}

int xpm_interpolate(xpm_arena *arena, xpm_document *document, const char *(*getenv)(void *data, const char *name),
                    void *getenv_data, xpm_error *err)
{
        struct interpolation ip = {.arena = arena,
                                   .document = document,
                                   .getenv = getenv,
                                   .getenv_data = getenv_data,
                                   .budget = BUDGET,
                                   .err = err};
        const struct place root = {.level = 1};
        int rc = visit(&ip, &document->root, &root, ROOT);
        if (rc != 0 || !ip.any_env)
                return rc;
        xpm_text path = XPM_TEXT_INIT;
        rc = collect_env(&ip, document->root, &path);
        xpm_text_release(&path);
        return rc;
}
