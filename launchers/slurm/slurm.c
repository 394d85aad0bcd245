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

/* Milliseconds: while jobs are collected, between listings at least and at most, until an answer is missed (the library
 * itself waits for 10 s, some times over), and between tries at a controller that is busy. */
enum {
        COLLECT = 300,
        OFTEN = 1000,
        SELDOM = 30000,
        PATIENCE = 120000,
        BACKOFF = 1000,
        BACKOFF_MOST = 60000,
        CHECK = 5000
};

/* Listings: at first as many as this at will, then one in so many milliseconds; 60 in ten minutes in all. */
enum { BUDGET = 10, REFILL = 12000 };

/* Deaths of the helper in a row, after which it is in no hurry. */
enum { MANY = 3 };

enum { ARRAY = 1000, SUBMITTED = 100000, COMMENT = 900, WARN = 30 };

typedef struct slurm {
        const xpm_core *core;
        char *name;
        json_t *config;
        helper helper;
        batch *batches;
        size_t active; /* jobs with Slurm or on their way there */
        size_t array, submitted;
        int64_t list_at, last_refill, listing; /* next listing; request number of the one that is under way, 0 */
        int64_t asked_at;                      /* when the oldest request was sent, 0: none is under way */
        int64_t since;                         /* stamp of the last listing, when nothing is unknown since; 0 */
        json_t *cancelling;                    /* a request to cancel that has no answer yet, and its number */
        int64_t cancel_request;
        bool withdrawn; /* nothing new is submitted */
        int interval, budget;
        json_t *partitions; /* NULL: not known */
        bool asked_partitions;
} slurm;

static int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(xpm_error *err, int code, const char *words)
{
        if (err && !err->code) {
                err->code = code;
                snprintf(err->message, sizeof err->message, "%s", words);
        }
        return code;
}

static void note(const slurm *self, const char *words)
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
                return fail(err, XPM_ENOMEM, "out of memory");
        }
        self->array = limit_of(self, "array", ARRAY);
        self->submitted = limit_of(self, "submitted", SUBMITTED);
        self->interval = OFTEN;
        self->budget = BUDGET;
        self->last_refill = now_ms();
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
        json_decref(self->cancelling);
        json_decref(self->partitions);
        json_decref(self->config);
        free(self->name);
        free(self);
}

/* Requirements as options of sbatch. */

typedef struct options {
        int (*add)(void *data, const char *directive);
        void *data;
        const json_t *own; /* of launchers.yaml: what stands there wins */
        int rc;
} options;

static void put(options *options_, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void put(options *options_, const char *name, const char *format, ...)
{
        char value[256], directive[320];
        va_list args;
        if (options_->rc != 0 || json_object_get(options_->own, name))
                return;
        va_start(args, format);
        vsnprintf(value, sizeof value, format, args);
        va_end(args);
        snprintf(directive, sizeof directive, "--%s=%s", name, value);
        options_->rc = options_->add(options_->data, directive);
}

static void put_own(options *options_)
{
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)options_->own, name, value)
        {
                char directive[1024];
                char *number = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
                const char *text = json_is_string(value) ? json_string_value(value) : number;
                if (json_is_true(value))
                        snprintf(directive, sizeof directive, "--%s", name);
                else
                        snprintf(directive, sizeof directive, "--%s=%s", name, text ? text : "");
                if (options_->rc == 0 && !json_is_false(value) && !json_is_null(value))
                        options_->rc = options_->add(options_->data, directive);
                free(number);
        }
}

static int slurm_directives(void *instance, const xpm_shape *shape, int (*add)(void *data, const char *directive),
                            void *data, xpm_error *err)
{
        const slurm *self = instance;
        int64_t ranks = shape->ranks > 0 ? shape->ranks : 1, nodes = shape->nodes > 0 ? shape->nodes : 0;
        options options_ = {add, data, json_object_get(self->config, "options"), 0};
        (void)err;
        put_own(&options_);
        put(&options_, "job-name", "%s", self->core->label);
        if (nodes > 0 || ranks == 1)
                put(&options_, "nodes", "%lld", (long long)(nodes > 0 ? nodes : 1));
        put(&options_, "ntasks", "%lld", (long long)ranks);
        put(&options_, "cpus-per-task", "%lld", (long long)(shape->cores / ranks));
        if (shape->memory > 0) {
                uint64_t share = shape->memory / (uint64_t)(nodes > 0 ? nodes : 1);
                put(&options_, "mem", "%lluM", (unsigned long long)((share + (1 << 20) - 1) >> 20));
        }
        if (shape->gpus > 0)
                put(&options_, "gres", "gpu:%lld", (long long)(shape->gpus / (nodes > 0 ? nodes : 1)));
        /* Before the limit the worker is told, which ends the job in order, and may let it save its state. */
        if (shape->duration > WARN)
                put(&options_, "signal", "B:TERM@%d", WARN);
        if (shape->duration > 0)
                put(&options_, "time", "%lld:%02lld", (long long)(shape->duration / 60),
                    (long long)(shape->duration % 60));
        return options_.rc;
}

/* Can Slurm run it? */

static void ask_partitions(slurm *self)
{
        json_t *answer = NULL;
        self->asked_partitions = true;
        /* Again when the helper has died of it: another one may live. */
        for (int tries = 0; tries == 0 || (tries == 1 && !answer && self->helper.fd < 0); tries++) {
                json_t *request = json_pack("{s:s}", "do", "partitions");
                int64_t id = request ? helper_send(&self->helper, request, NULL) : 0;
                answer = id ? helper_wait(&self->helper, id, CHECK) : NULL;
        }
        if (self->listing) { /* its answer was passed over */
                self->listing = 0;
                self->asked_at = 0;
                self->list_at = now_ms() + OFTEN;
        }
        self->core->requested(self->core, (size_t)json_integer_value(json_object_get(answer, "requests")));
        self->partitions = json_incref(json_object_get(answer, "partitions"));
        json_int_t largest = json_integer_value(json_object_get(answer, "array"));
        if (largest > 0 && (size_t)largest < self->array)
                self->array = (size_t)largest;
        json_decref(answer);
}

static const json_t *find_partition(const slurm *self, const char *name)
{
        size_t i;
        json_t *one;
        json_array_foreach(self->partitions, i, one)
        {
                bool standard = json_is_true(json_object_get(one, "default"));
                if (name ? strcmp(json_string_value(json_object_get(one, "name")), name) == 0 : standard)
                        return one;
        }
        return NULL;
}

static int slurm_check(void *instance, const xpm_shape *shape, xpm_error *err)
{
        slurm *self = instance;
        char words[512];
        if (!self->asked_partitions)
                ask_partitions(self);
        const char *name = json_string_value(json_object_get(json_object_get(self->config, "options"), "partition"));
        if (!self->partitions || (name && strchr(name, ',')))
                return 0; /* the submission will tell */
        const json_t *partition = find_partition(self, name);
        if (!partition && name) {
                snprintf(words, sizeof words, "Slurm has no partition '%s'", name);
                return fail(err, XPM_ELAUNCHER, words);
        }
        long long seconds = json_integer_value(json_object_get(partition, "seconds"));
        long long nodes = json_integer_value(json_object_get(partition, "nodes"));
        name = json_string_value(json_object_get(partition, "name"));
        if (partition && seconds > 0 && shape->duration > seconds) {
                snprintf(words, sizeof words, "it wants %lld s, and partition '%s' allows %lld",
                         (long long)shape->duration, name, seconds);
                return fail(err, XPM_ELAUNCHER, words);
        }
        if (partition && nodes > 0 && shape->nodes > nodes) {
                snprintf(words, sizeof words, "it wants %lld nodes, and partition '%s' has %lld",
                         (long long)shape->nodes, name, nodes);
                return fail(err, XPM_ELAUNCHER, words);
        }
        return 0;
}

/* Batches. */

static void tell(const slurm *self, const slurm_job *job, enum xpm_launch_event_kind kind, const char *reason,
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

/* JOB is Slurm's no more. */
static void leave(slurm *self, batch *batch_, slurm_job *job, enum xpm_launch_event_kind kind, const char *reason,
                  const char *message)
{
        if (job->state == JOB_LEFT)
                return;
        job->state = JOB_LEFT;
        batch_->left++;
        self->active -= job->ours;
        if (job->ours)
                tell(self, job, kind, reason, message);
}

static void leave_all(slurm *self, batch *batch_, enum xpm_launch_event_kind kind, const char *reason,
                      const char *message)
{
        for (size_t i = 0; i < batch_->count; i++)
                leave(self, batch_, &batch_->jobs[i], kind, reason, message);
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
                batch_free(batch_);
        }
}

static size_t slurm_room(void *instance, const xpm_shape *shape)
{
        const slurm *self = instance;
        (void)shape;
        return self->active < self->submitted ? self->submitted - self->active : 0;
}

static batch *find_collecting(slurm *self, const char *const *directives)
{
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if (batch_->state == BATCH_COLLECTS && batch_->count < self->array &&
                    batch_is_alike(batch_, directives))
                        return batch_;
        batch *made = batch_create(self->core, directives);
        if (!made)
                return NULL;
        made->due = now_ms() + COLLECT;
        made->next = self->batches;
        self->batches = made;
        return made;
}

static int slurm_submit(void *instance, const xpm_launch *const *launches, size_t count, xpm_error *err)
{
        slurm *self = instance;
        if (!self->asked_partitions)
                ask_partitions(self);
        for (size_t i = 0; i < count; i++) {
                char handle[256], nonce[XPM_LAUNCH_NONCE];
                batch *batch_ = find_collecting(self, launches[i]->directives);
                if (!batch_)
                        return fail(err, XPM_ENOMEM, "out of memory");
                batch_handle(batch_, batch_->count, handle);
                int rc = self->core->prepare(self->core, launches[i], self->name, handle, nonce, err);
                if (rc == 1)
                        continue;
                if (rc != 0 || batch_add(batch_, launches[i]) != 0)
                        return rc != 0 ? rc : fail(err, XPM_ENOMEM, "out of memory");
                memcpy(batch_->jobs[batch_->count - 1].nonce, nonce, sizeof nonce);
                self->active++;
        }
        forget_finished(self);
        return 0;
}

static void quote(FILE *stream, const char *word)
{
        fputc('\'', stream);
        for (; *word; word++)
                if (*word == '\'')
                        fputs("'\\''", stream);
                else
                        fputc(*word, stream);
        fputc('\'', stream);
}

/* What Slurm runs for each job of the batch. The caller frees. */
static char *make_script(const slurm *self, const batch *batch_)
{
        char *text = NULL;
        size_t length = 0;
        const char *setup = json_string_value(json_object_get(self->config, "setup"));
        FILE *stream = open_memstream(&text, &length);
        if (!stream)
                return NULL;
        fprintf(stream, "#!/bin/sh\n%s%s", setup ? setup : "",
                setup && *setup && setup[strlen(setup) - 1] != '\n' ? "\n" : "");
        fputs("exec ", stream);
        quote(stream, self->core->executable);
        fputs(" worker --batch ", stream);
        quote(stream, batch_->manifest);
        fputc('\n', stream);
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static void comment_of(const slurm *self, const batch *batch_, char comment[COMMENT])
{
        snprintf(comment, COMMENT, "xpm:%.400s:%.400s", self->core->workspace, batch_->name);
}

static int send_batch(slurm *self, batch *batch_, xpm_error *err)
{
        char comment[COMMENT];
        char *script = make_script(self, batch_), *output = NULL;
        int rc = script && asprintf(&output, "%s%s.log", batch_->manifest, batch_->count > 1 ? ".%a" : "") > 0
                         ? batch_write(batch_, err)
                         : fail(err, XPM_ENOMEM, "out of memory");
        comment_of(self, batch_, comment);
        json_t *request =
                rc == 0 ? json_pack("{s:s, s:O, s:s, s:I, s:s, s:s}", "do", "submit", "options", batch_->directives,
                                    "script", script, "array", (json_int_t)(batch_->count > 1 ? batch_->count : 0),
                                    "comment", comment, "output", output)
                        : NULL;
        if (rc == 0)
                batch_->request = request ? helper_send(&self->helper, request, err) : 0;
        if (rc == 0 && batch_->request == 0)
                rc = fail(err, XPM_ELAUNCHER, "Slurm cannot be asked");
        if (rc == 0) {
                batch_->state = BATCH_SENT;
                if (!self->asked_at)
                        self->asked_at = now_ms();
        }
        free(script);
        free(output);
        return rc;
}

/* Try again, later and later. */
static void put_off(batch *batch_, enum batch_state state)
{
        batch_->state = state;
        batch_->backoff = batch_->backoff ? 2 * batch_->backoff : BACKOFF;
        if (batch_->backoff > BACKOFF_MOST)
                batch_->backoff = BACKOFF_MOST;
        batch_->due = now_ms() + batch_->backoff;
}

static void list_soon(slurm *self, int in)
{
        int64_t at = now_ms() + in;
        if (self->list_at == 0 || at < self->list_at)
                self->list_at = at;
}

/* A batch has lost track: the next listing has to be whole. */
static void find_out(slurm *self, int in)
{
        self->since = 0;
        list_soon(self, in);
}

static int accepted(slurm *self, batch *batch_, long job, xpm_error *err)
{
        batch_->job_id = job;
        batch_->state = BATCH_QUEUED;
        batch_->accepted = now_ms();
        for (size_t i = 0; i < batch_->count; i++)
                if (batch_->jobs[i].state == JOB_COLLECTED)
                        batch_->jobs[i].state = JOB_QUEUED;
        self->interval = OFTEN;
        self->since = 0;
        list_soon(self, OFTEN);
        return batch_write_id(batch_, err);
}

static int take_submission(slurm *self, batch *batch_, const json_t *answer, xpm_error *err)
{
        long job = (long)json_integer_value(json_object_get(answer, "job"));
        const char *error = json_string_value(json_object_get(answer, "error"));
        bool ambiguous;
        if (job > 0)
                return accepted(self, batch_, job, err);
        if (!error)
                error = "no answer";
        if (refusal_passes(error, &ambiguous)) {
                char words[600];
                if (batch_->backoff == 0) {
                        snprintf(words, sizeof words, "Slurm takes no jobs now, they are kept and tried again: %s",
                                 error);
                        note(self, words);
                }
                put_off(batch_, ambiguous ? BATCH_LOST_TRACK : BATCH_WAITS);
                if (ambiguous)
                        find_out(self, batch_->backoff);
                else if (self->withdrawn)
                        leave_all(self, batch_, XPM_LAUNCH_RETURNED, NULL, NULL);
                return 0;
        }
        char message[700];
        snprintf(message, sizeof message, "Slurm refused it: %s", error);
        leave_all(self, batch_, XPM_LAUNCH_REFUSED, NULL, message);
        batch_->state = BATCH_QUEUED;
        return 0;
}

/* Listings. */

typedef struct line {
        slurm *self;
        batch *batch_;
        const char *state, *reason, *comment;
        bool news;
} line;

static void see(slurm *self, batch *batch_, slurm_job *job, line *line_)
{
        const char *word;
        char message[256];
        job->seen = true;
        switch (fate_of(line_->state, line_->reason, &word)) {
        case FATE_WAITS: return;
        case FATE_RUNS:
                if (job->state != JOB_RUNNING && job->ours)
                        tell(self, job, XPM_LAUNCH_STARTED, NULL, NULL);
                line_->news |= job->state != JOB_RUNNING;
                job->state = JOB_RUNNING;
                return;
        case FATE_NEVER: snprintf(message, sizeof message, "Slurm will never start it: %s", word); break;
        case FATE_ENDED:
                snprintf(message, sizeof message, "Slurm says %s%s%s", line_->state,
                         line_->reason && strcmp(line_->reason, "None") != 0 ? ": " : "",
                         line_->reason && strcmp(line_->reason, "None") != 0 ? line_->reason : "");
                line_->news = true;
                leave(self, batch_, job, XPM_LAUNCH_LEFT, word, message);
                return;
        }
        char id[64];
        snprintf(id, sizeof id, batch_->count > 1 ? "%ld_%zu" : "%ld", batch_->job_id, (size_t)(job - batch_->jobs));
        json_t *request = json_pack("{s:s, s:[s]}", "do", "cancel", "jobs", id);
        if (request)
                helper_send(&self->helper, request, NULL);
        line_->news = true;
        leave(self, batch_, job, XPM_LAUNCH_REFUSED, NULL, message);
}

static void visit(void *data, long index)
{
        line *line_ = data;
        size_t at = index < 0 ? 0 : (size_t)index;
        if (line_->batch_ && at < line_->batch_->count && line_->batch_->jobs[at].state != JOB_LEFT)
                see(line_->self, line_->batch_, &line_->batch_->jobs[at], line_);
}

static void no_visit(void *data, long index)
{
        (void)data;
        (void)index;
}

/* Whose it is, by number, or by comment where the number is not known. */
static batch *owner_of(slurm *self, long id, const char *comment, xpm_error *err)
{
        char own[COMMENT];
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if (batch_->job_id == id)
                        return batch_;
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if ((batch_->state == BATCH_LOST_TRACK || batch_->state == BATCH_WAITS) && comment) {
                        comment_of(self, batch_, own);
                        if (strcmp(own, comment) == 0) {
                                accepted(self, batch_, id, err);
                                return batch_;
                        }
                }
        return NULL;
}

/* Those that Slurm does not know: they have ended and were forgotten, or never arrived. */
static bool see_missing(slurm *self, batch *batch_, int64_t asked)
{
        bool news = false;
        /* What was accepted after the question was sent may lack in the answer. */
        if (batch_->state != BATCH_QUEUED || batch_->accepted >= asked)
                return false;
        for (size_t i = 0; i < batch_->count; i++) {
                slurm_job *job = &batch_->jobs[i];
                if (job->state == JOB_LEFT || job->seen)
                        continue;
                news = true;
                leave(self, batch_, job, XPM_LAUNCH_LEFT, NULL, "Slurm has forgotten it");
        }
        return news;
}

static void calm_down(slurm *self, bool news)
{
        self->interval = news ? OFTEN : self->interval + self->interval / 2;
        if (self->interval > SELDOM)
                self->interval = SELDOM;
}

/* Was each batch that Slurm has judged by the listing that was asked for when ASKED? Only then the next one may tell
 * no more than that nothing has changed. */
static bool is_settled(const slurm *self, int64_t asked)
{
        for (const batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if (batch_->state == BATCH_SENT || batch_->state == BATCH_LOST_TRACK ||
                    (batch_->state == BATCH_QUEUED && batch_->accepted >= asked))
                        return false;
        return true;
}

static int take_listing(slurm *self, const json_t *answer, int64_t asked, xpm_error *err)
{
        const json_t *jobs = json_object_get(answer, "jobs");
        size_t i;
        json_t *fields;
        bool news = false;
        if (json_is_true(json_object_get(answer, "unchanged"))) {
                calm_down(self, false);
                return 0;
        }
        if (!json_is_array(jobs))
                return 0; /* the controller is away: nothing is known, and nothing is concluded */
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                for (size_t k = 0; k < batch_->count; k++)
                        batch_->jobs[k].seen = false;
        json_array_foreach(jobs, i, fields)
        {
                const char *id = json_string_value(json_array_get(fields, 0));
                line line_ = {.self = self,
                              .state = json_string_value(json_array_get(fields, 1)),
                              .reason = json_string_value(json_array_get(fields, 2)),
                              .comment = json_string_value(json_array_get(fields, 3))};
                long number = id && line_.state ? queue_elements(id, no_visit, NULL) : 0;
                line_.batch_ = number > 0 ? owner_of(self, number, line_.comment, err) : NULL;
                if (line_.batch_)
                        queue_elements(id, visit, &line_);
                news |= line_.news;
        }
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next) {
                news |= see_missing(self, batch_, asked);
                if (batch_->state != BATCH_LOST_TRACK)
                        continue;
                batch_->state = BATCH_WAITS; /* it has not arrived, as far as can be told */
                if (self->withdrawn)
                        leave_all(self, batch_, XPM_LAUNCH_RETURNED, NULL, NULL);
        }
        calm_down(self, news);
        self->since = is_settled(self, asked) ? json_integer_value(json_object_get(answer, "stamp")) : 0;
        return err && err->code ? err->code : 0;
}

static bool has_queued(const slurm *self)
{
        for (const batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if ((batch_->state == BATCH_QUEUED && batch_->left < batch_->count) ||
                    batch_->state == BATCH_LOST_TRACK)
                        return true;
        return false;
}

/* What is to be cancelled is kept until there is an answer: else jobs would run that nobody waits for. */
static int send_cancel(slurm *self, xpm_error *err)
{
        if (!self->cancelling || self->cancel_request)
                return 0;
        json_t *request = json_copy(self->cancelling);
        self->cancel_request = request ? helper_send(&self->helper, request, err) : 0;
        return self->cancel_request ? 0 : XPM_ELAUNCHER;
}

static void take_cancelled(slurm *self, const json_t *answer)
{
        bool ambiguous;
        const char *error = json_string_value(json_object_get(answer, "error"));
        self->cancel_request = 0;
        if (error && refusal_passes(error, &ambiguous)) {
                list_soon(self, OFTEN);
                return;
        }
        json_decref(self->cancelling);
        self->cancelling = NULL;
}

static void ask_for_listing(slurm *self)
{
        int64_t now = now_ms();
        send_cancel(self, NULL);
        while (now - self->last_refill >= REFILL && self->budget < BUDGET) {
                self->budget++;
                self->last_refill += REFILL;
        }
        if (self->budget >= BUDGET)
                self->last_refill = now;
        if (self->budget == 0) {
                self->list_at = self->last_refill + REFILL;
                return;
        }
        json_t *request = json_pack("{s:s, s:I}", "do", "list", "since", (json_int_t)self->since);
        self->listing = request ? helper_send(&self->helper, request, NULL) : 0;
        self->list_at = 0;
        self->budget--;
        if (self->listing)
                self->asked_at = now;
        else
                list_soon(self, SELDOM);
}

/* The loop. */

static int take_answer(slurm *self, const json_t *answer, xpm_error *err)
{
        json_int_t id = json_integer_value(json_object_get(answer, "id"));
        int rc = 0;
        self->core->requested(self->core, (size_t)json_integer_value(json_object_get(answer, "requests")));
        if (id == self->listing) {
                int64_t asked = self->asked_at;
                self->listing = 0;
                self->asked_at = 0;
                rc = take_listing(self, answer, asked, err);
                if (has_queued(self))
                        list_soon(self, self->interval);
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
                        return take_submission(self, batch_, answer, err);
                }
        return 0;
}

/* What the helper had been asked has no answer: submissions may have arrived. */
static void helper_died(slurm *self)
{
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                if (batch_->state == BATCH_SENT) {
                        put_off(batch_, BATCH_LOST_TRACK);
                        find_out(self, batch_->backoff);
                }
        if (self->listing || self->cancel_request)
                list_soon(self, self->helper.restarts > MANY ? SELDOM : OFTEN);
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
        int64_t now = now_ms();
        if (died)
                helper_died(self);
        else if (self->asked_at && now - self->asked_at > PATIENCE) {
                note(self, "Slurm has not answered for two minutes: asking anew");
                helper_stop(&self->helper);
                helper_died(self);
        }
        for (batch *batch_ = self->batches; rc == 0 && batch_; batch_ = batch_->next)
                if ((batch_->state == BATCH_COLLECTS || batch_->state == BATCH_WAITS) && batch_->due <= now)
                        rc = send_batch(self, batch_, err);
        if (rc == 0 && self->list_at && self->list_at <= now && !self->listing)
                ask_for_listing(self);
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
                    (first < 0 || batch_->due < first))
                        first = batch_->due;
        if (self->asked_at && (first < 0 || self->asked_at + PATIENCE < first))
                first = self->asked_at + PATIENCE + 1;
        return first;
}

static int slurm_withdraw(void *instance, xpm_error *err)
{
        slurm *self = instance;
        char *ids = NULL;
        size_t length = 0, queued = 0;
        FILE *stream = open_memstream(&ids, &length);
        (void)err;
        self->withdrawn = true;
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next) {
                if (batch_->state == BATCH_COLLECTS || batch_->state == BATCH_WAITS)
                        leave_all(self, batch_, XPM_LAUNCH_RETURNED, NULL, NULL);
                else if (batch_->left < batch_->count) {
                        queued += batch_->count - batch_->left;
                        if (stream && batch_->job_id)
                                fprintf(stream, " %ld", batch_->job_id);
                }
        }
        if (stream && fclose(stream) == 0 && queued > 0) {
                char words[1024];
                snprintf(words, sizeof words,
                         "%zu job%s stay%s with Slurm, and the same command finds them again; this cancels them: "
                         "scancel%.900s",
                         queued, queued == 1 ? "" : "s", queued == 1 ? "s" : "", ids);
                note(self, words);
        }
        free(ids);
        forget_finished(self);
        return 0;
}

static bool is_named(const slurm_job *job, const uint64_t *tags, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (tags[i] == job->tag)
                        return true;
        return count == 0;
}

/* One request for each array; its elements are named where not all of them are meant. */
static int slurm_cancel(void *instance, const uint64_t *tags, size_t count, xpm_error *err)
{
        slurm *self = instance;
        json_t *ids = json_array();
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next) {
                size_t named = 0, there = batch_->count - batch_->left;
                char id[64];
                for (size_t i = 0; i < batch_->count; i++)
                        named += batch_->jobs[i].state != JOB_LEFT && batch_->jobs[i].ours &&
                                 is_named(&batch_->jobs[i], tags, count);
                if (named == 0 || batch_->job_id == 0)
                        continue;
                if (named == there) {
                        snprintf(id, sizeof id, "%ld", batch_->job_id);
                        json_array_append_new(ids, json_string(id));
                        continue;
                }
                for (size_t i = 0; i < batch_->count; i++)
                        if (batch_->jobs[i].state != JOB_LEFT && batch_->jobs[i].ours &&
                            is_named(&batch_->jobs[i], tags, count)) {
                                snprintf(id, sizeof id, "%ld_%zu", batch_->job_id, i);
                                json_array_append_new(ids, json_string(id));
                        }
        }
        json_t *request = json_array_size(ids) > 0 ? json_pack("{s:s, s:o}", "do", "cancel", "jobs", ids) : NULL;
        if (!request) {
                json_decref(ids);
                return 0;
        }
        self->interval = OFTEN;
        list_soon(self, OFTEN);
        json_decref(self->cancelling);
        self->cancelling = request;
        self->cancel_request = 0;
        return send_cancel(self, err);
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
        batch *batch_ = batch_create(self->core, NULL);
        if (!batch_)
                return NULL;
        free(batch_->name);
        free(batch_->manifest);
        batch_->name = strndup(handle, (size_t)(hash - handle));
        batch_->manifest = NULL;
        if (!batch_->name || asprintf(&batch_->manifest, "%s/%s", self->core->workspace, batch_->name) < 0) {
                batch_->manifest = NULL;
                batch_free(batch_);
                return NULL;
        }
        batch_->job_id = batch_read_id(batch_->manifest);
        /* Without a number it is looked for by its comment. */
        batch_->state = batch_->job_id ? BATCH_QUEUED : BATCH_LOST_TRACK;
        batch_->next = self->batches;
        self->batches = batch_;
        return batch_;
}

static int put_element(batch *batch_, size_t index, uint64_t tag)
{
        const xpm_launch nobody = {.path = ""};
        while (batch_->count <= index) {
                if (batch_add(batch_, &nobody) != 0)
                        return XPM_ENOMEM;
                batch_->jobs[batch_->count - 1].state = JOB_LEFT;
                batch_->jobs[batch_->count - 1].ours = false;
                batch_->left++;
        }
        slurm_job *job = &batch_->jobs[index];
        batch_->left--;
        job->tag = tag;
        job->attempt = 1;
        job->ours = true;
        job->state = JOB_QUEUED;
        return 0;
}

static int slurm_reattach(void *instance, const uint64_t *tags, const char *const *handles, size_t count,
                          xpm_error *err)
{
        slurm *self = instance;
        for (size_t i = 0; i < count; i++) {
                size_t index;
                batch *batch_ = find_again(self, handles[i], &index);
                if (!batch_ || put_element(batch_, index, tags[i]) != 0)
                        return fail(err, XPM_ENOMEM, "out of memory");
                self->active++;
        }
        self->since = 0;
        self->list_at = now_ms();
        return 0;
}

__attribute__((visibility("default"))) const xpm_launcher xpm_launcher_slurm = {
        .abi = XPM_LAUNCHER_ABI,
        .size = sizeof(xpm_launcher),
        .name = "slurm",
        .script = "slurm.sh",
        .lasting = true,
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
