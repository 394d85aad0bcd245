/* A batch on its way to Slurm: sent, accepted, refused for good, or refused for now and tried again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slurm.h"

/* Milliseconds between tries at a controller that is busy. */
enum { BACKOFF = 1000, PATIENT = 4 * BACKOFF, BACKOFF_MOST = 60000 };

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

void submission_prefix(const slurm *self, char prefix[COMMENT])
{
        snprintf(prefix, COMMENT, "xpm:%.400s:", self->core->workspace);
}

static void make_comment(const slurm *self, const batch *batch_, char comment[COMMENT])
{
        submission_prefix(self, comment);
        size_t length = strlen(comment);
        snprintf(comment + length, COMMENT - length, "%s", batch_->name);
}

static const char *own_dependency(const json_t *directives)
{
        size_t i;
        json_t *one;
        static const char option[] = "--dependency=";
        json_array_foreach(directives, i, one)
        {
                if (strncmp(json_string_value(one), option, strlen(option)) == 0)
                        return json_string_value(one) + strlen(option);
        }
        return NULL;
}

/* What sbatch is told. The caller releases. */
static json_t *make_options(const slurm *self, const batch *batch_)
{
        json_t *options = json_copy(batch_->directives);
        char *dependency = chain_option(&batch_->chain, own_dependency(batch_->directives));
        /* What the user says of it stands behind, and wins. */
        if (self->core->unattended)
                json_array_insert_new(options, 0, json_string("--requeue"));
        if (dependency) {
                json_array_append_new(options, json_string(dependency));
                json_array_append_new(options, json_string("--kill-on-invalid-dep=yes"));
        }
        free(dependency);
        return options;
}

int submission_send(slurm *self, batch *batch_, xpm_error *err)
{
        char comment[COMMENT];
        char *script = make_script(self, batch_), *output = NULL;
        int rc = script && asprintf(&output, "%s%s.log", batch_->manifest, batch_->count > 1 ? ".%a" : "") > 0
                         ? batch_write(batch_, self->core->unattended, err)
                         : slurm_fail(err, XPM_ENOMEM, "out of memory");
        make_comment(self, batch_, comment);
        json_t *request = rc == 0 ? json_pack("{s:s, s:o, s:s, s:I, s:s, s:s}", "do", "submit", "options",
                                              make_options(self, batch_), "script", script, "array",
                                              (json_int_t)(batch_->count > 1 ? batch_->count : 0), "comment", comment,
                                              "output", output)
                                  : NULL;
        if (rc == 0)
                batch_->request = request ? helper_send(&self->helper, request, err) : 0;
        if (rc == 0 && batch_->request == 0)
                rc = slurm_fail(err, XPM_ELAUNCHER, "Slurm cannot be asked");
        if (rc == 0) {
                batch_->state = BATCH_SENT;
                pace_sent(&self->pace, slurm_now());
                if (!self->asked_at)
                        self->asked_at = slurm_now();
        }
        free(script);
        free(output);
        return rc;
}

/* Try again, later and later. */
void submission_put_off(batch *batch_, enum batch_state state)
{
        batch_->state = state;
        batch_->backoff = batch_->backoff ? 2 * batch_->backoff : BACKOFF;
        if (batch_->backoff > BACKOFF_MOST)
                batch_->backoff = BACKOFF_MOST;
        batch_->due = slurm_now() + batch_->backoff;
}

/* Refused for the number of its jobs: the queue, or the user's part of it, is full, or has never room for so many. */
static bool is_too_large(const char *error)
{
        static const char *const words[] = {"Resource temporarily unavailable",
                                            "temporarily unable to accept",
                                            "job queue full",
                                            "submit limit",
                                            "SubmitJob",
                                            NULL};
        const char *const *one = words;
        while (*one && !strcasestr(error, *one))
                one++;
        return *one != NULL;
}

static size_t count_queued(const slurm *self)
{
        size_t count = 0;
        for (const batch *batch_ = self->batches; batch_; batch_ = batch_->next)
                count += batch_->state == BATCH_QUEUED ? batch_->count - batch_->left : 0;
        return count;
}

/* What was refused a few times for its size, and has more jobs than ours that end can make room for, goes in parts:
 * half of it comes again by itself. */
static void halve(slurm *self, batch *batch_)
{
        size_t kept = (batch_->count + 1) / 2;
        if (batch_->count < 2 || batch_->backoff < PATIENT || batch_->count <= count_queued(self))
                return;
        self->fitting = kept;
        batch_->backoff /= 2;
        batch_->due = slurm_now() + batch_->backoff;
        for (size_t i = batch_->count; i-- > kept;) {
                slurm_leave(self, batch_, &batch_->jobs[i], XPM_LAUNCH_RETURNED, NULL, NULL);
                batch_drop_last(batch_);
        }
}

int submission_accepted(slurm *self, batch *batch_, long job, xpm_error *err)
{
        if (batch_->found && batch_recount(batch_) != 0)
                return slurm_fail(err, XPM_ENOMEM, "out of memory");
        batch_->job_id = job;
        batch_->state = BATCH_QUEUED;
        batch_->accepted = slurm_now();
        if (self->fitting < self->array)
                self->fitting *= 2;
        for (size_t i = 0; i < batch_->count; i++)
                if (batch_->jobs[i].state == JOB_COLLECTED)
                        batch_->jobs[i].state = JOB_QUEUED;
        for (size_t i = 0; i < batch_->count; i++)
                if (batch_->jobs[i].state == JOB_QUEUED)
                        slurm_tell_accepted(self, batch_, &batch_->jobs[i]);
        self->interval = LIST_OFTEN;
        listing_find_out(self, LIST_OFTEN);
        int rc = batch_write_id(batch_, err);
        return rc == 0 && self->cancelled ? slurm_cancel_all(self, err) : rc;
}

/* What it comes after may have ended, and been forgotten by Slurm, since we looked: the engine looks again. */
static bool is_strange(slurm *self, const batch *batch_, const char *error)
{
        enum { TRIES = 10 };
        if (batch_->chain.count == 0 || !strcasestr(error, "dependency") || self->strange == TRIES)
                return false;
        self->strange++;
        listing_find_out(self, 0);
        return true;
}

int submission_take(slurm *self, batch *batch_, const json_t *answer, xpm_error *err)
{
        long job = (long)json_integer_value(json_object_get(answer, "job"));
        const char *error = json_string_value(json_object_get(answer, "error"));
        bool ambiguous;
        if (job > 0)
                return submission_accepted(self, batch_, job, err);
        if (!error)
                error = "no answer";
        if (refusal_passes(error, &ambiguous)) {
                char words[600];
                if (batch_->backoff == 0 && self->fitting >= self->array) {
                        snprintf(words, sizeof words, "Slurm takes no jobs now, they are kept and tried again: %s",
                                 error);
                        slurm_note(self, words);
                }
                submission_put_off(batch_, ambiguous ? BATCH_LOST_TRACK : BATCH_WAITS);
                if (ambiguous)
                        listing_find_out(self, batch_->backoff);
                else if (self->withdrawn)
                        slurm_leave_all(self, batch_, XPM_LAUNCH_RETURNED, NULL, NULL);
                else if (is_too_large(error))
                        halve(self, batch_);
                return 0;
        }
        if (is_strange(self, batch_, error)) {
                slurm_leave_all(self, batch_, XPM_LAUNCH_RETURNED, NULL, NULL);
                batch_->state = BATCH_QUEUED;
                return 0;
        }
        char message[700];
        snprintf(message, sizeof message, "Slurm refused it: %s", error);
        slurm_leave_all(self, batch_, XPM_LAUNCH_REFUSED, NULL, message);
        batch_->state = BATCH_QUEUED;
        return 0;
}
