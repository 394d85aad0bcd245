/* runfile.h: a job's run file and params.json
 *
 * Both are rendered from one xpm_jobspec; a test compares what they do.
 */
#ifndef XPM_EXEC_RUNFILE_H
#define XPM_EXEC_RUNFILE_H

#include <sys/types.h>

#include "base/text.h"
#include "experimaestro/error.h"
#include "model/jobspec.h"

/* SCRIPT.sh through the launcher's template (templates/local.sh). EXECUTABLE is the absolute path of xpm. */
int xpm_runfile_script(const xpm_jobspec *spec, const char *template_name, const char *executable, xpm_text *text,
                       xpm_error *err);

/* params.json; OBJECTS and PARAMS come from plan/render.h as JSON. */
int xpm_runfile_params(const xpm_jobspec *spec, const char *objects, const char *params, xpm_text *text,
                       xpm_error *err);

/* Make the job's directory with params.json, run file, input files, as the worker would (mode generate, Slurm). */
int xpm_runfile_write(const xpm_jobspec *spec, const char *script, size_t script_length, const char *params,
                      size_t params_length, mode_t directory_mode, mode_t file_mode, xpm_error *err);

/* The jobspec of an existing params.json, for `xpm worker --job DIR`; strings in ARENA. XPM_EFORMAT. */
int xpm_runfile_load(xpm_arena *arena, const char *job_dir, xpm_jobspec *out, xpm_error *err);

#endif
