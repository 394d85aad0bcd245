/* launch.h: all that a worker needs of one job, rendered
 */
#ifndef XPM_ENGINE_LAUNCH_H
#define XPM_ENGINE_LAUNCH_H

#include "engine/experiment.h"
#include "experimaestro/launcher.h"
#include "model/jobspec.h"

/* A job rendered for one attempt; everything it points to lives in it. */
typedef struct xpm_rendered {
        xpm_arena *arena;
        xpm_jobspec spec;
        xpm_text params, script;
} xpm_rendered;

/* TEMPLATE_NAME is the launcher's: `local.sh`. Errors are those of plan/render.h and exec/runfile.h. */
int xpm_rendered_init(xpm_rendered *rendered, xpm_experiment *experiment, const xpm_job *job, const char *template_name,
                      xpm_error *err);
/* The same, with so much more memory and time than asked for. */
int xpm_rendered_init_scaled(xpm_rendered *rendered, xpm_experiment *experiment, const xpm_job *job,
                             const char *template_name, double memory, double duration, xpm_error *err);
void xpm_rendered_release(xpm_rendered *rendered);

/* The launch of it, borrowed from RENDERED. */
xpm_launch xpm_rendered_launch(const xpm_rendered *rendered, uint64_t tag, uint32_t attempt, bool again);

#endif
