/* The engine of an experiment as a small batch job of Slurm's: experiments/ID/engine.sh, made for reading, which the
 * engine itself submits again before its time is over. It goes by sbatch, which knows every option that a site has and
 * what users set by environment; one submission in a day need not be fast.
 *
 * Its comment names the workspace and the experiment. So an engine that waits or runs already is found, also one whose
 * submission nobody heard of; and where there are two after all (a node died in between, two shells submitted at once)
 * the older one leaves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/spawn.h"
#include "engine/experiment.h"
#include "engine/schedulertime.h"

/* How long it runs, where the partition allows it; seconds before its end at which it is told. */
enum { DAY = 86400, NOTICE = 120, OUTPUT = 64 << 20 };

#define SIGNAL "B:USR1@%d"

extern char **environ;

/* What an enclosing job was told is not for the next one, and what users set for squeue would change what it prints. */
static bool is_passed_on(const char *variable, bool allocated)
{
        static const char *const dropped[] = {"SQUEUE_", "SINFO_", "SLURM_TIME_FORMAT=", "XPM_ENGINE="};
        for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
                if (strncmp(variable, dropped[i], strlen(dropped[i])) == 0)
                        return false;
        return !allocated || strncmp(variable, "SLURM", 5) != 0 || strncmp(variable, "SLURM_CONF=", 11) == 0;
}

/* The line that tells most: `sbatch: error: Batch job submission failed: WORDS`. */
static int refused(const char *program, int status, xpm_text *said, xpm_error *err)
{
        const char *text = xpm_text_string(said), *last = text;
        for (const char *at = text; (at = strstr(at, "error: ")); at++)
                last = at + strlen("error: ");
        if (!*last)
                return xpm_fail(err, XPM_ELAUNCHER, "'%s' failed with status %d", program,
                                WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        return xpm_fail(err, XPM_ELAUNCHER, "'%s' failed: %.*s", program, (int)strcspn(last, "\n"), last);
}

/* Run one of Slurm's commands. */
static int ask(const char *const *argv, xpm_text *output, xpm_error *err)
{
        bool allocated = getenv("SLURM_JOB_ID") != NULL;
        xpm_error inner = XPM_ERROR_NONE;
        xpm_text said = XPM_TEXT_INIT;
        xpm_spawn spawn = XPM_SPAWN_INIT;
        size_t count = 0, kept = 0;
        int status = 0;
        while (environ[count])
                count++;
        const char **env = calloc(count + 1, sizeof *env);
        if (!env)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < count; i++)
                if (is_passed_on(environ[i], allocated))
                        env[kept++] = environ[i];
        spawn.argv = argv;
        spawn.env = env;
        int rc = xpm_spawn_capture(&spawn, NULL, 0, OUTPUT, output, &said, &status, &inner);
        free(env);
        if (rc == XPM_ENOMEM)
                xpm_fail_memory(err);
        else if (rc != 0)
                rc = xpm_fail(err, XPM_ELAUNCHER, "%s: is this a login node of a cluster with Slurm?", inner.message);
        else if (status != 0)
                rc = refused(argv[0], status, &said, err);
        xpm_text_release(&said);
        return rc;
}

static void put_comment(const xpm_experiment *experiment, xpm_text *text)
{
        xpm_text_printf(text, "xpm:%s:engine:%s", experiment->workspace->path, experiment->plan->id);
}

int xpm_experiment_find_engine(const xpm_experiment *experiment, long except, xpm_engine_job *found, xpm_error *err)
{
        char user[24];
        xpm_text list = XPM_TEXT_INIT, comment = XPM_TEXT_INIT;
        snprintf(user, sizeof user, "--user=%ld", (long)geteuid());
        const char *const argv[] = {"squeue", "--noheader", user, "--format=%i|%T|%k", NULL};
        *found = (xpm_engine_job){0};
        put_comment(experiment, &comment);
        int rc = ask(argv, &list, err);
        if (rc == 0 && (comment.failed || list.failed))
                rc = xpm_fail_memory(err);
        char *rest = rc == 0 ? list.data : NULL, *line;
        while ((line = strsep(&rest, "\n"))) {
                char *state = strchr(line, '|'), *words = state ? strchr(state + 1, '|') : NULL;
                long job = atol(line);
                /* One that is ending does nothing more. */
                if (!words || job == except || job < found->job || strcmp(words + 1, comment.data) != 0 ||
                    strncmp(state + 1, "COMPLETING", 10) == 0)
                        continue;
                found->job = job;
                snprintf(found->state, sizeof found->state, "%.*s", (int)(words - state - 1), state + 1);
        }
        xpm_text_release(&list);
        xpm_text_release(&comment);
        return rc;
}

/* One of OPTIONS that is `--NAME…` or `-LETTER…`: what stands behind it, or NULL. */
static const char *given(const char *const *options, const char *name, char letter)
{
        const char *found = NULL;
        for (; *options; options++) {
                const char *option = *options;
                if (option[0] == '-' && option[1] == letter && letter)
                        found = option + 2;
                else if (strncmp(option, name, strlen(name)) == 0)
                        found = option + strlen(name);
        }
        return found;
}

static bool is_listed(const char *name, size_t length, const char *list)
{
        for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
                if (strcspn(at, ", ") == length && strncmp(at, name, length) == 0)
                        return true;
        return false;
}

/* A day, or what the partition allows; nothing where Slurm does not tell: sbatch will say why. */
static void put_time(const char *const *options, xpm_text *script)
{
        static const char *const argv[] = {"sinfo", "--noheader", "--format=%P|%l", NULL};
        const char *partition = given(options, "--partition", 'p'), *shortest = "1-00:00:00";
        xpm_text list = XPM_TEXT_INIT;
        int64_t least = DAY;
        if (!partition)
                partition = getenv("SBATCH_PARTITION");
        partition = partition ? partition + strspn(partition, "= ") : NULL;
        if (ask(argv, &list, NULL) == 0 && !list.failed) {
                char *rest = list.data, *line;
                while ((line = strsep(&rest, "\n"))) {
                        char *bar = strchr(line, '|');
                        bool standard = bar && bar > line && bar[-1] == '*';
                        size_t length = bar ? (size_t)(bar - line) - standard : 0;
                        int64_t limit = bar ? xpm_scheduler_seconds(bar + 1) : -1;
                        if (limit <= 0 || limit >= least ||
                            !(partition ? is_listed(line, length, partition) : standard))
                                continue;
                        least = limit;
                        shortest = bar + 1;
                }
                xpm_text_printf(script, "#SBATCH --time=%s\n", shortest);
        }
        xpm_text_release(&list);
}

/* As sbatch reads it: between quotes a backslash takes the next character's meaning. */
static void put_quoted(xpm_text *script, const char *name, const char *value, bool pattern)
{
        xpm_text_printf(script, "#SBATCH %s=\"", name);
        for (; *value; value++) {
                if (*value == '"' || *value == '\\')
                        xpm_text_putc(script, '\\');
                if (*value == '%' && pattern)
                        xpm_text_putc(script, '%');
                xpm_text_putc(script, *value);
        }
        xpm_text_puts(script, "\"\n");
}

static void put_option(const char *option, xpm_text *script)
{
        const char *equal = strchr(option, '=');
        char name[64];
        if (!equal || !strpbrk(equal, " \"'\\#") || equal - option >= (ptrdiff_t)sizeof name) {
                xpm_text_printf(script, "#SBATCH %s\n", option);
                return;
        }
        snprintf(name, sizeof name, "%.*s", (int)(equal - option), option);
        put_quoted(script, name, equal + 1, false);
}

static void put_directives(const xpm_experiment *experiment, const char *const *options, const char *log,
                           xpm_text *script)
{
        xpm_text comment = XPM_TEXT_INIT, name = XPM_TEXT_INIT;
        xpm_text_printf(&name, "xpm-%s", experiment->plan->id);
        put_quoted(script, "--job-name", xpm_text_string(&name), false);
        xpm_text_puts(script, "#SBATCH --nodes=1\n#SBATCH --ntasks=1\n#SBATCH --cpus-per-task=1\n");
        if (!given(options, "--mem", '\0'))
                xpm_text_puts(script, "#SBATCH --mem=1G\n");
        if (!given(options, "--time", 't'))
                put_time(options, script);
        xpm_text_printf(script, "#SBATCH --signal=" SIGNAL "\n#SBATCH --requeue\n#SBATCH --open-mode=append\n", NOTICE);
        put_quoted(script, "--output", log, true);
        for (; *options; options++)
                put_option(*options, script);
        put_comment(experiment, &comment);
        put_quoted(script, "--comment", xpm_text_string(&comment), false);
        script->failed |= comment.failed || name.failed;
        xpm_text_release(&comment);
        xpm_text_release(&name);
}

static void put_script(const xpm_experiment *experiment, const xpm_engine_command *command, mode_t mask,
                       const char *path, const char *log, xpm_text *script)
{
        xpm_text_printf(
                script,
                "#!/bin/sh\n"
                "# The engine of experiment %s. 'xpm run-experiment --submit' wrote this file and submitted it; "
                "before its time\n# is over the engine submits it again, as long as there is work.\n#\n",
                experiment->plan->id);
        put_directives(experiment, command->options, log, script);
        xpm_text_printf(script, "\numask 0%03o\ncd ", (unsigned)mask);
        xpm_text_shell_quote(script, experiment->cwd, strlen(experiment->cwd));
        xpm_text_puts(script, " || exit\nexport XPM_ENGINE=");
        xpm_text_shell_quote(script, path, strlen(path));
        xpm_text_printf(script, "\nexec %s\n", command->line);
}

/* The words of sbatch, NULL: out of memory. Of what stands in the script, what users set by environment (SBATCH_…)
 * would take the place; not of these: what they said for this job, and what we need. DEPENDENCY: NULL, or one more. */
static const char **sbatch_words(xpm_arena *arena, const xpm_experiment *experiment, const char *script,
                                 const char *const *options, const char *dependency)
{
        enum { OWN = 8 };
        size_t count = 0, n = 0;
        xpm_text comment = XPM_TEXT_INIT;
        while (options[count])
                count++;
        const char **words = xpm_arena_calloc(arena, 2 * count + OWN, sizeof *words);
        xpm_text_puts(&comment, "--comment=");
        put_comment(experiment, &comment);
        const char *own = comment.failed ? NULL : xpm_arena_strdup(arena, comment.data);
        xpm_text_release(&comment);
        if (!words || !own)
                return NULL;
        words[n++] = "sbatch";
        words[n++] = "--parsable";
        words[n++] = xpm_arena_printf(arena, "--signal=" SIGNAL, NOTICE);
        for (size_t i = 0; i < count; i++) {
                /* `-p debug` */
                size_t length = strcspn(options[i], " ="), more = strspn(options[i] + length, " ");
                words[n++] = more ? xpm_arena_strndup(arena, options[i], length) : options[i];
                if (more && options[i][length + more])
                        words[n++] = options[i] + length + more;
        }
        words[n++] = own;
        if (dependency)
                words[n++] = dependency;
        words[n++] = script;
        for (size_t i = 0; i < n; i++)
                if (!words[i])
                        return NULL;
        return words;
}

static int send(const xpm_experiment *experiment, const char *script, const char *const *options,
                const char *dependency, xpm_engine_job *made, xpm_error *err)
{
        xpm_text output = XPM_TEXT_INIT;
        xpm_arena *arena = xpm_arena_create();
        const char **words = arena ? sbatch_words(arena, experiment, script, options, dependency) : NULL;
        int rc = words ? ask(words, &output, err) : xpm_fail_memory(err);
        *made = (xpm_engine_job){.job = rc == 0 ? atol(xpm_text_string(&output)) : 0, .state = "PENDING"};
        if (rc == 0 && made->job <= 0)
                rc = xpm_fail(err, XPM_ELAUNCHER, "'sbatch' told no number: '%.200s'", xpm_text_string(&output));
        xpm_text_release(&output);
        xpm_arena_destroy(arena);
        return rc;
}

static int check_options(const char *const *options, xpm_error *err)
{
        for (; *options; options++)
                if (**options != '-' || strchr(*options, '\n'))
                        return xpm_fail(err, XPM_EUSAGE,
                                        "'%s' is no option of sbatch: write --sbatch-option=--time=12:00:00", *options);
        return 0;
}

/* Lines of `#SBATCH` and of listings cannot hold it. */
static int check_path(const char *path, xpm_error *err)
{
        return strchr(path, '\n') ? xpm_fail(err, XPM_EUSAGE,
                                             "the path of the workspace has a line break, which Slurm cannot be told: "
                                             "leave out --submit, or name another by --workdir")
                                  : 0;
}

static int write_script(const xpm_experiment *experiment, const xpm_engine_command *command, mode_t mask,
                        const char *path, const char *log, xpm_error *err)
{
        const xpm_workspace *workspace = experiment->workspace;
        xpm_text script = XPM_TEXT_INIT, directory = XPM_TEXT_INIT;
        xpm_text_printf(&directory, "experiments/%s", experiment->plan->id);
        put_script(experiment, command, mask, path, log, &script);
        int rc = script.failed || directory.failed
                         ? xpm_fail_memory(err)
                         : xpm_mkdir_p(workspace->dir, directory.data, workspace->directory_mode, err);
        if (rc == 0)
                rc = xpm_file_replace(workspace->dir, path + strlen(workspace->path) + 1, script.data, script.length,
                                      workspace->file_mode, err);
        xpm_text_release(&script);
        xpm_text_release(&directory);
        return rc;
}

/* A second engine would wait for the first, in an allocation. */
static int check_alone(const xpm_experiment *experiment, xpm_error *err)
{
        const char *id = experiment->plan->id;
        xpm_engine_job there;
        xpm_text lock = XPM_TEXT_INIT;
        int rc = xpm_experiment_find_engine(experiment, 0, &there, err);
        if (rc == 0 && there.job)
                return xpm_fail(err, XPM_ELOCKED,
                                "the engine of '%s' is Slurm's job %ld already (%s): nothing was submitted; "
                                "'scancel %ld' ends it",
                                id, there.job, there.state, there.job);
        if (rc != 0 || experiment->workspace->dir < 0)
                return rc;
        xpm_text_printf(&lock, "experiments/%s/lock", id);
        int held = lock.failed ? xpm_fail_memory(err) : xpm_lock_is_held(experiment->workspace->dir, lock.data, err);
        rc = held > 0 ? xpm_fail(err, XPM_ELOCKED, "'%s' is being run already, as '%s/%s' tells: nothing was submitted",
                                 id, experiment->workspace->path, lock.data)
                      : held;
        xpm_text_release(&lock);
        return rc;
}

int xpm_experiment_submit(xpm_experiment *experiment, const xpm_engine_command *command, xpm_engine_job *made,
                          xpm_error *err)
{
        mode_t mask = umask(0);
        umask(mask);
        int rc = check_options(command->options, err);
        if (rc == 0)
                rc = check_path(experiment->workspace->path, err);
        if (rc == 0)
                rc = check_alone(experiment, err);
        if (rc == 0)
                rc = xpm_experiment_prepare(experiment, err);
        if (rc != 0)
                return rc;
        char *path = NULL, *log = NULL;
        if (asprintf(&path, "%s/experiments/%s/engine.sh", experiment->workspace->path, experiment->plan->id) < 0)
                path = NULL;
        if (asprintf(&log, "%s/experiments/%s/engine.log", experiment->workspace->path, experiment->plan->id) < 0)
                log = NULL;
        rc = path && log ? write_script(experiment, command, mask, path, log, err) : xpm_fail_memory(err);
        if (rc == 0)
                rc = send(experiment, path, command->options, NULL, made, err);
        free(path);
        free(log);
        return rc;
}

int xpm_experiment_resubmit(const xpm_experiment *experiment, const char *script, const char *const *options, long self,
                            xpm_engine_job *made, xpm_error *err)
{
        char dependency[64];
        struct stat st;
        if (lstat(script, &st) != 0)
                return xpm_fail_errno(err, "cannot submit '%s' again", script);
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
                return xpm_fail(err, XPM_EIO, "'%s' is not a file of yours: it is not submitted", script);
        int rc = xpm_experiment_find_engine(experiment, self, made, err);
        if (rc != 0 || made->job > self)
                return rc;
        snprintf(dependency, sizeof dependency, "--dependency=afterany:%ld", self);
        return send(experiment, script, options, dependency, made, err);
}
