/* poolstate.h: what a pool is made of
 *
 * Shared by pool.c (the loop's thread) and slot.c (the slots' threads), and no business of others.
 *
 * Everything of a task but its attempt is under the mutex, the estate too; the attempt is the slot's while the task is
 * in `running`. A process is signalled under the mutex while `pid` is set, and that is cleared before the process is
 * waited for: so the number is never another's.
 */
#ifndef XPM_EXEC_POOLSTATE_H
#define XPM_EXEC_POOLSTATE_H

#include <pthread.h>
#include <time.h>

#include "exec/estate.h"
#include "exec/pool.h"

typedef struct task {
        struct task *next, *previous;
        xpm_attempt attempt;
        xpm_lot lot;             /* while it is in `running` */
        xpm_seat seat;           /* of the lot */
        size_t passed;           /* estate.h */
        pid_t pid;               /* while its command runs, else 0 */
        enum xpm_failure reason; /* why it was signalled; NONE: it was not */
        int64_t kill_at;         /* when SIGKILL follows, CLOCK_MONOTONIC milliseconds */
        bool waited;             /* it was held */
        bool unwanted;           /* it is to be sent back, if it turns out to be held */
        bool lasting, told;      /* STARTED is due; was reported */
        bool warned;             /* that it has not got what it asked for */
} task;

/* A ring with a head that is no task. */
typedef struct ring {
        task head;
        size_t count;
} ring;

struct xpm_pool {
        uv_loop_t *loop;
        const xpm_site *site;
        xpm_pool_sink sink;
        size_t slots;
        pthread_t *threads;
        size_t thread_count;
        uv_async_t wake;
        uv_timer_t tick, patience, share, beat;
        int64_t waiting_since; /* for what other workers hold; 0: not */
        bool waiting_told;
        size_t count; /* the loop's: tasks that have not been reported */

        pthread_mutex_t mutex;
        pthread_cond_t work; /* an order was queued, a place became free, or CLOSING */
        xpm_estate *estate;
        bool closing;
        bool told;   /* that the queue is short */
        size_t idle; /* threads that wait for work */
        ring queued, running, held, ended;
};

static inline void ring_init(ring *ring_)
{
        ring_->head.next = ring_->head.previous = &ring_->head;
        ring_->count = 0;
}

static inline void ring_append(ring *ring_, task *task_)
{
        task_->previous = ring_->head.previous;
        task_->next = &ring_->head;
        task_->previous->next = task_->next->previous = task_;
        ring_->count++;
}

static inline void ring_remove(ring *ring_, task *task_)
{
        task_->previous->next = task_->next;
        task_->next->previous = task_->previous;
        ring_->count--;
}

static inline bool ring_is_empty(const ring *ring_)
{
        return ring_->head.next == &ring_->head;
}

static inline task *ring_take(ring *ring_)
{
        task *first = ring_->head.next;
        if (first == &ring_->head)
                return NULL;
        ring_remove(ring_, first);
        return first;
}

/* All of FROM behind TO. */
static inline void ring_move_all(ring *from, ring *to)
{
        for (task *task_; (task_ = ring_take(from));)
                ring_append(to, task_);
}

static inline int64_t xpm_now_ms(clockid_t clock)
{
        struct timespec now;
        clock_gettime(clock, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Under the mutex: SIGTERM, and SIGKILL once the grace is over; SIGKILL at once for whom was asked before. */
void xpm_slot_end(const xpm_pool *pool, task *task_, enum xpm_failure reason);

/* A slot's thread: DATA is its pool. */
void *xpm_slot_serve(void *data);

#endif
