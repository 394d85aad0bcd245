/* One pass over the text makes a flat list: a section is a tag that knows where it ends, so rendering is a loop over an
 * array, with a recursion for each open section only. The stack of contexts is a chain of frames on the C stack.
 *
 * Whitespace is settled at compile time: a section, its end, a comment or a change of delimiters that is alone on its
 * line takes the whole line with it, as the specification wants. A partial is compiled into the list by a compiler of
 * its own, which begins with the standard delimiters and must end the sections that it opens.
 *
 * Invariant: tags[i].end > i for every section, and sections nest. */
#include "base/mustache.h"

#include <stdio.h>
#include <string.h>

enum { DELIMITER = 16 }; /* bytes, the NUL included */

typedef struct compiler {
        xpm_arena *arena;
        const char *text;
        size_t length;
        size_t at;   /* what lies before is compiled */
        size_t line; /* start of the line of `at` */
        int number;  /* of that line */
        char open[DELIMITER], close[DELIMITER];
        xpm_mustache_tag *tags;
        size_t count, capacity;
        size_t sections[XPM_MUSTACHE_DEPTH]; /* indexes of those that are open */
        size_t depth, base;                  /* how many there are, and were when this partial began */
        const xpm_mustache_partials *partials;
        const char *partial;       /* NULL: the template itself */
        int includes;              /* partials that this one stands in */
        xpm_mustache_place *place; /* where an error is */
        xpm_error *err;
} compiler;

/* A tag as it stands in the text. */
typedef struct span {
        size_t start, end; /* of the whole tag */
        char sigil;        /* one of # ^ / ! = & { and what is not supported, or 0 for a variable */
        const char *name;
        size_t length;
} span;

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void point(compiler *c, size_t offset, int line)
{
        *c->place = (xpm_mustache_place){.partial = c->partial, .line = line, .offset = offset};
}

__attribute__((format(printf, 3, 0))) static int fail(compiler *c, size_t offset, const char *message, const char *name,
                                                      size_t length)
{
        point(c, offset, c->number);
        return xpm_fail(c->err, XPM_EFORMAT, message, (int)(length < 200 ? length : 200), name);
}

static int add(compiler *c, enum xpm_mustache_kind kind, const char *text, size_t length, size_t offset)
{
        if (xpm_arena_reserve(c->arena, &c->tags, &c->capacity, c->count + 1, sizeof *c->tags) != 0)
                return xpm_fail_memory(c->err);
        char *copy = xpm_arena_strndup(c->arena, text, length);
        if (!copy)
                return xpm_fail_memory(c->err);
        c->tags[c->count++] = (xpm_mustache_tag){.kind = kind,
                                                 .text = copy,
                                                 .length = length,
                                                 .offset = offset,
                                                 .partial = c->partial,
                                                 .line = c->number};
        return 0;
}

static int add_literal(compiler *c, size_t end)
{
        if (end <= c->at)
                return 0;
        return add(c, XPM_MUSTACHE_TEXT, c->text + c->at, end - c->at, c->at);
}

static const char *find(const compiler *c, size_t from, const char *what)
{
        return memmem(c->text + from, c->length - from, what, strlen(what));
}

static void trim(const char **text, size_t *length)
{
        while (*length > 0 && is_blank(**text)) {
                ++*text;
                --*length;
        }
        while (*length > 0 && is_blank((*text)[*length - 1]))
                --*length;
}

/* Find the end of the tag that begins at tag->start, and what it says. */
static int scan(compiler *c, span *tag)
{
        static const char sigils[] = "#^/!=&{><$";
        char closing[DELIMITER + 1];
        size_t inside = tag->start + strlen(c->open);
        while (inside < c->length && is_blank(c->text[inside]))
                inside++;
        tag->sigil = '\0';
        if (inside < c->length && c->text[inside] != '\0' && strchr(sigils, c->text[inside]))
                tag->sigil = c->text[inside++];

        const char *before = tag->sigil == '{' ? "}" : tag->sigil == '=' ? "=" : "";
        snprintf(closing, sizeof closing, "%s%s", before, c->close);
        const char *end = find(c, inside, closing);
        if (!end)
                return fail(c, tag->start, "'%.*s' is never closed", c->text + tag->start,
                            strcspn(c->text + tag->start, "\n"));
        tag->name = c->text + inside;
        tag->length = (size_t)(end - tag->name);
        tag->end = (size_t)(end - c->text) + strlen(closing);
        trim(&tag->name, &tag->length);
        return 0;
}

static int check_name(compiler *c, const span *tag)
{
        if (tag->length == 0)
                return fail(c, tag->start, "a tag without a name: '%.*s'", c->text + tag->start, tag->end - tag->start);
        for (size_t i = 0; i < tag->length; i++)
                if (is_blank(tag->name[i]) || tag->name[i] == '\0')
                        return fail(c, tag->start, "the name '%.*s' has a blank in it", tag->name, tag->length);
        bool dotted =
                tag->name[0] == '.' || tag->name[tag->length - 1] == '.' || memmem(tag->name, tag->length, "..", 2);
        if (dotted && tag->length != 1)
                return fail(c, tag->start, "'%.*s' has a dot without a name beside it", tag->name, tag->length);
        return 0;
}

static int set_delimiters(compiler *c, const span *tag)
{
        size_t first = 0, second;
        while (first < tag->length && !is_blank(tag->name[first]))
                first++;
        for (second = first; second < tag->length && is_blank(tag->name[second]);)
                second++;
        size_t last = tag->length - second;
        bool wrong = first == 0 || last == 0 || first >= DELIMITER || last >= DELIMITER;
        for (size_t i = 0; i < tag->length && !wrong; i++)
                wrong = tag->name[i] == '=' || tag->name[i] == '\0' || (i >= second && is_blank(tag->name[i]));
        if (wrong)
                return fail(c, tag->start,
                            "'%.*s' does not set delimiters: write two words without '=', as in '{{=<%% %%>=}}'",
                            c->text + tag->start, tag->end - tag->start);
        snprintf(c->open, sizeof c->open, "%.*s", (int)first, tag->name);
        snprintf(c->close, sizeof c->close, "%.*s", (int)last, tag->name + second);
        return 0;
}

static int open_section(compiler *c, const span *tag)
{
        if (c->depth == XPM_MUSTACHE_DEPTH)
                return fail(c, tag->start, "the section '%.*s' is nested too deeply", tag->name, tag->length);
        c->sections[c->depth++] = c->count;
        return add(c, tag->sigil == '#' ? XPM_MUSTACHE_SECTION : XPM_MUSTACHE_INVERTED, tag->name, tag->length,
                   tag->start);
}

static int close_section(compiler *c, const span *tag)
{
        if (c->depth == c->base)
                return fail(c, tag->start, "the section '%.*s' ends here and begins nowhere", tag->name, tag->length);
        xpm_mustache_tag *section = &c->tags[c->sections[c->depth - 1]];
        if (section->length != tag->length || memcmp(section->text, tag->name, tag->length) != 0) {
                point(c, tag->start, c->number);
                return xpm_fail(c->err, XPM_EFORMAT, "the section '%s' ends as '%.*s'", section->text,
                                (int)(tag->length < 200 ? tag->length : 200), tag->name);
        }
        section->end = c->count;
        c->depth--;
        return 0;
}

/* Put WIDTH bytes of BLANKS before each line of TEXT. */
static int indent(const compiler *c, const char *blanks, size_t width, const char **text, size_t *length)
{
        size_t lines = 1;
        for (size_t i = 0; i < *length; i++)
                lines += (*text)[i] == '\n';
        char *out = xpm_arena_alloc(c->arena, *length + lines * width + 1), *end = out;
        if (!out)
                return xpm_fail_memory(c->err);
        for (size_t i = 0; i < *length; i++) {
                if (i == 0 || (*text)[i - 1] == '\n')
                        end = mempcpy(end, blanks, width);
                *end++ = (*text)[i];
        }
        *text = out;
        *length = (size_t)(end - out);
        return 0;
}

static int compile(compiler *c);

/* The partial that TAG names, in its place. It is indented by what stands between START and the tag. */
static int include(compiler *c, const span *tag, size_t start)
{
        compiler inner = *c;
        inner.partial = xpm_arena_strndup(c->arena, tag->name, tag->length);
        if (!inner.partial)
                return xpm_fail_memory(c->err);
        if (++inner.includes > XPM_MUSTACHE_DEPTH)
                return fail(c, tag->start, "the partial '%.*s' includes itself", tag->name, tag->length);
        point(c, tag->start, c->number);
        int rc = c->partials->find(c->partials->data, inner.partial, &inner.text, &inner.length, c->err);
        if (rc == 0 && start < tag->start)
                rc = indent(c, c->text + start, tag->start - start, &inner.text, &inner.length);
        if (rc != 0)
                return rc;
        inner.at = inner.line = 0;
        inner.number = 1;
        inner.base = c->depth;
        strcpy(inner.open, "{{");
        strcpy(inner.close, "}}");
        rc = compile(&inner);
        c->tags = inner.tags;
        c->count = inner.count;
        c->capacity = inner.capacity;
        return rc;
}

/* START is where what TAG takes with it begins: its line, when it is alone on it, or itself. */
static int compile_tag(compiler *c, const span *tag, size_t start)
{
        int rc = tag->sigil == '!' || tag->sigil == '=' ? 0 : check_name(c, tag);
        if (rc != 0)
                return rc;
        switch (tag->sigil) {
        case '!': return 0;
        case '=': return set_delimiters(c, tag);
        case '#':
        case '^': return open_section(c, tag);
        case '/': return close_section(c, tag);
        case '&':
        case '{': return add(c, XPM_MUSTACHE_RAW, tag->name, tag->length, tag->start);
        case '\0': return add(c, XPM_MUSTACHE_VARIABLE, tag->name, tag->length, tag->start);
        case '>':
                if (c->partials)
                        return include(c, tag, start);
                /* fall through */
        default:
                return fail(c, tag->start, "'%.*s': templates have no partials and no inheritance",
                            c->text + tag->start, tag->end - tag->start);
        }
}

/* A tag that prints nothing and has only blanks beside it takes its line with it: *START and *END become those of the
 * line. */
static void widen(const compiler *c, const span *tag, size_t *start, size_t *end)
{
        if (!tag->sigil || !strchr("#^/!=>", tag->sigil))
                return;
        size_t after = tag->end;
        for (size_t i = c->line; i < tag->start; i++)
                if (c->text[i] != ' ' && c->text[i] != '\t')
                        return;
        while (after < c->length && (c->text[after] == ' ' || c->text[after] == '\t'))
                after++;
        if (after < c->length && c->text[after] == '\r' && after + 1 < c->length && c->text[after + 1] == '\n')
                after++;
        if (after < c->length && c->text[after] != '\n')
                return;
        *start = c->line;
        *end = after < c->length ? after + 1 : after;
}

static void begin_line(compiler *c, size_t end)
{
        const char *newline = end > c->line ? memrchr(c->text + c->line, '\n', end - c->line) : NULL;
        if (!newline)
                return;
        for (const char *at = c->text + c->line; at <= newline; at++)
                c->number += *at == '\n';
        c->line = (size_t)(newline - c->text) + 1;
}

static int compile(compiler *c)
{
        const char *open;
        while ((open = find(c, c->at, c->open))) {
                span tag = {.start = (size_t)(open - c->text)};
                begin_line(c, tag.start);
                int rc = scan(c, &tag);
                if (rc != 0)
                        return rc;
                size_t start = tag.start, end = tag.end;
                widen(c, &tag, &start, &end);
                rc = add_literal(c, start);
                if (rc == 0)
                        rc = compile_tag(c, &tag, start);
                if (rc != 0)
                        return rc;
                c->at = end;
                begin_line(c, end);
        }
        if (c->depth > c->base) {
                const xpm_mustache_tag *section = &c->tags[c->sections[c->depth - 1]];
                point(c, section->offset, section->line);
                return xpm_fail(c->err, XPM_EFORMAT, "the section '%.200s' is never closed", section->text);
        }
        return add_literal(c, c->length);
}

int xpm_mustache_compile_with(xpm_arena *arena, const char *text, size_t length, const xpm_mustache_partials *partials,
                              xpm_mustache *out, xpm_mustache_place *place, xpm_error *err)
{
        compiler c = {.arena = arena,
                      .text = text,
                      .length = length,
                      .number = 1,
                      .open = "{{",
                      .close = "}}",
                      .partials = partials,
                      .place = place,
                      .err = err};
        int rc = compile(&c);
        if (rc == 0)
                *out = (xpm_mustache){.tags = c.tags, .count = c.count};
        return rc;
}

int xpm_mustache_compile(xpm_arena *arena, const char *text, size_t length, xpm_mustache *out, size_t *offset,
                         xpm_error *err)
{
        xpm_mustache_place place = {0};
        int rc = xpm_mustache_compile_with(arena, text, length, NULL, out, &place, err);
        if (rc != 0)
                *offset = place.offset;
        return rc;
}

typedef struct renderer {
        const xpm_mustache_tag *tags;
        const xpm_mustache_view *view;
        void *data;
        xpm_text *out;
        xpm_error *err;
} renderer;

typedef struct level {
        const xpm_mustache_item *item;
        const struct level *outer;
        size_t depth;
} level;

/* 1 and *OUT when the name of TAG means something, 0 when the view puts up with its meaning nothing. */
static int look_up(const renderer *r, const level *at, const xpm_mustache_tag *tag, xpm_mustache_item *out)
{
        if (tag->length == 1 && tag->text[0] == '.') {
                *out = *at->item;
                return 1;
        }
        int rc = XPM_MUSTACHE_ELSEWHERE;
        for (; at && rc == XPM_MUSTACHE_ELSEWHERE; at = at->outer)
                rc = r->view->find(r->data, at->item, at->depth, tag, out, r->err);
        if (rc == XPM_MUSTACHE_ELSEWHERE || rc == XPM_MUSTACHE_BROKEN)
                rc = r->view->missing(r->data, tag, r->err);
        return rc;
}

static int render(const renderer *r, size_t from, size_t to, const level *at);

static int render_section(const renderer *r, size_t index, const level *outer)
{
        const xpm_mustache_tag *tag = &r->tags[index];
        xpm_mustache_item item, element;
        int found = look_up(r, outer, tag, &item);
        if (found < 0)
                return found;
        long count = found ? r->view->count(r->data, &item) : 0;
        bool truth = count < 0 ? r->view->truth(r->data, &item) : count > 0;
        if (tag->kind == XPM_MUSTACHE_INVERTED)
                return truth ? 0 : render(r, index + 1, tag->end, outer);
        if (!truth)
                return 0;
        level inner = {.item = &item, .outer = outer, .depth = outer->depth + 1};
        if (count < 0)
                return render(r, index + 1, tag->end, &inner);
        inner.item = &element;
        int rc = 0;
        for (long i = 0; i < count && rc == 0; i++) {
                r->view->item(r->data, &item, (size_t)i, &element);
                rc = render(r, index + 1, tag->end, &inner);
        }
        return rc;
}

static int render_variable(const renderer *r, const xpm_mustache_tag *tag, const level *at)
{
        xpm_mustache_item item;
        int found = look_up(r, at, tag, &item);
        return found <= 0 ? found : r->view->print(r->data, tag, &item, r->out, r->err);
}

static int render(const renderer *r, size_t from, size_t to, const level *at)
{
        int rc = 0;
        for (size_t i = from; i < to && rc == 0;) {
                const xpm_mustache_tag *tag = &r->tags[i];
                switch (tag->kind) {
                case XPM_MUSTACHE_TEXT:
                        xpm_text_append(r->out, tag->text, tag->length);
                        i++;
                        break;
                case XPM_MUSTACHE_VARIABLE:
                case XPM_MUSTACHE_RAW:
                        rc = render_variable(r, tag, at);
                        i++;
                        break;
                case XPM_MUSTACHE_SECTION:
                case XPM_MUSTACHE_INVERTED:
                        rc = render_section(r, i, at);
                        i = tag->end;
                        break;
                }
        }
        return rc;
}

int xpm_mustache_render(const xpm_mustache *template, const xpm_mustache_view *view, void *data,
                        const xpm_mustache_item *root, xpm_text *out, xpm_error *err)
{
        renderer r = {.tags = template->tags, .view = view, .data = data, .out = out, .err = err};
        level base = {.item = root};
        int rc = render(&r, 0, template->count, &base);
        return rc == 0 && out->failed ? xpm_fail_memory(err) : rc;
}
