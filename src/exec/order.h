/* order.h: a job handed to a worker
 *
 * What xpm_launch is to a launcher, with the specification that the worker runs by: sent as a JOB frame, or loaded from
 * a job's own params.json.
 */
#ifndef XPM_EXEC_ORDER_H
#define XPM_EXEC_ORDER_H

#include "base/arena.h"
#include "exec/wire.h"
#include "model/jobspec.h"

typedef struct xpm_order {
        uint64_t tag;
        uint32_t attempt;  /* the engine's number */
        bool again;        /* run although it is done */
        bool by_hand;      /* from its run file: no engine took its tokens */
        const char *nonce; /* of the attempt that a scheduler was given, which alone may begin; NULL: a new one */
        bool requeue;      /* the scheduler starts it again when it was interrupted */
        int64_t submitted; /* microseconds since the epoch */
        xpm_jobspec spec;
        const char *params, *script; /* contents to write; NULL: they are there */
        size_t params_length, script_length;
        xpm_arena *arena; /* owns all of it, the order included */
} xpm_order;

/* Append LAUNCH as a frame. */
void xpm_order_put(xpm_text *text, const xpm_launch *launch, int64_t submitted);

/* The order in FRAME, which is copied. XPM_EFORMAT, XPM_ENOMEM. */
int xpm_order_take(const xpm_frame *frame, xpm_order **out, xpm_error *err);

/* An empty one. NULL when out of memory. */
xpm_order *xpm_order_create(void);
void xpm_order_destroy(xpm_order *order);

/* Whether it is for a worker of its own, by hand or in an allocation of a scheduler, which is then the job's. */
static inline bool xpm_order_is_alone(const xpm_order *order)
{
        return order->by_hand || order->nonce;
}

/* Whether the command is started without a shell and without the run file. */
bool xpm_order_is_direct(const xpm_jobspec *spec);

#endif
