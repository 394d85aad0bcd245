/* requirement.h: which host suits a task
 *
 * The grammar of docs/reference/launchers.md:
 *     duration=30m & cpu(cores=4, mem=2G) & cuda(mem=8G)*2 | cpu(cores=32)
 */
#ifndef XPM_MODEL_REQUIREMENT_H
#define XPM_MODEL_REQUIREMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "experimaestro/error.h"

enum xpm_gpu_kind { XPM_GPU_ANY, XPM_GPU_CUDA, XPM_GPU_ROCM };

typedef struct xpm_gpu_need {
        enum xpm_gpu_kind kind;
        uint64_t memory; /* bytes each, 0 any */
        int64_t count;
} xpm_gpu_need;

typedef struct xpm_need {        /* one alternative */
        int64_t duration;        /* seconds, 0: no limit */
        int64_t cores;           /* at least 1; per rank in an MPI job */
        uint64_t memory;         /* bytes, 0: no limit */
        int64_t nodes;           /* 0: not said */
        int64_t ranks, per_node; /* 0: not an MPI job / not said */
        const xpm_gpu_need *gpus;
        size_t gpu_count; /* entries of gpus */
        bool implied;     /* nothing was asked for: its core may be shared where -j says so */
} xpm_need;

typedef struct xpm_requirement {
        const xpm_need *alternatives; /* in order of preference, at least one */
        size_t count;
} xpm_requirement;

/* XPM_EPLAN with the place in the text, what was expected and, where it can be guessed, the remedy:
 * `'cpu(mem=32)': a memory size needs a unit: 32G?`. */
int xpm_requirement_parse(xpm_arena *arena, const char *text, xpm_requirement *out, xpm_error *err);
/* The same; after XPM_EPLAN *AT is the byte of TEXT, from 0, that the message speaks of. */
int xpm_requirement_parse_at(xpm_arena *arena, const char *text, xpm_requirement *out, size_t *at, xpm_error *err);

/* For people, as they are written in a requirement. */
typedef struct xpm_quantity {
        char text[24];
} xpm_quantity;
xpm_quantity xpm_quantity_size(uint64_t bytes);        /* `64G`, `1.5T` */
xpm_quantity xpm_quantity_duration(int64_t seconds);   /* `4d`, `90m`, in the largest unit that has no fraction */
const char *xpm_gpu_kind_word(enum xpm_gpu_kind kind); /* `cuda` */

/* What a need is multiplied by when it was not enough, and how far; 0: as it is, without a bound. */
typedef struct xpm_growth {
        double memory, duration;
        uint64_t most_memory;
        int64_t most_duration;
} xpm_growth;

void xpm_need_grow(xpm_need *need, const xpm_growth *growth);

#endif
