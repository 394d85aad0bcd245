/* shellword.h: where in a shell script one stands
 *
 * A lexer for bash that is fed one character at a time and says whether a word that is put here would be read as a
 * word: not inside quotes, a here-document, a comment, an arithmetic expression. It is conservative: where bash itself
 * would have to be asked, the place is XPM_SHELL_LOST and stays so.
 *
 *     xpm_shell_state state = XPM_SHELL_START;
 *     for (; *script; script++)
 *             xpm_shell_step(&state, *script);
 *     if (xpm_shell_place(&state) == XPM_SHELL_PLAIN) …
 */
#ifndef XPM_PLAN_SHELLWORD_H
#define XPM_PLAN_SHELLWORD_H

#include <stdbool.h>
#include <stdint.h>

enum xpm_shell_place {
        XPM_SHELL_PLAIN,
        XPM_SHELL_SINGLE,   /* '…' or $'…' */
        XPM_SHELL_DOUBLE,   /* "…" */
        XPM_SHELL_BACKTICK, /* `…` */
        XPM_SHELL_COMMENT,
        XPM_SHELL_HEREDOC,    /* its lines, or its delimiter */
        XPM_SHELL_ARITHMETIC, /* $((…)), ((…)), $[…] */
        XPM_SHELL_EXPANSION,  /* ${…} */
        XPM_SHELL_DOLLAR,     /* right after a $ */
        XPM_SHELL_BACKSLASH,  /* right after a backslash */
        XPM_SHELL_LOST,
};

/* What a character is to the word around it. */
enum xpm_shell_event {
        XPM_SHELL_LETTER, /* it belongs to a word */
        XPM_SHELL_SYNTAX, /* a quote or a backslash: the word goes on without it */
        XPM_SHELL_OPAQUE, /* the word goes on, and what it is only the shell knows */
        XPM_SHELL_BREAK,  /* between words */
        XPM_SHELL_NUMBER, /* as BREAK: a redirection right after a value, which it would take for a descriptor's number
                           */
};

enum { XPM_SHELL_NESTING = 24, XPM_SHELL_DELIMITERS = 96 };

/* Plain bytes, so that two states can be compared by memcmp. */
typedef struct xpm_shell_state {
        uint8_t stack[XPM_SHELL_NESTING]; /* what is open, outermost first */
        uint8_t depth;
        uint8_t pending;                       /* the beginning of an operator of several characters */
        uint8_t in_word;                       /* the next character does not begin a word */
        uint8_t number;                        /* the word has only digits, or only digits and values */
        uint8_t keyword;                       /* characters of `case` that the word has so far */
        uint8_t last;                          /* character: = itself, `a` for letters and digits, else 0 */
        uint8_t documents, used;               /* here-documents that are to come, and bytes of: */
        char delimiters[XPM_SHELL_DELIMITERS]; /* a byte of flags, the delimiter, NUL; for each */
        uint8_t match;                         /* characters of the delimiter that this line of a document has so far */
        uint8_t posix;  /* the shell may be one that has no $'…' and $[…]: they lead to LOST */
        uint8_t joined; /* a backslash stands before the next character of a document */
} xpm_shell_state;

#define XPM_SHELL_START ((xpm_shell_state){.depth = 0})

enum xpm_shell_event xpm_shell_step(xpm_shell_state *state, char c);

/* Something stands here that is not known yet, a part of a word. */
void xpm_shell_value(xpm_shell_state *state);

/* From here on nobody knows. */
void xpm_shell_lose(xpm_shell_state *state);

enum xpm_shell_place xpm_shell_place(const xpm_shell_state *state);

/* Would a `$` that stands here be expanded? */
bool xpm_shell_expands(const xpm_shell_state *state);

/* For a message: `in double quotes`. */
const char *xpm_shell_place_text(enum xpm_shell_place place);

#endif
