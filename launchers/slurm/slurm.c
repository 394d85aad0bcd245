/* slurm: jobs run through Slurm, many to a submission
 *
 * Jobs that are alike are collected for a moment and go as one job array. One listing serves all jobs of the user; it
 * is asked for more and more seldom while nothing changes, within an allowance that refills. What a job's directory
 * says counts; Slurm's word counts where that says nothing. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "slurm.h"

/* Milliseconds: while jobs are collected, and until an answer is missed (the library itself waits for 10 s, some times
 * over). */
enum { COLLECT = 300, PATIENCE = 120000 };

/* Milliseconds in which another engine, which may be at it, should have submitted what it has begun to collect. */
enum { UNDER_WAY = 3000 };

/* Deaths of the helper in a row, after which it is in no hurry. */
enum { MANY = 3 };

enum { ARRAY = 1000, SUBMITTED = 100000 };

int64_t slurm_now(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int slurm_fail(xpm_error *err, int code, const char *words)
{
        if (err && !err->code) {
                err->code = code;
                snprintf(err->message, sizeof err->message, "%s", words);
        }
        return code;
}

void slurm_note(const slurm *self, const char *words)
{
        enum { NOTE = 2 };
        self->core->log(self->core, NOTE, words);
}

static size_t limit_of(const slurm *self, const char *key, size_t standard)
{
        json_int_t limit = json_integer_value(json_object_get(json_object_get(self->config, "limits"), key));
        return limit > 0 ? (size_t)limit : standard;
}

static void slurm_close(void *instance);

static int slurm_open(const xpm_core *core, const char *name, const char *config, void **instance, xpm_error *err)
{
        slurm *self = calloc(1, sizeof *self);
        if (!self)
                return XPM_ENOMEM;
        self->core = core;
        self->helper = (helper){.core = core, .fd = -1};
        self->name = strdup(name);
        self->config = config ? json_loads(config, 0, NULL) : json_object();
        if (!self->name || !self->config) {
                slurm_close(self);
                return slurm_fail(err, XPM_ENOMEM, "out of memory");
        }
        self->array = self->fitting = limit_of(self, "array", ARRAY);
        self->submitted = limit_of(self, "submitted", SUBMITTED);
        if (pace_init(&self->pace, limit_of(self, "submissions_per_minute", 0)) != 0) {
                slurm_close(self);
                return slurm_fail(err, XPM_ENOMEM, "out of memory");
        }
        self->interval = LIST_OFTEN;
        self->budget = LIST_BUDGET;
        self->last_refill = slurm_now();
        *instance = self;
        return 0;
}

static void slurm_close(void *instance)
{
        slurm *self = instance;
        helper_stop(&self->helper);
        while (self->batches) {
                batch *next = self->batches->next;
                batch_free(self->batches);
                self->batches = next;
        }
        pace_release(&self->pace);
        json_decref(self->cancelling);
        json_decref(self->partitions);
        json_decref(self->nodes);
        json_decref(self->config);
        free(self->name);
        free(self);
}

void slurm_tell(const slurm *self, const slurm_job *job, enum xpm_launch_event_kind kind, const char *reason,
                const char *message)
{
        const xpm_launch_event event = {.kind = kind,
                                        .tag = job->tag,
                                        .attempt = job->attempt,
                                        .code = -1,
                                        .reason = reason,
                                        .message = message};
        self->core->event(self->core, &event);
}

void slurm_tell_accepted(const slurm *self, const batch *batch_, slurm_job *job)
{
        char handle[256];
        if (job->told || !job->ours)
                return;
        job->told = true;
        batch_handle(batch_, (size_t)(job - batch_->jobs), handle);
        const xpm_launch_event event = {
                .kind = XPM_LAUNCH_ACCEPTED, .tag = job->tag, .attempt = job->attempt, .code = -1, .handle = handle};
        self->core->event(self->core, &event);
}

/* JOB is Slurm's no more. */
void slurm_leave(slurm *self, batch *batch_, slurm_job *job, enum xpm_launch_event_kind kind, const char *reason,
                 const char *message)
{
        if (job->state == JOB_LEFT)
                return;
        job->state = JOB_LEFT;
        batch_->left++;
        self->active -= job->ours;
        if (job->ours)
                slurm_tell(self, job, kind, reason, message);
}

void slurm_leave_all(slurm *self, batch *batch_, enum xpm_launch_event_kind kind, const char *reason,
                     const char *message)
{
        for (size_t i = 0; i < batch_->count; i++)
                slurm_leave(self, batch_, &batch_->jobs[i], kind, reason, message);
}

static void forget_finished(slurm *self)
{
        for (batch **at = &self->batches; *at;) {
                batch *batch_ = *at;
                if (batch_->left < batch_->count || batch_->state == BATCH_SENT) {
                        at = &batch_->next;
                        continue;
                }
                *at = batch_->next;
                /* A submission whose answer was lost may yet arrive. */
                if (self->cancelled && batch_is_whole(batch_))
                        batch_void(batch_);
                batch_free(batch_);
        }
}

static size_t slurm_room(void *instance, const xpm_shape *shape)
{
        const slurm *self = instance;
        (void)shape;
        return self->active < self->submitted ? self->submitted - self->active : 0;
}

static batch *find_collecting(slurm *self, const char *const *directives, const chain *chain_)
{
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if (batch_->state == BATCH_COLLECTS && batch_->count < self->array && batch_->count < self->fitting &&
                    batch_is_alike(batch_, directives) && chain_takes(&batch_->chain, chain_, batch_->count))
                        return batch_;
        batch *made = batch_create(self->core, directives);
        if (!made)
                return NULL;
        made->due = slurm_now() + COLLECT;
        made->next = self->batches;
        self->batches = made;
        return made;
}

/* Takes CHAIN. */
static int submit_one(slurm *self, const xpm_launch *launch, chain *chain_, xpm_error *err)
{
        char handle[256], nonce[XPM_LAUNCH_NONCE];
        batch *batch_ = find_collecting(self, launch->directives, chain_);
        if (!batch_)
                return slurm_fail(err, XPM_ENOMEM, "out of memory");
        batch_handle(batch_, batch_->count, handle);
        int rc = self->core->prepare(self->core, launch, self->name, handle, nonce, err);
        if (rc != 0)
                return rc == 1 ? 0 : rc;
        chain_add(&batch_->chain, chain_, batch_->count);
        if (batch_add(batch_, launch) != 0)
                return slurm_fail(err, XPM_ENOMEM, "out of memory");
        memcpy(batch_->jobs[batch_->count - 1].nonce, nonce, sizeof nonce);
        self->active++;
        return 0;
}

static int slurm_submit(void *instance, const xpm_launch *const *launches, size_t count, xpm_error *err)
{
        slurm *self = instance;
        int rc = 0;
        if (!self->asked_partitions)
                slurm_ask_limits(self);
        for (size_t i = 0; i < count && rc == 0; i++) {
                chain chain_;
                rc = chain_find(self, launches[i]->after, &chain_);
                rc = rc == 0 ? submit_one(self, launches[i], &chain_, err) : slurm_fail(err, rc, "out of memory");
                chain_release(&chain_);
        }
        forget_finished(self);
        return rc;
}

/* The loop. */

static bool has_queued(const slurm *self)
{
        for (const batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if ((batch_->state == BATCH_QUEUED && batch_->left < batch_->count) ||
                    batch_->state == BATCH_LOST_TRACK)
                        return true;
        return false;
}

static void take_cancelled(slurm *self, const json_t *answer)
{
        bool ambiguous;
        const char *error = json_string_value(json_object_get(answer, "error"));
        self->cancel_request = 0;
        if (error && refusal_passes(error, &ambiguous)) {
                listing_soon(self, LIST_OFTEN);
                return;
        }
        json_decref(self->cancelling);
        self->cancelling = NULL;
}

static int take_answer(slurm *self, const json_t *answer, xpm_error *err)
{
        json_int_t id = json_integer_value(json_object_get(answer, "id"));
        int rc = 0;
        self->core->requested(self->core, (size_t)json_integer_value(json_object_get(answer, "requests")));
        if (id == self->listing) {
                int64_t asked = self->asked_at;
                self->listing = 0;
                self->asked_at = 0;
                rc = listing_take(self, answer, asked, err);
                if (has_queued(self))
                        listing_soon(self, self->interval);
                return rc;
        }
        if (id == self->cancel_request) {
                take_cancelled(self, answer);
                return 0;
        }
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if (batch_->state == BATCH_SENT && batch_->request == id) {
                        if (!self->listing)
                                self->asked_at = 0;
                        return submission_take(self, batch_, answer, err);
                }
        return 0;
}

/* What the helper had been asked has no answer: submissions may have arrived. */
static void helper_died(slurm *self)
{
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if (batch_->state == BATCH_SENT) {
                        submission_put_off(batch_, BATCH_LOST_TRACK);
                        listing_find_out(self, batch_->backoff);
                }
        if (self->listing || self->cancel_request)
                listing_soon(self, self->helper.restarts > MANY ? LIST_SELDOM : LIST_OFTEN);
        self->cancel_request = 0;
        self->listing = 0;
        self->asked_at = 0;
}

static int slurm_dispatch(void *instance, xpm_error *err)
{
        slurm *self = instance;
        bool died = false;
        int rc = 0;
        json_t *answer;
        while (rc == 0 && (answer = helper_receive(&self->helper, &died))) {
                rc = take_answer(self, answer, err);
                json_decref(answer);
        }
        int64_t now = slurm_now();
        if (died)
                helper_died(self);
        else if (self->asked_at && now - self->asked_at > PATIENCE) {
                slurm_note(self, "Slurm has not answered for two minutes: asking anew");
                helper_stop(&self->helper);
                helper_died(self);
        }
        for (batch *batch_ = self->batches; rc == 0 && batch_; batch_ = batch_->next)
                if ((batch_->state == BATCH_COLLECTS || batch_->state == BATCH_WAITS) && batch_->left < batch_->count &&
                    pace_next(&self->pace, batch_->due) <= now)
                        rc = submission_send(self, batch_, err);
        if (rc == 0 && self->list_at && self->list_at <= now && !self->listing)
                listing_ask(self);
        forget_finished(self);
        return rc;
}

static int slurm_fd(void *instance)
{
        return ((const slurm *)instance)->helper.fd;
}

static short slurm_events(void *instance)
{
        return (short)(POLLIN | (helper_wants_write(&((const slurm *)instance)->helper) ? POLLOUT : 0));
}

static int64_t slurm_deadline(void *instance)
{
        const slurm *self = instance;
        int64_t first = self->list_at && !self->listing ? self->list_at : -1;
        for (const batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if ((batch_->state == BATCH_COLLECTS || batch_->state == BATCH_WAITS) &&
                    (first < 0 || pace_next(&self->pace, batch_->due) < first))
                        first = pace_next(&self->pace, batch_->due);
        if (self->asked_at && (first < 0 || self->asked_at + PATIENCE < first))
                first = self->asked_at + PATIENCE + 1;
        return first;
}

/* The numbers of what is with Slurm, for people, each after a blank; not half of one. The caller frees. NULL: no
 * memory.
 */
static char *list_numbers(const slurm *self)
{
        enum { MUCH = 800 };
        char *ids = NULL;
        size_t length = 0;
        FILE *stream = open_memstream(&ids, &length);
        for (const batch *batch_ = self->batches; stream && batch_; batch_ = batch_->next) {
                if (batch_->job_id == 0 || batch_->left == batch_->count)
                        continue;
                if (ftell(stream) > MUCH) {
                        fputs(" …", stream);
                        break;
                }
                fprintf(stream, " %ld", batch_->job_id);
        }
        if (stream && fclose(stream) == 0)
                return ids;
        free(ids);
        return NULL;
}

static int slurm_withdraw(void *instance, xpm_error *err)
{
        slurm *self = instance;
        size_t queued = 0;
        (void)err;
        self->withdrawn = true;
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if (batch_->state == BATCH_COLLECTS || batch_->state == BATCH_WAITS)
                        slurm_leave_all(self, batch_, XPM_LAUNCH_RETURNED, NULL, NULL);
                else
                        queued += batch_->count - batch_->left;
        char *ids = list_numbers(self);
        if (ids && queued > 0) {
                char words[1024];
                if (*ids)
                        snprintf(words, sizeof words,
                                 "%zu job%s stay%s with Slurm, and the same command finds them again; this cancels "
                                 "them: scancel%s",
                                 queued, queued == 1 ? "" : "s", queued == 1 ? "s" : "", ids);
                else
                        snprintf(words, sizeof words,
                                 "%zu job%s may be with Slurm, under a number that is not known yet; the same command "
                                 "finds out",
                                 queued, queued == 1 ? "" : "s");
                slurm_note(self, words);
        }
        free(ids);
        forget_finished(self);
        return 0;
}

static int compare_tags(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
        return x < y ? -1 : x > y;
}

/* COUNT 0: all. */
static int doom(slurm *self, const uint64_t *tags, size_t count)
{
        uint64_t *sorted = calloc(count + 1, sizeof *sorted);
        if (!sorted)
                return XPM_ENOMEM;
        if (count > 0)
                memcpy(sorted, tags, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, compare_tags);
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                for (size_t i = 0; i < batch_->count; i++) {
                        slurm_job *job = &batch_->jobs[i];
                        job->doomed |= count == 0 || bsearch(&job->tag, sorted, count, sizeof *sorted, compare_tags);
                }
        free(sorted);
        return 0;
}

static bool is_doomed(const slurm_job *job)
{
        return job->doomed && job->ours && job->state != JOB_LEFT;
}

/* One request for each array; its elements are named where not all of them are meant. */
static int cancel_doomed(slurm *self, xpm_error *err)
{
        json_t *ids = json_array();
        self->cancelled = self->withdrawn;
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next) {
                size_t named = 0, there = batch_->count - batch_->left;
                for (size_t i = 0; i < batch_->count; i++)
                        named += is_doomed(&batch_->jobs[i]);
                if (named == 0 || batch_->job_id == 0)
                        continue;
                if (named == there && batch_is_whole(batch_)) {
                        batch_ids(batch_, -1, ids);
                        continue;
                }
                for (size_t i = 0; i < batch_->count; i++)
                        if (is_doomed(&batch_->jobs[i]))
                                batch_ids(batch_, (long)i, ids);
        }
        json_t *request = json_array_size(ids) > 0 ? json_pack("{s:s, s:o}", "do", "cancel", "jobs", ids) : NULL;
        if (!request) {
                json_decref(ids);
                return 0;
        }
        self->interval = LIST_OFTEN;
        listing_soon(self, LIST_OFTEN);
        json_decref(self->cancelling);
        self->cancelling = request;
        self->cancel_request = 0;
        return listing_cancel(self, err);
}

static int slurm_cancel(void *instance, const uint64_t *tags, size_t count, xpm_error *err)
{
        return doom(instance, tags, count) == 0 ? cancel_doomed(instance, err)
                                                : slurm_fail(err, XPM_ENOMEM, "out of memory");
}

/* Of what earlier engines have submitted, what was named. */
int slurm_cancel_all(slurm *self, xpm_error *err)
{
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                for (size_t i = 0; !batch_->found && i < batch_->count; i++)
                        batch_->jobs[i].doomed = true;
        return cancel_doomed(self, err);
}

/* The batch of an earlier engine that HANDLE names, known by its manifest. */
static batch *find_again(slurm *self, const char *handle, size_t *index)
{
        const char *hash = strrchr(handle, '#');
        if (!hash)
                return NULL;
        *index = (size_t)atol(hash + 1);
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if (strlen(batch_->name) == (size_t)(hash - handle) &&
                    strncmp(batch_->name, handle, strlen(batch_->name)) == 0)
                        return batch_;
        batch *batch_ = batch_recall(self->core, handle, (size_t)(hash - handle));
        if (!batch_)
                return NULL;
        batch_->due = slurm_now() + UNDER_WAY;
        batch_->next = self->batches;
        self->batches = batch_;
        return batch_;
}

static int slurm_reattach(void *instance, const uint64_t *tags, const char *const *handles, size_t count,
                          xpm_error *err)
{
        slurm *self = instance;
        for (size_t i = 0; i < count; i++) {
                size_t index;
                batch *batch_ = find_again(self, handles[i], &index);
                if (!batch_ || batch_claim(batch_, index, tags[i]) != 0)
                        return slurm_fail(err, XPM_ENOMEM, "out of memory");
                self->active++;
        }
        self->since = 0;
        self->list_at = slurm_now();
        return 0;
}

__attribute__((visibility("default"))) const xpm_launcher xpm_launcher_slurm = {
        .abi = XPM_LAUNCHER_ABI,
        .size = sizeof(xpm_launcher),
        .name = "slurm",
        .script = "slurm.sh",
        .lasting = true,
        .chains = true,
        .open = slurm_open,
        .directives = slurm_directives,
        .close = slurm_close,
        .check = slurm_check,
        .room = slurm_room,
        .submit = slurm_submit,
        .withdraw = slurm_withdraw,
        .cancel = slurm_cancel,
        .reattach = slurm_reattach,
        .fd = slurm_fd,
        .events = slurm_events,
        .deadline = slurm_deadline,
        .dispatch = slurm_dispatch,
};
