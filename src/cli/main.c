/* xpm: a table of commands. Each is one file of this room, takes its own options, and returns the exit status. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/words.h"
#include "cli/commands.h"
#include "cli/options.h"

typedef struct command {
        const char *name;
        int (*run)(int argc, char **argv);
        const char *summary; /* NULL: not shown */
} command;

static const command commands[] = {
        {"run-experiment", xpm_command_run_experiment,
         "run an experiment file, write its run files, or show what would run"},
        {"experiments", xpm_command_experiments, "list the experiments of a workspace"},
        {"jobs", xpm_command_jobs, "list jobs, show their logs and paths, kill and remove them"},
        {"explain", xpm_command_explain, "why a job will or will not run, and what its identifier is made from"},
        {"why", xpm_command_explain, NULL},
        {"orphans", xpm_command_orphans, "list directories of jobs that no experiment names, or remove them"},
        {"find-launchers", xpm_command_find_launchers, "which launcher a requirement gets, and why each other one not"},
        {"launchers", xpm_command_launchers, "list the launchers, or check launchers.yaml"},
        {"resources", xpm_command_resources, "draw the cores, memory and GPUs of this host, and who holds them"},
        {"progress", xpm_command_progress, "say how far the job that runs this is"},
        {"remaining-time", xpm_command_remaining_time, "print how many seconds the job that runs this has left"},
        {"worker", xpm_command_worker, NULL},
};

enum { COMMANDS = sizeof commands / sizeof *commands, USAGE = 2 };

static void print_commands(FILE *out)
{
        fprintf(out, "usage: xpm COMMAND [OPTIONS] …\n\ncommands:\n");
        for (size_t i = 0; i < COMMANDS; i++)
                if (commands[i].summary)
                        fprintf(out, "  %-16s  %s\n", commands[i].name, commands[i].summary);
        fprintf(out, "\n'xpm help COMMAND' tells more; 'xpm --version' prints the version\n");
}

static int unknown(const char *word)
{
        const char *names[COMMANDS + 2] = {"--help", "--version"};
        size_t count = 2;
        for (size_t i = 0; i < COMMANDS; i++)
                if (commands[i].summary)
                        names[count++] = commands[i].name;
        const char *near = xpm_words_nearest(word, names, count), *what = *word == '-' ? "option" : "command";
        if (near)
                fprintf(stderr, "xpm: unknown %s '%s': did you mean '%s'?\n", what, word, near);
        else
                fprintf(stderr, "xpm: unknown %s '%s'\n", what, word);
        fprintf(stderr, "try 'xpm --help'\n");
        return USAGE;
}

/* What was closed by who started us must not be the number of a file of ours: what is printed would be written to it.
 */
static void open_standard(void)
{
        int fd;
        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        if (fd >= 0)
                close(fd);
}

static bool is_help(const char *word)
{
        return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

int main(int argc, char **argv)
{
        static char help[] = "--help";
        open_standard();
        if (argc < 2) {
                print_commands(stderr);
                return USAGE;
        }
        if (argc > 2 && is_help(argv[1]) && argv[2][0] != '-') { /* `help COMMAND …` is `COMMAND --help …` */
                argv[1] = argv[2];
                argv[2] = help;
        }
        if (is_help(argv[1])) {
                print_commands(stdout);
                return xpm_flush_output(0);
        }
        if (strcmp(argv[1], "--version") == 0) {
                printf("xpm %s\n", XPM_VERSION);
                return xpm_flush_output(0);
        }
        for (size_t i = 0; i < COMMANDS; i++)
                if (strcmp(argv[1], commands[i].name) == 0)
                        return commands[i].run(argc - 1, argv + 1);
        return unknown(argv[1]);
}
