/* What a job's own script may ask and say: xpm remaining-time, xpm progress. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "experimaestro/task.h"

int xpm_command_remaining_time(int argc, char **argv)
{
        const xpm_option options[] = {{0}};
        const xpm_usage usage = {
                .command = "remaining-time",
                .synopsis = "[OPTIONS]",
                .summary = "Print how many seconds the job that runs this has left, in whole seconds: 0 when its time "
                           "is over,\n'inf' when it has no limit. In a Slurm job the end that Slurm sets counts, too.",
                .options = options,
        };
        xpm_strings words = {0};
        xpm_error err = XPM_ERROR_NONE;
        double seconds;
        int status = xpm_options_parse(&usage, argc, argv, &words);
        xpm_strings_release(&words);
        if (status != XPM_OPTIONS_GO)
                return status;
        if (xpm_task_remaining(&seconds, &err) != 0)
                return xpm_report(&err);
        int printed = isinf(seconds) ? puts("inf") : printf("%.0f\n", floor(seconds));
        if (printed < 0 || fflush(stdout) != 0)
                return xpm_fail(&err, XPM_EIO, "cannot write the time"), xpm_report(&err);
        return 0;
}

static int say(const char *text, const char *description, const char *level_text)
{
        xpm_error err = XPM_ERROR_NONE;
        char *end, *level_end = NULL;
        double fraction = strtod(text, &end);
        errno = 0;
        long level = level_text ? strtol(level_text, &level_end, 10) : 0;
        if (end == text || *end)
                xpm_fail(&err, XPM_EUSAGE, "'%s' is no fraction: write 0.5 for one half", text);
        else if (level_text && (level_end == level_text || *level_end || errno || level < 0 || level > INT_MAX))
                xpm_fail(&err, XPM_EUSAGE, "'%s' is no level: it must be a whole number, 0 or more", level_text);
        else
                xpm_task_progress(fraction, description, (int)level, &err);
        return err.code ? xpm_report(&err) : 0;
}

int xpm_command_progress(int argc, char **argv)
{
        const char *level = NULL;
        const xpm_option options[] = {
                {"--level", NULL, XPM_OPTION_STRING, &level, "N", "0 (default): of the job; 1: of a part of it, …"},
                {0},
        };
        const xpm_usage usage = {
                .command = "progress",
                .synopsis = "[OPTIONS] FRACTION [DESCRIPTION]",
                .summary =
                        "Say how far the job that runs this is: FRACTION is between 0 and 1. 'xpm jobs list' shows it.",
                .options = options,
                .min_words = 1,
                .max_words = 2,
        };
        xpm_strings words = {0};
        int status = xpm_options_parse(&usage, argc, argv, &words);
        if (status == XPM_OPTIONS_GO)
                status = say(words.items[0], words.count > 1 ? words.items[1] : NULL, level);
        xpm_strings_release(&words);
        return status;
}
