/* stockfile.h: the file of a stock: where it is, how it is laid out, and its locks
 *
 * A place is a byte that can be locked, and a word in the table: hardware threads by the number that the system gives
 * them, so that processes that may use different cores agree; devices by a directory in the table; shares of memory.
 * Whoever has the file open has a read lock on one byte more, so the last one who leaves can remove it.
 */
#ifndef XPM_EXEC_STOCKFILE_H
#define XPM_EXEC_STOCKFILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "exec/stockshare.h"

enum {
        XPM_STOCK_PUS = 8192,
        XPM_STOCK_DEVICES = 64,
        XPM_STOCK_SHARES = 2048, /* of the memory: 256 for the one who came first, more for who may use more than he */
        XPM_STOCK_RECORDS = 256,

        XPM_PLACE_PU = 0,
        XPM_PLACE_DEVICE = XPM_PLACE_PU + XPM_STOCK_PUS,
        XPM_PLACE_SHARE = XPM_PLACE_DEVICE + XPM_STOCK_DEVICES,
        XPM_PLACES = XPM_PLACE_SHARE + XPM_STOCK_SHARES,
        /* Bytes for locks that are no places. */
        XPM_LOCK_RECORD = XPM_PLACES,
        XPM_LOCK_END = XPM_LOCK_RECORD + XPM_STOCK_RECORDS
};

/* What a participant says of itself: written by him alone, while he has the lock of his record. */
typedef struct xpm_stock_record {
        _Atomic uint64_t ticket; /* 0: waits for nothing */
        _Atomic int32_t pid;
        _Atomic uint32_t held[XPM_STOCK_KINDS], target[XPM_STOCK_KINDS], job_cores; /* as in xpm_party */
        _Atomic uint32_t usable, first_pu, last_pu;                                 /* the cores that he could use */
        char label[64];
} xpm_stock_record;

/* All zero at first. */
typedef struct xpm_stock_table {
        _Atomic uint64_t tickets;                    /* given out */
        _Atomic uint64_t unit;                       /* bytes of a share of memory, 0: not yet said */
        _Atomic uint32_t records;                    /* no record from here on was ever used */
        _Atomic uint64_t devices[XPM_STOCK_DEVICES]; /* keys of devices, 0: of none */
        xpm_stock_record record[XPM_STOCK_RECORDS];
        _Atomic uint16_t owner[XPM_PLACES]; /* record + 1; of a place that is not locked it means nothing */
} xpm_stock_table;

/* The file, made where there is none: a close-on-exec descriptor, or -1 when nothing is to be shared (NOTE, which may
 * be NULL, says why, unless that was asked for). What others left that nobody has open any more is removed. */
int xpm_stockfile_open(xpm_text *note);
/* To look at only: -1 when there is none. */
int xpm_stockfile_look(xpm_text *note);
/* Give back every lock of FD, remove the file when nobody else has it open, and close. -1 accepted. */
void xpm_stockfile_leave(int fd);
/* Another description of the same file, with locks of its own. */
int xpm_stockfile_again(int fd);

/* NULL on error (errno). FD -1: a table that nobody shares. */
xpm_stock_table *xpm_stockfile_map(int fd, bool write);
void xpm_stockfile_unmap(xpm_stock_table *table);

/* Without FD all is granted, and nobody has anything. */
bool xpm_stockfile_lock(int fd, size_t from, size_t end);
void xpm_stockfile_unlock(int fd, size_t from, size_t end);
/* Some lock of another description of FROM … END: its range within these. false: there is none. */
bool xpm_stockfile_find(int fd, size_t from, size_t end, size_t *first, size_t *last_end);
/* TAKEN[i] becomes true for each byte FROM + i that another description has locked: one call more than it has ranges,
 * twice. */
void xpm_stockfile_scan(int fd, size_t from, size_t end, bool *taken);

#endif
