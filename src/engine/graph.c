/* The graph never changes once it is made; what changes is the number of missing dependencies. A job is queued at most
 * once at a time, so a ring of count + 1 places never overflows. */
#include "engine/graph.h"

#include <assert.h>
#include <stdlib.h>

static int allocate(xpm_graph *graph, size_t count, size_t edges, xpm_error *err)
{
        if (count >= UINT32_MAX || edges >= UINT32_MAX)
                return xpm_fail(err, XPM_ERANGE, "%zu jobs with %zu dependencies are more than this program can hold",
                                count, edges);
        *graph = (xpm_graph){.count = count};
        graph->missing = calloc(count + 1, sizeof *graph->missing);
        graph->first = calloc(count + 2, sizeof *graph->first);
        graph->dependents = calloc(edges + 1, sizeof *graph->dependents);
        if (graph->missing && graph->first && graph->dependents)
                return 0;
        xpm_graph_release(graph);
        return xpm_fail_memory(err);
}

int xpm_graph_init(xpm_graph *graph, size_t count, const xpm_graph_source *source, xpm_error *err)
{
        size_t edges = 0;
        for (size_t job = 0; job < count; job++)
                edges += source->degree(source->data, job);
        int rc = allocate(graph, count, edges, err);
        if (rc != 0)
                return rc;

        /* Counting sort: first[d + 2] counts the dependents of d; summed it is where those of d + 1 begin, and first[d
         * + 1] moves from there to their end while the rows are filled. */
        for (size_t job = 0; job < count; job++) {
                size_t degree = source->degree(source->data, job);
                graph->missing[job] = (uint32_t)degree;
                for (size_t i = 0; i < degree; i++)
                        if (source->dependency(source->data, job, i) + 2 <= count)
                                graph->first[source->dependency(source->data, job, i) + 2]++;
        }
        for (size_t job = 2; job <= count; job++)
                graph->first[job] += graph->first[job - 1];
        for (size_t job = 0; job < count; job++)
                for (size_t i = 0; i < graph->missing[job]; i++) {
                        size_t dependency = source->dependency(source->data, job, i);
                        graph->dependents[graph->first[dependency + 1]++] = (uint32_t)job;
                }
        return 0;
}

void xpm_graph_release(xpm_graph *graph)
{
        free(graph->missing);
        free(graph->first);
        free(graph->dependents);
        *graph = (xpm_graph){0};
}

const uint32_t *xpm_graph_dependents(const xpm_graph *graph, size_t job, size_t *count)
{
        *count = graph->first[job + 1] - graph->first[job];
        return graph->dependents + graph->first[job];
}

uint32_t xpm_graph_satisfy(xpm_graph *graph, size_t job)
{
        assert(graph->missing[job] > 0);
        return --graph->missing[job];
}

int xpm_queue_init(xpm_queue *queue, size_t count, xpm_error *err)
{
        *queue = (xpm_queue){.jobs = calloc(count + 1, sizeof *queue->jobs), .places = count + 1};
        return queue->jobs ? 0 : xpm_fail_memory(err);
}

void xpm_queue_release(xpm_queue *queue)
{
        free(queue->jobs);
        *queue = (xpm_queue){0};
}

size_t xpm_queue_length(const xpm_queue *queue)
{
        return queue->places ? (queue->tail + queue->places - queue->head) % queue->places : 0;
}

void xpm_queue_push(xpm_queue *queue, size_t job)
{
        queue->jobs[queue->tail] = (uint32_t)job;
        queue->tail = (queue->tail + 1) % queue->places;
        assert(queue->tail != queue->head);
}

void xpm_queue_push_front(xpm_queue *queue, size_t job)
{
        queue->head = (queue->head + queue->places - 1) % queue->places;
        assert(queue->tail != queue->head);
        queue->jobs[queue->head] = (uint32_t)job;
}

size_t xpm_queue_pop(xpm_queue *queue)
{
        assert(queue->head != queue->tail);
        size_t job = queue->jobs[queue->head];
        queue->head = (queue->head + 1) % queue->places;
        return job;
}
