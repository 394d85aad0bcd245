/* Types as the user writes them, and the few questions that are asked of types and configs.
 *
 * The basic types are constants, so that a plan with ten thousand parameters holds one `int`; the others are made in
 * the caller's arena and refer to config types by pointer: a config type is in `types` before its parameters are read,
 * because types may refer to each other in any order. */
#include "model/type.h"

#include <string.h>
#include <strings.h>

#include "base/words.h"

enum { DEEPEST = 64, SHOWN = 80 };

#define BASICS(X)             \
        X("bool", XPM_BOOL)   \
        X("int", XPM_INT)     \
        X("float", XPM_FLOAT) \
        X("str", XPM_STR)     \
        X("path", XPM_PATH)   \
        X("file", XPM_FILE)

static const struct {
        const char *name;
        xpm_type plain, optional;
} basics[] = {
#define X(word, which) {word, {.kind = which}, {.kind = which, .optional = true}},
        BASICS(X)
#undef X
};

static const char *const containers[] = {"list", "set", "dict"};

enum {
        BASIC_COUNT = sizeof basics / sizeof *basics,
        CONTAINER_COUNT = sizeof containers / sizeof *containers,
};

struct parser {
        xpm_arena *arena;
        const xpm_types *types;
        const char *text, *at;
        int depth;
        xpm_error *err;
};

static void skip_blanks(struct parser *parser)
{
        while (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\n')
                parser->at++;
}

/* Other letters than ASCII's are in no name, but belong to the word that an error quotes. */
static bool is_name(char c)
{
        return (c & 0x80) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '.';
}

static bool accept(struct parser *parser, char c)
{
        skip_blanks(parser);
        if (*parser->at != c)
                return false;
        parser->at++;
        return true;
}

static int expect(struct parser *parser, char c, const char *after)
{
        if (accept(parser, c))
                return 0;
        return xpm_fail(parser->err, XPM_EPLAN, "'%.*s' is no type: '%c' is missing after the %s, at character %zu",
                        SHOWN, parser->text, c, after, (size_t)(parser->at - parser->text) + 1);
}

/* What other languages call a type of ours. */
static const char *translate(const char *word)
{
        static const char *const words[][2] = {
                {"string", "str"},    {"text", "str"},      {"integer", "int"},    {"long", "int"},
                {"boolean", "bool"},  {"double", "float"},  {"real", "float"},     {"number", "float"},
                {"array", "list[T]"}, {"tuple", "list[T]"}, {"map", "dict[K, V]"}, {"object", "dict[K, V]"},
        };
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (strcasecmp(words[i][0], word) == 0)
                        return words[i][1];
        return NULL;
}

static int unknown(struct parser *parser, const char *name, int length)
{
        const xpm_types *types = parser->types;
        size_t count = 0;
        const char **names = xpm_arena_calloc(parser->arena,
                                              BASIC_COUNT + CONTAINER_COUNT + types->configs.count + types->enums.count,
                                              sizeof *names);
        char *word = xpm_arena_strndup(parser->arena, name, (size_t)length);
        if (!names || !word)
                return xpm_fail_memory(parser->err);
        for (size_t i = 0; i < BASIC_COUNT; i++)
                names[count++] = basics[i].name;
        for (size_t i = 0; i < CONTAINER_COUNT; i++)
                names[count++] = containers[i];
        for (size_t i = 0; i < types->configs.count; i++)
                names[count++] = types->configs.entries[i].key;
        for (size_t i = 0; i < types->enums.count; i++)
                names[count++] = types->enums.entries[i].key;
        const char *near = xpm_words_nearest(word, names, count);
        if (!near)
                near = translate(word);
        if (near)
                return xpm_fail(parser->err, XPM_EPLAN, "unknown type '%.*s': did you mean '%s'?", SHOWN, word, near);
        return xpm_fail(
                parser->err, XPM_EPLAN,
                "unknown type '%.*s': expected int, float, bool, str, path, file, list[T], set[T], dict[K, V], or the "
                "name of an enum, config or task of this experiment",
                SHOWN, word);
}

static int parse(struct parser *parser, const xpm_type **out);

static int parse_items(struct parser *parser, const char *name, xpm_type *type)
{
        int rc = expect(parser, '[', name);
        if (rc == 0 && type->kind == XPM_DICT) {
                const char *start = parser->at;
                rc = parse(parser, &type->key);
                if (rc == 0 && (type->key->kind > XPM_STR || type->key->optional))
                        rc = xpm_fail(parser->err, XPM_EPLAN,
                                      "'%.*s' cannot be the key of a dict: expected str, int, float or bool",
                                      (int)(parser->at - start), start);
                if (rc == 0)
                        rc = expect(parser, ',', "key of a dict");
        }
        if (rc == 0)
                rc = parse(parser, &type->item);
        if (rc == 0)
                rc = expect(parser, ']', type->kind == XPM_DICT ? "values of a dict" : "items");
        return rc;
}

static int parse_basic(const char *name, size_t length)
{
        for (int i = 0; i < BASIC_COUNT; i++)
                if (strlen(basics[i].name) == length && memcmp(basics[i].name, name, length) == 0)
                        return i;
        return -1;
}

/* What stands before a `?`, except for a basic type. */
static int parse_body(struct parser *parser, const char *name, size_t length, xpm_type *type)
{
        for (int i = 0; i < CONTAINER_COUNT; i++)
                if (strlen(containers[i]) == length && memcmp(containers[i], name, length) == 0) {
                        type->kind = (enum xpm_kind)(XPM_LIST + i);
                        return parse_items(parser, containers[i], type);
                }
        type->config = xpm_map_get_n(&parser->types->configs, name, length);
        type->enumeration = xpm_map_get_n(&parser->types->enums, name, length);
        if (!type->config && !type->enumeration)
                return unknown(parser, name, (int)length);
        type->kind = type->config ? XPM_CONFIG : XPM_ENUM;
        return 0;
}

static int parse(struct parser *parser, const xpm_type **out)
{
        skip_blanks(parser);
        const char *name = parser->at;
        while (is_name(*parser->at))
                parser->at++;
        size_t length = (size_t)(parser->at - name);
        if (length == 0)
                return xpm_fail(parser->err, XPM_EPLAN, "'%.*s' is no type: a name is missing at character %zu", SHOWN,
                                parser->text, (size_t)(name - parser->text) + 1);
        if (++parser->depth > DEEPEST)
                return xpm_fail(parser->err, XPM_EPLAN, "'%.*s' is no type: nested more than %d deep", SHOWN,
                                parser->text, DEEPEST);

        int basic = parse_basic(name, length);
        xpm_type *type = NULL;
        if (basic < 0) {
                type = xpm_arena_alloc(parser->arena, sizeof *type);
                int rc = type ? parse_body(parser, name, length, type) : xpm_fail_memory(parser->err);
                if (rc != 0)
                        return rc;
        }
        bool optional = accept(parser, '?');
        if (type)
                type->optional = optional;
        *out = type ? type : optional ? &basics[basic].optional : &basics[basic].plain;
        parser->depth--;
        return 0;
}

int xpm_type_parse(xpm_arena *arena, const xpm_types *types, const char *text, const xpm_type **out, xpm_error *err)
{
        struct parser parser = {.arena = arena, .types = types, .text = text, .at = text, .err = err};
        const xpm_type *type;
        int rc = parse(&parser, &type);
        if (rc != 0)
                return rc;
        skip_blanks(&parser);
        if (*parser.at)
                return xpm_fail(err, XPM_EPLAN, "'%.*s' is no type: '%.*s' is too much, at character %zu", SHOWN, text,
                                SHOWN, parser.at, (size_t)(parser.at - text) + 1);
        *out = type;
        return 0;
}

const xpm_type *xpm_type_basic(enum xpm_kind kind)
{
        for (size_t i = 0; i < BASIC_COUNT; i++)
                if (basics[i].plain.kind == kind)
                        return &basics[i].plain;
        return NULL;
}

bool xpm_type_is_reserved(const char *name)
{
        for (size_t i = 0; i < CONTAINER_COUNT; i++)
                if (strcmp(containers[i], name) == 0)
                        return true;
        return parse_basic(name, strlen(name)) >= 0;
}

void xpm_type_print(const xpm_type *type, xpm_text *text)
{
        switch (type->kind) {
        case XPM_LIST:
        case XPM_SET:
        case XPM_DICT:
                xpm_text_printf(text, "%s[", containers[type->kind - XPM_LIST]);
                if (type->key) {
                        xpm_type_print(type->key, text);
                        xpm_text_puts(text, ", ");
                }
                xpm_type_print(type->item, text);
                xpm_text_putc(text, ']');
                break;
        case XPM_ENUM: xpm_text_puts(text, type->enumeration->name); break;
        case XPM_CONFIG: xpm_text_puts(text, type->config->name); break;
        default:
                for (size_t i = 0; i < BASIC_COUNT; i++)
                        if (basics[i].plain.kind == type->kind)
                                xpm_text_puts(text, basics[i].name);
        }
        if (type->optional)
                xpm_text_putc(text, '?');
}

static int compare_names(const char *name, size_t length, const char *candidate)
{
        size_t other = strlen(candidate);
        int order = memcmp(name, candidate, length < other ? length : other);
        return order ? order : (length > other) - (length < other);
}

long xpm_param_find(const xpm_config_type *type, const char *name, size_t length)
{
        size_t low = 0, high = type->param_count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = compare_names(name, length, type->params[middle].name);
                if (order == 0)
                        return (long)middle;
                if (order > 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return -1;
}

bool xpm_config_type_is(const xpm_config_type *type, const xpm_config_type *ancestor)
{
        while (type && type != ancestor)
                type = type->parent;
        return type != NULL;
}

xpm_config *xpm_config_create(xpm_arena *arena, const xpm_config_type *type)
{
        xpm_config *config = xpm_arena_alloc(arena, sizeof *config + type->param_count * sizeof *config->values);
        if (config)
                config->type = type;
        return config;
}

xpm_config *xpm_config_copy(xpm_arena *arena, const xpm_config *config)
{
        xpm_config *copy = xpm_config_create(arena, config->type);
        if (copy)
                memcpy(copy->values, config->values, config->type->param_count * sizeof *copy->values);
        return copy;
}
