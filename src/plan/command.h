/* command.h: what is checked of a command when the plan is read
 *
 * Values must stand where the shell reads words; programs and files must not be looked for in the job's own, empty
 * directory; `${name}` is the shell's, and a configuration value is not.
 */
#ifndef XPM_PLAN_COMMAND_H
#define XPM_PLAN_COMMAND_H

#include "plan/template.h"

/* Every {{x}} of the shell text TEMPLATE stands outside of quotes, comments and the like, whichever sections are
 * rendered. SHELL is the program that reads it. XPM_EPLAN with *OFFSET. */
int xpm_command_check_places(const xpm_mustache *template, const char *shell, size_t *offset, xpm_error *err);

/* A word of a command, as far as it is the same for all jobs of the task. */
typedef struct xpm_word {
        const char *text;
        size_t length;
        size_t known;  /* what of it is text before anything that is not known */
        bool complete; /* all of it is known */
        bool written;  /* it stands behind a `>` */
} xpm_word;

/* Call VISIT for each word of the command (of a list: each item); it returns non-zero to stop, which is returned. */
typedef int (*xpm_word_visitor)(void *data, const xpm_word *word);
int xpm_command_words(const xpm_plan *plan, const xpm_template *template, xpm_word_visitor visit, void *data,
                      xpm_error *err);

/* The command does not begin with a relative path; a warning to LOG (may be NULL) for another word that names a file
 * beside the experiment file. Nothing is checked when the task has a `cwd`. */
int xpm_command_check_paths(const xpm_plan *plan, const xpm_templates *templates, const xpm_log *log, xpm_error *err);

/* No `${name}` of a configuration value that neither the command nor `setup` nor the environment sets. */
int xpm_command_check_expansions(const xpm_plan *plan, const xpm_templates *templates, xpm_error *err);

#endif
