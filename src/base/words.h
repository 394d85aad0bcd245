/* words.h: names that people type
 */
#ifndef XPM_BASE_WORDS_H
#define XPM_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* One slip apart: a letter more, less, other, or two neighbours swapped; letters compare without case. Equal is not a
 * slip, but the same letters in another case are. */
bool xpm_words_slip(const char *a, const char *b);

/* The nearest of COUNT candidates, when it is near enough to be worth a suggestion (edit distance at most a third of
 * the length, at least one, but not all of a word; a candidate that differs only in case always is); else NULL. The
 * first of equals wins; NULL candidates are passed over. */
const char *xpm_words_nearest(const char *word, const char *const *candidates, size_t count);

/* Offset of the first byte that is not valid UTF-8 (overlong forms, surrogates and beyond U+10FFFF included), or LENGTH
 * when all is. */
size_t xpm_utf8_check(const char *text, size_t length);

/* Shell-style pattern with * ? [..], as in triggers. */
bool xpm_words_match(const char *pattern, const char *text);

#endif
