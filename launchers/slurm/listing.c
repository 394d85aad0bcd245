/* One listing tells of all jobs of the user. It is asked for more and more seldom while it says nothing new, within an
 * allowance that refills. What is not in it has ended and was forgotten, or never arrived: its directory tells. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slurm.h"

void listing_soon(slurm *self, int in)
{
        int64_t at = slurm_now() + in;
        if (self->list_at == 0 || at < self->list_at)
                self->list_at = at;
}

void listing_find_out(slurm *self, int in)
{
        self->since = 0;
        listing_soon(self, in);
}

typedef struct line {
        slurm *self;
        batch *batch_;
        const char *id, *state, *reason, *word;
        enum fate fate;
        bool news;
} line;

static void look_at(slurm_job *job, line *line_)
{
        job->seen = true;
        job->missed = false;
        job->met |= line_->fate == FATE_WAITS || line_->fate == FATE_RUNS;
        if (line_->fate == FATE_WAITS || line_->fate == FATE_RUNS)
                slurm_tell_accepted(line_->self, line_->batch_, job);
        if (line_->fate != FATE_RUNS)
                return;
        if (job->state != JOB_RUNNING && job->ours)
                slurm_tell(line_->self, job, XPM_LAUNCH_STARTED, NULL, NULL);
        line_->news |= job->state != JOB_RUNNING;
        job->state = JOB_RUNNING;
        job->runs = true;
}

/* Where the words stand that it had. */
static void say_where(const batch *batch_, const slurm_job *job, char *out, size_t size)
{
        char element[32] = "";
        if (batch_->count > 1)
                snprintf(element, sizeof element, ".%td", job - batch_->jobs);
        snprintf(out, size, "; see '%.800s%s.log'", batch_->manifest, element);
}

/* What runs under one number has not ended, whatever is said of a ghost. What ended before this run is no failure of
 * this run: what was cancelled before it began, say, is to be run. */
static void judge(slurm_job *job, line *line_)
{
        char message[1024];
        const char *reason = line_->reason && strcmp(line_->reason, "None") != 0 ? line_->reason : NULL;
        if (job->runs || line_->fate == FATE_WAITS || line_->fate == FATE_RUNS)
                return;
        line_->news = true;
        if (line_->fate == FATE_ENDED) {
                int length = snprintf(message, sizeof message, "Slurm says %.100s%s%.100s", line_->state,
                                      reason ? ": " : "", reason ? reason : "");
                /* Its worker may not have come so far: the entry's `setup` comes before it. */
                if (line_->word && strcmp(line_->word, "failed") == 0)
                        say_where(line_->batch_, job, message + length, sizeof message - (size_t)length);
                bool by_us = line_->self->cancelled && line_->word && strcmp(line_->word, "cancelled") == 0;
                bool before = line_->batch_->found && !job->met && !by_us;
                slurm_leave(line_->self, line_->batch_, job, XPM_LAUNCH_LEFT, before ? NULL : line_->word, message);
                return;
        }
        json_t *ids = json_array();
        batch_ids(line_->batch_, job - line_->batch_->jobs, ids);
        json_t *request = json_pack("{s:s, s:o}", "do", "cancel", "jobs", ids);
        if (request)
                helper_send(&line_->self->helper, request, NULL);
        snprintf(message, sizeof message, "Slurm will never start it: %s", line_->word);
        if (strcmp(line_->word, "DependencyNeverSatisfied") == 0)
                slurm_leave(line_->self, line_->batch_, job, XPM_LAUNCH_LEFT, "dependency", message);
        else
                slurm_leave(line_->self, line_->batch_, job, XPM_LAUNCH_REFUSED, NULL, message);
}

static slurm_job *element(const line *line_, long index)
{
        size_t at = index < 0 ? 0 : (size_t)index;
        slurm_job *job = line_->batch_ && at < line_->batch_->count ? &line_->batch_->jobs[at] : NULL;
        return job && job->state != JOB_LEFT ? job : NULL;
}

static void visit_to_look(void *data, long index)
{
        slurm_job *job = element(data, index);
        if (job)
                look_at(job, data);
}

static void visit_to_judge(void *data, long index)
{
        slurm_job *job = element(data, index);
        if (job)
                judge(job, data);
}

static void no_visit(void *data, long index)
{
        (void)data;
        (void)index;
}

/* The batches as they are looked for: a listing may have as many lines as there are batches, and more. Numbers that are
 * learned meanwhile are not in it. */
typedef struct numbered {
        long number;
        batch *batch_;
} numbered;

typedef struct named {
        const char *name;
        batch *batch_;
} named;

typedef struct directory {
        numbered *by_number;
        named *by_name;
        size_t count;
        char prefix[COMMENT]; /* of the comments of this workspace */
} directory;

static int compare_numbers(const void *a, const void *b)
{
        long x = ((const numbered *)a)->number, y = ((const numbered *)b)->number;
        return x < y ? -1 : x > y;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static void directory_close(directory *directory_)
{
        free(directory_->by_number);
        free(directory_->by_name);
}

static int directory_open(const slurm *self, directory *out)
{
        size_t count = 0;
        *out = (directory){0};
        for (const batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                count++;
        out->by_number = calloc(count + 1, sizeof *out->by_number);
        out->by_name = calloc(count + 1, sizeof *out->by_name);
        if (!out->by_number || !out->by_name) {
                directory_close(out);
                return XPM_ENOMEM;
        }
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next) {
                out->by_number[out->count] = (numbered){batch_->job_id, batch_};
                out->by_name[out->count++] = (named){batch_->name, batch_};
        }
        qsort(out->by_number, count, sizeof *out->by_number, compare_numbers);
        qsort(out->by_name, count, sizeof *out->by_name, compare_names);
        submission_prefix(self, out->prefix);
        return 0;
}

static batch *find_by_number(const directory *directory_, long number)
{
        const numbered wanted = {.number = number};
        const numbered *found =
                bsearch(&wanted, directory_->by_number, directory_->count, sizeof wanted, compare_numbers);
        return found ? found->batch_ : NULL;
}

static batch *find_by_comment(const directory *directory_, const char *comment)
{
        size_t length = strlen(directory_->prefix);
        if (!comment || strncmp(comment, directory_->prefix, length) != 0)
                return NULL;
        const named wanted = {.name = comment + length};
        const named *found = bsearch(&wanted, directory_->by_name, directory_->count, sizeof wanted, compare_names);
        return found ? found->batch_ : NULL;
}

/* Whose it is, by number, or by comment where the number is not known. A submission that was given up, and made again,
 * may yet arrive: its jobs are the same, whichever begin first. */
static batch *owner_of(slurm *self, const directory *directory_, long id, const char *comment, xpm_error *err)
{
        batch *owner = find_by_number(directory_, id);
        if (owner)
                return owner;
        owner = find_by_comment(directory_, comment);
        if (!owner || owner->job_id == id)
                return owner;
        if (owner->state == BATCH_LOST_TRACK || owner->state == BATCH_WAITS)
                submission_accepted(self, owner, id, err);
        else if (owner->state == BATCH_QUEUED && batch_haunted(owner, id) && self->cancelled)
                slurm_cancel_all(self, err);
        return owner->state == BATCH_QUEUED ? owner : NULL;
}

/* Of an array that waits, Slurm keeps nothing of an element that was cancelled; the others are there. */
static bool is_cancelled(const batch *batch_, const slurm_job *job)
{
        bool others = false;
        for (size_t i = 0; i < batch_->count && !others; i++)
                others = batch_->jobs[i].seen;
        return others && job->met && job->state == JOB_QUEUED;
}

/* Those that Slurm does not know: they have ended and were forgotten, or never arrived. A listing is believed when the
 * next one says the same. */
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
                if (job->missed && is_cancelled(batch_, job))
                        slurm_leave(self, batch_, job, XPM_LAUNCH_LEFT, "cancelled",
                                    "Slurm has others of its array, and not this one any more");
                else if (job->missed)
                        slurm_leave(self, batch_, job, XPM_LAUNCH_LEFT, NULL, "Slurm has forgotten it");
                else
                        batch_->accepted = slurm_now(); /* the next listing has to be whole */
                job->missed = true;
        }
        return news;
}

/* It has not arrived, as far as can be told. */
static void give_up_search(slurm *self, batch *batch_, xpm_error *err)
{
        long number = batch_->found ? batch_read_id(batch_->manifest) : 0;
        if (number > 0) {
                submission_accepted(self, batch_, number, err);
                return;
        }
        if (batch_->found && slurm_now() < batch_->due) {
                listing_find_out(self, LIST_OFTEN);
                return;
        }
        batch_->state = BATCH_WAITS;
        if (batch_->found)
                slurm_leave_all(self, batch_, XPM_LAUNCH_LEFT, NULL, "Slurm does not know it");
        else if (self->withdrawn)
                slurm_leave_all(self, batch_, XPM_LAUNCH_RETURNED, NULL, NULL);
}

static void calm_down(slurm *self, bool news)
{
        self->interval = news ? LIST_OFTEN : self->interval + self->interval / 2;
        if (self->interval > LIST_SELDOM)
                self->interval = LIST_SELDOM;
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

/* The lines of the listing that are of our batches. NULL: no memory. The caller frees. */
static line *read_lines(slurm *self, const json_t *jobs, size_t *count, xpm_error *err)
{
        size_t i;
        json_t *fields;
        directory directory_;
        line *lines = calloc(json_array_size(jobs) + 1, sizeof *lines);
        *count = 0;
        if (!lines || directory_open(self, &directory_) != 0) {
                free(lines);
                return NULL;
        }
        json_array_foreach(jobs, i, fields)
        {
                line line_ = {.self = self,
                              .id = json_string_value(json_array_get(fields, 0)),
                              .state = json_string_value(json_array_get(fields, 1)),
                              .reason = json_string_value(json_array_get(fields, 2))};
                long number = line_.id && line_.state ? queue_elements(line_.id, no_visit, NULL) : 0;
                if (number > 0)
                        line_.batch_ =
                                owner_of(self, &directory_, number, json_string_value(json_array_get(fields, 3)), err);
                if (!line_.batch_)
                        continue;
                line_.fate = fate_of(line_.state, line_.reason, &line_.word);
                lines[(*count)++] = line_;
        }
        directory_close(&directory_);
        return lines;
}

static void begin(slurm *self)
{
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                for (size_t i = 0; i < batch_->count; i++)
                        batch_->jobs[i].seen = batch_->jobs[i].runs = false;
}

int listing_take(slurm *self, const json_t *answer, int64_t asked, xpm_error *err)
{
        const json_t *jobs = json_object_get(answer, "jobs");
        size_t count;
        bool news = false;
        if (json_is_true(json_object_get(answer, "unchanged"))) {
                calm_down(self, false);
                return 0;
        }
        if (!json_is_array(jobs))
                return 0; /* the controller is away: nothing is known, and nothing is concluded */
        line *lines = read_lines(self, jobs, &count, err);
        if (!lines)
                return slurm_fail(err, XPM_ENOMEM, "out of memory");
        begin(self);
        for (size_t i = 0; i < count; i++)
                queue_elements(lines[i].id, visit_to_look, &lines[i]);
        for (size_t i = 0; i < count; i++) {
                queue_elements(lines[i].id, visit_to_judge, &lines[i]);
                news |= lines[i].news;
        }
        free(lines);
        for (batch *batch_ = self->batches; batch_; batch_ = batch_->next) {
                news |= see_missing(self, batch_, asked);
                if (batch_->state == BATCH_LOST_TRACK)
                        give_up_search(self, batch_, err);
        }
        calm_down(self, news);
        self->since = is_settled(self, asked) ? json_integer_value(json_object_get(answer, "stamp")) : 0;
        return err && err->code ? err->code : 0;
}

int listing_cancel(slurm *self, xpm_error *err)
{
        if (!self->cancelling || self->cancel_request)
                return 0;
        json_t *request = json_copy(self->cancelling);
        self->cancel_request = request ? helper_send(&self->helper, request, err) : 0;
        return self->cancel_request ? 0 : XPM_ELAUNCHER;
}

void listing_ask(slurm *self)
{
        int64_t now = slurm_now();
        listing_cancel(self, NULL);
        while (now - self->last_refill >= LIST_REFILL && self->budget < LIST_BUDGET) {
                self->budget++;
                self->last_refill += LIST_REFILL;
        }
        if (self->budget >= LIST_BUDGET)
                self->last_refill = now;
        if (self->budget == 0) {
                self->list_at = self->last_refill + LIST_REFILL;
                return;
        }
        json_t *request = json_pack("{s:s, s:I}", "do", "list", "since", (json_int_t)self->since);
        self->listing = request ? helper_send(&self->helper, request, NULL) : 0;
        self->list_at = 0;
        self->budget--;
        if (self->listing)
                self->asked_at = now;
        else
                listing_soon(self, LIST_SELDOM);
}
