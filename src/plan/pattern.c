/* Values of tags against what is written in `where`, `exclude`, `match`, `by`: by value, never by spelling, save where
 * the spelling is the value (texts). */
#include "plan/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/number.h"
#include "plan/trail.h"

static bool is_text(const xpm_node *pattern, const char *text, size_t length)
{
        return pattern->length == length && memcmp(pattern->text, text, length) == 0;
}

static bool is_path(const xpm_node *pattern, const xpm_string *path)
{
        if (is_text(pattern, path->data, path->length))
                return true;
        const char *dir = pattern->pos.source ? pattern->pos.source->dir : NULL;
        char *absolute = dir ? xpm_path_join(dir, pattern->text) : NULL;
        bool same = absolute && strcmp(absolute, path->data) == 0;
        free(absolute);
        return same;
}

static bool is_number(const xpm_node *pattern, const xpm_value *value)
{
        xpm_value number = {.kind = XPM_INT};
        if (pattern->quoted)
                return false;
        if (!xpm_int_parse(pattern->text, pattern->length, &number.integer, NULL)) {
                number.kind = XPM_FLOAT;
                if (!xpm_float_parse(pattern->text, pattern->length, &number.number, NULL))
                        return false;
        }
        return xpm_value_equal(&number, value);
}

static bool matches_scalar(const xpm_node *pattern, const xpm_value *value)
{
        switch (value->kind) {
        case XPM_UNSET:
        case XPM_NULL: return xpm_node_is_null(pattern);
        case XPM_STR: return is_text(pattern, value->string->data, value->string->length);
        case XPM_ENUM: return is_text(pattern, value->member->name, strlen(value->member->name));
        case XPM_PATH: return is_path(pattern, value->string);
        case XPM_FILE: return is_path(pattern, value->file->path);
        case XPM_BOOL: return !pattern->quoted && strcmp(pattern->text, value->boolean ? "true" : "false") == 0;
        case XPM_INT:
        case XPM_FLOAT: return is_number(pattern, value);
        default: return false;
        }
}

static bool matches(const xpm_node *pattern, const xpm_value *value)
{
        if (pattern->kind == XPM_NODE_SCALAR)
                return matches_scalar(pattern, value);
        if (pattern->kind == XPM_NODE_SEQUENCE) {
                if ((value->kind != XPM_LIST && value->kind != XPM_SET) || value->array->count != pattern->item_count)
                        return false;
                for (size_t i = 0; i < pattern->item_count; i++)
                        if (!matches(pattern->items[i], &value->array->items[i]))
                                return false;
                return true;
        }
        if (value->kind != XPM_CONFIG && value->kind != XPM_DICT)
                return false;
        for (size_t i = 0; i < pattern->pair_count; i++) {
                const xpm_pair *pair = &pattern->pairs[i];
                const xpm_value *child = xpm_value_child(value, pair->key, pair->key_length, NULL),
                                null = {.kind = XPM_NULL};
                bool type = value->kind == XPM_CONFIG && strcmp(pair->key, "type") == 0;
                if (type ? !is_text(pair->value, value->config->type->name, strlen(value->config->type->name))
                         : !matches(pair->value, child ? child : &null))
                        return false;
        }
        return true;
}

bool xpm_tag_matches(const xpm_node *pattern, const xpm_value *value)
{
        if (pattern->kind != XPM_NODE_SEQUENCE)
                return matches(pattern, value);
        for (size_t i = 0; i < pattern->item_count; i++)
                if (matches(pattern->items[i], value))
                        return true;
        return false;
}

/* As xpm_value_equal sees them: 1, 1.0 and true are one. */
static void put_number(const xpm_value *value, xpm_text *text)
{
        double number = value->number;
        char buffer[XPM_FLOAT_SIZE];
        if (value->kind == XPM_BOOL) {
                xpm_text_puts(text, value->boolean ? "1" : "0");
        } else if (value->kind == XPM_INT) {
                xpm_json_int(text, value->integer);
        } else if (number >= -0x1p63 && number < 0x1p63 && (double)(int64_t)number == number) {
                xpm_json_int(text, (int64_t)number);
        } else {
                xpm_text_append(text, buffer, xpm_float_format(buffer, number));
        }
}

int xpm_tag_key(const xpm_value *value, xpm_text *text)
{
        int rc = 0;
        switch (value->kind) {
        case XPM_UNSET:
        case XPM_NULL: xpm_text_puts(text, "null"); break;
        case XPM_BOOL:
        case XPM_INT:
        case XPM_FLOAT: put_number(value, text); break;
        case XPM_STR:
        case XPM_PATH: xpm_json_string(text, value->string->data, value->string->length); break;
        case XPM_FILE: xpm_json_string(text, value->file->path->data, value->file->path->length); break;
        case XPM_ENUM: xpm_json_cstring(text, value->member->name); break;
        case XPM_LIST:
                xpm_text_putc(text, '[');
                for (size_t i = 0; i < value->array->count && rc == 0; i++) {
                        rc = xpm_tag_key(&value->array->items[i], text);
                        xpm_text_putc(text, ',');
                }
                xpm_text_putc(text, ']');
                break;
        default: rc = xpm_value_json(value, NULL, text);
        }
        return rc != 0 || text->failed ? XPM_ENOMEM : 0;
}
