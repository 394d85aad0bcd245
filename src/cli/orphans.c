/* xpm orphans: what takes room in a workspace though no experiment knows it any more. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/subcommand.h"
#include "monitor/act.h"

enum { FAILED = 1 };

struct request {
        xpm_view_place place;
        bool size, clean;
};

/* What others left who died while they cleaned. */
static int sweep(xpm_view *view)
{
        xpm_error err = XPM_ERROR_NONE;
        int swept = xpm_act_sweep(view, true, &err);
        if (swept > 0)
                fprintf(stderr, "xpm: finished %d removal%s that had been interrupted\n", swept, swept == 1 ? "" : "s");
        return swept < 0 ? xpm_report(&err) : 0;
}

/* `4.2M`, as du -h. */
static void print_size(uint64_t bytes, char text[16])
{
        static const char units[] = "BKMGTPE";
        double size = (double)bytes;
        int unit = 0;
        for (; size >= 1024 && units[unit + 1]; unit++)
                size /= 1024;
        snprintf(text, 16, unit && size < 10 ? "%.1f%c" : "%.0f%c", size, units[unit]);
}

static int handle(xpm_view *view, const struct request *request, const xpm_view_job *job, uint64_t *total)
{
        xpm_error err = XPM_ERROR_NONE;
        char size[16] = "";
        uint64_t bytes = 0;
        int rc = 0;
        bool runs = job->state == XPM_JOB_RUNNING;
        if (request->size)
                rc = xpm_act_size(view, job, &bytes, &err);
        *total += bytes;
        print_size(bytes, size);
        if (rc == 0 && request->clean && !runs)
                rc = xpm_act_remove(view, job, &err);
        bool gone = rc == XPM_ENOTFOUND; /* another one cleans, too */
        if (rc == XPM_ELOCKED || gone) {
                runs = !gone;
                rc = 0;
        }
        if (rc != 0) {
                fflush(stdout);
                fprintf(stderr, "xpm: %s\n", err.message);
                return FAILED;
        }
        if (request->size)
                printf("%6s  ", size);
        printf("%s%s/%s  %s\n",
               !request->clean ? ""
               : gone          ? "gone  "
               : runs          ? "kept  "
                               : "removed  ",
               job->task_id, job->job_id, xpm_job_state_word(job->state));
        return 0;
}

static int list(const struct request *request)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_view *view = NULL;
        xpm_view_jobs jobs = {0};
        uint64_t total = 0;
        int status = 0;
        int rc = xpm_view_open(&request->place, &view, &err);
        if (rc == 0)
                rc = xpm_act_orphans(view, &jobs, &err);
        if (rc != 0)
                status = xpm_report(&err);
        else
                status = xpm_print_broken_links(view);
        for (size_t i = 0; rc == 0 && i < jobs.count; i++) {
                int one = handle(view, request, &jobs.items[i], &total);
                status = status ? status : one;
        }
        if (rc == 0 && request->clean) {
                int one = sweep(view);
                status = status ? status : one;
        }
        if (rc == 0 && jobs.count == 0)
                fprintf(stderr, "no orphans\n");
        else if (rc == 0 && request->size) {
                char size[16];
                print_size(total, size);
                printf("%6s  in all\n", size);
        }
        xpm_view_close(view);
        return fflush(stdout) == 0 ? status : xpm_error_exit_status(XPM_EIO);
}

int xpm_command_orphans(int argc, char **argv)
{
        struct request request = {0};
        const xpm_option options[] = {
                XPM_PLACE_OPTIONS(request.place),
                {"--size", NULL, XPM_OPTION_FLAG, &request.size, NULL, "show what they take on the disk"},
                {"--clean", NULL, XPM_OPTION_FLAG, &request.clean, NULL, "remove them; what runs stays"},
                {0},
        };
        const xpm_usage usage = {
                .command = "orphans",
                .synopsis = "[OPTIONS]",
                .summary = "List the directories of jobs that no run of any experiment names any more.",
                .options = options,
        };
        xpm_strings words = {0};
        int status = xpm_options_parse(&usage, argc, argv, &words);
        xpm_strings_release(&words);
        return status == XPM_OPTIONS_GO ? list(&request) : status;
}
