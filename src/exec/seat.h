/* seat.h: what of the host one job has, as the job and its status need it
 *
 * A portion in the words of others: numbers of the operating system for binding, lists for people, variables for
 * OpenMP and for devices.
 */
#ifndef XPM_EXEC_SEAT_H
#define XPM_EXEC_SEAT_H

#include "exec/placement.h"

typedef struct xpm_seat {
        xpm_portion portion;
        size_t cores;                      /* of the portion */
        bool this_system;                  /* the job is bound to it */
        bool shared;                       /* its core is another's, too */
        bool bind_memory;                  /* there are nodes to choose from */
        xpm_bits cpus;                     /* hardware threads by the operating system's numbers */
        xpm_bits nodes;                    /* NUMA nodes, likewise */
        int stock;                         /* the descriptor that holds it for as long as somebody has it; -1: none */
        const char *cpuset;                /* the hardware threads as a list, `0-3,8` */
        const char *places;                /* a place for each core: OMP_PLACES */
        const char *cuda, *rocm, *devices; /* names of its devices of each vendor and of all, separated by commas; NULL:
                                              the host has none of them */
        const char *level_zero;            /* likewise of those that ZE_AFFINITY_MASK names, with a number that names
                                              none when it has none of them: an empty mask shows all */
} xpm_seat;

/* PORTION of the host of TOPOLOGY; strings are made in ARENA. XPM_ENOMEM. */
int xpm_seat_describe(xpm_seat *seat, const xpm_topology *topology, const xpm_placement *placement,
                      const xpm_portion *portion, xpm_arena *arena, xpm_error *err);

/* What the process PID may run on now, as a list, when that is not within what it was given; else NULL. */
const char *xpm_seat_mismatch(const xpm_seat *seat, pid_t pid, xpm_arena *arena);

#endif
