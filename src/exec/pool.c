/* A thread for each slot does all of an attempt: makes the directory, starts the command, waits for it, writes the
 * outcome, takes the next order. Half of what a short job costs is the making of files, and a vfork() holds its caller
 * until the program is there: one thread for all slots kept them waiting (measured: 1.27 × the bare loop instead
 * of 1.10 ×). Nothing is handed from thread to thread while a slot has work: the queue is shared, and ends are
 * collected.
 *
 * The loop's thread hears of them when it matters: when the queue gets short, when a slot has nothing to do, when one
 * of them lasts; else it looks every few milliseconds, so that neither it nor the engine is woken for each job.
 *
 * A slot takes the first job of the queue that the estate has a place for (estate.h): with jobs of one core that is the
 * first one. What is given back may be enough for several, so whoever takes one wakes another slot. */
#include "exec/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec/poolstate.h"

/* Milliseconds: between looks at what has ended, at a lock that is held, and at what other workers hold of this host,
 * until that is told. */
enum { TICK = 5, PATIENCE = 200, SHARE = 20, TELL = 2000 };

/* `, for 2 GPUs and has 0`; ` asked for …` at first. */
static void put_lack(char *line, size_t size, size_t wanted, size_t has, const char *what)
{
        size_t length = strlen(line);
        if (has < wanted)
                snprintf(line + length, size - length, "%s for %zu %s and has %zu", *line ? "," : " asked", wanted,
                         what, has);
}

/* This host has a part of it; its allocation has the rest. */
static bool is_spread(const xpm_order *order)
{
        const char *nodes = getenv("SLURM_JOB_NUM_NODES");
        return xpm_order_is_alone(order) && nodes && atol(nodes) > 1;
}

/* What it asked for and did not get, since this host has no more of it: nothing, mostly. */
static void describe_lack(const xpm_attempt *attempt, char *line, size_t size)
{
        const xpm_portion *has = &attempt->seat->portion;
        const xpm_demand wanted = xpm_demand_of(&attempt->order->spec.need);
        *line = '\0';
        if (is_spread(attempt->order))
                return;
        put_lack(line, size, wanted.cores, attempt->seat->cores, "cores");
        put_lack(line, size, wanted.memory >> 20, has->memory >> 20, "MiB of memory");
        put_lack(line, size, wanted.gpu_count, xpm_bits_count(&has->gpus), "GPUs");
}

/* What it got is not what it asked for, or not what it has. */
static void warn(const xpm_pool *pool, task *task_)
{
        const xpm_attempt *attempt = &task_->attempt;
        const xpm_jobspec *spec = &attempt->order->spec;
        char line[512], lack[256];
        if (task_->warned || !attempt->seat)
                return;
        describe_lack(attempt, lack, sizeof lack);
        if (attempt->seen)
                snprintf(line, sizeof line, "job '%s/%.8s' was given the processors %s and runs on %s", spec->task_id,
                         spec->job_id, attempt->seat->cpuset, attempt->seen);
        else if (*lack)
                snprintf(line, sizeof line, "job '%s/%.8s'%s: there is no more here", spec->task_id, spec->job_id,
                         lack);
        else
                return;
        task_->warned = true;
        pool->sink.warn(pool->sink.data, line);
}

static void report(const xpm_pool *pool, task *task_, enum xpm_launch_event_kind kind)
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
        if (kind != XPM_LAUNCH_RETURNED)
                warn(pool, task_);
        pool->sink.event(pool->sink.data, &event, ended && outcome->broken);
}

/* The last that is heard of them; LIST is a ring that is nobody else's. */
static void report_all(xpm_pool *pool, ring *list, enum xpm_launch_event_kind kind)
{
        for (task *task_; (task_ = ring_take(list));) {
                if (task_->lasting && !task_->told)
                        report(pool, task_, XPM_LAUNCH_STARTED);
                if (--pool->count == 0)
                        uv_unref((uv_handle_t *)&pool->wake);
                report(pool, task_, kind);
                xpm_attempt_release(&task_->attempt);
                free(task_);
        }
}

/* One that lasts and has not been said to, or NULL. It stays until the loop has reported its end. */
static task *next_lasting(xpm_pool *pool)
{
        task *found = NULL;
        pthread_mutex_lock(&pool->mutex);
        for (task *task_ = pool->running.head.next; task_ != &pool->running.head && !found; task_ = task_->next)
                if (task_->lasting && !task_->told) {
                        task_->told = true;
                        found = task_;
                }
        pthread_mutex_unlock(&pool->mutex);
        return found;
}

static void note_holder(const xpm_pool *pool, const task *task_)
{
        const xpm_jobspec *spec = &task_->attempt.order->spec;
        char line[2048];
        const char *format = task_->attempt.holder.now
                                     ? "another process runs job '%s/%.8s' already, its outcome is waited for: %s"
                                     : "job '%s/%.8s' waits for what another one uses: %s";
        snprintf(line, sizeof line, format, spec->task_id, spec->job_id, task_->attempt.outcome.message);
        pool->sink.note(pool->sink.data, line);
}

/* What was sent for while a slot tried its lock. */
static void return_unwanted(xpm_pool *pool)
{
        ring returned;
        ring_init(&returned);
        pthread_mutex_lock(&pool->mutex);
        for (task *next, *task_ = pool->held.head.next; task_ != &pool->held.head; task_ = next) {
                next = task_->next;
                if (task_->unwanted) {
                        ring_remove(&pool->held, task_);
                        ring_append(&returned, task_);
                }
        }
        pthread_mutex_unlock(&pool->mutex);
        report_all(pool, &returned, XPM_LAUNCH_RETURNED);
}

static void on_patience(uv_timer_t *timer);

/* What is held is tried again after a while. Said once for all that are held together: a second engine on one
 * experiment holds up many. */
static void see_to_the_held(xpm_pool *pool)
{
        pthread_mutex_lock(&pool->mutex);
        const task *first = pool->held.count > 0 ? pool->held.head.next : NULL;
        pthread_mutex_unlock(&pool->mutex);
        if (!first || uv_is_active((uv_handle_t *)&pool->patience))
                return;
        if (!first->waited)
                note_holder(pool, first);
        uv_timer_start(&pool->patience, on_patience, PATIENCE, 0);
}

static void on_patience(uv_timer_t *timer)
{
        xpm_pool *pool = timer->data;
        return_unwanted(pool);
        pthread_mutex_lock(&pool->mutex);
        for (task *task_ = pool->held.head.next; task_ != &pool->held.head; task_ = task_->next)
                task_->waited = true;
        ring_move_all(&pool->held, &pool->queued);
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
}

/* Others may have given what we wait for; and what we hold for no job is for others. */
static void on_share(uv_timer_t *timer)
{
        xpm_pool *pool = timer->data;
        pthread_mutex_lock(&pool->mutex);
        bool waiting = xpm_estate_is_waiting(pool->estate);
        if (waiting)
                pthread_cond_signal(&pool->work);
        else if (ring_is_empty(&pool->queued))
                xpm_estate_rest(pool->estate);
        pthread_mutex_unlock(&pool->mutex);
        if (!waiting) {
                pool->waiting_since = 0;
                uv_timer_stop(timer);
                return;
        }
        int64_t now = xpm_now_ms(CLOCK_MONOTONIC);
        if (pool->waiting_since == 0)
                pool->waiting_since = now;
        if (pool->waiting_told || now - pool->waiting_since < TELL)
                return;
        pool->waiting_told = true;
        pool->sink.note(
                pool->sink.data,
                "other runs of yours hold the cores, memory or devices that the next job wants: it waits for them "
                "(`xpm resources` shows who)");
}

/* Outputs, outcomes and markers of all that have ended, at once. */
static void make_durable(const xpm_pool *pool, const ring *ended)
{
        const task *first = ended->head.next;
        if (!pool->site->durable || first == &ended->head)
                return;
        int fd = open(first->attempt.order->spec.workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || syncfs(fd) != 0)
                pool->sink.note(pool->sink.data,
                                "the workspace cannot be synced: what ends now may not survive the loss of "
                                "power");
        if (fd >= 0)
                close(fd);
}

/* Report what there is to report. The sink may ask for more of us, so it is never called under the mutex. */
static void collect(xpm_pool *pool)
{
        ring ended;
        ring_init(&ended);
        for (task *task_; (task_ = next_lasting(pool));)
                report(pool, task_, XPM_LAUNCH_STARTED);
        return_unwanted(pool);
        see_to_the_held(pool);
        pthread_mutex_lock(&pool->mutex);
        ring_move_all(&pool->ended, &ended);
        bool busy = pool->queued.count > 0, share = !busy || xpm_estate_is_waiting(pool->estate);
        pthread_mutex_unlock(&pool->mutex);
        if (!busy)
                uv_timer_stop(&pool->tick);
        if (share && !uv_is_active((uv_handle_t *)&pool->share))
                uv_timer_start(&pool->share, on_share, SHARE, SHARE);
        make_durable(pool, &ended);
        report_all(pool, &ended, XPM_LAUNCH_ENDED);
        pool->sink.flush(pool->sink.data);
}

static void on_wake(uv_async_t *wake)
{
        collect(wake->data);
}

static void on_tick(uv_timer_t *timer)
{
        collect(timer->data);
}

static void on_beat(uv_timer_t *timer)
{
        const xpm_pool *pool = timer->data;
        xpm_heartbeat_touch(pool->site->heartbeat);
}

static void open_handles(xpm_pool *pool)
{
        uv_timer_t *const timers[] = {&pool->tick, &pool->patience, &pool->share, &pool->beat};
        for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
                uv_timer_init(pool->loop, timers[i]);
                timers[i]->data = pool;
                uv_unref((uv_handle_t *)timers[i]);
        }
        pool->wake.data = pool;
        uv_unref((uv_handle_t *)&pool->wake);
        if (pool->site->heartbeat)
                uv_timer_start(&pool->beat, on_beat, (uint64_t)xpm_beat(), (uint64_t)xpm_beat());
}

static int open_estate(xpm_pool *pool, const xpm_pool_options *options, xpm_error *err)
{
        const xpm_estate_options wanted = {
                .cores = options->cores,
                .memory = options->memory,
                .at_once = pool->slots,
                .devices = options->devices,
                .stock = options->stock,
                .label = options->label,
        };
        xpm_text note = XPM_TEXT_INIT;
        int rc = xpm_estate_open(&wanted, &pool->estate, &note, err);
        if (rc == 0 && options->note)
                pool->sink.note(pool->sink.data, options->note);
        if (rc == 0 && note.length > 0)
                pool->sink.note(pool->sink.data, xpm_text_string(&note));
        xpm_text_release(&note);
        return rc;
}

int xpm_pool_create(uv_loop_t *loop, const xpm_site *site, const xpm_pool_options *options, const xpm_pool_sink *sink,
                    xpm_pool **out, xpm_error *err)
{
        size_t slots = options->slots > 0 ? (size_t)options->slots : 1;
        xpm_pool *pool = malloc(sizeof *pool);
        pthread_t *threads = calloc(slots, sizeof *threads);
        if (!pool || !threads) {
                if (options->stock >= 0)
                        close(options->stock);
                free(pool);
                free(threads);
                return xpm_fail_memory(err);
        }
        *pool = (xpm_pool){.loop = loop, .site = site, .sink = *sink, .slots = slots, .threads = threads};
        int rc = open_estate(pool, options, err), uv = 0;
        if (rc == 0 && (uv = uv_async_init(loop, &pool->wake, on_wake)) != 0)
                rc = xpm_fail(err, XPM_EIO, "cannot make an event descriptor: %s", uv_strerror(uv));
        if (rc != 0) {
                xpm_estate_close(pool->estate);
                free(threads);
                free(pool);
                return rc;
        }
        open_handles(pool);
        pthread_mutex_init(&pool->mutex, NULL);
        pthread_cond_init(&pool->work, NULL);
        ring_init(&pool->queued);
        ring_init(&pool->running);
        ring_init(&pool->held);
        ring_init(&pool->ended);
        *out = pool;
        return 0;
}

void xpm_pool_close(xpm_pool *pool)
{
        if (!pool)
                return;
        pthread_mutex_lock(&pool->mutex);
        pool->closing = true;
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
        while (pool->thread_count > 0)
                pthread_join(pool->threads[--pool->thread_count], NULL);
        uv_close((uv_handle_t *)&pool->wake, NULL);
        uv_close((uv_handle_t *)&pool->tick, NULL);
        uv_close((uv_handle_t *)&pool->patience, NULL);
        uv_close((uv_handle_t *)&pool->share, NULL);
        uv_close((uv_handle_t *)&pool->beat, NULL);
}

void xpm_pool_free(xpm_pool *pool)
{
        if (!pool)
                return;
        pthread_cond_destroy(&pool->work);
        pthread_mutex_destroy(&pool->mutex);
        xpm_estate_close(pool->estate);
        free(pool->threads);
        free(pool);
}

size_t xpm_pool_count(const xpm_pool *pool)
{
        return pool->count;
}

/* One more slot's thread, when there is work for it. Signals are the loop's, but for SIGCHLD: where it is not blocked
 * it is ignored, where it is blocked it is kept, and wakes the loop for every command. */
static int add_thread(xpm_pool *pool, xpm_error *err)
{
        sigset_t all, old;
        sigfillset(&all);
        sigdelset(&all, SIGCHLD);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        int rc = pthread_create(&pool->threads[pool->thread_count], NULL, xpm_slot_serve, pool);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (rc == 0)
                pool->thread_count++;
        else if (pool->thread_count == 0) {
                errno = rc;
                return xpm_fail_errno(err, "cannot start a thread");
        }
        return 0; /* fewer slots than asked for are better than none */
}

int xpm_pool_add(xpm_pool *pool, xpm_order *order, xpm_error *err)
{
        task *task_ = calloc(1, sizeof *task_);
        if (!task_) {
                xpm_order_destroy(order);
                return xpm_fail_memory(err);
        }
        xpm_attempt_init(&task_->attempt, order);
        if (pool->count++ == 0)
                uv_ref((uv_handle_t *)&pool->wake);
        pthread_mutex_lock(&pool->mutex);
        ring_append(&pool->queued, task_);
        pool->told = false;
        bool more = pool->queued.count > pool->idle;
        pthread_cond_signal(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
        if (!uv_is_active((uv_handle_t *)&pool->tick))
                uv_timer_start(&pool->tick, on_tick, TICK, TICK);
        return more && pool->thread_count < pool->slots ? add_thread(pool, err) : 0;
}

static bool named(const task *task_, const uint64_t *tags, size_t count)
{
        bool found = count == 0;
        for (size_t i = 0; i < count && !found; i++)
                found = tags[i] == task_->attempt.order->tag;
        return found;
}

static void take_named(ring *from, const uint64_t *tags, size_t count, ring *to)
{
        for (task *next, *task_ = from->head.next; task_ != &from->head; task_ = next) {
                next = task_->next;
                if (named(task_, tags, count)) {
                        ring_remove(from, task_);
                        ring_append(to, task_);
                }
        }
}

/* What TAGS name and has not begun. */
static void send_back(xpm_pool *pool, const uint64_t *tags, size_t count)
{
        ring returned;
        ring_init(&returned);
        pthread_mutex_lock(&pool->mutex);
        take_named(&pool->queued, tags, count, &returned);
        take_named(&pool->held, tags, count, &returned);
        for (task *task_ = pool->running.head.next; task_ != &pool->running.head; task_ = task_->next)
                task_->unwanted |= named(task_, tags, count);
        pthread_mutex_unlock(&pool->mutex);
        report_all(pool, &returned, XPM_LAUNCH_RETURNED);
        pool->sink.flush(pool->sink.data);
}

void xpm_pool_withdraw(xpm_pool *pool)
{
        send_back(pool, NULL, 0);
}

static void end_named(xpm_pool *pool, const uint64_t *tags, size_t count, enum xpm_failure reason)
{
        send_back(pool, tags, count);
        pthread_mutex_lock(&pool->mutex);
        for (task *task_ = pool->running.head.next; task_ != &pool->running.head; task_ = task_->next) {
                if (named(task_, tags, count))
                        xpm_slot_end(pool, task_, reason);
        }
        pthread_mutex_unlock(&pool->mutex);
}

void xpm_pool_end(xpm_pool *pool, enum xpm_failure reason)
{
        end_named(pool, NULL, 0, reason);
}

void xpm_pool_kill(xpm_pool *pool, const uint64_t *tags, size_t count)
{
        end_named(pool, tags, count, XPM_FAILURE_CANCELLED);
}
