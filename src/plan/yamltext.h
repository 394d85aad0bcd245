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

/* JSON writes a character beyond U+FFFF as two escapes, \ud83d\ude00, which YAML refuses. A copy of TEXT in which each
 * such pair stands as an escape that YAML accepts, of the same length, so that every position stays right: NULL when
 * there is no pair (*FAILED false) or no memory (*FAILED true). The caller frees. */
char *xpm_yaml_hide_pairs(const char *text, size_t length, bool *failed);

/* Undo it in what was read: in a double-quoted scalar (DECODED) the character takes the place of the escape, in any
 * other the pair is put back as it was written. Changes TEXT in place and returns its new length. */
size_t xpm_yaml_show_pairs(char *text, size_t length, bool decoded);

/* The byte offset of character number CHARACTERS, counted from byte FROM. */
size_t xpm_yaml_offset(const char *text, size_t length, size_t from, size_t characters);

#endif
