/* subcommand.h: `xpm jobs list`: commands of two words
 */
#ifndef XPM_CLI_SUBCOMMAND_H
#define XPM_CLI_SUBCOMMAND_H

typedef struct xpm_subcommand {
        const char *name;
        int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit status */
        const char *summary;
} xpm_subcommand;

/* Call the one of COMMANDS (ended by an entry without a name) that argv names. Options may stand before its name: they
 * are handed on. */
int xpm_subcommand_run(const xpm_subcommand *commands, int argc, char **argv);

/* The options of all commands that look at a workspace; PLACE is an xpm_view_place. */
#define XPM_PLACE_OPTIONS(place)                                                                                      \
        {"--workdir", NULL, XPM_OPTION_STRING, &(place).workdir, "PATH", "directory of the workspace"},               \
                {"--workspace", NULL, XPM_OPTION_STRING, &(place).workspace, "ID", "a workspace of settings.yaml"},   \
        {                                                                                                             \
                "--xpm-config-dir", NULL, XPM_OPTION_STRING, &(place).config_dir, "DIR", "directory of settings.yaml" \
        }

#endif
