/* From nodes to typed values: the wanted type decides what a scalar means.
 *
 * Nothing is guessed: what does not read as the wanted type is an error that says what to write instead, because the
 * value goes into an identifier, and a silent conversion would make another job of it. Every error has the position of
 * the node that is wrong and the name of the parameter that wants it. */
#include "plan/convert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "base/words.h"
#include "plan/content.h"

enum { SHOWN = 60, NAMES = 12 };

struct site { /* what a conversion is for */
        const xpm_converter *converter;
        const xpm_param *param; /* or NULL */
        xpm_error *err;
};

static int convert(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out);

/* Errors. */

static void describe(const xpm_node *node, xpm_text *text)
{
        if (node->kind == XPM_NODE_MAPPING)
                xpm_text_puts(text, "a mapping");
        else if (node->kind == XPM_NODE_SEQUENCE)
                xpm_text_puts(text, "a list");
        else if (node->length == 0 && !node->quoted)
                xpm_text_puts(text, "nothing");
        else
                xpm_text_printf(text, "%s'%.*s'%s", node->quoted ? "the text " : "", SHOWN, node->text,
                                node->length > SHOWN ? " (shortened)" : "");
}

/* REMEDY is appended after a colon; "" for none. */
static int refuse(const struct site *site, const xpm_node *node, const xpm_type *type, const char *remedy)
{
        xpm_text wanted = XPM_TEXT_INIT, found = XPM_TEXT_INIT;
        const char *slip = xpm_node_slip(node);
        char meant[SHOWN];
        if (slip && *remedy == '\0') {
                snprintf(meant, sizeof meant, "did you mean '%s'?", slip);
                remedy = meant;
        }
        xpm_type_print(type, &wanted);
        describe(node, &found);
        const char *name = site->param ? site->param->name : "";
        int rc = xpm_fail_at(site->err, node->pos, "%s%s%sexpected %s, found %s%s%s", *name ? "'" : "", name,
                             *name ? "': " : "", xpm_text_string(&wanted), xpm_text_string(&found), *remedy ? ": " : "",
                             remedy);
        xpm_text_release(&wanted);
        xpm_text_release(&found);
        return rc;
}

static int refuse_write(const struct site *site, const xpm_node *node, const xpm_type *type, const char *spelling)
{
        xpm_text remedy = XPM_TEXT_INIT;
        xpm_text_printf(&remedy, "write %s", spelling);
        int rc = refuse(site, node, type, xpm_text_string(&remedy));
        xpm_text_release(&remedy);
        return rc;
}

/* Scalars. */

static bool is_one_of(const xpm_node *node, const char *const *words)
{
        for (; *words; words++)
                if (strlen(*words) == node->length && memcmp(node->text, *words, node->length) == 0)
                        return true;
        return false;
}

static int convert_bool(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        static const char *const yes[] = {"True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "1", "y", "Y", NULL};
        static const char *const no[] = {"False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "0", "n", "N", NULL};
        static const char *const words[] = {"true", "false", NULL};
        bool right = is_one_of(node, words);
        if (right && !node->quoted) {
                *out = (xpm_value){.kind = XPM_BOOL, .boolean = node->length == 4};
                return 0;
        }
        if (right)
                return refuse(site, node, type, "remove the quotes");
        if (is_one_of(node, yes))
                return refuse_write(site, node, type, "true");
        if (is_one_of(node, no))
                return refuse_write(site, node, type, "false");
        return refuse(site, node, type, "write true or false");
}

/* A float spelling of a whole number, or 1_000 and 1,000: the int that was meant. */
static bool guess_int(const xpm_node *node, int64_t *value)
{
        double number;
        if (xpm_float_parse(node->text, node->length, &number, NULL)) {
                if (!(number >= -0x1p53 && number <= 0x1p53) || number != (double)(int64_t)number)
                        return false;
                *value = (int64_t)number;
                return true;
        }
        char digits[32];
        size_t length = 0;
        for (size_t i = 0; i < node->length; i++) {
                if (node->text[i] == '_' || node->text[i] == ',' || node->text[i] == '\'')
                        continue;
                if (length == sizeof digits)
                        return false;
                digits[length++] = node->text[i];
        }
        return xpm_int_parse(digits, length, value, NULL);
}

static int convert_int(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        int64_t value;
        bool overflow = false;
        bool right = xpm_int_parse(node->text, node->length, &value, &overflow);
        if (right && !node->quoted) {
                *out = (xpm_value){.kind = XPM_INT, .integer = value};
                return 0;
        }
        if (right)
                return refuse(site, node, type, "remove the quotes");
        if (overflow)
                return refuse(site, node, type, "an int has 64 bits, from -9223372036854775808 to 9223372036854775807");
        if (!node->quoted && guess_int(node, &value)) {
                char spelling[32];
                snprintf(spelling, sizeof spelling, "%" PRId64, value);
                return refuse_write(site, node, type, spelling);
        }
        return refuse(site, node, type, "");
}

static int convert_float(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        static const char *const infinite[] = {"inf", "Inf", "INF", "+inf", "infinity", "Infinity", NULL};
        static const char *const negative[] = {"-inf", "-Inf", "-INF", "-infinity", "-Infinity", NULL};
        static const char *const nan[] = {"nan", "NaN", "NAN", ".nan", ".NaN", ".NAN", NULL};
        double number;
        int64_t integer;
        bool overflow = false;
        bool right = xpm_float_parse(node->text, node->length, &number, &overflow);
        if (is_one_of(node, nan) || (right && number != number))
                return refuse(site, node, type, "a NaN equals nothing, not even itself, so it cannot identify a job");
        if (right && !node->quoted) {
                *out = (xpm_value){.kind = XPM_FLOAT, .number = number};
                return 0;
        }
        if (right)
                return refuse(site, node, type, "remove the quotes");
        if (overflow)
                return refuse(site, node, type, "it does not fit a double; infinity is .inf");
        if (is_one_of(node, infinite))
                return refuse_write(site, node, type, ".inf");
        if (is_one_of(node, negative))
                return refuse_write(site, node, type, "-.inf");
        if (xpm_int_parse(node->text, node->length, &integer, NULL)) {
                char spelling[XPM_FLOAT_SIZE];
                xpm_float_format(spelling, (double)integer);
                return refuse_write(site, node, type, spelling);
        }
        return refuse(site, node, type, "");
}

static int convert_string(const struct site *site, const xpm_node *node, xpm_value *out)
{
        const xpm_string *string = xpm_string_create(site->converter->arena, node->text, node->length);
        if (!string)
                return xpm_fail_memory(site->err);
        *out = (xpm_value){.kind = XPM_STR, .string = string};
        return 0;
}

static int make_path(const struct site *site, const xpm_node *node, const xpm_type *type, const xpm_string **out)
{
        const char *dir = node->pos.source ? node->pos.source->dir : NULL;
        if (node->length == 0)
                return refuse(site, node, type, "a path cannot be empty");
        if (memchr(node->text, '\0', node->length))
                return refuse(site, node, type, "a path cannot hold a NUL");
        if (node->text[0] == '~' && (node->text[1] == '/' || node->text[1] == '\0'))
                return refuse(site, node, type, "'~' is not expanded here: write ${oc.env:HOME}");
        if (!dir && node->text[0] != '/')
                return refuse(site, node, type, "only an absolute path has a meaning here");
        char *path = xpm_path_join(dir ? dir : "/", node->text);
        *out = path ? xpm_string_create(site->converter->arena, path, strlen(path)) : NULL;
        free(path);
        return *out ? 0 : xpm_fail_memory(site->err);
}

static int convert_file(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        xpm_error inner = XPM_ERROR_NONE;
        xpm_file *file = xpm_arena_alloc(site->converter->arena, sizeof *file);
        int rc = file ? make_path(site, node, type, &file->path) : xpm_fail_memory(site->err);
        if (rc != 0)
                return rc;
        *out = (xpm_value){.kind = XPM_FILE, .file = file};
        if (site->converter->fallback)
                return 0; /* a default: hashed when it is used */
        rc = xpm_content_hash(site->converter, file, &inner);
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(site->err);
        if (rc != 0)
                rc = xpm_fail_at(site->err, node->pos, "%s%s%s%s", site->param ? "'" : "",
                                 site->param ? site->param->name : "", site->param ? "': " : "", inner.message);
        return rc;
}

static int convert_enum(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        const xpm_enum_type *enumeration = type->enumeration;
        for (size_t i = 0; i < enumeration->count; i++) {
                const char *name = enumeration->members[i].name;
                if (strlen(name) == node->length && memcmp(name, node->text, node->length) == 0) {
                        *out = (xpm_value){.kind = XPM_ENUM, .member = &enumeration->members[i]};
                        return 0;
                }
        }
        const char **names = xpm_arena_calloc(site->converter->arena, enumeration->count, sizeof *names);
        if (!names)
                return xpm_fail_memory(site->err);
        for (size_t i = 0; i < enumeration->count; i++)
                names[i] = enumeration->members[i].name;
        const char *near = xpm_words_nearest(node->text, names, enumeration->count);
        xpm_text remedy = XPM_TEXT_INIT;
        if (near)
                xpm_text_printf(&remedy, "did you mean '%s'?", near);
        else {
                xpm_text_puts(&remedy, "its members are ");
                for (size_t i = 0; i < enumeration->count && i < NAMES; i++)
                        xpm_text_printf(&remedy, "%s%s", i ? ", " : "", names[i]);
                if (enumeration->count > NAMES)
                        xpm_text_puts(&remedy, ", …");
        }
        int rc = refuse(site, node, type, xpm_text_string(&remedy));
        xpm_text_release(&remedy);
        return rc;
}

static int convert_scalar(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        if (node->kind != XPM_NODE_SCALAR)
                return refuse(site, node, type, "");
        int rc = 0;
        switch (type->kind) {
        case XPM_BOOL: rc = convert_bool(site, node, type, out); break;
        case XPM_INT: rc = convert_int(site, node, type, out); break;
        case XPM_FLOAT: rc = convert_float(site, node, type, out); break;
        case XPM_FILE: rc = convert_file(site, node, type, out); break;
        case XPM_ENUM: rc = convert_enum(site, node, type, out); break;
        case XPM_PATH:
                out->kind = XPM_PATH;
                rc = make_path(site, node, type, &out->string);
                break;
        default: rc = convert_string(site, node, out);
        }
        if (rc == 0 && site->param)
                rc = xpm_check_value(site->converter, site->param, out, node->pos, site->err);
        return rc;
}

/* Containers. */

static int convert_array(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        if (node->kind != XPM_NODE_SEQUENCE) {
                if (xpm_node_is_range(node))
                        return refuse(site, node, type, "a range stands in a sweep");
                return refuse(site, node, type, node->kind == XPM_NODE_SCALAR ? "write the items in [ ]" : "");
        }
        xpm_array *array =
                xpm_arena_alloc(site->converter->arena, sizeof *array + node->item_count * sizeof *array->items);
        if (!array)
                return xpm_fail_memory(site->err);
        int rc = 0;
        for (; array->count < node->item_count && rc == 0; array->count++)
                rc = convert(site, node->items[array->count], type->item, &array->items[array->count]);
        if (rc == 0 && type->kind == XPM_SET)
                rc = xpm_array_unique(array, site->err);
        *out = (xpm_value){.kind = type->kind, .array = array};
        return rc;
}

static int refuse_double_key(const struct site *site, const xpm_node *node, const xpm_dict *dict)
{
        for (size_t i = 1; i < dict->count; i++)
                for (size_t j = 0; j < i; j++)
                        if (xpm_value_equal(&dict->items[i].key, &dict->items[j].key))
                                return xpm_fail_at(site->err, node->pairs[i].key_pos,
                                                   "the keys '%.*s' and '%.*s' are equal", SHOWN, node->pairs[j].key,
                                                   SHOWN, node->pairs[i].key);
        return 0;
}

static int check_keys_differ(const struct site *site, const xpm_node *node, const xpm_dict *dict)
{
        xpm_array *keys = malloc(sizeof *keys + (dict->count + 1) * sizeof *keys->items);
        if (!keys)
                return xpm_fail_memory(site->err);
        keys->count = dict->count;
        for (size_t i = 0; i < dict->count; i++)
                keys->items[i] = dict->items[i].key;
        int rc = xpm_array_unique(keys, site->err);
        if (rc == 0 && keys->count < dict->count)
                rc = refuse_double_key(site, node, dict);
        free(keys);
        return rc;
}

static int convert_dict(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        if (node->kind != XPM_NODE_MAPPING)
                return refuse(site, node, type, "");
        xpm_arena *arena = site->converter->arena;
        struct site key_site = {.converter = site->converter, .err = site->err};
        xpm_dict *dict = xpm_arena_alloc(arena, sizeof *dict + node->pair_count * sizeof *dict->items);
        if (!dict)
                return xpm_fail_memory(site->err);
        int rc = 0;
        for (; dict->count < node->pair_count && rc == 0; dict->count++) {
                const xpm_pair *pair = &node->pairs[dict->count];
                xpm_node key = {
                        .kind = XPM_NODE_SCALAR, .pos = pair->key_pos, .text = pair->key, .length = pair->key_length};
                rc = convert_scalar(&key_site, &key, type->key, &dict->items[dict->count].key);
                if (rc == 0)
                        rc = convert(site, pair->value, type->item, &dict->items[dict->count].value);
        }
        if (rc == 0 && type->key->kind != XPM_STR)
                rc = check_keys_differ(site, node, dict);
        *out = (xpm_value){.kind = XPM_DICT, .dict = dict};
        return rc;
}

/* Any value. */

static int convert_null(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        if (type->optional) {
                *out = (xpm_value){.kind = XPM_NULL};
                return 0;
        }
        switch (type->kind) {
        case XPM_STR:
                if (node->length > 0)
                        return convert_scalar(site, node, type, out);
                return refuse(site, node, type, "an empty text is written \"\"");
        case XPM_LIST:
        case XPM_SET: return refuse(site, node, type, "none is written []");
        case XPM_DICT: return refuse(site, node, type, "an empty one is written {}");
        case XPM_CONFIG: return refuse(site, node, type, "one with its defaults is written {}");
        default: return refuse(site, node, type, "null may stand where the type ends in '?'");
        }
}

/* `Null` and `NULL` are words like others where the type is known: only the core schema takes them for null. */
static bool means_null(const xpm_node *node)
{
        return xpm_node_is_null(node) && (node->length == 0 || node->text[0] != 'N');
}

static int convert_reference(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        const xpm_converter *converter = site->converter;
        if (!converter->reference)
                return refuse(site, node, type, "a reference to a step stands in a step's 'params' only");
        return converter->reference(converter->reference_data, node, type, out, site->err);
}

static int convert(const struct site *site, const xpm_node *node, const xpm_type *type, xpm_value *out)
{
        if (means_null(node))
                return convert_null(site, node, type, out);
        if (type->kind == XPM_DICT)
                return convert_dict(site, node, type, out);
        if (xpm_node_is_reference(node))
                return convert_reference(site, node, type, out);
        if (type->kind == XPM_LIST || type->kind == XPM_SET)
                return convert_array(site, node, type, out);
        if (type->kind != XPM_CONFIG)
                return convert_scalar(site, node, type, out);
        if (node->kind != XPM_NODE_MAPPING)
                return refuse(site, node, type, "write a mapping of its parameters");
        out->kind = XPM_CONFIG;
        return xpm_convert_config(site->converter, node, node->pos, type->config, &out->config, site->err);
}

int xpm_convert(const xpm_converter *converter, const xpm_node *node, const xpm_type *type, const xpm_param *param,
                xpm_value *out, xpm_error *err)
{
        struct site site = {.converter = converter, .param = param, .err = err};
        xpm_value value = {0};
        int rc = convert(&site, node, type, &value);
        if (rc == 0)
                *out = value;
        return rc;
}

/* Configs. */

/* The type that NODE names, or TYPE. */
static int choose_type(const struct site *site, const xpm_node *node, const xpm_config_type *type,
                       const xpm_config_type **out)
{
        const xpm_types *types = site->converter->types;
        const xpm_node *name = xpm_node_get(node, "type");
        *out = type;
        if (!name)
                return 0;
        if (name->kind != XPM_NODE_SCALAR)
                return xpm_fail_at(site->err, name->pos, "'type' is the name of a config type: expected a text");
        const xpm_config_type *named = xpm_map_get_n(&types->configs, name->text, name->length);
        if (named && xpm_config_type_is(named, type)) {
                *out = named;
                return 0;
        }
        const char **names = xpm_arena_calloc(site->converter->arena, types->configs.count + 1, sizeof *names);
        if (!names)
                return xpm_fail_memory(site->err);
        size_t count = 0;
        xpm_text list = XPM_TEXT_INIT;
        for (size_t i = 0; i < types->configs.count; i++)
                if (xpm_config_type_is(types->configs.entries[i].value, type)) {
                        if (count < NAMES)
                                xpm_text_printf(&list, "%s'%s'", count ? ", " : "", types->configs.entries[i].key);
                        names[count++] = types->configs.entries[i].key;
                }
        const char *near = named ? NULL : xpm_words_nearest(name->text, names, count);
        int rc = near ? xpm_fail_at(site->err, name->pos, "unknown type '%.*s': did you mean '%s'?", SHOWN, name->text,
                                    near)
                 : named ? xpm_fail_at(site->err, name->pos, "'%s' is no '%s' and does not extend it: expected %s",
                                       named->name, type->name, xpm_text_string(&list))
                         : xpm_fail_at(site->err, name->pos, "unknown type '%.*s': expected %s", SHOWN, name->text,
                                       xpm_text_string(&list));
        xpm_text_release(&list);
        return rc;
}

static int refuse_param(const struct site *site, const xpm_pair *pair, const xpm_config_type *type)
{
        const char **names = xpm_arena_calloc(site->converter->arena, type->param_count + 1, sizeof *names);
        if (!names)
                return xpm_fail_memory(site->err);
        xpm_text list = XPM_TEXT_INIT;
        size_t count = 0;
        for (size_t i = 0; i < type->param_count; i++) {
                const xpm_param *param = &type->params[type->declared[i]];
                if (param->constant || param->generated)
                        continue;
                if (count < NAMES)
                        xpm_text_printf(&list, "%s'%s'", count ? ", " : "", param->name);
                names[count++] = param->name;
        }
        const char *near = xpm_words_nearest(pair->key, names, count);
        const char *slip = xpm_key_slip(pair->key);
        int rc;
        if (near)
                rc = xpm_fail_at(site->err, pair->key_pos, "'%s' has no parameter '%.*s': did you mean '%s'?",
                                 type->name, SHOWN, pair->key, near);
        else if (count == 0)
                rc = xpm_fail_at(site->err, pair->key_pos, "'%s' has no parameter '%.*s': none can be set", type->name,
                                 SHOWN, pair->key);
        else
                rc = xpm_fail_at(site->err, pair->key_pos, "'%s' has no parameter '%.*s': it has %s%s%s%s%s",
                                 type->name, SHOWN, pair->key, xpm_text_string(&list), count > NAMES ? ", …" : "",
                                 slip ? "; or did you mean '" : "", slip ? slip : "", slip ? "'?" : "");
        xpm_text_release(&list);
        return rc;
}

static int set_param(const struct site *site, const xpm_pair *pair, xpm_config *config)
{
        const xpm_config_type *type = config->type;
        long index = xpm_param_find(type, pair->key, pair->key_length);
        if (index < 0)
                return refuse_param(site, pair, type);
        const xpm_param *param = &type->params[index];
        if (param->constant)
                return xpm_fail_at(site->err, pair->key_pos, "'%s' is a constant of '%s' and cannot be set",
                                   param->name, type->name);
        if (param->generated)
                return xpm_fail_at(site->err, pair->key_pos, "'%s' of '%s' is generated: it cannot be set", param->name,
                                   type->name);
        return xpm_convert(site->converter, pair->value, param->type, param, &config->values[index], site->err);
}

/* Where a sweep may set another value, a file that cannot be read is left for the identifier to refuse. */
static int hash_default(const struct site *site, const xpm_config_type *type, const xpm_param *param, xpm_pos pos)
{
        xpm_error inner = XPM_ERROR_NONE;
        int rc = xpm_content_hash_all(site->converter, &param->fallback, &inner);
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(site->err);
        if (rc == 0 || site->converter->allow_missing)
                return 0;
        return xpm_fail_at(site->err, pos, "the default of '%s' of '%s': %s", param->name, type->name, inner.message);
}

/* What NODE does not give. *MISSING counts what nothing gives. */
static int set_default(const struct site *site, xpm_config *config, size_t index, xpm_pos pos, size_t *missing)
{
        const xpm_converter *converter = site->converter;
        const xpm_param *param = &config->type->params[index];
        xpm_value *value = &config->values[index];
        if (converter->fallback) {
                int rc = converter->fallback(converter->fallback_data, config->type, index, site->err);
                if (rc != 0)
                        return rc;
        } else {
                int rc = hash_default(site, config->type, param, pos);
                if (rc != 0)
                        return rc;
        }
        if (param->fallback.kind != XPM_UNSET) {
                *value = param->fallback;
                return xpm_value_renew(converter->arena, value, site->err);
        }
        if (param->generated || param->type->optional)
                value->kind = XPM_NULL;
        else
                ++*missing;
        return 0;
}

static int refuse_missing(const struct site *site, const xpm_config *config, xpm_pos pos, size_t missing)
{
        const xpm_config_type *type = config->type;
        xpm_text list = XPM_TEXT_INIT;
        size_t listed = 0;
        for (size_t i = 0; i < type->param_count && listed < NAMES; i++) {
                size_t index = type->declared[i];
                if (config->values[index].kind != XPM_UNSET)
                        continue;
                xpm_text_printf(&list, "%s'%s' (", listed++ ? ", " : "", type->params[index].name);
                xpm_type_print(type->params[index].type, &list);
                xpm_text_putc(&list, ')');
        }
        int rc = xpm_fail_at(site->err, pos, "'%s' lacks %s%s", type->name, xpm_text_string(&list),
                             missing > listed ? ", …" : "");
        xpm_text_release(&list);
        return rc;
}

int xpm_convert_config(const xpm_converter *converter, const xpm_node *node, xpm_pos pos, const xpm_config_type *type,
                       xpm_config **out, xpm_error *err)
{
        struct site site = {.converter = converter, .err = err};
        if (node)
                pos = node->pos;
        if (node && node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, pos, "expected %s: write a mapping of its parameters", type->name);
        int rc = choose_type(&site, node, type, &type);
        if (rc != 0)
                return rc;
        xpm_config *config = xpm_config_create(converter->arena, type);
        if (!config)
                return xpm_fail_memory(err);
        for (size_t i = 0; node && i < node->pair_count && rc == 0; i++)
                if (node->pairs[i].key_length != strlen("type") || strcmp(node->pairs[i].key, "type") != 0)
                        rc = set_param(&site, &node->pairs[i], config);
        size_t missing = 0;
        for (size_t i = 0; i < type->param_count && rc == 0; i++)
                if (config->values[i].kind == XPM_UNSET)
                        rc = set_default(&site, config, i, pos, &missing);
        if (rc == 0 && missing > 0 && !converter->allow_missing)
                rc = refuse_missing(&site, config, pos, missing);
        if (rc == 0)
                *out = config;
        return rc;
}
