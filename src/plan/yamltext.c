/* A hidden pair is the escape \uFFFE, a noncharacter that no text can hold unescaped, and six digits in base 32 that
 * carry the 20 bits of the character beyond U+10000 and which of the eight hexadecimal digits were capitals: 12 bytes,
 * as the pair had. So the context of a pair need not be known before libyaml has found it out: a double-quoted scalar
 * decodes the escape, any other scalar keeps it as text, and both can be undone without a table.
 *
 * A hidden end of line is a character of the same length that is assigned to nothing and that the text does not hold.
 * There are more of those than a text that is no attack has; one that holds them all keeps its ends of lines, and
 * libyaml's opinion of them. */
#include "plan/yamltext.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"

enum { PAIR = 12, DIGITS = 6, BITS = 5 };

static const char *const breaks[XPM_YAML_BREAKS] = {"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";

static xpm_pos position_of(const xpm_source *source, const char *text, size_t offset)
{
        xpm_pos pos = {.source = source, .line = 1, .column = 1};
        for (size_t i = 0; i < offset; i++) {
                unsigned char c = (unsigned char)text[i];
                if (c == '\n' || (c == '\r' && text[i + 1] != '\n')) {
                        pos.line++;
                        pos.column = 1;
                } else if ((c & 0xc0) != 0x80) {
                        pos.column++;
                }
        }
        return pos;
}

/* The code point at TEXT[I] when it is one that no YAML file may hold, else 0x20. */
static unsigned control_at(const unsigned char *text, size_t i, size_t length)
{
        unsigned char c = text[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
                return c;
        if (c == 0xc2 && i + 1 < length && text[i + 1] < 0xa0 && text[i + 1] != 0x85)
                return text[i + 1];
        if (c == 0xef && i + 2 < length && text[i + 1] == 0xbf && text[i + 2] >= 0xbe)
                return 0xffc0u + (text[i + 2] & 0x3f);
        return 0x20;
}

int xpm_yaml_text_check(const xpm_source *source, const char *text, size_t length, xpm_error *err)
{
        xpm_pos start = {.source = source, .line = 1, .column = 1};
        if (length > XPM_YAML_LIMIT)
                return xpm_fail_at(
                        err, start,
                        "%zu MB are too much for an experiment file (at most 64 MiB): keep data in files of its "
                        "own and name them in parameters of type 'file'",
                        length / 1000000);
        size_t bad = xpm_utf8_check(text, length);
        if (bad < length)
                return xpm_fail_at(err, position_of(source, text, bad),
                                   "the text is not UTF-8 (byte 0x%02X): save it in that encoding",
                                   (unsigned char)text[bad]);
        for (size_t i = 0; i < length; i++) {
                unsigned code = control_at((const unsigned char *)text, i, length);
                if (code != 0x20)
                        return xpm_fail_at(
                                err, position_of(source, text, i),
                                "the control character U+%04X cannot stand in a file: write it \"\\u%04x\", in "
                                "double quotes",
                                code, code);
        }
        return 0;
}

static int hex(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The surrogate that is escaped at TEXT (6 bytes), or -1; *CAPITALS gets a bit for each digit. */
static int surrogate(const char *text, unsigned *capitals)
{
        if (text[0] != '\\' || text[1] != 'u')
                return -1;
        int value = 0;
        for (int i = 2; i < 6; i++) {
                int digit = hex(text[i]);
                if (digit < 0)
                        return -1;
                value = value << 4 | digit;
                *capitals = *capitals << 1 | (text[i] >= 'A' && text[i] <= 'F');
        }
        return value >= 0xd800 && value <= 0xdfff ? value : -1;
}

static bool hide_pair(char *text)
{
        unsigned capitals = 0;
        int high = surrogate(text, &capitals), low = high < 0 ? -1 : surrogate(text + PAIR / 2, &capitals);
        if (high < 0 || high > 0xdbff || low < 0xdc00)
                return false;
        uint32_t bits = capitals << 20 | (uint32_t)(high - 0xd800) << 10 | (uint32_t)(low - 0xdc00);
        memcpy(text, "\\uFFFE", 6);
        for (int i = 0; i < DIGITS; i++)
                text[6 + i] = alphabet[bits >> (BITS * (DIGITS - 1 - i)) & 31];
        return true;
}

/* Put a stand-in for what is to be hidden at TEXT; returns its length, or 0. */
static size_t hide_at(xpm_yaml_hidden *hidden, char *text, size_t left)
{
        if (left >= PAIR && *text == '\\' && hide_pair(text)) {
                hidden->pairs = true;
                return PAIR;
        }
        for (size_t i = 0; i < XPM_YAML_BREAKS; i++) {
                size_t length = strlen(breaks[i]);
                if (left >= length && hidden->stand_ins[i][0] && memcmp(text, breaks[i], length) == 0) {
                        memcpy(text, hidden->stand_ins[i], length);
                        return length;
                }
        }
        return 0;
}

/* Code point NUMBER of those of two bytes, or of three, that are assigned to nothing. */
static bool candidate(size_t length, unsigned number, char out[4])
{
        static const unsigned short short_ones[] = {0x7bf, 0x7b2, 0x7b3, 0x7b4, 0x7fb,
                                                    0x7fc, 0x378, 0x379, 0x380, 0x381};
        unsigned code = length == 2 ? short_ones[number % 10] : 0xfdd0 + number;
        if (number >= (length == 2 ? 10 : 32))
                return false;
        if (length == 2) {
                out[0] = (char)(0xc0 | code >> 6);
                out[1] = (char)(0x80 | (code & 0x3f));
        } else {
                out[0] = (char)(0xe0 | code >> 12);
                out[1] = (char)(0x80 | (code >> 6 & 0x3f));
                out[2] = (char)(0x80 | (code & 0x3f));
        }
        out[length] = '\0';
        return true;
}

static void choose_stand_ins(const char *text, size_t length, xpm_yaml_hidden *hidden)
{
        unsigned number = 0;
        for (size_t i = 0; i < XPM_YAML_BREAKS; i++) {
                size_t size = strlen(breaks[i]);
                if (i > 0 && strlen(breaks[i - 1]) != size)
                        number = 0;
                char *chosen = hidden->stand_ins[i];
                bool good = candidate(size, number++, chosen);
                while (good && memmem(text, length, chosen, size))
                        good = candidate(size, number++, chosen);
                if (!good)
                        chosen[0] = '\0';
        }
}

/* A quick look, since most files have nothing to hide. */
static bool may_hide(const char *text, size_t length)
{
        bool any = memmem(text, length, "\\ud", 3) || memmem(text, length, "\\uD", 3);
        for (size_t i = 0; i < XPM_YAML_BREAKS; i++)
                any |= memmem(text, length, breaks[i], strlen(breaks[i])) != NULL;
        return any;
}

char *xpm_yaml_hide(const char *text, size_t length, xpm_yaml_hidden *hidden, bool *failed)
{
        *failed = false;
        *hidden = (xpm_yaml_hidden){.pairs = false};
        if (!may_hide(text, length))
                return NULL;
        choose_stand_ins(text, length, hidden);
        char *copy = malloc(length);
        if (!copy) {
                *failed = true;
                return NULL;
        }
        memcpy(copy, text, length);
        bool any = false;
        for (size_t i = 0; i < length;) {
                size_t replaced = hide_at(hidden, copy + i, length - i);
                any |= replaced > 0;
                /* What follows a backslash is escaped, another backslash too. */
                i += replaced > 0 ? replaced : copy[i] == '\\' ? 2 : 1;
        }
        if (any)
                return copy;
        free(copy);
        return NULL;
}

static bool read_digits(const char *text, uint32_t *bits)
{
        *bits = 0;
        for (int i = 0; i < DIGITS; i++) {
                const char *digit = text[i] ? strchr(alphabet, text[i]) : NULL;
                if (!digit)
                        return false;
                *bits = *bits << BITS | (uint32_t)(digit - alphabet);
        }
        return *bits >> 28 == 0;
}

static size_t write_utf8(char *out, uint32_t code)
{
        out[0] = (char)(0xf0 | code >> 18);
        out[1] = (char)(0x80 | (code >> 12 & 0x3f));
        out[2] = (char)(0x80 | (code >> 6 & 0x3f));
        out[3] = (char)(0x80 | (code & 0x3f));
        return 4;
}

static size_t write_pair(char *out, uint32_t bits)
{
        unsigned values[] = {0xd800 + (bits >> 10 & 0x3ff), 0xdc00 + (bits & 0x3ff)};
        for (int i = 0; i < PAIR; i++) {
                if (i % 6 < 2) {
                        out[i] = "\\u"[i % 6];
                        continue;
                }
                int digit = i % 6 - 2;
                bool capital = bits >> (27 - (4 * (i / 6) + digit)) & 1;
                out[i] = (capital ? "0123456789ABCDEF" : "0123456789abcdef")[values[i / 6] >> (12 - 4 * digit) & 15];
        }
        return PAIR;
}

static void show_breaks(const xpm_yaml_hidden *hidden, char *text, size_t length)
{
        for (size_t b = 0; b < XPM_YAML_BREAKS; b++) {
                size_t size = strlen(hidden->stand_ins[b]);
                if (size == 0)
                        continue;
                for (char *at = text; (at = memmem(at, (size_t)(text + length - at), hidden->stand_ins[b], size));
                     at += size)
                        memcpy(at, breaks[b], size);
        }
}

size_t xpm_yaml_show(const xpm_yaml_hidden *hidden, char *text, size_t length, bool decoded)
{
        const char *mark = decoded ? "\xef\xbf\xbe" : "\\uFFFE";
        size_t mark_length = strlen(mark), out = 0;
        show_breaks(hidden, text, length);
        if (!hidden->pairs)
                return length;
        for (size_t i = 0; i < length;) {
                uint32_t bits;
                if (length - i >= mark_length + DIGITS && memcmp(text + i, mark, mark_length) == 0 &&
                    read_digits(text + i + mark_length, &bits)) {
                        out += decoded ? write_utf8(text + out, 0x10000 + (bits & 0xfffff))
                                       : write_pair(text + out, bits);
                        i += mark_length + DIGITS;
                } else {
                        text[out++] = text[i++];
                }
        }
        return out;
}

size_t xpm_yaml_offset(const char *text, size_t length, size_t from, size_t characters)
{
        size_t i = from;
        for (; characters > 0 && i < length; characters--)
                for (i++; i < length && ((unsigned char)text[i] & 0xc0) == 0x80;)
                        i++;
        return i;
}
