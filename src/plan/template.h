/* template.h: a task's templates, compiled and checked
 *
 * command, setup, modules, env, files, cwd, requirements, mpi, tokens, outputs (section 5 of
 * docs/reference/experiment-file.md): every name is checked when the plan is read; shell texts are lexed so that a value
 * can never be run.
 */
#ifndef XPM_PLAN_TEMPLATE_H
#define XPM_PLAN_TEMPLATE_H

#include "plan/plan.h"

/* Compile step->templates (shared by steps of one task that change nothing). Called by xpm_plan_read for each step, and
 * for tasks that no step uses with a NULL step, so that their errors are found too. */
int xpm_templates_compile(xpm_plan *plan, const xpm_task *task, xpm_step *step, const xpm_log *log, xpm_error *err);

#endif
