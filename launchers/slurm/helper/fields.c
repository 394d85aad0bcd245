/* As slurm_opt_create_job_desc() and sbatch's _opt_verify() of 22.05 to 25.05 fill the description; a test on a cluster
 * compares the jobs that come of it with sbatch's. */
#include "fields.h"

#include <ctype.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 2, 0)
#define GRES "gres/"
#else
#define GRES "gres:"
#endif

/* What goes over word for word. Paths have to be absolute: sbatch would complete them. */
static const struct {
        const char *name;
        size_t at;
        bool path;
} texts[] = {
        {"account", offsetof(job_desc_msg_t, account), false},
        {"array", offsetof(job_desc_msg_t, array_inx), false},
        {"chdir", offsetof(job_desc_msg_t, work_dir), true},
        {"comment", offsetof(job_desc_msg_t, comment), false},
        {"constraint", offsetof(job_desc_msg_t, features), false},
        {"dependency", offsetof(job_desc_msg_t, dependency), false},
        {"error", offsetof(job_desc_msg_t, std_err), true},
        {"job-name", offsetof(job_desc_msg_t, name), false},
        {"licenses", offsetof(job_desc_msg_t, licenses), false},
        {"output", offsetof(job_desc_msg_t, std_out), true},
        {"partition", offsetof(job_desc_msg_t, partition), false},
        {"qos", offsetof(job_desc_msg_t, qos), false},
        {"reservation", offsetof(job_desc_msg_t, reservation), false},
        {"wckey", offsetof(job_desc_msg_t, wckey), false},
};

void fields_init(fields *fields_)
{
        *fields_ = (fields){
                .tasks = -1, .tasks_per_node = -1, .cpus = -1, .least_nodes = -1, .most_nodes = -1, .gres = NULL};
        slurm_init_job_desc_msg(&fields_->desc);
        fields_->desc.user_id = getuid();
        fields_->desc.group_id = getgid();
        fields_->desc.contiguous = 0;
        fields_->desc.requeue = 0;
        fields_->desc.std_in = (char *)"/dev/null";
}

void fields_release(fields *fields_)
{
        free(fields_->gres);
        fields_->gres = NULL;
}

/* A whole number from LEAST on, and nothing else. */
static bool read_number(const char *text, long least, long most, long *number)
{
        char *end;
        if (!text || !isdigit((unsigned char)*text))
                return false;
        *number = strtol(text, &end, 10);
        return *end == '\0' && *number >= least && *number <= most;
}

/* `4` or `2-4`. */
static bool set_nodes(fields *fields_, const char *value)
{
        char first[24];
        size_t length = strcspn(value, "-");
        if (length >= sizeof first)
                return false;
        memcpy(first, value, length);
        first[length] = '\0';
        if (!read_number(first, 1, INT_MAX, &fields_->least_nodes))
                return false;
        fields_->most_nodes = fields_->least_nodes;
        return value[length] == '\0' ||
               read_number(value + length + 1, fields_->least_nodes, INT_MAX, &fields_->most_nodes);
}

/* Megabytes without a unit, else K, M, G, T; sbatch rounds up. */
static bool set_memory(fields *fields_, const char *value, uint64_t flag)
{
        char *end;
        if (fields_->memory || !isdigit((unsigned char)*value))
                return false;
        unsigned long long size = strtoull(value, &end, 10);
        char unit = *end ? (char)toupper((unsigned char)*end++) : 'M';
        if (*end || size > 1ULL << 40)
                return false;
        switch (unit) {
        case 'K': size = (size + 1023) / 1024; break;
        case 'M': break;
        case 'G': size <<= 10; break;
        case 'T': size <<= 20; break;
        default: return false;
        }
        fields_->memory = true;
        fields_->desc.pn_min_memory = size | flag;
        return true;
}

/* `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M`, `D-H:M:S`, in minutes, rounded up. */
static bool set_time(fields *fields_, const char *value)
{
        unsigned long part[3] = {0}, days = 0;
        int count = 0;
        const char *dash = strchr(value, '-');
        char *end = (char *)value;
        if (strcasecmp(value, "unlimited") == 0 || strcasecmp(value, "infinite") == 0) {
                fields_->desc.time_limit = INFINITE;
                return true;
        }
        if (dash) {
                days = strtoul(value, &end, 10);
                if (end != dash || dash == value)
                        return false;
                value = dash + 1;
        }
        do {
                if (count == 3 || !isdigit((unsigned char)*value))
                        return false;
                part[count++] = strtoul(value, &end, 10);
                value = end + 1;
        } while (*end == ':');
        if (*end || days > 10000 || part[0] > 100000000 || part[1] > 1000000 || part[2] > 1000000)
                return false;
        unsigned long seconds = dash         ? ((days * 24 + part[0]) * 60 + part[1]) * 60 + part[2]
                                : count == 3 ? (part[0] * 60 + part[1]) * 60 + part[2]
                                             : part[0] * 60 + part[1];
        fields_->desc.time_limit = (uint32_t)((seconds + 59) / 60);
        return true;
}

/* `[B|R|BR:]NAME[@SECONDS]` */
static bool set_signal(fields *fields_, const char *value)
{
        const char *colon = strchr(value, ':'), *at = strchr(value, '@');
        long number = 0, seconds = 60;
        job_desc_msg_t *desc = &fields_->desc;
        desc->warn_flags = 0;
        for (; colon && value < colon; value++)
                if (toupper((unsigned char)*value) == 'B')
                        desc->warn_flags |= KILL_JOB_BATCH;
                else if (toupper((unsigned char)*value) == 'R')
                        desc->warn_flags |= KILL_JOB_RESV;
                else
                        return false;
        value = colon ? colon + 1 : value;
        if (strncasecmp(value, "SIG", 3) == 0)
                value += 3;
        char name[16] = "";
        size_t length = at ? (size_t)(at - value) : strlen(value);
        if (length == 0 || length >= sizeof name || (at && !read_number(at + 1, 0, UINT16_MAX, &seconds)))
                return false;
        memcpy(name, value, length);
        if (!read_number(name, 1, 64, &number))
                for (int i = 1; i < 32 && number == 0; i++)
                        if (sigabbrev_np(i) && strcasecmp(sigabbrev_np(i), name) == 0)
                                number = i;
        desc->warn_signal = (uint16_t)number;
        desc->warn_time = (uint16_t)seconds;
        return number > 0;
}

/* `gpu:a100:2,license:1`, each with the prefix that tells what it counts. What combines several kinds of counts is
 * sbatch's. */
static bool set_devices(fields *fields_, const char *kind, const char *value, char **field)
{
        size_t length = 1;
        if (fields_->devices || strcasecmp(value, "none") == 0 || strcasecmp(value, "help") == 0 ||
            strcasecmp(value, "list") == 0)
                return false;
        for (const char *at = value; at; at = strchr(at + 1, ','))
                length += strlen(GRES) + strlen(kind) + 1;
        free(fields_->gres);
        fields_->gres = malloc(length + strlen(value));
        if (!fields_->gres)
                return false;
        char *out = fields_->gres;
        for (const char *at = value; at;) {
                size_t count = strcspn(at, ",");
                if (count == 0 || strncmp(at, "gres", 4) == 0)
                        return false;
                out = stpcpy(stpcpy(stpcpy(out, out == fields_->gres ? "" : ","), GRES), kind);
                out = mempcpy(out, at, count);
                *out = '\0';
                at = at[count] ? at + count + 1 : NULL;
        }
        fields_->devices = true;
        *field = fields_->gres;
        return true;
}

/* Options without a value, or whose value is one of few words. */
static bool set_flag(fields *fields_, const char *name, const char *value)
{
        job_desc_msg_t *desc = &fields_->desc;
        static const struct {
                const char *name, *value;
                uint16_t shared;
        } sharing[] = {{"exclusive", NULL, JOB_SHARED_NONE},
                       {"exclusive", "user", JOB_SHARED_USER},
                       {"exclusive", "mcs", JOB_SHARED_MCS},
                       {"oversubscribe", NULL, JOB_SHARED_OK},
                       {"share", NULL, JOB_SHARED_OK}};
        for (size_t i = 0; i < sizeof sharing / sizeof *sharing; i++)
                if (strcmp(name, sharing[i].name) == 0 &&
                    (value ? sharing[i].value && strcmp(value, sharing[i].value) == 0 : !sharing[i].value)) {
                        desc->shared = sharing[i].shared;
                        return true;
                }
        if (value && strcmp(name, "kill-on-invalid-dep") == 0) {
                bool yes = strcasecmp(value, "yes") == 0;
                desc->bitflags |= yes ? KILL_INV_DEP : NO_KILL_INV_DEP;
                return yes || strcasecmp(value, "no") == 0;
        }
        if (value)
                return false;
        if (strcmp(name, "contiguous") == 0)
                desc->contiguous = 1;
        else if (strcmp(name, "hold") == 0)
                desc->priority = 0;
        else if (strcmp(name, "requeue") == 0 || strcmp(name, "no-requeue") == 0)
                desc->requeue = *name == 'r';
        else
                return false;
        return true;
}

static bool set_number(fields *fields_, const char *name, const char *value, bool *known)
{
        long number;
        *known = true;
        if (strcmp(name, "ntasks") == 0)
                return read_number(value, 1, INT_MAX, &fields_->tasks);
        if (strcmp(name, "ntasks-per-node") == 0)
                return read_number(value, 1, UINT16_MAX / 2, &fields_->tasks_per_node);
        if (strcmp(name, "cpus-per-task") == 0)
                return read_number(value, 1, UINT16_MAX / 2, &fields_->cpus);
        if (strcmp(name, "nice") == 0) {
                bool below = *value == '-';
                if (!read_number(value + below, 0, INT_MAX / 2, &number))
                        return false;
                fields_->desc.nice = (uint32_t)(NICE_OFFSET + (below ? -number : number));
                return true;
        }
        *known = false;
        return false;
}

bool fields_set(fields *fields_, const char *option)
{
        char name[32];
        bool known;
        job_desc_msg_t *desc = &fields_->desc;
        if (!option || strncmp(option, "--", 2) != 0)
                return false;
        option += 2;
        size_t length = strcspn(option, "=");
        const char *value = option[length] ? option + length + 1 : NULL;
        if (length >= sizeof name || (value && !*value))
                return false;
        memcpy(name, option, length);
        name[length] = '\0';
        for (size_t i = 0; value && i < sizeof texts / sizeof *texts; i++)
                if (strcmp(texts[i].name, name) == 0) {
                        *(char **)((char *)desc + texts[i].at) = (char *)value;
                        return !texts[i].path || *value == '/';
                }
        if (value) {
                bool good = set_number(fields_, name, value, &known);
                if (known)
                        return good;
                if (strcmp(name, "nodes") == 0)
                        return set_nodes(fields_, value);
                if (strcmp(name, "mem") == 0)
                        return set_memory(fields_, value, 0);
                if (strcmp(name, "mem-per-cpu") == 0)
                        return set_memory(fields_, value, MEM_PER_CPU);
                if (strcmp(name, "time") == 0)
                        return set_time(fields_, value);
                if (strcmp(name, "signal") == 0)
                        return set_signal(fields_, value);
                if (strcmp(name, "gres") == 0)
                        return set_devices(fields_, "", value, &desc->tres_per_node);
                if (strcmp(name, "gpus") == 0)
                        return set_devices(fields_, "gpu:", value, &desc->tres_per_job);
                if (strcmp(name, "gpus-per-node") == 0)
                        return set_devices(fields_, "gpu:", value, &desc->tres_per_node);
        }
        return set_flag(fields_, name, value);
}

bool fields_finish(fields *fields_)
{
        job_desc_msg_t *desc = &fields_->desc;
        long tasks = fields_->tasks, likely = 1;
        bool fixed = fields_->least_nodes == fields_->most_nodes;
        /* Nodes that nobody has counted are one. */
        if (tasks < 0 && fields_->tasks_per_node > 0 && fixed)
                tasks = fields_->tasks = labs(fields_->least_nodes) * fields_->tasks_per_node;
        if (tasks > 0)
                likely = tasks;
        else if (fields_->least_nodes > 0 && fixed)
                likely = fields_->least_nodes;
        if (fields_->least_nodes > 0 && tasks > 0) {
                if (tasks < fields_->least_nodes) /* sbatch warns, and takes fewer */
                        return false;
                if (tasks < fields_->most_nodes)
                        fields_->most_nodes = tasks;
        }
        if (fields_->least_nodes > 0) {
                desc->min_nodes = (uint32_t)fields_->least_nodes;
                desc->max_nodes = (uint32_t)fields_->most_nodes;
        }
        if (tasks > 0) {
                desc->num_tasks = (uint32_t)tasks;
                desc->bitflags |= JOB_NTASKS_SET;
        }
        if (fields_->tasks_per_node > 0)
                desc->ntasks_per_node = (uint16_t)fields_->tasks_per_node;
        if (fields_->cpus > 0) {
                desc->cpus_per_task = desc->pn_min_cpus = (uint16_t)fields_->cpus;
                desc->bitflags |= JOB_CPUS_SET;
        }
        desc->min_cpus = (uint32_t)(likely * (fields_->cpus > 0 ? fields_->cpus : 1));
        return desc->name != NULL; /* sbatch has a name for what has none */
}
