/* sbatch: _set_rlimit_env(), _set_umask_env(), _set_submit_dir_env(), set_envs() … Which resource limits are propagated
 * is for the node's daemon to say, which takes these variables away again. */
#include "jobenvironment.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slurmcommands.h"

extern char **environ;

enum { MORE = 32 };

typedef struct variables {
        char **items;
        size_t count;
        bool failed;
} variables;

/* A later value takes the place of an earlier one. */
static void set(variables *variables_, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void set(variables *variables_, const char *name, const char *format, ...)
{
        char *value = NULL, *whole = NULL;
        size_t length = strlen(name), at = 0;
        va_list args;
        va_start(args, format);
        if (vasprintf(&value, format, args) < 0)
                value = NULL;
        va_end(args);
        if (!value || asprintf(&whole, "%s=%s", name, value) < 0) {
                free(value);
                variables_->failed = true;
                return;
        }
        free(value);
        while (at < variables_->count &&
               (strncmp(variables_->items[at], name, length) != 0 || variables_->items[at][length] != '='))
                at++;
        if (at == variables_->count)
                variables_->count++;
        else
                free(variables_->items[at]);
        variables_->items[at] = whole;
}

static void set_limits(variables *variables_)
{
        static const struct {
                const char *name;
                int resource;
        } limits[] = {{"CPU", RLIMIT_CPU},      {"FSIZE", RLIMIT_FSIZE}, {"DATA", RLIMIT_DATA},
                      {"STACK", RLIMIT_STACK},  {"CORE", RLIMIT_CORE},   {"RSS", RLIMIT_RSS},
                      {"AS", RLIMIT_AS},        {"NPROC", RLIMIT_NPROC}, {"MEMLOCK", RLIMIT_MEMLOCK},
                      {"NOFILE", RLIMIT_NOFILE}};
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
                struct rlimit limit;
                char name[32];
                snprintf(name, sizeof name, "SLURM_RLIMIT_%s", limits[i].name);
                if (getrlimit(limits[i].resource, &limit) == 0)
                        set(variables_, name, "%lu", (unsigned long)limit.rlim_cur);
        }
}

static void set_place(variables *variables_)
{
        char host[256];
        char *here = getcwd(NULL, 0);
        if (here)
                set(variables_, "SLURM_SUBMIT_DIR", "%s", here);
        free(here);
        if (gethostname(host, sizeof host) == 0) {
                host[sizeof host - 1] = '\0';
                set(variables_, "SLURM_SUBMIT_HOST", "%s", host);
        }
        errno = 0;
        int priority = getpriority(PRIO_PROCESS, 0);
        if (errno == 0)
                set(variables_, "SLURM_PRIO_PROCESS", "%d", priority);
        if (!getenv("SLURM_UMASK")) {
                mode_t mask = umask(0);
                umask(mask);
                set(variables_, "SLURM_UMASK", "0%d%d%d", mask >> 6 & 7, mask >> 3 & 7, mask & 7);
        }
}

char **environment_create(const fields *fields_, size_t *count)
{
        size_t there = 0;
        while (environ[there])
                there++;
        variables all = {.items = calloc(there + MORE, sizeof *all.items)};
        if (!all.items)
                return NULL;
        for (size_t i = 0; i < there && !all.failed; i++)
                if (commands_keep(environ[i])) {
                        char *copy = strdup(environ[i]);
                        all.failed = !copy;
                        if (copy)
                                all.items[all.count++] = copy;
                }
        set_limits(&all);
        set_place(&all);
        set(&all, "SLURM_JOB_NAME", "%s", fields_->desc.name);
        if (fields_->tasks > 0) {
                set(&all, "SLURM_NTASKS", "%ld", fields_->tasks);
                set(&all, "SLURM_NPROCS", "%ld", fields_->tasks);
        }
        if (fields_->cpus > 0)
                set(&all, "SLURM_CPUS_PER_TASK", "%ld", fields_->cpus);
        if (fields_->tasks_per_node > 0)
                set(&all, "SLURM_NTASKS_PER_NODE", "%ld", fields_->tasks_per_node);
        if (fields_->desc.dependency)
                set(&all, "SLURM_JOB_DEPENDENCY", "%s", fields_->desc.dependency);
        if (all.failed) {
                environment_free(all.items);
                return NULL;
        }
        *count = all.count;
        return all.items;
}

void environment_free(char **environment)
{
        for (size_t i = 0; environment && environment[i]; i++)
                free(environment[i]);
        free(environment);
}
