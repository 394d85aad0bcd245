/* xpm find-launchers: which launcher a requirement gets, and why each other one does not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "monitor/launcherview.h"

enum { NONE_FOUND = 1, INDENT = 2 };

struct request {
        const char *config_dir, *requirement;
        xpm_strings given, tags;
        char *tag_text; /* of tags */
        bool json;
};

/* `--tags a,b --tags c` are three. */
static int split_tags(struct request *request)
{
        xpm_text text = XPM_TEXT_INIT;
        for (size_t i = 0; i < request->given.count; i++)
                xpm_text_printf(&text, "%s,", request->given.items[i]);
        if (!(request->tag_text = xpm_text_take(&text)))
                return XPM_ENOMEM;
        char *rest = NULL;
        for (char *tag = strtok_r(request->tag_text, ",", &rest); tag; tag = strtok_r(NULL, ",", &rest))
                if (xpm_strings_add(&request->tags, tag) != 0)
                        return XPM_ENOMEM;
        return 0;
}

/* The requirement with a sign below the byte AT, on a terminal that it fits. */
static void point(const char *text, size_t at)
{
        struct winsize size;
        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || strlen(text) + INDENT >= size.ws_col)
                return;
        for (const char *c = text; *c; c++)
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                        return;
        fprintf(stderr, "%*s%s\n%*s^\n", INDENT, "", text, INDENT + (int)at, "");
}

static void put_answer(xpm_text *text, const xpm_launcher_view *view, const xpm_launcher_answer *answer)
{
        const xpm_launcher_row row = xpm_launcher_view_row(view, answer->rank);
        xpm_json_item(text);
        xpm_text_putc(text, '{');
        xpm_json_key(text, "name");
        xpm_json_cstring(text, row.name);
        xpm_json_key(text, "type");
        xpm_json_cstring(text, row.type);
        xpm_json_key(text, "priority");
        xpm_json_int(text, row.priority);
        xpm_json_key(text, "alternative");
        xpm_json_cstring(text, answer->alternative);
        xpm_json_key(text, "why_not");
        xpm_json_cstring(text, answer->why_not);
        xpm_text_putc(text, '}');
}

static void print_json(const xpm_launcher_view *view, const xpm_launcher_answers *answers, xpm_text *text)
{
        xpm_text_putc(text, '{');
        xpm_json_key(text, "launcher");
        xpm_json_cstring(text, answers->found ? xpm_launcher_view_row(view, answers->items[0].rank).name : NULL);
        xpm_json_key(text, "alternative");
        xpm_json_cstring(text, answers->found ? answers->items[0].alternative : NULL);
        xpm_json_key(text, "launchers");
        xpm_text_putc(text, '[');
        for (size_t i = 0; i < answers->count; i++)
                put_answer(text, view, &answers->items[i]);
        xpm_text_puts(text, "]}\n");
}

static void print_lines(const xpm_launcher_view *view, const xpm_launcher_answers *answers, xpm_text *text)
{
        size_t widest = 0;
        for (size_t i = 0; i < answers->count; i++) {
                size_t width = strlen(xpm_launcher_view_row(view, answers->items[i].rank).name);
                widest = width > widest ? width : widest;
        }
        for (size_t i = 0; i < answers->count; i++) {
                const xpm_launcher_answer *answer = &answers->items[i];
                xpm_text_printf(text, "%-*s  %s%s\n", (int)widest, xpm_launcher_view_row(view, answer->rank).name,
                                answer->why_not ? "not: " : "",
                                answer->why_not ? answer->why_not : answer->alternative);
        }
}

static int find(const struct request *request)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        xpm_launcher_view *view = NULL;
        xpm_launcher_answers answers = {0};
        size_t at = 0;
        int status = 0;
        int rc = xpm_launcher_view_open(request->config_dir, &view, &err);
        if (rc == 0)
                rc = xpm_launcher_view_find(view, request->requirement, request->tags.items, request->tags.count,
                                            &answers, &at, &err);
        if (rc == 0 && request->json)
                print_json(view, &answers, &text);
        else if (rc == 0)
                print_lines(view, &answers, &text);
        if (rc == 0 && text.failed)
                rc = xpm_fail_memory(&err);
        fputs(xpm_text_string(&text), stdout);
        if (rc != 0)
                status = xpm_report(&err);
        else if (!answers.found)
                status = NONE_FOUND;
        if (rc == XPM_EPLAN)
                point(request->requirement, at);
        xpm_launcher_view_close(view);
        xpm_text_release(&text);
        return xpm_flush_output(status);
}

int xpm_command_find_launchers(int argc, char **argv)
{
        struct request request = {0};
        const xpm_option options[] = {
                {"--tags", NULL, XPM_OPTION_LIST, &request.given, "TAGS",
                 "only launchers that have all of them: TAG[,TAG…]"},
                {"--xpm-config-dir", NULL, XPM_OPTION_STRING, &request.config_dir, "DIR",
                 "directory of launchers.yaml"},
                {"--json", NULL, XPM_OPTION_FLAG, &request.json, NULL, "one JSON document"},
                {0},
        };
        const xpm_usage usage = {
                .command = "find-launchers",
                .synopsis = "[OPTIONS] REQUIREMENT",
                .summary = "Say which launcher a requirement gets, with which alternative, and why each other one does "
                           "not. "
                           "The\nexit status is 1 when none can satisfy it.",
                .options = options,
                .min_words = 1,
                .max_words = 1,
        };
        xpm_strings words = {0};
        int status = xpm_options_parse(&usage, argc, argv, &words);
        if (status == XPM_OPTIONS_GO && split_tags(&request) != 0)
                status = xpm_report(&(xpm_error){.code = XPM_ENOMEM});
        if (status == XPM_OPTIONS_GO) {
                request.requirement = words.items[0];
                status = find(&request);
        }
        xpm_strings_release(&request.given);
        xpm_strings_release(&request.tags);
        xpm_strings_release(&words);
        free(request.tag_text);
        return status;
}
