/* commands.h: the commands of xpm
 *
 * argv[0] is the command's word. Each returns the exit status: 0 all done; 1 some job failed; 2 usage, plan or
 * settings; 3 infrastructure; 130 interrupted.
 */
#ifndef XPM_CLI_COMMANDS_H
#define XPM_CLI_COMMANDS_H

#include "monitor/view.h"

int xpm_command_run_experiment(int argc, char **argv);
int xpm_command_experiments(int argc, char **argv);
int xpm_command_explain(int argc, char **argv);
int xpm_command_jobs(int argc, char **argv);
int xpm_command_orphans(int argc, char **argv);
int xpm_command_find_launchers(int argc, char **argv);
int xpm_command_launchers(int argc, char **argv);
int xpm_command_resources(int argc, char **argv);
int xpm_command_progress(int argc, char **argv);
int xpm_command_remaining_time(int argc, char **argv);
int xpm_command_worker(int argc, char **argv);

/* Keep those of JOBS that FILTER (NULL or empty: none) holds for. A tag that no job has is a slip, mostly, but some
 * workspace may have none of these jobs yet: it is told on standard error. */
int xpm_select_jobs(xpm_view *view, const char *filter, xpm_view_jobs *jobs, xpm_error *err);

/* Second words of `jobs`. */
int xpm_jobs_kill(int argc, char **argv);
int xpm_jobs_clean(int argc, char **argv);

/* Of experiments and runs, on standard error; 1 when there are any, which is how the command then ends. */
int xpm_print_broken_links(xpm_view *view);

#endif
