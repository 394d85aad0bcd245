/* file.h: files that are whole at every instant
 *
 * Names are relative to a directory descriptor (AT_FDCWD and absolute paths are allowed); descriptors are
 * close-on-exec. Errors are XPM_EIO and quote the name.
 */
#ifndef XPM_BASE_FILE_H
#define XPM_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/text.h"
#include "experimaestro/error.h"

/* Append the whole of a file to TEXT. More than LIMIT bytes (0: no limit) is an error that says so; so is something
 * that is not a regular file. Returns XPM_ENOTFOUND when there is none. */
int xpm_file_read(int dir, const char *name, size_t limit, xpm_text *text, xpm_error *err);

/* Write a new file (O_EXCL is not used: an old one is overwritten in place). Short writes are continued, an error of
 * close() counts. For files that nobody reads before a marker says so. */
int xpm_file_write(int dir, const char *name, const void *data, size_t length, mode_t mode, xpm_error *err);

/* Replace by a temporary beside it and rename: readers see the old content or the new. On error the old file stays and
 * the temporary is gone. */
int xpm_file_replace(int dir, const char *name, const void *data, size_t length, mode_t mode, xpm_error *err);

/* write(2) until all is written. 0 or -1 with errno. */
int xpm_write_all(int fd, const void *data, size_t length);

/* mkdir -p; an existing directory (or a link to one) is fine. */
int xpm_mkdir_p(int dir, const char *path, mode_t mode, xpm_error *err);

/* rm -rf without following links; what does not exist is fine, and so are read-only directories of ours. */
int xpm_remove_tree(int dir, const char *path, xpm_error *err);

/* 1 when there is something of that name, 0 when not, XPM_EIO otherwise. */
int xpm_file_exists(int dir, const char *name, xpm_error *err);

/* Paths as text: */

/* DIR and NAME joined, NAME alone when it is absolute; `.` and `..` resolved lexically, double slashes removed. The
 * caller frees; NULL when out of memory. */
char *xpm_path_join(const char *dir, const char *name);
/* Relative, without `..` or empty components, not absolute, no NUL: may stand inside a directory. */
bool xpm_path_is_inside(const char *path);
/* The directory of the running executable, the caller's to free; NULL on error (errno). */
char *xpm_executable_dir(void);

#endif
