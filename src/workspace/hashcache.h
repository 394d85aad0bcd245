/* hashcache.h: the user's cache of file hashes
 *
 * $XDG_CACHE_HOME/experimaestro (else ~/.cache/experimaestro), keyed by path, size, inode, mtime and ctime
 * (nanoseconds). A file whose mtime is as young as the hashing itself is not cached: it may change again within the
 * clock's tick. A cache that cannot be read or written is no error: files are hashed again.
 */
#ifndef XPM_WORKSPACE_HASHCACHE_H
#define XPM_WORKSPACE_HASHCACHE_H

#include "experimaestro/error.h"

typedef struct xpm_hashcache xpm_hashcache;

int xpm_hashcache_open(xpm_hashcache **out, xpm_error *err);
/* 64 digits and NUL. The signature fits xpm_converter.hash_file. XPM_ENOTFOUND, XPM_EIO naming the file. */
int xpm_hashcache_file(void *cache, const char *path, char hex[65], xpm_error *err);
/* Write what is new (append under a lock), close. */
void xpm_hashcache_close(xpm_hashcache *cache);

#endif
