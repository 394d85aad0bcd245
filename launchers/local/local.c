/* local: jobs run on this host, by one worker over a socket pair
 *
 * The worker is started with the first job. Some jobs more than it has slots are handed over, so that a slot never
 * waits for the engine; they are handed over several at a time, when half of them have ended, so that neither process
 * is woken for every job. A worker that died is replaced by the next one: the jobs that it had are lost, and were told
 * about.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <experimaestro/launcher.h>

/* Jobs handed over for each slot. */
enum { DEPTH = 4 };

typedef struct local {
        const xpm_core *core;
        xpm_host_limits limits;
        xpm_channel *channel; /* NULL until there is a job */
} local;

static int local_open(const xpm_core *core, const char *name, const char *config, void **instance, xpm_error *err)
{
        local *self = malloc(sizeof *self);
        (void)name;
        if (!self)
                return XPM_ENOMEM;
        *self = (local){.core = core};
        int rc = core->host_limits(config, &self->limits, err);
        if (rc != 0) {
                free(self);
                return rc;
        }
        *instance = self;
        return 0;
}

static void local_close(void *instance)
{
        local *self = instance;
        self->core->worker_close(self->channel);
        free(self);
}

static int local_check(void *instance, const xpm_shape *shape, xpm_error *err)
{
        const local *self = instance;
        int64_t nodes = shape->nodes;
        if (shape->per_node > 0 && shape->ranks > nodes * shape->per_node)
                nodes = (shape->ranks + shape->per_node - 1) / shape->per_node;
        if (nodes <= 1)
                return self->core->host_check(self->core, &self->limits, shape, err);
        if (err && !err->code) {
                err->code = XPM_ELAUNCHER;
                snprintf(err->message, sizeof err->message, "it wants %lld nodes, and this is one host",
                         (long long)nodes);
        }
        return XPM_ELAUNCHER;
}

static size_t pending(const local *self)
{
        return self->channel ? self->core->worker_pending(self->channel) : 0;
}

/* Jobs of SHAPE for which there are slots and cores now, as far as we know: what others hold is the worker's to see. */
static size_t room_at_once(const local *self, const xpm_shape *shape)
{
        size_t slots = (size_t)self->core->slots, cores = (size_t)self->core->cores;
        size_t taken = pending(self) + (size_t)self->core->occupied,
               each = shape && shape->cores > 0 ? (size_t)shape->cores : 1;
        size_t used = self->channel ? self->core->worker_pending_cores(self->channel) : 0;
        if (self->limits.cores > 0 && (size_t)self->limits.cores < cores)
                cores = (size_t)self->limits.cores;
        cores = cores > slots ? cores : slots; /* where more jobs than cores were asked for, cores are shared */
        size_t room = taken < slots ? slots - taken : 0, fit = used < cores ? (cores - used) / each : 0;
        return room < fit ? room : fit;
}

static size_t local_room(void *instance, const xpm_shape *shape)
{
        const local *self = instance;
        size_t slots = (size_t)self->core->slots, have = pending(self);
        if (self->core->cautious || self->core->occupied > 0 || (shape && shape->at_once))
                return room_at_once(self, shape);
        return 2 * have <= slots * DEPTH ? slots * DEPTH - have : 0;
}

/* A worker that is there and lives. */
static int have_worker(local *self, xpm_error *err)
{
        if (self->channel && self->core->worker_fd(self->channel) < 0) {
                self->core->worker_close(self->channel);
                self->channel = NULL;
        }
        return self->channel ? 0 : self->core->worker_start(self->core, &self->limits, &self->channel, err);
}

static int local_submit(void *instance, const xpm_launch *const *batch, size_t count, xpm_error *err)
{
        local *self = instance;
        int rc = have_worker(self, err);
        for (size_t i = 0; rc == 0 && i < count; i++)
                rc = self->core->worker_submit(self->channel, batch[i], err);
        return rc == 0 ? self->core->worker_flush(self->channel, err) : rc;
}

static int local_withdraw(void *instance, xpm_error *err)
{
        local *self = instance;
        return self->channel ? self->core->worker_withdraw(self->channel, err) : 0;
}

static int local_cancel(void *instance, const uint64_t *tags, size_t count, xpm_error *err)
{
        local *self = instance;
        return self->channel ? self->core->worker_kill(self->channel, tags, count, err) : 0;
}

/* A worker finishes what it has without its engine, so there is nothing to attach to: the locks tell what still runs.
 */
static int local_reattach(void *instance, const uint64_t *tags, const char *const *handles, size_t count,
                          xpm_error *err)
{
        const local *self = instance;
        (void)handles;
        (void)err;
        for (size_t i = 0; i < count; i++) {
                const xpm_launch_event event = {.kind = XPM_LAUNCH_RETURNED, .tag = tags[i], .code = -1};
                self->core->event(self->core, &event);
        }
        return 0;
}

static int local_fd(void *instance)
{
        const local *self = instance;
        return self->channel ? self->core->worker_fd(self->channel) : -1;
}

static short local_events(void *instance)
{
        const local *self = instance;
        bool write = self->channel && self->core->worker_wants_write(self->channel);
        return (short)(POLLIN | (write ? POLLOUT : 0));
}

static int64_t local_deadline(void *instance)
{
        (void)instance;
        return -1;
}

static int local_dispatch(void *instance, xpm_error *err)
{
        local *self = instance;
        return self->channel ? self->core->worker_dispatch(self->channel, err) : 0;
}

__attribute__((visibility("default"))) const xpm_launcher xpm_launcher_local = {
        .abi = XPM_LAUNCHER_ABI,
        .size = sizeof(xpm_launcher),
        .name = "local",
        .open = local_open,
        .close = local_close,
        .check = local_check,
        .script = "local.sh",
        .room = local_room,
        .submit = local_submit,
        .withdraw = local_withdraw,
        .cancel = local_cancel,
        .reattach = local_reattach,
        .fd = local_fd,
        .events = local_events,
        .deadline = local_deadline,
        .dispatch = local_dispatch,
};
