#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../launchers/slurm/share.c"

static void check(const xpm_shape *shape, int64_t nodes, int64_t cores, uint64_t memory, int64_t gpus)
{
        slurm_share share = slurm_share_of(shape);
        assert_int_equal(share.nodes, nodes);
        assert_int_equal(share.cores, cores);
        assert_int_equal(share.memory, memory);
        assert_int_equal(share.gpus, gpus);
}

#define GIB (UINT64_C(1) << 30)

static void one_program_is_on_one_node(void **state)
{
        (void)state;
        check(&(xpm_shape){.cores = 4, .memory = 2 * GIB, .gpus = 1}, 1, 4, 2048, 1);
        check(&(xpm_shape){.cores = 1, .memory = 1}, 1, 1, 1, 0); /* a part of a MiB is one */
}

static void ranks_are_dealt_out_evenly_to_nodes_that_are_counted(void **state)
{
        (void)state;
        check(&(xpm_shape){.cores = 16, .ranks = 8, .nodes = 2, .memory = 8 * GIB, .gpus = 3}, 2, 8, 4096, 2);
        check(&(xpm_shape){.cores = 5, .ranks = 5, .nodes = 2}, 2, 3, 0, 0);
}

static void so_many_on_a_node_make_so_many_nodes(void **state)
{
        (void)state;
        check(&(xpm_shape){.cores = 14, .ranks = 7, .per_node = 3, .memory = 7 * GIB}, 3, 6, 3072, 0);
        check(&(xpm_shape){.cores = 2, .ranks = 2, .per_node = 8}, 1, 2, 0, 0);
}

static void what_is_free_to_spread_wants_one_rank_of_a_node_at_least(void **state)
{
        (void)state;
        check(&(xpm_shape){.cores = 8, .ranks = 4, .memory = 12 * GIB}, 0, 2, 3072, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_program_is_on_one_node),
                cmocka_unit_test(ranks_are_dealt_out_evenly_to_nodes_that_are_counted),
                cmocka_unit_test(so_many_on_a_node_make_so_many_nodes),
                cmocka_unit_test(what_is_free_to_spread_wants_one_rank_of_a_node_at_least),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
