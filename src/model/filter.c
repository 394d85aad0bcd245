/* A recursive descent over the text makes a tree of conditions; evaluation walks it with the caller's lookup.
 * Conjunctions and disjunctions are lists, so that only parentheses nest and a limit on those bounds every recursion.
 *
 * `and` binds tighter than `or`, as everywhere. The reference folds both from left to right; it has no parentheses to
 * say otherwise, and its users write one or the other. */
#include "model/filter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/number.h"

enum { DEPTH = 200 };

enum op { OP_OR, OP_AND, OP_EQUAL, OP_DIFFERENT, OP_MATCH, OP_IN, OP_NOT_IN };

typedef struct literal {
        xpm_filter_value value;
        const char *name; /* of the other tag, when the right side is a name */
        struct literal *next;
} literal;

typedef struct condition {
        enum op op;
        struct condition *first, *next; /* OR, AND */
        const char *name;
        literal *operands;
        pcre2_code *code;
        pcre2_match_data *match;
} condition;

typedef struct name_entry {
        const char *name;
        struct name_entry *next;
} name_entry;

struct xpm_filter {
        condition *root;
        name_entry *names;
};

enum token { T_END, T_NAME, T_STRING, T_NUMBER, T_SYMBOL, T_BAD };

typedef struct parser {
        xpm_arena *arena;
        const char *text, *at; /* AT: behind the present token */
        enum token token;
        const char *start; /* of the present token */
        size_t length;     /* of what it says: a string's without quotes */
        const char *data;
        int depth;
        name_entry **last_name;
        xpm_error *err;
} parser;

static bool is_name_byte(char c, bool first)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (first && c == '@') ||
               (!first && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
}

static void advance(parser *p)
{
        while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')
                p->at++;
        const char *start = p->start = p->data = p->at;
        if (!*start) {
                p->token = T_END;
        } else if (*start == '"' || *start == '\'') {
                const char *end = strchr(start + 1, *start);
                p->token = end ? T_STRING : T_BAD;
                p->data = start + 1;
                p->at = end ? end + 1 : start + strlen(start);
                p->length = end ? (size_t)(end - start) - 1 : 0;
                return;
        } else if (is_name_byte(*start, true)) {
                while (is_name_byte(*p->at, p->at == start))
                        p->at++;
                p->token = T_NAME;
        } else if (strchr("0123456789+-.", *start)) {
                while (*p->at && strchr("0123456789abcdefxoABCDEFXO+-._", *p->at))
                        p->at++;
                p->token = T_NUMBER;
        } else {
                p->at += (start[0] == '!' || start[0] == '=') && start[1] == '=' ? 2 : 1;
                p->token = T_SYMBOL;
        }
        p->length = (size_t)(p->at - start);
}

static bool is(const parser *p, enum token token, const char *text)
{
        return p->token == token && p->length == strlen(text) && memcmp(p->data, text, p->length) == 0;
}

static int fail(const parser *p, const char *expected)
{
        size_t column = (size_t)(p->start - p->text) + 1;
        if (p->token == T_BAD)
                return xpm_fail(p->err, XPM_EUSAGE, "filter '%s', column %zu: the quote is never closed", p->text,
                                column);
        if (p->token == T_END)
                return xpm_fail(p->err, XPM_EUSAGE, "filter '%s', column %zu: expected %s, found the end", p->text,
                                column, expected);
        return xpm_fail(p->err, XPM_EUSAGE, "filter '%s', column %zu: expected %s, found '%.*s'", p->text, column,
                        expected, (int)(p->at - p->start > 60 ? 60 : p->at - p->start), p->start);
}

static int skip_symbol(parser *p, const char *symbol, const char *expected)
{
        if (!is(p, T_SYMBOL, symbol))
                return fail(p, expected);
        advance(p);
        return 0;
}

/* A name is kept in the filter's list too. */
static int take_name(parser *p, const char **out)
{
        char *name = xpm_arena_strndup(p->arena, p->data, p->length);
        name_entry *entry = xpm_arena_alloc(p->arena, sizeof *entry);
        if (!name || !entry)
                return xpm_fail_memory(p->err);
        *out = entry->name = name;
        *p->last_name = entry;
        p->last_name = &entry->next;
        advance(p);
        return 0;
}

static int parse_number(parser *p, xpm_filter_value *out)
{
        if (xpm_int_parse(p->data, p->length, &out->integer, NULL))
                out->kind = XPM_INT;
        else if (xpm_float_parse(p->data, p->length, &out->number, NULL))
                out->kind = XPM_FLOAT;
        else
                return fail(p, "a number, or quotes around the text");
        return 0;
}

/* A literal, or (where NAMES) a name. */
static int parse_operand(parser *p, bool names, literal **out)
{
        int rc = 0;
        literal *operand = xpm_arena_alloc(p->arena, sizeof *operand);
        if (!operand)
                return xpm_fail_memory(p->err);
        xpm_filter_value *value = &operand->value;
        if (p->token == T_STRING) {
                value->kind = XPM_STR;
                value->length = p->length;
                value->string = xpm_arena_strndup(p->arena, p->data, p->length);
                if (!value->string)
                        return xpm_fail_memory(p->err);
        } else if (p->token == T_NUMBER) {
                rc = parse_number(p, value);
        } else if (is(p, T_NAME, "true") || is(p, T_NAME, "false")) {
                value->kind = XPM_BOOL;
                value->boolean = *p->data == 't';
        } else if (is(p, T_NAME, "null")) {
                value->kind = XPM_NULL;
        } else if (p->token == T_NAME && names) {
                *out = operand;
                return take_name(p, &operand->name);
        } else
                return fail(p, names ? "a name, a number or a text in quotes" : "a number or a text in quotes");
        advance(p);
        *out = operand;
        return rc;
}

static int parse_list(parser *p, condition *c)
{
        literal **last = &c->operands;
        int rc = skip_symbol(p, "[", "'['");
        while (rc == 0) {
                rc = parse_operand(p, false, last);
                if (rc != 0 || is(p, T_SYMBOL, "]"))
                        break;
                last = &(*last)->next;
                rc = skip_symbol(p, ",", "',' or ']'");
        }
        if (rc == 0)
                advance(p);
        return rc;
}

static void free_code(void *code)
{
        pcre2_code_free(code);
}

static void free_match(void *match)
{
        pcre2_match_data_free(match);
}

static int parse_regex(parser *p, condition *c)
{
        if (p->token != T_STRING)
                return fail(p, "a regular expression in quotes");
        int number;
        PCRE2_SIZE offset;
        /* What is no tag has its words in the case that the caller likes. */
        uint32_t any_case = c->name[0] == '@' ? PCRE2_CASELESS : 0;
        c->code =
                pcre2_compile((PCRE2_SPTR)p->data, p->length,
                              PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_ANCHORED | any_case, &number, &offset, NULL);
        if (!c->code && number == PCRE2_ERROR_HEAP_FAILED)
                return xpm_fail_memory(p->err);
        if (!c->code) {
                char why[160] = "";
                pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
                return xpm_fail(p->err, XPM_EUSAGE, "filter '%s', column %zu: %s", p->text,
                                (size_t)(p->data - p->text) + offset + 1, why);
        }
        if (xpm_arena_defer(p->arena, free_code, c->code) != 0) {
                pcre2_code_free(c->code);
                return xpm_fail_memory(p->err);
        }
        c->match = pcre2_match_data_create_from_pattern(c->code, NULL);
        if (!c->match)
                return xpm_fail_memory(p->err);
        if (xpm_arena_defer(p->arena, free_match, c->match) != 0) {
                pcre2_match_data_free(c->match);
                return xpm_fail_memory(p->err);
        }
        advance(p);
        return 0;
}

static int parse_comparison(parser *p, condition *c)
{
        int rc = take_name(p, &c->name);
        if (rc != 0)
                return rc;
        bool no = is(p, T_NAME, "not");
        if (no)
                advance(p);
        if (is(p, T_NAME, "in")) {
                c->op = no ? OP_NOT_IN : OP_IN;
                advance(p);
                return parse_list(p, c);
        }
        if (no)
                return fail(p, "'in'");
        if (is(p, T_SYMBOL, "~")) {
                c->op = OP_MATCH;
                advance(p);
                return parse_regex(p, c);
        }
        if (is(p, T_SYMBOL, "!="))
                c->op = OP_DIFFERENT;
        else if (is(p, T_SYMBOL, "=") || is(p, T_SYMBOL, "=="))
                c->op = OP_EQUAL;
        else
                return fail(p, "'=', '!=', '~', 'in' or 'not in'");
        advance(p);
        return parse_operand(p, true, &c->operands);
}

static int parse_list_of(parser *p, enum op op, condition **out);

static int parse_condition(parser *p, condition **out)
{
        if (is(p, T_SYMBOL, "(")) {
                if (++p->depth > DEPTH)
                        return xpm_fail(p->err, XPM_EUSAGE, "a filter has more than %d parentheses in one another",
                                        DEPTH);
                advance(p);
                int rc = parse_list_of(p, OP_OR, out);
                p->depth--;
                return rc != 0 ? rc : skip_symbol(p, ")", "'and', 'or' or ')'");
        }
        if (p->token != T_NAME)
                return fail(p, "the name of a tag");
        condition *c = *out = xpm_arena_alloc(p->arena, sizeof *c);
        return c ? parse_comparison(p, c) : xpm_fail_memory(p->err);
}

/* Conjunctions joined by 'or', or conditions joined by 'and'; a single one stands for itself. */
static int parse_list_of(parser *p, enum op op, condition **out)
{
        condition *first = NULL, **last = &first;
        size_t count = 0;
        for (;;) {
                int rc = op == OP_OR ? parse_list_of(p, OP_AND, last) : parse_condition(p, last);
                if (rc != 0)
                        return rc;
                last = &(*last)->next;
                count++;
                if (!is(p, T_NAME, op == OP_OR ? "or" : "and"))
                        break;
                advance(p);
        }
        *out = first;
        if (count == 1)
                return 0;
        *out = xpm_arena_alloc(p->arena, sizeof **out);
        if (!*out)
                return xpm_fail_memory(p->err);
        **out = (condition){.op = op, .first = first};
        return 0;
}

int xpm_filter_parse(xpm_arena *arena, const char *text, xpm_filter **out, xpm_error *err)
{
        xpm_filter *filter = xpm_arena_alloc(arena, sizeof *filter);
        if (!filter)
                return xpm_fail_memory(err);
        parser p = {.arena = arena, .text = text, .at = text, .last_name = &filter->names, .err = err};
        advance(&p);
        int rc = parse_list_of(&p, OP_OR, &filter->root);
        if (rc == 0 && p.token != T_END)
                rc = fail(&p, "'and', 'or' or the end");
        if (rc == 0)
                *out = filter;
        return rc;
}

const char *xpm_filter_name(const xpm_filter *filter, size_t index)
{
        const name_entry *entry = filter->names;
        while (entry && index-- > 0)
                entry = entry->next;
        return entry ? entry->name : NULL;
}

static bool is_number(const xpm_filter_value *value)
{
        return value->kind == XPM_INT || value->kind == XPM_FLOAT;
}

static bool equal_numbers(const xpm_filter_value *a, const xpm_filter_value *b)
{
        if (a->kind == b->kind)
                return a->kind == XPM_INT ? a->integer == b->integer : a->number == b->number;
        int64_t integer = a->kind == XPM_INT ? a->integer : b->integer;
        double number = a->kind == XPM_INT ? b->number : a->number;
        /* Beyond 2^53 the double of an int may be another int's. */
        return (double)integer == number && number < 0x1p63 && (int64_t)number == integer;
}

static bool equal_to_text(const xpm_filter_value *value, const xpm_filter_value *text)
{
        xpm_filter_value number = {0};
        if (value->kind == XPM_BOOL)
                return text->length == (value->boolean ? 4 : 5) &&
                       strncasecmp(text->string, value->boolean ? "true" : "false", text->length) == 0;
        if (xpm_int_parse(text->string, text->length, &number.integer, NULL))
                number.kind = XPM_INT;
        else if (xpm_float_parse(text->string, text->length, &number.number, NULL))
                number.kind = XPM_FLOAT;
        return is_number(value) && is_number(&number) && equal_numbers(value, &number);
}

static bool equal(const xpm_filter_value *a, const xpm_filter_value *b)
{
        bool a_null = a->kind == XPM_UNSET || a->kind == XPM_NULL, b_null = b->kind == XPM_UNSET || b->kind == XPM_NULL;
        if (a_null || b_null)
                return a_null && b_null;
        if (is_number(a) && is_number(b))
                return equal_numbers(a, b);
        if (a->kind == XPM_STR && b->kind == XPM_STR && a->length != b->length)
                return false;
        if (a->kind == XPM_STR && b->kind == XPM_STR)
                return (a->any_case || b->any_case ? strncasecmp(a->string, b->string, a->length)
                                                   : memcmp(a->string, b->string, a->length)) == 0;
        if (a->kind == XPM_BOOL && b->kind == XPM_BOOL)
                return a->boolean == b->boolean;
        if (b->kind == XPM_STR)
                return equal_to_text(a, b);
        return a->kind == XPM_STR && equal_to_text(b, a);
}

static int match_regex(const condition *c, const xpm_filter_value *value, xpm_error *err)
{
        char buffer[XPM_FLOAT_SIZE];
        const char *text = buffer;
        size_t length;
        switch (value->kind) {
        case XPM_STR:
                text = value->string;
                length = value->length;
                break;
        case XPM_BOOL:
                text = value->boolean ? "true" : "false";
                length = strlen(text);
                break;
        case XPM_INT: length = (size_t)snprintf(buffer, sizeof buffer, "%lld", (long long)value->integer); break;
        case XPM_FLOAT: length = xpm_float_format(buffer, value->number); break;
        default: return 0;
        }
        int rc = pcre2_match(c->code, (PCRE2_SPTR)text, length, 0, 0, c->match, NULL);
        if (rc == PCRE2_ERROR_NOMEMORY)
                return xpm_fail_memory(err);
        if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
                return xpm_fail(err, XPM_EUSAGE, "the regular expression for '%s' takes too long on '%.*s'", c->name,
                                (int)(length > 60 ? 60 : length), text);
        return rc >= 0;
}

static int compare(const condition *c, xpm_filter_lookup lookup, void *data, xpm_error *err)
{
        xpm_filter_value left = {0}, right = {0};
        int rc = lookup(data, c->name, &left, err);
        if (rc < 0)
                return rc;
        if (c->op == OP_MATCH)
                return match_regex(c, &left, err);
        if (c->op == OP_IN || c->op == OP_NOT_IN) {
                bool found = false;
                for (const literal *item = c->operands; item && !found; item = item->next)
                        found = equal(&left, &item->value);
                return found == (c->op == OP_IN);
        }
        if (c->operands->name) {
                rc = lookup(data, c->operands->name, &right, err);
                if (rc < 0)
                        return rc;
        } else
                right = c->operands->value;
        return equal(&left, &right) == (c->op == OP_EQUAL);
}

static int eval(const condition *c, xpm_filter_lookup lookup, void *data, xpm_error *err)
{
        if (c->op != OP_OR && c->op != OP_AND)
                return compare(c, lookup, data, err);
        for (const condition *item = c->first; item; item = item->next) {
                int rc = eval(item, lookup, data, err);
                if (rc < 0 || (rc > 0) == (c->op == OP_OR))
                        return rc;
        }
        return c->op == OP_AND;
}

int xpm_filter_eval(const xpm_filter *filter, xpm_filter_lookup lookup, void *data, xpm_error *err)
{
        return eval(filter->root, lookup, data, err);
}
