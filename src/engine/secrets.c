/* Secrets stand in no file of a job. One that is set by the settings or by the experiment file is put into our own
 * environment, from which schedulers pass it on to jobs, as those of `--env` are. */
#include <stdlib.h>
#include <string.h>

#include "engine/experiment.h"
#include "exec/environ.h"
#include "plan/setting.h"

extern char **environ;

static int pass(const char *name, const char *value, xpm_error *err)
{
        xpm_text expanded = XPM_TEXT_INIT;
        xpm_environ_expand(environ, value, &expanded);
        bool failed = expanded.failed || setenv(name, xpm_text_string(&expanded), 1) != 0;
        xpm_text_release(&expanded);
        return failed ? xpm_fail_memory(err) : 0;
}

int xpm_experiment_pass_secrets(const xpm_experiment *experiment, xpm_error *err)
{
        const xpm_node *secrets = experiment->plan->secrets;
        const char *const *pairs = experiment->choice.env;
        int rc = 0;
        for (size_t i = 0; rc == 0 && secrets && i < secrets->item_count; i++) {
                const char *name = secrets->items[i]->text;
                for (size_t j = 0; rc == 0 && pairs && pairs[j]; j += 2)
                        if (strcmp(pairs[j], name) == 0)
                                rc = pass(name, pairs[j + 1], err);
                const xpm_node *own = experiment->plan->env ? xpm_node_get(experiment->plan->env, name) : NULL;
                if (rc == 0 && own && own->kind == XPM_NODE_SCALAR && !xpm_is_template(own->text))
                        rc = pass(name, own->text, err);
        }
        return rc;
}
