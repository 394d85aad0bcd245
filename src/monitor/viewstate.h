/* viewstate.h: what the files of this room share
 */
#ifndef XPM_MONITOR_VIEWSTATE_H
#define XPM_MONITOR_VIEWSTATE_H

#include <jansson.h>

#include "base/arena.h"
#include "base/map.h"
#include "monitor/view.h"
#include "workspace/settings.h"
#include "workspace/underway.h"
#include "workspace/workspace.h"

struct xpm_view {
        xpm_arena *arena;
        xpm_settings *settings;
        xpm_workspace *workspace;
        xpm_underway *underway; /* NULL until something is removed */
        const char **runs;      /* whose links go with their jobs (jobact.c), `experiments/ID/RUN`; the same */
        size_t run_count;
};

/* Names of the entries of DIR (relative to the workspace) that are directories, or links to one where LINKS, sorted so
 * that numbers in them count; none that begins with a dot. A directory that does not exist has none. */
int xpm_view_directories(xpm_view *view, const char *dir, bool links, const char ***names, size_t *count,
                         xpm_error *err);

/* TEXT as a JSON object; NULL in *OUT when it is none. XPM_ENOMEM. */
int xpm_view_parse(const char *text, size_t length, json_t **out, xpm_error *err);
/* A JSON object of the workspace; NULL in *OUT when there is none that can be read as one. XPM_ENOMEM. */
int xpm_view_load(xpm_view *view, const char *path, json_t **out, xpm_error *err);

/* The string of a member, in the arena; NULL where there is none. */
int xpm_view_string(xpm_view *view, const json_t *object, const char *key, const char **out, xpm_error *err);

/* Experiments, those in ONLY alone (NULL or empty: all). XPM_ENOTFOUND for one that is not there. */
int xpm_view_ids(xpm_view *view, const char *const *only, const char ***ids, size_t *count, xpm_error *err);
/* The runs of an experiment, ascending; *CURRENT is the one that `current` names, else the last; NULL when there is
 * none. */
int xpm_view_run_names(xpm_view *view, const char *experiment, const char ***names, size_t *count, const char **current,
                       xpm_error *err);

/* A state as status.json of a run has it: `done`, `error:TIMEOUT`. False for what is none. */
bool xpm_view_parse_state(const char *word, enum xpm_job_state *state, enum xpm_failure *failure);

/* Read a run from its files. With STATUS its status.json is kept there, NULL when there is none; the caller's to
 * decref. */
int xpm_view_read_run(xpm_view *view, const char *experiment, const char *name, bool current, xpm_view_run *out,
                      json_t **status, xpm_error *err);

/* As xpm_view_list_jobs; without PROBE states are those that the runs recorded. */
int xpm_view_collect_jobs(xpm_view *view, const char *const *experiments, bool probe, xpm_view_jobs *out,
                          xpm_error *err);

/* Of JOBS those that are scheduled behind one that failed have failed, too; INDEX finds all by `task/job`. */
void xpm_view_bar(const xpm_map *index, xpm_view_job *const *jobs, size_t count);

/* SCRIPT: the last dotted component. */
const char *xpm_view_script(const char *task_id);

#endif
