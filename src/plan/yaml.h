/* yaml.h: one text to nodes, for those who need more than xpm_yaml_parse (load.h)
 */
#ifndef XPM_PLAN_YAML_H
#define XPM_PLAN_YAML_H

#include "plan/node.h"

/* As xpm_yaml_parse, but *OUT is NULL for an empty document, and FIRST_COLUMN is added to the columns of the first
 * line, for a text that is the end of a longer one. */
int xpm_yaml_read(xpm_arena *arena, const xpm_source *source, const char *text, size_t length, uint32_t first_column,
                  uint32_t layer, xpm_node **out, xpm_error *err);

#endif
