/* setting.h: what a task or a step says about how its jobs are run
 *
 * The shapes of the values of section 5 of docs/reference/experiment-file.md. Texts that may be templates are not read
 * here: plan/template.h compiles them.
 */
#ifndef XPM_PLAN_SETTING_H
#define XPM_PLAN_SETTING_H

#include "plan/node.h"

/* Check the shape of NODE as the value of KEY: command, shell, setup, modules, env, files, cwd, requirements, mpi,
 * tokens, outputs, resumable, retry, max_retries, transient or launcher. Where a list is wanted and one text stands,
 * *NODE becomes a list of it (of its words for `shell`), in ARENA; where it is null, *NODE becomes NULL: nothing is
 * said. XPM_EPLAN with the position. */
int xpm_check_setting(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err);

/* NAME as the name of a file in a job's directory: inside it, and none of the job's own files, which those of SCRIPT
 * (the last dotted component of the task's lower-case name; NULL: not known) are too. WHAT is for the message: "an
 * output". */
int xpm_check_inside(const char *name, size_t length, const char *what, const char *script, xpm_pos pos,
                     xpm_error *err);

/* A scalar that is not null: XPM_EPLAN that says `WHAT: expected a text, found a list`. */
int xpm_check_text(const xpm_node *node, const char *what, xpm_error *err);

/* The bool `true` or `false`. */
int xpm_check_bool(const xpm_node *node, const char *what, bool *out, xpm_error *err);

/* TEXT has a tag of a template. */
bool xpm_is_template(const char *text);

#endif
