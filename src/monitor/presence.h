/* presence.h: which of many jobs still have their directory
 *
 *     xpm_presence presence = {.view = view};
 *     while (…)
 *             rc = xpm_presence_look(&presence, job, &err);
 *     xpm_presence_release(&presence);
 */
#ifndef XPM_MONITOR_PRESENCE_H
#define XPM_MONITOR_PRESENCE_H

#include "base/map.h"
#include "monitor/view.h"

enum { XPM_PRESENCE_FEW = 1000 };

typedef struct xpm_presence {
        xpm_view *view;
        size_t asked;
        xpm_map tasks, jobs; /* that have been listed; by task, by path */
} xpm_presence;

/* 1 when jobs/TASK/JOB is there, 0 when not; XPM_EIO, XPM_ENOMEM. */
int xpm_presence_look(xpm_presence *presence, const xpm_view_job *job, xpm_error *err);
void xpm_presence_release(xpm_presence *presence);

#endif
