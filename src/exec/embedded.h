/* embedded.h: the templates inside a static build (made by CMake)
 */
#ifndef XPM_EXEC_EMBEDDED_H
#define XPM_EXEC_EMBEDDED_H

#include <stddef.h>

typedef struct xpm_embedded {
        const char *name; /* `templates/local.sh` */
        const unsigned char *data;
        size_t length;
} xpm_embedded;

extern const xpm_embedded xpm_embedded_files[]; /* ended by an entry without a name */

#endif
