/* number.h: numbers as text, in the C locale whatever setlocale() said
 */
#ifndef XPM_BASE_NUMBER_H
#define XPM_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { XPM_FLOAT_SIZE = 32 };

/* VALUE as the shortest decimal that reads back the same, written as Python's repr() writes it: 1.0, 0.0001, 1e-05,
 * 1e+16, inf, -inf, nan. Returns the length. Fast: the sweep of a million floats goes through it. */
size_t xpm_float_format(char buffer[XPM_FLOAT_SIZE], double value);

/* All of TEXT as a number: true on success. Int: [-+]?digits (base ten, leading zeros too), 0x…, 0o… with an optional
 * sign; *OVERFLOW (may be NULL) tells an int beyond 64 bits from something that is no int at all. */
bool xpm_int_parse(const char *text, size_t length, int64_t *value, bool *overflow);
/* Float: [-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?, [-+]?\.inf (and .Inf .INF), .nan (.NaN .NAN). *OVERFLOW when a
 * finite spelling gives an infinity (false is returned). */
bool xpm_float_parse(const char *text, size_t length, double *value, bool *overflow);

#endif
