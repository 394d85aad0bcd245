/* Requirements as options of sbatch; what stands in `options` of launchers.yaml wins. And what the controller allows.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slurm.h"

/* Seconds before the limit at which the worker is told; milliseconds in which the controller should answer. */
enum { WARN = 30, CHECK = 5000 };

typedef struct options {
        int (*add)(void *data, const char *directive);
        void *data;
        const json_t *own; /* of launchers.yaml: what stands there wins */
        int rc;
} options;

static void put(options *options_, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void put(options *options_, const char *name, const char *format, ...)
{
        char value[256], directive[320];
        va_list args;
        if (options_->rc != 0 || json_object_get(options_->own, name))
                return;
        va_start(args, format);
        vsnprintf(value, sizeof value, format, args);
        va_end(args);
        snprintf(directive, sizeof directive, "--%s=%s", name, value);
        options_->rc = options_->add(options_->data, directive);
}

static void put_own(options *options_)
{
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)options_->own, name, value)
        {
                char directive[1024];
                char *number = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
                const char *text = json_is_string(value) ? json_string_value(value) : number;
                if (json_is_true(value))
                        snprintf(directive, sizeof directive, "--%s", name);
                else
                        snprintf(directive, sizeof directive, "--%s=%s", name, text ? text : "");
                if (options_->rc == 0 && !json_is_false(value) && !json_is_null(value))
                        options_->rc = options_->add(options_->data, directive);
                free(number);
        }
}

int slurm_directives(void *instance, const xpm_shape *shape, int (*add)(void *data, const char *directive), void *data,
                     xpm_error *err)
{
        const slurm *self = instance;
        int64_t ranks = shape->ranks > 0 ? shape->ranks : 1, nodes = shape->nodes > 0 ? shape->nodes : 0;
        options options_ = {add, data, json_object_get(self->config, "options"), 0};
        (void)err;
        put_own(&options_);
        put(&options_, "job-name", "%s", self->core->label);
        if (nodes > 0 || ranks == 1)
                put(&options_, "nodes", "%lld", (long long)(nodes > 0 ? nodes : 1));
        put(&options_, "ntasks", "%lld", (long long)ranks);
        put(&options_, "cpus-per-task", "%lld", (long long)(shape->cores / ranks));
        if (shape->memory > 0) {
                uint64_t share = shape->memory / (uint64_t)(nodes > 0 ? nodes : 1);
                put(&options_, "mem", "%lluM", (unsigned long long)((share + (1 << 20) - 1) >> 20));
        }
        if (shape->gpus > 0)
                put(&options_, "gres", "gpu:%lld", (long long)(shape->gpus / (nodes > 0 ? nodes : 1)));
        /* Before the limit the worker is told, which ends the job in order, and may let it save its state. */
        if (shape->duration > WARN)
                put(&options_, "signal", "B:TERM@%d", WARN);
        if (shape->duration > 0)
                put(&options_, "time", "%lld:%02lld", (long long)(shape->duration / 60),
                    (long long)(shape->duration % 60));
        return options_.rc;
}

/* Can Slurm run it? */

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
        json_t *answer = NULL;
        self->asked_partitions = true;
        /* Again when the helper has died of it: another one may live. */
        for (int tries = 0; tries == 0 || (tries == 1 && !answer && self->helper.fd < 0); tries++) {
                json_t *request = json_pack("{s:s}", "do", "partitions");
                int64_t id = request ? helper_send(&self->helper, request, NULL) : 0;
                answer = id ? helper_wait(&self->helper, id, CHECK) : NULL;
        }
        if (self->listing) { /* its answer was passed over */
                self->listing = 0;
                self->asked_at = 0;
                self->list_at = slurm_now() + LIST_OFTEN;
        }
        self->core->requested(self->core, (size_t)json_integer_value(json_object_get(answer, "requests")));
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

static const json_t *find_partition(const slurm *self, const char *name)
{
        size_t i;
        json_t *one;
        json_array_foreach(self->partitions, i, one)
        {
                bool standard = json_is_true(json_object_get(one, "default"));
                if (name ? strcmp(json_string_value(json_object_get(one, "name")), name) == 0 : standard)
                        return one;
        }
        return NULL;
}

int slurm_check(void *instance, const xpm_shape *shape, xpm_error *err)
{
        slurm *self = instance;
        char words[512];
        if (!self->asked_partitions)
                slurm_ask_limits(self);
        const char *name = json_string_value(json_object_get(json_object_get(self->config, "options"), "partition"));
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
        long long seconds = json_integer_value(json_object_get(partition, "seconds"));
        long long nodes = json_integer_value(json_object_get(partition, "nodes"));
        name = json_string_value(json_object_get(partition, "name"));
        if (partition && seconds > 0 && shape->duration > seconds) {
                snprintf(words, sizeof words, "it wants %lld s, and partition '%s' allows %lld",
                         (long long)shape->duration, name, seconds);
                return slurm_fail(err, XPM_ELAUNCHER, words);
        }
        if (partition && nodes > 0 && shape->nodes > nodes) {
                snprintf(words, sizeof words, "it wants %lld nodes, and partition '%s' has %lld",
                         (long long)shape->nodes, name, nodes);
                return slurm_fail(err, XPM_ELAUNCHER, words);
        }
        return 0;
}
