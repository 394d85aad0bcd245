/* xpm run-experiment: from an experiment file to finished jobs, to run files, or to a list of what would be done. */
#include <ctype.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/text.h"
#include "base/words.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/submit.h"

enum mode { MODE_NORMAL, MODE_GENERATE, MODE_DRY_RUN };

struct request {
        const char *run_mode, *rerun, *host;
        xpm_strings pre_yaml, post_yaml, settings, env, env_names, sbatch_options, words;
        xpm_strings command_line;           /* as it is saved: without the values of --env */
        long slots, limit, max_fails, port; /* port: -1 none */
        bool fail_fast, keep_failed, no_wait, show, json, debug, submit;
        int argc;
        char **argv;
        enum mode mode;
        char executable[PATH_MAX];
        xpm_experiment_options options;
};

/* What a signal handler may touch. */
static xpm_experiment *interrupted;
static volatile int interrupts;
static volatile sig_atomic_t leaves;

static void on_signal(int number)
{
        (void)number;
        interrupts++;
        if (interrupted)
                xpm_experiment_interrupt(interrupted);
}

static void on_notice(int number)
{
        (void)number;
        leaves = 1;
        if (interrupted)
                xpm_experiment_leave(interrupted);
}

static void print_log(void *data, int level, const char *line)
{
        static const char *const words[] = {"error: ", "warning: ", "", "debug: "};
        xpm_progress *progress = *(xpm_progress **)data;
        if (progress)
                xpm_progress_clear(progress);
        fprintf(stderr, "xpm: %s%s\n", level >= 0 && level <= 3 ? words[level] : "", line);
}

static int refuse(const char *option, const char *word, const char *const *choices, size_t count)
{
        const char *near = xpm_words_nearest(word, choices, count);
        fprintf(stderr, "xpm run-experiment: %s takes ", option);
        for (size_t i = 0; i < count; i++)
                fprintf(stderr, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", choices[i]);
        fprintf(stderr, ", not '%s'", word);
        if (near)
                fprintf(stderr, ": did you mean '%s'?", near);
        fprintf(stderr, "\n");
        return xpm_error_exit_status(XPM_EUSAGE);
}

static int read_mode(struct request *request)
{
        static const char *const shown[] = {"normal", "generate", "dry-run"};
        static const struct {
                const char *word;
                enum mode mode;
        } words[] = {
                {"normal", MODE_NORMAL},          {"generate", MODE_GENERATE}, {"generate-only", MODE_GENERATE},
                {"generate_only", MODE_GENERATE}, {"dry-run", MODE_DRY_RUN},   {"dry_run", MODE_DRY_RUN},
        };
        if (!request->run_mode)
                return XPM_OPTIONS_GO;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (strcasecmp(request->run_mode, words[i].word) == 0) {
                        request->mode = words[i].mode;
                        return XPM_OPTIONS_GO;
                }
        return refuse("--run-mode", request->run_mode, shown, sizeof shown / sizeof *shown);
}

static int read_rerun(struct request *request)
{
        static const char *const words[] = {"changed", "all"};
        if (!request->rerun)
                return XPM_OPTIONS_GO;
        if (strcmp(request->rerun, words[0]) == 0)
                request->options.rerun = XPM_RERUN_CHANGED;
        else if (strcmp(request->rerun, words[1]) == 0)
                request->options.rerun = XPM_RERUN_ALL;
        else
                return refuse("--rerun", request->rerun, words, 2);
        return XPM_OPTIONS_GO;
}

/* Variables of --env are set here: jobs inherit them, and their values are never written. */
static int read_env(struct request *request)
{
        for (size_t i = 0; i + 1 < request->env.count; i += 2) {
                const char *name = request->env.items[i];
                bool good = isalpha((unsigned char)*name) || *name == '_';
                for (const char *c = name; *c && good; c++)
                        good = isalnum((unsigned char)*c) || *c == '_';
                if (!good) {
                        fprintf(stderr, "xpm run-experiment: '%s' is no name of a variable: --env NAME VALUE\n", name);
                        return xpm_error_exit_status(XPM_EUSAGE);
                }
                if (setenv(name, request->env.items[i + 1], 1) != 0 || xpm_strings_add(&request->env_names, name) != 0)
                        return xpm_report(&(xpm_error){.code = XPM_ENOMEM});
        }
        return XPM_OPTIONS_GO;
}

static int save_command_line(struct request *request)
{
        for (int i = 0; i < request->argc; i++) {
                const char *word = request->argv[i];
                for (size_t j = 1; j < request->env.count; j += 2)
                        if (request->env.items[j] == word)
                                word = "<from environment>";
                if (xpm_strings_add(&request->command_line, word) != 0)
                        return xpm_report(&(xpm_error){.code = XPM_ENOMEM});
        }
        return XPM_OPTIONS_GO;
}

static int check_workdir(struct request *request)
{
        if (!request->options.workdir || *request->options.workdir)
                return XPM_OPTIONS_GO;
        fprintf(stderr, "xpm run-experiment: --workdir is empty: is the variable set?\n");
        return xpm_error_exit_status(XPM_EUSAGE);
}

static int check_submit(struct request *request)
{
        const xpm_experiment_options *options = &request->options;
        const bool only_normal = request->mode != MODE_NORMAL || request->show;
        const struct {
                bool wrong;
                const char *words;
        } rules[] = {
                {request->submit && only_normal, "--submit runs the experiment: leave out --run-mode and --show"},
                {options->submit_all && only_normal,
                 "--submit-all runs the experiment: leave out --run-mode and --show"},
                {request->submit && options->submit_all,
                 "--submit sends an engine, and --submit-all needs none: leave out one of them"},
                {options->submit_all && (request->fail_fast || request->max_fails > 0),
                 "nobody stays to count failures: leave out --submit-all, or --fail-fast and --max-fails"},
                {!request->submit && request->sbatch_options.count > 0, "--sbatch-option is for --submit"},
        };
        for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
                if (rules[i].wrong) {
                        fprintf(stderr, "xpm run-experiment: %s\n", rules[i].words);
                        return xpm_error_exit_status(XPM_EUSAGE);
                }
        return XPM_OPTIONS_GO;
}

/* What options mean, and whether they go together. */
static int check_request(struct request *request)
{
        static int (*const checks[])(struct request *) = {read_mode,     read_rerun,   read_env,
                                                          check_workdir, check_submit, save_command_line};
        int status = XPM_OPTIONS_GO;
        for (size_t i = 0; status == XPM_OPTIONS_GO && i < sizeof checks / sizeof *checks; i++)
                status = checks[i](request);
        return status;
}

static int parse_words(struct request *request, const xpm_option *table)
{
        const xpm_usage usage = {
                .command = "run-experiment",
                .synopsis = "[OPTIONS] EXPERIMENT.yaml [ARGS…]",
                .summary = "Run every job of an experiment that is not done yet, what it needs first.\n"
                           "ARGS go to the executable plan (`file:`). Ctrl-C waits for what runs, twice kills it.",
                .options = table,
                .min_words = 1,
                .max_words = 1,
                .rest = true,
        };
        return xpm_options_parse(&usage, request->argc, request->argv, &request->words);
}

static int read_request(struct request *request)
{
        xpm_experiment_options *options = &request->options;
        const xpm_option table[] = {
                {"--run-mode", NULL, XPM_OPTION_STRING, &request->run_mode, "MODE",
                 "normal: run (default); generate: write run files; dry-run: show what would run"},
                {"--file", NULL, XPM_OPTION_STRING, &options->code, "PLAN",
                 "the plan as code, instead of the file's `file:`"},
                {"--host", NULL, XPM_OPTION_STRING, &request->host, "HOST",
                 "for the web page (not served by this version)"},
                {"--port", NULL, XPM_OPTION_PORT, &request->port, "PORT",
                 "for the web page (not served by this version)"},
                {"--xpm-config-dir", NULL, XPM_OPTION_STRING, &options->config_dir, "DIR",
                 "where settings.yaml and launchers.yaml are (default: ~/.config/experimaestro)"},
                {"--workdir", NULL, XPM_OPTION_STRING, &options->workdir, "DIR", "the workspace's directory"},
                {"--workspace", NULL, XPM_OPTION_STRING, &options->workspace, "ID", "a workspace of settings.yaml"},
                {"--env", NULL, XPM_OPTION_PAIRS, &request->env, "NAME VALUE",
                 "an environment variable of every job (repeatable)"},
                {"--conf", "-c", XPM_OPTION_LIST, &request->settings, "KEY.PATH=VALUE",
                 "set a value of the experiment file (repeatable)"},
                {"--pre-yaml", NULL, XPM_OPTION_LIST, &request->pre_yaml, "FILE",
                 "read before the experiment file (repeatable)"},
                {"--post-yaml", NULL, XPM_OPTION_LIST, &request->post_yaml, "FILE", "read after it (repeatable)"},
                {"--launcher", NULL, XPM_OPTION_STRING, &options->launcher, "NAME", "the launcher of all jobs"},
                {"--jobs", "-j", XPM_OPTION_COUNT, &request->slots, "N",
                 "jobs at once on this host (default: the cores that this process may use)"},
                {"--only", NULL, XPM_OPTION_STRING, &options->only, "STEP[,STEP]",
                 "only these steps and what they need"},
                {"--where", NULL, XPM_OPTION_STRING, &options->where, "FILTER",
                 "only jobs with such tags and what they need: 'model = \"a\" and lr in [0.1, 0.01]'"},
                {"--limit", NULL, XPM_OPTION_COUNT, &request->limit, "N", "at most N jobs of each step (default: all)"},
                {"--fail-fast", NULL, XPM_OPTION_FLAG, &request->fail_fast, NULL,
                 "start nothing more after the first failure"},
                {"--max-fails", NULL, XPM_OPTION_COUNT, &request->max_fails, "N",
                 "start nothing more after N failures (default: go on)"},
                {"--rerun", NULL, XPM_OPTION_STRING, &request->rerun, "WHICH",
                 "run finished jobs again: changed (another command than then) or all"},
                {"--keep-failed", NULL, XPM_OPTION_FLAG, &request->keep_failed, NULL,
                 "leave jobs alone that failed before"},
                {"--submit-all", NULL, XPM_OPTION_FLAG, &options->submit_all, NULL,
                 "hand all jobs to the scheduler at once, which keeps their order, and leave"},
                {"--no-wait", NULL, XPM_OPTION_FLAG, &request->no_wait, NULL,
                 "leave when the experiment runs already, rather than wait"},
                {"--submit", NULL, XPM_OPTION_FLAG, &request->submit, NULL,
                 "send the engine itself to Slurm, as a small batch job that goes on by itself, and leave"},
                {"--sbatch-option", NULL, XPM_OPTION_LIST, &request->sbatch_options, "OPTION",
                 "of that job: --sbatch-option=--time=12:00:00 (repeatable)"},
                {"--show", NULL, XPM_OPTION_FLAG, &request->show, NULL,
                 "print the merged experiment file as JSON, and leave"},
                {"--json", NULL, XPM_OPTION_FLAG, &request->json, NULL, "dry-run: one JSON object per job and line"},
                {"--debug", NULL, XPM_OPTION_FLAG, &request->debug, NULL, "say more on standard error"},
                {0}};
        int status = parse_words(request, table);
        return status == XPM_OPTIONS_GO ? check_request(request) : status;
}

/* Workers and run files call this very file, whatever it was renamed to: `xpm-0.1` beside another version. */
static const char *find_self(char *path, size_t size)
{
        ssize_t length = readlink("/proc/self/exe", path, size);
        if (length <= 0 || (size_t)length == size)
                return NULL;
        path[length] = '\0';
        return access(path, X_OK) == 0 ? path : NULL;
}

static void complete(struct request *request)
{
        xpm_experiment_options *options = &request->options;
        options->executable = find_self(request->executable, sizeof request->executable);
        options->file = request->words.items[0];
        options->args = request->words.items + 1;
        options->pre_yaml = request->pre_yaml.items;
        options->post_yaml = request->post_yaml.items;
        options->settings = request->settings.items;
        options->env_names = request->env_names.items;
        options->slots = (int)request->slots;
        options->limit = (size_t)request->limit;
        options->max_fails = request->fail_fast ? 1 : (size_t)request->max_fails;
        options->keep_failed = request->keep_failed;
        options->no_wait = request->no_wait;
        options->command_line = request->command_line.items;
        options->log = print_log;
        options->log_level = request->debug ? 3 : 2;
}

static int show(const struct request *request)
{
        xpm_error err = XPM_ERROR_NONE;
        char *json;
        if (xpm_experiment_show(&request->options, &json, &err) != 0)
                return xpm_report(&err);
        printf("%s\n", json);
        free(json);
        return xpm_flush_output(0);
}

static int print_table(const xpm_experiment *experiment, xpm_error *err)
{
        size_t count = xpm_experiment_job_count(experiment);
        int task = 4;
        for (size_t i = 0; i < count; i++) {
                int length = (int)strlen(xpm_job_task(xpm_experiment_job(experiment, i)));
                task = length > task ? length : task;
        }
        if (count > 0)
                printf("%-21s  %-*s  %-8s  %-8s  %s\n", "state", task, "task", "job", "launcher",
                       "tags < dependencies");
        for (size_t i = 0; i < count; i++) {
                const xpm_job *job = xpm_experiment_job(experiment, i);
                char id[XPM_JOB_ID_SIZE], *tags, *dependencies;
                const char *launcher;
                int rc = xpm_experiment_describe(experiment, job, &tags, &dependencies, &launcher, err);
                if (rc != 0)
                        return rc;
                xpm_job_identifier(job, id);
                printf("%-21s  %-*s  %.8s  %-8s  %s%s%s\n", xpm_outlook_word(xpm_job_outlook(experiment, job)), task,
                       xpm_job_task(job), id, launcher, tags, *dependencies ? " < " : "", dependencies);
                free(tags);
                free(dependencies);
        }
        return 0;
}

/* Why what fits nowhere does not: the first few. */
static int print_unfit(xpm_experiment *experiment, xpm_error *err)
{
        enum { FEW = 5 };
        size_t count = xpm_experiment_job_count(experiment), told = 0;
        for (size_t i = 0; i < count && told < FEW; i++) {
                const xpm_job *job = xpm_experiment_job(experiment, i);
                char id[XPM_JOB_ID_SIZE], *why;
                if (xpm_job_outlook(experiment, job) != XPM_OUTLOOK_UNFIT)
                        continue;
                int rc = xpm_experiment_unfit(experiment, job, &why, err);
                if (rc != 0)
                        return rc;
                xpm_job_identifier(job, id);
                printf("%s/%.8s fits nowhere: %s\n", xpm_job_task(job), id, why);
                free(why);
                told++;
        }
        return 0;
}

static void print_totals(const xpm_experiment *experiment, const size_t *counts)
{
        size_t total = xpm_experiment_job_count(experiment);
        const char *before = ": ";
        printf("%s: %zu job%s", xpm_experiment_id(experiment), total, total == 1 ? "" : "s");
        for (int i = 0; i < XPM_OUTLOOK_COUNT; i++)
                if (counts[i]) {
                        printf("%s%zu %s", before, counts[i], xpm_outlook_word(i));
                        before = ", ";
                }
        printf("; workspace %s\n", xpm_experiment_workspace(experiment));
}

static int dry_run(const struct request *request, xpm_experiment *experiment)
{
        xpm_error err = XPM_ERROR_NONE;
        size_t counts[XPM_OUTLOOK_COUNT];
        int rc = xpm_experiment_look(experiment, counts, &err);
        if (rc == 0 && request->json)
                rc = xpm_experiment_write_json(experiment, stdout, &err);
        else if (rc == 0)
                rc = print_table(experiment, &err);
        if (rc == 0 && !request->json)
                rc = print_unfit(experiment, &err);
        if (rc != 0)
                return xpm_report(&err);
        if (!request->json)
                print_totals(experiment, counts);
        return xpm_flush_output(0);
}

static int generate(xpm_experiment *experiment)
{
        xpm_error err = XPM_ERROR_NONE;
        size_t written;
        if (xpm_experiment_generate(experiment, &written, &err) != 0)
                return xpm_report(&err);
        printf("%s: %zu run file%s written below %s/jobs\n", xpm_experiment_id(experiment), written,
               written == 1 ? "" : "s", xpm_experiment_workspace(experiment));
        if (written)
                printf("run them by hand, dependencies first: %s\n",
                       xpm_experiment_schedules(experiment) ? "sbatch SCRIPT.sh (or here: sh SCRIPT.sh)"
                                                            : "sh SCRIPT.sh");
        return xpm_flush_output(0);
}

static void listen(xpm_experiment *experiment)
{
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        interrupted = experiment;
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        signal(SIGPIPE, SIG_IGN);
        if (leaves)
                xpm_experiment_leave(experiment);
}

static int run(xpm_experiment *experiment, xpm_engine *engine, xpm_progress **shown)
{
        static const int statuses[] = {
                [XPM_VERDICT_DONE] = 0,          [XPM_VERDICT_FAILED] = 1, [XPM_VERDICT_STOPPED] = 1,
                [XPM_VERDICT_INTERRUPTED] = 130, [XPM_VERDICT_LEFT] = 0,   [XPM_VERDICT_SUBMITTED] = 0,
        };
        xpm_error err = XPM_ERROR_NONE;
        xpm_counts counts;
        enum xpm_verdict verdict;
        xpm_progress progress;
        if (!xpm_engine_begin(engine, experiment))
                return 0;
        xpm_progress_init(&progress, experiment, &interrupts);
        xpm_observer own = xpm_progress_observer(&progress);
        xpm_observer observer = xpm_engine_observer(engine, experiment, &own);
        *shown = &progress;
        listen(experiment);
        int rc = xpm_experiment_run(experiment, &observer, &counts, &verdict, &err);
        interrupted = NULL;
        *shown = NULL;
        xpm_progress_clear(&progress);
        /* While it waited for another engine. */
        if (rc == XPM_EINTERRUPTED && leaves && interrupts == 0)
                return xpm_engine_hand_over(engine);
        if (rc != 0)
                return xpm_report(&err);
        xpm_progress_end(&progress, &counts, verdict);
        int status = verdict == XPM_VERDICT_LEFT ? xpm_engine_hand_over(engine) : statuses[verdict];
        return xpm_flush_output(status);
}

/* What fits nowhere is told now, and not in a log tomorrow; all else is done all the same. */
static int submit(const struct request *request, xpm_experiment *experiment)
{
        xpm_error err = XPM_ERROR_NONE;
        size_t counts[XPM_OUTLOOK_COUNT];
        int rc = xpm_experiment_look(experiment, counts, &err);
        if (rc == 0)
                rc = print_unfit(experiment, &err);
        if (rc != 0)
                return xpm_report(&err);
        print_totals(experiment, counts);
        size_t failed = request->keep_failed ? 0 : counts[XPM_OUTLOOK_FAILED]; /* those are run again */
        if (counts[XPM_OUTLOOK_RUN] + counts[XPM_OUTLOOK_RUNNING] + failed == 0) {
                printf("there is nothing to run: nothing was submitted\n");
                return xpm_flush_output(counts[XPM_OUTLOOK_UNFIT] + counts[XPM_OUTLOOK_FAILED] > 0);
        }
        return xpm_submit_engine(experiment, request->executable, request->argc, request->argv, &request->env,
                                 &request->sbatch_options);
}

static int act(struct request *request)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_experiment *experiment;
        xpm_progress *progress = NULL;
        xpm_engine engine = xpm_engine_find(&request->sbatch_options, &leaves);
        request->options.log_data = &progress;
        if (engine.script)
                signal(SIGUSR1, on_notice);
        if (request->show)
                return show(request);
        if (request->json && request->mode != MODE_DRY_RUN)
                fprintf(stderr, "xpm: note: --json is for --run-mode dry-run\n");
        if (request->host || request->port >= 0)
                fprintf(stderr, "xpm: note: this version serves no web page: --host and --port do nothing\n");
        if (xpm_experiment_open(&request->options, &experiment, &err) != 0)
                return xpm_report(&err);
        int status = request->mode == MODE_DRY_RUN       ? dry_run(request, experiment)
                     : request->mode == MODE_GENERATE    ? generate(experiment)
                     : request->submit && !engine.script ? submit(request, experiment)
                                                         : run(experiment, &engine, &progress);
        xpm_experiment_close(experiment);
        return status;
}

int xpm_command_run_experiment(int argc, char **argv)
{
        struct request request = {.port = -1, .argc = argc, .argv = argv};
        int status = read_request(&request);
        if (status == XPM_OPTIONS_GO) {
                complete(&request);
                status = act(&request);
        }
        xpm_strings_release(&request.pre_yaml);
        xpm_strings_release(&request.post_yaml);
        xpm_strings_release(&request.settings);
        xpm_strings_release(&request.env);
        xpm_strings_release(&request.env_names);
        xpm_strings_release(&request.sbatch_options);
        xpm_strings_release(&request.words);
        xpm_strings_release(&request.command_line);
        return status;
}
