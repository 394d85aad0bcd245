#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exec/placement.h"
#include "host.h"

/* Two processors of four nodes of two caches of eight cores, a device near every node: 128 cores, 8 devices. */
static const host_shape large = {2, 4, 2, 8, 1, 2, UINT64_C(64) << 30};

static xpm_placement *place_on(const host *host_)
{
        xpm_placement *placement;
        assert_int_equal(xpm_placement_create(&host_->topology, 0, 0, &placement, NULL), 0);
        return placement;
}

static xpm_portion choose(const xpm_placement *placement, const xpm_portion *free_, size_t cores, int64_t gpus)
{
        const xpm_gpu_need need = {XPM_GPU_CUDA, 0, gpus};
        const xpm_demand demand = {cores, 0, (size_t)gpus, &need, gpus > 0};
        xpm_portion portion;
        assert_true(xpm_placement_choose(placement, free_, &demand, &portion));
        assert_int_equal(xpm_bits_count(&portion.cores), cores);
        assert_int_equal(xpm_bits_count(&portion.gpus), gpus);
        assert_true(xpm_bits_include(&free_->cores, &portion.cores));
        assert_true(xpm_bits_include(&free_->gpus, &portion.gpus));
        return portion;
}

static void take(xpm_portion *free_, const xpm_portion *part)
{
        xpm_bits_remove_all(&free_->cores, &part->cores);
        xpm_bits_remove_all(&free_->gpus, &part->gpus);
        free_->memory -= part->memory;
}

static void give(xpm_portion *free_, const xpm_portion *part)
{
        xpm_bits_add_all(&free_->cores, &part->cores);
        xpm_bits_add_all(&free_->gpus, &part->gpus);
        free_->memory += part->memory;
}

enum level { CACHE, NODE, PACKAGE, HOST };

/* The narrowest thing that has all of CORES. */
static enum level width(const xpm_topology *topology, const xpm_bits *cores)
{
        int first = xpm_bits_next(cores, -1);
        enum level level = CACHE;
        for (int core = first; core >= 0; core = xpm_bits_next(cores, core)) {
                const xpm_host_core *a = &topology->cores[first], *b = &topology->cores[core];
                enum level apart = a->package != b->package ? HOST
                                   : a->numa != b->numa     ? PACKAGE
                                   : a->l3 != b->l3         ? NODE
                                                            : CACHE;
                level = apart > level ? apart : level;
        }
        return level;
}

static void cores_are_as_close_as_can_be(void **state)
{
        (void)state;
        static const struct {
                size_t cores;
                enum level level;
        } table[] = {{1, CACHE},    {7, CACHE},    {8, CACHE}, {9, NODE},  {16, NODE},
                     {17, PACKAGE}, {64, PACKAGE}, {65, HOST}, {128, HOST}};
        host *host_ = host_create(large);
        xpm_placement *placement = place_on(host_);
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_portion got = choose(placement, xpm_placement_all(placement), table[i].cores, 0);
                assert_int_equal(width(&host_->topology, &got.cores), table[i].level);
        }
        xpm_placement_destroy(placement);
        free(host_);
}

static void small_jobs_leave_whole_caches_to_wide_ones(void **state)
{
        (void)state;
        host *host_ = host_create(large);
        xpm_placement *placement = place_on(host_);
        xpm_portion free_ = *xpm_placement_all(placement);
        xpm_portion first = choose(placement, &free_, 3, 0);
        take(&free_, &first);
        xpm_portion second = choose(placement, &free_, 5, 0);
        xpm_bits both = first.cores;
        xpm_bits_add_all(&both, &second.cores);
        assert_int_equal(width(&host_->topology, &both), CACHE);
        take(&free_, &second);
        xpm_portion third = choose(placement, &free_, 8, 0);
        assert_int_equal(width(&host_->topology, &third.cores), CACHE);
        xpm_placement_destroy(placement);
        free(host_);
}

static void devices_are_near_the_cores(void **state)
{
        (void)state;
        host *host_ = host_create(large);
        xpm_placement *placement = place_on(host_);
        xpm_portion free_ = *xpm_placement_all(placement);
        for (int i = 0; i < 8; i++) {
                xpm_portion got = choose(placement, &free_, 4, 1);
                int gpu = xpm_bits_next(&got.gpus, -1);
                for (int core = -1; (core = xpm_bits_next(&got.cores, core)) >= 0;)
                        assert_int_equal(host_->topology.cores[core].numa, host_->topology.gpus[gpu].numa);
                take(&free_, &got);
        }
        /* Two devices are of one processor. */
        xpm_portion two = choose(placement, xpm_placement_all(placement), 2, 2);
        int a = xpm_bits_next(&two.gpus, -1), b = xpm_bits_next(&two.gpus, a);
        assert_int_equal(a / 4, b / 4);
        xpm_placement_destroy(placement);
        free(host_);
}

static void jobs_without_devices_keep_away_from_them(void **state)
{
        (void)state;
        host *host_ = host_create(large);
        host_->topology.gpu_count = 2; /* near nodes 0 and 1 */
        xpm_placement *placement = place_on(host_);
        xpm_portion free_ = *xpm_placement_all(placement);
        for (int i = 0; i < 6 * 16; i++) {
                xpm_portion got = choose(placement, &free_, 1, 0);
                assert_true(host_->topology.cores[xpm_bits_next(&got.cores, -1)].numa >= 2);
                take(&free_, &got);
        }
        choose(placement, &free_, 1, 0);
        xpm_placement_destroy(placement);
        free(host_);
}

static void wide_jobs_take_near_nodes(void **state)
{
        (void)state;
        /* Distances that differ: 0 and 3 are near each other, so are 1 and 2. */
        static const uint16_t distances[16] = {10, 30, 20, 11, 30, 10, 12, 20, 20, 12, 10, 30, 11, 20, 30, 10};
        host *host_ = host_create((host_shape){1, 4, 1, 4, 0, 1, 1 << 20});
        memcpy(host_->distances, distances, sizeof distances);
        xpm_placement *placement = place_on(host_);
        xpm_portion free_ = *xpm_placement_all(placement);
        for (int i = 0; i < 2; i++) {
                xpm_portion got = choose(placement, &free_, 8, 0);
                xpm_bits nodes;
                xpm_placement_nodes(placement, &got.cores, &nodes);
                assert_int_equal(xpm_bits_count(&nodes), 2);
                assert_true(xpm_bits_has(&nodes, 0) == xpm_bits_has(&nodes, 3));
                take(&free_, &got);
        }
        xpm_placement_destroy(placement);
        free(host_);
}

static void powerful_cores_come_first_and_kinds_are_not_mixed(void **state)
{
        (void)state;
        host *host_ = host_create((host_shape){1, 1, 1, 12, 0, 1, 1 << 20});
        for (int i = 4; i < 12; i++)
                host_->cores[i].kind = 1;
        xpm_placement *placement = place_on(host_);
        xpm_portion free_ = *xpm_placement_all(placement), got = choose(placement, &free_, 4, 0);
        assert_true(xpm_bits_next(&got.cores, 3) < 0);
        got = choose(placement, &free_, 6, 0);
        assert_true(xpm_bits_next(&got.cores, -1) >= 4);
        got = choose(placement, &free_, 12, 0);
        xpm_placement_destroy(placement);
        free(host_);
}

static void a_small_need_does_not_take_the_big_device(void **state)
{
        (void)state;
        host *host_ = host_create((host_shape){1, 2, 1, 4, 1, 1, 1 << 20});
        host_->gpus[0].memory = UINT64_C(8) << 30;
        xpm_placement *placement = place_on(host_);
        static const xpm_gpu_need needs[] = {{XPM_GPU_ANY, 0, 1}, {XPM_GPU_CUDA, UINT64_C(40) << 30, 1}};
        const xpm_demand demand = {1, 0, 2, needs, 2};
        xpm_portion got;
        assert_true(xpm_placement_choose(placement, xpm_placement_all(placement), &demand, &got));
        assert_int_equal(xpm_bits_count(&got.gpus), 2);
        static const xpm_gpu_need small = {XPM_GPU_CUDA, UINT64_C(1) << 30, 1};
        const xpm_demand one = {1, 0, 1, &small, 1};
        assert_true(xpm_placement_choose(placement, xpm_placement_all(placement), &one, &got));
        assert_true(xpm_bits_has(&got.gpus, 0));
        xpm_placement_destroy(placement);
        free(host_);
}

static void what_never_fits_is_told(void **state)
{
        (void)state;
        static const xpm_gpu_need big = {XPM_GPU_CUDA, UINT64_C(80) << 30, 1}, amd = {XPM_GPU_ROCM, 0, 1},
                                  nine = {XPM_GPU_ANY, 0, 9};
        static const struct {
                xpm_demand demand;
                const char *words;
        } table[] = {
                {{129, 0, 0, NULL, 0}, "it wants 129 cores, and this host has 128"},
                {{1, UINT64_C(513) << 30, 0, NULL, 0}, "it wants 525312 MiB of memory, and this host has 524288"},
                {{1, 0, 1, &big, 1}, "it wants 1 CUDA GPU of 81920 MiB or more, and this host has 0"},
                {{1, 0, 1, &amd, 1}, "it wants 1 ROCm GPU, and this host has 0"},
                {{1, 0, 9, &nine, 1}, "it wants 9 GPUs, and this host has 8"},
        };
        host *host_ = host_create(large);
        xpm_placement *placement = place_on(host_);
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(xpm_placement_check(placement, &table[i].demand, &err), XPM_ELAUNCHER);
                assert_string_equal(err.message, table[i].words);
        }
        xpm_placement_destroy(placement);
        free(host_);
}

static void launchers_yaml_may_say_less(void **state)
{
        (void)state;
        host *host_ = host_create(large);
        xpm_placement *placement;
        assert_int_equal(xpm_placement_create(&host_->topology, 6, UINT64_C(1) << 30, &placement, NULL), 0);
        assert_int_equal(xpm_bits_count(&xpm_placement_all(placement)->cores), 6);
        assert_int_equal(xpm_placement_all(placement)->memory, UINT64_C(1) << 30);
        xpm_placement_destroy(placement);
        free(host_);
}

/* Jobs at random: what was free and suffices is always found, and nothing is given twice. */
static void random_jobs_find_whatever_is_there(void **state)
{
        (void)state;
        enum { JOBS = 40, ROUNDS = 4000 };
        static const host_shape shapes[] = {{1, 1, 1, 2, 0, 1, 4096},
                                            {2, 4, 2, 8, 1, 2, 65536},
                                            {1, 2, 3, 5, 2, 1, 8192},
                                            {4, 1, 1, 7, 0, 4, 1024}};
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
                host *host_ = host_create(shapes[s]);
                xpm_placement *placement = place_on(host_);
                xpm_portion free_ = *xpm_placement_all(placement), held[JOBS];
                bool runs[JOBS] = {false};
                unsigned seed = 1 + (unsigned)s;
                for (int round = 0; round < ROUNDS; round++) {
                        int job = rand_r(&seed) % JOBS;
                        if (runs[job]) {
                                assert_false(xpm_bits_meet(&free_.cores, &held[job].cores));
                                give(&free_, &held[job]);
                                runs[job] = false;
                                continue;
                        }
                        int64_t gpus = shapes[s].gpus ? rand_r(&seed) % 3 : 0;
                        const xpm_gpu_need need = {XPM_GPU_ANY, 0, gpus};
                        const xpm_demand demand = {1 + (size_t)rand_r(&seed) % (host_->topology.core_count / 2 + 1),
                                                   (uint64_t)rand_r(&seed) % host_->topology.memory, (size_t)gpus,
                                                   &need, gpus > 0};
                        bool fits = demand.cores <= xpm_bits_count(&free_.cores) && demand.memory <= free_.memory &&
                                    demand.gpu_count <= xpm_bits_count(&free_.gpus);
                        runs[job] = xpm_placement_choose(placement, &free_, &demand, &held[job]);
                        assert_int_equal(runs[job], fits);
                        if (!fits)
                                continue;
                        assert_int_equal(xpm_bits_count(&held[job].cores), demand.cores);
                        assert_int_equal(held[job].memory, demand.memory);
                        assert_true(xpm_bits_include(&free_.cores, &held[job].cores));
                        assert_true(xpm_bits_include(&free_.gpus, &held[job].gpus));
                        take(&free_, &held[job]);
                }
                xpm_placement_destroy(placement);
                free(host_);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cores_are_as_close_as_can_be),
                cmocka_unit_test(small_jobs_leave_whole_caches_to_wide_ones),
                cmocka_unit_test(devices_are_near_the_cores),
                cmocka_unit_test(jobs_without_devices_keep_away_from_them),
                cmocka_unit_test(wide_jobs_take_near_nodes),
                cmocka_unit_test(powerful_cores_come_first_and_kinds_are_not_mixed),
                cmocka_unit_test(a_small_need_does_not_take_the_big_device),
                cmocka_unit_test(what_never_fits_is_told),
                cmocka_unit_test(launchers_yaml_may_say_less),
                cmocka_unit_test(random_jobs_find_whatever_is_there),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
