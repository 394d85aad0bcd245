/* experiment.h: what the engine's files share of an experiment
 */
#ifndef XPM_ENGINE_EXPERIMENT_H
#define XPM_ENGINE_EXPERIMENT_H

#include <signal.h>
#include <stdint.h>

#include "base/log.h"
#include "engine/choice.h"
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

        struct xpm_runner *runner; /* while it runs */
        size_t requests;           /* made to schedulers, from the first look at what they allow on */
        xpm_core core;
        xpm_host host;
        xpm_candidates candidates;
        xpm_choice *choices; /* per job */

        volatile sig_atomic_t interrupts; /* how often xpm_experiment_interrupt was called */
        volatile sig_atomic_t leaves;     /* xpm_experiment_leave was called */
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

/* launchers.c: choose each job's launcher. XPM_EPLAN and XPM_EUSAGE for a name that means nothing. */
int xpm_experiment_choose(xpm_experiment *experiment, xpm_error *err);
/* The name of JOB's launcher. */
const char *xpm_experiment_launcher(const xpm_experiment *experiment, const xpm_job *job);
/* Its entry in launchers.yaml, or NULL. */
const xpm_launcher_entry *xpm_experiment_entry(const xpm_experiment *experiment, const xpm_job *job);
/* Why no launcher can ever run JOB; appended to WHY. */
int xpm_experiment_explain_unfit(xpm_experiment *experiment, const xpm_job *job, xpm_text *why, xpm_error *err);

/* ports.c: what launchers are lent. What they say of jobs goes to the runner, if there is one. */
void xpm_experiment_lend(xpm_experiment *experiment);

/* secrets.c: what the settings and the experiment file give the secrets is in our environment from now on, for those
 * who start jobs elsewhere. XPM_ENOMEM. */
int xpm_experiment_pass_secrets(const xpm_experiment *experiment, xpm_error *err);
/* The merged experiment file as JSON, with `<from environment>` for what came from there; appended to JSON. */
int xpm_experiment_configuration(const xpm_experiment *experiment, xpm_text *json, xpm_error *err);

/* The graph of all jobs of the plan. */
int xpm_experiment_graph(const xpm_experiment *experiment, xpm_graph *graph, xpm_error *err);

#endif
