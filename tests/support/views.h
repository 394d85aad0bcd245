/* views.h: a view of a place that holds a workspace, for tests
 */
#ifndef XPM_TEST_VIEWS_H
#define XPM_TEST_VIEWS_H

#include "monitor/view.h"
#include "runs.h"

__attribute__((unused)) static xpm_view *views_open(const struct place *place)
{
        xpm_view *view;
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_view_open(&(xpm_view_place){.config_dir = place->path, .workdir = place->path}, &view, &err) != 0) {
                fprintf(stderr, "%s\n", err.message);
                abort();
        }
        return view;
}

/* A run as another program left it: its status.json, and jobs.jsonl unless NULL. `current` leads to it. */
__attribute__((unused)) static void views_put_run(const struct place *place, const char *experiment, const char *run,
                                                  const char *status, const char *jobs)
{
        char path[256];
        place_put(place, ".__experimaestro__", "");
        runs_mkdir(place, "experiments/%s/%s", experiment, run);
        snprintf(path, sizeof path, "experiments/%s/%s/status.json", experiment, run);
        if (status)
                place_put(place, path, status);
        snprintf(path, sizeof path, "experiments/%s/%s/jobs.jsonl", experiment, run);
        if (jobs)
                place_put(place, path, jobs);
        snprintf(path, sizeof path, "experiments/%s/current", experiment);
        unlinkat(place->dir, path, 0);
        if (symlinkat(run, place->dir, path) != 0)
                abort();
}

#endif
