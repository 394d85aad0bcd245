/* The state is a stack of what is open (quotes, substitutions, documents) and a pending operator. Bash reads `$(…)` as
 * a script of its own whatever stands around it, so a value inside of it is as safe as outside; that is why a stack is
 * kept at all. What comes out must never be PLAIN where bash sees something else, because a value is then quoted for
 * plain text, and its own characters would end the quotes around it; the other way costs the user an error message.
 *
 * What cannot be followed without a parser is LOST: `case` in a substitution in quotes (its patterns end in an
 * unmatched parenthesis), single quotes in `"${…}"` (quotes or not, depending on the operator) and in arithmetic (where
 * they mean nothing, as comments do), and an array, `x=(…)`, in a substitution, where bash 5.2 takes `'\''` apart.
 *
 * Invariant: the innermost of the stack decides; an empty stack is the script itself. */
#include "plan/shellword.h"

#include <stddef.h>
#include <string.h>

enum context {
        TOP,
        PAREN, /* (…) */
        SUBST, /* $(…), <(…) */
        DOUBLE,
        SINGLE,
        ANSI, /* $'…' */
        BACKTICK,
        EXPANSION,
        ARITHMETIC,        /* until )) */
        ARITHMETIC_PAREN,  /* a parenthesis in it */
        ARITHMETIC_SQUARE, /* until ] */
        COMMENT,
        HEREDOC,
        LOST,
};

enum pending {
        NOTHING,
        ESCAPE,       /* \ */
        DOLLAR,       /* $ */
        DOLLAR_PAREN, /* $(, <( */
        OPEN,         /* ( */
        CLOSE,        /* the first ) of )) */
        GREATER,      /* > */
        LESS,         /* < */
        LESS_LESS,    /* << */
        DELIMITER,    /* blanks before a delimiter */
        DELIMITER_WORD,
        DELIMITER_SINGLE,
        DELIMITER_DOUBLE,
        DELIMITER_ESCAPE,
};

enum { DIGITS = 1, DIGITS_AND_VALUE = 2 }; /* all that the word has */

enum { STRIP = 1, QUOTED = 2, PRESENT = 4, MISMATCH = 255 };

static enum context top(const xpm_shell_state *s)
{
        return s->depth > 0 ? s->stack[s->depth - 1] : TOP;
}

void xpm_shell_lose(xpm_shell_state *state)
{
        *state = XPM_SHELL_START;
        state->stack[0] = LOST;
        state->depth = 1;
}

/* A document that begins before a substitution and ends in it, or the other way round, is more than bash and this agree
 * on. */
static void push(xpm_shell_state *s, enum context context)
{
        if (s->depth == XPM_SHELL_NESTING || (context == SUBST && s->documents > 0))
                xpm_shell_lose(s);
        else
                s->stack[s->depth++] = context;
}

static void pop(xpm_shell_state *s)
{
        s->stack[--s->depth] = 0;
}

static bool is_plain(enum context context)
{
        return context == TOP || context == PAREN || context == SUBST;
}

static bool is_quoted_outside(const xpm_shell_state *s)
{
        for (size_t i = 0; i + 1 < s->depth; i++)
                if (!is_plain(s->stack[i]))
                        return true;
        return false;
}

/* The word ends here. A substitution that has a `case` cannot be followed to its end. */
static void end_word(xpm_shell_state *s)
{
        bool keyword = s->keyword == 4;
        s->in_word = s->number = s->keyword = s->last = 0;
        if (keyword && is_quoted_outside(s))
                xpm_shell_lose(s);
}

/* --- here-documents --- */

static char *last_document(xpm_shell_state *s)
{
        char *at = s->delimiters;
        for (int i = 1; i < s->documents; i++)
                at += strlen(at) + 1;
        return at;
}

static void begin_delimiter(xpm_shell_state *s, bool strip)
{
        if (s->used + 2 >= XPM_SHELL_DELIMITERS) {
                xpm_shell_lose(s);
                return;
        }
        s->delimiters[s->used] = (char)(PRESENT | (strip ? STRIP : 0));
        s->used += 2;
        s->documents++;
        s->pending = DELIMITER;
}

static void add_to_delimiter(xpm_shell_state *s, char c)
{
        if (s->used + 1 >= XPM_SHELL_DELIMITERS || c == '\0' || c == '\n') {
                xpm_shell_lose(s);
                return;
        }
        s->delimiters[s->used - 1] = c;
        s->used++;
        s->pending = s->pending == DELIMITER_ESCAPE ? DELIMITER_WORD : s->pending;
}

static void quote_delimiter(xpm_shell_state *s, enum pending next)
{
        *last_document(s) |= QUOTED;
        s->pending = next;
}

/* A character of the delimiter; false when it stands after it. */
static bool step_delimiter(xpm_shell_state *s, char c)
{
        switch (s->pending) {
        case DELIMITER:
                if (c == ' ' || c == '\t')
                        return true;
                s->pending = DELIMITER_WORD;
                if (strchr("\n;&|<>()", c))
                        xpm_shell_lose(s);
                return step_delimiter(s, c);
        case DELIMITER_SINGLE:
        case DELIMITER_DOUBLE:
                if (c == (s->pending == DELIMITER_SINGLE ? '\'' : '"'))
                        s->pending = DELIMITER_WORD;
                else
                        add_to_delimiter(s, c);
                return true;
        case DELIMITER_ESCAPE: add_to_delimiter(s, c); return true;
        case DELIMITER_WORD: break;
        default: return true; /* lost */
        }
        switch (c) {
        case '\'': quote_delimiter(s, DELIMITER_SINGLE); return true;
        case '"': quote_delimiter(s, DELIMITER_DOUBLE); return true;
        case '\\': quote_delimiter(s, DELIMITER_ESCAPE); return true;
        case '$':
        case '`': xpm_shell_lose(s); return true;
        case ' ':
        case '\t':
        case '\n':
        case ';':
        case '&':
        case '|':
        case '<':
        case '>':
        case '(':
        case ')': s->pending = NOTHING; return false;
        default: add_to_delimiter(s, c); return true;
        }
}

static void end_document(xpm_shell_state *s)
{
        size_t length = strlen(s->delimiters) + 1;
        memmove(s->delimiters, s->delimiters + length, sizeof s->delimiters - length);
        memset(s->delimiters + sizeof s->delimiters - length, 0, length);
        s->used = (uint8_t)(s->used - length);
        if (--s->documents == 0)
                pop(s);
}

static void step_document(xpm_shell_state *s, char c)
{
        int flags = s->delimiters[0];
        const char *delimiter = s->delimiters + 1;
        if (c == '\n') {
                bool ends = s->match != MISMATCH && delimiter[s->match] == '\0';
                s->match = s->joined && !(flags & QUOTED) ? MISMATCH : 0;
                s->joined = 0;
                if (ends)
                        end_document(s);
                return;
        }
        s->joined = c == '\\' && !s->joined;
        if ((flags & STRIP) && c == '\t' && s->match == 0)
                return;
        if (s->match != MISMATCH)
                s->match = delimiter[s->match] == c ? s->match + 1 : MISMATCH;
}

/* --- the script --- */

static uint8_t class_of(char c)
{
        bool word = c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return word ? 'a' : c == '=' ? '=' : 0;
}

/* What is nothing but a part of a word. */
static enum xpm_shell_event step_letter(xpm_shell_state *s, char c)
{
        static const char keyword[] = "case";
        if (!s->in_word && c == keyword[0])
                s->keyword = 1;
        else
                s->keyword = s->keyword > 0 && s->keyword < 4 && c == keyword[s->keyword] ? s->keyword + 1 : 0;
        if (c < '0' || c > '9')
                s->number = 0;
        else if (!s->in_word)
                s->number = DIGITS;
        s->in_word = 1;
        s->last = class_of(c);
        return XPM_SHELL_LETTER;
}

/* The word goes on with something that is no letter. */
static enum xpm_shell_event go_on(xpm_shell_state *s, enum xpm_shell_event event)
{
        s->in_word = 1;
        s->number = s->keyword = s->last = 0;
        return event;
}

static enum xpm_shell_event open_paren(xpm_shell_state *s)
{
        bool array = s->last == '=' && memchr(s->stack, SUBST, s->depth);
        end_word(s);
        if (array)
                xpm_shell_lose(s);
        else if (is_plain(top(s)))
                s->pending = OPEN;
        return XPM_SHELL_BREAK;
}

static enum xpm_shell_event close_paren(xpm_shell_state *s)
{
        bool word = top(s) == SUBST; /* `$(…)a` is one word */
        end_word(s);
        if (word && s->documents > 0)
                xpm_shell_lose(s);
        else if (top(s) == SUBST || top(s) == PAREN)
                pop(s);
        s->in_word = word;
        return XPM_SHELL_BREAK;
}

static enum xpm_shell_event redirect(xpm_shell_state *s, char c)
{
        bool number = s->number == DIGITS_AND_VALUE;
        end_word(s);
        if (is_plain(top(s)))
                s->pending = c == '<' ? LESS : GREATER;
        return number ? XPM_SHELL_NUMBER : XPM_SHELL_BREAK;
}

static enum xpm_shell_event step_plain(xpm_shell_state *s, char c)
{
        switch (c) {
        case '\\': s->pending = ESCAPE; return XPM_SHELL_SYNTAX;
        case '\'': push(s, SINGLE); return go_on(s, XPM_SHELL_SYNTAX);
        case '"': push(s, DOUBLE); return go_on(s, XPM_SHELL_SYNTAX);
        case '`': push(s, BACKTICK); return go_on(s, XPM_SHELL_OPAQUE);
        case '$': s->pending = DOLLAR; return go_on(s, XPM_SHELL_OPAQUE);
        case '#':
                if (s->in_word)
                        return step_letter(s, c);
                push(s, COMMENT);
                return XPM_SHELL_BREAK;
        case '\n':
                end_word(s);
                if (s->documents > 0 && is_plain(top(s)))
                        push(s, HEREDOC);
                s->match = s->joined = 0;
                return XPM_SHELL_BREAK;
        case '(': return open_paren(s);
        case ')': return close_paren(s);
        case '<':
        case '>': return redirect(s, c);
        case ' ':
        case '\t':
        case ';':
        case '&':
        case '|': end_word(s); return XPM_SHELL_BREAK;
        default: return step_letter(s, c);
        }
}

/* Inside of `${…}` and of arithmetic: what opens quotes and substitutions there. */
static enum xpm_shell_event step_inside(xpm_shell_state *s, char c)
{
        switch (c) {
        case '\\': s->pending = ESCAPE; break;
        case '"': push(s, DOUBLE); break;
        case '`': push(s, BACKTICK); break;
        case '$': s->pending = DOLLAR; break;
        case '\'':
                if (top(s) != EXPANSION || is_quoted_outside(s))
                        xpm_shell_lose(s);
                else
                        push(s, SINGLE);
                break;
        default: break;
        }
        return XPM_SHELL_OPAQUE;
}

static enum xpm_shell_event step_arithmetic(xpm_shell_state *s, char c)
{
        bool number = s->last == 'a';
        s->last = class_of(c);
        switch (top(s)) {
        case ARITHMETIC:
                if (c == '(')
                        push(s, ARITHMETIC_PAREN);
                else if (c == ')')
                        s->pending = CLOSE;
                break;
        case ARITHMETIC_PAREN:
                if (c == '(')
                        push(s, ARITHMETIC_PAREN);
                else if (c == ')')
                        pop(s);
                break;
        default:
                if (c == '[')
                        push(s, ARITHMETIC_SQUARE);
                else if (c == ']')
                        pop(s);
                break;
        }
        if (c == '#' && !number) /* not 16#ff: bash may read a comment */
                xpm_shell_lose(s);
        return strchr("()[]", c) && c ? XPM_SHELL_OPAQUE : step_inside(s, c);
}

static enum xpm_shell_event step_context(xpm_shell_state *s, char c)
{
        switch (top(s)) {
        case TOP:
        case PAREN:
        case SUBST: return step_plain(s, c);
        case SINGLE:
                if (c != '\'')
                        return XPM_SHELL_LETTER;
                pop(s);
                return XPM_SHELL_SYNTAX;
        case ANSI:
                if (c == '\'')
                        pop(s);
                else if (c == '\\')
                        s->pending = ESCAPE;
                return XPM_SHELL_OPAQUE;
        case DOUBLE:
                if (c == '"')
                        pop(s);
                else if (c == '\\' || c == '$' || c == '`')
                        return step_inside(s, c);
                return c == '"' ? XPM_SHELL_SYNTAX : XPM_SHELL_LETTER;
        case BACKTICK:
                if (c == '`')
                        pop(s);
                else if (c == '\\')
                        s->pending = ESCAPE;
                return XPM_SHELL_OPAQUE;
        case EXPANSION:
                if (c == '}')
                        pop(s);
                return c == '}' ? XPM_SHELL_OPAQUE : step_inside(s, c);
        case ARITHMETIC:
        case ARITHMETIC_PAREN:
        case ARITHMETIC_SQUARE: return step_arithmetic(s, c);
        case COMMENT:
                if (c != '\n')
                        return XPM_SHELL_BREAK;
                pop(s);
                return step_plain(s, c);
        case HEREDOC: step_document(s, c); return XPM_SHELL_BREAK;
        default: return XPM_SHELL_OPAQUE;
        }
}

static enum xpm_shell_event step_dollar(xpm_shell_state *s, char c)
{
        bool plain = is_plain(top(s));
        if (s->posix && ((c == '\'' && plain) || c == '[')) {
                xpm_shell_lose(s);
                return XPM_SHELL_OPAQUE;
        }
        switch (c) {
        case '(': s->pending = DOLLAR_PAREN; return XPM_SHELL_OPAQUE;
        case '{': push(s, EXPANSION); return XPM_SHELL_OPAQUE;
        case '[': push(s, ARITHMETIC_SQUARE); return XPM_SHELL_OPAQUE;
        case '\'':
                if (!plain)
                        break;
                push(s, ANSI);
                return XPM_SHELL_OPAQUE;
        case '#':
        case '$': return XPM_SHELL_OPAQUE; /* a parameter */
        default: break;
        }
        return step_context(s, c);
}

enum xpm_shell_event xpm_shell_step(xpm_shell_state *s, char c)
{
        enum pending pending = s->pending;
        if (pending >= DELIMITER) {
                if (step_delimiter(s, c))
                        return XPM_SHELL_BREAK;
                return step_context(s, c);
        }
        s->pending = NOTHING;
        switch (pending) {
        case ESCAPE:
                if (c == '\n')
                        return XPM_SHELL_SYNTAX;
                s->in_word = 1;
                s->number = s->keyword = 0;
                return is_plain(top(s)) ? XPM_SHELL_LETTER : XPM_SHELL_OPAQUE;
        case DOLLAR: return step_dollar(s, c);
        case DOLLAR_PAREN:
        case OPEN:
                if (c == '(') {
                        push(s, ARITHMETIC);
                        return XPM_SHELL_OPAQUE;
                }
                push(s, pending == OPEN ? PAREN : SUBST);
                s->in_word = s->number = s->keyword = 0;
                return step_context(s, c);
        case CLOSE:
                if (c == ')')
                        pop(s);
                else
                        xpm_shell_lose(s);
                return XPM_SHELL_OPAQUE;
        case GREATER:
        case LESS:
                if (c == '(')
                        s->pending = DOLLAR_PAREN;
                else if (c == '<' && pending == LESS)
                        s->pending = LESS_LESS;
                else
                        return step_context(s, c);
                return XPM_SHELL_BREAK;
        case LESS_LESS:
                if (c == '<') /* a here-string: a word */
                        return XPM_SHELL_BREAK;
                begin_delimiter(s, c == '-');
                return c == '-' ? XPM_SHELL_BREAK : xpm_shell_step(s, c);
        default: return step_context(s, c);
        }
}

/* A value ends an operator that more characters would have made longer. */
static void settle(xpm_shell_state *s)
{
        switch (s->pending) {
        case DOLLAR_PAREN: push(s, SUBST); break;
        case OPEN: push(s, PAREN); break;
        case CLOSE: xpm_shell_lose(s); break;
        case GREATER:
        case LESS: break;
        case ESCAPE:
        case DOLLAR:
        case NOTHING: return;
        default: xpm_shell_lose(s); break;
        }
        s->in_word = s->number = s->keyword = 0;
        s->pending = NOTHING;
}

void xpm_shell_value(xpm_shell_state *state)
{
        settle(state);
        state->pending = NOTHING;
        if (top(state) == HEREDOC) {
                state->match = MISMATCH;
                state->joined = 0;
        }
        state->number = !state->in_word || state->number ? DIGITS_AND_VALUE : 0;
        state->in_word = 1;
        state->keyword = state->last = 0;
}

enum xpm_shell_place xpm_shell_place(const xpm_shell_state *state)
{
        static const uint8_t places[] = {
                [TOP] = XPM_SHELL_PLAIN,
                [PAREN] = XPM_SHELL_PLAIN,
                [SUBST] = XPM_SHELL_PLAIN,
                [DOUBLE] = XPM_SHELL_DOUBLE,
                [SINGLE] = XPM_SHELL_SINGLE,
                [ANSI] = XPM_SHELL_SINGLE,
                [BACKTICK] = XPM_SHELL_BACKTICK,
                [EXPANSION] = XPM_SHELL_EXPANSION,
                [ARITHMETIC] = XPM_SHELL_ARITHMETIC,
                [ARITHMETIC_PAREN] = XPM_SHELL_ARITHMETIC,
                [ARITHMETIC_SQUARE] = XPM_SHELL_ARITHMETIC,
                [COMMENT] = XPM_SHELL_COMMENT,
                [HEREDOC] = XPM_SHELL_HEREDOC,
                [LOST] = XPM_SHELL_LOST,
        };
        xpm_shell_state s = *state;
        if (s.pending >= LESS_LESS)
                return XPM_SHELL_HEREDOC;
        settle(&s);
        /* Bash may take a newline in a value for the end of the line there, and begin to read the document. */
        if (is_plain(top(&s)) && s.documents > 0 && s.depth > 0)
                return XPM_SHELL_HEREDOC;
        if (is_plain(top(&s)) && s.pending == DOLLAR)
                return XPM_SHELL_DOLLAR;
        if (is_plain(top(&s)) && s.pending == ESCAPE)
                return XPM_SHELL_BACKSLASH;
        return places[top(&s)];
}

bool xpm_shell_expands(const xpm_shell_state *state)
{
        enum xpm_shell_place place = xpm_shell_place(state);
        if (place == XPM_SHELL_HEREDOC)
                return state->documents > 0 && state->pending < LESS_LESS && !(state->delimiters[0] & QUOTED);
        return place != XPM_SHELL_SINGLE && place != XPM_SHELL_COMMENT && state->pending != ESCAPE;
}

const char *xpm_shell_place_text(enum xpm_shell_place place)
{
        static const char *const texts[] = {
                [XPM_SHELL_PLAIN] = "outside of quotes",
                [XPM_SHELL_SINGLE] = "in single quotes",
                [XPM_SHELL_DOUBLE] = "in double quotes",
                [XPM_SHELL_BACKTICK] = "in backticks",
                [XPM_SHELL_COMMENT] = "in a comment",
                [XPM_SHELL_HEREDOC] = "in a here-document",
                [XPM_SHELL_ARITHMETIC] = "in an arithmetic expression",
                [XPM_SHELL_EXPANSION] = "inside ${…}",
                [XPM_SHELL_DOLLAR] = "right after a '$'",
                [XPM_SHELL_BACKSLASH] = "right after a backslash",
                [XPM_SHELL_LOST] = "where it cannot be said whether quotes are open",
        };
        return texts[place];
}
