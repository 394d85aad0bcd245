/* A second, forgiving reader: `{{…}}` and `${…}` are parts of a scalar for it, and so are brackets and commas that a
 * scalar itself opened. It starts where YAML's own reading is certain (the outermost open bracket, or the line of the
 * error) and stops at the first scalar that YAML must take apart. It judges nothing that libyaml accepts, save a call
 * cut at its comma. */
#include "plan/hints.h"

#include <string.h>

#include "base/text.h"
#include "plan/yamltext.h"

enum { LONGEST_KEY = 1024, LONGEST_SHOWN = 300, LONGEST_CALL = 1000 };

enum trouble_kind {
        FINE,
        BEGINS_WITH_BRACE,
        TAKEN_APART, /* at a bracket, inside [ ] or { } */
        CUT,         /* at a comma, inside [ ] or { } */
        BEGINS_WITH_INDICATOR,
        HAS_COLON,
        AFTER_QUOTE,
};

struct scan {
        const char *text;
        size_t length, at;
        size_t depth; /* of [ and { */
        bool value;   /* a key and its colon stand before, on this line */
};

struct meant {
        enum trouble_kind kind;
        size_t start, end;
        char at; /* where YAML takes it apart */
};

static char peek(const struct scan *scan, size_t i)
{
        return i < scan->length ? scan->text[i] : '\n';
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

static bool is_break(char c)
{
        return c == '\n' || c == '\r';
}

static bool is_space(char c)
{
        return is_blank(c) || is_break(c);
}

/* The end of the `{{…}}`, `{{{…}}}` or `${…}` at I, on the same line, or I when there is none. */
static size_t skip_template(const struct scan *scan, size_t i)
{
        size_t braces = 0;
        while (peek(scan, i + braces) == '{' && braces < 3)
                braces++;
        bool shell = peek(scan, i) == '$' && peek(scan, i + 1) == '{';
        if (shell)
                braces = 1;
        else if (braces < 2)
                return i;
        for (size_t end = i + braces, closed = 0; !is_break(peek(scan, end)); end++) {
                closed = peek(scan, end) == '}' ? closed + 1 : 0;
                if (closed == braces)
                        return end + 1;
        }
        return i;
}

static bool ends_plain(const struct scan *scan, size_t i)
{
        char c = peek(scan, i);
        return is_break(c) || (c == '#' && i > 0 && is_blank(peek(scan, i - 1)));
}

static bool ends_key(const struct scan *scan, size_t i)
{
        return peek(scan, i) == ':' && is_space(peek(scan, i + 1));
}

static void note(struct meant *meant, enum trouble_kind kind, char at)
{
        if (meant->kind == FINE) {
                meant->kind = kind;
                meant->at = at;
        }
}

/* It ends before I and the blanks before I. */
static void end_before(const struct scan *scan, struct meant *meant, size_t i)
{
        while (i > meant->start && is_blank(peek(scan, i - 1)))
                i--;
        meant->end = i;
}

/* Inside brackets; with PARENTHESES a comma between them belongs to the scalar. False when they do not pair. */
static bool scan_flow_plain(const struct scan *scan, struct meant *meant, bool parentheses)
{
        size_t i = meant->start, brackets = 0, parens = 0;
        while (!ends_plain(scan, i)) {
                size_t after = skip_template(scan, i);
                char c = peek(scan, i);
                if (after > i) {
                        note(meant, TAKEN_APART, '{');
                        i = after;
                        continue;
                }
                if (brackets + parens == 0 && (c == ',' || c == ']' || c == '}' || ends_key(scan, i)))
                        break;
                if (c == '[' || c == '{')
                        brackets++;
                if (strchr("[]{}", c))
                        note(meant, TAKEN_APART, c);
                if (c == ',')
                        note(meant, brackets ? TAKEN_APART : CUT, c);
                if ((c == ']' || c == '}') && brackets > 0)
                        brackets--;
                if (parentheses && c == '(')
                        parens++;
                if (c == ')' && parens > 0)
                        parens--;
                i++;
        }
        end_before(scan, meant, i);
        return parens == 0;
}

static void scan_block_plain(const struct scan *scan, struct meant *meant)
{
        size_t i = meant->start;
        while (!ends_plain(scan, i)) {
                size_t after = skip_template(scan, i);
                if (ends_key(scan, i) && !scan->value)
                        break;
                if (after == i)
                        after = i + 1;
                for (; i < after; i++)
                        if (ends_key(scan, i))
                                note(meant, HAS_COLON, ':');
        }
        end_before(scan, meant, i);
}

static void scan_plain(const struct scan *scan, struct meant *meant)
{
        char first = peek(scan, meant->start);
        if (first == '{')
                note(meant, BEGINS_WITH_BRACE, first);
        else if (strchr("@`%*&,]}", first))
                note(meant, BEGINS_WITH_INDICATOR, first);
        struct meant before = *meant;
        if (scan->depth == 0) {
                scan_block_plain(scan, meant);
        } else if (!scan_flow_plain(scan, meant, true)) {
                *meant = before;
                scan_flow_plain(scan, meant, false);
        }
}

/* A quoted scalar; what follows its closing quote, other than what may, makes it a part of something longer. */
static void scan_quoted(const struct scan *scan, struct meant *meant)
{
        char quote = peek(scan, meant->start);
        size_t i = meant->start + 1;
        for (; i < scan->length && peek(scan, i) != quote; i++)
                if (quote == '"' && peek(scan, i) == '\\')
                        i++;
        while (quote == '\'' && peek(scan, i + 1) == quote) {
                for (i += 2; i < scan->length && peek(scan, i) != quote;)
                        i++;
        }
        meant->end = i < scan->length ? i + 1 : scan->length;
        size_t next = meant->end;
        while (is_blank(peek(scan, next)))
                next++;
        if (ends_plain(scan, next) || peek(scan, next) == ':' || (scan->depth > 0 && strchr(",]}", peek(scan, next))))
                return;
        struct meant rest = {.start = next};
        scan_plain(scan, &rest);
        if (rest.end > next) {
                meant->end = rest.end;
                note(meant, AFTER_QUOTE, quote);
        }
}

/* Move over what is no scalar. False at the end of the text. */
static bool skip_punctuation(struct scan *scan)
{
        for (; scan->at < scan->length; scan->at++) {
                char c = scan->text[scan->at], next = peek(scan, scan->at + 1);
                if (is_break(c))
                        scan->value = false;
                else if (c == '#' && (scan->at == 0 || is_space(scan->text[scan->at - 1])))
                        while (!is_break(peek(scan, scan->at + 1)))
                                scan->at++;
                else if (c == ':' && (scan->depth > 0 || is_space(next)))
                        scan->value = true;
                else if ((c == '[' || c == '{') && !(c == '{' && next == '{'))
                        scan->depth++;
                else if ((c == ']' || c == '}') && scan->depth > 0)
                        scan->depth--;
                else if (!(is_blank(c) || (c == ',' && scan->depth > 0) || ((c == '-' || c == '?') && is_space(next))))
                        return true;
        }
        return false;
}

/* Anchors, aliases, tags and the heads of block scalars are YAML's own. */
static bool skip_property(struct scan *scan)
{
        char c = scan->text[scan->at], next = peek(scan, scan->at + 1);
        bool name = (next >= '0' && next <= '9') || ((next | 0x20) >= 'a' && (next | 0x20) <= 'z') || next == '_';
        if (!(c == '!' || c == '|' || c == '>' || ((c == '&' || c == '*') && name)))
                return false;
        while (!is_space(peek(scan, scan->at)) && !(scan->depth > 0 && strchr(",]}", peek(scan, scan->at))))
                scan->at++;
        return true;
}

/* The first scalar from byte FROM that YAML takes apart and that begins before END. */
static bool find(const xpm_yaml_trouble *trouble, size_t from, size_t end, struct meant *meant)
{
        struct scan scan = {.text = trouble->text, .length = trouble->length, .at = from, .value = trouble->in_flow};
        while (skip_punctuation(&scan) && scan.at < end) {
                if (skip_property(&scan))
                        continue;
                *meant = (struct meant){.start = scan.at};
                char c = scan.text[scan.at];
                if (c == '"' || c == '\'')
                        scan_quoted(&scan, meant);
                else
                        scan_plain(&scan, meant);
                if (meant->kind != FINE)
                        return true;
                scan.at = meant->end > scan.at ? meant->end : scan.at + 1;
        }
        return false;
}

static size_t offset_of(const xpm_yaml_trouble *trouble, yaml_mark_t mark)
{
        return xpm_yaml_offset(trouble->text, trouble->length, 0, mark.index);
}

xpm_pos xpm_yaml_position(const xpm_yaml_trouble *trouble, yaml_mark_t mark)
{
        return (xpm_pos){.source = trouble->source,
                         .line = (uint32_t)mark.line + 1,
                         .column = (uint32_t)mark.column + 1 + (mark.line == 0 ? trouble->first_column : 0)};
}

/* The position of byte OFFSET, which lies after MARK. */
static xpm_pos position_after(const xpm_yaml_trouble *trouble, yaml_mark_t mark, size_t from, size_t offset)
{
        for (size_t i = from; i < offset; i++) {
                char c = trouble->text[i];
                if (c == '\n' || (c == '\r' && trouble->text[i + 1] != '\n')) {
                        mark.line++;
                        mark.column = 0;
                } else if (((unsigned char)c & 0xc0) != 0x80) {
                        mark.column++;
                }
        }
        return xpm_yaml_position(trouble, mark);
}

static size_t count(const char *text, size_t length, char c)
{
        size_t times = 0;
        for (size_t i = 0; i < length; i++)
                times += text[i] == c;
        return times;
}

/* SCALAR in quotes: double ones, unless it holds what they would change. */
static void quote(xpm_text *out, const char *scalar, size_t length)
{
        bool single = memchr(scalar, '"', length) || memchr(scalar, '\\', length);
        xpm_text_putc(out, single ? '\'' : '"');
        for (size_t i = 0; i < length; i++) {
                if (single && scalar[i] == '\'')
                        xpm_text_putc(out, '\'');
                xpm_text_putc(out, scalar[i]);
        }
        xpm_text_putc(out, single ? '\'' : '"');
}

/* A scalar that begins with a quote that does not end it: one pair (`"a"/b`) goes around all of it; with three the
 * middle one is an apostrophe (`'it's'`); more belong to the text. */
static void quote_quoted(xpm_text *out, const char *scalar, size_t length)
{
        size_t quotes = count(scalar, length, scalar[0]);
        if (quotes > 3 || (quotes == 3 && scalar[length - 1] != scalar[0])) {
                quote(out, scalar, length);
                return;
        }
        xpm_text plain = XPM_TEXT_INIT;
        for (size_t i = 1; i < length; i++)
                if (scalar[i] != scalar[0] || (quotes == 3 && i < length - 1))
                        xpm_text_putc(&plain, scalar[i]);
        quote(out, xpm_text_string(&plain), plain.length);
        out->failed |= plain.failed;
        xpm_text_release(&plain);
}

static void say_why(xpm_text *out, const struct meant *meant, const char *scalar, int length)
{
        switch (meant->kind) {
        case BEGINS_WITH_BRACE: xpm_text_printf(out, "YAML takes '%.*s' for a mapping", length, scalar); break;
        case TAKEN_APART:
                xpm_text_printf(out, "inside [ ] and { } YAML takes '%.*s' apart at '%c'", length, scalar, meant->at);
                break;
        case CUT: xpm_text_printf(out, "inside [ ] and { } YAML cuts '%.*s' at the comma", length, scalar); break;
        case BEGINS_WITH_INDICATOR:
                xpm_text_printf(out, "a value cannot begin with '%c' without quotes", meant->at);
                break;
        case HAS_COLON: xpm_text_printf(out, "YAML takes ': ' in '%.*s' for the end of a key", length, scalar); break;
        default: xpm_text_printf(out, "there is text after the closing quote in '%.*s'", length, scalar); break;
        }
}

static int fail_meant(const xpm_yaml_trouble *trouble, const struct meant *meant, xpm_pos pos, xpm_error *err)
{
        const char *scalar = trouble->text + meant->start;
        size_t length = meant->end - meant->start;
        xpm_text why = XPM_TEXT_INIT;
        if (length <= LONGEST_SHOWN) {
                say_why(&why, meant, scalar, (int)length);
                xpm_text_puts(&why, ": write ");
                if (meant->kind == AFTER_QUOTE)
                        quote_quoted(&why, scalar, length);
                else
                        quote(&why, scalar, length);
        } else {
                say_why(&why, meant, "this text", 9);
                xpm_text_puts(&why, ": put quotes around all of it");
        }
        int rc = why.failed ? xpm_fail_memory(err) : xpm_fail_at(err, pos, "%s", xpm_text_string(&why));
        xpm_text_release(&why);
        return rc;
}

/* Fail with what a person meant around MARK; 0 when nothing better than libyaml's message is known. */
static int fail_hint(const xpm_yaml_trouble *trouble, yaml_mark_t mark, xpm_error *err)
{
        size_t problem = offset_of(trouble, mark), from = problem;
        if (trouble->in_flow) {
                from = offset_of(trouble, trouble->flow);
                mark = trouble->flow;
        } else {
                while (from > 0 && !is_break(trouble->text[from - 1]))
                        from--;
                mark.column = 0;
        }
        while (problem < trouble->length && !is_break(trouble->text[problem]))
                problem++;
        struct meant meant;
        if (!find(trouble, from, problem, &meant))
                return 0;
        return fail_meant(trouble, &meant, position_after(trouble, mark, from, meant.start), err);
}

int xpm_yaml_explain_key(const xpm_yaml_trouble *trouble, yaml_mark_t mark, xpm_error *err)
{
        int rc = fail_hint(trouble, mark, err);
        if (rc != 0)
                return rc;
        return xpm_fail_at(err, xpm_yaml_position(trouble, mark), "a key must be a text, not a list or a mapping");
}

/* Called for every plain scalar, in order: the way to it is counted from the last one that looked cut, and what follows
 * is looked at no further than a call may be long, so that a file full of them is read in linear time. */
int xpm_yaml_check_cut(xpm_yaml_trouble *trouble, const yaml_event_t *scalar, xpm_error *err)
{
        const char *value = (const char *)scalar->data.scalar.value;
        size_t length = scalar->data.scalar.length;
        if (count(value, length, '(') <= count(value, length, ')'))
                return 0;
        size_t index = scalar->start_mark.index;
        size_t start =
                xpm_yaml_offset(trouble->text, trouble->length, trouble->known_offset, index - trouble->known_index);
        trouble->known_index = index;
        trouble->known_offset = start;
        size_t end = trouble->length - start > LONGEST_CALL ? start + LONGEST_CALL : trouble->length;
        struct scan scan = {.text = trouble->text, .length = end, .at = start, .depth = 1};
        struct meant meant = {.start = start};
        bool closed = memchr(scan.text + start, ')', end - start) && scan_flow_plain(&scan, &meant, true);
        if (!closed || meant.kind != CUT)
                return 0;
        return fail_meant(trouble, &meant, xpm_yaml_position(trouble, scalar->start_mark), err);
}

/* libyaml's words for what people do most, in ours; some end with the line where what it was reading begins. */
static const struct {
        const char *problem, *ours;
        bool line;
} problems[] = {
        {"did not find expected key",
         "a key and ':' are expected here, indented as the other keys of the mapping that begins at line ", true},
        {"could not find expected ':'", "a key ends with ':' and a blank, which are missing here", false},
        {"mapping values are not allowed in this context",
         "a key cannot stand here: indent it as its neighbours, or put quotes around a value that has ': ' in it",
         false},
        {"did not find expected '-' indicator",
         "'- ' is expected here, as before the other items of the list that begins at line ", true},
        {"did not find expected ',' or ']'", "',' or ']' is expected here, inside the list that begins at line ", true},
        {"did not find expected ',' or '}'", "',' or '}' is expected here, inside the mapping that begins at line ",
         true},
        {"found unexpected end of stream", "the quote that opens here is never closed", false},
        {"found unexpected document indicator", "the quote that opens here is never closed", false},
        {"block sequence entries are not allowed in this context",
         "a list item cannot stand here: begin it on a line of its own", false},
        {"did not find expected node content", "a value is expected here", false},
        {"found invalid Unicode character escape code",
         "this escape is no character: it is half of a surrogate pair, or beyond U+10FFFF", false},
        {"did not find expected whitespace or line break",
         "a tag ends with a blank: put one before the bracket, as in {key: !remove }", false},
        {"did not find expected comment or line break",
         "the text after '|' or '>' begins in the next line, indented; a value that begins with one of them needs "
         "quotes",
         false},
        {"did not find expected <document start>",
         "the end of the file is expected here: something before it is not indented as it should be", false},
};

static int fail_escape(const xpm_yaml_trouble *trouble, xpm_pos pos, size_t problem, xpm_error *err)
{
        char c = problem + 1 < trouble->length ? trouble->text[problem + 1] : '\\';
        if (c == '$')
                return xpm_fail_at(err, pos, "'\\$' is no escape in double quotes: use single quotes around '\\${…}'");
        if ((unsigned char)c < 0x80)
                return xpm_fail_at(err, pos,
                                   "'\\%c' is no escape in double quotes: use single quotes, or write '\\\\%c'", c, c);
        return xpm_fail_at(err, pos, "no escape begins with a backslash here: use single quotes, or write '\\\\'");
}

/* Nothing but blanks and ends of lines from byte PROBLEM on. */
static bool is_end(const xpm_yaml_trouble *trouble, size_t problem)
{
        while (problem < trouble->length && is_space(trouble->text[problem]))
                problem++;
        return problem >= trouble->length;
}

/* At the end of the file it is the beginning of what is open that a person looks for. */
static int fail_open(const xpm_yaml_trouble *trouble, const yaml_parser_t *parser, xpm_error *err)
{
        bool list = strcmp(parser->problem, "did not find expected ',' or ']'") == 0;
        if ((!list && strcmp(parser->problem, "did not find expected ',' or '}'") != 0) ||
            !is_end(trouble, offset_of(trouble, parser->problem_mark)))
                return 0;
        return xpm_fail_at(err, xpm_yaml_position(trouble, parser->context_mark),
                           "the %s that begins here is never closed: '%c' is missing", list ? "list" : "mapping",
                           list ? ']' : '}');
}

static int fail_syntax(const xpm_yaml_trouble *trouble, const yaml_parser_t *parser, xpm_error *err)
{
        yaml_mark_t mark = parser->problem_mark;
        if (parser->context && (strcmp(parser->context, "while scanning a quoted scalar") == 0 ||
                                strcmp(parser->context, "while scanning a simple key") == 0))
                mark = parser->context_mark;
        xpm_pos pos = xpm_yaml_position(trouble, mark);
        for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
                if (strcmp(parser->problem, problems[i].problem) != 0)
                        continue;
                if (problems[i].line)
                        return xpm_fail_at(err, pos, "%s%zu", problems[i].ours, parser->context_mark.line + 1);
                return xpm_fail_at(err, pos, "%s", problems[i].ours);
        }
        return xpm_fail_at(err, pos, "%s%s%s", parser->problem, parser->context ? " " : "",
                           parser->context ? parser->context : "");
}

/* PROBLEM is at the colon behind a key that YAML gave up on: the last scalar, or one that it did not even hand out. */
static int fail_long_key(const xpm_yaml_trouble *trouble, const yaml_parser_t *parser, size_t problem, xpm_error *err)
{
        yaml_mark_t key = trouble->scalar, key_end = trouble->scalar_end;
        if (problem >= trouble->length || trouble->text[problem] != ':')
                return 0;
        if (parser->context && parser->context_mark.line == parser->problem_mark.line &&
            strcmp(parser->context, "while scanning a simple key") == 0) {
                key = parser->context_mark;
                key_end = parser->problem_mark;
        }
        size_t characters = key_end.index - key.index;
        if (characters <= LONGEST_KEY)
                return 0;
        return xpm_fail_at(err, xpm_yaml_position(trouble, key),
                           "a key of %zu characters is too long: YAML takes at most 1,024", characters);
}

int xpm_yaml_explain(const xpm_yaml_trouble *trouble, const yaml_parser_t *parser, xpm_error *err)
{
        /* Out of memory while it makes an event, libyaml fails without a word. */
        if (parser->error == YAML_MEMORY_ERROR || !parser->problem)
                return xpm_fail_memory(err);
        xpm_pos pos = xpm_yaml_position(trouble, parser->problem_mark);
        if (parser->error == YAML_READER_ERROR)
                return xpm_fail_at(err, xpm_yaml_position(trouble, parser->mark), "%s", parser->problem);
        size_t problem = offset_of(trouble, parser->problem_mark);
        bool tab = problem < trouble->length && trouble->text[problem] == '\t';
        /* libyaml takes the tab that a text begins with, behind the spaces, for a part of the indentation. */
        if (tab && pos.column > 1 && parser->context && strstr(parser->context, "block scalar"))
                return xpm_fail_at(err, pos,
                                   "a text whose first line begins with a tab says how far it is indented: write '|2' "
                                   "for two spaces, or use spaces instead of the tab");
        if (tab)
                return xpm_fail_at(err, pos, "a tab cannot indent: use spaces");
        if (strcmp(parser->problem, "found unknown escape character") == 0)
                return fail_escape(trouble, pos, problem, err);
        int rc = fail_long_key(trouble, parser, problem, err);
        if (rc == 0)
                rc = fail_open(trouble, parser, err);
        if (rc == 0)
                rc = fail_hint(trouble, parser->problem_mark, err);
        return rc != 0 ? rc : fail_syntax(trouble, parser, err);
}
