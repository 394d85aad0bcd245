/* Values that are there already: do they suit a type and its parameter's bounds; and new ones made from them.
 *
 * A value may be shared by every job of a sweep, so nothing is changed in place but what the caller owns: a container
 * that needs another item is made anew, and one that does not is kept. */
#include "plan/convert.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { SHOWN = 60 };

/* Bounds, choices, pattern. */

static int compare_numbers(const xpm_value *a, const xpm_value *b)
{
        if (a->kind == XPM_INT && b->kind == XPM_INT)
                return (a->integer > b->integer) - (a->integer < b->integer);
        double x = a->kind == XPM_INT ? (double)a->integer : a->number;
        double y = b->kind == XPM_INT ? (double)b->integer : b->number;
        return (x > y) - (x < y);
}

static int refuse(const xpm_param *param, const xpm_value *value, xpm_pos where, const char *what,
                  const xpm_value *other, xpm_error *err)
{
        xpm_text found = XPM_TEXT_INIT, limit = XPM_TEXT_INIT;
        xpm_value_json(value, NULL, &found);
        if (other)
                xpm_value_json(other, NULL, &limit);
        int rc = xpm_fail_at(err, where, "'%s': %.*s %s%s", param->name, SHOWN, xpm_text_string(&found), what,
                             xpm_text_string(&limit));
        xpm_text_release(&found);
        xpm_text_release(&limit);
        return rc;
}

static int check_choices(const xpm_param *param, const xpm_value *value, xpm_pos where, xpm_error *err)
{
        for (size_t i = 0; i < param->choices->count; i++)
                if (xpm_value_equal(&param->choices->items[i], value))
                        return 0;
        xpm_value choices = {.kind = XPM_LIST, .array = param->choices};
        return refuse(param, value, where, "is none of its choices ", &choices, err);
}

static int check_pattern(const xpm_param *param, const xpm_value *value, xpm_pos where, xpm_error *err)
{
        pcre2_match_data *data = pcre2_match_data_create(1, NULL);
        if (!data)
                return xpm_fail_memory(err);
        int matched = pcre2_match(param->pattern_code, (PCRE2_SPTR)value->string->data, value->string->length, 0, 0,
                                  data, NULL);
        pcre2_match_data_free(data);
        if (matched >= 0)
                return 0;
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_printf(&text,
                        matched == PCRE2_ERROR_NOMATCH ? "does not match its pattern '%s'"
                                                       : "is too hard for its pattern '%s'",
                        param->pattern);
        int rc = refuse(param, value, where, xpm_text_string(&text), NULL, err);
        xpm_text_release(&text);
        return rc;
}

static int check_leaf(const xpm_param *param, const xpm_value *value, xpm_pos where, xpm_error *err)
{
        bool number = value->kind == XPM_INT || value->kind == XPM_FLOAT;
        if (number && param->min.kind != XPM_UNSET && compare_numbers(value, &param->min) < 0)
                return refuse(param, value, where, "is less than its minimum ", &param->min, err);
        if (number && param->max.kind != XPM_UNSET && compare_numbers(value, &param->max) > 0)
                return refuse(param, value, where, "is more than its maximum ", &param->max, err);
        if (param->choices && value->kind != XPM_NULL)
                return check_choices(param, value, where, err);
        if (param->pattern_code && value->kind == XPM_STR)
                return check_pattern(param, value, where, err);
        return 0;
}

int xpm_check_value(const xpm_converter *converter, const xpm_param *param, const xpm_value *value, xpm_pos where,
                    xpm_error *err)
{
        int rc = 0;
        if (param->min.kind == XPM_UNSET && param->max.kind == XPM_UNSET && !param->choices && !param->pattern_code)
                return 0;
        switch (value->kind) {
        case XPM_LIST:
        case XPM_SET:
                for (size_t i = 0; i < value->array->count && rc == 0; i++)
                        rc = xpm_check_value(converter, param, &value->array->items[i], where, err);
                return rc;
        case XPM_DICT:
                for (size_t i = 0; i < value->dict->count && rc == 0; i++)
                        rc = xpm_check_value(converter, param, &value->dict->items[i].value, where, err);
                return rc;
        case XPM_CONFIG:
        case XPM_HOLE:
        case XPM_UNSET: return 0;
        default: return check_leaf(param, value, where, err);
        }
}

/* Suiting a type. */

enum fit { SUITS, CHANGED, REFUSED, MEMORY };

static enum fit fit(xpm_arena *arena, const xpm_type *type, bool whole_floats, xpm_value *value);

static enum fit fit_number(const xpm_type *type, bool whole_floats, xpm_value *value)
{
        if (type->kind == XPM_FLOAT && value->kind == XPM_INT) {
                *value = (xpm_value){.kind = XPM_FLOAT, .number = (double)value->integer};
                return CHANGED;
        }
        bool whole = whole_floats && type->kind == XPM_INT && value->kind == XPM_FLOAT &&
                     value->number == trunc(value->number) && value->number >= -0x1p63 && value->number < 0x1p63;
        if (!whole)
                return REFUSED;
        *value = (xpm_value){.kind = XPM_INT, .integer = (int64_t)value->number};
        return CHANGED;
}

static enum fit fit_array(xpm_arena *arena, const xpm_type *type, bool whole_floats, xpm_value *value)
{
        const xpm_array *array = value->array;
        xpm_array *anew = NULL;
        for (size_t i = 0; i < array->count; i++) {
                xpm_value item = array->items[i];
                enum fit fitted = fit(arena, type->item, whole_floats, &item);
                if (fitted >= REFUSED)
                        return fitted;
                if (fitted == CHANGED && !anew) {
                        size_t size = sizeof *array + array->count * sizeof *array->items;
                        if (!arena)
                                return REFUSED;
                        anew = xpm_arena_memdup(arena, array, size);
                        if (!anew)
                                return MEMORY;
                }
                if (anew)
                        anew->items[i] = item;
        }
        if (!anew)
                return SUITS;
        /* Two large ints may become one float. */
        if (type->kind == XPM_SET && xpm_array_unique(anew, NULL) != 0)
                return MEMORY;
        value->array = anew;
        return CHANGED;
}

static enum fit fit_dict(xpm_arena *arena, const xpm_type *type, bool whole_floats, xpm_value *value)
{
        const xpm_dict *dict = value->dict;
        xpm_dict *anew = NULL;
        for (size_t i = 0; i < dict->count; i++) {
                struct xpm_item item = dict->items[i];
                enum fit key = fit(arena, type->key, whole_floats, &item.key);
                enum fit fitted = key >= REFUSED ? key : fit(arena, type->item, whole_floats, &item.value);
                if (fitted >= REFUSED)
                        return fitted;
                if ((key == CHANGED || fitted == CHANGED) && !anew) {
                        if (!arena)
                                return REFUSED;
                        anew = xpm_arena_memdup(arena, dict, sizeof *dict + dict->count * sizeof *dict->items);
                        if (!anew)
                                return MEMORY;
                }
                if (anew)
                        anew->items[i] = item;
        }
        if (!anew)
                return SUITS;
        value->dict = anew;
        return CHANGED;
}

static enum fit fit(xpm_arena *arena, const xpm_type *type, bool whole_floats, xpm_value *value)
{
        if (value->kind == XPM_NULL)
                return type->optional ? SUITS : REFUSED;
        if (value->kind == XPM_HOLE || value->kind == XPM_UNSET)
                return SUITS; /* what fills it is checked */
        if (value->kind != type->kind)
                return fit_number(type, whole_floats, value);
        switch (type->kind) {
        case XPM_LIST:
        case XPM_SET: return fit_array(arena, type, whole_floats, value);
        case XPM_DICT: return fit_dict(arena, type, whole_floats, value);
        case XPM_ENUM: return value->member->type == type->enumeration ? SUITS : REFUSED;
        case XPM_CONFIG: return xpm_config_type_is(value->config->type, type->config) ? SUITS : REFUSED;
        default: return SUITS;
        }
}

bool xpm_value_adapt(const xpm_type *type, bool whole_floats, xpm_value *value)
{
        return fit(NULL, type, whole_floats, value) < REFUSED;
}

int xpm_value_fit(xpm_arena *arena, const xpm_type *type, bool whole_floats, xpm_value *value, xpm_error *err)
{
        enum fit fitted = fit(arena, type, whole_floats, value);
        if (fitted < REFUSED)
                return 0;
        if (fitted == MEMORY)
                return xpm_fail_memory(err);
        xpm_text wanted = XPM_TEXT_INIT, found = XPM_TEXT_INIT;
        xpm_type_print(type, &wanted);
        xpm_value_json(value, NULL, &found);
        int rc = xpm_fail(err, XPM_EPLAN, "expected %s, found %.*s", xpm_text_string(&wanted), SHOWN,
                          xpm_text_string(&found));
        xpm_text_release(&wanted);
        xpm_text_release(&found);
        return rc;
}

/* New objects. */

static int renew_array(xpm_arena *arena, xpm_value *value, xpm_error *err)
{
        xpm_array *anew =
                xpm_arena_memdup(arena, value->array, sizeof *anew + value->array->count * sizeof *anew->items);
        int rc = anew ? 0 : xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < anew->count; i++)
                rc = xpm_value_renew(arena, &anew->items[i], err);
        value->array = anew;
        return rc;
}

static int renew_dict(xpm_arena *arena, xpm_value *value, xpm_error *err)
{
        xpm_dict *anew = xpm_arena_memdup(arena, value->dict, sizeof *anew + value->dict->count * sizeof *anew->items);
        int rc = anew ? 0 : xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < anew->count; i++)
                rc = xpm_value_renew(arena, &anew->items[i].value, err);
        value->dict = anew;
        return rc;
}

static int renew_config(xpm_arena *arena, xpm_value *value, xpm_error *err)
{
        if (value->config->job)
                return 0;
        xpm_config *anew = xpm_config_copy(arena, value->config);
        int rc = anew ? 0 : xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < anew->type->param_count; i++)
                rc = xpm_value_renew(arena, &anew->values[i], err);
        value->config = anew;
        return rc;
}

int xpm_value_renew(xpm_arena *arena, xpm_value *value, xpm_error *err)
{
        switch (value->kind) {
        case XPM_LIST:
        case XPM_SET: return renew_array(arena, value, err);
        case XPM_DICT: return renew_dict(arena, value, err);
        case XPM_CONFIG: return renew_config(arena, value, err);
        default: return 0;
        }
}

int xpm_array_unique(xpm_array *array, xpm_error *err)
{
        size_t slots = 16, kept = 0;
        while (slots < 2 * array->count)
                slots *= 2;
        size_t *table = calloc(slots, sizeof *table); /* index + 1 of what was kept; 0 is free */
        if (!table)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < array->count; i++) {
                size_t slot = xpm_value_hash(&array->items[i]) & (slots - 1);
                while (table[slot] && !xpm_value_equal(&array->items[table[slot] - 1], &array->items[i]))
                        slot = (slot + 1) & (slots - 1);
                if (table[slot])
                        continue;
                array->items[kept++] = array->items[i];
                table[slot] = kept;
        }
        array->count = kept;
        free(table);
        return 0;
}
