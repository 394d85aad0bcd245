/* mount.h: filesystems whose locks hold on this host only
 *
 * Some network filesystems can be mounted so that a lock is taken and excludes nobody on other hosts. The options tell.
 */
#ifndef XPM_WORKSPACE_MOUNT_H
#define XPM_WORKSPACE_MOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/text.h"
#include "experimaestro/error.h"

typedef struct xpm_mount {
        char place[1024], type[64];
        char option[64]; /* the one that makes locks local; "": none is known */
} xpm_mount;

/* Look in MOUNTINFO (the text of /proc/self/mountinfo) for the mount of DEVICE; true when its locks are local. */
bool xpm_mount_find_local(const char *mountinfo, dev_t device, xpm_mount *out);

/* The filesystem of the directory DIR, for a message: where it is mounted, its type, and the option that makes its
 * locks local, where one is known. */
void xpm_mount_describe(int dir, xpm_text *text);

/* XPM_EIO, naming the mount, when the locks of the directory DIR are local. */
int xpm_mount_check(int dir, xpm_error *err);

#endif
