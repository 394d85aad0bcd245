/* The mapping of a parameter, key by key, and what the keys mean together: a constant has no default, a generated one
 * no value at all, and a path must be in no identifier. What makes no sense is refused here, because a parameter that
 * is read otherwise than it was meant changes the identifier of every job. */
#include "plan/parameter.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "plan/declare.h"
#include "plan/scalar.h"
#include "plan/setting.h"

enum { SHOWN = 60 };

/* The scalars in a type: what bounds, choices and a pattern are about. */
static const xpm_type *leaf(const xpm_type *type)
{
        while (type->item)
                type = type->item;
        return type;
}

static bool holds_path(const xpm_type *type)
{
        return leaf(type)->kind == XPM_PATH;
}

static int read_type(const xpm_converter *converter, const xpm_node *node, const char *name, const xpm_type **out,
                     xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE;
        if (node->kind != XPM_NODE_SCALAR || node->length == 0)
                return xpm_fail_at(err, node->pos,
                                   "'%s': expected the name of a type, in quotes if it has brackets: \"list[int]\"",
                                   name);
        int rc = strlen(node->text) != node->length
                         ? xpm_fail(&inner, XPM_EPLAN, "a type cannot hold a NUL")
                         : xpm_type_parse(converter->arena, converter->types, node->text, out, &inner);
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(err);
        return rc == 0 ? 0 : xpm_fail_at(err, node->pos, "'%s': %s", name, inner.message);
}

static int refuse_together(const xpm_node *node, const char *name, const char *with, const char *const *keys,
                           xpm_error *err)
{
        for (; *keys; keys++) {
                const xpm_pair *pair = xpm_node_find(node, *keys);
                if (pair)
                        return xpm_fail_at(err, pair->key_pos, "'%s': '%s' has no meaning beside '%s'", name, *keys,
                                           with);
        }
        return 0;
}

static int read_flag(const xpm_node *node, const char *key, bool *out, xpm_error *err)
{
        const xpm_node *value = xpm_node_get(node, key);
        return value ? xpm_check_bool(value, key, out, err) : 0;
}

static int read_groups(const xpm_converter *converter, const xpm_node *node, xpm_param *param, xpm_error *err)
{
        const xpm_node *list = xpm_node_get(node, "groups");
        if (!list)
                return 0;
        if (list->kind != XPM_NODE_SEQUENCE)
                return xpm_fail_at(err, list->pos, "'%s': expected a list of groups: [name]", param->name);
        const char **groups = xpm_arena_calloc(converter->arena, list->item_count + 1, sizeof *groups);
        if (!groups)
                return xpm_fail_memory(err);
        int rc = 0;
        for (size_t i = 0; i < list->item_count && rc == 0; i++) {
                rc = xpm_check_text(list->items[i], "groups", err);
                groups[i] = list->items[i]->text;
        }
        param->groups = groups;
        param->group_count = list->item_count;
        return rc;
}

static int read_constant(const xpm_converter *converter, const xpm_node *node, xpm_parameter *out, xpm_error *err)
{
        static const char *const others[] = {"default", "ignore_default", "generated", "partial", "min",
                                             "max",     "choices",        "pattern",   NULL};
        xpm_param *param = &out->param;
        const xpm_node *value = xpm_node_get(node, "constant");
        param->constant = true;
        int rc = refuse_together(node, param->name, "constant", others, err);
        if (rc != 0)
                return rc;
        if (param->type) {
                out->fallback = value;
                return 0;
        }
        if (value->kind != XPM_NODE_SCALAR || xpm_node_is_null(value))
                return xpm_fail_at(err, value->pos, "'%s': a constant that is no number, bool or text needs a 'type'",
                                   param->name);
        rc = xpm_scalar_resolve(converter->arena, value, &param->fallback, err);
        if (rc == 0 && param->fallback.kind == XPM_FLOAT && param->fallback.number != param->fallback.number)
                rc = xpm_fail_at(err, value->pos,
                                 "'%s': a NaN equals nothing, not even itself, so it cannot identify a job",
                                 param->name);
        if (rc == 0)
                param->type = xpm_type_basic(param->fallback.kind);
        return rc;
}

static int read_generated(const xpm_node *node, xpm_param *param, xpm_error *err)
{
        static const char *const others[] = {"default", "ignore_default", "min", "max", "choices", "pattern", NULL};
        const xpm_node *name = xpm_node_get(node, "generated"), *partial = xpm_node_get(node, "partial");
        int rc = refuse_together(node, param->name, "generated", others, err);
        if (rc == 0)
                rc = xpm_check_text(name, "generated", err);
        if (rc == 0 && param->type && (param->type->kind != XPM_PATH || param->type->optional))
                rc = xpm_fail_at(err, xpm_node_get(node, "type")->pos, "'%s': what is generated is a path",
                                 param->name);
        if (rc == 0 && partial)
                rc = xpm_check_text(partial, "partial", err);
        /* In the directory of a partial there are no files of the job to protect. */
        if (rc == 0)
                rc = xpm_check_inside(name->text, name->length, "a generated file", NULL, name->pos, err);
        if (rc != 0)
                return rc;
        param->type = xpm_type_basic(XPM_PATH);
        param->generated = name->text;
        param->partial = partial ? partial->text : NULL;
        return 0;
}

static int read_value(const xpm_node *node, xpm_parameter *out, xpm_error *err)
{
        xpm_param *param = &out->param;
        const xpm_pair *partial = xpm_node_find(node, "partial");
        if (partial)
                return xpm_fail_at(err, partial->key_pos, "'%s': 'partial' goes with 'generated'", param->name);
        if (!param->type)
                return xpm_fail_at(err, node->pos, "'%s' needs a 'type'", param->name);
        out->fallback = xpm_node_get(node, "default");
        if (param->ignore_default && !out->fallback)
                return xpm_fail_at(err, xpm_node_find(node, "ignore_default")->key_pos,
                                   "'%s': 'ignore_default' needs a 'default'", param->name);
        return 0;
}

static int check_path(const xpm_param *param, xpm_pos pos, xpm_error *err)
{
        if (param->generated || param->meta || !holds_path(param->type))
                return 0;
        return xpm_fail_at(err, pos,
                           "'%s' is a path, which is never part of the identifier: add 'meta: true', or use the type "
                           "'file', which is by "
                           "its content",
                           param->name);
}

/* Limits. */

static int read_bound(const xpm_converter *converter, const xpm_node *node, const char *key, const xpm_param *param,
                      xpm_value *out, xpm_error *err)
{
        const xpm_pair *pair = xpm_node_find(node, key);
        if (!pair)
                return 0;
        const xpm_type *type = leaf(param->type);
        if (type->kind != XPM_INT && type->kind != XPM_FLOAT)
                return xpm_fail_at(err, pair->key_pos, "'%s': '%s' goes with an int or a float", param->name, key);
        struct xpm_param bare = {.name = param->name};
        return xpm_convert(converter, pair->value, xpm_type_basic(type->kind), &bare, out, err);
}

static int read_choices(const xpm_converter *converter, const xpm_node *node, xpm_param *param, xpm_error *err)
{
        const xpm_pair *pair = xpm_node_find(node, "choices");
        if (!pair)
                return 0;
        const xpm_type *type = leaf(param->type);
        const xpm_type scalar = {.kind = type->kind, .enumeration = type->enumeration};
        const xpm_type list = {.kind = XPM_LIST, .item = &scalar};
        if (type->kind == XPM_CONFIG || type->kind == XPM_PATH || type->kind == XPM_FILE)
                return xpm_fail_at(err, pair->key_pos, "'%s': 'choices' goes with an int, float, bool, str or enum",
                                   param->name);
        xpm_value value;
        struct xpm_param bare = {.name = param->name};
        int rc = xpm_convert(converter, pair->value, &list, &bare, &value, err);
        if (rc == 0 && value.array->count == 0)
                rc = xpm_fail_at(err, pair->value->pos, "'%s': 'choices' is empty, so no value is allowed",
                                 param->name);
        if (rc == 0)
                param->choices = value.array;
        return rc;
}

static void free_pattern(void *code)
{
        pcre2_code_free(code);
}

static int read_pattern(const xpm_converter *converter, const xpm_node *node, xpm_param *param, xpm_error *err)
{
        const xpm_pair *pair = xpm_node_find(node, "pattern");
        if (!pair)
                return 0;
        if (leaf(param->type)->kind != XPM_STR)
                return xpm_fail_at(err, pair->key_pos, "'%s': 'pattern' goes with a str", param->name);
        int rc = xpm_check_text(pair->value, "pattern", err);
        if (rc != 0)
                return rc;
        int code;
        PCRE2_SIZE offset;
        const xpm_node *text = pair->value;
        pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)text->text, text->length,
                                             PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED, &code, &offset, NULL);
        if (!compiled && code == PCRE2_ERROR_HEAP_FAILED)
                return xpm_fail_memory(err);
        if (!compiled) {
                PCRE2_UCHAR message[128];
                pcre2_get_error_message(code, message, sizeof message);
                return xpm_fail_at(err, text->pos, "'%s': '%.*s' is no regular expression: %s, at character %zu",
                                   param->name, SHOWN, text->text, (const char *)message, (size_t)offset + 1);
        }
        if (xpm_arena_defer(converter->arena, free_pattern, compiled) != 0) {
                pcre2_code_free(compiled);
                return xpm_fail_memory(err);
        }
        param->pattern = text->text;
        param->pattern_code = compiled;
        return 0;
}

static int read_limits(const xpm_converter *converter, const xpm_node *node, xpm_param *param, xpm_error *err)
{
        int rc = read_bound(converter, node, "min", param, &param->min, err);
        if (rc == 0)
                rc = read_bound(converter, node, "max", param, &param->max, err);
        if (rc == 0 && param->min.kind != XPM_UNSET && param->max.kind != XPM_UNSET) {
                double min = param->min.kind == XPM_INT ? (double)param->min.integer : param->min.number;
                double max = param->max.kind == XPM_INT ? (double)param->max.integer : param->max.number;
                if (min > max)
                        rc = xpm_fail_at(err, xpm_node_find(node, "max")->key_pos,
                                         "'%s': its minimum is more than its maximum", param->name);
        }
        if (rc == 0)
                rc = read_choices(converter, node, param, err);
        if (rc == 0)
                rc = read_pattern(converter, node, param, err);
        return rc;
}

/* The whole. */

static int read_mapping(const xpm_converter *converter, const xpm_node *node, xpm_parameter *out, xpm_error *err)
{
        static const char *const keys[] = {"type",      "default", "ignore_default", "meta", "constant",
                                           "generated", "partial", "groups",         "min",  "max",
                                           "choices",   "pattern", "help",           NULL};
        xpm_param *param = &out->param;
        const xpm_node *type = xpm_node_get(node, "type"), *help = xpm_node_get(node, "help");
        int rc = xpm_check_keys(node, "a parameter", keys, err);
        if (rc == 0 && type)
                rc = read_type(converter, type, param->name, &param->type, err);
        if (rc == 0)
                rc = read_flag(node, "meta", &param->meta, err);
        if (rc == 0)
                rc = read_flag(node, "ignore_default", &param->ignore_default, err);
        if (rc == 0)
                rc = read_groups(converter, node, param, err);
        if (rc == 0 && help)
                rc = xpm_check_text(help, "help", err);
        if (rc != 0)
                return rc;
        param->help = help ? help->text : NULL;
        if (xpm_node_get(node, "constant"))
                return read_constant(converter, node, out, err);
        if (xpm_node_get(node, "generated"))
                return read_generated(node, param, err);
        rc = read_value(node, out, err);
        return rc == 0 ? read_limits(converter, node, param, err) : rc;
}

int xpm_parameter_read(const xpm_converter *converter, const xpm_pair *pair, const char *type, xpm_parameter *out,
                       xpm_error *err)
{
        const xpm_node *node = pair->value;
        *out = (xpm_parameter){.param = {.name = pair->key}, .pos = pair->key_pos};
        int rc = xpm_check_name(pair->key, pair->key_pos, false, "a parameter", err);
        if (rc == 0 && strcmp(pair->key, "type") == 0)
                rc = xpm_fail_at(err, pair->key_pos,
                                 "no parameter can be called 'type': it names the type of a nested config");
        if (rc != 0)
                return rc;
        if (xpm_node_is_null(node))
                return xpm_fail_at(err, node->pos, "'%s' of '%s' needs a type", pair->key, type);
        rc = node->kind == XPM_NODE_MAPPING ? read_mapping(converter, node, out, err)
                                            : read_type(converter, node, pair->key, &out->param.type, err);
        return rc == 0 ? check_path(&out->param, node->pos, err) : rc;
}

/* Inherited parameters. */

static bool is_narrower(const xpm_type *type, const xpm_type *than)
{
        if (type->kind != than->kind || type->optional != than->optional || type->enumeration != than->enumeration)
                return false;
        if (type->key && !is_narrower(type->key, than->key))
                return false;
        if (type->item && !is_narrower(type->item, than->item))
                return false;
        return type->kind != XPM_CONFIG || xpm_config_type_is(type->config, than->config);
}

static int narrow(const xpm_converter *converter, const xpm_node *node, const char *type, xpm_param *param,
                  xpm_error *err)
{
        const xpm_type *narrower;
        int rc = read_type(converter, node, param->name, &narrower, err);
        if (rc != 0)
                return rc;
        if (!is_narrower(narrower, param->type)) {
                xpm_text inherited = XPM_TEXT_INIT;
                xpm_type_print(param->type, &inherited);
                rc = xpm_fail_at(
                        err, node->pos,
                        "'%s' is inherited by '%s' as %s: it can only become a config type that extends that one",
                        param->name, type, xpm_text_string(&inherited));
                xpm_text_release(&inherited);
                return rc;
        }
        param->type = narrower;
        return 0;
}

int xpm_parameter_redeclare(const xpm_converter *converter, const xpm_pair *pair, const char *type,
                            xpm_parameter *parameter, xpm_error *err)
{
        const xpm_node *node = pair->value, *wanted = node;
        xpm_param *param = &parameter->param;
        if (param->constant || param->generated)
                return xpm_fail_at(err, pair->key_pos, "'%s' is inherited by '%s' and %s: it cannot be declared again",
                                   param->name, type, param->constant ? "constant" : "generated");
        parameter->pos = pair->key_pos;
        if (node->kind == XPM_NODE_MAPPING) {
                for (size_t i = 0; i < node->pair_count; i++) {
                        const char *key = node->pairs[i].key;
                        if (strcmp(key, "type") != 0 && strcmp(key, "default") != 0 && strcmp(key, "help") != 0)
                                return xpm_fail_at(err, node->pairs[i].key_pos,
                                                   "'%s' is inherited by '%s', which can give it another 'default' or "
                                                   "a narrower 'type', but no "
                                                   "'%s'",
                                                   param->name, type, key);
                }
                const xpm_node *help = xpm_node_get(node, "help"), *fallback = xpm_node_get(node, "default");
                int rc = help ? xpm_check_text(help, "help", err) : 0;
                if (rc != 0)
                        return rc;
                if (help)
                        param->help = help->text;
                if (fallback) {
                        parameter->fallback = fallback;
                        param->fallback = (xpm_value){0};
                }
                wanted = xpm_node_get(node, "type");
        }
        return wanted ? narrow(converter, wanted, type, param, err) : 0;
}
