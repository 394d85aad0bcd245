/* runs.h: workspaces and runs in a place, for tests
 */
#ifndef XPM_TEST_RUNS_H
#define XPM_TEST_RUNS_H

#include <stdarg.h>

#include "place.h"
#include "workspace/run.h"

/* DIGITS repeated to an identifier of 64. */
__attribute__((unused)) static const char *runs_id(char buffer[65], const char *digits)
{
        size_t length = strlen(digits);
        for (size_t i = 0; i < 64; i++)
                buffer[i] = digits[i < length ? i : length - 1];
        buffer[64] = '\0';
        return buffer;
}

__attribute__((unused)) static xpm_workspace *runs_workspace(const struct place *place)
{
        xpm_workspace *workspace;
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_workspace_open(place->path, true, false, &workspace, &err) != 0) {
                fprintf(stderr, "%s\n", err.message);
                abort();
        }
        return workspace;
}

__attribute__((unused)) static xpm_run *runs_begin(xpm_workspace *workspace, const char *experiment)
{
        xpm_run *run;
        xpm_error err = XPM_ERROR_NONE;
        xpm_run_info info = {.experiment_id = experiment, .title = "A title"};
        if (xpm_run_begin(workspace, &info, false, NULL, &run, &err) != 0) {
                fprintf(stderr, "%s\n", err.message);
                abort();
        }
        return run;
}

/* Announce a job `demo.task/ID`; its slot. */
__attribute__((unused)) static size_t runs_add(xpm_run *run, const char *id, const char *tags, enum xpm_job_state state)
{
        size_t slot;
        if (xpm_run_add_job(run, "demo.task", id, tags, "step", NULL, 0, state, &slot, NULL) != 0)
                abort();
        return slot;
}

/* Make a directory of the place, with those that it is in. */
__attribute__((unused)) static void runs_mkdir(const struct place *place, const char *format, ...)
{
        char path[512];
        va_list args;
        va_start(args, format);
        vsnprintf(path, sizeof path, format, args);
        va_end(args);
        for (char *at = path; (at = strchr(at, '/')); *at++ = '/') {
                *at = '\0';
                mkdirat(place->dir, path, 0777);
        }
        mkdirat(place->dir, path, 0777);
}

/* The directory of `demo.task/ID`, with the file NAME (unless NULL) in it. */
__attribute__((unused)) static void runs_job_file(const struct place *place, const char *id, const char *name,
                                                  const char *text)
{
        char path[512];
        runs_mkdir(place, "jobs/demo.task/%s/.experimaestro", id);
        if (!name)
                return;
        snprintf(path, sizeof path, "jobs/demo.task/%s/%s", id, name);
        place_put(place, path, text);
}

#endif
