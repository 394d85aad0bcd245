/* The reference implementation takes the options that choose a workspace before the second word (`jobs --workdir W
 * list`); both places are fine here: the word is found and moved to the front. */
#include "cli/subcommand.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/words.h"
#include "cli/options.h"
#include "experimaestro/error.h"

enum { MOST = 16 };

static void print_commands(const xpm_subcommand *commands, const char *word, FILE *out)
{
        fprintf(out, "usage: xpm %s COMMAND [OPTIONS] …\n\ncommands:\n", word);
        for (; commands->name; commands++)
                fprintf(out, "  %-16s  %s\n", commands->name, commands->summary);
        fprintf(out, "\n'xpm %s COMMAND --help' tells more\n", word);
}

static int unknown(const xpm_subcommand *commands, const char *word, const char *name)
{
        const char *names[MOST];
        size_t count = 0;
        for (; commands[count].name && count < MOST; count++)
                names[count] = commands[count].name;
        const char *near = xpm_words_nearest(name, names, count);
        if (near)
                fprintf(stderr, "xpm %s: unknown command '%s': did you mean '%s'?\n", word, name, near);
        else
                fprintf(stderr, "xpm %s: unknown command '%s'\n", word, name);
        fprintf(stderr, "try 'xpm %s --help'\n", word);
        return xpm_error_exit_status(XPM_EUSAGE);
}

/* An option before the second word whose value is the next word. */
static bool takes_value(const char *option)
{
        return strcmp(option, "--workdir") == 0 || strcmp(option, "--workspace") == 0 ||
               strcmp(option, "--xpm-config-dir") == 0;
}

static const xpm_subcommand *find(const xpm_subcommand *commands, const char *name)
{
        for (; commands->name; commands++)
                if (strcmp(commands->name, name) == 0)
                        return commands;
        return NULL;
}

/* `--help`, or `--help NAME …`, which is `NAME --help`. */
static int help(const xpm_subcommand *commands, const char *word, int argc, char **argv)
{
        static char option[] = "--help";
        if (argc < 2 || argv[1][0] == '-') {
                print_commands(commands, word, stdout);
                return xpm_flush_output(0);
        }
        const xpm_subcommand *command = find(commands, argv[1]);
        return command ? command->run(2, (char *[]){argv[1], option, NULL}) : unknown(commands, word, argv[1]);
}

int xpm_subcommand_run(const xpm_subcommand *commands, int argc, char **argv)
{
        int at = 1;
        while (at < argc && argv[at][0] == '-' && strcmp(argv[at], "--help") != 0 && strcmp(argv[at], "-h") != 0)
                at += 1 + takes_value(argv[at]);
        if (at >= argc) {
                print_commands(commands, argv[0], stderr);
                return xpm_error_exit_status(XPM_EUSAGE);
        }
        if (argv[at][0] == '-' || strcmp(argv[at], "help") == 0)
                return help(commands, argv[0], argc - at, argv + at);
        const xpm_subcommand *command = find(commands, argv[at]);
        if (!command)
                return unknown(commands, argv[0], argv[at]);
        char *name = argv[at];
        memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);
        argv[1] = name;
        return command->run(argc - 1, argv + 1);
}
