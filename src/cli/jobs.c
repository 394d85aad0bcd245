/* xpm jobs: the jobs of a workspace, their logs and directories. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/subcommand.h"
#include "cli/table.h"
#include "monitor/view.h"

enum { SHORT_ID = 12, FLUSH = 1 << 16 };

struct request {
        xpm_view_place place;
        xpm_strings experiments;
        const char *filter;
        long count;
        bool tags, fullpath, json, follow, std;
};

static int report(int rc, xpm_error *err, const char *what)
{
        if (rc == 0)
                return 0;
        xpm_fail(err, rc, rc == XPM_EIO ? "cannot write %s" : "%s", rc == XPM_EIO ? what : xpm_strerror(rc));
        return xpm_report(err);
}

static void put_string(xpm_text *text, const char *key, const char *value)
{
        xpm_json_key(text, key);
        xpm_json_cstring(text, value);
}

static void put_json(xpm_text *text, const char *key, const char *json)
{
        xpm_json_key(text, key);
        xpm_text_puts(text, json ? json : "null");
}

static int put_progress(xpm_view *view, const xpm_view_job *job, xpm_text *text)
{
        const xpm_view_level *levels;
        size_t count;
        int rc = xpm_view_progress(view, job, &levels, &count, NULL);
        xpm_json_key(text, "progress");
        xpm_text_putc(text, '[');
        for (size_t i = 0; i < count; i++) {
                xpm_json_item(text);
                xpm_text_putc(text, '{');
                xpm_json_key(text, "level");
                xpm_json_int(text, (int64_t)i);
                xpm_json_key(text, "progress");
                xpm_json_float(text, levels[i].fraction);
                put_string(text, "desc", levels[i].description);
                xpm_text_putc(text, '}');
        }
        xpm_text_putc(text, ']');
        return rc;
}

static int put_job(xpm_view *view, const xpm_view_job *job, xpm_text *text)
{
        const char *path = xpm_view_job_path(view, job);
        xpm_text_putc(text, '{');
        put_string(text, "task_id", job->task_id);
        put_string(text, "job_id", job->job_id);
        put_string(text, "state", xpm_job_state_word(job->state));
        put_string(text, "failure", job->failure == XPM_FAILURE_NONE ? NULL : xpm_failure_word(job->failure));
        xpm_json_key(text, "removed");
        xpm_json_bool(text, job->removed);
        put_json(text, "tags", job->tags_json);
        put_string(text, "experiment", job->experiment);
        put_string(text, "run", job->run);
        put_string(text, "step", job->step);
        xpm_json_key(text, "submitted");
        if (job->submitted > 0)
                xpm_json_float(text, job->submitted);
        else
                xpm_text_puts(text, "null");
        put_json(text, "dependencies", job->dependencies);
        put_string(text, "path", path);
        int rc = put_progress(view, job, text);
        xpm_text_puts(text, "}\n");
        return path && !text->failed ? rc : XPM_ENOMEM;
}

static int print_json(xpm_view *view, const xpm_view_jobs *jobs)
{
        xpm_text text = XPM_TEXT_INIT;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < jobs->count; i++) {
                rc = put_job(view, &jobs->items[i], &text);
                if (text.length < FLUSH && i + 1 < jobs->count)
                        continue;
                if (rc == 0 && fwrite(xpm_text_string(&text), 1, text.length, stdout) != text.length)
                        rc = XPM_EIO;
                xpm_text_clear(&text);
        }
        xpm_text_release(&text);
        return rc == 0 && fflush(stdout) != 0 ? XPM_EIO : rc;
}

static void print_tags(const xpm_view_job *job, xpm_text *text)
{
        xpm_text_clear(text);
        for (size_t i = 0; i < job->tag_count; i++)
                xpm_text_printf(text, "%s%s=%s", i ? " " : "", job->tags[i].name, job->tags[i].text);
}

/* `error: timeout`, `unscheduled: lost`, `unscheduled: removed`, `running: 40% epoch 3, 10%`. */
static void print_state(xpm_view *view, const xpm_view_job *job, xpm_text *text)
{
        const xpm_view_level *levels;
        size_t count;
        xpm_text_clear(text);
        xpm_text_puts(text, xpm_job_state_word(job->state));
        if (job->failure != XPM_FAILURE_NONE)
                xpm_text_printf(text, ": %s", xpm_failure_word(job->failure));
        else if (job->removed)
                xpm_text_puts(text, ": removed");
        if (xpm_view_progress(view, job, &levels, &count, NULL) != 0)
                text->failed = true;
        for (size_t i = 0; i < count; i++) {
                const char *words = levels[i].description;
                xpm_text_printf(text, "%s %.0f%%%s%s", i == 0 ? ":" : ",", levels[i].fraction * 100, words ? " " : "",
                                words ? words : "");
        }
}

static void print_time(double seconds, char text[20])
{
        time_t when = (time_t)seconds;
        struct tm local;
        text[0] = '\0';
        if (seconds > 0 && localtime_r(&when, &local))
                strftime(text, 20, "%Y-%m-%d %H:%M:%S", &local);
}

static int print_table(xpm_view *view, const xpm_view_jobs *jobs, const struct request *request)
{
        xpm_table table;
        xpm_text text = XPM_TEXT_INIT;
        xpm_table_init(&table, (const char *const[]){"STATE", "JOB", "EXPERIMENT", "SUBMITTED",
                                                     request->tags ? "TAGS" : NULL, NULL});
        for (size_t i = 0; i < jobs->count; i++) {
                const xpm_view_job *job = &jobs->items[i];
                char when[20];
                print_state(view, job, &text);
                xpm_table_cell(&table, xpm_text_string(&text));
                xpm_text_clear(&text);
                const char *path = request->fullpath ? xpm_view_job_path(view, job) : NULL;
                if (path)
                        xpm_text_puts(&text, path);
                else if (request->fullpath)
                        text.failed = true;
                else
                        xpm_text_printf(&text, "%s/%.*s", job->task_id, SHORT_ID, job->job_id);
                xpm_table_cell(&table, xpm_text_string(&text));
                xpm_table_cell(&table, job->experiment);
                print_time(job->submitted, when);
                xpm_table_cell(&table, when);
                if (request->tags) {
                        print_tags(job, &text);
                        xpm_table_cell(&table, xpm_text_string(&text));
                }
        }
        int rc = text.failed ? XPM_ENOMEM : xpm_table_print(&table, stdout);
        xpm_text_release(&text);
        xpm_table_release(&table);
        return rc;
}

int xpm_select_jobs(xpm_view *view, const char *filter, xpm_view_jobs *jobs, xpm_error *err)
{
        const char *doubt;
        if (!filter || !*filter)
                return 0;
        int rc = xpm_view_doubt(view, filter, jobs, &doubt, err);
        if (rc == 0 && doubt)
                fprintf(stderr, "xpm: note: %s\n", doubt);
        return rc == 0 ? xpm_view_select(view, filter, jobs, err) : rc;
}

static int list_jobs(const struct request *request)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_view *view = NULL;
        xpm_view_jobs jobs = {0};
        int rc = xpm_view_open(&request->place, &view, &err);
        if (rc == 0)
                rc = xpm_view_list_jobs(view, request->experiments.items, &jobs, &err);
        if (rc == 0)
                rc = xpm_select_jobs(view, request->filter, &jobs, &err);
        if (rc == 0 && request->count > 0 && jobs.count > (size_t)request->count)
                jobs.count = (size_t)request->count;
        if (rc == 0 && jobs.count == 0 && !request->json)
                fprintf(stderr, "no jobs\n");
        else if (rc == 0)
                rc = request->json ? print_json(view, &jobs) : print_table(view, &jobs, request);
        xpm_view_close(view);
        return report(rc, &err, "the list");
}

static int run_list(int argc, char **argv)
{
        struct request request = {0};
        const xpm_option options[] = {
                XPM_PLACE_OPTIONS(request.place),
                {"--experiment", NULL, XPM_OPTION_LIST, &request.experiments, "ID",
                 "only of this one (may be repeated)"},
                {"--filter", NULL, XPM_OPTION_STRING, &request.filter, "EXPR",
                 "only those it holds for: @state = \"DONE\" and model in [\"a\", \"b\"]"},
                {"--tags", NULL, XPM_OPTION_FLAG, &request.tags, NULL, "show tags"},
                {"--fullpath", NULL, XPM_OPTION_FLAG, &request.fullpath, NULL, "show directories"},
                {"--count", "-c", XPM_OPTION_COUNT, &request.count, "N", "only the N submitted last (default: all)"},
                {"--json", NULL, XPM_OPTION_FLAG, &request.json, NULL, "one JSON object per job and line"},
                {0},
        };
        const xpm_usage usage = {
                .command = "jobs list",
                .synopsis = "[OPTIONS] [EXPERIMENT…]",
                .summary = "List the jobs of the last runs, those submitted last first.\n"
                           "A job that had ended and whose directory was removed is `unscheduled: removed`.",
                .options = options,
                .max_words = SIZE_MAX,
        };
        int rc = xpm_options_parse(&usage, argc, argv, &request.experiments);
        if (rc == XPM_OPTIONS_GO)
                rc = list_jobs(&request);
        xpm_strings_release(&request.experiments);
        return rc;
}

/* Both logs to one stream: whenever the other one goes on, a line says so, as tail does. */
struct printer {
        const xpm_view_job *job;
        bool headings, broken;
        int last;
        char end; /* the last byte written */
};

static int print_log(void *data, int log, const char *bytes, size_t length)
{
        struct printer *out = data;
        if (out->headings && log != out->last) {
                const char *dot = strrchr(out->job->task_id, '.'), *script = dot ? dot + 1 : out->job->task_id;
                printf("%s%s==> %s.%s <==\n", out->end == '\n' ? "" : "\n", out->last < 0 ? "" : "\n", script,
                       log ? "err" : "out");
                out->last = log;
        }
        out->end = bytes[length - 1];
        out->broken = fwrite(bytes, 1, length, stdout) != length || fflush(stdout) != 0;
        return out->broken;
}

static int show_log(const struct request *request, const char *name)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_view *view = NULL;
        xpm_view_job job;
        struct printer printer = {.job = &job, .headings = !request->std, .last = -1, .end = '\n'};
        int rc = xpm_view_open(&request->place, &view, &err);
        if (rc == 0)
                rc = xpm_view_find(view, name, &job, &err);
        if (rc == 0 && request->follow && xpm_view_has_not_begun(&job))
                fprintf(stderr, "xpm: '%s/%.*s' has not begun: waiting for its log\n", job.task_id, SHORT_ID,
                        job.job_id);
        if (rc == 0)
                rc = xpm_view_logs(view, &job, request->std, request->follow, &(xpm_view_sink){&printer, print_log},
                                   &err);
        if (rc == 0 && printer.broken && errno != EPIPE)
                rc = XPM_EIO;
        xpm_view_close(view);
        return report(rc, &err, "the log");
}

static int run_log(int argc, char **argv)
{
        struct request request = {0};
        const xpm_option options[] = {
                XPM_PLACE_OPTIONS(request.place),
                {"--follow", "-f", XPM_OPTION_FLAG, &request.follow, NULL,
                 "wait for it to begin, and go on until it ends"},
                {"--std", NULL, XPM_OPTION_FLAG, &request.std, NULL, "only standard output"},
                {0},
        };
        const xpm_usage usage = {
                .command = "jobs log",
                .synopsis = "[OPTIONS] JOB",
                .summary = "Show what a job wrote: standard output, then standard error. JOB is any beginning of its "
                           "identifier\n"
                           "that no other has, or task/beginning.",
                .options = options,
                .min_words = 1,
                .max_words = 1,
        };
        xpm_strings words = {0};
        int rc = xpm_options_parse(&usage, argc, argv, &words);
        if (rc == XPM_OPTIONS_GO)
                rc = show_log(&request, words.items[0]);
        xpm_strings_release(&words);
        return rc;
}

static int show_path(const struct request *request, const char *name)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_view *view = NULL;
        xpm_view_job job;
        int rc = xpm_view_open(&request->place, &view, &err);
        if (rc == 0)
                rc = xpm_view_find(view, name, &job, &err);
        const char *path = rc == 0 ? xpm_view_job_path(view, &job) : NULL;
        if (rc == 0 && !path)
                rc = XPM_ENOMEM;
        if (rc == 0 && (puts(path) < 0 || fflush(stdout) != 0))
                rc = XPM_EIO;
        xpm_view_close(view);
        return report(rc, &err, "the path");
}

static int run_path(int argc, char **argv)
{
        struct request request = {0};
        const xpm_option options[] = {XPM_PLACE_OPTIONS(request.place), {0}};
        const xpm_usage usage = {
                .command = "jobs path",
                .synopsis = "[OPTIONS] JOB",
                .summary = "Print the directory of a job. JOB is any beginning of its identifier that no other has, or "
                           "task/beginning.",
                .options = options,
                .min_words = 1,
                .max_words = 1,
        };
        xpm_strings words = {0};
        int rc = xpm_options_parse(&usage, argc, argv, &words);
        if (rc == XPM_OPTIONS_GO)
                rc = show_path(&request, words.items[0]);
        xpm_strings_release(&words);
        return rc;
}

int xpm_command_jobs(int argc, char **argv)
{
        static const xpm_subcommand commands[] = {
                {"list", run_list, "list jobs, those submitted last first"},
                {"log", run_log, "show the logs of a job, or follow them"},
                {"path", run_path, "print the directory of a job"},
                {"kill", xpm_jobs_kill, "end jobs that run"},
                {"clean", xpm_jobs_clean, "remove the directories of jobs that have ended"},
                {0},
        };
        return xpm_subcommand_run(commands, argc, argv);
}
