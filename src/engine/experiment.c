/* An experiment is opened in one order: settings, plan, workspace. The plan comes before the workspace because a
 * workspace may be chosen by the experiment's id; nothing is written before prepare. */
#include "engine/experiment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "engine/planprogram.h"
#include "exec/installed.h"
#include "exec/leftover.h"
#include "plan/scalar.h"
#include "workspace/git.h"

static const char *environment(void *data, const char *name)
{
        (void)data;
        return getenv(name);
}

static void forward(void *data, enum xpm_log_level level, const char *line)
{
        const xpm_experiment_options *options = data;
        if (options->log)
                options->log(options->log_data, (int)level, line);
}

static xpm_load_options load_options(const xpm_experiment *experiment)
{
        const xpm_experiment_options *options = &experiment->options;
        return (xpm_load_options){
                .file = options->file,
                .cwd = experiment->cwd,
                .pre = options->pre_yaml,
                .post = options->post_yaml,
                .settings = options->settings,
                .code = options->code,
                .getenv = environment,
                .run = xpm_planprogram_run,
                .run_data = (void *)options,
                .log = &experiment->log,
        };
}

static int find_executable(xpm_experiment *experiment, xpm_error *err)
{
        if (!experiment->options.executable)
                return xpm_locate_program(&experiment->executable, err);
        experiment->executable = strdup(experiment->options.executable);
        return experiment->executable ? 0 : xpm_fail_memory(err);
}

static int init(xpm_experiment *experiment, const xpm_experiment_options *options, xpm_error *err)
{
        experiment->options = *options;
        experiment->log = (xpm_log){forward, &experiment->options, (enum xpm_log_level)options->log_level};
        experiment->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (experiment->wake < 0)
                return xpm_fail_errno(err, "cannot make an event descriptor");
        experiment->cwd = getcwd(NULL, 0);
        if (!experiment->cwd)
                return xpm_fail_errno(err, "cannot tell the current directory");
        return find_executable(experiment, err);
}

static int read_plan(xpm_experiment *experiment, xpm_error *err)
{
        const xpm_experiment_options *options = &experiment->options;
        xpm_plan_options plan = {
                .load = load_options(experiment),
                .only = options->only,
                .where = options->where,
                .limit = options->limit,
                .now = time(NULL),
                .hash_file = xpm_hashcache_file,
                .hash_data = experiment->hashes,
        };
        int rc = xpm_plan_read(&plan, &experiment->plan, err);
        const char *const *args = options->args;
        if (rc == 0 && args && *args && !experiment->plan->document.code)
                return xpm_fail(err, XPM_EUSAGE,
                                "'%s' stands after the experiment file, and what stands there is for a plan as a "
                                "program, which '%s' does not name: options stand before the file",
                                *args, options->file);
        return rc;
}

/* What the workspace cannot know by itself. */
static void lend_workspace(xpm_experiment *experiment)
{
        experiment->workspace->folders = experiment->choice.folders;
        experiment->workspace->sweep = xpm_sweep_job;
}

static int find_workspace(xpm_experiment *experiment, xpm_error *err)
{
        const xpm_experiment_options *options = &experiment->options;
        int rc = xpm_settings_choose(experiment->settings, options->workdir, options->workspace, experiment->plan->id,
                                     &experiment->choice, err);
        if (rc != 0)
                return rc;
        rc = xpm_workspace_open(experiment->choice.path, false, experiment->choice.group_sharing,
                                &experiment->workspace, err);
        if (rc == 0)
                lend_workspace(experiment);
        return rc;
}

static void set_context(xpm_experiment *experiment)
{
        size_t names = 0;
        const char *const *env = experiment->options.env_names;
        while (env && env[names])
                names++;
        experiment->render = (xpm_render_context){
                .plan = experiment->plan,
                .workspace = experiment->workspace->path,
                .getenv = environment,
                .extra_env = env,
                .extra_env_count = names,
                .hash_file = xpm_hashcache_file,
                .hash_data = experiment->hashes,
        };
}

/* What templates make of each job's values may be wrong for one job alone: said before anything is written. */
static int check_jobs(const xpm_experiment *experiment, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < experiment->plan->job_count; i++)
                rc = xpm_render_check(&experiment->render, experiment->plan->jobs[i], err);
        return rc;
}

static int open_parts(xpm_experiment *experiment, xpm_error *err)
{
        const char *config_dir = experiment->options.config_dir;
        int rc = xpm_settings_load(config_dir, &experiment->settings, err);
        if (rc == 0)
                rc = xpm_launcher_file_read(config_dir, &experiment->launchers, err);
        if (rc == 0)
                rc = xpm_hashcache_open(&experiment->hashes, err);
        if (rc == 0)
                rc = read_plan(experiment, err);
        if (rc == 0)
                rc = find_workspace(experiment, err);
        if (rc == 0)
                rc = xpm_experiment_pass_secrets(experiment, err);
        if (rc != 0)
                return rc;
        set_context(experiment);
        xpm_experiment_lend(experiment);
        rc = check_jobs(experiment, err);
        return rc == 0 ? xpm_experiment_choose(experiment, err) : rc;
}

int xpm_experiment_open(const xpm_experiment_options *options, xpm_experiment **out, xpm_error *err)
{
        xpm_experiment *experiment = calloc(1, sizeof *experiment);
        if (!experiment)
                return xpm_fail_memory(err);
        experiment->wake = -1;
        int rc = init(experiment, options, err);
        if (rc == 0)
                rc = open_parts(experiment, err);
        if (rc != 0) {
                xpm_experiment_close(experiment);
                return rc;
        }
        *out = experiment;
        return 0;
}

void xpm_experiment_close(xpm_experiment *experiment)
{
        if (!experiment)
                return;
        xpm_candidates_release(&experiment->candidates);
        xpm_host_release(&experiment->host);
        free(experiment->choices);
        xpm_plan_destroy(experiment->plan);
        xpm_workspace_close(experiment->workspace);
        xpm_hashcache_close(experiment->hashes);
        xpm_launcher_file_destroy(experiment->launchers);
        xpm_settings_destroy(experiment->settings);
        if (experiment->wake >= 0)
                close(experiment->wake);
        free(experiment->outlooks);
        free(experiment->run_path);
        free(experiment->executable);
        free(experiment->cwd);
        free(experiment);
}

static int show(xpm_experiment *experiment, xpm_arena *arena, char **json, xpm_error *err)
{
        xpm_load_options options = load_options(experiment);
        xpm_document *document = xpm_arena_alloc(arena, sizeof *document);
        xpm_text text = XPM_TEXT_INIT;
        int rc = document ? xpm_load(arena, &options, document, err) : xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_node_json(document->root, &text, err);
        if (rc == 0 && !(*json = xpm_text_take(&text)))
                rc = xpm_fail_memory(err);
        xpm_text_release(&text);
        return rc;
}

int xpm_experiment_show(const xpm_experiment_options *options, char **json, xpm_error *err)
{
        xpm_experiment *experiment = calloc(1, sizeof *experiment);
        xpm_arena *arena = xpm_arena_create();
        int rc = XPM_ENOMEM;
        if (!experiment || !arena)
                xpm_fail_memory(err);
        else if ((rc = init(experiment, options, err)) == 0)
                rc = show(experiment, arena, json, err);
        xpm_arena_destroy(arena);
        xpm_experiment_close(experiment);
        return rc;
}

/* `dirty_git: error` has to be known before anything is written. */
static int check_repository(const xpm_plan *plan, xpm_error *err)
{
        enum { PATIENCE = 60000 };
        const xpm_node *node = plan->dirty_git;
        if (!node || strcmp(node->text, "error") != 0)
                return 0;
        const char *dir = plan->document.source->dir;
        xpm_git git;
        xpm_git_open(&git, dir);
        xpm_git_settle(&git, PATIENCE);
        if (git.state != XPM_GIT_DIRTY)
                return 0;
        return xpm_fail_at(err, node->pos,
                           "the repository of '%s' has uncommitted changes: commit them, or write 'dirty_git: warn'",
                           dir);
}

int xpm_experiment_prepare(xpm_experiment *experiment, xpm_error *err)
{
        xpm_workspace *workspace;
        int rc = check_repository(experiment->plan, err);
        if (rc != 0)
                return rc;
        if (experiment->choice.by_default)
                xpm_note(&experiment->log, "no workspace is configured: using '%s' (--workdir chooses another)",
                         experiment->choice.path);
        rc = xpm_workspace_open(experiment->choice.path, true, experiment->choice.group_sharing, &workspace, err);
        if (rc != 0)
                return rc;
        xpm_workspace_close(experiment->workspace);
        experiment->workspace = workspace;
        lend_workspace(experiment);
        experiment->render.workspace = workspace->path;
        experiment->core.workspace = workspace->path;
        return 0;
}

/* `task/job` of each dependency, in one block. */
static char *dependency_names(const xpm_job *job, const char ***names)
{
        size_t size = 0;
        for (size_t i = 0; i < job->dependency_count; i++)
                size += strlen(xpm_job_task(job->dependencies[i])) + 1 + XPM_JOB_ID_SIZE;
        char *block = malloc(job->dependency_count * sizeof **names + size + 1);
        if (!block)
                return NULL;
        *names = (const char **)block;
        char *at = block + job->dependency_count * sizeof **names;
        for (size_t i = 0; i < job->dependency_count; i++) {
                (*names)[i] = at;
                at = stpcpy(at, xpm_job_task(job->dependencies[i]));
                *at++ = '/';
                xpm_job_identifier(job->dependencies[i], at);
                at += XPM_JOB_ID_SIZE;
        }
        return block;
}

static int announce(const xpm_experiment *experiment, const xpm_job *job, xpm_run *run, size_t *slot, xpm_error *err)
{
        char id[XPM_JOB_ID_SIZE];
        const char **names = NULL;
        xpm_text tags = XPM_TEXT_INIT;
        char *block = dependency_names(job, &names);
        int rc = block ? xpm_job_tags_json(experiment->plan, job, &tags) : xpm_fail_memory(err);
        if (rc == 0 && tags.failed)
                rc = xpm_fail_memory(err);
        xpm_job_identifier(job, id);
        if (rc == 0)
                rc = xpm_run_add_job(run, xpm_job_task(job), id, xpm_text_string(&tags), job->step->name, names,
                                     job->dependency_count, XPM_JOB_UNSCHEDULED, slot, err);
        xpm_text_release(&tags);
        free(block);
        return rc;
}

static int begin(const xpm_experiment *experiment, const char *configuration, xpm_run **run, xpm_error *err)
{
        const xpm_plan *plan = experiment->plan;
        xpm_run_info info = {
                .experiment_id = plan->id,
                .title = plan->title,
                .subtitle = plan->subtitle,
                .description = plan->description,
                .paper = plan->paper,
                .experiment_dir = plan->document.source->dir,
                .argv = experiment->options.command_line,
                .configuration = configuration,
                .interrupts = &experiment->interrupts,
                .forget_old = true,
                .max_done = experiment->choice.max_done,
                .max_failed = experiment->choice.max_failed,
                .warn_dirty = !plan->dirty_git || strcmp(plan->dirty_git->text, "warn") == 0,
        };
        return xpm_run_begin(experiment->workspace, &info, !experiment->options.no_wait, &experiment->log, run, err);
}

int xpm_experiment_begin(xpm_experiment *experiment, const xpm_survey *survey, size_t *slots, xpm_run **out,
                         xpm_error *err)
{
        const xpm_plan *plan = experiment->plan;
        xpm_run *run = NULL;
        xpm_text configuration = XPM_TEXT_INIT;
        int rc = xpm_experiment_configuration(experiment, &configuration, err);
        if (rc == 0)
                rc = begin(experiment, xpm_text_string(&configuration), &run, err);
        xpm_text_release(&configuration);
        if (rc != 0)
                return rc;
        free(experiment->run_path);
        experiment->run_path = strdup(xpm_run_path(run));
        rc = experiment->run_path ? 0 : xpm_fail_memory(err);
        experiment->render.run = experiment->run_path;
        /* Named first, looked at then: whoever removes a finished job does it the other way round (jobremove.c), so
         * that one of the two sees the other. */
        for (size_t i = 0; rc == 0 && i < plan->job_count; i++)
                rc = announce(experiment, plan->jobs[i], run, &slots[i], err);
        if (rc == 0)
                rc = xpm_run_flush(run, err);
        if (rc == 0)
                rc = survey->look(survey->data, err);
        for (size_t i = 0; rc == 0 && i < plan->job_count; i++)
                rc = xpm_run_found(run, slots[i], survey->state(survey->data, i), err);
        if (rc != 0)
                xpm_run_end(run, XPM_RUN_FAILED, NULL);
        else
                *out = run;
        return rc;
}

static size_t degree(const void *data, size_t job)
{
        return ((const xpm_plan *)data)->jobs[job]->dependency_count;
}

static size_t dependency(const void *data, size_t job, size_t i)
{
        return ((const xpm_plan *)data)->jobs[job]->dependencies[i]->index;
}

int xpm_experiment_graph(const xpm_experiment *experiment, xpm_graph *graph, xpm_error *err)
{
        const xpm_graph_source source = {experiment->plan, degree, dependency};
        return xpm_graph_init(graph, experiment->plan->job_count, &source, err);
}

static void wake(const xpm_experiment *experiment)
{
        int saved = errno;
        if (eventfd_write(experiment->wake, 1) != 0)
                errno = 0; /* the counter is full: it is readable already */
        errno = saved;
}

void xpm_experiment_interrupt(xpm_experiment *experiment)
{
        experiment->interrupts++;
        wake(experiment);
}

void xpm_experiment_leave(xpm_experiment *experiment)
{
        experiment->leaves = 1;
        wake(experiment);
}

const char *xpm_experiment_id(const xpm_experiment *experiment)
{
        return experiment->plan->id;
}

const char *xpm_experiment_title(const xpm_experiment *experiment)
{
        return experiment->plan->title;
}

const char *xpm_experiment_workspace(const xpm_experiment *experiment)
{
        return experiment->workspace->path;
}

const char *xpm_experiment_run_path(const xpm_experiment *experiment)
{
        return experiment->run_path;
}

size_t xpm_experiment_job_count(const xpm_experiment *experiment)
{
        return experiment->plan->job_count;
}

const xpm_job *xpm_experiment_job(const xpm_experiment *experiment, size_t index)
{
        return experiment->plan->jobs[index];
}

void xpm_job_identifier(const xpm_job *job, char id[XPM_JOB_ID_SIZE])
{
        xpm_hex(job->config->id, sizeof job->config->id, id);
}

const char *xpm_job_task(const xpm_job *job)
{
        return job->config->type->lower;
}

const char *xpm_job_script(const xpm_job *job)
{
        const char *dot = strrchr(job->config->type->lower, '.');
        return dot ? dot + 1 : job->config->type->lower;
}

const char *xpm_job_step(const xpm_job *job)
{
        return job->step->name;
}
