/* loader.h: launchers by name
 */
#ifndef XPM_EXEC_LOADER_H
#define XPM_EXEC_LOADER_H

#include "experimaestro/launcher.h"

/* The launcher NAME: one that is linked in, else the module of that name in the module directory (found from the
 * executable's place; in a build tree too). XPM_ELAUNCHER: no such module (with those that there are), a module that
 * the caller does not own, another ABI (with both numbers). */
int xpm_launcher_find(const char *name, const xpm_launcher **out, xpm_error *err);

#endif
