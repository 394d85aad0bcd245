/* commanded.h: a place with an experiment file and a workspace made from it, for tests of commands
 *
 * Three jobs: two of `good` whose run files were written, one of `good` that is marked done.
 */
#ifndef XPM_TEST_COMMANDED_H
#define XPM_TEST_COMMANDED_H

#include "cli/commands.h"
#include "place.h"
#include "said.h"

static const char commanded_plan[] = "id: e\n"
                                     "title: An experiment\n"
                                     "tasks:\n"
                                     "  good:\n"
                                     "    params: {n: int}\n"
                                     "    command: 'echo {{n}}'\n"
                                     "plan:\n"
                                     "  good: {task: good, sweep: {n: [1, 2, 3]}, tags: [n]}\n";

struct commanded {
        char file[128], workdir[128];
};

__attribute__((unused)) static struct commanded commanded(const struct place *place)
{
        struct commanded made;
        setenv("XDG_CONFIG_HOME", place->path, 1);
        setenv("XDG_CACHE_HOME", place->path, 1);
        place_put(place, "e.yaml", commanded_plan);
        snprintf(made.file, sizeof made.file, "%s/e.yaml", place->path);
        snprintf(made.workdir, sizeof made.workdir, "%s/ws", place->path);
        struct said *said = SAY(xpm_command_run_experiment, "run-experiment", "--run-mode", "generate", "--workdir",
                                made.workdir, made.file);
        if (said->status != 0) {
                fprintf(stderr, "%s%s", said->out, said->err);
                abort();
        }
        return made;
}

/* The path of the first job that `jobs path` is asked for by TASK. */
__attribute__((unused)) static const char *commanded_job(const struct commanded *made, char path[512])
{
        struct said *said = SAY(xpm_command_jobs, "jobs", "list", "--json", "--workdir", made->workdir);
        const char *id = strstr(said->out, "\"job_id\": \"");
        snprintf(path, 512, "%s/jobs/good/%.64s", made->workdir, id ? id + strlen("\"job_id\": \"") : "");
        return strrchr(path, '/') + 1;
}

#endif
