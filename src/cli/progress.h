/* progress.h: what a person sees of a run
 *
 * On a terminal one live line at the bottom; elsewhere plain lines, rarer as time goes by. Failures are printed as they
 * happen: the job, the last lines of its error log, the path.
 */
#ifndef XPM_CLI_PROGRESS_H
#define XPM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "experimaestro/experiment.h"

typedef struct xpm_progress {
        const xpm_experiment *experiment;
        bool terminal;
        bool shown;        /* a live line stands on the terminal */
        int told;          /* how many words about Ctrl-C were printed */
        int64_t began;     /* CLOCK_MONOTONIC milliseconds */
        int64_t next_line; /* when the next plain line is due, milliseconds after began */
        size_t failures;   /* printed in full so far */
        volatile int *interrupts;
} xpm_progress;

/* INTERRUPTS is counted by the caller's signal handler. */
void xpm_progress_init(xpm_progress *progress, const xpm_experiment *experiment, volatile int *interrupts);
xpm_observer xpm_progress_observer(xpm_progress *progress);

/* Take the live line away, before something else is printed. */
void xpm_progress_clear(xpm_progress *progress);

/* What was done, and what to type next. */
void xpm_progress_end(xpm_progress *progress, const xpm_counts *counts, enum xpm_verdict verdict);

#endif
