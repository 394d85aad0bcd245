/* yamltext.h: the bytes that libyaml gets
 *
 * What libyaml would refuse without saying where, or would change, is dealt with before it reads. Lengths are in bytes;
 * a line ends with LF, CR LF or CR; columns count characters.
 */
#ifndef XPM_PLAN_YAMLTEXT_H
#define XPM_PLAN_YAMLTEXT_H

#include "base/text.h"
#include "plan/node.h"

enum { XPM_YAML_LIMIT = 64 << 20 };

/* At most XPM_YAML_LIMIT bytes of UTF-8 without control characters, or XPM_EPLAN with the position. */
int xpm_yaml_text_check(const xpm_source *source, const char *text, size_t length, xpm_error *err);

/* What stands for what in one text: characters that the text itself does not hold. */
enum { XPM_YAML_BREAKS = 3 };
typedef struct xpm_yaml_hidden {
        char stand_ins[XPM_YAML_BREAKS][4];
        bool pairs; /* some were hidden */
} xpm_yaml_hidden;

/* What YAML 1.2 and JSON take for ordinary text and libyaml does not: the two escapes that JSON writes for a character
 * beyond U+FFFF (\ud83d\ude00), which it refuses, and U+0085, U+2028, U+2029, which it takes for ends of lines. A copy
 * of TEXT in which other characters stand for them, as many and of the same length, so that every position stays right:
 * NULL when there is nothing to hide (*FAILED false) or no memory (*FAILED true). *HIDDEN is for xpm_yaml_show. The
 * caller frees. */
char *xpm_yaml_hide(const char *text, size_t length, xpm_yaml_hidden *hidden, bool *failed);

/* Undo it in what was read: a pair becomes its character in a double-quoted scalar (DECODED), in any other it is put
 * back as it was written. Changes TEXT in place and returns its new length. */
size_t xpm_yaml_show(const xpm_yaml_hidden *hidden, char *text, size_t length, bool decoded);

/* The byte offset of character number CHARACTERS, counted from byte FROM. */
size_t xpm_yaml_offset(const char *text, size_t length, size_t from, size_t characters);

#endif
