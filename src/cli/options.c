/* One table describes the options of a command; parsing and help are made from it, so they cannot disagree. Words are
 * borrowed from argv, which outlives every command. */
#include "cli/options.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "experimaestro/error.h"

int xpm_strings_add(xpm_strings *strings, const char *word)
{
        if (strings->count + 2 > strings->capacity) {
                size_t capacity = strings->capacity ? strings->capacity * 2 : 8;
                const char **items = realloc(strings->items, capacity * sizeof *items);
                if (!items)
                        return XPM_ENOMEM;
                strings->items = items;
                strings->capacity = capacity;
        }
        strings->items[strings->count++] = word;
        strings->items[strings->count] = NULL;
        return 0;
}

void xpm_strings_release(xpm_strings *strings)
{
        free(strings->items);
        *strings = (xpm_strings){0};
}

int xpm_report(const xpm_error *err)
{
        fflush(stdout);
        fprintf(stderr, "xpm: %s\n", err->message[0] ? err->message : xpm_strerror(err->code));
        return xpm_error_exit_status(err->code);
}

int xpm_flush_output(int status)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        fprintf(stderr, "xpm: cannot write to standard output: %s\n", strerror(errno));
        return xpm_error_exit_status(XPM_EIO);
}

static int refuse(const xpm_usage *usage, const char *what, const char *word, const char *remedy)
{
        fprintf(stderr, "xpm %s: %s '%s'%s\ntry 'xpm %s --help'\n", usage->command, what, word, remedy, usage->command);
        return xpm_error_exit_status(XPM_EUSAGE);
}

/* The option whose help explains VALUE, as in `dry-run: show what would run`. */
static const xpm_option *find_value(const xpm_usage *usage, const char *value)
{
        size_t length = strlen(value);
        for (const xpm_option *option = usage->options; option->name && length > 0; option++) {
                const char *at = option->value ? strstr(option->help, value) : NULL;
                if (at && at[length] == ':' && (at == option->help || at[-1] == ' '))
                        return option;
        }
        return NULL;
}

static int refuse_unknown(const xpm_usage *usage, const char *word)
{
        const char *names[128], *value = word + strspn(word, "-");
        const xpm_option *chosen = find_value(usage, value);
        size_t count = 0;
        for (const xpm_option *option = usage->options; option->name && count < 127; option++)
                names[count++] = option->name;
        names[count++] = "--help";
        const char *near = xpm_words_nearest(word, names, count);
        char remedy[128] = "";
        if (chosen)
                snprintf(remedy, sizeof remedy, ": did you mean '%s %s'?", chosen->name, value);
        else if (near)
                snprintf(remedy, sizeof remedy, ": did you mean '%s'?", near);
        return refuse(usage, "unknown option", word, remedy);
}

static void print_option(const char *name, const char *alias, const char *value, const char *help)
{
        char left[96];
        snprintf(left, sizeof left, "%s%s%s%s%s", name, alias ? ", " : "", alias ? alias : "", value ? " " : "",
                 value ? value : "");
        if (strlen(left) > 26)
                printf("  %s\n  %-26s  %s\n", left, "", help);
        else
                printf("  %-26s  %s\n", left, help);
}

static int print_help(const xpm_usage *usage)
{
        printf("usage: xpm %s %s\n\n%s\n\noptions:\n", usage->command, usage->synopsis, usage->summary);
        for (const xpm_option *option = usage->options; option->name; option++)
                print_option(option->name, option->alias, option->value, option->help);
        print_option("--help", "-h", NULL, "show this text");
        return xpm_flush_output(0);
}

/* The option that WORD names; *INLINED is its value when it came in the same word. */
static const xpm_option *find(const xpm_usage *usage, const char *word, const char **inlined)
{
        const char *equal = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
        size_t length = equal ? (size_t)(equal - word) : strlen(word);
        *inlined = equal ? equal + 1 : NULL;
        for (const xpm_option *option = usage->options; option->name; option++)
                for (int i = 0; i < 2; i++) {
                        const char *name = i ? option->alias : option->name;
                        if (!name)
                                continue;
                        if (strlen(name) == length && memcmp(name, word, length) == 0)
                                return option;
                        if (name[1] != '-' && strncmp(word, name, 2) == 0 && option->kind != XPM_OPTION_FLAG) {
                                *inlined = word + 2;
                                return option;
                        }
                }
        return NULL;
}

/* Whether 0 would mean none or all is anybody's guess, so it is no count. */
static int read_number(const xpm_usage *usage, const xpm_option *option, const char *value)
{
        bool port = option->kind == XPM_OPTION_PORT;
        int least = port ? 0 : 1, most = port ? UINT16_MAX : INT_MAX;
        char *end;
        errno = 0;
        long number = strtol(value, &end, 10);
        if (end == value || *end || errno || number < least || number > most) {
                char remedy[160];
                snprintf(remedy, sizeof remedy, ": %s takes a whole number from %d to %d%s", option->name, least, most,
                         port ? "" : "; leave it out for the default");
                return refuse(usage, "cannot use", value, remedy);
        }
        *(long *)option->target = number;
        return XPM_OPTIONS_GO;
}

/* Take the option at argv[*I], moving *I over its values. */
static int take(const xpm_usage *usage, const xpm_option *option, const char *inlined, int argc, char **argv, int *i)
{
        const char *name = argv[*i];
        if (option->kind == XPM_OPTION_FLAG) {
                if (inlined)
                        return refuse(usage, "no value belongs to", name, "");
                *(bool *)option->target = true;
                return XPM_OPTIONS_GO;
        }
        int wanted = (option->kind == XPM_OPTION_PAIRS ? 2 : 1) - (inlined != NULL);
        if (*i + wanted >= argc) {
                char remedy[128];
                snprintf(remedy, sizeof remedy, ": it takes %s", option->value);
                return refuse(usage, "a value is missing after", name, remedy);
        }
        const char *value = inlined ? inlined : argv[++*i];
        int rc = 0;
        switch (option->kind) {
        case XPM_OPTION_STRING: *(const char **)option->target = value; break;
        case XPM_OPTION_COUNT:
        case XPM_OPTION_PORT: return read_number(usage, option, value);
        case XPM_OPTION_PAIRS:
                rc = xpm_strings_add(option->target, value);
                value = argv[++*i];
                /* fall through */
        default:
                if (rc == 0)
                        rc = xpm_strings_add(option->target, value);
        }
        if (rc != 0)
                return xpm_report(&(xpm_error){.code = rc});
        return XPM_OPTIONS_GO;
}

static int check_words(const xpm_usage *usage, const xpm_strings *words)
{
        if (words->count < usage->min_words) {
                fprintf(stderr, "xpm %s: something is missing\nusage: xpm %s %s\n", usage->command, usage->command,
                        usage->synopsis);
                return xpm_error_exit_status(XPM_EUSAGE);
        }
        if (words->count > usage->max_words && !usage->rest)
                return refuse(usage, "nothing is expected here, but there is", words->items[usage->max_words], "");
        return XPM_OPTIONS_GO;
}

int xpm_options_parse(const xpm_usage *usage, int argc, char **argv, xpm_strings *words)
{
        bool only_words = false;
        for (int i = 1; i < argc; i++) {
                const char *word = argv[i];
                int rc = XPM_OPTIONS_GO;
                only_words |= usage->rest && words->count >= usage->max_words;
                if (only_words || word[0] != '-' || !word[1]) {
                        if (xpm_strings_add(words, word) != 0)
                                return xpm_report(&(xpm_error){.code = XPM_ENOMEM});
                } else if (strcmp(word, "--") == 0) {
                        only_words = true;
                } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
                        return print_help(usage);
                } else {
                        const char *inlined;
                        const xpm_option *option = find(usage, word, &inlined);
                        rc = option ? take(usage, option, inlined, argc, argv, &i) : refuse_unknown(usage, word);
                }
                if (rc != XPM_OPTIONS_GO)
                        return rc;
        }
        return check_words(usage, words);
}
