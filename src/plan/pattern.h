/* pattern.h: values of tags, compared
 */
#ifndef XPM_PLAN_PATTERN_H
#define XPM_PLAN_PATTERN_H

#include "model/value.h"
#include "plan/node.h"

/* Does VALUE (UNSET: the tag is lacking, which is null) match PATTERN, a value of `where` or `exclude`: any item of a
 * list, mappings partially, numbers by value? */
bool xpm_tag_matches(const xpm_node *pattern, const xpm_value *value);

/* Text that is equal for equal values, appended. XPM_ENOMEM. */
int xpm_tag_key(const xpm_value *value, xpm_text *text);

#endif
