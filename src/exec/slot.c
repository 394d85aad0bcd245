/* What a slot's thread does: it takes a job that has a place, starts its command, waits for it, looks after it, records
 * its end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec/leftover.h"
#include "exec/memory.h"
#include "exec/poolstate.h"

/* Milliseconds: when a command is said to run, and between looks at one that lasts. How many ends are collected at
 * most, and how far the queue is looked through. */
enum { LASTS = 50, LOOK = 500, MANY = 64, FAR = 256 };

/* Under the mutex. */
static void signal_task(const task *task_, int number)
{
        if (task_->pid > 0)
                xpm_session_signal(task_->pid, number);
}

void xpm_slot_end(const xpm_pool *pool, task *task_, enum xpm_failure reason)
{
        /* There is no asking for memory that is not there, nor for the time of somebody else. */
        bool at_once = task_->reason || reason == XPM_FAILURE_MEMORY || reason == XPM_FAILURE_LOST ||
                       reason == XPM_FAILURE_OUTPUT;
        signal_task(task_, at_once ? SIGKILL : SIGTERM);
        if (task_->reason)
                return;
        task_->reason = reason;
        task_->kill_at = xpm_now_ms(CLOCK_MONOTONIC) + (at_once ? 0 : (int64_t)pool->site->grace * 1000);
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
        /* Nothing keeps another one from starting it in a new directory. */
        if (xpm_jobdir_is_gone(&attempt->dir)) {
                snprintf(why, 256, "its directory was deleted while it ran");
                return XPM_FAILURE_OUTPUT;
        }
        if (limit >= 0 && running >= limit) {
                snprintf(why, 256, "it ran for longer than the %lld s that it asked for", (long long)need->duration);
                return XPM_FAILURE_TIMEOUT;
        }
        bool held = attempt->group.dir >= 0; /* the kernel sees to it */
        uint64_t memory = xpm_attempt_memory(attempt);
        if (memory > 0 && !held && xpm_memory_over(attempt->child.pid, attempt->nonce, memory, &used)) {
                snprintf(why, 256, "it used %llu MiB of memory, and asked for %llu", (unsigned long long)(used >> 20),
                         (unsigned long long)(memory >> 20));
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
        if (xpm_attempt_see(&task_->attempt))
                xpm_attempt_announce(pool->site, &task_->attempt);
        enum xpm_failure fault = task_->reason ? XPM_FAILURE_NONE : find_fault(task_, running, why);
        pthread_mutex_lock(&pool->mutex);
        if (task_->reason && xpm_now_ms(CLOCK_MONOTONIC) >= task_->kill_at)
                signal_task(task_, SIGKILL);
        else if (fault && !task_->reason) {
                xpm_slot_end(pool, task_, fault);
                memcpy(task_->attempt.why, why, sizeof why);
        }
        pthread_mutex_unlock(&pool->mutex);
}

static void watch(xpm_pool *pool, task *task_)
{
        int64_t limit = xpm_attempt_limit(&task_->attempt), begun = task_->attempt.begun / 1000000;
        int64_t seen = xpm_now_ms(CLOCK_BOOTTIME);
        for (;;) {
                int64_t running = xpm_now_ms(CLOCK_MONOTONIC) - begun, pause = LOOK;
                if (limit > running && limit - running < pause)
                        pause = limit - running;
                if (wait_for(task_, (int)pause))
                        return;
                int64_t now = xpm_now_ms(CLOCK_BOOTTIME);
                xpm_attempt_doubt(pool->site, &task_->attempt, now - seen);
                seen = now;
                look_after(pool, task_, xpm_now_ms(CLOCK_MONOTONIC) - begun);
        }
}

/* A scheduler sends its SIGTERM to the job's processes and to us: ours may be on its way yet, and says why. A shell
 * whose command was ended so may go on and end well, so that no end is believed at once. */
static void await_reason(xpm_pool *pool, const task *task_, pid_t pid)
{
        enum { PAUSE = 10, SHORT = 2, LONG = 50 };
        siginfo_t end = {0};
        if (!pool->site->told_together || waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT) != 0)
                return;
        bool ended = end.si_status == SIGTERM || end.si_status == 128 + SIGTERM;
        for (int i = 0; i < (ended ? LONG : SHORT); i++) {
                pthread_mutex_lock(&pool->mutex);
                bool told = task_->reason != XPM_FAILURE_NONE;
                pthread_mutex_unlock(&pool->mutex);
                if (told)
                        return;
                poll(NULL, 0, PAUSE);
        }
}

/* A shell that is told to end does so at once, while the program that it waited for, which was told as well, may be
 * saving what it has: the grace is for all of the session. */
static void await_rest(xpm_pool *pool, const task *task_, pid_t pid)
{
        enum { PAUSE = 20 };
        for (;;) {
                pthread_mutex_lock(&pool->mutex);
                bool over = !task_->reason || xpm_now_ms(CLOCK_MONOTONIC) >= task_->kill_at;
                pthread_mutex_unlock(&pool->mutex);
                if (over || !xpm_session_is_alive(pid))
                        return;
                poll(NULL, 0, PAUSE);
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
                signal_task(task_, task_->reason == XPM_FAILURE_LOST ? SIGKILL : SIGTERM);
        pthread_mutex_unlock(&pool->mutex);
        if (!wait_for(task_, LASTS)) {
                say_that_it_lasts(pool, task_);
                watch(pool, task_);
        }
        await_reason(pool, task_, pid);
        await_rest(pool, task_, pid);
        pthread_mutex_lock(&pool->mutex);
        task_->pid = 0;
        task_->attempt.asked = task_->reason;
        pthread_mutex_unlock(&pool->mutex);
        while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
                ;
        xpm_attempt_finish(pool->site, &task_->attempt, status, &usage);
}

/* Under the mutex. */
static void leave_running(xpm_pool *pool, task *task_)
{
        ring_remove(&pool->running, task_);
        xpm_estate_give(pool->estate, &task_->lot);
}

/* Tells whether the loop is to be woken for it. */
static bool add_to_the_ended(xpm_pool *pool, task *task_)
{
        bool is_short = pool->queued.count < pool->slots, news = is_short && !pool->told;
        leave_running(pool, task_);
        ring_append(&pool->ended, task_);
        pool->told = is_short;
        /* Others may wait for its tokens. */
        bool wanted = task_->attempt.order->spec.token_count > 0;
        return news || wanted || pool->queued.count == 0 || pool->ended.count >= MANY;
}

/* This thread goes where its job's command will run, so that the command need not be moved there after it was started:
 * which costs a short job 7 % (measured). Jobs of one core mostly get the core of the one before, and nothing is done.
 */
static bool take_seat(const xpm_seat *seat)
{
        static _Thread_local xpm_bits own;
        static _Thread_local bool bound;
        if (!seat || !seat->this_system)
                return false;
        if (!bound || memcmp(&own, &seat->cpus, sizeof own) != 0)
                bound = syscall(SYS_sched_setaffinity, 0, sizeof seat->cpus, &seat->cpus) == 0;
        own = seat->cpus;
        return bound;
}

static void run(xpm_pool *pool, task *task_)
{
        xpm_arena *arena = task_->attempt.order->arena;
        /* Without memory for its words it runs unbound: it has its place all the same. */
        task_->attempt.seat =
                xpm_estate_seat(pool->estate, &task_->lot, arena, &task_->seat, NULL) == 0 ? &task_->seat : NULL;
        task_->attempt.on_seat = take_seat(task_->attempt.seat);
        enum xpm_attempt_step step = xpm_attempt_start(pool->site, &task_->attempt, task_->waited);
        if (step == XPM_ATTEMPT_RUNS)
                run_to_the_end(pool, task_);
        xpm_attempt_close(&task_->attempt);
        bool wake = true;
        pthread_mutex_lock(&pool->mutex);
        if (step == XPM_ATTEMPT_HELD) {
                leave_running(pool, task_);
                ring_append(&pool->held, task_);
        } else
                wake = add_to_the_ended(pool, task_);
        pthread_mutex_unlock(&pool->mutex);
        if (wake)
                uv_async_send(&pool->wake);
}

/* Under the mutex: the first one that may start now, with its lot, or NULL. */
static task *take_next(xpm_pool *pool)
{
        xpm_pass pass;
        task *found = NULL;
        int looked = 0;
        xpm_estate_begin(pool->estate, &pass, xpm_now_ms(CLOCK_MONOTONIC));
        for (task *task_ = pool->queued.head.next; !found && task_ != &pool->queued.head && looked < FAR;
             task_ = task_->next, looked++)
                if (xpm_estate_take(pool->estate, &pass, &task_->attempt.order->spec.need, &task_->passed, &task_->lot))
                        found = task_;
        xpm_estate_end(pool->estate);
        if (found)
                ring_remove(&pool->queued, found);
        else if (xpm_estate_is_waiting(pool->estate)) /* the loop looks after that */
                uv_async_send(&pool->wake);
        return found;
}

void *xpm_slot_serve(void *data)
{
        xpm_pool *pool = data;
        pthread_mutex_lock(&pool->mutex);
        while (!pool->closing) {
                task *task_ = take_next(pool);
                if (!task_) {
                        pool->idle++;
                        pthread_cond_wait(&pool->work, &pool->mutex);
                        pool->idle--;
                        continue;
                }
                ring_append(&pool->running, task_);
                if (pool->idle > 0 && !ring_is_empty(&pool->queued))
                        pthread_cond_signal(&pool->work);
                pthread_mutex_unlock(&pool->mutex);
                run(pool, task_);
                pthread_mutex_lock(&pool->mutex);
        }
        pthread_mutex_unlock(&pool->mutex);
        return NULL;
}
