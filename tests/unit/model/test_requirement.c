#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "model/requirement.h"

#define GIB ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

static int enter(void **state)
{
        *state = xpm_arena_create();
        return *state ? 0 : -1;
}

static int leave(void **state)
{
        xpm_arena_destroy(*state);
        return 0;
}

static xpm_requirement parse(void **state, const char *text)
{
        xpm_requirement requirement = {0};
        xpm_error err = XPM_ERROR_NONE;
        int rc = xpm_requirement_parse(*state, text, &requirement, &err);
        if (rc != 0)
                fail_msg("%s", err.message);
        return requirement;
}

static void duration_is_read_in_every_unit(void **state)
{
        static const struct {
                const char *text;
                int64_t seconds;
        } cases[] = {
                {"duration=45s", 45},          {"duration=45sec", 45},
                {"duration=45secs", 45},       {"duration=30m", 1800},
                {"duration=30min", 1800},      {"duration=30mins", 1800},
                {"duration=2h", 7200},         {"duration=1hour", 3600},
                {"duration=2hours", 7200},     {"duration=1d", 86400},
                {"duration=1day", 86400},      {"duration=3days", 259200},
                {"duration=1.5h", 5400},       {"duration=0.5s", 1},
                {"duration = 2 h", 7200},      {"duration=10\tmins\n", 600},
                {"duration=0.25d", 21600},     {"duration=1.0001m", 61}, /* no job gets less than it asked for */
                {"duration=00:00:01", 1},      {"duration=01:02:03", 3723},
                {"duration=48:00:00", 172800}, {"duration=1-12:00:00", 129600},
                {"duration=0-00:30:00", 1800}, {"duration=100-00:00:00", 8640000},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_requirement requirement = parse(state, cases[i].text);
                assert_int_equal(requirement.count, 1);
                assert_int_equal(requirement.alternatives[0].duration, cases[i].seconds);
        }
}

static void memory_is_binary_in_every_unit(void **state)
{
        static const struct {
                const char *text;
                uint64_t bytes;
        } cases[] = {
                {"cpu(mem=2G)", 2 * GIB},     {"cpu(mem=2GiB)", 2 * GIB},          {"cpu(mem=512M)", 512 * MIB},
                {"cpu(mem=1MiB)", MIB},       {"cpu(mem=1T)", 1024 * GIB},         {"cpu(mem=1TiB)", 1024 * GIB},
                {"cpu(mem=0.5G)", 512 * MIB}, {"cpu( mem = 1.5 G )", 3 * GIB / 2},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                assert_int_equal(parse(state, cases[i].text).alternatives[0].memory, cases[i].bytes);
}

static void cpu_has_cores_and_memory_in_any_order(void **state)
{
        static const struct {
                const char *text;
                int64_t cores;
                uint64_t memory;
        } cases[] = {
                {"cpu()", 1, 0},
                {"cpu( )", 1, 0},
                {"cpu(cores=4)", 4, 0},
                {"cpu(mem=2G)", 1, 2 * GIB},
                {"cpu(cores=4, mem=2G)", 4, 2 * GIB},
                {"cpu(mem=2G,cores=4)", 4, 2 * GIB},
                {"cpu ( mem = 2 G , cores = 4 )", 4, 2 * GIB},
                {"cpu(cores=2, cores=8, mem=3G, mem=1G, cores=3)", 8, 3 * GIB},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_need need = parse(state, cases[i].text).alternatives[0];
                assert_int_equal(need.cores, cases[i].cores);
                assert_int_equal(need.memory, cases[i].memory);
        }
}

static void gpu_has_kind_memory_and_number(void **state)
{
        static const struct {
                const char *text;
                xpm_gpu_need expected;
        } cases[] = {
                {"cuda()", {XPM_GPU_CUDA, 0, 1}},
                {"cuda", {XPM_GPU_CUDA, 0, 1}},
                {"cuda(mem=8G)", {XPM_GPU_CUDA, 8 * GIB, 1}},
                {"cuda(mem=512MiB)*3", {XPM_GPU_CUDA, 512 * MIB, 3}},
                {"rocm()*2", {XPM_GPU_ROCM, 0, 2}},
                {"rocm(mem=64G)", {XPM_GPU_ROCM, 64 * GIB, 1}},
                {"gpu( mem = 1T ) * 16", {XPM_GPU_ANY, 1024 * GIB, 16}},
                {"gpu*4", {XPM_GPU_ANY, 0, 4}},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_need need = parse(state, cases[i].text).alternatives[0];
                assert_int_equal(need.gpu_count, 1);
                assert_int_equal(need.gpus[0].kind, cases[i].expected.kind);
                assert_int_equal(need.gpus[0].memory, cases[i].expected.memory);
                assert_int_equal(need.gpus[0].count, cases[i].expected.count);
                assert_int_equal(need.cores, 1);
                assert_int_equal(need.memory, 0);
        }
}

static void mpi_has_ranks_and_how_many_of_them_a_node_takes(void **state)
{
        static const struct {
                const char *text;
                int64_t ranks, per_node, cores;
        } cases[] = {
                {"mpi(ranks=8)", 8, 0, 1},
                {"mpi(ranks=8, per_node=2)", 8, 2, 1},
                {"mpi(per_node=2,ranks=8)", 8, 2, 1},
                {"cpu(cores=3) & mpi(ranks=8)", 8, 0, 3}, /* per rank */
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_need need = parse(state, cases[i].text).alternatives[0];
                assert_int_equal(need.ranks, cases[i].ranks);
                assert_int_equal(need.per_node, cases[i].per_node);
                assert_int_equal(need.cores, cases[i].cores);
        }
}

static void nodes_is_a_number(void **state)
{
        assert_int_equal(parse(state, "nodes=1").alternatives[0].nodes, 1);
        assert_int_equal(parse(state, "nodes = 2147483647").alternatives[0].nodes, INT32_MAX);
}

static void what_is_not_said_is_any(void **state)
{
        static const char *const texts[] = {"cpu()", "duration=1h", "nodes=1"};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                xpm_need need = parse(state, texts[i]).alternatives[0];
                assert_int_equal(need.cores, 1);
                assert_int_equal(need.memory, 0);
                assert_int_equal(need.ranks, 0);
                assert_int_equal(need.per_node, 0);
                assert_int_equal(need.gpu_count, 0);
                assert_int_equal(need.duration, i == 1 ? 3600 : 0);
                assert_int_equal(need.nodes, i == 2);
                assert_false(need.implied); /* something was asked for */
        }
}

static void terms_of_one_kind_combine_by_maximum(void **state)
{
        xpm_need need = parse(state, "cpu(cores=4, mem=1G) & cpu(mem=8G,cores=2) & duration=00:30:00 & duration=1h & "
                                     "duration=30m & nodes=2 & nodes=3 & "
                                     "mpi(ranks=8, per_node=2) & mpi(per_node=4, ranks=6)")
                                .alternatives[0];
        assert_int_equal(need.cores, 4);
        assert_int_equal(need.memory, 8 * GIB);
        assert_int_equal(need.duration, 3600);
        assert_int_equal(need.nodes, 3);
        assert_int_equal(need.ranks, 8);
        assert_int_equal(need.per_node, 4);
}

static void accelerators_add_up(void **state)
{
        xpm_need need = parse(state, "cuda(mem=8G)*2 & cuda(mem=8G) & cuda(mem=40G) * 3 & rocm() & gpu & gpu*2")
                                .alternatives[0];
        static const xpm_gpu_need expected[] = {
                {XPM_GPU_CUDA, 8 * GIB, 3},
                {XPM_GPU_CUDA, 40 * GIB, 3},
                {XPM_GPU_ROCM, 0, 1},
                {XPM_GPU_ANY, 0, 3},
        };
        assert_int_equal(need.gpu_count, 4);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(need.gpus[i].kind, expected[i].kind);
                assert_int_equal(need.gpus[i].memory, expected[i].memory);
                assert_int_equal(need.gpus[i].count, expected[i].count);
        }
}

static void alternatives_keep_their_order_and_share_nothing(void **state)
{
        xpm_requirement requirement =
                parse(state, "duration=1h & cuda(mem=8G) | cpu(cores=32)\n| cpu(cores=2)&nodes=2");
        assert_int_equal(requirement.count, 3);
        assert_int_equal(requirement.alternatives[0].gpu_count, 1);
        assert_int_equal(requirement.alternatives[0].cores, 1);
        assert_int_equal(requirement.alternatives[1].cores, 32);
        assert_int_equal(requirement.alternatives[1].duration, 0);
        assert_int_equal(requirement.alternatives[1].gpu_count, 0);
        assert_int_equal(requirement.alternatives[2].cores, 2);
        assert_int_equal(requirement.alternatives[2].nodes, 2);
}

static void error_quotes_the_text_and_says_where_and_what_to_write(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"", "'', character 1: expected duration=…, cpu(…), cuda(…), rocm(…), gpu(…), mpi(…) or nodes=N"},
                {"cpu(mem=32)", "'cpu(mem=32)', character 9: a memory size needs a unit: 32G?"},
                {"cpu(mem=8GB)",
                 "'cpu(mem=8GB)', character 10: the unit 'GB' is not known: sizes are binary, so write 8G"},
                {"cpu(mem=8gb)",
                 "'cpu(mem=8gb)', character 10: the unit 'gb' is not known: sizes are binary, so write 8G"},
                {"cpu(mem=8g)", "'cpu(mem=8g)', character 10: unknown 'g': did you mean 'G'?"},
                {"cpu(mem=8Q)", "'cpu(mem=8Q)', character 10: unknown 'Q': expected G, M or T (GiB, MiB, TiB)"},
                {"cpu(mem=8bytes)",
                 "'cpu(mem=8bytes)', character 10: unknown 'bytes': expected G, M or T (GiB, MiB, TiB)"},
                {"cpu(mem=)", "'cpu(mem=)', character 9: expected a memory size such as 32G"},
                {"cpu(mem=0G)", "'cpu(mem=0G)', character 9: a memory size is more than 0"},
                {"cpu(mem=99999999999T)", "'cpu(mem=99999999999T)', character 9: no host has so much memory"},
                {"cpu(mem=2K)", "'cpu(mem=2K)', character 10: unknown 'K': expected G, M or T (GiB, MiB, TiB)"},
                {"cpu(mem=1G cores=2)", "'cpu(mem=1G cores=2)', character 12: expected ')' after what 'cpu' holds"},
                {"cpu(cores=4,)", "'cpu(cores=4,)', character 13: expected mem=SIZE or cores=N"},
                {"cpu(cores=-4)", "'cpu(cores=-4)', character 11: expected the number of cores"},
                {"cores=4", "'cores=4', character 1: 'cores' stands within a term: cpu(cores=4)"},
                {"gpu & mem=4G", "'gpu & mem=4G', character 7: 'mem' stands within a term: cpu(mem=8G)"},
                {"ranks=4", "'ranks=4', character 1: 'ranks' stands within a term: mpi(ranks=8)"},
                {"CPU()", "'CPU()', character 1: unknown 'CPU': did you mean 'cpu'?"},
                {"cpu(core=2)", "'cpu(core=2)', character 5: unknown 'core': did you mean 'cores'?"},
                {"cpu(=2)", "'cpu(=2)', character 5: expected mem=SIZE or cores=N"},
                {"cpu(cores 2)", "'cpu(cores 2)', character 11: expected '=' after cores"},
                {"cpu(cores=2.5)", "'cpu(cores=2.5)', character 11: the number of cores is an int"},
                {"cpu(cores=0)", "'cpu(cores=0)', character 11: the number of cores is at least 1"},
                {"cpu(cores=x)", "'cpu(cores=x)', character 11: expected the number of cores"},
                {"cpu(cores=99999999999999999999)",
                 "'cpu(cores=99999999999999999999)', character 11: 99999999999999999999 cores are too many"},
                {"cpu(cores=2", "'cpu(cores=2', character 12: expected ')' after what 'cpu' holds"},
                {"cpu cores=2", "'cpu cores=2', character 5: expected '(' after 'cpu'"},
                {"cup(cores=2)", "'cup(cores=2)', character 1: unknown 'cup': did you mean 'cpu'?"},
                {"cuda(memory=2G)", "'cuda(memory=2G)', character 6: unknown 'memory': expected mem=SIZE; the number "
                                    "follows, as in cuda(mem=8G)*2"},
                {"cuda(mem=2G", "'cuda(mem=2G', character 12: expected ')' after the memory"},
                {"cuda(mem=2G)*0", "'cuda(mem=2G)*0', character 14: the number of CUDA devices is at least 1"},
                {"cuda(mem=8)", "'cuda(mem=8)', character 10: a memory size needs a unit: 8G?"},
                {"cuda(2)", "'cuda(2)', character 6: expected mem=SIZE; the number follows, as in cuda(mem=8G)*2"},
                {"cuda(mem=8G*2)", "'cuda(mem=8G*2)', character 12: expected ')' after the memory"},
                {"gpu*2*2", "'gpu*2*2', character 6: expected '&', '|' or the end, found '*2'"},
                {"gpu*", "'gpu*', character 5: expected the number of GPUs"},
                {"mpi", "'mpi', character 4: expected '(' after 'mpi'"},
                {"mpi(per_node=2)", "'mpi(per_node=2)', character 5: 'mpi' needs 'ranks': mpi(ranks=8)"},
                {"mpi(rank=2)", "'mpi(rank=2)', character 5: unknown 'rank': did you mean 'ranks'?"},
                {"mpi()", "'mpi()', character 5: expected ranks=N or per_node=N"},
                {"mpi(ranks=0)", "'mpi(ranks=0)', character 11: the number of ranks is at least 1"},
                {"mpi(ranks=2, per_node=0)",
                 "'mpi(ranks=2, per_node=0)', character 23: the number of ranks per node is at least 1"},
                {"nodes=0", "'nodes=0', character 7: the number of nodes is at least 1"},
                {"nodes(2)", "'nodes(2)', character 6: expected '=' after nodes"},
                {"duration=30", "'duration=30', character 10: a duration needs a unit: 30m (minutes), 30h (hours)?"},
                {"duration=30x", "'duration=30x', character 12: unknown 'x': expected a unit: s, m, h or d"},
                {"duration=30fortnights",
                 "'duration=30fortnights', character 12: unknown 'fortnights': expected a unit: s, m, h or d"},
                {"duration=30minutes", "'duration=30minutes', character 12: unknown 'minutes': write 30m"},
                {"duration=1.5second", "'duration=1.5second', character 13: unknown 'second': write 1.5s"},
                {"duration=1d12h",
                 "'duration=1d12h', character 12: a duration has one unit, such as 36h; or write [D-]HH:MM:SS"},
                {"duration=5M", "'duration=5M', character 11: unknown 'M': did you mean 'm'?"},
                {"duration=12:00", "'duration=12:00', character 10: a clock time is [D-]HH:MM:SS, such as "
                                   "1-12:00:00; or write 90m, 2h, 1d"},
                {"duration=h", "'duration=h', character 10: expected a duration such as 30m, 2h, 1d or 12:00:00"},
                {"duration=0m", "'duration=0m', character 10: a duration is more than 0"},
                {"duration=00:00:00", "'duration=00:00:00', character 10: a duration is more than 0"},
                {"duration=1:00:00", "'duration=1:00:00', character 10: a clock time is [D-]HH:MM:SS, such as "
                                     "1-12:00:00; or write 90m, 2h, 1d"},
                {"duration=00:60:00", "'duration=00:60:00', character 10: a clock time is [D-]HH:MM:SS, such as "
                                      "1-12:00:00; or write 90m, 2h, 1d"},
                {"duration=1-24:00:00", "'duration=1-24:00:00', character 10: a clock time is [D-]HH:MM:SS, such as "
                                        "1-12:00:00; or write 90m, 2h, 1d"},
                {"duration=99999999d", "'duration=99999999d', character 10: no job lasts so long"},
                {"duration=99999-00:00:00", "'duration=99999-00:00:00', character 10: no job lasts so many days"},
                {"duration=1h, cpu()",
                 "'duration=1h, cpu()', character 12: terms are joined by '&', alternatives by '|'"},
                {"cpu() cpu()", "'cpu() cpu()', character 7: expected '&', '|' or the end, found 'cpu()'"},
                {"cpu() && gpu", "'cpu() && gpu', character 8: one '&' is enough"},
                {"cpu() || gpu", "'cpu() || gpu', character 8: one '|' is enough"},
                {"(cpu() | gpu) & nodes=1", "'(cpu() | gpu) & nodes=1', character 1: expected duration=…, cpu(…), "
                                            "cuda(…), rocm(…), gpu(…), mpi(…) or nodes=N"},
                {"cpu() |",
                 "'cpu() |', character 8: expected duration=…, cpu(…), cuda(…), rocm(…), gpu(…), mpi(…) or nodes=N"},
                {"cpu() &",
                 "'cpu() &', character 8: expected duration=…, cpu(…), cuda(…), rocm(…), gpu(…), mpi(…) or nodes=N"},
                {"| cpu()",
                 "'| cpu()', character 1: expected duration=…, cpu(…), cuda(…), rocm(…), gpu(…), mpi(…) or nodes=N"},
                {"{{x}}",
                 "'{{x}}', character 1: expected duration=…, cpu(…), cuda(…), rocm(…), gpu(…), mpi(…) or nodes=N"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_requirement requirement = {.count = 77};
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(xpm_requirement_parse(*state, cases[i].text, &requirement, &err), XPM_EPLAN);
                assert_string_equal(err.message, cases[i].message);
                assert_int_equal(requirement.count, 77);
        }
}

static void place_of_an_error_is_told_as_a_number_too(void **state)
{
        static const struct {
                const char *text;
                size_t at;
        } cases[] = {{"", 0}, {"cpu(mem=32)", 8}, {"gpu | cpu(mem=32)", 14}, {"cpu() ", SIZE_MAX}, {"cpu() é", 6}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_requirement requirement;
                size_t at = SIZE_MAX;
                int rc = xpm_requirement_parse_at(*state, cases[i].text, &requirement, &at, NULL);
                assert_int_equal(rc, cases[i].at == SIZE_MAX ? 0 : XPM_EPLAN);
                assert_int_equal(at, cases[i].at);
        }
}

static void quantities_are_written_as_they_are_read(void **state)
{
        static const char *const sizes[] = {"1M", "512M", "16G", "1.5T", "1T", "80G"};
        static const char *const durations[] = {"1s", "61s", "90m", "2h", "36h", "4d"};
        char text[64];
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                snprintf(text, sizeof text, "cpu(mem=%s)", sizes[i]);
                assert_string_equal(xpm_quantity_size(parse(state, text).alternatives[0].memory).text, sizes[i]);
        }
        for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
                snprintf(text, sizeof text, "duration=%s", durations[i]);
                assert_string_equal(xpm_quantity_duration(parse(state, text).alternatives[0].duration).text,
                                    durations[i]);
        }
        assert_string_equal(xpm_quantity_size(0).text, "0B");
        assert_string_equal(xpm_quantity_size(UINT64_MAX).text, "16E");
        assert_string_equal(xpm_quantity_size((UINT64_C(1) << 30) * 23 / 10).text, "2.3G");
        for (enum xpm_gpu_kind kind = XPM_GPU_ANY; kind <= XPM_GPU_ROCM; kind++)
                assert_int_equal(parse(state, xpm_gpu_kind_word(kind)).alternatives[0].gpus[0].kind, kind);
}

static void long_text_is_cut_in_the_message(void **state)
{
        char text[4000];
        xpm_requirement requirement;
        xpm_error err = XPM_ERROR_NONE;
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        assert_int_equal(xpm_requirement_parse(*state, text, &requirement, &err), XPM_EPLAN);
        assert_true(strlen(err.message) < 400);
        assert_non_null(strstr(err.message, "x…', character 1: unknown 'x"));
}

static void memory_that_runs_out_is_an_error(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                xpm_requirement requirement;
                failing_malloc_arm(n);
                xpm_arena *arena = xpm_arena_create();
                int rc = arena ? xpm_requirement_parse(arena, "cuda(mem=8G)*2 & rocm | cpu(cores=32) | gpu",
                                                       &requirement, NULL)
                               : XPM_ENOMEM;
                bool failed = failing_malloc_disarm();
                xpm_arena_destroy(arena);
                assert_int_equal(rc, failed ? XPM_ENOMEM : 0);
                if (!failed)
                        break;
        }
}

static void need_grows_up_to_a_bound_and_never_shrinks(void **state)
{
        static const struct {
                xpm_growth growth;
                uint64_t memory;
                int64_t duration;
        } cases[] = {
                {{0}, 100, 10},
                {{.memory = 0.5, .duration = 1, .most_memory = 50, .most_duration = 5}, 100, 10},
                {{.memory = 2, .duration = 1.55}, 200, 16},
                {{.memory = 2, .duration = 3, .most_memory = 150, .most_duration = 20}, 150, 20},
                {{.memory = 2, .duration = 3, .most_memory = 300, .most_duration = 40}, 200, 30},
                {{.memory = 2, .duration = 3, .most_memory = 50, .most_duration = 5}, 100, 10},
                {{.memory = 1e300, .duration = 1e300}, UINT64_C(1) << 62, INT64_C(1) << 62},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_need need = {.memory = 100, .duration = 10};
                xpm_need_grow(&need, &cases[i].growth);
                assert_int_equal(need.memory, cases[i].memory);
                assert_int_equal(need.duration, cases[i].duration);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(duration_is_read_in_every_unit),
                T(memory_is_binary_in_every_unit),
                T(cpu_has_cores_and_memory_in_any_order),
                T(gpu_has_kind_memory_and_number),
                T(mpi_has_ranks_and_how_many_of_them_a_node_takes),
                T(nodes_is_a_number),
                T(what_is_not_said_is_any),
                T(terms_of_one_kind_combine_by_maximum),
                T(accelerators_add_up),
                T(alternatives_keep_their_order_and_share_nothing),
                T(error_quotes_the_text_and_says_where_and_what_to_write),
                T(place_of_an_error_is_told_as_a_number_too),
                T(quantities_are_written_as_they_are_read),
                T(long_text_is_cut_in_the_message),
                T(memory_that_runs_out_is_an_error),
                T(need_grows_up_to_a_bound_and_never_shrinks),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
