/* xpm experiments: what is in a workspace. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/subcommand.h"
#include "cli/table.h"
#include "monitor/view.h"

struct request {
        xpm_view_place place;
        bool json, runs;
};

static void put_string(xpm_text *text, const char *key, const char *value)
{
        xpm_json_key(text, key);
        xpm_json_cstring(text, value);
}

static void put_run(xpm_text *text, const char *experiment, const xpm_view_run *run)
{
        xpm_text_putc(text, '{');
        put_string(text, "experiment", experiment);
        put_string(text, "run", run->name);
        xpm_json_key(text, "current");
        xpm_json_bool(text, run->current);
        put_string(text, "status", xpm_run_status_word(run->status));
        put_string(text, "hostname", run->host);
        put_string(text, "started_at", run->started);
        put_string(text, "ended_at", run->ended);
        put_string(text, "title", run->title);
        xpm_json_key(text, "jobs");
        xpm_text_putc(text, '{');
        for (size_t i = 0; i < XPM_VIEW_STATES; i++)
                if (run->counts[i] > 0) {
                        xpm_json_key(text, xpm_job_state_word((enum xpm_job_state)i));
                        xpm_json_int(text, (int64_t)run->counts[i]);
                }
        xpm_json_key(text, "total");
        xpm_json_int(text, (int64_t)run->total);
        xpm_text_putc(text, '}');
        xpm_json_key(text, "requests");
        xpm_json_int(text, (int64_t)run->requests);
        xpm_text_puts(text, "}\n");
}

static int print_json(const xpm_view_experiments *list)
{
        xpm_text text = XPM_TEXT_INIT;
        for (size_t i = 0; i < list->count; i++)
                for (size_t j = 0; j < list->items[i].run_count; j++)
                        put_run(&text, list->items[i].id, &list->items[i].runs[j]);
        int rc = text.failed ? XPM_ENOMEM : 0;
        if (rc == 0 && (fwrite(xpm_text_string(&text), 1, text.length, stdout) != text.length || fflush(stdout) != 0))
                rc = XPM_EIO;
        xpm_text_release(&text);
        return rc;
}

static void add_row(xpm_table *table, const char *experiment, const xpm_view_run *run)
{
        char started[20] = "";
        if (run->started)
                snprintf(started, sizeof started, "%s", run->started);
        char *separator = strchr(started, 'T');
        if (separator)
                *separator = ' ';
        xpm_table_cell(table, experiment);
        xpm_table_cell(table, run->name);
        xpm_table_cell(table, xpm_run_status_word(run->status));
        xpm_table_number(table, run->counts[XPM_JOB_DONE]);
        xpm_table_number(table, run->counts[XPM_JOB_ERROR]);
        xpm_table_number(table, run->counts[XPM_JOB_RUNNING]);
        xpm_table_number(table, run->total);
        xpm_table_cell(table, started);
        xpm_table_cell(table, run->host);
}

static int print_table(const xpm_view_experiments *list)
{
        xpm_table table;
        xpm_table_init(&table, (const char *const[]){"EXPERIMENT", "RUN", "STATUS", "DONE", "FAILED", "RUNNING", "JOBS",
                                                     "STARTED", "HOST", NULL});
        for (size_t i = 0; i < list->count; i++) {
                if (list->items[i].run_count == 0)
                        add_row(&table, list->items[i].id, &(xpm_view_run){.name = "-"});
                for (size_t j = 0; j < list->items[i].run_count; j++)
                        add_row(&table, list->items[i].id, &list->items[i].runs[j]);
        }
        int rc = xpm_table_print(&table, stdout);
        xpm_table_release(&table);
        return rc;
}

int xpm_print_broken_links(xpm_view *view)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_view_links links = {0};
        if (xpm_view_broken_links(view, &links, &err) != 0)
                return xpm_report(&err);
        fflush(stdout);
        for (size_t i = 0; i < links.count; i++)
                fprintf(stderr, "xpm: '%s/%s' is a link to '%s', which is not there\n", xpm_view_path(view),
                        links.items[i].path, links.items[i].target);
        return links.count > 0;
}

static int list_experiments(const struct request *request, const char *const *only)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_view *view = NULL;
        xpm_view_experiments list = {0};
        int rc = xpm_view_open(&request->place, &view, &err);
        if (rc == 0)
                rc = xpm_view_list(view, only, request->runs, &list, &err);
        if (rc == 0 && list.count == 0 && !request->json)
                fprintf(stderr, "there are no experiments in '%s'\n", xpm_view_path(view));
        else if (rc == 0)
                rc = request->json ? print_json(&list) : print_table(&list);
        int status = rc == 0 ? xpm_print_broken_links(view) : 0;
        xpm_view_close(view);
        if (rc != 0)
                xpm_fail(&err, rc, rc == XPM_EIO ? "cannot write the list" : "%s", xpm_strerror(rc));
        return rc == 0 ? status : xpm_report(&err);
}

static int run_list(int argc, char **argv)
{
        struct request request = {0};
        const xpm_option options[] = {
                XPM_PLACE_OPTIONS(request.place),
                {"--runs", NULL, XPM_OPTION_FLAG, &request.runs, NULL, "all runs, not only the last"},
                {"--json", NULL, XPM_OPTION_FLAG, &request.json, NULL, "one JSON object per run and line"},
                {0},
        };
        const xpm_usage usage = {
                .command = "experiments list",
                .synopsis = "[OPTIONS] [EXPERIMENT…]",
                .summary = "List the experiments of a workspace, with the state of their last run.",
                .options = options,
                .max_words = SIZE_MAX,
        };
        xpm_strings words = {0};
        int rc = xpm_options_parse(&usage, argc, argv, &words);
        if (rc == XPM_OPTIONS_GO)
                rc = list_experiments(&request, words.items);
        xpm_strings_release(&words);
        return rc;
}

int xpm_command_experiments(int argc, char **argv)
{
        static const xpm_subcommand commands[] = {
                {"list", run_list, "list the experiments of a workspace and how their runs stand"},
                {0},
        };
        return xpm_subcommand_run(commands, argc, argv);
}
