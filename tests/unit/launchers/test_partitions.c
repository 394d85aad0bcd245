#include "slurmed.h"

#define PARTITIONS                                                                                             \
        "{\"partitions\": [{\"name\": \"p\", \"default\": true, \"up\": true, \"seconds\": 60, \"nodes\": 2, " \
        "\"total\": 4, \"cpus\": 40, \"memory\": 4000}], \"array\": 2, \"requests\": 2}\n"
#define NODES                                                                                \
        "{\"nodes\": [{\"partition\": \"q\", \"cpus\": 99, \"memory\": 9999, \"gpus\": 9}, " \
        "{\"partition\": \"p\", \"cpus\": 4, \"memory\": 1750, \"gpus\": 0}, "               \
        "{\"partition\": \"p\", \"cpus\": 16, \"memory\": 500, \"gpus\": 2}], \"requests\": 2}\n"

static const char *check(struct slurmed *slurmed, const xpm_shape *shape)
{
        static xpm_error err;
        err = (xpm_error){0};
        return slurmed->launcher->check(slurmed->instance, shape, &err) == 0 ? "fits" : err.message;
}

#define CHECK(words, ...) assert_string_equal(check(slurmed, &(xpm_shape){__VA_ARGS__}), words)

static void nodes_are_looked_at_only_where_more_than_the_average_is_wanted(void **state)
{
        struct slurmed *slurmed = *state;
        char text[4096];
        slurmed_answer(slurmed, PARTITIONS NODES);
        CHECK("fits", .cores = 10, .memory = UINT64_C(1000) << 20);
        assert_string_equal(place_get(slurmed->place, "answers.log", text), "partitions\n");
        CHECK("fits", .cores = 16);
        CHECK("fits", .cores = 12);
        assert_string_equal(place_get(slurmed->place, "answers.log", text), "partitions\nnodes\n");
        assert_int_equal(slurmed->requests, 4);
}

static void what_no_node_has_is_told(void **state)
{
        struct slurmed *slurmed = *state;
        slurmed_answer(slurmed, PARTITIONS NODES);
        CHECK("it wants 61 s, and partition 'p' allows 60", .cores = 1, .duration = 61);
        CHECK("it wants 3 nodes, and partition 'p' has 2", .cores = 3, .nodes = 3);
        CHECK("it wants 17 cores of a node, and partition 'p' has 16", .cores = 17);
        CHECK("it wants 1751 MiB of a node, and partition 'p' has 1750", .cores = 1, .memory = UINT64_C(1751) << 20);
        CHECK("it wants 3 GPUs of a node, and partition 'p' has 2", .cores = 1, .gpus = 3);
        CHECK("it wants 5 cores, 600 MiB and 1 GPUs of a node, and partition 'p' has none with all of that", .cores = 5,
              .memory = UINT64_C(600) << 20, .gpus = 1);
        /* Two nodes together have it. */
        CHECK("fits", .cores = 32, .ranks = 2, .nodes = 2);
        CHECK("fits", .cores = 18, .ranks = 18);
}

static void what_is_not_known_of_nodes_forbids_nothing(void **state)
{
        struct slurmed *slurmed = *state;
        slurmed_answer(slurmed, PARTITIONS "{\"error\": \"busy\", \"requests\": 1}\n");
        CHECK("fits", .cores = 40);
        CHECK("it wants 41 cores, and partition 'p' has 40", .cores = 41, .ranks = 41);
}

static int add(void *data, const char *directive)
{
        if (strncmp(directive, "--partition=", strlen("--partition=")) == 0)
                snprintf(data, 64, "%s", directive + strlen("--partition="));
        return 0;
}

static void what_the_default_partition_does_not_take_goes_to_one_that_does(void **state)
{
        struct slurmed *slurmed = *state;
        char chosen[64] = "";
        slurmed_answer(slurmed,
                       "{\"partitions\": ["
                       "{\"name\": \"closed\", \"up\": true, \"open\": false}, "
                       "{\"name\": \"down\", \"up\": false, \"open\": true}, "
                       "{\"name\": \"short\", \"up\": true, \"open\": true, \"seconds\": 70}, "
                       "{\"name\": \"usual\", \"default\": true, \"up\": true, \"open\": true, \"seconds\": 60}, "
                       "{\"name\": \"long\", \"up\": true, \"open\": true, \"seconds\": 600}], \"array\": 9}\n"
                       "{\"nodes\": []}\n");
        CHECK("fits", .cores = 1, .duration = 60);
        assert_int_equal(slurmed->launcher->directives(slurmed->instance, &(xpm_shape){.cores = 1, .duration = 60}, add,
                                                       chosen, NULL),
                         0);
        assert_string_equal(chosen, "");
        CHECK("fits", .cores = 1, .duration = 300);
        assert_int_equal(slurmed->launcher->directives(slurmed->instance, &(xpm_shape){.cores = 1, .duration = 300},
                                                       add, chosen, NULL),
                         0);
        assert_string_equal(chosen, "long");
        CHECK("it wants 601 s, and partition 'usual' allows 60", .cores = 1, .duration = 601);
        /* sbatch is told which. */
        setenv("SBATCH_PARTITION", "short", 1);
        chosen[0] = '\0';
        CHECK("it wants 300 s, and partition 'short' allows 70", .cores = 1, .duration = 300);
        assert_int_equal(slurmed->launcher->directives(slurmed->instance, &(xpm_shape){.cores = 1, .duration = 300},
                                                       add, chosen, NULL),
                         0);
        assert_string_equal(chosen, "");
        setenv("SBATCH_PARTITION", "none", 1);
        CHECK("Slurm has no partition 'none'", .cores = 1);
        unsetenv("SBATCH_PARTITION");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, slurmed_enter, slurmed_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(nodes_are_looked_at_only_where_more_than_the_average_is_wanted),
                TEST(what_no_node_has_is_told),
                TEST(what_the_default_partition_does_not_take_goes_to_one_that_does),
                TEST(what_is_not_known_of_nodes_forbids_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
