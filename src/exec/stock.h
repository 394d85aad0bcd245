/* stock.h: who holds which cores, devices and memory of this host
 *
 * Engines and workers of one user on one host share one stock, a file in /dev/shm/xpm-UID (0700) for each boot and each
 * allocation. Each core and device, and each share of the memory, is a byte of it: who has a write lock there (of its
 * open file description) holds it, so what a dead process held is free at once. Beside the locks stand words about the
 * holders, for people and for fairness; they are never believed against a lock.
 *
 * A worker keeps what it holds while it has jobs for it, and is asked for no lock per job. It gives back what others
 * are due: what is beyond an even share of the cores, and, for one whose next job needs more than its share, whatever
 * he waits for, in the order of waiting.
 *
 * Not thread-safe: the caller's mutex guards it.
 */
#ifndef XPM_EXEC_STOCK_H
#define XPM_EXEC_STOCK_H

#include <sys/types.h>

#include "exec/topology.h"

typedef struct xpm_stock xpm_stock;

typedef struct xpm_portion {
        xpm_bits cores;
        xpm_bits gpus;   /* numbers below XPM_DEVICES */
        uint64_t memory; /* bytes */
} xpm_portion;

/* TOPOLOGY must stay. LABEL says to people for whom (an experiment, a job). Where the stock is: $XPM_STOCK when set (a
 * directory; `private`: nothing is shared), else /dev/shm/xpm-UID; in a job that a worker runs and in a Slurm job a
 * file of that job alone, since its cores are its own already. When it cannot be had (no /dev/shm, a directory of
 * somebody else's) nothing is shared, and *NOTE (may be NULL) says why: that is no error. XPM_ENOMEM. */
int xpm_stock_open(const xpm_topology *topology, const char *label, xpm_stock **out, xpm_text *note, xpm_error *err);
void xpm_stock_close(xpm_stock *stock); /* everything held is given back; NULL accepted */

/* What we hold. */
const xpm_portion *xpm_stock_held(const xpm_stock *stock);
/* What nobody else holds: what we hold, and what could be claimed now. */
void xpm_stock_look(const xpm_stock *stock, xpm_portion *free);
/* Take of WANTED what is free, MEMORY rounded up. true when we hold all of it now. */
bool xpm_stock_claim(xpm_stock *stock, const xpm_portion *wanted);
/* Give PART back. */
void xpm_stock_give(xpm_stock *stock, const xpm_portion *part);

/* Our next job needs NEED in all (cores by number) and has not got it: from now on we wait, and others give. NULL: we
 * wait for nothing. */
typedef struct xpm_appetite {
        size_t cores, gpus;
        uint64_t memory;
} xpm_appetite;
void xpm_stock_want(xpm_stock *stock, const xpm_appetite *need);
/* Somebody waits: a read of memory, no system call. */
bool xpm_stock_is_wanted(const xpm_stock *stock);
/* Of IDLE, which we hold and do not use, what others are due: goes to DUE (to be given back by the caller's give). */
void xpm_stock_due(xpm_stock *stock, const xpm_portion *idle, xpm_portion *due);

/* The holders, for `xpm resources`. */
typedef struct xpm_holder {
        pid_t pid;
        char label[64];
        xpm_portion portion;
        bool waits;
} xpm_holder;
/* All that live, ours too. The caller frees *OUT. XPM_ENOMEM; no stock is no holders. */
int xpm_stock_holders(const xpm_topology *topology, xpm_holder **out, size_t *count, xpm_error *err);

#endif
