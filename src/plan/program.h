/* program.h: the plan as code
 *
 * Section 7 of docs/reference/experiment-file.md: which file `file:` means, and what it printed.
 */
#ifndef XPM_PLAN_PROGRAM_H
#define XPM_PLAN_PROGRAM_H

#include "plan/load.h"

/* The program that NAME means beside DIR (then, for one given on the command line, CWD; may be NULL). POS (may be
 * empty) is where it was named. XPM_EPLAN when there is none, when several could be meant, or when it is of a kind that
 * cannot be run. */
int xpm_program_find(xpm_arena *arena, const char *name, const char *dir, const char *cwd, xpm_pos pos,
                     const char **path, xpm_error *err);

/* Run PATH with CONFIGURATION (a root, interpolated) on its input; *OUT is the mapping it printed. DIR is the
 * experiment's directory. */
int xpm_program_run(xpm_arena *arena, const xpm_load_options *options, const char *path, const char *dir,
                    const xpm_node *configuration, uint32_t layer, xpm_node **out, xpm_error *err);

#endif
