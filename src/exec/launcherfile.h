/* launcherfile.h: launchers.yaml, which launchers there are
 *
 * The configuration directory's launchers.yaml (docs/reference/launchers.md). Without the file, or without an entry of
 * that name, the name of a module is itself a launcher: `local`.
 */
#ifndef XPM_EXEC_LAUNCHERFILE_H
#define XPM_EXEC_LAUNCHERFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experimaestro/launcher.h"
#include "model/requirement.h"

typedef struct xpm_launcher_entry {
        const char *name;
        const char *type;   /* of the module: local, slurm, mpi */
        const char *config; /* the entry as JSON, for xpm_launcher.open */
        uint32_t line;      /* where it begins, from 1 */
        const char *const *tags;
        size_t tag_count;
        int64_t priority;
        xpm_need host;        /* cores 0: not said; memory, gpus, likewise */
        int64_t max_duration; /* seconds, 0: no limit */
} xpm_launcher_entry;

typedef struct xpm_launcher_file xpm_launcher_file;

/* xpm_core.host_limits: the keys `cores` and `memory` of an entry's CONFIG. */
int xpm_launcher_limits(const char *config, xpm_host_limits *out, xpm_error *err);

/* Read DIR/launchers.yaml (DIR as for settings). No file: no entries. XPM_ESETTINGS with file:line:column: an unknown
 * key (with suggestion) or type, a wrong value. */
int xpm_launcher_file_read(const char *dir, xpm_launcher_file **out, xpm_error *err);
void xpm_launcher_file_destroy(xpm_launcher_file *file); /* NULL accepted */
bool xpm_launcher_file_is_there(const xpm_launcher_file *file);

size_t xpm_launcher_file_count(const xpm_launcher_file *file);
const xpm_launcher_entry *xpm_launcher_file_entry(const xpm_launcher_file *file, size_t index);
/* The entry NAME, or NULL. */
const xpm_launcher_entry *xpm_launcher_file_find(const xpm_launcher_file *file, const char *name);

#endif
