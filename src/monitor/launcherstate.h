/* launcherstate.h: what the files of the view of launchers share
 */
#ifndef XPM_MONITOR_LAUNCHERSTATE_H
#define XPM_MONITOR_LAUNCHERSTATE_H

#include "base/arena.h"
#include "engine/choice.h"
#include "monitor/launcherview.h"

struct xpm_launcher_view {
        xpm_arena *arena; /* of what is returned */
        xpm_launcher_file *file;
        char *path, *executable;
        xpm_core core;
        xpm_host host;
        xpm_candidates candidates;
        xpm_text heard; /* warnings of launchers, a line each */
        xpm_text told;  /* what else they said */
        void *user;     /* of whoever takes the events of what launchers have (jobcancel.c) */
};

static inline const xpm_candidate *xpm_launcher_view_candidate(const xpm_launcher_view *view, size_t rank)
{
        return &view->candidates.list[view->candidates.order[rank]];
}

#endif
