/* override.h: dotted addresses, and -c key.path=value
 *
 * Keys may have dots themselves (`tasks.nn.Train.command`), so an address takes the longest key that exists at each
 * level; an item of a list is addressed by its index.
 */
#ifndef XPM_PLAN_OVERRIDE_H
#define XPM_PLAN_OVERRIDE_H

#include "plan/node.h"

enum { XPM_ADDRESS_LIMIT = 4096 }; /* bytes of an address */

/* One step of ADDRESS (LENGTH bytes) from NODE: where the value stands, and in *TAKEN how many bytes the step used, the
 * dot behind it included. NULL when there is none of that name. */
xpm_node **xpm_address_step(const xpm_node *node, const char *address, size_t length, size_t *taken);

/* Apply one SETTING, `address=value`, to *ROOT as layer LAYER. CWD is for relative paths in the value. */
int xpm_override(xpm_arena *arena, xpm_node **root, const char *setting, const char *cwd, uint32_t layer,
                 xpm_error *err);

#endif
