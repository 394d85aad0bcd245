/* The core schema of YAML 1.2, for scalars whose wanted type nobody knows: configuration values, `--show`, the input of
 * a program. Numbers are read by base/number.h, which reads what this project calls a number; what it takes beyond the
 * schema (a sign before 0x) hurts nobody. */
#include "plan/scalar.h"

#include <string.h>

#include "base/json.h"
#include "base/number.h"

static bool is_word(const xpm_node *node, const char *lower)
{
        char title[8], upper[8];
        size_t length = strlen(lower);
        if (node->length != length)
                return false;
        for (size_t i = 0; i <= length; i++) {
                upper[i] = lower[i] >= 'a' ? (char)(lower[i] - 0x20) : lower[i];
                title[i] = i == 0 ? upper[i] : lower[i];
        }
        return memcmp(node->text, lower, length) == 0 || memcmp(node->text, title, length) == 0 ||
               memcmp(node->text, upper, length) == 0;
}

static int resolve_string(xpm_arena *arena, const xpm_node *node, xpm_value *out, xpm_error *err)
{
        xpm_string *string = xpm_string_create(arena, node->text, node->length);
        if (!string)
                return xpm_fail_memory(err);
        *out = (xpm_value){.kind = XPM_STR, .string = string};
        return 0;
}

/* What NODE is, all but the text of a string. */
static int resolve(const xpm_node *node, xpm_value *out, xpm_error *err)
{
        bool int_overflow = false, float_overflow = false;
        *out = (xpm_value){.kind = XPM_STR};
        if (node->quoted)
                return 0;
        if (xpm_node_is_null(node)) {
                out->kind = XPM_NULL;
        } else if (is_word(node, "true") || is_word(node, "false")) {
                *out = (xpm_value){.kind = XPM_BOOL, .boolean = (node->text[0] | 0x20) == 't'};
        } else if (xpm_int_parse(node->text, node->length, &out->integer, &int_overflow)) {
                out->kind = XPM_INT;
        } else if (int_overflow) {
                return xpm_fail_at(err, node->pos, "'%s' is beyond 64 bits: put quotes around it if it is a text",
                                   node->text);
        } else if (xpm_float_parse(node->text, node->length, &out->number, &float_overflow)) {
                out->kind = XPM_FLOAT;
        } else if (float_overflow) {
                return xpm_fail_at(err, node->pos,
                                   "'%s' is beyond the range of a float: put quotes around it if it is a text",
                                   node->text);
        }
        return 0;
}

int xpm_scalar_resolve(xpm_arena *arena, const xpm_node *node, xpm_value *out, xpm_error *err)
{
        xpm_value value;
        int rc = resolve(node, &value, err);
        if (rc == 0 && value.kind == XPM_STR)
                rc = resolve_string(arena, node, &value, err);
        if (rc == 0)
                *out = value;
        return rc;
}

/* What is no number of ours may be one where the type is known, or a text such as the name of a commit, 12e4567. */
static void scalar_json(const xpm_node *node, xpm_text *text)
{
        xpm_value value;
        if (resolve(node, &value, NULL) != 0)
                value.kind = XPM_STR;
        switch (value.kind) {
        case XPM_NULL: xpm_text_puts(text, "null"); break;
        case XPM_BOOL: xpm_json_bool(text, value.boolean); break;
        case XPM_INT: xpm_json_int(text, value.integer); break;
        case XPM_FLOAT: xpm_json_float(text, value.number); break;
        default: xpm_json_string(text, node->text, node->length); break;
        }
}

static void node_json(const xpm_node *node, xpm_text *text)
{
        if (node->kind == XPM_NODE_SCALAR) {
                scalar_json(node, text);
                return;
        }
        bool list = node->kind == XPM_NODE_SEQUENCE;
        xpm_text_putc(text, list ? '[' : '{');
        for (size_t i = 0; i < (list ? node->item_count : node->pair_count); i++) {
                xpm_json_item(text);
                if (!list) {
                        xpm_json_string(text, node->pairs[i].key, node->pairs[i].key_length);
                        xpm_text_puts(text, ": ");
                }
                node_json(list ? node->items[i] : node->pairs[i].value, text);
        }
        xpm_text_putc(text, list ? ']' : '}');
}

int xpm_node_json(const xpm_node *node, xpm_text *text, xpm_error *err)
{
        node_json(node, text);
        return text->failed ? xpm_fail_memory(err) : 0;
}
