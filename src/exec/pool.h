/* pool.h: many attempts at once, behind a loop of libuv
 *
 * A number of slots, each a thread that runs one attempt after the other; a queue before them; cores that the jobs in
 * the slots have for themselves; and what waits aside because another process runs the same job. The pool owns orders;
 * what becomes of them is reported in the loop's thread, exactly once for each: ENDED or RETURNED, and STARTED before
 * ENDED for what lasts.
 */
#ifndef XPM_EXEC_POOL_H
#define XPM_EXEC_POOL_H

#include <uv.h>

#include "exec/attempt.h"
#include "experimaestro/launcher.h"

typedef struct xpm_pool xpm_pool;

typedef struct xpm_pool_sink {
        void *data;
        /* BROKEN: the workspace could not be written, the message says where. */
        void (*event)(void *data, const xpm_launch_event *event, bool broken);
        void (*note)(void *data, const char *line);
        void (*warn)(void *data, const char *line); /* a note that the run's summary is to repeat */
        /* After some events: now is the time to send them. */
        void (*flush)(void *data);
} xpm_pool_sink;

typedef struct xpm_pool_options {
        int slots;         /* jobs at once */
        size_t cores;      /* of this host, for all of them; 0: all that this process may use */
        uint64_t memory;   /* bytes, likewise */
        bool devices;      /* some job wants one: look for them */
        int stock;         /* of xpm_stock_file, taken; -1: what this host has is shared with nobody */
        const char *note;  /* what was said when it was opened, or NULL */
        const char *label; /* for whom, in `xpm resources` */
} xpm_pool_options;

/* LOOP, SITE and SINK must stay. The loop stays alive while there are jobs. XPM_EIO when this host cannot be looked at.
 */
int xpm_pool_create(uv_loop_t *loop, const xpm_site *site, const xpm_pool_options *options, const xpm_pool_sink *sink,
                    xpm_pool **out, xpm_error *err);
/* Only when there are no jobs (or none was added). Closes handles: run the loop afterwards, then free. NULL accepted.
 */
void xpm_pool_close(xpm_pool *pool);
void xpm_pool_free(xpm_pool *pool);

/* Queue ORDER, which is taken, for the next slot. 0 or XPM_ENOMEM; XPM_EIO when no thread can be had. */
int xpm_pool_add(xpm_pool *pool, xpm_order *order, xpm_error *err);

/* Send back what has not begun. */
void xpm_pool_withdraw(xpm_pool *pool);

/* SIGTERM for what runs of TAGS (COUNT 0: everything), SIGKILL when it is still there after the grace or at the second
 * call; what has not begun is sent back. They end as `cancelled`. */
void xpm_pool_kill(xpm_pool *pool, const uint64_t *tags, size_t count);

/* The same for all of them, and with REASON as their end's. LOST (the guardian is gone): SIGKILL at once. */
void xpm_pool_end(xpm_pool *pool, enum xpm_failure reason);

/* Jobs that have been added and not been reported as ended or returned. */
size_t xpm_pool_count(const xpm_pool *pool);

#endif
