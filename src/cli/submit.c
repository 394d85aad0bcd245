/* `--submit` in the submitted job itself stands in the command line as it did on the login node: XPM_ENGINE, which the
 * job's script sets, says that this is that job. Its time is nearly over when Slurm sends SIGUSR1 (run_experiment.c).
 * Then the next one is submitted at once, and not when what runs here has ended, which takes time that may not be left.
 */
#include "cli/submit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Between tries to submit the next engine, at first and at most, milliseconds. */
enum { PAUSE = 2000, LONGEST = 30000 };

static const char *const none[] = {NULL};

xpm_engine xpm_engine_find(const xpm_strings *options, const volatile sig_atomic_t *leaves)
{
        const char *script = getenv("XPM_ENGINE"), *job = getenv("SLURM_JOB_ID");
        if (!script || !*script || !job)
                return (xpm_engine){.leaves = leaves};
        return (xpm_engine){.script = script,
                            .options = options->items ? options->items : none,
                            .self = atol(job),
                            .leaves = leaves};
}

bool xpm_engine_begin(const xpm_engine *engine, const xpm_experiment *experiment)
{
        xpm_engine_job found = {0};
        const char *node = getenv("SLURMD_NODENAME");
        if (!engine->script)
                return true;
        const char *id = xpm_experiment_id(experiment);
        fprintf(stderr, "xpm: the engine of '%s' is job %ld, on %s\n", id, engine->self, node ? node : "this host");
        if (xpm_experiment_find_engine(experiment, engine->self, &found, NULL) != 0 || found.job < engine->self)
                return true;
        fprintf(stderr, "xpm: job %ld is a later engine of '%s': all is left to that one\n", found.job, id);
        return false;
}

/* 0, or an error that may pass. */
static int submit_next(xpm_engine *engine, xpm_error *err)
{
        xpm_engine_job made;
        int rc = xpm_experiment_resubmit(engine->experiment, engine->script, engine->options, engine->self, &made, err);
        if (rc != 0)
                return rc;
        engine->next = made.job;
        fprintf(stderr, "xpm: the time of this job is nearly over: job %ld continues\n", made.job);
        return 0;
}

static void on_progress(void *data, const xpm_counts *counts)
{
        xpm_engine *engine = data;
        xpm_error err = XPM_ERROR_NONE;
        if (*engine->leaves && engine->next == 0 && submit_next(engine, &err) != 0) {
                engine->next = -1; /* later */
                fprintf(stderr, "xpm: the next engine is not submitted yet: %s\n", err.message);
        }
        engine->shown.progress(engine->shown.data, counts);
}

static void on_job(void *data, const xpm_job *job, const xpm_job_end *end)
{
        const xpm_engine *engine = data;
        engine->shown.job(engine->shown.data, job, end);
}

xpm_observer xpm_engine_observer(xpm_engine *engine, xpm_experiment *experiment, const xpm_observer *shown)
{
        engine->experiment = experiment;
        engine->shown = *shown;
        return engine->script ? (xpm_observer){engine, on_job, on_progress, shown->interval} : *shown;
}

int xpm_engine_hand_over(xpm_engine *engine)
{
        for (int pause = PAUSE; engine->next <= 0; pause = pause < LONGEST ? 2 * pause : LONGEST) {
                xpm_error err = XPM_ERROR_NONE;
                if (submit_next(engine, &err) == 0)
                        break;
                if (err.code != XPM_ELAUNCHER)
                        return xpm_report(&err);
                fprintf(stderr, "xpm: the next engine is not submitted yet: %s\n", err.message);
                poll(NULL, 0, pause); /* until Slurm ends this job */
        }
        return 0;
}

/* Submission. */

/* The words of a shell that do what ARGV did; a value of --env is taken from the environment, where it is already. */
static void put_command(xpm_text *line, const char *executable, int argc, char **argv, const xpm_strings *values)
{
        xpm_text_shell_quote(line, executable, strlen(executable));
        for (int i = 0; i < argc; i++) {
                const char *name = NULL;
                for (size_t k = 1; k < values->count; k += 2)
                        if (values->items[k] == argv[i])
                                name = values->items[k - 1];
                xpm_text_putc(line, ' ');
                if (name)
                        xpm_text_printf(line, "\"${%s?}\"", name);
                else
                        xpm_text_shell_quote(line, argv[i], strlen(argv[i]));
        }
}

static void print_submitted(const xpm_experiment *experiment, long job)
{
        xpm_text workspace = XPM_TEXT_INIT, log = XPM_TEXT_INIT;
        const char *path = xpm_experiment_workspace(experiment), *id = xpm_experiment_id(experiment);
        xpm_text_shell_quote(&workspace, path, strlen(path));
        xpm_text_printf(&log, "%s/experiments/%s/engine.log", path, id);
        printf("the engine of '%s' is Slurm's job %ld\n"
               "its log:       %s\n"
               "how it stands: squeue -j %ld; xpm jobs list --workdir %s %s\n"
               "to cancel it:  scancel %ld (its log then says how to cancel the jobs that it has with Slurm)\n",
               id, job, xpm_text_string(&log), job, xpm_text_string(&workspace), id, job);
        xpm_text_release(&workspace);
        xpm_text_release(&log);
}

int xpm_submit_engine(xpm_experiment *experiment, const char *executable, int argc, char **argv,
                      const xpm_strings *values, const xpm_strings *options)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_engine_job made;
        xpm_text line = XPM_TEXT_INIT;
        put_command(&line, executable, argc, argv, values);
        const xpm_engine_command command = {xpm_text_string(&line), options->items ? options->items : none};
        int rc = line.failed ? xpm_fail_memory(&err) : xpm_experiment_submit(experiment, &command, &made, &err);
        xpm_text_release(&line);
        if (rc != 0)
                return xpm_report(&err);
        print_submitted(experiment, made.job);
        return xpm_flush_output(0);
}
