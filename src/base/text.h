/* text.h: a string that grows
 *
 * Appending never fails at once: when memory runs out the text remembers it, ignores what follows, and the caller asks
 * once at the end.
 *
 *     xpm_text text = XPM_TEXT_INIT;
 *     xpm_text_printf(&text, "%s has %zu jobs", name, count);
 *     if (text.failed) rc = xpm_fail_memory(err);
 *     xpm_text_release(&text);
 */
#ifndef XPM_BASE_TEXT_H
#define XPM_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct xpm_text {
        char *data;      /* NUL-terminated whenever capacity > 0; NULL while nothing was appended */
        size_t length;   /* bytes without the terminator; the text itself may hold NUL */
        size_t capacity; /* bytes allocated */
        bool failed;     /* memory ran out; sticky until release */
} xpm_text;

#define XPM_TEXT_INIT ((xpm_text){0})

void xpm_text_append(xpm_text *text, const void *data, size_t length);
void xpm_text_puts(xpm_text *text, const char *string);
void xpm_text_printf(xpm_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void xpm_text_vprintf(xpm_text *text, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void xpm_text_reserve(xpm_text *text, size_t more);

static inline void xpm_text_putc(xpm_text *text, char c)
{
        if (text->length + 1 < text->capacity) {
                text->data[text->length++] = c;
                text->data[text->length] = '\0';
        } else
                xpm_text_append(text, &c, 1);
}

/* Forget the content, keep the memory (and `failed`). */
void xpm_text_clear(xpm_text *text);
/* Cut to LENGTH bytes (at most the present length). */
void xpm_text_cut(xpm_text *text, size_t length);
/* The string, the caller's to free(); "" for an empty text; NULL when failed. The text is empty afterwards. */
char *xpm_text_take(xpm_text *text);
/* The string, borrowed, never NULL. */
const char *xpm_text_string(const xpm_text *text);
void xpm_text_release(xpm_text *text);

/* TEXT quoted for a POSIX shell: as it is when it is not empty and has only [A-Za-z0-9_@%+=:,./-], else in single
 * quotes. It must not hold NUL. */
void xpm_text_shell_quote(xpm_text *text, const char *string, size_t length);

#endif
