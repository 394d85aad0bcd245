/* submit.h: an experiment whose engine is a batch job: --submit
 */
#ifndef XPM_CLI_SUBMIT_H
#define XPM_CLI_SUBMIT_H

#include <signal.h>

#include "cli/options.h"
#include "experimaestro/experiment.h"

/* The engine that `--submit` has submitted, which is this process. */
typedef struct xpm_engine {
        const char *script;         /* NULL: this is none; borrowed from the environment */
        const char *const *options; /* of sbatch, NULL-terminated */
        long self, next;            /* Slurm's numbers: of this job, and of the one that continues, once there is one */
        xpm_experiment *experiment;
        xpm_observer shown;                  /* told of what this one is told of */
        const volatile sig_atomic_t *leaves; /* its time is nearly over */
} xpm_engine;

/* From the environment. OPTIONS were given for sbatch; they must stay. */
xpm_engine xpm_engine_find(const xpm_strings *options, const volatile sig_atomic_t *leaves);
/* Say which job this is. false: a later engine of EXPERIMENT is there, to which this one leaves all. */
bool xpm_engine_begin(const xpm_engine *engine, const xpm_experiment *experiment);
/* SHOWN, and the next engine is submitted as soon as the time is nearly over. ENGINE must stay. */
xpm_observer xpm_engine_observer(xpm_engine *engine, xpm_experiment *experiment, const xpm_observer *shown);
/* It has left: the next engine is submitted if that has not been possible until now, however often it takes. Returns
 * the exit status. */
int xpm_engine_hand_over(xpm_engine *engine);

/* Submit the engine of EXPERIMENT, which has been looked at, with the command line ARGV, where a word of VALUES is one
 * of the words of `--env` (names and values in turn), whose value is not to be written. Prints where to look. Returns
 * the exit status. */
int xpm_submit_engine(xpm_experiment *experiment, const char *executable, int argc, char **argv,
                      const xpm_strings *values, const xpm_strings *options);

#endif
