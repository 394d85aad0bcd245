/* planprogram.h: executable plans
 */
#ifndef XPM_ENGINE_PLANPROGRAM_H
#define XPM_ENGINE_PLANPROGRAM_H

#include "base/text.h"
#include "experimaestro/error.h"

/* xpm_load_options.run; DATA is the xpm_experiment_options. The program's standard error is shown when it fails, and
 * logged line by line when it does not. XPM_EPLAN. */
int xpm_planprogram_run(void *data, const char *path, bool python, const char *dir, const xpm_text *input,
                        xpm_text *output, xpm_error *err);

#endif
