/* options.h: reading a command line, in one voice for all commands
 *
 *     const char *workdir = NULL;
 *     bool json = false;
 *     const xpm_option options[] = {
 *             {"--workdir", NULL, XPM_OPTION_STRING, &workdir, "PATH", "the workspace's directory"},
 *             {"--json", NULL, XPM_OPTION_FLAG, &json, NULL, "one JSON object per line"},
 *             {0}};
 *     const xpm_usage usage = {"jobs list", "[OPTIONS] [EXPERIMENT…]", "List the jobs of a workspace.", options, 0,
 * 100}; xpm_strings words = {0}; int rc = xpm_options_parse(&usage, argc, argv, &words); if (rc != XPM_OPTIONS_GO)
 * return rc;
 *
 * Options may stand anywhere before `--`; `--name=value`, `--name value`, `-jN`, `-j N` are all understood; what is
 * unknown gets a suggestion. --help (-h) is every command's.
 */
#ifndef XPM_CLI_OPTIONS_H
#define XPM_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { XPM_OPTIONS_GO = -1 };

/* Words that grow; borrowed from argv. */
typedef struct xpm_strings {
        const char **items; /* NULL-terminated once anything was added; NULL before */
        size_t count, capacity;
} xpm_strings;

/* 0, or XPM_ENOMEM. */
int xpm_strings_add(xpm_strings *strings, const char *word);
void xpm_strings_release(xpm_strings *strings);

enum xpm_option_kind {
        XPM_OPTION_FLAG,   /* bool * */
        XPM_OPTION_STRING, /* const char **: the last one given wins */
        XPM_OPTION_LIST,   /* xpm_strings *: each one given is added */
        XPM_OPTION_PAIRS,  /* xpm_strings *: two words each, `--env NAME VALUE` */
        XPM_OPTION_COUNT,  /* long *: an int >= 1 */
        XPM_OPTION_PORT,   /* long *: of TCP, 0 to 65535 */
};

typedef struct xpm_option {
        const char *name;  /* `--workdir` */
        const char *alias; /* `-w`, or another spelling, or NULL */
        enum xpm_option_kind kind;
        void *target;
        const char *value; /* what help calls the value; NULL for flags */
        const char *help;
} xpm_option;

typedef struct xpm_usage {
        const char *command;         /* `run-experiment` */
        const char *synopsis;        /* `[OPTIONS] EXPERIMENT.yaml [ARGS…]` */
        const char *summary;         /* a sentence or a few lines */
        const xpm_option *options;   /* ended by an entry without a name */
        size_t min_words, max_words; /* positional words */
        bool rest;                   /* after max_words words everything is a word: ARGS of an executable plan */
} xpm_usage;

/* XPM_OPTIONS_GO, or the exit status to leave with: 0 after --help, 2 after a message on standard error. */
int xpm_options_parse(const xpm_usage *usage, int argc, char **argv, xpm_strings *words);

/* Print `xpm: MESSAGE` and return the exit status that belongs to ERR's code. */
struct xpm_error;
int xpm_report(const struct xpm_error *err);

/* STATUS when all that was printed has been written; else say why not and return that of an error of the system. */
int xpm_flush_output(int status);

#endif
