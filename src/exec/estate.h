/* estate.h: the part of this host that one worker's jobs live on
 *
 * Who of a queue may start, and where: topology, placement, backfilling and the stock that is shared with other workers
 * brought together. Not thread-safe: the caller's mutex guards it.
 *
 * A job that asked for cores has them for itself. One that asked for nothing has one, which it shares with others of
 * that sort only where more jobs at once were asked for than there are cores (`-j 8` on 2).
 */
#ifndef XPM_EXEC_ESTATE_H
#define XPM_EXEC_ESTATE_H

#include "exec/backfill.h"
#include "exec/seat.h"

typedef struct xpm_estate xpm_estate;

typedef struct xpm_estate_options {
        size_t cores;      /* 0: all that this process may use */
        uint64_t memory;   /* likewise */
        size_t at_once;    /* jobs */
        bool devices;      /* look for them */
        int stock;         /* of xpm_stock_file, taken; -1: nothing is shared */
        const char *label; /* for people */
} xpm_estate_options;

/* NOTE is appended to when the stock is not shared and should be. XPM_EIO, XPM_ENOMEM. */
int xpm_estate_open(const xpm_estate_options *options, xpm_estate **out, xpm_text *note, xpm_error *err);
/* When no job has a lot. NULL accepted. */
void xpm_estate_close(xpm_estate *estate);

/* What one job has. */
typedef struct xpm_lot {
        xpm_portion portion;
        xpm_amount amount;
        int64_t ends;            /* CLOCK_MONOTONIC milliseconds, INT64_MAX: not known */
        bool shared;             /* its core is for others, too */
        const size_t *passed_by; /* PASSED of the job that it went by, which may be over; NULL: of none */
        struct xpm_lot *next, *previous;
} xpm_lot;

/* A pass over the queue: begin, ask for each job in order until one gets a lot, end. */
typedef struct xpm_pass {
        int64_t now;
        bool blocked; /* the first one found no place */
        size_t *passed;
        xpm_reservation reservation;
} xpm_pass;

/* NOW: CLOCK_MONOTONIC milliseconds. */
void xpm_estate_begin(xpm_estate *estate, xpm_pass *pass, int64_t now);
void xpm_estate_end(xpm_estate *estate);
/* NEED starts now, in LOT, which must stay until it is given back. *PASSED is the job's count of cores that went by it,
 * 0 in the beginning. What the host could never satisfy (after a retry that asks for more, say) gets all there is.
 * false: not now. */
bool xpm_estate_take(xpm_estate *estate, xpm_pass *pass, const xpm_need *need, size_t *passed, xpm_lot *lot);
void xpm_estate_give(xpm_estate *estate, xpm_lot *lot);

/* There are no jobs for what is idle: others may have it. */
void xpm_estate_rest(xpm_estate *estate);
/* A job waits for what other workers hold: try again before long. */
bool xpm_estate_is_waiting(const xpm_estate *estate);

/* Describe LOT for its job. Thread-safe, as long as LOT stays. */
int xpm_estate_seat(const xpm_estate *estate, const xpm_lot *lot, xpm_arena *arena, xpm_seat *seat, xpm_error *err);

#endif
