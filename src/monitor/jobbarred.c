/* A job that a scheduler was given to start behind others, and one of those failed: the scheduler ends it, and nobody
 * writes that into its directory. So it shows in what is known of the others. */
#include "monitor/viewstate.h"

/* Whether one of DEPENDENCIES, a JSON list of `task/job`, failed. */
static bool has_failed(const xpm_map *index, const char *dependencies)
{
        size_t i;
        json_t *name, *list = json_loads(dependencies, 0, NULL);
        bool failed = false;
        json_array_foreach(list, i, name)
        {
                const char *key = json_string_value(name);
                const xpm_view_job *other = key ? xpm_map_get(index, key) : NULL;
                failed |= other && other->state == XPM_JOB_ERROR;
        }
        json_decref(list);
        return failed;
}

/* Jobs mostly stand behind those that they need: few rounds. */
void xpm_view_bar(const xpm_map *index, xpm_view_job *const *jobs, size_t count)
{
        for (bool changed = true; changed;) {
                changed = false;
                for (size_t i = 0; i < count; i++) {
                        xpm_view_job *job = jobs[i];
                        if (job->state != XPM_JOB_SCHEDULED || !job->dependencies ||
                            !has_failed(index, job->dependencies))
                                continue;
                        job->state = XPM_JOB_ERROR;
                        job->failure = XPM_FAILURE_DEPENDENCY;
                        changed = true;
                }
        }
}
