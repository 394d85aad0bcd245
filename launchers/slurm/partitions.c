/* What the controller has and allows, so that what it would never run is told before anything is submitted. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slurm.h"

/* Milliseconds in which the controller should answer. */
enum { CHECK = 5000 };

/* The answer to WHAT, or NULL; the caller releases. */
static json_t *ask(slurm *self, const char *what)
{
        json_t *answer = NULL;
        /* Again when the helper has died of it: another one may live. */
        for (int tries = 0; tries == 0 || (tries == 1 && !answer && self->helper.fd < 0); tries++) {
                json_t *request = json_pack("{s:s}", "do", what);
                int64_t id = request ? helper_send(&self->helper, request, NULL) : 0;
                answer = id ? helper_wait(&self->helper, id, CHECK) : NULL;
        }
        if (self->listing) { /* its answer was passed over */
                self->listing = 0;
                self->asked_at = 0;
                self->list_at = slurm_now() + LIST_OFTEN;
        }
        self->core->requested(self->core, (size_t)json_integer_value(json_object_get(answer, "requests")));
        return answer;
}

static void tell(const slurm *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(const slurm *self, const char *format, ...)
{
        enum { DEBUG = 3 };
        char line[512];
        va_list args;
        va_start(args, format);
        vsnprintf(line, sizeof line, format, args);
        va_end(args);
        self->core->log(self->core, DEBUG, line);
}

/* For `xpm launchers check`. */
static void tell_found(const slurm *self, const json_t *answer)
{
        size_t i;
        json_t *one;
        const char *version = json_string_value(json_object_get(answer, "version"));
        long long jobs = json_integer_value(json_object_get(answer, "jobs"));
        tell(self, "Slurm %s, asked by %s; at most %lld jobs in all, %zu in an array", version ? version : "?",
             self->helper.library ? "libslurm" : "its commands", jobs, self->array);
        json_array_foreach(self->partitions, i, one)
        {
                const char *name = json_string_value(json_object_get(one, "name"));
                long long seconds = json_integer_value(json_object_get(one, "seconds"));
                long long nodes = json_integer_value(json_object_get(one, "nodes"));
                char limit[64] = "no time limit";
                if (seconds > 0)
                        snprintf(limit, sizeof limit, "at most %lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60,
                                 seconds % 60);
                tell(self, "partition '%s'%s%s: %lld node%s a job, %s", name ? name : "",
                     json_is_true(json_object_get(one, "default")) ? " (the default one)" : "",
                     json_is_false(json_object_get(one, "up")) ? " (down)" : "", nodes, nodes == 1 ? "" : "s", limit);
        }
}

void slurm_ask_limits(slurm *self)
{
        self->asked_partitions = true;
        json_t *answer = ask(self, "partitions");
        self->partitions = json_incref(json_object_get(answer, "partitions"));
        json_int_t largest = json_integer_value(json_object_get(answer, "array"));
        if (largest > 0 && (size_t)largest < self->array)
                self->array = (size_t)largest;
        const char *error = json_string_value(json_object_get(answer, "error"));
        snprintf(self->trouble, sizeof self->trouble, "Slurm does not answer: %s",
                 error ? error : "nothing was heard for 5 s ('scontrol ping' tells whether its controller is up)");
        if (self->partitions)
                tell_found(self, answer);
        json_decref(answer);
}

/* A number of PARTITION; 0: not known, or no limit. */
static long long number(const json_t *partition, const char *key)
{
        return json_integer_value(json_object_get(partition, key));
}

static const char *name_of(const json_t *partition)
{
        const char *name = json_string_value(json_object_get(partition, "name"));
        return name ? name : "";
}

static const json_t *find_partition(const slurm *self, const char *name)
{
        size_t i;
        json_t *one;
        json_array_foreach(self->partitions, i, one)
        {
                bool standard = json_is_true(json_object_get(one, "default"));
                if (name ? strcmp(name_of(one), name) == 0 : standard)
                        return one;
        }
        return NULL;
}

/* Slurm's nodes are described only when a job wants more of one than they have on average: there may be thousands. */
static bool is_below_average(const json_t *partition, const slurm_share *share)
{
        long long total = number(partition, "total");
        return share->gpus == 0 && share->cores * total <= number(partition, "cpus") &&
               (long long)share->memory * total <= number(partition, "memory");
}

/* Does a node of PARTITION have SHARE? True also where that is not known. *MOST: the largest of them. */
static bool has_node(slurm *self, const json_t *partition, const slurm_share *share, slurm_share *most)
{
        size_t i;
        json_t *one;
        bool known = false;
        if (!self->asked_nodes) {
                json_t *answer = ask(self, "nodes");
                self->asked_nodes = true;
                self->nodes = json_incref(json_object_get(answer, "nodes"));
                json_decref(answer);
        }
        *most = (slurm_share){0};
        json_array_foreach(self->nodes, i, one)
        {
                if (strcmp(json_string_value(json_object_get(one, "partition")), name_of(partition)) != 0)
                        continue;
                const slurm_share has = {.cores = number(one, "cpus"),
                                         .memory = (uint64_t)number(one, "memory"),
                                         .gpus = number(one, "gpus")};
                if (share->cores <= has.cores && share->memory <= has.memory && share->gpus <= has.gpus)
                        return true;
                most->cores = has.cores > most->cores ? has.cores : most->cores;
                most->memory = has.memory > most->memory ? has.memory : most->memory;
                most->gpus = has.gpus > most->gpus ? has.gpus : most->gpus;
                known = true;
        }
        return !known;
}

static int refuse(xpm_error *err, const json_t *partition, long long wants, const char *what, long long has)
{
        char words[512];
        snprintf(words, sizeof words, "it wants %lld %s, and partition '%s' has %lld", wants, what, name_of(partition),
                 has);
        return slurm_fail(err, XPM_ELAUNCHER, words);
}

static int check_nodes(slurm *self, const json_t *partition, const xpm_shape *shape, xpm_error *err)
{
        const slurm_share share = slurm_share_of(shape);
        slurm_share most;
        char words[512];
        long long nodes = number(partition, "nodes");
        if (nodes > 0 && share.nodes > nodes)
                return refuse(err, partition, share.nodes, "nodes", nodes);
        /* Ranks may be dealt out as it goes, and yet there have to be cores for all of them. */
        if (number(partition, "cpus") > 0 && shape->cores > number(partition, "cpus"))
                return refuse(err, partition, shape->cores, "cores", number(partition, "cpus"));
        if (is_below_average(partition, &share) || has_node(self, partition, &share, &most))
                return 0;
        if (share.cores > most.cores)
                return refuse(err, partition, share.cores, "cores of a node", most.cores);
        if (share.memory > most.memory)
                return refuse(err, partition, (long long)share.memory, "MiB of a node", (long long)most.memory);
        if (share.gpus > most.gpus)
                return refuse(err, partition, share.gpus, "GPUs of a node", most.gpus);
        snprintf(words, sizeof words,
                 "it wants %lld cores, %lld MiB and %lld GPUs of a node, and partition '%s' has "
                 "none with all of that",
                 (long long)share.cores, (long long)share.memory, (long long)share.gpus, name_of(partition));
        return slurm_fail(err, XPM_ELAUNCHER, words);
}

static int check_partition(slurm *self, const json_t *partition, const xpm_shape *shape, xpm_error *err)
{
        long long seconds = number(partition, "seconds");
        if (seconds > 0 && shape->duration > seconds) {
                char words[512];
                snprintf(words, sizeof words, "it wants %lld s, and partition '%s' allows %lld",
                         (long long)shape->duration, name_of(partition), seconds);
                return slurm_fail(err, XPM_ELAUNCHER, words);
        }
        return check_nodes(self, partition, shape, err);
}

/* One that is open to everybody and takes what the default one, USUAL, does not; NULL. */
static const json_t *find_other(slurm *self, const json_t *usual, const xpm_shape *shape)
{
        size_t i;
        json_t *one;
        json_array_foreach(self->partitions, i, one)
        {
                bool open = json_is_true(json_object_get(one, "open")) && json_is_true(json_object_get(one, "up"));
                if (one != usual && open && check_partition(self, one, shape, NULL) == 0)
                        return one;
        }
        return NULL;
}

/* The one that the user names: in launchers.yaml, or to sbatch. NULL: none. */
static const char *named(const slurm *self)
{
        const char *name = json_string_value(json_object_get(json_object_get(self->config, "options"), "partition"));
        if (!name)
                name = getenv("SBATCH_PARTITION");
        return name && *name ? name : NULL;
}

const char *slurm_partition(slurm *self, const xpm_shape *shape)
{
        const json_t *usual = named(self) ? NULL : find_partition(self, NULL);
        if (!usual || check_partition(self, usual, shape, NULL) == 0)
                return NULL;
        const json_t *other = find_other(self, usual, shape);
        return other ? name_of(other) : NULL;
}

int slurm_check(void *instance, const xpm_shape *shape, xpm_error *err)
{
        slurm *self = instance;
        char words[512];
        if (!self->asked_partitions)
                slurm_ask_limits(self);
        const char *name = named(self);
        /* Not known for now: who named this launcher will wait for it, others take another one. */
        if (!self->partitions)
                return slurm_fail(err, XPM_EIO, self->trouble);
        if (name && strchr(name, ','))
                return 0; /* the submission will tell */
        const json_t *partition = find_partition(self, name);
        if (!partition && name) {
                snprintf(words, sizeof words, "Slurm has no partition '%s'", name);
                return slurm_fail(err, XPM_ELAUNCHER, words);
        }
        if (!partition || (!name && slurm_partition(self, shape)))
                return 0;
        return check_partition(self, partition, shape, err);
}
