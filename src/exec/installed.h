/* installed.h: what belongs to the program, found from where it stands
 *
 * The tree can be moved: PREFIX/bin/xpm, PREFIX/lib/libexperimaestro.so, PREFIX/lib/experimaestro/launchers,
 * PREFIX/share/experimaestro. A build tree has the same shape.
 */
#ifndef XPM_EXEC_INSTALLED_H
#define XPM_EXEC_INSTALLED_H

#include "base/text.h"
#include "experimaestro/error.h"

/* Absolute path of NAME (`templates/local.sh`) among the share files: in $XPM_DATADIR, else from the executable's
 * place, else from the library's. The caller frees; XPM_ENOTFOUND with the places looked at. */
int xpm_locate_data(const char *name, char **out, xpm_error *err);

/* Append the share file NAME to TEXT. *FILE, for messages, is where it was found; the caller frees it; it is NULL
 * after a failure. A static build has the templates in itself, for an xpm that was copied alone. */
int xpm_read_data(const char *name, char **file, xpm_text *text, xpm_error *err);

/* Absolute path of xpm: beside the executable (which it most often is), else where it stands from the library, else in
 * PATH. The caller frees; XPM_ENOTFOUND with the places looked at. */
int xpm_locate_program(char **out, xpm_error *err);

/* The directory of launcher modules: $XPM_MODULEDIR, or found likewise. */
int xpm_locate_modules(char **out, xpm_error *err);

#endif
