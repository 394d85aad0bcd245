/* XPM_… come before the plan's `env`, so that a plan may name them and may set XPM_CORES itself. A run file sets the
 * same `env` in the same order by `export NAME="…"`: what is expanded here is what a POSIX shell expands between double
 * quotes, no more. */
#include "exec/environ.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Room for what every job gets beyond the base. */
enum { OWN = 24 };

bool xpm_environ_is_scrubbed(const char *variable)
{
        /* What Open MPI, MPICH, PMIx, PRRTE and a Slurm step tell their own processes, and what an outer job of ours
         * was told. SLURM_JOB_… of the allocation stay. */
        static const char *const prefixes[] = {
                "OMPI_",
                "PMIX_",
                "PMI_",
                "PRTE_",
                "ORTE_",
                "HYDRA_",
                "HYDI_",
                "MPIEXEC_",
                "SLURM_CPU_BIND",
                "SLURM_MEM_BIND",
                "SLURM_STEP",
                "SLURM_SRUN_",
                "SLURM_PMI",
                "SLURM_LAUNCH_",
                "SLURM_PROCID=",
                "SLURM_LOCALID=",
                "SLURM_GTIDS=",
                "SLURM_TASK_PID=",
                "SLURM_DISTRIBUTION=",
                "XPM_WORKER=",
                "XPM_ENGINE=",
                "XPM_JOB_DIR=",
                "XPM_PARAMS=",
                "XPM_JOB_ID=",
                "XPM_TASK_ID=",
                "PWD=",
                "OLDPWD=",
                "XPM_EXPERIMENT_",
                "XPM_RESULTS_DIR=",
                "XPM_WORKSPACE=",
                "XPM_CORES=",
                "XPM_GPUS=",
                "XPM_DEADLINE=",
                "XPM_JOB_NONCE=",
                "OMP_NUM_THREADS=",
                "OMP_PLACES=",
        };
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
                if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
                        return true;
        return false;
}

int xpm_environ_init(xpm_environ *environ_, char *const *environment, xpm_error *err)
{
        size_t count = 0;
        while (environment[count])
                count++;
        *environ_ = (xpm_environ){.base = calloc(count + 1, sizeof *environ_->base)};
        if (!environ_->base)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < count; i++)
                if (!xpm_environ_is_scrubbed(environment[i]))
                        environ_->base[environ_->count++] = environment[i];
        return 0;
}

void xpm_environ_release(xpm_environ *environ_)
{
        free(environ_->base);
        *environ_ = (xpm_environ){0};
}

/* An environment being made. */
typedef struct variables {
        const char **items;
        size_t count;
        xpm_arena *arena;
        bool failed;
} variables;

static void add(variables *vars, const char *name, const char *value)
{
        size_t length = strlen(name), size = strlen(value) + 1;
        char *variable = xpm_arena_alloc(vars->arena, length + 1 + size);
        if (!variable) {
                vars->failed = true;
                return;
        }
        memcpy(variable, name, length);
        variable[length] = '=';
        memcpy(variable + length + 1, value, size);
        vars->items[vars->count++] = variable;
}

static size_t find(const variables *vars, const char *name, size_t length)
{
        size_t i = 0;
        while (i < vars->count && !(strncmp(vars->items[i], name, length) == 0 && vars->items[i][length] == '='))
                i++;
        return i;
}

static void set(variables *vars, const char *name, const char *value)
{
        size_t at = find(vars, name, strlen(name));
        add(vars, name, value);
        if (!vars->failed && at + 1 < vars->count) {
                vars->items[at] = vars->items[--vars->count];
                vars->items[vars->count] = NULL;
        }
}

static void add_int(variables *vars, const char *name, int64_t value)
{
        char text[24];
        snprintf(text, sizeof text, "%" PRId64, value);
        add(vars, name, text);
}

static bool is_name(char c, bool first)
{
        return isalpha((unsigned char)c) || c == '_' || (!first && isdigit((unsigned char)c));
}

/* The name after a dollar: its length, 0 when there is none; *SKIP is how much of TEXT it takes. */
static size_t name_length(const char *text, const char **name, size_t *skip)
{
        bool braces = text[0] == '{';
        size_t length = 0;
        *name = text + braces;
        while (is_name((*name)[length], length == 0))
                length++;
        if (braces && (*name)[length] != '}')
                return 0;
        *skip = length + (braces ? 2 : 0);
        return length;
}

static void expand(const variables *vars, const char *value, xpm_text *out)
{
        for (; *value; value++) {
                const char *name;
                size_t skip, length = *value == '$' ? name_length(value + 1, &name, &skip) : 0;
                if (length == 0) {
                        xpm_text_putc(out, *value);
                        continue;
                }
                size_t at = find(vars, name, length);
                if (at < vars->count)
                        xpm_text_puts(out, vars->items[at] + length + 1);
                value += skip;
        }
}

void xpm_environ_expand(char *const *environment, const char *value, xpm_text *out)
{
        variables vars = {.items = (const char **)environment};
        while (environment[vars.count])
                vars.count++;
        expand(&vars, value, out);
}

void xpm_environ_quote(xpm_text *out, const char *value)
{
        if (!strchr(value, '$')) {
                xpm_text_shell_quote(out, value, strlen(value));
                return;
        }
        xpm_text_putc(out, '"');
        for (; *value; value++) {
                const char *name;
                size_t skip;
                bool special = strchr("\"\\`", *value) || (*value == '$' && name_length(value + 1, &name, &skip) == 0);
                if (special)
                        xpm_text_putc(out, '\\');
                xpm_text_putc(out, *value);
        }
        xpm_text_putc(out, '"');
}

/* What it got, where the host has less than it asked for: as many threads as it asked for would be in each other's way.
 * With ranks it is for each of them. */
static int64_t cores_of(const xpm_jobspec *spec, const xpm_seat *seat)
{
        bool less = seat && seat->cores > 0 && spec->need.ranks == 0 && (int64_t)seat->cores < spec->need.cores;
        return less ? (int64_t)seat->cores : spec->need.cores;
}

/* A job sees its own devices, and none when it asked for none: those of others are not to be touched by chance. */
static void add_seat(variables *vars, const xpm_jobspec *spec, const xpm_seat *seat)
{
        bool ranks = spec->need.ranks > 0; /* whoever starts them gives each its part */
        add_int(vars, "OMP_NUM_THREADS", cores_of(spec, seat));
        if (!seat)
                return;
        if (seat->this_system && !ranks)
                add(vars, "OMP_PLACES", seat->places);
        if (seat->cuda)
                set(vars, "CUDA_VISIBLE_DEVICES", seat->cuda);
        if (seat->rocm)
                set(vars, "ROCR_VISIBLE_DEVICES", seat->rocm);
        if (seat->level_zero) { /* whole devices are what the numbers of the mask have to mean */
                set(vars, "ZE_AFFINITY_MASK", seat->level_zero);
                set(vars, "ZE_FLAT_DEVICE_HIERARCHY", "COMPOSITE");
        }
}

static void add_own(variables *vars, const xpm_jobspec *spec, const xpm_environ_attempt *attempt)
{
        int64_t gpus = 0;
        for (size_t i = 0; i < spec->need.gpu_count; i++)
                gpus += spec->need.gpus[i].count;
        const char *params = xpm_arena_printf(vars->arena, "%s/params.json", spec->path);
        add(vars, "PWD", spec->cwd ? spec->cwd : spec->path);
        add(vars, "XPM_JOB_DIR", spec->path);
        add(vars, "XPM_PARAMS", params ? params : "");
        add(vars, "XPM_JOB_ID", spec->job_id);
        add(vars, "XPM_TASK_ID", spec->task_id);
        add(vars, "XPM_EXPERIMENT_ID", spec->experiment_id);
        add(vars, "XPM_EXPERIMENT_DIR", spec->experiment_dir);
        add(vars, "XPM_RESULTS_DIR", spec->results);
        add(vars, "XPM_WORKSPACE", spec->workspace);
        add_int(vars, "XPM_CORES", cores_of(spec, attempt->seat));
        add_int(vars, "XPM_GPUS", gpus);
        add(vars, "XPM_JOB_NONCE", attempt->nonce);
        add_seat(vars, spec, attempt->seat);
        if (attempt->deadline)
                add_int(vars, "XPM_DEADLINE", attempt->deadline);
        vars->failed |= !params;
}

static void add_plan(variables *vars, const xpm_jobspec *spec)
{
        xpm_text value = XPM_TEXT_INIT;
        for (size_t i = 0; i < spec->env_count; i++) {
                xpm_text_clear(&value);
                expand(vars, spec->env[i].value, &value);
                set(vars, spec->env[i].name, xpm_text_string(&value));
        }
        vars->failed |= value.failed;
        xpm_text_release(&value);
}

static bool is_bound(const xpm_jobspec *spec, const char *name)
{
        for (size_t i = 0; i < spec->env_count; i++)
                if (strcmp(spec->env[i].name, name) == 0)
                        return true;
        return false;
}

/* What the plan gives a secret stands in no run file, so the run file finds it in its environment. */
static void add_secrets(variables *vars, const xpm_jobspec *spec, size_t capacity)
{
        if (spec->secret_count == 0 || spec->env_count == 0)
                return;
        variables all = {.arena = vars->arena, .count = vars->count};
        all.items = xpm_arena_calloc(vars->arena, capacity, sizeof *all.items);
        if (!all.items) {
                vars->failed = true;
                return;
        }
        memcpy(all.items, vars->items, vars->count * sizeof *all.items);
        add_plan(&all, spec);
        for (size_t i = 0; i < spec->secret_count && !all.failed; i++) {
                const char *name = spec->secrets[i];
                if (is_bound(spec, name))
                        set(vars, name, all.items[find(&all, name, strlen(name))] + strlen(name) + 1);
        }
        vars->failed |= all.failed;
}

/* With what Slurm tells of the allocation, mpirun would take nodes and slots from there, in which others run too, and
 * would bind by it; without, it counts the processors that the job is bound to. */
static void drop_allocation(variables *vars)
{
        size_t kept = 0;
        for (size_t i = 0; i < vars->count; i++)
                if (strncmp(vars->items[i], "SLURM_", strlen("SLURM_")) != 0)
                        vars->items[kept++] = vars->items[i];
        memset(vars->items + kept, 0, (vars->count - kept) * sizeof *vars->items);
        vars->count = kept;
}

int xpm_environ_make(const xpm_environ *environ_, xpm_arena *arena, const xpm_jobspec *spec, bool by_run_file,
                     const xpm_environ_attempt *attempt, const char *const **out, xpm_error *err)
{
        variables vars = {.arena = arena};
        size_t capacity = environ_->count + spec->env_count + OWN;
        vars.items = xpm_arena_calloc(arena, capacity, sizeof *vars.items);
        if (!vars.items)
                return xpm_fail_memory(err);
        memcpy(vars.items, environ_->base, environ_->count * sizeof *vars.items);
        vars.count = environ_->count;
        if (attempt->guest && spec->need.ranks > 0)
                drop_allocation(&vars);
        add_own(&vars, spec, attempt);
        if (by_run_file) {
                add_secrets(&vars, spec, capacity);
                add(&vars, "XPM_WORKER", spec->job_id);
        } else
                add_plan(&vars, spec);
        if (vars.failed)
                return xpm_fail_memory(err);
        *out = vars.items;
        return 0;
}
