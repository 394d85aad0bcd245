/* xpm worker: run jobs, for an engine at the other end of a socket, or one job for its own run file. Nobody types it:
 * it is not in the list of commands. */
#include "exec/guardian.h"
#include "exec/stock.h"
#include "exec/worker.h"

#include <limits.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/options.h"

enum { USAGE = 2 };

/* Where the job is. */
struct places {
        const char *job;   /* its directory */
        const char *batch; /* or the manifest of its batch, where its place is that in the scheduler's array */
};

static unsigned number_from(const char *variable)
{
        const char *text = getenv(variable);
        long number = text ? atol(text) : 0;
        return number > 0 && number < INT_MAX ? (unsigned)number : 0;
}

/* The process that was started guards, its child works. Both have the stock open, so that cores are free only when what
 * a killed worker left is dead. */
static int work(int fd, int slots, const struct places *places, xpm_text *text, xpm_error *err)
{
        int status = 0, stock = xpm_stock_file(text);
        const char *note = text->length > 0 ? xpm_text_string(text) : NULL;
        int rc = xpm_guardian_split(fd > 0 ? fd : -1, &status, err);
        if (rc < 0)
                return xpm_error_exit_status(rc);
        if (rc > 0)
                return xpm_guardian_exit_status(status);
        /* A scheduler has seen to it that cores are not shared. */
        if (places->batch)
                return xpm_worker_run_batch(places->batch, number_from("SLURM_ARRAY_TASK_ID"),
                                            number_from("SLURM_RESTART_COUNT"), stock, err);
        return places->job ? xpm_worker_run_job(places->job, stock, note, err)
                           : xpm_worker_serve(fd, slots, stock, note, err);
}

int xpm_command_worker(int argc, char **argv)
{
        long fd = 0, slots = 1;
        struct places places = {0};
        const xpm_option options[] = {
                {"--job", NULL, XPM_OPTION_STRING, &places.job, "DIR", "run the job of this directory"},
                {"--batch", NULL, XPM_OPTION_STRING, &places.batch, "FILE",
                 "run the job of this batch that the scheduler names"},
                {"--fd", NULL, XPM_OPTION_COUNT, &fd, "N", "serve the engine at the other end of this socket"},
                {"--slots", NULL, XPM_OPTION_COUNT, &slots, "N", "how many jobs at once"},
                {0}};
        const xpm_usage usage = {"worker", "--job DIR", "Run a job; its run file calls this.", options, 0, 0, false};
        xpm_strings words = {0};
        xpm_text note = XPM_TEXT_INIT;
        int status = xpm_options_parse(&usage, argc, argv, &words);
        xpm_strings_release(&words);
        if (status != XPM_OPTIONS_GO)
                return status;
        xpm_error err = XPM_ERROR_NONE;
        if ((places.job != NULL) + (places.batch != NULL) + (fd > 0) != 1 || fd > INT_MAX || slots > INT_MAX)
                xpm_fail(&err, XPM_EUSAGE, "xpm worker takes --job DIR, --batch FILE or --fd N");
        if (err.code)
                status = USAGE;
        else
                status = work((int)fd, (int)slots, &places, &note, &err);
        xpm_text_release(&note);
        if (err.code)
                xpm_report(&err);
        return status;
}
