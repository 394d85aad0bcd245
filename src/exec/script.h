/* script.h: run files from their template
 *
 * A template is a Mustache template over a few names: job task experiment script path cwd xpm shell words text setup
 * ranks env (name, value) modules directives (lines of `#SBATCH`, plain), and, where the run file ends with the start
 * of a program, program and missing (what is said when it is not there). {{x}} is quoted for the shell, {{{x}}} is
 * plain.
 */
#ifndef XPM_EXEC_SCRIPT_H
#define XPM_EXEC_SCRIPT_H

#include "base/mustache.h"
#include "model/jobspec.h"

/* Compile the template TEXT, called NAME in messages, with PARTIALS (NULL: none) that stand beside it. XPM_ELAUNCHER
 * with line when it is wrong or names what there is not. */
int xpm_script_compile(xpm_arena *arena, const char *name, const char *text, size_t length,
                       const xpm_mustache_partials *partials, xpm_mustache *out, xpm_error *err);

/* Append the run file of SPEC. EXECUTABLE is the absolute path of xpm. */
int xpm_script_render(const xpm_mustache *script, const xpm_jobspec *spec, const char *executable, xpm_text *text,
                      xpm_error *err);

/* What is said of COMMAND when there is no such program. */
int xpm_script_fail_missing(const char *command, xpm_error *err);

/* A list that is started after a setup, and mpirun, are looked for by the run file, which tells of one that is not
 * there and ends with this status. Is that what SCRIPT.err in the directory DIR ends with? WORDS are those that it
 * said. */
enum { XPM_SCRIPT_MISSING = 127 };
bool xpm_script_says_missing(const xpm_jobspec *spec, int dir, xpm_error *words);

#endif
