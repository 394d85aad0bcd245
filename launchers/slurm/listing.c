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
        const char *state, *reason, *comment;
        bool news;
} line;

/* The reason of Slurm's for what came after a job that failed. */
static const char dependency[] = "DependencyNeverSatisfied";

static void see(slurm *self, batch *batch_, slurm_job *job, line *line_)
{
        const char *word;
        char message[256];
        job->seen = true;
        switch (fate_of(line_->state, line_->reason, &word)) {
        case FATE_WAITS: slurm_tell_accepted(self, batch_, job); return;
        case FATE_RUNS:
                slurm_tell_accepted(self, batch_, job);
                if (job->state != JOB_RUNNING && job->ours)
                        slurm_tell(self, job, XPM_LAUNCH_STARTED, NULL, NULL);
                line_->news |= job->state != JOB_RUNNING;
                job->state = JOB_RUNNING;
                return;
        case FATE_NEVER: snprintf(message, sizeof message, "Slurm will never start it: %s", word); break;
        case FATE_ENDED:
                snprintf(message, sizeof message, "Slurm says %s%s%s", line_->state,
                         line_->reason && strcmp(line_->reason, "None") != 0 ? ": " : "",
                         line_->reason && strcmp(line_->reason, "None") != 0 ? line_->reason : "");
                line_->news = true;
                if (line_->reason && strcmp(line_->reason, dependency) == 0)
                        word = "dependency";
                slurm_leave(self, batch_, job, XPM_LAUNCH_LEFT, word, message);
                return;
        }
        char id[64];
        snprintf(id, sizeof id, batch_->count > 1 ? "%ld_%zu" : "%ld", batch_->job_id, (size_t)(job - batch_->jobs));
        json_t *request = json_pack("{s:s, s:[s]}", "do", "cancel", "jobs", id);
        if (request)
                helper_send(&self->helper, request, NULL);
        line_->news = true;
        if (strcmp(word, dependency) == 0)
                slurm_leave(self, batch_, job, XPM_LAUNCH_LEFT, "dependency", message);
        else
                slurm_leave(self, batch_, job, XPM_LAUNCH_REFUSED, NULL, message);
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
                        submission_comment(self, batch_, own);
                        if (strcmp(own, comment) == 0) {
                                submission_accepted(self, batch_, id, err);
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
                slurm_leave(self, batch_, job, XPM_LAUNCH_LEFT, NULL, "Slurm has forgotten it");
        }
        return news;
}

/* It has not arrived, as far as can be told. */
static void give_up_search(slurm *self, batch *batch_)
{
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

int listing_take(slurm *self, const json_t *answer, int64_t asked, xpm_error *err)
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
                if (batch_->state == BATCH_LOST_TRACK)
                        give_up_search(self, batch_);
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
