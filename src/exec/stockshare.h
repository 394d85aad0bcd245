/* stockshare.h: what is whose when not all can have what they want
 *
 * Counts only, no clock and no file: stock.c asks with what it has read. Parties stand in the order of waiting, those
 * that wait for nothing last.
 *
 * The even share of the cores is the level up to which all that have work could be filled: one that waits would be
 * filled without end, one that does not is content with what it holds. A party whose next job needs no more than that
 * is due what it misses, up to the share, from whoever holds more than the share. One whose next job needs more (a wide
 * job) is due what it misses from everybody. Of devices and memory there are no shares: whoever waits is due what he
 * misses. Free is given out first, in the order of waiting; then the idle.
 */
#ifndef XPM_EXEC_STOCKSHARE_H
#define XPM_EXEC_STOCKSHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xpm_stock_kind { XPM_STOCK_CORES, XPM_STOCK_GPUS, XPM_STOCK_MEMORY, XPM_STOCK_KINDS };

typedef struct xpm_party {
        uint64_t ticket;                /* the order of waiting; 0: waits for nothing */
        size_t held[XPM_STOCK_KINDS];   /* memory in shares */
        size_t target[XPM_STOCK_KINDS]; /* what its running jobs use and the next one needs */
        size_t job_cores;               /* what the next one needs */
        size_t usable;                  /* cores that it could use at all */
        bool is_me;                     /* of one of them */
} xpm_party;

/* Into the order of waiting. Returns where is_me stands now. */
size_t xpm_parties_sort(xpm_party *parties, size_t count);

/* The even share when SUPPLY cores are to be had. */
size_t xpm_parties_share(const xpm_party *parties, size_t count, size_t supply);

/* Of FREE, which nobody holds, what ME may take: his due and what is left when all have theirs. SHARE is the even
 * share. */
void xpm_parties_allow(const xpm_party *parties, size_t count, size_t me, size_t share,
                       const size_t free[XPM_STOCK_KINDS], size_t out[XPM_STOCK_KINDS]);

/* Of IDLE, which ME holds and does not use, what the others are due. */
void xpm_parties_due(const xpm_party *parties, size_t count, size_t me, size_t share,
                     const size_t free[XPM_STOCK_KINDS], const size_t idle[XPM_STOCK_KINDS],
                     size_t out[XPM_STOCK_KINDS]);

/* Whether something of IDLE could be due, whatever is free and for any share of LOW … HIGH: false saves the trouble of
 * finding that out. */
bool xpm_parties_may_owe(const xpm_party *parties, size_t count, size_t me, size_t low, size_t high,
                         const size_t idle[XPM_STOCK_KINDS]);

#endif
