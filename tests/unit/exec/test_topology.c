#include <hwloc.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "described.h"
#include "failing_malloc.h"
#include "place.h"

static const uint64_t G = UINT64_C(1) << 30;

static void expect_list(const xpm_topology *topology, const unsigned *cores, size_t count, const char *list)
{
        xpm_bits bits = {0};
        xpm_text text = XPM_TEXT_INIT;
        for (size_t i = 0; i < count; i++)
                xpm_bits_add(&bits, cores[i]);
        xpm_topology_cpu_list(topology, &bits, &text);
        assert_string_equal(xpm_text_string(&text), list);
        xpm_text_release(&text);
}

#define EXPECT_LIST(topology, list, ...)                       \
        expect_list(topology, (const unsigned[]){__VA_ARGS__}, \
                    sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned), list)

static void recorded_hosts_have_their_cores_and_gpus(void **state)
{
        (void)state;
        static const struct {
                const char *name;
                size_t gpus;
                enum xpm_gpu_kind kind;
                int numa_step;
                const char *first, *model, *second_visible;
                uint64_t memory;
        } hosts[] = {
                {"node128", 8, XPM_GPU_CUDA, 1, "cuda0", "NVIDIA H100", "GPU-00000001-0000-0000-0000-000000000000",
                 80 * G},
                {"node_amd", 4, XPM_GPU_ROCM, 2, "rsmi0", "MI250X", "GPU-0000000000000001", 0},
                {"node_intel", 4, XPM_GPU_ANY, 2, "ze0", "PVC", "1", 0},
        };
        for (size_t i = 0; i < 3; i++) {
                xpm_topology *topology = described_recorded(hosts[i].name, true);
                assert_non_null(topology);
                assert_int_equal(topology->core_count, 128);
                assert_int_equal(topology->pu_count, 128);
                assert_int_equal(topology->numa_count, 8);
                assert_int_equal(topology->memory, 512 * G);
                assert_false(topology->this_system);
                assert_true(topology->with_gpus);
                assert_int_equal(topology->gpu_count, hosts[i].gpus);
                assert_string_equal(topology->gpus[0].name, hosts[i].first);
                assert_string_equal(topology->gpus[1].visible, hosts[i].second_visible);
                for (size_t j = 0; j < hosts[i].gpus; j++) {
                        char pci[32];
                        snprintf(pci, sizeof pci, "0000:%zu1:00.0", j + 1);
                        assert_int_equal(topology->gpus[j].kind, hosts[i].kind);
                        assert_string_equal(topology->gpus[j].model, hosts[i].model);
                        assert_string_equal(topology->gpus[j].pci, pci);
                        assert_int_equal(topology->gpus[j].memory, hosts[i].memory);
                        assert_int_equal(topology->gpus[j].numa, (int)j * hosts[i].numa_step);
                }
                for (size_t j = 0; j < 128; j++) {
                        assert_int_equal(topology->cores[j].numa, j / 16);
                        assert_int_equal(topology->cores[j].package, j / 64);
                        assert_int_equal(topology->cores[j].kind, 0);
                }
                xpm_topology_destroy(topology);
        }
}

static void devices_are_found_only_when_they_are_looked_for(void **state)
{
        (void)state;
        xpm_topology *topology = described_recorded("node128", false);
        assert_non_null(topology);
        assert_false(topology->with_gpus);
        assert_int_equal(topology->gpu_count, 0);
        assert_int_equal(topology->core_count, 128);
        xpm_topology_destroy(topology);
}

static void variables_for_this_host_say_nothing_of_another(void **state)
{
        (void)state;
        xpm_topology *topology = NULL;
        described_forget();
        setenv("HWLOC_XMLFILE", XPM_TEST_DATA "/topologies/node128.xml", 1);
        setenv("CUDA_VISIBLE_DEVICES", "0", 1);
        setenv("SLURM_JOB_ID", "1", 1);
        setenv("SLURM_MEM_PER_NODE", "100", 1);
        assert_int_equal(xpm_topology_load(true, &topology, NULL), 0);
        described_forget();
        assert_int_equal(topology->gpu_count, 8);
        assert_int_equal(topology->memory, 512 * G);
        xpm_topology_destroy(topology);
}

static void unequal_distances_and_caches_are_told(void **state)
{
        (void)state;
        xpm_topology *topology = described_recorded("unequal", false);
        assert_non_null(topology);
        assert_int_equal(topology->core_count, 128);
        assert_int_equal(topology->pu_count, 256);
        static const unsigned first[] = {10, 11, 12, 12, 28, 32, 32, 32};
        for (size_t i = 0; i < 8; i++) {
                assert_int_equal(topology->distances[i], first[i]);
                assert_int_equal(topology->distances[i * 8 + i], 10);
        }
        assert_int_equal(topology->distances[1 * 8 + 5], 28);
        for (size_t i = 0; i < 128; i++) {
                assert_int_equal(topology->cores[i].l3, i / 8);
                assert_int_equal(topology->cores[i].numa, i / 16);
        }
        EXPECT_LIST(topology, "0-5,14-15", 0, 1, 2, 7);
        EXPECT_LIST(topology, "0-1,254-255", 127, 0);
        xpm_topology_destroy(topology);
}

static void distances_that_nobody_tells_follow_the_packages(void **state)
{
        (void)state;
        xpm_topology *topology = described_words("pack:2 numa:2(memory=4GiB) core:2 pu:1");
        assert_non_null(topology);
        static const unsigned expected[] = {10, 20, 30, 30, 20, 10, 30, 30, 30, 30, 10, 20, 30, 30, 20, 10};
        assert_int_equal(topology->numa_count, 4);
        for (size_t i = 0; i < 16; i++)
                assert_int_equal(topology->distances[i], expected[i]);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(topology->numa[i].memory, 4 * G);
                assert_int_equal(topology->numa[i].package, i / 2);
        }
        assert_int_equal(topology->memory, 16 * G);
        xpm_topology_destroy(topology);
}

static void hybrid_cores_are_of_two_kinds(void **state)
{
        (void)state;
        xpm_topology *topology = described_recorded("hybrid", false);
        assert_non_null(topology);
        assert_int_equal(topology->core_count, 14);
        assert_int_equal(topology->pu_count, 20);
        for (size_t i = 0; i < 14; i++) {
                assert_int_equal(topology->cores[i].kind, i < 6 ? 0 : 1);
                assert_int_equal(topology->cores[i].pu_count, i < 6 ? 2 : 1);
                assert_int_equal(topology->cores[i].l3, 0);
        }
        EXPECT_LIST(topology, "10-12", 5, 6);
        xpm_topology_destroy(topology);
}

static void threads_that_are_not_allowed_are_not_there(void **state)
{
        (void)state;
        xpm_topology *topology = described_recorded("allowed", false);
        assert_non_null(topology);
        assert_int_equal(topology->core_count, 4);
        assert_int_equal(topology->pu_count, 6);
        EXPECT_LIST(topology, "2-3,5-7,12", 0, 1, 2, 3);
        EXPECT_LIST(topology, "5", 1);
        assert_int_equal(topology->cores[2].package, 0);
        assert_int_equal(topology->cores[3].package, 1);
        assert_int_equal(topology->cores[3].numa, 1);
        xpm_topology_destroy(topology);
}

static void offline_cores_are_not_there(void **state)
{
        (void)state;
        xpm_topology *topology = described_recorded("offline", false);
        assert_non_null(topology);
        assert_int_equal(topology->core_count, 3);
        EXPECT_LIST(topology, "0-2,4-5", 0, 1, 2);
        EXPECT_LIST(topology, "2", 1);
        xpm_topology_destroy(topology);
}

/* As the kernel knows it: a number of bytes that tests read by themselves. */
static uint64_t read_total(void)
{
        FILE *file = fopen("/proc/meminfo", "re");
        unsigned long long kilobytes = 0;
        assert_non_null(file);
        assert_int_equal(fscanf(file, "MemTotal: %llu", &kilobytes), 1);
        fclose(file);
        return kilobytes * 1024;
}

static void a_description_without_memory_has_that_of_this_host(void **state)
{
        (void)state;
        xpm_topology *topology = described_recorded("nomemory", false);
        assert_non_null(topology);
        assert_int_equal(topology->core_count, 4);
        assert_int_equal(topology->numa[1].memory, 0);
        assert_in_range(topology->memory, 1, read_total());
        xpm_topology_destroy(topology);
}

static void hardware_threads_of_a_core_stay_together(void **state)
{
        (void)state;
        static const struct {
                const char *words, *first, *last;
                unsigned threads;
        } hosts[] = {
                {"pack:1 core:4 pu:1", "0", "3", 1},
                {"pack:1 core:4 pu:2(indexes=0,4,1,5,2,6,3,7)", "0,4", "3,7", 2},
                {"pack:1 core:4 pu:4", "0-3", "12-15", 4},
                {"pack:1 pu:4", "0", "3", 1}, /* no cores are known */
        };
        for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
                xpm_topology *topology = described_words(hosts[i].words);
                assert_non_null(topology);
                assert_int_equal(topology->core_count, 4);
                assert_int_equal(topology->pu_count, 4 * hosts[i].threads);
                assert_int_equal(topology->cores[3].first_pu, 3 * hosts[i].threads);
                EXPECT_LIST(topology, hosts[i].first, 0);
                EXPECT_LIST(topology, hosts[i].last, 3);
                xpm_topology_destroy(topology);
        }
}

static void caches_that_are_missing_are_the_next_thing_above(void **state)
{
        (void)state;
        static const struct {
                const char *words;
                unsigned l3[8];
        } hosts[] = {
                {"pack:2 l3:1 l2:4 core:1 pu:1", {0, 0, 0, 0, 1, 1, 1, 1}},
                {"pack:2 l2:4 core:1 pu:1", {0, 0, 0, 0, 1, 1, 1, 1}}, /* each its own: nothing in common */
                {"pack:2 l2:2 core:2 pu:1", {0, 0, 1, 1, 2, 2, 3, 3}},
                {"pack:2 core:4 pu:1", {0, 0, 0, 0, 1, 1, 1, 1}},
                {"pack:1 l3:8 core:1 pu:1", {0, 1, 2, 3, 4, 5, 6, 7}},
        };
        for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
                xpm_topology *topology = described_words(hosts[i].words);
                assert_non_null(topology);
                for (size_t j = 0; j < 8; j++)
                        assert_int_equal(topology->cores[j].l3, hosts[i].l3[j]);
                xpm_topology_destroy(topology);
        }
}

static void too_many_cores_are_cut(void **state)
{
        (void)state;
        xpm_topology *topology = described_words("pack:4 core:600 pu:2");
        assert_non_null(topology);
        assert_int_equal(topology->core_count, XPM_CORES);
        assert_int_equal(topology->pu_count, 2 * XPM_CORES);
        EXPECT_LIST(topology, "4094-4095", XPM_CORES - 1);
        xpm_topology_destroy(topology);
}

static void no_cores_are_an_empty_list(void **state)
{
        (void)state;
        xpm_topology *topology = described_words("pack:1 core:2 pu:1");
        assert_non_null(topology);
        expect_list(topology, NULL, 0, "");
        xpm_topology_destroy(topology);
}

static void expect_refused(const char *variable, const char *value, const char *message)
{
        xpm_topology *topology = NULL;
        xpm_error err = XPM_ERROR_NONE;
        described_forget();
        setenv(variable, value, 1);
        assert_int_equal(xpm_topology_load(false, &topology, &err), XPM_EIO);
        unsetenv(variable);
        assert_null(topology);
        assert_string_equal(err.message, message);
}

static void descriptions_that_cannot_be_read_are_named(void **state)
{
        const struct place *place = *state;
        char path[128], message[512];
        snprintf(path, sizeof path, "%s/host.xml", place->path);
        snprintf(message, sizeof message, "cannot read '%s', named by HWLOC_XMLFILE: no such file or directory", path);
        expect_refused("HWLOC_XMLFILE", path, message);
        static const char *const broken[] = {"", "<topology version=\"2.0\">\n  <object type=\"Machine\"", "{}\n"};
        snprintf(message, sizeof message, "cannot read '%s', named by HWLOC_XMLFILE: not a topology of hwloc", path);
        for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
                place_put(place, "host.xml", broken[i]);
                expect_refused("HWLOC_XMLFILE", path, message);
        }
        expect_refused("HWLOC_SYNTHETIC", "pack:2 core:many",
                       "'pack:2 core:many', in HWLOC_SYNTHETIC, describes no topology");
}

/* A file that is well-formed, but is no host: hwloc finds out late. */
static void a_topology_of_nothing_is_refused(void **state)
{
        const struct place *place = *state;
        xpm_topology *topology = NULL;
        xpm_error err = XPM_ERROR_NONE;
        char path[128];
        snprintf(path, sizeof path, "%s/empty.xml", place->path);
        place_put(place, "empty.xml", "<?xml version=\"1.0\"?>\n<topology version=\"2.0\"></topology>\n");
        described_forget();
        setenv("HWLOC_XMLFILE", path, 1);
        assert_int_equal(xpm_topology_load(false, &topology, &err), XPM_EIO);
        unsetenv("HWLOC_XMLFILE");
        char message[512];
        snprintf(message, sizeof message, "cannot read '%s', named by HWLOC_XMLFILE: not a topology of hwloc", path);
        assert_string_equal(err.message, message);
}

static void this_host_has_what_the_process_is_bound_to(void **state)
{
        (void)state;
        cpu_set_t before;
        assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
        int first = 0;
        while (!CPU_ISSET(first, &before))
                first++;
        described_forget();
        xpm_topology *all = NULL;
        assert_int_equal(xpm_topology_load(false, &all, NULL), 0);
        assert_true(all->this_system);
        assert_int_equal(all->pu_count, CPU_COUNT(&before));
        assert_in_range(all->memory, 1, read_total());
        pid_t pid = fork();
        if (pid == 0) {
                cpu_set_t one;
                xpm_topology *topology = NULL;
                CPU_ZERO(&one);
                CPU_SET(first, &one);
                bool good = sched_setaffinity(0, sizeof one, &one) == 0 &&
                            xpm_topology_load(false, &topology, NULL) == 0 && topology->core_count == 1 &&
                            topology->pu_count == 1 && topology->pus[0] == (uint32_t)first &&
                            topology->numa_count == 1 && topology->memory == all->memory;
                xpm_topology_destroy(topology);
                xpm_topology_destroy(all);
                exit(good ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        xpm_topology_destroy(all);
}

static void gpus_of_this_host_are_asked_of_nvidia_smi(void **state)
{
        const struct place *place = *state;
        char path[4096];
        xpm_topology *topology = NULL;
        described_forget();
        char *before = strdup(getenv("PATH"));
        snprintf(path, sizeof path, "%s:%s", place->path, before);
        place_put(place, "nvidia-smi",
                  "#!/bin/sh\n"
                  "echo '0, GPU-aaaa, NVIDIA A100, 40960, 00000000:F1:00.0'\n"
                  "echo '1, GPU-bbbb, NVIDIA A100, 40960, 00000000:F2:00.0'\n");
        assert_int_equal(fchmodat(place->dir, "nvidia-smi", 0755, 0), 0);
        setenv("PATH", path, 1);
        setenv("CUDA_VISIBLE_DEVICES", "1", 1);
        int rc = xpm_topology_load(true, &topology, NULL);
        setenv("PATH", before, 1);
        free(before);
        described_forget();
        assert_int_equal(rc, 0);
        const xpm_host_gpu *found = NULL;
        for (size_t i = 0; i < topology->gpu_count; i++) {
                assert_string_not_equal(topology->gpus[i].visible, "GPU-aaaa");
                if (strcmp(topology->gpus[i].visible, "GPU-bbbb") == 0)
                        found = &topology->gpus[i];
        }
        assert_non_null(found);
        assert_int_equal(found->memory, 40 * G);
        assert_string_equal(found->pci, "0000:f2:00.0");
        xpm_topology_destroy(topology);
}

static void a_list_without_memory_has_failed(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        xpm_topology *topology = described_words("pack:1 core:100 pu:1");
        xpm_bits bits = {0};
        assert_non_null(topology);
        xpm_bits_add(&bits, 99);
        for (long n = 1;; n++) {
                xpm_text text = XPM_TEXT_INIT;
                failing_malloc_arm(n);
                xpm_topology_cpu_list(topology, &bits, &text);
                bool struck = failing_malloc_disarm(), failed = text.failed;
                bool good = strcmp(xpm_text_string(&text), "99") == 0;
                xpm_text_release(&text);
                assert_true(failed == struck);
                if (!struck) {
                        assert_true(good);
                        break;
                }
        }
        xpm_topology_destroy(topology);
}

static void a_slurm_job_has_the_memory_that_it_asked_for(void **state)
{
        (void)state;
        xpm_topology *topology = NULL;
        described_forget();
        setenv("SLURM_JOB_ID", "7", 1);
        setenv("SLURM_MEM_PER_NODE", "64", 1);
        assert_int_equal(xpm_topology_load(false, &topology, NULL), 0);
        described_forget();
        assert_int_equal(topology->memory, 64 << 20);
        xpm_topology_destroy(topology);
}

static void *load_often(void *argument)
{
        size_t *cores = argument;
        for (int i = 0; i < 10; i++) {
                xpm_topology *topology = NULL;
                if (xpm_topology_load(true, &topology, NULL) == 0)
                        *cores += topology->core_count;
                xpm_topology_destroy(topology);
        }
        return NULL;
}

static void threads_may_load_at_once(void **state)
{
        (void)state;
        pthread_t threads[4];
        size_t cores[4] = {0};
        hwloc_topology_t held;
        described_forget();
        /* hwloc stays loaded, with the libxml that it uses, until the threads have ended: what libxml keeps for a
         * thread is freed when that ends, and not when libxml goes before. */
        assert_int_equal(hwloc_topology_init(&held), 0);
        setenv("HWLOC_XMLFILE", XPM_TEST_DATA "/topologies/node128.xml", 1);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, load_often, &cores[i]), 0);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        hwloc_topology_destroy(held);
        described_forget();
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(cores[i], 10 * 128);
}

static void an_allocation_that_does_not_bind_is_counted(void **state)
{
        xpm_topology *topology, *all;
        (void)state;
        assert_int_equal(xpm_topology_load(false, &all, NULL), 0);
        if (all->core_count < 2) {
                xpm_topology_destroy(all);
                skip();
        }
        setenv("SLURM_JOB_ID", "1", 1);
        setenv("SLURM_CPUS_ON_NODE", "1", 1);
        assert_int_equal(xpm_topology_load(false, &topology, NULL), 0);
        assert_int_equal(topology->core_count, 1);
        assert_true(topology->counted);
        xpm_topology_destroy(topology);
        setenv("SLURM_CPUS_ON_NODE", "100000", 1);
        assert_int_equal(xpm_topology_load(false, &topology, NULL), 0);
        assert_int_equal(topology->core_count, all->core_count);
        assert_false(topology->counted);
        xpm_topology_destroy(topology);
        unsetenv("SLURM_JOB_ID");
        unsetenv("SLURM_CPUS_ON_NODE");
        xpm_topology_destroy(all);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_allocation_that_does_not_bind_is_counted),
                cmocka_unit_test(recorded_hosts_have_their_cores_and_gpus),
                cmocka_unit_test(devices_are_found_only_when_they_are_looked_for),
                cmocka_unit_test(variables_for_this_host_say_nothing_of_another),
                cmocka_unit_test(unequal_distances_and_caches_are_told),
                cmocka_unit_test(distances_that_nobody_tells_follow_the_packages),
                cmocka_unit_test(hybrid_cores_are_of_two_kinds),
                cmocka_unit_test(threads_that_are_not_allowed_are_not_there),
                cmocka_unit_test(offline_cores_are_not_there),
                cmocka_unit_test(a_description_without_memory_has_that_of_this_host),
                cmocka_unit_test(hardware_threads_of_a_core_stay_together),
                cmocka_unit_test(caches_that_are_missing_are_the_next_thing_above),
                cmocka_unit_test(too_many_cores_are_cut),
                cmocka_unit_test(no_cores_are_an_empty_list),
                cmocka_unit_test_setup_teardown(descriptions_that_cannot_be_read_are_named, place_enter, place_leave),
                cmocka_unit_test_setup_teardown(a_topology_of_nothing_is_refused, place_enter, place_leave),
                cmocka_unit_test(this_host_has_what_the_process_is_bound_to),
                cmocka_unit_test_setup_teardown(gpus_of_this_host_are_asked_of_nvidia_smi, place_enter, place_leave),
                cmocka_unit_test(a_list_without_memory_has_failed),
                cmocka_unit_test(a_slurm_job_has_the_memory_that_it_asked_for),
                cmocka_unit_test(threads_may_load_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
