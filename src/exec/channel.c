/* Nothing here waits: what the socket does not take stays in a buffer and the loop is told that we want to write. Jobs
 * that were handed over are remembered by tag until their end arrives, so that none is forgotten when the worker dies.
 */
#include "exec/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/spawn.h"
#include "exec/order.h"
#include "exec/placement.h"
#include "exec/wire.h"
#include "workspace/status.h"

/* Hand over at once when this much has been collected. */
enum { ENOUGH = 1 << 16, WORKER_FD = 3 };

struct xpm_channel {
        const xpm_core *core;
        int fd; /* -1: the worker is gone */
        xpm_child child;
        xpm_text in, out;
        struct pending {
                uint64_t tag;
                uint32_t attempt;
                size_t cores;
        } * pending;
        size_t count, capacity, cores;
};

static int start(const xpm_core *core, int slots, int fd, xpm_child *child, xpm_error *err)
{
        char count[16], number[16];
        snprintf(count, sizeof count, "%d", slots);
        snprintf(number, sizeof number, "%d", WORKER_FD);
        const char *const argv[] = {core->executable, "worker", "--fd", number, "--slots", count, NULL};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = argv;
        spawn.stdio[1] = STDERR_FILENO;
        spawn.stdio[2] = STDERR_FILENO;
        spawn.keep[0] = (xpm_kept){fd, WORKER_FD};
        /* A session of its own: what a terminal sends to the engine's group is not the worker's business. */
        spawn.session = true;
        return xpm_spawn_start(&spawn, child, NULL, err);
}

static int greet(xpm_channel *channel, const xpm_host_limits *limits, xpm_error *err)
{
        size_t begin = xpm_frame_begin(&channel->out, XPM_FRAME_HELLO);
        xpm_frame_put_u32(&channel->out, XPM_FRAME_PROTOCOL);
        xpm_frame_put_u32(&channel->out, channel->core->directory_mode);
        xpm_frame_put_u32(&channel->out, channel->core->file_mode);
        xpm_frame_put_u32(&channel->out, channel->core->durable);
        xpm_frame_put_u64(&channel->out, (uint64_t)limits->cores);
        xpm_frame_put_u64(&channel->out, limits->memory);
        xpm_frame_put_u32(&channel->out, channel->core->devices);
        xpm_frame_put_string(&channel->out, channel->core->label);
        xpm_frame_end(&channel->out, begin);
        return channel->out.failed ? xpm_fail_memory(err) : 0;
}

static void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

/* It has left or is about to. */
static int reap(xpm_channel *channel)
{
        int status = 0;
        if (channel->child.pid > 0)
                while (waitpid(channel->child.pid, &status, 0) < 0 && errno == EINTR)
                        ;
        channel->child.pid = -1;
        close_fd(&channel->child.pidfd);
        return status;
}

static void worker_close(xpm_channel *channel)
{
        if (!channel)
                return;
        close_fd(&channel->fd);
        /* One that has nothing to do leaves at once; another finishes what runs, and init reaps it when we are gone. */
        if (channel->count == 0)
                reap(channel);
        close_fd(&channel->child.pidfd);
        xpm_text_release(&channel->in);
        xpm_text_release(&channel->out);
        free(channel->pending);
        free(channel);
}

static int worker_start(const xpm_core *core, const xpm_host_limits *limits, xpm_channel **out, xpm_error *err)
{
        int pair[2];
        xpm_channel *channel = malloc(sizeof *channel);
        if (!channel)
                return xpm_fail_memory(err);
        *channel = (xpm_channel){.core = core, .fd = -1, .child = {.pid = -1, .pidfd = -1}};
        int rc = greet(channel, limits, err);
        if (rc == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
                rc = xpm_fail_errno(err, "cannot make a socket pair");
        if (rc == 0) {
                channel->fd = pair[0];
                rc = start(core, core->slots, pair[1], &channel->child, err);
                close(pair[1]);
        }
        if (rc != 0)
                worker_close(channel);
        else
                *out = channel;
        return rc;
}

static int remember(xpm_channel *channel, const xpm_launch *launch, xpm_error *err)
{
        if (channel->count == channel->capacity) {
                size_t capacity = channel->capacity ? 2 * channel->capacity : 64;
                struct pending *grown = realloc(channel->pending, capacity * sizeof *grown);
                if (!grown)
                        return xpm_fail_memory(err);
                channel->pending = grown;
                channel->capacity = capacity;
        }
        size_t cores = launch->spec ? xpm_demand_of(&launch->spec->need).cores : 1;
        channel->pending[channel->count++] = (struct pending){launch->tag, launch->attempt, cores};
        channel->cores += cores;
        return 0;
}

/* True when it was handed over and its end had not arrived. */
static bool forget(xpm_channel *channel, uint64_t tag, uint32_t attempt)
{
        for (size_t i = 0; i < channel->count; i++)
                if (channel->pending[i].tag == tag && channel->pending[i].attempt == attempt) {
                        channel->cores -= channel->pending[i].cores;
                        memmove(&channel->pending[i], &channel->pending[i + 1],
                                (--channel->count - i) * sizeof *channel->pending);
                        return true;
                }
        return false;
}

/* Whatever was handed over has no end: each is told about, once. */
static void lose(xpm_channel *channel)
{
        char message[128];
        close_fd(&channel->fd);
        if (channel->count == 0)
                return;
        int status = reap(channel);
        if (WIFSIGNALED(status))
                snprintf(message, sizeof message, "the worker on this host was killed by signal %d", WTERMSIG(status));
        else
                snprintf(message, sizeof message, "the worker on this host left with status %d", WEXITSTATUS(status));
        while (channel->count > 0) {
                struct pending lost = channel->pending[--channel->count];
                channel->cores -= lost.cores;
                const xpm_launch_event event = {.kind = XPM_LAUNCH_LOST,
                                                .tag = lost.tag,
                                                .attempt = lost.attempt,
                                                .code = -1,
                                                .reason = "lost",
                                                .message = message};
                channel->core->event(channel->core, &event);
        }
}

static int flush(xpm_channel *channel, xpm_error *err)
{
        bool closed = false;
        if (channel->fd < 0)
                return 0;
        if (channel->out.failed)
                return xpm_fail_memory(err);
        /* A closed end is found when what it sent before has been read. */
        int rc = xpm_frame_send(channel->fd, &channel->out, &closed, err);
        if (closed)
                xpm_text_clear(&channel->out);
        return rc < 0 ? rc : 0;
}

static int gone(const xpm_channel *channel, xpm_error *err)
{
        return channel->fd >= 0 ? 0 : xpm_fail(err, XPM_ELAUNCHER, "the worker on this host is gone");
}

static int worker_submit(xpm_channel *channel, const xpm_launch *launch, xpm_error *err)
{
        int rc = gone(channel, err);
        if (rc == 0)
                rc = remember(channel, launch, err);
        if (rc != 0)
                return rc;
        xpm_order_put(&channel->out, launch, xpm_time_now());
        if (channel->out.failed) {
                channel->cores -= channel->pending[--channel->count].cores;
                return xpm_fail_memory(err);
        }
        return channel->out.length >= ENOUGH ? flush(channel, err) : 0;
}

static int worker_withdraw(xpm_channel *channel, xpm_error *err)
{
        if (channel->fd < 0)
                return 0;
        xpm_frame_end(&channel->out, xpm_frame_begin(&channel->out, XPM_FRAME_WITHDRAW));
        return flush(channel, err);
}

static int worker_kill(xpm_channel *channel, const uint64_t *tags, size_t count, xpm_error *err)
{
        if (channel->fd < 0)
                return 0;
        size_t begin = xpm_frame_begin(&channel->out, XPM_FRAME_KILL);
        for (size_t i = 0; i < count; i++)
                xpm_frame_put_u64(&channel->out, tags[i]);
        xpm_frame_end(&channel->out, begin);
        return flush(channel, err);
}

static size_t worker_pending(const xpm_channel *channel)
{
        return channel->count;
}

static size_t worker_pending_cores(const xpm_channel *channel)
{
        return channel->cores;
}

static int worker_fd(const xpm_channel *channel)
{
        return channel->fd;
}

static bool worker_wants_write(const xpm_channel *channel)
{
        return channel->fd >= 0 && channel->out.length > 0;
}

static int take_event(xpm_channel *channel, const xpm_frame *frame, xpm_error *err)
{
        xpm_launch_event event;
        bool broken;
        int rc = xpm_frame_event(frame, &event, &broken, err);
        if (rc != 0)
                return rc;
        bool known = event.kind == XPM_LAUNCH_STARTED || forget(channel, event.tag, event.attempt);
        if (known)
                channel->core->event(channel->core, &event);
        return broken ? xpm_fail(err, XPM_EIO, "%s", event.message) : 0;
}

static int take(xpm_channel *channel, const xpm_frame *frame, xpm_error *err)
{
        if (frame->kind == XPM_FRAME_EVENT)
                return take_event(channel, frame, err);
        if (frame->kind != XPM_FRAME_LOG)
                return xpm_fail(err, XPM_EFORMAT, "the worker sent a frame of kind %d", (int)frame->kind);
        xpm_frame_reader reader = xpm_frame_read(frame);
        bool warning = xpm_frame_u8(&reader);
        const char *line = xpm_frame_string(&reader);
        if (line)
                channel->core->log(channel->core, warning ? XPM_LOG_WARNING : XPM_LOG_NOTE, line);
        return 0;
}

static int worker_dispatch(xpm_channel *channel, xpm_error *err)
{
        bool closed = false;
        size_t offset = 0;
        xpm_frame frame;
        int rc = flush(channel, err);
        if (rc != 0 || channel->fd < 0)
                return rc;
        int got = xpm_frame_receive(channel->fd, &channel->in, &closed, err);
        if (got < 0)
                rc = got;
        while (rc == 0 && channel->in.length > 0) {
                int more = xpm_frame_take(channel->in.data, channel->in.length, &offset, &frame, err);
                if (more <= 0) {
                        rc = more;
                        break;
                }
                rc = take(channel, &frame, err);
        }
        if (offset > 0)
                xpm_frame_consume(&channel->in, offset);
        if (rc == 0 && closed)
                lose(channel);
        return rc;
}

static int worker_flush(xpm_channel *channel, xpm_error *err)
{
        return flush(channel, err);
}

void xpm_channel_lend(xpm_core *core)
{
        core->worker_start = worker_start;
        core->worker_submit = worker_submit;
        core->worker_flush = worker_flush;
        core->worker_withdraw = worker_withdraw;
        core->worker_kill = worker_kill;
        core->worker_pending = worker_pending;
        core->worker_pending_cores = worker_pending_cores;
        core->worker_fd = worker_fd;
        core->worker_wants_write = worker_wants_write;
        core->worker_dispatch = worker_dispatch;
        core->worker_close = worker_close;
}
