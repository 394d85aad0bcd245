/* Names that people type, and the names that they meant. Distances are counted in characters, not bytes, by the optimal
 * string alignment (a letter more, less, other, or two neighbours swapped). What is longer than a line of the terminal
 * is no name: it is near to nothing but itself. */
#include "base/words.h"

#include <fnmatch.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { LONGEST = 96 };

struct word {
        uint32_t letters[LONGEST]; /* ASCII in lower case */
        size_t length;
};

/* Length of the character at TEXT, 0 when it is not one. */
static size_t utf8_character(const unsigned char *text, size_t left)
{
        unsigned char lead = text[0];
        if (lead < 0x80)
                return 1;
        size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (lead < 0xC2 || lead > 0xF4 || length > left)
                return 0;
        /* The second byte alone tells overlong forms, surrogates and what is beyond U+10FFFF. */
        unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (text[1] < low || text[1] > high)
                return 0;
        for (size_t i = 2; i < length; i++)
                if ((text[i] & 0xC0) != 0x80)
                        return 0;
        return length;
}

size_t xpm_utf8_check(const char *text, size_t length)
{
        const unsigned char *bytes = (const unsigned char *)text;
        size_t i = 0;
        while (i < length) {
                uint64_t eight;
                if (length - i >= sizeof eight) {
                        memcpy(&eight, bytes + i, sizeof eight);
                        if ((eight & 0x8080808080808080) == 0) {
                                i += sizeof eight;
                                continue;
                        }
                }
                size_t character = utf8_character(bytes + i, length - i);
                if (character == 0)
                        return i;
                i += character;
        }
        return length;
}

static uint32_t lower(uint32_t letter)
{
        return letter >= 'A' && letter <= 'Z' ? letter + ('a' - 'A') : letter;
}

static bool word_read(struct word *word, const char *text)
{
        const unsigned char *bytes = (const unsigned char *)text;
        size_t left = strlen(text);
        word->length = 0;
        while (left > 0) {
                if (word->length == LONGEST)
                        return false;
                size_t character = utf8_character(bytes, left);
                if (character == 0)
                        character = 1;
                /* The bytes side by side identify the character as well as its code point does. */
                uint32_t letter = 0;
                for (size_t i = 0; i < character; i++)
                        letter = letter << 8 | bytes[i];
                word->letters[word->length++] = lower(letter);
                bytes += character;
                left -= character;
        }
        return true;
}

static size_t smaller(size_t a, size_t b)
{
        return a < b ? a : b;
}

static size_t distance(const struct word *a, const struct word *b)
{
        size_t rows[3][LONGEST + 1];
        size_t *before = rows[0], *last = rows[1], *row = rows[2];
        for (size_t j = 0; j <= b->length; j++)
                last[j] = j;
        for (size_t i = 1; i <= a->length; i++) {
                row[0] = i;
                for (size_t j = 1; j <= b->length; j++) {
                        uint32_t x = a->letters[i - 1], y = b->letters[j - 1];
                        row[j] = smaller(smaller(last[j], row[j - 1]) + 1, last[j - 1] + (x != y));
                        if (i > 1 && j > 1 && x == b->letters[j - 2] && y == a->letters[i - 2])
                                row[j] = smaller(row[j], before[j - 2] + 1);
                }
                size_t *free_row = before;
                before = last;
                last = row;
                row = free_row;
        }
        return last[b->length];
}

bool xpm_words_slip(const char *a, const char *b)
{
        struct word x, y;
        if (strcmp(a, b) == 0 || !word_read(&x, a) || !word_read(&y, b))
                return false;
        return x.length <= y.length + 1 && y.length <= x.length + 1 && distance(&x, &y) <= 1;
}

const char *xpm_words_nearest(const char *word, const char *const *candidates, size_t count)
{
        struct word wanted, candidate;
        if (!word_read(&wanted, word))
                return NULL;
        const char *nearest = NULL;
        size_t limit = wanted.length >= 6 ? wanted.length / 3 : 1;
        for (size_t i = 0; i < count; i++) {
                if (!candidates[i] || !word_read(&candidate, candidates[i]))
                        continue;
                /* Two words with no letter in common are not near, however short they are. */
                size_t longer = wanted.length > candidate.length ? wanted.length : candidate.length;
                if (longer > smaller(wanted.length, candidate.length) + limit)
                        continue;
                size_t far = distance(&wanted, &candidate);
                if (far > limit || (far > 0 && far >= longer))
                        continue;
                nearest = candidates[i];
                if (far == 0)
                        break;
                limit = far - 1;
        }
        return nearest;
}

bool xpm_words_match(const char *pattern, const char *text)
{
        return fnmatch(pattern, text, 0) == 0;
}
