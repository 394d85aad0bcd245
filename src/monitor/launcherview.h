/* launcherview.h: which launchers there are, what their hosts offer, and which one a requirement gets
 *
 * The launchers are those of an experiment, and chosen from as by an experiment, but nothing is run. They are called by
 * their rank: 0 is the first that is asked, by priority, then by place in launchers.yaml. Everything that is returned
 * lives until close.
 */
#ifndef XPM_MONITOR_LAUNCHERVIEW_H
#define XPM_MONITOR_LAUNCHERVIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "experimaestro/error.h"
#include "model/requirement.h"

typedef struct xpm_launcher_view xpm_launcher_view;

/* CONFIG_DIR as for settings, or NULL. XPM_ESETTINGS for a wrong launchers.yaml. */
int xpm_launcher_view_open(const char *config_dir, xpm_launcher_view **out, xpm_error *err);
void xpm_launcher_view_close(xpm_launcher_view *view); /* NULL accepted */

/* Where launchers.yaml is, or would be. */
const char *xpm_launcher_view_path(const xpm_launcher_view *view);
bool xpm_launcher_view_has_file(const xpm_launcher_view *view);

typedef struct xpm_launcher_row {
        const char *name, *type;
        const char *const *tags;
        size_t tag_count;
        int64_t priority;
        uint32_t line; /* of launchers.yaml, 0: it is there by default */
} xpm_launcher_row;

size_t xpm_launcher_view_count(const xpm_launcher_view *view);
/* The rank of the one that stands at PLACE, from 0, in launchers.yaml. */
size_t xpm_launcher_view_rank(const xpm_launcher_view *view, size_t place);
xpm_launcher_row xpm_launcher_view_row(const xpm_launcher_view *view, size_t rank);

/* What a job may have of one host: of this one as it was found, for launchers whose jobs run here, else as
 * launchers.yaml says. */
typedef struct xpm_launcher_offer {
        int64_t cores;            /* 0: not known */
        uint64_t memory;          /* bytes, 0: not known */
        int64_t duration;         /* seconds, 0: no limit */
        const xpm_gpu_need *gpus; /* how many of each kind and memory */
        size_t gpu_count;         /* entries */
        bool gpus_known;
} xpm_launcher_offer;
int xpm_launcher_view_offer(xpm_launcher_view *view, size_t rank, xpm_launcher_offer *out, xpm_error *err);

/* Try to use the launcher. TROUBLE is why that cannot be, NULL when it can; WARNINGS, a line each, is what will
 * surprise. XPM_ENOMEM, XPM_EIO. */
int xpm_launcher_view_check(xpm_launcher_view *view, size_t rank, const char **trouble, const char **warnings,
                            xpm_error *err);

/* What the launcher that was checked last told of what it found, lines; valid until the next check. */
const char *xpm_launcher_view_told(const xpm_launcher_view *view);

typedef struct xpm_launcher_answer {
        size_t rank;
        const char
                *alternative; /* of the requirement: the first that it can satisfy; NULL: none, or a tag is missing */
        const char *why_not;  /* NULL for the one that is chosen */
} xpm_launcher_answer;

typedef struct xpm_launcher_answers {
        const xpm_launcher_answer *items; /* by the alternative, then by rank: the one that is chosen is the first */
        size_t count;
        bool found;
} xpm_launcher_answers;

/* What each launcher says to the requirement TEXT of a job that wants one with all TAGS. XPM_EPLAN when it is wrong, at
 * the byte *AT. */
int xpm_launcher_view_find(xpm_launcher_view *view, const char *text, const char *const *tags, size_t tag_count,
                           xpm_launcher_answers *out, size_t *at, xpm_error *err);

#endif
