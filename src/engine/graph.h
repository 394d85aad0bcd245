/* graph.h: which jobs wait for which, and which are ready
 *
 * Pure: numbers in, numbers out. Jobs are 0 … count-1; edges go from a job to those that depend on it, in one array
 * (compressed rows), so that 100,000 jobs with a million dependencies take a few megabytes.
 */
#ifndef XPM_ENGINE_GRAPH_H
#define XPM_ENGINE_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "experimaestro/error.h"

typedef struct xpm_graph {
        size_t count;
        uint32_t *missing; /* per job: dependencies that are not done */
        uint32_t *first;   /* where a job's dependents begin; those of the last one end at first[count] */
        uint32_t *dependents;
} xpm_graph;

/* DEPENDENCY(data, job, i) is the i-th dependency of JOB, DEGREE(data, job) their number. XPM_ENOMEM, XPM_ERANGE beyond
 * 2^32. */
typedef struct xpm_graph_source {
        const void *data;
        size_t (*degree)(const void *data, size_t job);
        size_t (*dependency)(const void *data, size_t job, size_t i);
} xpm_graph_source;
int xpm_graph_init(xpm_graph *graph, size_t count, const xpm_graph_source *source, xpm_error *err);
void xpm_graph_release(xpm_graph *graph); /* all-zero accepted */

/* The jobs that depend on JOB. */
const uint32_t *xpm_graph_dependents(const xpm_graph *graph, size_t job, size_t *count);

/* One dependency of JOB is done: returns how many are missing still. */
uint32_t xpm_graph_satisfy(xpm_graph *graph, size_t job);

/* Jobs in a ring, first in first out; each at most once. */
typedef struct xpm_queue {
        uint32_t *jobs;
        size_t places, head, tail;
} xpm_queue;

/* Room for COUNT jobs. XPM_ENOMEM. */
int xpm_queue_init(xpm_queue *queue, size_t count, xpm_error *err);
void xpm_queue_release(xpm_queue *queue); /* all-zero accepted */
size_t xpm_queue_length(const xpm_queue *queue);
void xpm_queue_push(xpm_queue *queue, size_t job);
void xpm_queue_push_front(xpm_queue *queue, size_t job); /* for one that came back */
size_t xpm_queue_pop(xpm_queue *queue);                  /* only when it is not empty */

#endif
