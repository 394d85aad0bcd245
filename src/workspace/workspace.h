/* workspace.h: the directory that all experiments of a project share (docs/reference/workspace.md)
 */
#ifndef XPM_WORKSPACE_WORKSPACE_H
#define XPM_WORKSPACE_WORKSPACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/log.h"
#include "experimaestro/error.h"

typedef struct xpm_workspace {
        char *path;                       /* absolute, as the user named it (links kept) */
        int dir;                          /* open; -1 while the workspace does not exist (dry run) */
        mode_t directory_mode, file_mode; /* by `sharing` */
        const char *const *folders;       /* set by whoever opened it: other folders with finished jobs, absolute paths,
                                           * NULL-terminated and borrowed; or NULL */
        /* Set likewise, or NULL: end what is left of the job in the directory PATH whose worker is dead, and which
         * holds its lock. true when there was something. */
        bool (*sweep)(const char *path, const char *script);
        mode_t old_umask; /* to be put back, when umask_changed */
        bool umask_changed;
} xpm_workspace;

/* Open PATH. With CREATE it and its `.__experimaestro__` are made where missing. Without, a workspace that does not
 * exist is opened with dir -1, and nothing is written. GROUP is `sharing: group`: with CREATE the umask of the process
 * lets the group's permissions through until close. XPM_EIO naming the file: not a directory, read-only, full. */
int xpm_workspace_open(const char *path, bool create, bool group, xpm_workspace **out, xpm_error *err);
void xpm_workspace_close(xpm_workspace *workspace);

#endif
