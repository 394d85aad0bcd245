/* task.h: what makes a config type a task
 */
#ifndef XPM_PLAN_TASK_H
#define XPM_PLAN_TASK_H

#include "plan/declare.h"

/* `partials` and the settings of the task that PAIR declares, over those that TYPE's parent has; its head and its
 * parameters are read already. */
int xpm_task_read(xpm_arena *arena, const xpm_pair *pair, xpm_config_type *type, xpm_error *err);

/* The value of KEY in a mapping of declarations: *OUT is NULL when there is none, else a mapping. */
int xpm_task_section(const xpm_node *node, const char *key, const xpm_node **out, xpm_error *err);

/* SCRIPT of the task's own files: the last component of its lower-case name. */
const char *xpm_task_script(const xpm_config_type *type);

/* The generated files of configs that a job of TASK may hold are in its directory too: none may have the name of one of
 * its own files, or of an input file. */
int xpm_task_check_nested(const xpm_types *types, const xpm_config_type *task, xpm_error *err);

/* Warn of groups that a partial of TYPE excludes and no parameter of TYPE or a subtype is in. */
void xpm_task_warn(const xpm_types *types, const xpm_config_type *type, xpm_pos pos, const xpm_log *log);

#endif
