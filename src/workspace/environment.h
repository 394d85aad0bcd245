/* environment.h: environment.json of a run: where and with what it was made
 *
 * begin reads what is quick to read and starts `git` for what is not (is the experiment's repository dirty?), so that a
 * run never waits for it; write may be called several times; end takes git's answer, if there is one by then.
 */
#ifndef XPM_WORKSPACE_ENVIRONMENT_H
#define XPM_WORKSPACE_ENVIRONMENT_H

#include <stdint.h>

#include "base/text.h"
#include "workspace/git.h"
#include "workspace/run.h"

typedef struct xpm_environment {
        xpm_text rest; /* members after `run` and `git`, as JSON */
        xpm_git git;
} xpm_environment;

#define XPM_ENVIRONMENT_INIT ((xpm_environment){.git = XPM_GIT_INIT})

/* XPM_ENOMEM. */
int xpm_environment_begin(xpm_environment *environment, const xpm_run_info *info, xpm_error *err);

/* environment.json as text. STATUS is NULL or completed, failed, detached; times are microseconds since the epoch, 0:
 * not yet. */
void xpm_environment_json(const xpm_environment *environment, const char *host, int64_t started, int64_t ended,
                          const char *status, xpm_text *text);

/* Wait a moment for what was started. */
void xpm_environment_settle(xpm_environment *environment);
void xpm_environment_release(xpm_environment *environment);

#endif
