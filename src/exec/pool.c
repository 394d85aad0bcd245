/* A slot is never idle while there is work: when a command has ended the next one is started before the outcome of the
 * first is written, whose files then cost nobody time. The lock of the first is held until they stand. (To make
 * directories ahead, or in threads, gained nothing when it was tried: what costs is the making of inodes, wherever it
 * is done.)
 *
 * A task's memory goes when libuv has closed both of its handles. */
#include "exec/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Milliseconds: when a command is said to run, between a polite signal and the other one, and between looks at a lock
 * that is held. */
enum { LASTS = 50, GRACE = 30000, PATIENCE_FIRST = 100, PATIENCE_LAST = 2000 };

typedef struct task {
        struct task *next, *previous;
        xpm_pool *pool;
        xpm_attempt attempt;
        uv_poll_t poll;
        uv_timer_t timer;
        int handles;       /* not closed yet */
        uint64_t patience; /* 0: it was never held */
        bool signalled;
} task;

/* A ring with a head that is no task. */
typedef struct ring {
        task head;
        size_t count;
} ring;

struct xpm_pool {
        uv_loop_t *loop;
        xpm_site *site;
        xpm_pool_sink sink;
        int slots;
        ring queued, running, held;
};

static void ring_init(ring *ring_)
{
        ring_->head.next = ring_->head.previous = &ring_->head;
        ring_->count = 0;
}

static void append(ring *ring_, task *task_)
{
        task_->previous = ring_->head.previous;
        task_->next = &ring_->head;
        task_->previous->next = task_->next->previous = task_;
        ring_->count++;
}

static void remove_from(ring *ring_, task *task_)
{
        task_->previous->next = task_->next;
        task_->next->previous = task_->previous;
        ring_->count--;
}

int xpm_pool_create(uv_loop_t *loop, xpm_site *site, int slots, const xpm_pool_sink *sink, xpm_pool **out,
                    xpm_error *err)
{
        xpm_pool *pool = malloc(sizeof *pool);
        if (!pool)
                return xpm_fail_memory(err);
        *pool = (xpm_pool){.loop = loop, .site = site, .sink = *sink, .slots = slots};
        ring_init(&pool->queued);
        ring_init(&pool->running);
        ring_init(&pool->held);
        *out = pool;
        return 0;
}

void xpm_pool_destroy(xpm_pool *pool)
{
        free(pool);
}

size_t xpm_pool_queued(const xpm_pool *pool)
{
        return pool->queued.count;
}

size_t xpm_pool_count(const xpm_pool *pool)
{
        return pool->queued.count + pool->running.count + pool->held.count;
}

size_t xpm_pool_running(const xpm_pool *pool)
{
        return pool->running.count;
}

static void on_closed(uv_handle_t *handle)
{
        task *task_ = handle->data;
        if (--task_->handles == 0)
                free(task_);
}

/* Whatever it had is let go; the memory follows when its handles are closed. */
static void discard(task *task_)
{
        int handles = task_->handles;
        if (handles > 1)
                uv_close((uv_handle_t *)&task_->poll, on_closed);
        xpm_attempt_release(&task_->attempt);
        if (handles > 0)
                uv_close((uv_handle_t *)&task_->timer, on_closed);
        else
                free(task_);
}

static void report(const task *task_, enum xpm_launch_event_kind kind)
{
        const xpm_outcome *outcome = &task_->attempt.outcome;
        bool ended = kind == XPM_LAUNCH_ENDED;
        const xpm_launch_event event = {
                .kind = kind,
                .tag = task_->attempt.order->tag,
                .attempt = task_->attempt.order->attempt,
                .done = ended && outcome->done,
                .code = ended ? outcome->code : -1,
                .reason = ended && !outcome->done ? xpm_failure_word(outcome->failure) : NULL,
                .message = ended && *outcome->message ? outcome->message : NULL,
                .wall = ended ? outcome->wall : 0,
        };
        task_->pool->sink.event(task_->pool->sink.data, &event, ended && outcome->broken);
}

static void end(task *task_, enum xpm_launch_event_kind kind)
{
        report(task_, kind);
        discard(task_);
}

/* It has ended, or will at once. */
static void conclude(task *task_)
{
        xpm_pool *pool = task_->pool;
        struct rusage usage;
        int how;
        uv_timer_stop(&task_->timer);
        while (wait4(task_->attempt.child.pid, &how, 0, &usage) < 0 && errno == EINTR)
                ;
        remove_from(&pool->running, task_);
        xpm_pool_fill(pool);
        xpm_attempt_finish(pool->site, &task_->attempt, how, &usage);
        end(task_, XPM_LAUNCH_ENDED);
}

static void on_exit_(uv_poll_t *handle, int status, int events)
{
        (void)status;
        (void)events;
        uv_poll_stop(handle);
        conclude(handle->data);
}

static void on_grace(uv_timer_t *timer)
{
        task *task_ = timer->data;
        xpm_attempt_signal(&task_->attempt, SIGKILL, task_->attempt.asked);
}

static void on_lasting(uv_timer_t *timer)
{
        task *task_ = timer->data;
        xpm_attempt_announce(task_->pool->site, &task_->attempt);
        report(task_, XPM_LAUNCH_STARTED);
}

static void start(task *task_);

static void on_patience(uv_timer_t *timer)
{
        task *task_ = timer->data;
        xpm_pool *pool = task_->pool;
        remove_from(&pool->held, task_);
        if (pool->running.count < (size_t)pool->slots) {
                start(task_);
                return;
        }
        append(&pool->held, task_);
        uv_timer_start(timer, on_patience, PATIENCE_FIRST, 0);
}

/* Once for all that are held together: a second engine on one experiment holds up thousands. */
static void note_holder(const task *task_)
{
        const xpm_jobspec *spec = &task_->attempt.order->spec;
        char line[2048];
        if (task_->pool->held.count > 0)
                return;
        snprintf(line, sizeof line, "another process runs job '%s/%.8s' already, its outcome is waited for: %s",
                 spec->task_id, spec->job_id, task_->attempt.outcome.message);
        task_->pool->sink.note(task_->pool->sink.data, line);
}

static void hold(task *task_)
{
        xpm_pool *pool = task_->pool;
        if (task_->patience == 0) {
                task_->patience = PATIENCE_FIRST;
                note_holder(task_);
        } else if (task_->patience < PATIENCE_LAST)
                task_->patience *= 2;
        append(&pool->held, task_);
        uv_timer_start(&task_->timer, on_patience, task_->patience, 0);
}

static void watch(task *task_)
{
        xpm_pool *pool = task_->pool;
        append(&pool->running, task_);
        task_->poll.data = task_;
        int rc = uv_poll_init(pool->loop, &task_->poll, task_->attempt.child.pidfd);
        if (rc == 0) {
                task_->handles = 2;
                rc = uv_poll_start(&task_->poll, UV_READABLE, on_exit_);
        }
        uv_timer_start(&task_->timer, on_lasting, LASTS, 0);
        if (rc == 0)
                return;
        /* What cannot be watched must not run. */
        xpm_attempt_signal(&task_->attempt, SIGKILL, XPM_FAILURE_LAUNCH);
        conclude(task_);
}

/* Into a slot that is free. */
static void start(task *task_)
{
        if (task_->handles == 0) {
                uv_timer_init(task_->pool->loop, &task_->timer);
                task_->timer.data = task_;
                task_->handles = 1;
        }
        switch (xpm_attempt_start(task_->pool->site, &task_->attempt, task_->patience > 0)) {
        case XPM_ATTEMPT_RUNS: watch(task_); break;
        case XPM_ATTEMPT_OVER: end(task_, XPM_LAUNCH_ENDED); break;
        case XPM_ATTEMPT_HELD: hold(task_); break;
        }
}

int xpm_pool_add(xpm_pool *pool, xpm_order *order, xpm_error *err)
{
        task *task_ = calloc(1, sizeof *task_);
        if (!task_) {
                xpm_order_destroy(order);
                return xpm_fail_memory(err);
        }
        task_->pool = pool;
        xpm_attempt_init(&task_->attempt, order);
        append(&pool->queued, task_);
        return 0;
}

void xpm_pool_fill(xpm_pool *pool)
{
        while (pool->queued.count > 0 && pool->running.count < (size_t)pool->slots) {
                task *task_ = pool->queued.head.next;
                remove_from(&pool->queued, task_);
                start(task_);
        }
}

static bool named(const task *task_, const uint64_t *tags, size_t count)
{
        bool found = count == 0;
        for (size_t i = 0; i < count && !found; i++)
                found = tags[i] == task_->attempt.order->tag;
        return found;
}

/* Take what TAGS name out of a ring of tasks that do not run. */
static void send_back(ring *ring_, const uint64_t *tags, size_t count)
{
        for (task *next, *task_ = ring_->head.next; task_ != &ring_->head; task_ = next) {
                next = task_->next;
                if (!named(task_, tags, count))
                        continue;
                remove_from(ring_, task_);
                end(task_, XPM_LAUNCH_RETURNED);
        }
}

void xpm_pool_withdraw(xpm_pool *pool)
{
        send_back(&pool->queued, NULL, 0);
        send_back(&pool->held, NULL, 0);
}

void xpm_pool_kill(xpm_pool *pool, const uint64_t *tags, size_t count)
{
        send_back(&pool->queued, tags, count);
        send_back(&pool->held, tags, count);
        for (task *task_ = pool->running.head.next; task_ != &pool->running.head; task_ = task_->next) {
                if (!named(task_, tags, count))
                        continue;
                xpm_attempt_signal(&task_->attempt, task_->signalled ? SIGKILL : SIGTERM, XPM_FAILURE_CANCELLED);
                task_->signalled = true;
                uv_timer_start(&task_->timer, on_grace, GRACE, 0);
        }
}
