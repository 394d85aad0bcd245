/* Which launcher a job gets: by name, for now that of the option, the step, the task or the experiment. A name is
 * looked up in launchers.yaml; the name of a type that is not there means that type with nothing said. */
#include <string.h>

#include "base/words.h"
#include "engine/experiment.h"
#include "exec/loader.h"

static const char *const types[] = {"local", "slurm", "mpi"};
enum { TYPES = sizeof types / sizeof *types, SUGGESTIONS = 64 };

/* Where a job's launcher is named, or NULL when the option names it, or nothing does. */
static const xpm_node *named_at(const xpm_experiment *experiment, const xpm_job *job)
{
        const xpm_node *own = job->step->launcher ? job->step->launcher : job->step->task->launcher;
        if (experiment->options.launcher)
                return NULL;
        return own ? own : experiment->plan->launcher;
}

const char *xpm_experiment_launcher(const xpm_experiment *experiment, const xpm_job *job)
{
        const xpm_node *node = named_at(experiment, job);
        if (experiment->options.launcher)
                return experiment->options.launcher;
        return node ? node->text : types[0];
}

static bool is_type(const char *name)
{
        for (size_t i = 0; i < TYPES; i++)
                if (strcmp(types[i], name) == 0)
                        return true;
        return false;
}

static int refuse(const xpm_experiment *experiment, const char *name, xpm_error *err)
{
        const char *known[SUGGESTIONS];
        size_t count = 0;
        for (size_t i = 0; i < xpm_launcher_file_count(experiment->launchers) && count < SUGGESTIONS - TYPES; i++)
                known[count++] = xpm_launcher_file_entry(experiment->launchers, i)->name;
        for (size_t i = 0; i < TYPES; i++)
                known[count++] = types[i];
        const char *near = xpm_words_nearest(name, known, count);
        return xpm_fail(err, XPM_EUSAGE, "there is no launcher '%s' in launchers.yaml%s%s%s", name,
                        near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int xpm_experiment_module(const xpm_experiment *experiment, const char *name, const xpm_launcher **module,
                          const char **config, xpm_error *err)
{
        const xpm_launcher_entry *entry = xpm_launcher_file_find(experiment->launchers, name);
        const xpm_launcher *found;
        if (config)
                *config = entry ? entry->config : NULL;
        /* A name that nothing explains may still be that of a module that a site has added. */
        if (!entry && !is_type(name) && xpm_launcher_find(name, &found, NULL) != 0)
                return refuse(experiment, name, err);
        return module ? xpm_launcher_find(entry ? entry->type : name, module, err) : 0;
}

int xpm_experiment_check_launchers(const xpm_experiment *experiment, xpm_error *err)
{
        const xpm_step *last = NULL;
        for (size_t i = 0; i < experiment->plan->job_count; i++) {
                const xpm_job *job = experiment->plan->jobs[i];
                if (job->step == last)
                        continue;
                last = job->step;
                xpm_error own = XPM_ERROR_NONE;
                const xpm_node *node = named_at(experiment, job);
                int rc = xpm_experiment_module(experiment, xpm_experiment_launcher(experiment, job), NULL, NULL, &own);
                if (rc == XPM_EUSAGE && node)
                        return xpm_fail_at(err, node->pos, "%s", own.message);
                if (rc != 0)
                        return xpm_fail(err, rc, "%s", own.message);
        }
        return 0;
}
