/* hostview.h: the cores, memory and GPUs of this host, and who holds them
 */
#ifndef XPM_MONITOR_HOSTVIEW_H
#define XPM_MONITOR_HOSTVIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "exec/stock.h"

/* Append a picture, in lines of at most WIDTH columns as far as that is enough: each core and GPU is the letter of its
 * holder, or `.` */
void xpm_host_draw(const xpm_topology *topology, const xpm_holder *holders, size_t count, size_t width, xpm_text *text);

/* Append the same as one JSON document. */
void xpm_host_write_json(const xpm_topology *topology, const xpm_holder *holders, size_t count, xpm_text *text);

/* Look at this host now, and append one of the two; to NOTE why it cannot be told who holds what. XPM_EIO, XPM_ENOMEM.
 */
int xpm_host_describe(bool json, size_t width, xpm_text *text, xpm_text *note, xpm_error *err);

#endif
