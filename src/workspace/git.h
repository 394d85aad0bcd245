/* git.h: which commit a directory is at
 *
 * Commit and branch are read from the repository's own files, which costs microseconds; whether there are changes
 * beside it only git can tell, in milliseconds or, in a big repository, seconds: it is started by open and asked by
 * settle.
 */
#ifndef XPM_WORKSPACE_GIT_H
#define XPM_WORKSPACE_GIT_H

#include "base/spawn.h"

typedef struct xpm_git {
        bool found;       /* there is a repository */
        char commit[65];  /* "" unknown: no commit yet */
        char branch[256]; /* "" none: HEAD is detached */
        enum { XPM_GIT_UNKNOWN, XPM_GIT_CLEAN, XPM_GIT_DIRTY } state;
        xpm_child child; /* of `git diff`; pid 0 none */
} xpm_git;

#define XPM_GIT_INIT ((xpm_git){.child = {.pidfd = -1}})

/* Look for the repository of DIR, there or above. What cannot be read stays unknown. */
void xpm_git_open(xpm_git *git, const char *dir);
/* Take the answer about changes if it is there. */
void xpm_git_ask(xpm_git *git);
/* Take the answer about changes, waiting for at most MILLISECONDS; whoever is late is killed. */
void xpm_git_settle(xpm_git *git, int milliseconds);

#endif
