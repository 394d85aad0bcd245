/* json.h: writing JSON fast
 *
 * Appends to a text; the caller puts the punctuation between items. Reading is jansson's.
 */
#ifndef XPM_BASE_JSON_H
#define XPM_BASE_JSON_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* A quoted string; UTF-8 is kept, control characters are escaped, invalid UTF-8 becomes U+FFFD. */
void xpm_json_string(xpm_text *text, const char *string, size_t length);
void xpm_json_cstring(xpm_text *text, const char *string); /* null when STRING is NULL */
void xpm_json_int(xpm_text *text, int64_t value);
/* As xpm_float_format; infinities are the strings "inf" and "-inf", a NaN "nan", since JSON has none. */
void xpm_json_float(xpm_text *text, double value);
void xpm_json_bool(xpm_text *text, bool value);
/* `"key":` preceded by a comma unless the last character is `{`, `[` or the text is empty; in the style of Python's
 * json.dumps: ", " and ": ". */
void xpm_json_key(xpm_text *text, const char *key);
/* The comma alone, by the same rule, before an item of an array. */
void xpm_json_item(xpm_text *text);

/* Before reading: jansson takes no NUL in a key, so U+FFFD stands for each. False when JSON has none. */
bool xpm_json_hide_nul(char *json, size_t length);

#endif
