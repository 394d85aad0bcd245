/* slurmtools.h: programs with the names of Slurm's commands, which say what a test wants, and nothing else in PATH
 */
#ifndef XPM_TEST_SLURMTOOLS_H
#define XPM_TEST_SLURMTOOLS_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "place.h"

/* NAME is a script with BODY, of which a shell alone makes something; it appends its arguments to the file `asked`. */
__attribute__((unused)) static void slurmtools_put(const struct place *place, const char *name, const char *body)
{
        char file[128], script[2048], path[160];
        mkdirat(place->dir, "bin", 0700);
        snprintf(path, sizeof path, "%s/bin", place->path);
        setenv("PATH", path, 1);
        snprintf(file, sizeof file, "bin/%s", name);
        snprintf(script, sizeof script, "#!/bin/sh\necho %s \"$@\" >> '%s/asked'\n%s\n", name, place->path, body);
        place_put(place, file, script);
        fchmodat(place->dir, file, 0700, 0);
}

/* No command of Slurm's at all, and no allocation. */
__attribute__((unused)) static void slurmtools_none(void)
{
        static const char *const variables[] = {"SLURM_JOB_ID",     "SLURM_JOB_END_TIME", "SLURM_CONF",  "XPM_ENGINE",
                                                "SBATCH_PARTITION", "SLURMD_NODENAME",    "XPM_DEADLINE"};
        for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
                unsetenv(variables[i]);
        setenv("PATH", "/nowhere/at/all", 1);
}

#endif
