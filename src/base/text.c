/* A buffer that doubles. The error is sticky so that a function which appends twenty pieces asks once.
 *
 * Invariant: capacity > length whenever capacity > 0, and data[length] is NUL. */
#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 64 };

void xpm_text_reserve(xpm_text *text, size_t more)
{
        if (text->failed || more < text->capacity - text->length)
                return;
        size_t needed, capacity = text->capacity ? text->capacity : SMALLEST;
        if (__builtin_add_overflow(text->length, more, &needed) || needed >= SIZE_MAX / 2) {
                text->failed = true;
                return;
        }
        while (capacity <= needed)
                capacity *= 2;
        char *data = realloc(text->data, capacity);
        if (!data) {
                text->failed = true;
                return;
        }
        if (text->capacity == 0)
                data[0] = '\0';
        text->data = data;
        text->capacity = capacity;
}

void xpm_text_append(xpm_text *text, const void *data, size_t length)
{
        xpm_text_reserve(text, length);
        if (text->failed)
                return;
        if (length > 0)
                memcpy(text->data + text->length, data, length);
        text->length += length;
        text->data[text->length] = '\0';
}

void xpm_text_puts(xpm_text *text, const char *string)
{
        xpm_text_append(text, string, strlen(string));
}

void xpm_text_vprintf(xpm_text *text, const char *format, va_list args)
{
        xpm_text_reserve(text, SMALLEST);
        if (text->failed)
                return;
        va_list again;
        va_copy(again, args);
        size_t room = text->capacity - text->length;
        int length = vsnprintf(text->data + text->length, room, format, args);
        if (length >= 0 && (size_t)length >= room) {
                text->data[text->length] = '\0';
                xpm_text_reserve(text, (size_t)length);
                if (!text->failed)
                        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        }
        va_end(again);
        if (length < 0)
                text->failed = true;
        if (text->failed)
                text->data[text->length] = '\0';
        else
                text->length += (size_t)length;
}

void xpm_text_printf(xpm_text *text, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        xpm_text_vprintf(text, format, args);
        va_end(args);
}

void xpm_text_clear(xpm_text *text)
{
        xpm_text_cut(text, 0);
}

void xpm_text_cut(xpm_text *text, size_t length)
{
        if (length > text->length || text->capacity == 0)
                return;
        text->length = length;
        text->data[length] = '\0';
}

char *xpm_text_take(xpm_text *text)
{
        xpm_text_reserve(text, 0);
        char *data = text->data;
        if (text->failed) {
                free(data);
                data = NULL;
        }
        *text = XPM_TEXT_INIT;
        return data;
}

const char *xpm_text_string(const xpm_text *text)
{
        return text->capacity ? text->data : "";
}

void xpm_text_release(xpm_text *text)
{
        free(text->data);
        *text = XPM_TEXT_INIT;
}

void xpm_text_shell_quote(xpm_text *text, const char *string, size_t length)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
        size_t i = 0;
        while (i < length && memchr(plain, string[i], sizeof plain - 1))
                i++;
        if (length > 0 && i == length) {
                xpm_text_append(text, string, length);
                return;
        }
        xpm_text_putc(text, '\'');
        for (size_t start = 0; start < length;) {
                const char *quote = memchr(string + start, '\'', length - start);
                size_t end = quote ? (size_t)(quote - string) : length;
                xpm_text_append(text, string + start, end - start);
                if (quote)
                        xpm_text_puts(text, "'\\''");
                start = end + (quote != NULL);
        }
        xpm_text_putc(text, '\'');
}
