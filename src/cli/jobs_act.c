/* xpm jobs kill, xpm jobs clean: both list what they would do, and do it with --perform alone. What is done cannot be
 * taken back, so then the jobs must be chosen: no choice is not a choice of all, --all is. */
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/subcommand.h"
#include "monitor/act.h"
#include "monitor/jobcancel.h"

enum { PATIENCE = 60, PAUSE = 200 /* milliseconds */, FAILED = 1 };

struct request {
        const char *command; /* `jobs kill` */
        xpm_view_place place;
        xpm_strings experiments, words;
        const char *filter;
        bool perform, all;
        long timeout; /* seconds */
};

/* Is JOB one that the command is for: 1, 0 or an error. */
typedef int suits(xpm_view *view, xpm_view_job *job, xpm_error *err);

/* It runs, or a scheduler has it: what merely waits for its engine is that one's alone, which the directory does not
 * tell of. */
static int can_be_ended(xpm_view *view, xpm_view_job *job, xpm_error *err)
{
        if (job->state != XPM_JOB_SCHEDULED)
                return job->state == XPM_JOB_RUNNING;
        int rc = xpm_view_refresh(view, job, err);
        return rc == 0 ? job->state == XPM_JOB_SCHEDULED || job->state == XPM_JOB_RUNNING : rc;
}

/* The directory is asked: a run may say that a job is done that was removed since. */
static int is_finished(xpm_view *view, xpm_view_job *job, xpm_error *err)
{
        int rc = xpm_act_has_directory(view, job, err);
        if (rc <= 0)
                return rc;
        rc = xpm_view_refresh(view, job, err);
        return rc == 0 ? job->state == XPM_JOB_DONE || job->state == XPM_JOB_ERROR : rc;
}

static void print_job(const char *what, const xpm_view_job *job)
{
        const char *failure = job->failure == XPM_FAILURE_NONE ? NULL : xpm_failure_word(job->failure);
        printf("%-8s  %s/%s  %s%s%s\n", what, job->task_id, job->job_id, xpm_job_state_word(job->state),
               failure ? ": " : "", failure ? failure : "");
        fflush(stdout);
}

/* The jobs that WORDS name, each once. ITEMS is the caller's to free. */
static int find_named(xpm_view *view, const xpm_strings *words, xpm_view_job **items, size_t *count, xpm_error *err)
{
        int rc = 0;
        *items = calloc(words->count, sizeof **items);
        if (!*items)
                return xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < words->count; i++) {
                xpm_view_job job;
                bool known = false;
                rc = xpm_view_find(view, words->items[i], &job, err);
                for (size_t j = 0; rc == 0 && j < *count; j++)
                        known |= strcmp((*items)[j].job_id, job.job_id) == 0 &&
                                 strcmp((*items)[j].task_id, job.task_id) == 0;
                if (rc == 0 && !known)
                        (*items)[(*count)++] = job;
        }
        return rc;
}

static int choose(xpm_view *view, const struct request *request, suits *fits, xpm_view_jobs *jobs, xpm_view_job **items,
                  xpm_error *err)
{
        size_t kept = 0;
        int rc = 0;
        if (request->words.count > 0) {
                rc = find_named(view, &request->words, items, &jobs->count, err);
                jobs->items = *items;
        } else
                rc = xpm_view_list_jobs(view, request->experiments.items, jobs, err);
        if (rc == 0)
                rc = xpm_select_jobs(view, request->filter, jobs, err);
        for (size_t i = 0; rc >= 0 && i < jobs->count; i++) {
                rc = fits(view, &jobs->items[i], err);
                if (rc > 0)
                        jobs->items[kept++] = jobs->items[i];
        }
        jobs->count = kept;
        return rc < 0 ? rc : 0;
}

/* Go on with what can be done; one that cannot does not spoil the others. */
static void tell(const char *what, const xpm_view_job *job, const xpm_error *err)
{
        fflush(stdout);
        fprintf(stderr, "xpm: cannot %s %s/%s: %s\n", what, job->task_id, job->job_id, err->message);
}

static int64_t milliseconds(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whoever has ended is printed and leaves JOBS. The number of errors. */
static size_t collect_ended(xpm_view *view, xpm_cancel *cancel, xpm_view_jobs *jobs)
{
        size_t left = 0, errors = 0;
        for (size_t i = 0; i < jobs->count; i++) {
                xpm_error err = XPM_ERROR_NONE;
                xpm_view_job *job = &jobs->items[i];
                int rc = xpm_act_has_ended(view, job, &err);
                if (rc == 0 && job->state == XPM_JOB_SCHEDULED) /* of another attempt, or it could not be recorded */
                        xpm_cancel_add(cancel, job, NULL);
                if (rc == 0)
                        jobs->items[left++] = *job;
                else if (rc > 0)
                        print_job("ended", job);
                else {
                        tell("look at", job, &err);
                        errors++;
                }
        }
        jobs->count = left;
        return errors;
}

/* Each by its worker; what a scheduler has by that one, too, which alone can end what waits. The number of errors. */
static size_t ask_all(xpm_view *view, xpm_cancel *cancel, xpm_view_jobs *jobs)
{
        size_t left = 0, errors = 0;
        for (size_t i = 0; i < jobs->count; i++) {
                xpm_error err = XPM_ERROR_NONE;
                xpm_view_job *job = &jobs->items[i];
                int rc = xpm_cancel_add(cancel, job, &err);
                if (rc == 0 && job->state == XPM_JOB_RUNNING)
                        rc = xpm_act_kill(view, job, &err);
                if (rc == 0)
                        jobs->items[left++] = *job;
                else {
                        tell("kill", job, &err);
                        errors++;
                }
        }
        jobs->count = left;
        return errors;
}

/* Until all have ended and schedulers have let go of what waited, of which *AWAITED are left at the end. The number of
 * errors. */
static size_t wait_for_end(xpm_view *view, xpm_cancel *cancel, xpm_view_jobs *jobs, long timeout, size_t *awaited)
{
        int64_t deadline = milliseconds() + timeout * 1000;
        size_t errors = 0;
        int pause = 0; /* what was added is asked for at once */
        do {
                xpm_error err = XPM_ERROR_NONE;
                if (xpm_cancel_serve(cancel, pause, awaited, &err) != 0) {
                        xpm_report(&err);
                        errors++;
                }
                errors += collect_ended(view, cancel, jobs);
                pause = PAUSE;
        } while ((jobs->count > 0 || *awaited > 0) && milliseconds() < deadline);
        return errors;
}

static int kill_all(xpm_view *view, const struct request *request, xpm_view_jobs *jobs)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_cancel *cancel = NULL;
        size_t awaited = 0;
        if (xpm_cancel_create(view, request->place.config_dir, &cancel, &err) != 0)
                return xpm_report(&err);
        size_t errors = ask_all(view, cancel, jobs);
        errors += wait_for_end(view, cancel, jobs, request->timeout, &awaited);
        for (size_t i = 0; i < jobs->count; i++)
                print_job("goes on", &jobs->items[i]);
        fputs(xpm_cancel_heard(cancel), stderr);
        if (jobs->count > 0)
                fprintf(stderr, "xpm: %zu of the jobs did not end within %ld seconds; the request stands\n",
                        jobs->count, request->timeout);
        if (awaited > 0)
                fprintf(stderr,
                        "xpm: the scheduler has not said within %ld seconds that it let go of %zu of the jobs: they "
                        "will not run, but may stay in its queue\n",
                        request->timeout, awaited);
        xpm_cancel_destroy(cancel);
        return jobs->count > 0 || awaited > 0 || errors > 0 ? FAILED : 0;
}

/* Somebody else may be removing the same jobs. */
static int clean_all(xpm_view *view, const struct request *request, xpm_view_jobs *jobs)
{
        int status = 0;
        (void)request;
        for (size_t i = 0; i < jobs->count; i++) {
                xpm_error err = XPM_ERROR_NONE;
                int rc = xpm_act_remove(view, &jobs->items[i], &err);
                if (rc == 0 || rc == XPM_ENOTFOUND)
                        print_job(rc == 0 ? "removed" : "gone", &jobs->items[i]);
                else {
                        tell("remove", &jobs->items[i], &err);
                        status = FAILED;
                }
        }
        xpm_error err = XPM_ERROR_NONE;
        return xpm_act_sweep(view, false, &err) < 0 ? xpm_report(&err) : status;
}

static int check(const struct request *request)
{
        xpm_error err = XPM_ERROR_NONE;
        if (request->words.count > 0 && (request->experiments.count > 0 || request->all))
                xpm_fail(&err, XPM_EUSAGE, "jobs that are named need neither --experiment nor --all");
        else if (request->perform && !request->all && request->words.count == 0 && request->experiments.count == 0 &&
                 !(request->filter && *request->filter))
                xpm_fail(&err, XPM_EUSAGE, "--perform needs a choice: JOB, --filter, --experiment, or --all");
        return err.code ? xpm_report(&err) : 0;
}

static int act(const struct request *request, const char *verb, suits *fits,
               int (*perform)(xpm_view *, const struct request *, xpm_view_jobs *))
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_view *view = NULL;
        xpm_view_jobs jobs = {0};
        xpm_view_job *items = NULL;
        int status = check(request);
        if (status != 0)
                return status;
        int rc = xpm_view_open(&request->place, &view, &err);
        if (rc == 0)
                rc = choose(view, request, fits, &jobs, &items, &err);
        if (rc != 0)
                status = xpm_report(&err);
        else if (jobs.count == 0)
                fprintf(stderr, "no jobs\n");
        else if (request->perform)
                status = perform(view, request, &jobs);
        else {
                for (size_t i = 0; i < jobs.count; i++)
                        print_job(verb, &jobs.items[i]);
                fprintf(stderr, "nothing was done: --perform does it\n");
        }
        free(items);
        xpm_view_close(view);
        return status;
}

static void release(struct request *request)
{
        xpm_strings_release(&request->experiments);
        xpm_strings_release(&request->words);
}

#define CHOICE_OPTIONS(request, what)                                                                              \
        XPM_PLACE_OPTIONS((request).place), {"--experiment",         NULL, XPM_OPTION_LIST,                        \
                                             &(request).experiments, "ID", "those of this one (may be repeated)"}, \
                {"--filter", NULL, XPM_OPTION_STRING, &(request).filter, "EXPR", "those it holds for"},            \
                {"--all", NULL, XPM_OPTION_FLAG, &(request).all, NULL, "all of the workspace's last runs"},        \
        {                                                                                                          \
                "--perform", NULL, XPM_OPTION_FLAG, &(request).perform, NULL, what                                 \
        }

int xpm_jobs_kill(int argc, char **argv)
{
        struct request request = {.timeout = PATIENCE};
        const xpm_option options[] = {
                CHOICE_OPTIONS(request, "do it; without, only list"),
                {"--timeout", NULL, XPM_OPTION_COUNT, &request.timeout, "SECONDS", "wait at most so long (60)"},
                {0},
        };
        const xpm_usage usage = {
                .command = "jobs kill",
                .synopsis = "[OPTIONS] [JOB…]",
                .summary =
                        "List jobs that run or wait in Slurm's queue, and with --perform end them, on whatever host, "
                        "and "
                        "wait\nuntil they have: SIGTERM, and SIGKILL after the grace period. They fail with the reason "
                        "'cancelled'.",
                .options = options,
                .max_words = SIZE_MAX,
        };
        int status = xpm_options_parse(&usage, argc, argv, &request.words);
        if (status == XPM_OPTIONS_GO)
                status = act(&request, "kill", can_be_ended, kill_all);
        release(&request);
        return status;
}

int xpm_jobs_clean(int argc, char **argv)
{
        struct request request = {0};
        const xpm_option options[] = {CHOICE_OPTIONS(request, "do it; without, only list"), {0}};
        const xpm_usage usage = {
                .command = "jobs clean",
                .synopsis = "[OPTIONS] [JOB…]",
                .summary =
                        "List jobs that have ended, done or failed, and with --perform remove their directories with "
                        "all that\nis in them: they will run again when they are wanted again. What runs is never "
                        "touched, nor what\na run that goes on counts on.",
                .options = options,
                .max_words = SIZE_MAX,
        };
        int status = xpm_options_parse(&usage, argc, argv, &request.words);
        if (status == XPM_OPTIONS_GO)
                status = act(&request, "remove", is_finished, clean_all);
        release(&request);
        return status;
}
