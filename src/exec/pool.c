/* A thread for each slot does all of an attempt: makes the directory, starts the command, waits for it, writes the
 * outcome, takes the next order. Half of what a short job costs is the making of files, and a vfork() holds its caller
 * until the program is there: one thread for all slots kept them waiting (measured: 1.27 × the bare loop instead
 * of 1.10 ×). Nothing is handed from thread to thread while a slot has work: the queue is shared, and ends are
 * collected.
 *
 * The loop's thread hears of them when it matters: when the queue gets short, when a slot has nothing to do, when one
 * of them lasts; else it looks every few milliseconds, so that neither it nor the engine is woken for each job.
 *
 * Everything of a task but its attempt is under the mutex; the attempt is the thread's while the task is in `running`.
 * A process is signalled under the mutex while `pid` is set, and that is cleared before the process is waited for: so
 * the number is never another's. */
#include "exec/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exec/memory.h"

/* Milliseconds: when a command is said to run, between looks at what has ended, at a lock that is held, and at a
 * command that lasts. And how many ends are collected at most. */
enum { LASTS = 50, TICK = 5, PATIENCE = 200, LOOK = 500, MANY = 64 };

typedef struct task {
        struct task *next, *previous;
        xpm_attempt attempt;
        pid_t pid;               /* while its command runs, else 0 */
        enum xpm_failure reason; /* why it was signalled; NONE: it was not */
        int64_t kill_at;         /* when SIGKILL follows, CLOCK_MONOTONIC milliseconds */
        bool waited;             /* it was held */
        bool lasting, told;      /* STARTED is due; was reported */
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
        uv_timer_t tick, patience, beat;
        size_t count; /* the loop's: tasks that have not been reported */

        pthread_mutex_t mutex;
        pthread_cond_t work; /* an order was queued, or CLOSING */
        bool closing;
        bool told;   /* that the queue is short */
        size_t idle; /* threads that wait for work */
        ring queued, running, held, ended;
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

static task *take_first(ring *ring_)
{
        task *first = ring_->head.next;
        if (first == &ring_->head)
                return NULL;
        remove_from(ring_, first);
        return first;
}

/* All of FROM behind TO. */
static void move_all(ring *from, ring *to)
{
        for (task *task_; (task_ = take_first(from));)
                append(to, task_);
}

/* In a slot's thread. */

static int64_t now_ms(clockid_t clock)
{
        struct timespec now;
        clock_gettime(clock, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Under the mutex. */
static void signal_task(const task *task_, int number)
{
        if (task_->pid > 0)
                kill(-task_->pid, number);
}

/* Under the mutex: SIGTERM, and SIGKILL once the grace is over; SIGKILL at once for whom was asked before. */
static void end_task(const xpm_pool *pool, task *task_, enum xpm_failure reason)
{
        signal_task(task_, task_->reason ? SIGKILL : SIGTERM);
        if (task_->reason)
                return;
        task_->reason = reason;
        task_->kill_at = now_ms(CLOCK_MONOTONIC) + (int64_t)pool->site->grace * 1000;
}

/* The command has ended, or DEADLINE milliseconds (-1: none) have passed: then false. */
static bool wait_for(const task *task_, int deadline)
{
        struct pollfd end = {.fd = task_->attempt.child.pidfd, .events = POLLIN};
        int rc;
        do
                rc = poll(&end, 1, deadline);
        while (rc < 0 && errno == EINTR);
        return rc != 0;
}

static void say_that_it_lasts(xpm_pool *pool, task *task_)
{
        xpm_attempt_announce(pool->site, &task_->attempt);
        pthread_mutex_lock(&pool->mutex);
        task_->lasting = true;
        pthread_mutex_unlock(&pool->mutex);
        uv_async_send(&pool->wake);
}

/* Why a command that lasts should end now, if it should; *WHY says it in words. */
static enum xpm_failure find_fault(task *task_, int64_t running, char why[static 256])
{
        const xpm_attempt *attempt = &task_->attempt;
        const xpm_need *need = &attempt->order->spec.need;
        int64_t limit = xpm_attempt_limit(attempt);
        uint64_t used;
        if (attempt->doubtful && !xpm_attempt_is_ours(attempt))
                return XPM_FAILURE_LOST;
        if (limit >= 0 && running >= limit) {
                snprintf(why, 256, "it ran for longer than the %lld s that it asked for", (long long)need->duration);
                return XPM_FAILURE_TIMEOUT;
        }
        bool held = attempt->group.dir >= 0; /* the kernel sees to it */
        if (need->memory > 0 && !held && xpm_memory_over(attempt->child.pid, need->memory, &used)) {
                snprintf(why, 256, "it used %llu MiB of memory, and asked for %llu", (unsigned long long)(used >> 20),
                         (unsigned long long)(need->memory >> 20));
                return XPM_FAILURE_MEMORY;
        }
        if (xpm_jobdir_is_to_be_killed(&attempt->dir))
                return XPM_FAILURE_CANCELLED;
        return XPM_FAILURE_NONE;
}

/* One look at a command that lasts, which has run for RUNNING milliseconds. */
static void look_after(xpm_pool *pool, task *task_, int64_t running)
{
        char why[256] = "";
        enum xpm_failure fault = task_->reason ? XPM_FAILURE_NONE : find_fault(task_, running, why);
        pthread_mutex_lock(&pool->mutex);
        if (task_->reason && now_ms(CLOCK_MONOTONIC) >= task_->kill_at)
                signal_task(task_, SIGKILL);
        else if (fault && !task_->reason) {
                end_task(pool, task_, fault);
                memcpy(task_->attempt.why, why, sizeof why);
                /* There is no asking for memory that is not there, nor for the time of somebody else. */
                if (fault == XPM_FAILURE_MEMORY || fault == XPM_FAILURE_LOST)
                        signal_task(task_, SIGKILL);
        }
        pthread_mutex_unlock(&pool->mutex);
}

static void watch(xpm_pool *pool, task *task_)
{
        int64_t limit = xpm_attempt_limit(&task_->attempt), begun = task_->attempt.begun / 1000000;
        int64_t seen = now_ms(CLOCK_BOOTTIME);
        for (;;) {
                int64_t running = now_ms(CLOCK_MONOTONIC) - begun, pause = LOOK;
                if (limit > running && limit - running < pause)
                        pause = limit - running;
                if (wait_for(task_, (int)pause))
                        return;
                int64_t now = now_ms(CLOCK_BOOTTIME);
                xpm_attempt_doubt(pool->site, &task_->attempt, now - seen);
                seen = now;
                look_after(pool, task_, now_ms(CLOCK_MONOTONIC) - begun);
        }
}

static void run_to_the_end(xpm_pool *pool, task *task_)
{
        struct rusage usage;
        int status;
        pid_t pid = task_->attempt.child.pid;
        pthread_mutex_lock(&pool->mutex);
        task_->pid = pid;
        if (task_->reason) /* while it was being started */
                signal_task(task_, SIGTERM);
        pthread_mutex_unlock(&pool->mutex);
        if (!wait_for(task_, LASTS)) {
                say_that_it_lasts(pool, task_);
                watch(pool, task_);
        }
        pthread_mutex_lock(&pool->mutex);
        task_->pid = 0;
        task_->attempt.asked = task_->reason;
        pthread_mutex_unlock(&pool->mutex);
        while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
                ;
        xpm_attempt_finish(pool->site, &task_->attempt, status, &usage);
}

/* Tells whether the loop is to be woken for it. */
static bool add_to_the_ended(xpm_pool *pool, task *task_)
{
        bool is_short = pool->queued.count < pool->slots, news = is_short && !pool->told;
        remove_from(&pool->running, task_);
        append(&pool->ended, task_);
        pool->told = is_short;
        /* Others may wait for its tokens. */
        bool wanted = task_->attempt.order->spec.token_count > 0;
        return news || wanted || pool->queued.count == 0 || pool->ended.count >= MANY;
}

static void run(xpm_pool *pool, task *task_)
{
        enum xpm_attempt_step step = xpm_attempt_start(pool->site, &task_->attempt, task_->waited);
        if (step == XPM_ATTEMPT_RUNS)
                run_to_the_end(pool, task_);
        xpm_attempt_close(&task_->attempt);
        bool wake = true;
        pthread_mutex_lock(&pool->mutex);
        if (step == XPM_ATTEMPT_HELD) {
                remove_from(&pool->running, task_);
                append(&pool->held, task_);
        } else
                wake = add_to_the_ended(pool, task_);
        pthread_mutex_unlock(&pool->mutex);
        if (wake)
                uv_async_send(&pool->wake);
}

static void *serve(void *data)
{
        xpm_pool *pool = data;
        pthread_mutex_lock(&pool->mutex);
        while (!pool->closing) {
                task *task_ = take_first(&pool->queued);
                if (!task_) {
                        pool->idle++;
                        pthread_cond_wait(&pool->work, &pool->mutex);
                        pool->idle--;
                        continue;
                }
                append(&pool->running, task_);
                pthread_mutex_unlock(&pool->mutex);
                run(pool, task_);
                pthread_mutex_lock(&pool->mutex);
        }
        pthread_mutex_unlock(&pool->mutex);
        return NULL;
}

/* In the loop's thread. */

static void report(const xpm_pool *pool, const task *task_, enum xpm_launch_event_kind kind)
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
        pool->sink.event(pool->sink.data, &event, ended && outcome->broken);
}

/* The last that is heard of them; LIST is a ring that is nobody else's. */
static void report_all(xpm_pool *pool, ring *list, enum xpm_launch_event_kind kind)
{
        for (task *task_; (task_ = take_first(list));) {
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
        snprintf(line, sizeof line, "another process runs job '%s/%.8s' already, its outcome is waited for: %s",
                 spec->task_id, spec->job_id, task_->attempt.outcome.message);
        pool->sink.note(pool->sink.data, line);
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
        pthread_mutex_lock(&pool->mutex);
        for (task *task_ = pool->held.head.next; task_ != &pool->held.head; task_ = task_->next)
                task_->waited = true;
        move_all(&pool->held, &pool->queued);
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
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
        see_to_the_held(pool);
        pthread_mutex_lock(&pool->mutex);
        move_all(&pool->ended, &ended);
        bool busy = pool->queued.count > 0;
        pthread_mutex_unlock(&pool->mutex);
        if (!busy)
                uv_timer_stop(&pool->tick);
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
        uv_timer_t *const timers[] = {&pool->tick, &pool->patience, &pool->beat};
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

int xpm_pool_create(uv_loop_t *loop, const xpm_site *site, int slots, const xpm_pool_sink *sink, xpm_pool **out,
                    xpm_error *err)
{
        xpm_pool *pool = malloc(sizeof *pool);
        pthread_t *threads = calloc((size_t)slots, sizeof *threads);
        if (!pool || !threads) {
                free(pool);
                free(threads);
                return xpm_fail_memory(err);
        }
        *pool = (xpm_pool){.loop = loop, .site = site, .sink = *sink, .slots = (size_t)slots, .threads = threads};
        int rc = uv_async_init(loop, &pool->wake, on_wake);
        if (rc != 0) {
                free(threads);
                free(pool);
                return xpm_fail(err, XPM_EIO, "cannot make an event descriptor: %s", uv_strerror(rc));
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
        uv_close((uv_handle_t *)&pool->beat, NULL);
}

void xpm_pool_free(xpm_pool *pool)
{
        if (!pool)
                return;
        pthread_cond_destroy(&pool->work);
        pthread_mutex_destroy(&pool->mutex);
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
        int rc = pthread_create(&pool->threads[pool->thread_count], NULL, serve, pool);
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
        append(&pool->queued, task_);
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
                        remove_from(from, task_);
                        append(to, task_);
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
        pthread_mutex_unlock(&pool->mutex);
        report_all(pool, &returned, XPM_LAUNCH_RETURNED);
        pool->sink.flush(pool->sink.data);
}

void xpm_pool_withdraw(xpm_pool *pool)
{
        send_back(pool, NULL, 0);
}

void xpm_pool_kill(xpm_pool *pool, const uint64_t *tags, size_t count)
{
        send_back(pool, tags, count);
        pthread_mutex_lock(&pool->mutex);
        for (task *task_ = pool->running.head.next; task_ != &pool->running.head; task_ = task_->next) {
                if (named(task_, tags, count))
                        end_task(pool, task_, XPM_FAILURE_CANCELLED);
        }
        pthread_mutex_unlock(&pool->mutex);
}
