/* Evaluation: from a name's binding to the value that one job has, and its text.
 *
 * An item of the template renderer is either a value with the job that it belongs to, or something that is only text
 * (the path of a job, a generated file): then nothing is computed before it is printed, straight into the output.
 *
 * Invariant: an item's owner is the nearest job around the value; what a `generated` parameter names lies in its
 * directory. */
#include "plan/names.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/number.h"
#include "base/sha256.h"
#include "model/identifier.h"

enum item_kind {
        ITEM_VALUE,     /* data: an xpm_value */
        ITEM_LEAF,      /* data[0]: enum xpm_leaf */
        ITEM_GENERATED, /* data[0]: xpm_param, data[1]: the xpm_config that has it */
        ITEM_TYPE,      /* data[0]: xpm_config_type */
        ITEM_PATHS,     /* data[0]: xpm_array, data[1]: name of the file */
        ITEM_TEXT,      /* data[0]: a string */
        ITEM_PARTIAL,   /* data[0]: xpm_partial, data[1]: xpm_config */
};

_Static_assert(sizeof(xpm_value) <= sizeof((xpm_mustache_item *)0)->data, "a value fits an item");

static xpm_mustache_item make(enum item_kind kind, const xpm_job *owner, const void *first, const void *second)
{
        return (xpm_mustache_item){.kind = kind, .owner = owner, .data = {(uintptr_t)first, (uintptr_t)second}};
}

static const void *pointer(const xpm_mustache_item *item, int index)
{
        return (const void *)(uintptr_t)item->data[index];
}

static xpm_mustache_item make_value(const xpm_value *value, const xpm_job *owner)
{
        xpm_mustache_item item = {.kind = ITEM_VALUE, .owner = owner};
        memcpy(item.data, value, sizeof *value);
        if (value->kind == XPM_CONFIG && value->config->job)
                item.owner = value->config->job;
        return item;
}

static xpm_value value_of(const xpm_mustache_item *item)
{
        xpm_value value = {.kind = XPM_UNSET};
        if (item->kind == ITEM_VALUE)
                memcpy(&value, item->data, sizeof value);
        return value;
}

xpm_mustache_item xpm_names_root(const xpm_job *job)
{
        xpm_value self = {.kind = XPM_CONFIG, .config = job->config};
        xpm_mustache_item item = make_value(&self, job);
        item.owner = job;
        return item;
}

/* --- paths --- */

const char *xpm_job_label(const xpm_job *job, char *buffer, size_t size)
{
        char digits[9];
        xpm_hex(job->config->id, 4, digits);
        snprintf(buffer, size, "%.200s/%s", job->config->type->lower, digits);
        return buffer;
}

int xpm_partial_path(const char *workspace, const xpm_config *config, const xpm_partial *partial, xpm_text *text,
                     xpm_error *err)
{
        uint8_t id[XPM_SHA256_SIZE];
        char digits[XPM_SHA256_HEX];
        int rc = xpm_identifier_partial(config, partial, id, err);
        if (rc != 0)
                return rc;
        xpm_hex(id, sizeof id, digits);
        xpm_text_puts(text, workspace);
        xpm_text_puts(text, "/partials/");
        xpm_text_puts(text, config->type->lower);
        xpm_text_putc(text, '/');
        xpm_text_puts(text, partial->name);
        xpm_text_putc(text, '/');
        xpm_text_puts(text, digits);
        return 0;
}

int xpm_generated_path(const char *workspace, const xpm_job *owner, const xpm_config *config, const xpm_param *param,
                       xpm_text *text, xpm_error *err)
{
        int rc = 0;
        const xpm_partial *partial = NULL;
        for (size_t i = 0; param->partial && i < config->type->partial_count && !partial; i++)
                if (strcmp(config->type->partials[i].name, param->partial) == 0)
                        partial = &config->type->partials[i];
        if (partial)
                rc = xpm_partial_path(workspace, config, partial, text, err);
        else
                xpm_job_path(workspace, owner, text);
        xpm_text_putc(text, '/');
        xpm_text_puts(text, param->generated);
        return rc;
}

/* --- walking --- */

static long parameter(const xpm_config *config, const xpm_name_part *part)
{
        return config->type == part->type ? part->index : xpm_param_find(config->type, part->text, part->length);
}

static bool is(const xpm_name_part *part, const char *text)
{
        return strcmp(part->text, text) == 0;
}

/* The part of NAME at *AT, in a config; *AT advances by what was used. */
static int step_config(const xpm_config *config, const xpm_job *owner, const xpm_name *name, size_t *at,
                       xpm_mustache_item *out)
{
        const xpm_name_part *part = &name->parts[(*at)++];
        long index = parameter(config, part);
        if (index >= 0) {
                const xpm_param *param = &config->type->params[index];
                *out = param->generated ? make(ITEM_GENERATED, owner, param, config)
                                        : make_value(&config->values[index], owner);
                return XPM_MUSTACHE_FOUND;
        }
        if (is(part, "type")) {
                *out = make(ITEM_TYPE, owner, config->type, NULL);
                return XPM_MUSTACHE_FOUND;
        }
        if (!is(part, "job") || !config->job || *at >= name->count)
                return XPM_MUSTACHE_ELSEWHERE;
        const struct xpm_field *field = xpm_field_find(xpm_space_find("job"), name->parts[(*at)++].text);
        if (!field)
                return XPM_MUSTACHE_BROKEN;
        *out = make(ITEM_LEAF, config->job, (const void *)(uintptr_t)field->leaf, NULL);
        return XPM_MUSTACHE_FOUND;
}

/* Is KEY, a scalar of any kind, written as PART? */
static bool key_is(const xpm_value *key, const xpm_name_part *part)
{
        char number[XPM_FLOAT_SIZE];
        switch (key->kind) {
        case XPM_STR:
                return key->string->length == part->length && memcmp(key->string->data, part->text, part->length) == 0;
        case XPM_BOOL: return is(part, key->boolean ? "true" : "false");
        case XPM_INT: snprintf(number, sizeof number, "%lld", (long long)key->integer); return is(part, number);
        case XPM_ENUM: return is(part, key->member->name);
        default: return false;
        }
}

static int step(const xpm_mustache_item *item, const xpm_name *name, size_t *at, xpm_mustache_item *out)
{
        xpm_value value = value_of(item);
        const xpm_name_part *part = &name->parts[*at];
        switch (value.kind) {
        case XPM_CONFIG: return step_config(value.config, item->owner, name, at, out);
        case XPM_DICT:
                ++*at;
                for (size_t i = 0; i < value.dict->count; i++)
                        if (key_is(&value.dict->items[i].key, part)) {
                                *out = make_value(&value.dict->items[i].value, item->owner);
                                return XPM_MUSTACHE_FOUND;
                        }
                return XPM_MUSTACHE_ELSEWHERE;
        case XPM_LIST:
        case XPM_SET:
                if (!name->paths || !is(part, "paths_file"))
                        return XPM_MUSTACHE_ELSEWHERE;
                ++*at;
                *out = make(ITEM_PATHS, item->owner, value.array, name->paths);
                return XPM_MUSTACHE_FOUND;
        default: return XPM_MUSTACHE_ELSEWHERE;
        }
}

/* The parts of NAME from AT on, beginning in *OUT. */
static int walk(const xpm_name *name, size_t at, xpm_mustache_item *out)
{
        while (at < name->count) {
                xpm_mustache_item item = *out;
                if (step(&item, name, &at, out) != XPM_MUSTACHE_FOUND)
                        return XPM_MUSTACHE_BROKEN;
        }
        return XPM_MUSTACHE_FOUND;
}

static int find_tag(const xpm_rendering *r, const xpm_name *name, xpm_mustache_item *out, xpm_error *err)
{
        xpm_value value;
        int found = xpm_job_tag(r->context->plan, r->job, name->rest, &value, err);
        if (found <= 0)
                return found < 0 ? found : XPM_MUSTACHE_BROKEN;
        *out = make_value(&value, r->job);
        return XPM_MUSTACHE_FOUND;
}

static int find_outermost(const xpm_rendering *r, const xpm_name *name, const xpm_mustache_item *root,
                          xpm_mustache_item *out, xpm_error *err)
{
        const char *text;
        *out = *root;
        switch (name->place) {
        case XPM_PLACE_NOWHERE: return XPM_MUSTACHE_ELSEWHERE;
        case XPM_PLACE_PARAMETERS:
        case XPM_PLACE_SELF: break;
        case XPM_PLACE_LEAF: *out = make(ITEM_LEAF, r->job, (const void *)(uintptr_t)name->leaf, NULL); break;
        case XPM_PLACE_VALUE: *out = make_value(&name->value, r->job); break;
        case XPM_PLACE_PARTIAL: *out = make(ITEM_PARTIAL, r->job, name->partial, r->job->config); break;
        case XPM_PLACE_TAG: return find_tag(r, name, out, err);
        case XPM_PLACE_ENV:
                text = r->context->getenv ? r->context->getenv(r->context->getenv_data, name->rest) : NULL;
                *out = make(ITEM_TEXT, r->job, text, NULL);
                return text ? XPM_MUSTACHE_FOUND : XPM_MUSTACHE_BROKEN;
        }
        return walk(name, name->spent, out);
}

static int find(void *data, const xpm_mustache_item *item, size_t depth, const xpm_mustache_tag *tag,
                xpm_mustache_item *out, xpm_error *err)
{
        const xpm_rendering *r = data;
        const xpm_name *name = tag->binding;
        if (depth == 0)
                return find_outermost(r, name, item, out, err);
        size_t at = 0;
        int found = step(item, name, &at, out);
        return found == XPM_MUSTACHE_FOUND ? walk(name, at, out) : found;
}

int xpm_names_value(xpm_rendering *rendering, const xpm_mustache_tag *tag, xpm_mustache_item *out, xpm_error *err)
{
        xpm_mustache_item root = xpm_names_root(rendering->job);
        int found = find(rendering, &root, 0, tag, out, err);
        return found < 0 ? found : found == XPM_MUSTACHE_FOUND;
}

static int missing(void *data, const xpm_mustache_tag *tag, xpm_error *err)
{
        xpm_rendering *r = data;
        const xpm_name *name = tag->binding;
        if (tag->kind == XPM_MUSTACHE_SECTION || tag->kind == XPM_MUSTACHE_INVERTED)
                return 0;
        r->failed = tag;
        if (name->place == XPM_PLACE_ENV)
                return xpm_fail(err, XPM_EPLAN, "'{{%s}}': the environment variable '%s' is not set", tag->text,
                                name->rest);
        if (name->place == XPM_PLACE_TAG)
                return xpm_fail(err, XPM_EPLAN, "'{{%s}}': there is no tag '%s'", tag->text, name->rest);
        return xpm_fail(err, XPM_EPLAN,
                        "'{{%s}}': there is no such value: write {{#%s}} around it if some jobs have none", tag->text,
                        tag->text);
}

/* --- truth, lists --- */

static bool truth(void *data, const xpm_mustache_item *item)
{
        const xpm_rendering *r = data;
        xpm_value value = value_of(item);
        if (item->kind == ITEM_LEAF && item->data[0] == XPM_LEAF_RESOURCES_MEMORY)
                return r->need && r->need->memory > 0;
        if (item->kind != ITEM_VALUE)
                return true;
        if (value.kind == XPM_BOOL)
                return value.boolean;
        if (value.kind == XPM_DICT)
                return value.dict->count > 0;
        return value.kind != XPM_NULL && value.kind != XPM_UNSET;
}

static long count(void *data, const xpm_mustache_item *item)
{
        (void)data;
        xpm_value value = value_of(item);
        return value.kind == XPM_LIST || value.kind == XPM_SET ? (long)value.array->count : -1;
}

static void element(void *data, const xpm_mustache_item *list, size_t index, xpm_mustache_item *out)
{
        (void)data;
        *out = make_value(&value_of(list).array->items[index], list->owner);
}

/* --- printing --- */

/* Append TEXT, for the shell if it is to be. */
static int print_text(const xpm_rendering *r, const xpm_mustache_tag *tag, const char *string, size_t length,
                      xpm_text *text, xpm_error *err)
{
        if (!r->binary && memchr(string, '\0', length))
                return xpm_fail(err, XPM_EPLAN, "'{{%s}}' holds a NUL character, which cannot stand here", tag->text);
        if (r->shell && tag->kind == XPM_MUSTACHE_VARIABLE)
                xpm_text_shell_quote(text, string, length);
        else
                xpm_text_append(text, string, length);
        return 0;
}

static int print_list(const xpm_rendering *r, const xpm_mustache_tag *tag, const xpm_array *array, xpm_text *text,
                      xpm_error *err);

static int print_value(const xpm_rendering *r, const xpm_mustache_tag *tag, const xpm_value *value, bool nested,
                       xpm_text *text, xpm_error *err)
{
        char number[XPM_FLOAT_SIZE];
        const char *what = "a dict";
        switch (value->kind) {
        case XPM_BOOL: xpm_text_puts(text, value->boolean ? "true" : "false"); return 0;
        case XPM_INT: xpm_json_int(text, value->integer); return 0;
        case XPM_FLOAT: xpm_text_append(text, number, xpm_float_format(number, value->number)); return 0;
        case XPM_STR:
        case XPM_PATH: return print_text(r, tag, value->string->data, value->string->length, text, err);
        case XPM_FILE: return print_text(r, tag, value->file->path->data, value->file->path->length, text, err);
        case XPM_ENUM: return print_text(r, tag, value->member->name, strlen(value->member->name), text, err);
        case XPM_LIST:
        case XPM_SET:
                if (!nested)
                        return print_list(r, tag, value->array, text, err);
                what = "a list";
                break;
        case XPM_CONFIG: what = value->config->job ? "a job" : "a config"; break;
        case XPM_NULL: what = "null"; break;
        default: break;
        }
        return xpm_fail(err, XPM_EPLAN, "'{{%s}}' %s %s and cannot be printed", tag->text,
                        nested ? "is a list, an item is" : "is", what);
}

static int print_list(const xpm_rendering *r, const xpm_mustache_tag *tag, const xpm_array *array, xpm_text *text,
                      xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; i < array->count && rc == 0; i++) {
                if (i > 0)
                        xpm_text_putc(text, ' ');
                rc = print_value(r, tag, &array->items[i], true, text, err);
        }
        return rc;
}

/* The file that lists the jobs of an array; it is remembered, so that it gets written. */
static int print_paths(xpm_rendering *r, const xpm_mustache_item *item, xpm_text *text, xpm_error *err)
{
        const char *name = pointer(item, 1);
        xpm_job_path(r->context->workspace, r->job, text);
        xpm_text_putc(text, '/');
        xpm_text_puts(text, name);
        for (const xpm_paths_use *use = r->paths; use; use = use->next)
                if (strcmp(use->name, name) == 0)
                        return 0;
        if (!r->arena)
                return 0;
        xpm_paths_use *use = xpm_arena_alloc(r->arena, sizeof *use);
        if (!use)
                return xpm_fail_memory(err);
        *use = (xpm_paths_use){.name = name, .jobs = pointer(item, 0), .next = r->paths};
        r->paths = use;
        return 0;
}

static int print_item(xpm_rendering *r, const xpm_mustache_item *item, xpm_text *text, xpm_error *err)
{
        switch (item->kind) {
        case ITEM_LEAF:
                return xpm_leaf_print(r->context, (enum xpm_leaf)item->data[0], item->owner, r->need, text, err);
        case ITEM_GENERATED:
                return xpm_generated_path(r->context->workspace, item->owner, pointer(item, 1), pointer(item, 0), text,
                                          err);
        case ITEM_TYPE: xpm_text_puts(text, ((const xpm_config_type *)pointer(item, 0))->name); return 0;
        case ITEM_PATHS: return print_paths(r, item, text, err);
        case ITEM_TEXT: xpm_text_puts(text, pointer(item, 0)); return 0;
        case ITEM_PARTIAL:
                return xpm_partial_path(r->context->workspace, pointer(item, 1), pointer(item, 0), text, err);
        default: return XPM_EPLAN;
        }
}

/* Quote for the shell what TEXT has from START on, in place. */
void xpm_names_quote(xpm_text *text, size_t start)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
        size_t length = text->length - start, quotes = 0;
        if (length > 0 && strspn(text->data + start, plain) == length)
                return;
        for (size_t i = start; i < text->length; i++)
                quotes += text->data[i] == '\'';
        xpm_text_reserve(text, 2 + 3 * quotes);
        if (text->failed)
                return;
        /* From the end, so that nothing is overwritten before it was moved. */
        char *to = text->data + text->length + 2 + 3 * quotes;
        char *const end = to;
        *to = '\0';
        *--to = '\'';
        for (size_t i = text->length; i-- > start;) {
                if (text->data[i] == '\'')
                        to = memcpy(to - 4, "'\\''", 4);
                else
                        *--to = text->data[i];
        }
        *--to = '\'';
        text->length = (size_t)(end - text->data);
}

static int print(void *data, const xpm_mustache_tag *tag, const xpm_mustache_item *item, xpm_text *text, xpm_error *err)
{
        xpm_rendering *r = data;
        size_t start = text->length;
        int rc;
        if (item->kind == ITEM_VALUE) {
                xpm_value value = value_of(item);
                rc = print_value(r, tag, &value, false, text, err);
        } else {
                rc = print_item(r, item, text, err);
                if (rc == 0 && r->shell && tag->kind == XPM_MUSTACHE_VARIABLE)
                        xpm_names_quote(text, start);
        }
        if (rc != 0)
                r->failed = tag;
        return rc;
}

const xpm_mustache_view xpm_names_view = {
        .find = find, .missing = missing, .truth = truth, .count = count, .item = element, .print = print};
