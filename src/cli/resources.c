/* xpm resources: what there is on this host for jobs, and who holds it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "monitor/hostview.h"

enum { WIDTH = 80, NARROWEST = 40, WIDEST = 1000 };

/* COLUMNS wins, as for other programs; what is not read on a terminal has the same width everywhere. Below NARROWEST
 * eight cores would not stand in a row of a large host: better that the terminal breaks lines than that cores lack. */
static size_t find_width(void)
{
        struct winsize size;
        const char *columns = getenv("COLUMNS");
        long width = columns ? strtol(columns, NULL, 10) : 0;
        if (width <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
                width = size.ws_col;
        if (width <= 0)
                width = WIDTH;
        return (size_t)(width < NARROWEST ? NARROWEST : width > WIDEST ? WIDEST : width);
}

static int show(bool json)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT, note = XPM_TEXT_INIT;
        int status = 0;
        if (xpm_host_describe(json, find_width(), &text, &note, &err) != 0)
                status = xpm_report(&err);
        else
                fputs(xpm_text_string(&text), stdout);
        if (note.length > 0)
                fprintf(stderr, "xpm: %s\n", note.data);
        xpm_text_release(&text);
        xpm_text_release(&note);
        return xpm_flush_output(status);
}

int xpm_command_resources(int argc, char **argv)
{
        bool json = false;
        const xpm_option options[] = {
                {"--json", NULL, XPM_OPTION_FLAG, &json, NULL, "one JSON document"},
                {0},
        };
        const xpm_usage usage = {
                .command = "resources",
                .synopsis = "[OPTIONS]",
                .summary = "Draw the cores, memory and GPUs of this host, and who holds them.",
                .options = options,
        };
        xpm_strings words = {0};
        int status = xpm_options_parse(&usage, argc, argv, &words);
        xpm_strings_release(&words);
        return status == XPM_OPTIONS_GO ? show(json) : status;
}
