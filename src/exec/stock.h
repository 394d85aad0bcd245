/* stock.h: who holds which cores, devices and memory of this host
 *
 * Engines and workers of one user on one host share one stock, a file in /dev/shm/xpm-UID (0700) for each boot and each
 * allocation. Each hardware thread of a core, each device, and each share of the memory is a byte of it: who has a
 * write lock there (of its open file description) holds it, so what a dead process held is free at once. Beside the
 * locks stand words about the holders, for people and for fairness; they are never believed against a lock.
 *
 * A worker keeps what it holds while it has jobs for it, and is asked for no lock per job. It gives back what others
 * are due: what is beyond an even share of the cores, and, for one whose next job needs more than its share, whatever
 * he waits for, in the order of waiting (stockshare.h). What a holder does:
 *
 *     a job has ended, and is_wanted: due and give, before what is idle is used again
 *     a job does not fit:             look and claim; when that does not do, want, and claim again in a while
 *     it is started, or given up:     want(stock, NULL, NULL)
 *     there are no more jobs:         give what is idle
 *
 * Cores shall be free only when what a killed worker orphaned is dead. So a worker opens the file before it splits from
 * its guardian (guardian.h), which keeps it open as long as it lives, and does nothing else with it; and its jobs
 * inherit it, for the case that the guardian is killed, too: then all that the worker held stays taken until the last
 * of them has ended. A worker that lives gives back what it likes, whoever has the file open.
 *
 *     file = xpm_stock_file(&note);
 *     rc = xpm_guardian_split(fd, &status, &err);
 *     if (rc != 0) return …;
 *     xpm_stock_open_file(file, topology, label, &stock, &note, &err);
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
 * directory; `private`: nothing is shared), else /dev/shm/xpm-UID. There is a file of its own for a Slurm job's step
 * (SLURM_JOB_ID, SLURM_STEP_ID) and for what runs in a job of ours (XPM_JOB_DIR, which workers give their jobs and
 * nobody else: an engine in a job must not wait for the cores of its own job), since their cores are theirs already;
 * and for a host that hwloc was told to describe (HWLOC_SYNTHETIC, HWLOC_XMLFILE). Who leaves last removes it.
 * When it cannot be had (no /dev/shm, a directory of somebody else's) nothing is shared, and *NOTE (may be NULL) says
 * why: that is no error. XPM_ENOMEM. */
int xpm_stock_open(const xpm_topology *topology, const char *label, xpm_stock **out, xpm_text *note, xpm_error *err);
/* The same in two steps. The file: a close-on-exec descriptor, or -1 when nothing is shared. */
int xpm_stock_file(xpm_text *note);
/* FILE (-1: nothing is shared) is the stock's from here on, whatever is returned. */
int xpm_stock_open_file(int file, const xpm_topology *topology, const char *label, xpm_stock **out, xpm_text *note,
                        xpm_error *err);
void xpm_stock_close(xpm_stock *stock); /* everything held is given back; NULL accepted */

/* What holds it: who inherits this keeps it held when we die. -1: nothing is shared. */
int xpm_stock_descriptor(const xpm_stock *stock);
/* What we hold. */
const xpm_portion *xpm_stock_held(const xpm_stock *stock);
/* What nobody else holds: what we hold, and what could be claimed now, without what is free for others who wait. */
void xpm_stock_look(const xpm_stock *stock, xpm_portion *free);
/* Take of WANTED what may be claimed now. WANTED is what we want to hold, so what we hold already counts: its memory is
 * all that we want to have, not what is to come. What is taken stays ours though it is not all; true when we hold all
 * of it. Memory is held in shares of the whole: held is at least what was wanted. */
bool xpm_stock_claim(xpm_stock *stock, const xpm_portion *wanted);
/* Give PART back; of its memory as much as whole shares allow. */
void xpm_stock_give(xpm_stock *stock, const xpm_portion *part);

/* Our next job needs NEED (cores by number) beyond what our running jobs USE, and has not got it: from now on we wait,
 * and others give. Called again, it says so anew, and keeps our place in the order of waiting. NEED NULL: we wait for
 * nothing; to be said as soon as the job has what it needs, for the next one has to wait its turn. */
typedef struct xpm_appetite {
        size_t cores, gpus;
        uint64_t memory;
} xpm_appetite;
void xpm_stock_want(xpm_stock *stock, const xpm_appetite *need, const xpm_appetite *used);
/* Somebody waits: a read of memory, no system call. */
bool xpm_stock_is_wanted(const xpm_stock *stock);
/* Of IDLE, which we hold and do not use, what others are due: goes to DUE (to be given back by the caller's give). No
 * system call when that can only be nothing. */
void xpm_stock_due(xpm_stock *stock, const xpm_portion *idle, xpm_portion *due);

/* The holders, for `xpm resources`. */
typedef struct xpm_holder {
        pid_t pid; /* 0: a worker that died, of which something is left; no label */
        char label[64];
        xpm_portion portion;
        bool waits;
} xpm_holder;
/* All that live, ours too. The caller frees *OUT. XPM_ENOMEM; no stock is no holders. */
int xpm_stock_holders(const xpm_topology *topology, xpm_holder **out, size_t *count, xpm_error *err);
/* Why nothing is shared here, appended to NOTE; nothing where it is, or nobody has shared anything yet. */
void xpm_stock_trouble(xpm_text *note);

#endif
