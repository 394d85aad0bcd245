/* experiment.h: what the engine's files share of an experiment
 */
#ifndef XPM_ENGINE_EXPERIMENT_H
#define XPM_ENGINE_EXPERIMENT_H

#include <signal.h>
#include <stdint.h>

#include "base/log.h"
#include "engine/graph.h"
#include "exec/launcherfile.h"
#include "experimaestro/experiment.h"
#include "experimaestro/launcher.h"
#include "plan/plan.h"
#include "plan/render.h"
#include "workspace/hashcache.h"
#include "workspace/run.h"
#include "workspace/settings.h"
#include "workspace/workspace.h"

struct xpm_experiment {
        xpm_experiment_options options; /* its strings are the caller's */
        xpm_log log;
        char *cwd;
        char *executable; /* absolute path of xpm */
        xpm_hashcache *hashes;
        xpm_settings *settings;
        xpm_launcher_file *launchers;
        xpm_workspace_choice choice;
        xpm_workspace *workspace; /* opened without creating until something is to be written */
        xpm_plan *plan;
        xpm_render_context render;
        char *run_path;    /* once there is a RUN */
        uint8_t *outlooks; /* enum xpm_outlook per job, after a look */

        volatile sig_atomic_t interrupts; /* how often xpm_experiment_interrupt was called */
        int wake;                         /* eventfd, readable after an interrupt */
};

/* Open the workspace again, making what is missing; before the first write. */
int xpm_experiment_prepare(xpm_experiment *experiment, xpm_error *err);

/* Where jobs stand when a run begins: LOOK is called once the experiment is ours, so that what another engine did
 * meanwhile is seen, then STATE for each job. */
typedef struct xpm_survey {
        void *data;
        int (*look)(void *data, xpm_error *err);
        enum xpm_job_state (*state)(const void *data, size_t job);
} xpm_survey;

/* Take the experiment's lock, begin a RUN that announces all its jobs, survey them. SLOTS gets each job's slot. */
int xpm_experiment_begin(xpm_experiment *experiment, const xpm_survey *survey, size_t *slots, xpm_run **run,
                         xpm_error *err);

/* The name of the launcher of JOB: that of --launcher, else its step's or task's, else the
 * experiment's, else `local`. */
const char *xpm_experiment_launcher(const xpm_experiment *experiment, const xpm_job *job);

/* The module that the launcher NAME means, and its entry in launchers.yaml as JSON (NULL: none); MODULE may be NULL:
 * then only the name is checked. XPM_EUSAGE for an unknown name, with a suggestion; XPM_ELAUNCHER when the module
 * cannot be had. */
int xpm_experiment_module(const xpm_experiment *experiment, const char *name, const xpm_launcher **module,
                          const char **config, xpm_error *err);
/* The names of all jobs' launchers. */
int xpm_experiment_check_launchers(const xpm_experiment *experiment, xpm_error *err);

/* The merged experiment file as JSON, with `<from environment>` for what came from there; appended to JSON. */
int xpm_experiment_configuration(const xpm_experiment *experiment, xpm_text *json, xpm_error *err);

/* The graph of all jobs of the plan. */
int xpm_experiment_graph(const xpm_experiment *experiment, xpm_graph *graph, xpm_error *err);

#endif
