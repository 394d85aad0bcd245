/* xpm launchers: what there is, and whether launchers.yaml is right. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/subcommand.h"
#include "cli/table.h"
#include "monitor/launcherview.h"

struct request {
        const char *config_dir;
        bool json;
};

/* `gpu, night`. */
static void put_tags(xpm_text *text, const xpm_launcher_row *row)
{
        for (size_t i = 0; i < row->tag_count; i++)
                xpm_text_printf(text, "%s%s", i ? ", " : "", row->tags[i]);
}

/* `4 cuda 40G, 1 gpu`; `-`: not known. */
static void put_gpus(xpm_text *text, const xpm_launcher_offer *offer)
{
        for (size_t i = 0; i < offer->gpu_count; i++) {
                const xpm_gpu_need *gpu = &offer->gpus[i];
                xpm_text_printf(text, "%s%" PRId64 " %s", i ? ", " : "", gpu->count, xpm_gpu_kind_word(gpu->kind));
                if (gpu->memory > 0)
                        xpm_text_printf(text, " %s", xpm_quantity_size(gpu->memory).text);
        }
        if (offer->gpu_count == 0)
                xpm_text_puts(text, offer->gpus_known ? "0" : "-");
}

static void add_cell(xpm_table *table, xpm_text *cell)
{
        xpm_table_cell(table, xpm_text_string(cell));
        table->cells.failed |= cell->failed;
        xpm_text_clear(cell);
}

static void add_row(xpm_table *table, const xpm_launcher_row *row, const xpm_launcher_offer *offer)
{
        xpm_text cell = XPM_TEXT_INIT;
        xpm_table_cell(table, row->name);
        xpm_table_cell(table, row->type);
        xpm_text_printf(&cell, "%" PRId64, row->priority);
        add_cell(table, &cell);
        put_tags(&cell, row);
        add_cell(table, &cell);
        if (offer->cores > 0)
                xpm_table_number(table, (size_t)offer->cores);
        else
                xpm_table_cell(table, "-");
        xpm_table_cell(table, offer->memory > 0 ? xpm_quantity_size(offer->memory).text : "-");
        put_gpus(&cell, offer);
        add_cell(table, &cell);
        xpm_table_cell(table, offer->duration > 0 ? xpm_quantity_duration(offer->duration).text : "-");
        if (row->line > 0)
                xpm_text_printf(&cell, "launchers.yaml:%" PRIu32, row->line);
        else
                xpm_text_puts(&cell, "by default");
        add_cell(table, &cell);
        xpm_text_release(&cell);
}

static void put_string(xpm_text *text, const char *key, const char *value)
{
        xpm_json_key(text, key);
        xpm_json_cstring(text, value);
}

/* 0 is null. */
static void put_known(xpm_text *text, const char *key, uint64_t value)
{
        xpm_json_key(text, key);
        if (value > 0)
                xpm_json_int(text, (int64_t)value);
        else
                xpm_text_puts(text, "null");
}

static void put_row(xpm_text *text, const char *path, const xpm_launcher_row *row, const xpm_launcher_offer *offer)
{
        xpm_text_putc(text, '{');
        put_string(text, "name", row->name);
        put_string(text, "type", row->type);
        xpm_json_key(text, "priority");
        xpm_json_int(text, row->priority);
        xpm_json_key(text, "tags");
        xpm_text_putc(text, '[');
        for (size_t i = 0; i < row->tag_count; i++) {
                xpm_json_item(text);
                xpm_json_cstring(text, row->tags[i]);
        }
        xpm_text_putc(text, ']');
        put_known(text, "cores", (uint64_t)offer->cores);
        put_known(text, "memory", offer->memory);
        xpm_json_key(text, "gpus");
        xpm_text_puts(text, offer->gpus_known ? "[" : "null");
        for (size_t i = 0; i < offer->gpu_count; i++) {
                xpm_json_item(text);
                xpm_text_putc(text, '{');
                put_string(text, "type", xpm_gpu_kind_word(offer->gpus[i].kind));
                put_known(text, "memory", offer->gpus[i].memory);
                put_known(text, "count", (uint64_t)offer->gpus[i].count);
                xpm_text_putc(text, '}');
        }
        if (offer->gpus_known)
                xpm_text_putc(text, ']');
        put_known(text, "max_duration", (uint64_t)offer->duration);
        put_string(text, "file", row->line > 0 ? path : NULL);
        put_known(text, "line", row->line);
        xpm_text_puts(text, "}\n");
}

static int list(const struct request *request)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_launcher_view *view = NULL;
        xpm_text text = XPM_TEXT_INIT;
        xpm_table table;
        xpm_table_init(&table, (const char *const[]){"LAUNCHER", "TYPE", "PRIORITY", "TAGS", "CORES", "MEMORY", "GPUS",
                                                     "DURATION", "DEFINED", NULL});
        int rc = xpm_launcher_view_open(request->config_dir, &view, &err);
        for (size_t rank = 0; rc == 0 && rank < xpm_launcher_view_count(view); rank++) {
                const xpm_launcher_row row = xpm_launcher_view_row(view, rank);
                xpm_launcher_offer offer;
                rc = xpm_launcher_view_offer(view, rank, &offer, &err);
                if (rc == 0 && request->json)
                        put_row(&text, xpm_launcher_view_path(view), &row, &offer);
                else if (rc == 0)
                        add_row(&table, &row, &offer);
        }
        if (rc == 0 && text.failed)
                rc = xpm_fail_memory(&err);
        if (rc == 0 && request->json)
                fputs(xpm_text_string(&text), stdout);
        else if (rc == 0 && xpm_table_print(&table, stdout) == XPM_ENOMEM)
                rc = xpm_fail_memory(&err);
        int status = rc == 0 ? 0 : xpm_report(&err);
        xpm_launcher_view_close(view);
        xpm_table_release(&table);
        xpm_text_release(&text);
        return xpm_flush_output(status);
}

/* Checking. */

struct tally {
        size_t broken, warnings;
};

/* The next of LINES, *LENGTH bytes, or NULL at their end; *LINES is moved past it. */
static const char *next_line(const char **lines, int *length)
{
        const char *line = *lines;
        *length = (int)strcspn(line, "\n");
        *lines += *length + (line[*length] == '\n');
        return *line ? line : NULL;
}

struct finding {
        const char *trouble;         /* or NULL */
        const char *told, *warnings; /* lines */
};

/* Each is `PATH:LINE: NAME: …`, as compilers write it. */
static void print_check(const char *path, const xpm_launcher_row *row, struct finding found, struct tally *tally)
{
        char place[24] = "";
        bool fine = !found.trouble && !*found.warnings;
        int length;
        if (row->line > 0)
                snprintf(place, sizeof place, ":%" PRIu32, row->line);
        for (const char *line; (line = next_line(&found.told, &length));)
                printf("%s%s: %s: note: %.*s\n", path, place, row->name, length, line);
        if (found.trouble)
                printf("%s%s: %s: error: %s\n", path, place, row->name, found.trouble);
        tally->broken += found.trouble != NULL;
        if (fine)
                printf("%s%s: %s: fine\n", path, place, row->name);
        for (const char *line; (line = next_line(&found.warnings, &length)); tally->warnings++)
                printf("%s%s: %s: warning: %.*s\n", path, place, row->name, length, line);
}

static size_t put_lines(xpm_text *text, const char *key, const char *lines)
{
        size_t count = 0;
        int length;
        xpm_json_key(text, key);
        xpm_text_putc(text, '[');
        for (const char *line; (line = next_line(&lines, &length)); count++) {
                xpm_json_item(text);
                xpm_json_string(text, line, (size_t)length);
        }
        xpm_text_putc(text, ']');
        return count;
}

static void put_check(xpm_text *text, const xpm_launcher_row *row, struct finding found, struct tally *tally)
{
        xpm_json_item(text);
        xpm_text_putc(text, '{');
        put_string(text, "name", row->name);
        put_string(text, "type", row->type);
        put_known(text, "line", row->line);
        put_string(text, "error", found.trouble);
        tally->broken += found.trouble != NULL;
        tally->warnings += put_lines(text, "warnings", found.warnings);
        put_lines(text, "notes", found.told);
        xpm_text_putc(text, '}');
}

static void print_summary(const xpm_launcher_view *view, const struct tally *tally)
{
        size_t count = xpm_launcher_view_count(view);
        printf("%zu launcher%s: %zu cannot be used, %zu warning%s\n", count, count == 1 ? "" : "s", tally->broken,
               tally->warnings, tally->warnings == 1 ? "" : "s");
}

static int check(const struct request *request)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_launcher_view *view = NULL;
        xpm_text text = XPM_TEXT_INIT;
        struct tally tally = {0};
        int rc = xpm_launcher_view_open(request->config_dir, &view, &err);
        bool there = rc == 0 && xpm_launcher_view_has_file(view);
        if (rc == 0 && request->json) {
                xpm_text_putc(&text, '{');
                put_string(&text, "path", xpm_launcher_view_path(view));
                xpm_json_key(&text, "exists");
                xpm_json_bool(&text, there);
                xpm_json_key(&text, "launchers");
                xpm_text_putc(&text, '[');
        } else if (rc == 0 && !there)
                printf("there is no '%s'\n", xpm_launcher_view_path(view));
        for (size_t place = 0; rc == 0 && place < xpm_launcher_view_count(view); place++) {
                size_t rank = xpm_launcher_view_rank(view, place);
                const xpm_launcher_row row = xpm_launcher_view_row(view, rank);
                struct finding found;
                rc = xpm_launcher_view_check(view, rank, &found.trouble, &found.warnings, &err);
                found.told = xpm_launcher_view_told(view);
                if (rc == 0 && request->json)
                        put_check(&text, &row, found, &tally);
                else if (rc == 0)
                        print_check(row.line > 0 ? xpm_launcher_view_path(view) : "by default", &row, found, &tally);
        }
        if (rc == 0 && text.failed)
                rc = xpm_fail_memory(&err);
        if (rc == 0 && request->json)
                printf("%s]}\n", xpm_text_string(&text));
        else if (rc == 0)
                print_summary(view, &tally);
        int status = rc != 0 ? xpm_report(&err) : tally.broken > 0 ? xpm_error_exit_status(XPM_ELAUNCHER) : 0;
        xpm_launcher_view_close(view);
        xpm_text_release(&text);
        return xpm_flush_output(status);
}

static int run(const char *command, const char *summary, const char *json_help, int (*act)(const struct request *),
               int argc, char **argv)
{
        struct request request = {0};
        const xpm_option options[] = {
                {"--xpm-config-dir", NULL, XPM_OPTION_STRING, &request.config_dir, "DIR",
                 "directory of launchers.yaml"},
                {"--json", NULL, XPM_OPTION_FLAG, &request.json, NULL, json_help},
                {0},
        };
        const xpm_usage usage = {.command = command, .synopsis = "[OPTIONS]", .summary = summary, .options = options};
        xpm_strings words = {0};
        int status = xpm_options_parse(&usage, argc, argv, &words);
        xpm_strings_release(&words);
        return status == XPM_OPTIONS_GO ? act(&request) : status;
}

static int run_list(int argc, char **argv)
{
        return run("launchers list",
                   "List the launchers with what one of their hosts offers, in the order in which they are asked.",
                   "one JSON object per launcher and line", list, argc, argv);
}

static int run_check(int argc, char **argv)
{
        return run("launchers check",
                   "Check launchers.yaml, whether each launcher can be used, and what it says of this host. "
                   "Warnings\nleave the "
                   "exit status 0; it is 2 when the file is wrong, and 3 when a launcher cannot be used.",
                   "one JSON document", check, argc, argv);
}

int xpm_command_launchers(int argc, char **argv)
{
        static const xpm_subcommand commands[] = {
                {"list", run_list, "list the launchers, and what their hosts offer"},
                {"check", run_check, "check launchers.yaml and whether each launcher can be used"},
                {0},
        };
        return xpm_subcommand_run(commands, argc, argv);
}
