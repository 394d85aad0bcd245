#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/graph.h"

enum { MANY = 100000 };

/* Dependencies of job 0, 1, … as lists ended by -1. */
static size_t list_degree(const void *data, size_t job)
{
        const int(*lists)[4] = data;
        size_t degree = 0;
        while (lists[job][degree] >= 0)
                degree++;
        return degree;
}

static size_t list_dependency(const void *data, size_t job, size_t i)
{
        const int(*lists)[4] = data;
        return (size_t)lists[job][i];
}

static size_t chain_degree(const void *data, size_t job)
{
        (void)data;
        return job > 0;
}

static size_t chain_dependency(const void *data, size_t job, size_t i)
{
        (void)data;
        (void)i;
        return job - 1;
}

static void dependents_are_the_reverse_of_dependencies(void **state)
{
        (void)state;
        static const int lists[][4] = {{-1}, {0, -1}, {0, 1, -1}, {3 - 1, 0, 1, -1}, {-1}};
        const xpm_graph_source source = {lists, list_degree, list_dependency};
        xpm_graph graph;
        assert_int_equal(xpm_graph_init(&graph, 5, &source, NULL), 0);
        static const struct {
                size_t count;
                uint32_t jobs[3];
        } expected[] = {{3, {1, 2, 3}}, {2, {2, 3}}, {1, {3}}, {0, {0}}, {0, {0}}};
        for (size_t job = 0; job < 5; job++) {
                size_t count;
                const uint32_t *dependents = xpm_graph_dependents(&graph, job, &count);
                assert_int_equal(count, expected[job].count);
                for (size_t i = 0; i < count; i++)
                        assert_int_equal(dependents[i], expected[job].jobs[i]);
        }
        assert_int_equal(graph.missing[3], 3);
        assert_int_equal(xpm_graph_satisfy(&graph, 3), 2);
        assert_int_equal(graph.missing[4], 0);
        xpm_graph_release(&graph);
}

static void graph_without_jobs_is_fine(void **state)
{
        (void)state;
        const xpm_graph_source source = {NULL, chain_degree, chain_dependency};
        xpm_graph graph;
        assert_int_equal(xpm_graph_init(&graph, 0, &source, NULL), 0);
        xpm_graph_release(&graph);
}

static void long_chain_frees_one_after_the_other(void **state)
{
        (void)state;
        const xpm_graph_source source = {NULL, chain_degree, chain_dependency};
        xpm_graph graph;
        assert_int_equal(xpm_graph_init(&graph, MANY, &source, NULL), 0);
        size_t job = 0, count;
        for (size_t freed = 1; freed < MANY; freed++) {
                const uint32_t *dependents = xpm_graph_dependents(&graph, job, &count);
                assert_int_equal(count, 1);
                assert_int_equal(xpm_graph_satisfy(&graph, dependents[0]), 0);
                job = dependents[0];
        }
        assert_int_equal(job, MANY - 1);
        xpm_graph_release(&graph);
}

static void queue_gives_back_in_order_and_what_came_back_first(void **state)
{
        (void)state;
        xpm_queue queue;
        assert_int_equal(xpm_queue_init(&queue, 3, NULL), 0);
        for (size_t round = 0; round < 10; round++) { /* around the ring more than once */
                xpm_queue_push(&queue, 1);
                xpm_queue_push(&queue, 2);
                xpm_queue_push_front(&queue, 0);
                assert_int_equal(xpm_queue_length(&queue), 3);
                for (size_t i = 0; i < 3; i++)
                        assert_int_equal(xpm_queue_pop(&queue), i);
                assert_int_equal(xpm_queue_length(&queue), 0);
                xpm_queue_push(&queue, 7);
                assert_int_equal(xpm_queue_pop(&queue), 7);
        }
        xpm_queue_release(&queue);
        assert_int_equal(xpm_queue_length(&queue), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(dependents_are_the_reverse_of_dependencies),
                cmocka_unit_test(graph_without_jobs_is_fine),
                cmocka_unit_test(long_chain_frees_one_after_the_other),
                cmocka_unit_test(queue_gives_back_in_order_and_what_came_back_first),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
