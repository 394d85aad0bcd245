/* backfill.h: whether a job may start before one that waited longer
 *
 * The first job of a queue that finds no place reserves: the time at which it can start at the latest, as far as the
 * durations of what runs tell, and what is left over then. A later job may pass when it is sure to be over by then or
 * uses only what is left over (EASY backfilling; Lifka 1995, "The ANL/IBM SP scheduling system").
 *
 * Where durations are not known no time can be told, but what is left over can: what is free and what those hold who
 * did not pass by is enough for the first job once they have ended, whenever that is, and the rest of it is for others:
 * who waits for memory does not keep cores idle. What those hold who pass by is not counted, so that they cannot follow
 * each other in the first job's place. Beyond that as many cores as the host has may pass by, and no more.
 */
#ifndef XPM_EXEC_BACKFILL_H
#define XPM_EXEC_BACKFILL_H

#include "exec/placement.h"

typedef struct xpm_amount {
        size_t cores, gpus;
        uint64_t memory;
} xpm_amount;

typedef struct xpm_tenant { /* a job that runs */
        xpm_amount amount;
        int64_t ends; /* milliseconds of any clock, INT64_MAX: not known */
        bool passer;  /* it went by the job that reserves */
} xpm_tenant;

typedef struct xpm_reservation {
        int64_t at;       /* INT64_MAX: nobody knows */
        xpm_amount spare; /* of what is free then */
        size_t patience;  /* cores that may pass yet beyond that, when AT is not known */
} xpm_reservation;

xpm_amount xpm_amount_of(const xpm_demand *demand);

/* For a job that needs NEED, when FREE is free and the COUNT tenants run; they are sorted. PASSED cores went by it
 * already, of CORES that there are. */
xpm_reservation xpm_reserve(const xpm_amount *need, const xpm_amount *free, xpm_tenant *tenants, size_t count,
                            size_t passed, size_t cores);

/* A job of AMOUNT that starts NOW and lasts for DURATION milliseconds at most (0: not known) may pass. */
bool xpm_may_pass(const xpm_reservation *reservation, const xpm_amount *amount, int64_t now, int64_t duration);

#endif
