/* JSON as Python's json.dumps(ensure_ascii=False) writes it, appended to a text. Strings are copied in runs of bytes
 * that need nothing, since nearly all need nothing. */
#include "base/json.h"

#include "base/number.h"
#include "base/words.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void escape(xpm_text *text, unsigned char c)
{
        static const char letters[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
        static const char hex[] = "0123456789abcdef";
        if (c == '"' || c == '\\')
                xpm_text_append(text, (char[]){'\\', (char)c}, 2);
        else if (letters[c])
                xpm_text_append(text, (char[]){'\\', letters[c]}, 2);
        else
                xpm_text_append(text, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

/* Valid UTF-8. */
static void append_escaped(xpm_text *text, const char *string, size_t length)
{
        size_t start = 0;
        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)string[i];
                if (c >= 0x20 && c != '"' && c != '\\')
                        continue;
                xpm_text_append(text, string + start, i - start);
                escape(text, c);
                start = i + 1;
        }
        xpm_text_append(text, string + start, length - start);
}

void xpm_json_string(xpm_text *text, const char *string, size_t length)
{
        xpm_text_putc(text, '"');
        for (;;) {
                size_t valid = xpm_utf8_check(string, length);
                append_escaped(text, string, valid);
                if (valid == length)
                        break;
                xpm_text_puts(text, "\xEF\xBF\xBD");
                string += valid + 1;
                length -= valid + 1;
        }
        xpm_text_putc(text, '"');
}

void xpm_json_cstring(xpm_text *text, const char *string)
{
        if (string)
                xpm_json_string(text, string, strlen(string));
        else
                xpm_text_puts(text, "null");
}

void xpm_json_int(xpm_text *text, int64_t value)
{
        char digits[24], *start = digits + sizeof digits;
        uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        do
                *--start = (char)('0' + left % 10);
        while (left /= 10);
        if (value < 0)
                *--start = '-';
        xpm_text_append(text, start, (size_t)(digits + sizeof digits - start));
}

void xpm_json_float(xpm_text *text, double value)
{
        char buffer[XPM_FLOAT_SIZE];
        size_t length = xpm_float_format(buffer, value);
        if (isfinite(value))
                xpm_text_append(text, buffer, length);
        else
                xpm_json_string(text, buffer, length);
}

void xpm_json_bool(xpm_text *text, bool value)
{
        xpm_text_puts(text, value ? "true" : "false");
}

void xpm_json_key(xpm_text *text, const char *key)
{
        xpm_json_item(text);
        xpm_json_cstring(text, key);
        xpm_text_append(text, ": ", 2);
}

void xpm_json_item(xpm_text *text)
{
        if (text->length == 0)
                return;
        char last = text->data[text->length - 1];
        if (last != '{' && last != '[')
                xpm_text_append(text, ", ", 2);
}

bool xpm_json_hide_nul(char *json, size_t length)
{
        bool found = false;
        for (size_t i = 0; i + 1 < length; i++)
                if (json[i] == '\\') {
                        if (i + 6 <= length && memcmp(json + i, "\\u0000", 6) == 0) {
                                memcpy(json + i, "\\ufffd", 6);
                                found = true;
                        }
                        i++; /* what is escaped begins nothing */
                }
        return found;
}
