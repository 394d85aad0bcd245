/* What two values have in common, and how one is shown.
 *
 * Equality is that of the reference implementation, by value: an int equals a float of the same number exactly (not
 * after rounding), sets and dicts have no order, a file is its content. Hashes follow equality, so they see a
 * config's parameters as long as these cannot differ between configs that are equal: two jobs with one identifier may
 * differ in what is meta. */
#include "model/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/sha256.h"
#include "model/identifier.h"
#include "model/type.h"

enum { HASH_DEPTH = 3 };

xpm_string *xpm_string_create(xpm_arena *arena, const char *data, size_t length)
{
        xpm_string *string = xpm_arena_alloc(arena, sizeof *string + length + 1);
        if (!string)
                return NULL;
        string->length = length;
        if (length > 0)
                memcpy(string->data, data, length);
        return string;
}

bool xpm_string_equal(const xpm_string *a, const xpm_string *b)
{
        return a == b || (a->length == b->length && memcmp(a->data, b->data, a->length) == 0);
}

/* Equality. */

static bool is_number(const xpm_value *value)
{
        return value->kind == XPM_BOOL || value->kind == XPM_INT || value->kind == XPM_FLOAT;
}

static int64_t as_integer(const xpm_value *value)
{
        return value->kind == XPM_BOOL ? value->boolean : value->integer;
}

static bool integer_equals(int64_t integer, double number)
{
        return number >= -0x1p63 && number < 0x1p63 && number == trunc(number) && (int64_t)number == integer;
}

static bool numbers_equal(const xpm_value *a, const xpm_value *b)
{
        if (a->kind == XPM_FLOAT && b->kind == XPM_FLOAT)
                return a->number == b->number;
        if (a->kind == XPM_FLOAT)
                return integer_equals(as_integer(b), a->number);
        if (b->kind == XPM_FLOAT)
                return integer_equals(as_integer(a), b->number);
        return as_integer(a) == as_integer(b);
}

static bool lists_equal(const xpm_array *a, const xpm_array *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (!xpm_value_equal(&a->items[i], &b->items[i]))
                        return false;
        return true;
}

static bool contains(const xpm_array *set, const xpm_value *value)
{
        for (size_t i = 0; i < set->count; i++)
                if (xpm_value_equal(&set->items[i], value))
                        return true;
        return false;
}

static bool sets_equal(const xpm_array *a, const xpm_array *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (!contains(b, &a->items[i]))
                        return false;
        return true;
}

static const xpm_value *lookup(const xpm_dict *dict, const xpm_value *key)
{
        for (size_t i = 0; i < dict->count; i++)
                if (xpm_value_equal(&dict->items[i].key, key))
                        return &dict->items[i].value;
        return NULL;
}

static bool dicts_equal(const xpm_dict *a, const xpm_dict *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++) {
                const xpm_value *other = lookup(b, &a->items[i].key);
                if (!other || !xpm_value_equal(&a->items[i].value, other))
                        return false;
        }
        return true;
}

static bool configs_equal(const xpm_config *a, const xpm_config *b)
{
        if (a == b)
                return true;
        if (a->type != b->type)
                return false;
        if (a->job && b->job && a->has_id && b->has_id)
                return memcmp(a->id, b->id, sizeof a->id) == 0;
        for (size_t i = 0; i < a->type->param_count; i++)
                if (!xpm_value_equal(&a->values[i], &b->values[i]))
                        return false;
        return true;
}

/* By content where it is known. */
static bool files_equal(const xpm_file *a, const xpm_file *b)
{
        if (!*a->hash || !*b->hash)
                return *a->hash == *b->hash && xpm_string_equal(a->path, b->path);
        return strcmp(a->hash, b->hash) == 0;
}

bool xpm_value_equal(const xpm_value *a, const xpm_value *b)
{
        if (is_number(a) && is_number(b))
                return numbers_equal(a, b);
        if (a->kind != b->kind)
                return false;
        switch (a->kind) {
        case XPM_STR:
        case XPM_PATH: return xpm_string_equal(a->string, b->string);
        case XPM_FILE: return files_equal(a->file, b->file);
        case XPM_ENUM: return a->member == b->member;
        case XPM_LIST: return a->array == b->array || lists_equal(a->array, b->array);
        case XPM_SET: return a->array == b->array || sets_equal(a->array, b->array);
        case XPM_DICT: return a->dict == b->dict || dicts_equal(a->dict, b->dict);
        case XPM_CONFIG: return configs_equal(a->config, b->config);
        case XPM_HOLE: return a->hole == b->hole;
        default: return true; /* UNSET, NULL */
        }
}

/* Hashes. */

static uint64_t mix(uint64_t hash, uint64_t more)
{
        hash = (hash ^ more) * 0x9e3779b97f4a7c15u;
        return hash ^ (hash >> 29);
}

static uint64_t hash(const xpm_value *value, int depth);

static uint64_t hash_number(double number)
{
        uint64_t bits;
        number += 0.0; /* one zero */
        memcpy(&bits, &number, sizeof bits);
        return mix(XPM_FLOAT, bits);
}

static uint64_t hash_array(const xpm_value *value, int depth)
{
        uint64_t sum = value->kind;
        for (size_t i = 0; i < value->array->count; i++) {
                uint64_t item = hash(&value->array->items[i], depth);
                sum = value->kind == XPM_SET ? sum + item : mix(sum, item);
        }
        return sum;
}

static uint64_t hash_dict(const xpm_dict *dict, int depth)
{
        uint64_t sum = XPM_DICT;
        for (size_t i = 0; i < dict->count; i++)
                sum += mix(hash(&dict->items[i].key, depth), hash(&dict->items[i].value, depth));
        return sum;
}

static uint64_t hash_config(const xpm_config *config, int depth)
{
        uint64_t sum = xpm_hash_bytes(config->type->lower, strlen(config->type->lower));
        if (depth == 0)
                return sum;
        for (size_t i = 0; i < config->type->param_count; i++)
                if (!config->type->params[i].meta)
                        sum = mix(sum, hash(&config->values[i], depth - 1));
        return sum;
}

static uint64_t hash(const xpm_value *value, int depth)
{
        switch (value->kind) {
        case XPM_BOOL:
        case XPM_INT: return hash_number((double)as_integer(value));
        case XPM_FLOAT: return hash_number(value->number);
        case XPM_STR:
        case XPM_PATH: return mix(value->kind, xpm_hash_bytes(value->string->data, value->string->length));
        case XPM_FILE: return mix(value->kind, xpm_hash_bytes(value->file->hash, strlen(value->file->hash)));
        case XPM_ENUM: return mix(value->kind, (uintptr_t)value->member);
        case XPM_LIST:
        case XPM_SET: return hash_array(value, depth);
        case XPM_DICT: return hash_dict(value->dict, depth);
        case XPM_CONFIG: return hash_config(value->config, depth);
        case XPM_HOLE: return mix(value->kind, value->hole);
        default: return mix(value->kind, 0);
        }
}

uint64_t xpm_value_hash(const xpm_value *value)
{
        return hash(value, HASH_DEPTH);
}

/* JSON. */

struct shower {
        xpm_text *text;
        const char *workspace; /* "" when there is none, else with a slash at the end */
        const char *slash;
        const xpm_config *job; /* the nearest one around: generated parameters are in its directory */
};

static void show(const struct shower *shower, const xpm_value *value);

static void show_path_of(const struct shower *shower, const char *folder, const xpm_config *config, const char *between,
                         const uint8_t *id, const char *name)
{
        char hex[XPM_SHA256_HEX];
        xpm_text path = XPM_TEXT_INIT;
        xpm_hex(id, sizeof config->id, hex);
        xpm_text_printf(&path, "%s%s%s/%s/%s%s%s%s%s", shower->workspace, shower->slash, folder, config->type->lower,
                        between, *between ? "/" : "", hex, *name ? "/" : "", name);
        if (path.failed)
                shower->text->failed = true;
        else
                xpm_json_string(shower->text, path.data, path.length);
        xpm_text_release(&path);
}

static void show_job(const struct shower *shower, const xpm_config *job)
{
        char hex[XPM_SHA256_HEX];
        xpm_hex(job->id, sizeof job->id, hex);
        xpm_json_key(shower->text, "job");
        xpm_text_putc(shower->text, '{');
        xpm_json_key(shower->text, "id");
        xpm_json_cstring(shower->text, hex);
        xpm_json_key(shower->text, "path");
        show_path_of(shower, "jobs", job, "", job->id, "");
        xpm_text_putc(shower->text, '}');
}

static const xpm_partial *partial_of(const xpm_config_type *type, const xpm_param *param)
{
        for (size_t i = 0; param->partial && i < type->partial_count; i++)
                if (strcmp(type->partials[i].name, param->partial) == 0)
                        return &type->partials[i];
        return NULL;
}

static void show_generated(const struct shower *shower, const xpm_config *config, const xpm_param *param)
{
        uint8_t id[XPM_SHA256_SIZE];
        const xpm_partial *partial = partial_of(config->type, param);
        int rc = partial ? xpm_identifier_partial(config, partial, id, NULL) : XPM_EPLAN;
        if (rc == XPM_ENOMEM)
                shower->text->failed = true;
        else if (rc == 0)
                show_path_of(shower, "partials", config, param->partial, id, param->generated);
        else if (shower->job)
                show_path_of(shower, "jobs", shower->job, "", shower->job->id, param->generated);
        else
                xpm_json_cstring(shower->text, param->generated);
}

static void show_parameters(const struct shower *shower, const xpm_config *config)
{
        const xpm_config_type *type = config->type;
        for (size_t i = 0; i < type->param_count; i++) {
                size_t index = type->declared ? type->declared[i] : i;
                const xpm_param *param = &type->params[index];
                xpm_json_key(shower->text, param->name);
                if (param->generated)
                        show_generated(shower, config, param);
                else
                        show(shower, &config->values[index]);
        }
}

static void show_config(const struct shower *shower, const xpm_config *config)
{
        struct shower inside = *shower;
        xpm_text *text = shower->text;
        if (config->job)
                inside.job = config;
        xpm_text_putc(text, '{');
        xpm_json_key(text, "type");
        xpm_json_cstring(text, config->type->name);
        show_parameters(&inside, config);
        if (config->job)
                show_job(shower, config);
        xpm_text_putc(text, '}');
}

/* NULL for a set that has no order yet: it is shown as it was written. */
static size_t *order_set(const struct shower *shower, const xpm_array *array, size_t *count)
{
        size_t *order = calloc(array->count + 1, sizeof *order);
        int rc = order ? xpm_set_order(array, order, count, NULL) : XPM_ENOMEM;
        if (rc == 0)
                return order;
        if (rc == XPM_ENOMEM)
                shower->text->failed = true;
        *count = array->count;
        free(order);
        return NULL;
}

static void show_array(const struct shower *shower, const xpm_array *array, bool set)
{
        size_t count = array->count, *order = set ? order_set(shower, array, &count) : NULL;
        xpm_text_putc(shower->text, '[');
        for (size_t i = 0; i < count; i++) {
                xpm_json_item(shower->text);
                show(shower, &array->items[order ? order[i] : i]);
        }
        xpm_text_putc(shower->text, ']');
        free(order);
}

static void show_key(xpm_text *text, const xpm_value *key)
{
        if (key->kind == XPM_STR) {
                /* A key may hold NUL: the comma and the colon of xpm_json_key, the string of xpm_json_string. */
                xpm_json_item(text);
                xpm_json_string(text, key->string->data, key->string->length);
                xpm_text_puts(text, ": ");
                return;
        }
        xpm_text word = XPM_TEXT_INIT;
        xpm_value_json(key, NULL, &word);
        /* Infinities are strings already. */
        size_t skip = word.length > 0 && word.data[0] == '"';
        if (skip)
                xpm_text_cut(&word, word.length - 1);
        xpm_json_key(text, xpm_text_string(&word) + skip);
        text->failed |= word.failed;
        xpm_text_release(&word);
}

static void show_dict(const struct shower *shower, const xpm_dict *dict)
{
        xpm_text_putc(shower->text, '{');
        for (size_t i = 0; i < dict->count; i++) {
                show_key(shower->text, &dict->items[i].key);
                show(shower, &dict->items[i].value);
        }
        xpm_text_putc(shower->text, '}');
}

static void show(const struct shower *shower, const xpm_value *value)
{
        xpm_text *text = shower->text;
        switch (value->kind) {
        case XPM_BOOL: xpm_json_bool(text, value->boolean); break;
        case XPM_INT: xpm_json_int(text, value->integer); break;
        case XPM_FLOAT: xpm_json_float(text, value->number); break;
        case XPM_STR:
        case XPM_PATH: xpm_json_string(text, value->string->data, value->string->length); break;
        case XPM_FILE: xpm_json_string(text, value->file->path->data, value->file->path->length); break;
        case XPM_ENUM: xpm_json_cstring(text, value->member->name); break;
        case XPM_LIST:
        case XPM_SET: show_array(shower, value->array, value->kind == XPM_SET); break;
        case XPM_DICT: show_dict(shower, value->dict); break;
        case XPM_CONFIG: show_config(shower, value->config); break;
        default: xpm_text_puts(text, "null");
        }
}

int xpm_value_json(const xpm_value *value, const char *workspace, xpm_text *text)
{
        struct shower shower = {.text = text, .workspace = workspace ? workspace : "", .slash = workspace ? "/" : ""};
        show(&shower, value);
        return text->failed ? XPM_ENOMEM : 0;
}

int xpm_job_params_json(const xpm_config *config, const char *workspace, xpm_text *text)
{
        struct shower shower = {
                .text = text, .workspace = workspace ? workspace : "", .slash = workspace ? "/" : "", .job = config};
        xpm_text_putc(text, '{');
        show_parameters(&shower, config);
        xpm_text_putc(text, '}');
        return text->failed ? XPM_ENOMEM : 0;
}
