/* lock.h: who may write
 *
 * flock(2) on a file opened for writing, never through a symbolic link. Others may unlink or replace a lock file, so
 * after locking the inode of the descriptor is compared with that of the path, and the lock is taken again when they
 * differ. The file is never unlinked or truncated by us before it is held.
 */
#ifndef XPM_BASE_LOCK_H
#define XPM_BASE_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "experimaestro/error.h"

/* Take the exclusive lock NAME in DIR (made with MODE where it does not exist). With WAIT the call blocks, else a lock
 * that is held gives XPM_ELOCKED, naming the holder that its text tells, if any. *FD is the close-on-exec descriptor
 * that holds it. */
int xpm_lock_take(int dir, const char *name, mode_t mode, bool wait, int *fd, xpm_error *err);

/* Wait for a shared lock: any number of processes may have it, while nobody has the exclusive one. */
int xpm_lock_share(int dir, const char *name, mode_t mode, int *fd, xpm_error *err);

/* Write `host pid user since` and NOTE (may be NULL) as the lock's text, a courtesy to whoever waits. Errors are
 * ignored. */
void xpm_lock_sign(int fd, const char *note);

/* LOCK_UN, then close: a descriptor that a child inherited does not keep it. -1 accepted. */
void xpm_lock_release(int fd);

/* Whether the lock NAME of DIR, which this process holds, excludes others at all: XPM_EIO, naming the mount, when it
 * can be taken once more. Some filesystems grant every lock. */
int xpm_lock_check(int dir, const char *name, xpm_error *err);

/* 1 when somebody holds it, 0 when not or when there is no such file, XPM_EIO. */
int xpm_lock_is_held(int dir, const char *name, xpm_error *err);

#endif
