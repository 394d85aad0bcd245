/* bits.h: a set of small numbers
 *
 *     xpm_bits cores = {0};
 *     xpm_bits_add(&cores, 7);
 *     for (int i = xpm_bits_next(&cores, -1); i >= 0; i = xpm_bits_next(&cores, i)) …
 */
#ifndef XPM_BASE_BITS_H
#define XPM_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { XPM_BITS = 2048, XPM_BITS_WORDS = XPM_BITS / 64 }; /* numbers are from 0 to XPM_BITS - 1 */

typedef struct xpm_bits {
        uint64_t words[XPM_BITS_WORDS];
} xpm_bits;

static inline void xpm_bits_add(xpm_bits *bits, unsigned number)
{
        bits->words[number / 64] |= UINT64_C(1) << number % 64;
}

static inline void xpm_bits_remove(xpm_bits *bits, unsigned number)
{
        bits->words[number / 64] &= ~(UINT64_C(1) << number % 64);
}

static inline bool xpm_bits_has(const xpm_bits *bits, unsigned number)
{
        return bits->words[number / 64] >> number % 64 & 1;
}

void xpm_bits_add_all(xpm_bits *bits, const xpm_bits *other);
void xpm_bits_remove_all(xpm_bits *bits, const xpm_bits *other);
void xpm_bits_keep_all(xpm_bits *bits, const xpm_bits *other); /* what both have */

size_t xpm_bits_count(const xpm_bits *bits);
bool xpm_bits_is_empty(const xpm_bits *bits);
bool xpm_bits_meet(const xpm_bits *a, const xpm_bits *b); /* have a number in common */
bool xpm_bits_include(const xpm_bits *bits, const xpm_bits *part);

/* The least number above AFTER (-1: the least), or -1. */
int xpm_bits_next(const xpm_bits *bits, int after);

#endif
