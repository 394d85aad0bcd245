/* channel.h: the engine's end of a worker
 *
 * Fills the worker functions of xpm_core. Frames are length-prefixed; see exec/wire.h.
 */
#ifndef XPM_EXEC_CHANNEL_H
#define XPM_EXEC_CHANNEL_H

#include "experimaestro/launcher.h"

void xpm_channel_lend(xpm_core *core);

#endif
