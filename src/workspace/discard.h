/* discard.h: directories of a workspace that go, all at once
 */
#ifndef XPM_WORKSPACE_DISCARD_H
#define XPM_WORKSPACE_DISCARD_H

#include "workspace/workspace.h"

/* Remove the directory NAME of the open directory DIR with all that is in it, links as links. From one instant to the
 * next it is no longer there under its name, and no list shows what is left of it when we die meanwhile. XPM_ENOTFOUND
 * when there is none, XPM_EIO, XPM_ENOMEM; the message names NAME alone. */
int xpm_discard(const xpm_workspace *workspace, int dir, const char *name, xpm_error *err);

/* Until *LOCK is released (xpm_lock_release), what is in `.tmp` under a name of this form is left alone: `run-` or
 * `current-` and a number of so many hexadecimal digits. XPM_EIO, XPM_ENOMEM. */
enum { XPM_DISCARD_DIGITS = 16 };
int xpm_discard_hold_off(const xpm_workspace *workspace, int *lock, xpm_error *err);

/* Remove what processes that died in the middle of the above have left, unless somebody is in the middle of it just
 * now: then a later call will. With EVERYWHERE also what could not leave its filesystem, for which all of `jobs` and
 * `experiments` is listed. The number of leftovers, or XPM_EIO, XPM_ENOMEM. */
int xpm_discard_sweep(const xpm_workspace *workspace, bool everywhere, xpm_error *err);

#endif
