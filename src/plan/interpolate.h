/* interpolate.h: ${a.b}, ${oc.env:NAME,default} and \${
 *
 * A scalar that is one `${…}` becomes a copy of what stands at that address; inside a longer text the address gives its
 * text. Addresses are those of -c (override.h). Nothing happens in the places that belong to a shell or an environment
 * (docs/reference/experiment-file.md, section 9).
 */
#ifndef XPM_PLAN_INTERPOLATE_H
#define XPM_PLAN_INTERPOLATE_H

#include "plan/load.h"

/* Interpolate DOCUMENT's root in place, adding to its env_values and keys_read. */
int xpm_interpolate(xpm_arena *arena, xpm_document *document, const char *(*getenv)(void *data, const char *name),
                    void *getenv_data, xpm_error *err);

#endif
