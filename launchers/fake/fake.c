/* fake: jobs end as a test says
 *
 * Time does not exist here: whatever was handed over is decided at the next dispatch, in order. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

typedef struct held {
        uint64_t tag;
        uint32_t attempt;
        char *path;
        bool told; /* that it was accepted */
} held;

typedef struct fake {
        const xpm_core *core;
        held *jobs;
        size_t count, capacity;
} fake;

__attribute__((visibility("default"))) xpm_fake xpm_fake_control = {.room = 2};

static int fake_open(const xpm_core *core, const char *name, const char *config, void **instance, xpm_error *err)
{
        fake *self = calloc(1, sizeof *self);
        (void)name;
        (void)config;
        (void)err;
        if (!self)
                return XPM_ENOMEM;
        self->core = core;
        *instance = self;
        return 0;
}

static void fake_close(void *instance)
{
        fake *self = instance;
        for (size_t i = 0; i < self->count; i++)
                free(self->jobs[i].path);
        free(self->jobs);
        free(self);
}

static int fake_check(void *instance, const xpm_shape *shape, xpm_error *err)
{
        (void)instance;
        (void)shape;
        (void)err;
        return 0;
}

static size_t fake_room(void *instance, const xpm_shape *shape)
{
        const fake *self = instance;
        (void)shape;
        return self->count < xpm_fake_control.room ? xpm_fake_control.room - self->count : 0;
}

static int fake_submit(void *instance, const xpm_launch *const *batch, size_t count, xpm_error *err)
{
        fake *self = instance;
        (void)err;
        for (size_t i = 0; i < count; i++) {
                if (self->count == self->capacity) {
                        self->capacity = self->capacity ? 2 * self->capacity : 16;
                        held *jobs = realloc(self->jobs, self->capacity * sizeof *jobs);
                        if (!jobs)
                                return XPM_ENOMEM;
                        self->jobs = jobs;
                }
                size_t after = 0;
                while (batch[i]->after && batch[i]->after[after])
                        after++;
                xpm_fake_control.after[xpm_fake_control.submitted % 32] = after;
                self->jobs[self->count++] = (held){batch[i]->tag, batch[i]->attempt, strdup(batch[i]->path), false};
                xpm_fake_control.submitted++;
        }
        if (self->count > xpm_fake_control.most)
                xpm_fake_control.most = self->count;
        return 0;
}

/* Tell the engine what becomes of each job, and keep those that run on. */
static void decide(fake *self, bool (*outcome)(void *data, const char *path, xpm_launch_event *event), void *data)
{
        size_t count = self->count;
        held *jobs = self->jobs;
        self->jobs = NULL;
        self->count = self->capacity = 0;
        for (size_t i = 0; i < count; i++) {
                xpm_launch_event event = {
                        .kind = XPM_LAUNCH_ENDED, .tag = jobs[i].tag, .attempt = jobs[i].attempt, .done = true};
                const xpm_launch again = {.tag = jobs[i].tag, .attempt = jobs[i].attempt, .path = jobs[i].path};
                const xpm_launch *batch = &again;
                if (!outcome || outcome(data, jobs[i].path, &event))
                        self->core->event(self->core, &event);
                else if (fake_submit(self, &batch, 1, NULL) == 0)
                        xpm_fake_control.submitted--;
                free(jobs[i].path);
        }
        free(jobs);
}

static bool give_back(void *data, const char *path, xpm_launch_event *event)
{
        (void)data;
        (void)path;
        event->kind = XPM_LAUNCH_RETURNED;
        event->done = false;
        return true;
}

static bool end_cancelled(void *data, const char *path, xpm_launch_event *event)
{
        (void)data;
        (void)path;
        event->done = false;
        event->code = -1;
        event->reason = "cancelled";
        xpm_fake_control.cancelled++;
        return true;
}

static int fake_withdraw(void *instance, xpm_error *err)
{
        (void)err;
        (void)instance; /* all that it has counts as begun */
        return 0;
}

static int fake_cancel(void *instance, const uint64_t *tags, size_t count, xpm_error *err)
{
        (void)tags;
        (void)count;
        (void)err;
        decide(instance, end_cancelled, NULL);
        return 0;
}

static int fake_reattach(void *instance, const uint64_t *tags, const char *const *handles, size_t count, xpm_error *err)
{
        const fake *self = instance;
        (void)handles;
        (void)err;
        for (size_t i = 0; i < count; i++) {
                xpm_launch_event event = {.tag = tags[i]};
                give_back(NULL, NULL, &event);
                self->core->event(self->core, &event);
        }
        return 0;
}

static int fake_fd(void *instance)
{
        (void)instance;
        return -1;
}

static short fake_events(void *instance)
{
        (void)instance;
        return 0;
}

static bool is_told(const fake *self)
{
        size_t told = 0;
        while (told < self->count && self->jobs[told].told)
                told++;
        return told == self->count;
}

static int64_t fake_deadline(void *instance)
{
        const fake *self = instance;
        return self->count == 0 || (xpm_fake_control.accepts && is_told(self)) ? -1 : 0;
}

/* What the engine makes of it may add to the jobs. */
static void accept(fake *self)
{
        for (size_t i = 0; i < self->count; i++) {
                const xpm_launch_event event = {.kind = XPM_LAUNCH_ACCEPTED,
                                                .tag = self->jobs[i].tag,
                                                .attempt = self->jobs[i].attempt,
                                                .handle = self->jobs[i].path};
                bool told = self->jobs[i].told;
                self->jobs[i].told = true;
                if (!told)
                        self->core->event(self->core, &event);
        }
}

static int fake_dispatch(void *instance, xpm_error *err)
{
        (void)err;
        if (xpm_fake_control.accepts)
                accept(instance);
        else
                decide(instance, xpm_fake_control.outcome, xpm_fake_control.data);
        return 0;
}

__attribute__((visibility("default"))) const xpm_launcher xpm_launcher_fake = {
        .abi = XPM_LAUNCHER_ABI,
        .size = sizeof(xpm_launcher),
        .name = "fake",
        .chains = true,
        .open = fake_open,
        .close = fake_close,
        .check = fake_check,
        .script = "local.sh",
        .room = fake_room,
        .submit = fake_submit,
        .withdraw = fake_withdraw,
        .cancel = fake_cancel,
        .reattach = fake_reattach,
        .fd = fake_fd,
        .events = fake_events,
        .deadline = fake_deadline,
        .dispatch = fake_dispatch,
};
