/* roster.h: every job once
 */
#ifndef XPM_PLAN_ROSTER_H
#define XPM_PLAN_ROSTER_H

#include "plan/step.h"

typedef struct xpm_roster {
        xpm_plan *plan;
        const xpm_log *log;
        struct xpm_roster_slot {
                uint64_t hash; /* the beginning of the identifier: what differs is seen without looking at the job */
                xpm_job *job;
        } * slots; /* open addressing; at most three quarters full */
        size_t slot_count, count;

        /* of the step that is being expanded */
        xpm_step *step;
        xpm_job **jobs; /* malloc'ed until the step ends */
        size_t job_count, job_capacity;
        size_t merged; /* combinations that were a job already, and would have run something else */
        xpm_text example;

        /* dependencies, of the last job unless they were forgotten */
        bool known;
        xpm_job **dependencies;
        size_t dependency_count;
        xpm_job **found; /* malloc'ed: being collected */
        size_t found_count, found_capacity;
        size_t stamp, total;
} xpm_roster;

void xpm_roster_release(xpm_roster *roster);

void xpm_roster_begin(xpm_roster *roster, xpm_step *step);

/* Add the job that ROOT describes (copied when it is a new one), combination NUMBER of the step; one that is there
 * already gets the step's tags too. */
int xpm_roster_add(xpm_roster *roster, xpm_config *root, uint64_t number, xpm_error *err);

/* The next job depends on other jobs than the last one. */
void xpm_roster_forget(xpm_roster *roster);

/* Set the step's jobs, and warn of jobs that were merged although they would run differently. */
int xpm_roster_end(xpm_roster *roster, xpm_error *err);

#endif
