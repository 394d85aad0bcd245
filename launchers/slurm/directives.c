/* Requirements as options of sbatch; what stands in `options` of launchers.yaml wins. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slurm.h"

/* Seconds before the limit at which the worker is told. */
enum { WARN = 30 };

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
        slurm *self = instance;
        const slurm_share share = slurm_share_of(shape);
        int64_t cores = shape->cores / share.ranks;
        const char *partition = slurm_partition(self, shape);
        options options_ = {add, data, json_object_get(self->config, "options"), 0};
        (void)err;
        put_own(&options_);
        if (partition)
                put(&options_, "partition", "%s", partition);
        put(&options_, "job-name", "%s", self->core->label);
        if (share.nodes > 0)
                put(&options_, "nodes", "%lld", (long long)share.nodes);
        put(&options_, "ntasks", "%lld", (long long)share.ranks);
        if (shape->per_node > 0)
                put(&options_, "ntasks-per-node", "%lld", (long long)shape->per_node);
        put(&options_, "cpus-per-task", "%lld", (long long)cores);
        if (share.memory > 0 && share.nodes > 0)
                put(&options_, "mem", "%lluM", (unsigned long long)share.memory);
        else if (share.memory > 0 && !json_object_get(options_.own, "mem"))
                put(&options_, "mem-per-cpu", "%lluM",
                    (unsigned long long)((share.memory + (uint64_t)cores - 1) / (uint64_t)cores));
        if (share.gpus > 0)
                put(&options_, "gres", "gpu:%lld", (long long)share.gpus);
        /* Before the limit the worker is told, which ends the job in order, and may let it save its state. */
        if (shape->duration > WARN)
                put(&options_, "signal", "B:TERM@%d", WARN);
        if (shape->duration > 0)
                put(&options_, "time", "%lld:%02lld", (long long)(shape->duration / 60),
                    (long long)(shape->duration % 60));
        return options_.rc;
}
