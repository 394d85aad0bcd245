/* What of a job falls to each node: Slurm is asked for that, and nodes have it or not. */
#include "slurm.h"

slurm_share slurm_share_of(const xpm_shape *shape)
{
        slurm_share share = {.ranks = shape->ranks > 0 ? shape->ranks : 1, .nodes = shape->nodes};
        if (share.nodes <= 0 && shape->per_node > 0)
                share.nodes = (share.ranks + shape->per_node - 1) / shape->per_node;
        if (share.nodes <= 0 && share.ranks == 1)
                share.nodes = 1;
        /* How Slurm deals out ranks that are many is its own affair: at least one to a node. */
        int64_t nodes = share.nodes > 0 ? share.nodes : 1;
        int64_t even = share.nodes > 0 ? (share.ranks + nodes - 1) / nodes : 1;
        int64_t here = shape->per_node > 0 && shape->per_node < share.ranks ? shape->per_node : even;
        share.cores = shape->cores / share.ranks * here;
        share.memory = (shape->memory / (uint64_t)share.ranks * (uint64_t)here + (1 << 20) - 1) >> 20;
        share.gpus = (shape->gpus + nodes - 1) / nodes;
        return share;
}
