#include <hwloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "described.h"
#include "exec/gpus.h"
#include "failing_malloc.h"
#include "place.h"

static const uint64_t G = UINT64_C(1) << 30;

/* This host as it would be with other devices: hwloc's tree, files of drivers and an nvidia-smi. */
struct other {
        const struct place *place;
        hwloc_topology_t hw;
        xpm_arena *arena;
        char nvidia[128], devices[128], kfd[128], path[128];
        xpm_gpu_place where;
        const xpm_host_gpu *gpus;
        size_t count;
};

static void begin(struct other *other, const struct place *place, const char *recorded)
{
        char file[512];
        *other = (struct other){.place = place, .arena = xpm_arena_create()};
        described_forget();
        snprintf(file, sizeof file, "%s/%s.xml", place->path, recorded);
        if (access(file, F_OK) != 0)
                snprintf(file, sizeof file, "%s/topologies/%s.xml", XPM_TEST_DATA, recorded);
        assert_int_equal(hwloc_topology_init(&other->hw), 0);
        hwloc_topology_set_io_types_filter(other->hw, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
        assert_int_equal(hwloc_topology_set_xml(other->hw, file), 0);
        assert_int_equal(hwloc_topology_load(other->hw), 0);
        snprintf(other->nvidia, sizeof other->nvidia, "%s/nvidia", place->path);
        snprintf(other->devices, sizeof other->devices, "%s/dev", place->path);
        snprintf(other->kfd, sizeof other->kfd, "%s/kfd", place->path);
        snprintf(other->path, sizeof other->path, "%s/bin", place->path);
        other->where = (xpm_gpu_place){other->nvidia, other->devices, other->kfd};
        static const char *const directories[] = {"nvidia", "dev", "kfd", "bin"};
        for (size_t i = 0; i < 4; i++)
                mkdirat(place->dir, directories[i], 0700);
        setenv("PATH", other->path, 1);
}

static void find(struct other *other)
{
        assert_int_equal(xpm_gpus_find(other->hw, &other->where, other->arena, &other->gpus, &other->count, NULL), 0);
}

static void end(struct other *other)
{
        hwloc_topology_destroy(other->hw);
        xpm_arena_destroy(other->arena);
        setenv("PATH", "/usr/bin:/bin", 1);
        described_forget();
}

static void put_smi(const struct other *other, const char *text)
{
        place_put(other->place, "bin/nvidia-smi", text);
        assert_int_equal(fchmodat(other->place->dir, "bin/nvidia-smi", 0755, 0), 0);
}

#define QUERY "--query-gpu=index,uuid,name,memory.total,pci.bus_id --format=csv,noheader,nounits"

static const char smi[] = "#!/bin/sh\n"
                          "[ \"$*\" = '" QUERY "' ] || exit 1\n"
                          "echo '0, GPU-aaaa0000, NVIDIA A100-SXM4-40GB, 40960, 00000000:11:00.0'\n"
                          "echo '1, GPU-bbbb0000, NVIDIA A100-SXM4-40GB, 40960, 00000000:21:00.0'\n"
                          "echo '2, GPU-cccc0000, NVIDIA GH200, [N/A], 00000000:A1:00.0'\n";

/* hwloc of a distribution sees the devices on the bus, but no GPU in them. */
static void nvidia_smi_tells_what_hwloc_does_not(void **state)
{
        struct other other;
        begin(&other, *state, "hybrid");
        put_smi(&other, smi);
        find(&other);
        assert_int_equal(other.count, 3);
        assert_string_equal(other.gpus[0].name, "cuda0");
        assert_string_equal(other.gpus[1].visible, "GPU-bbbb0000");
        assert_string_equal(other.gpus[1].model, "NVIDIA A100-SXM4-40GB");
        assert_string_equal(other.gpus[1].pci, "0000:21:00.0");
        assert_string_equal(other.gpus[2].pci, "0000:a1:00.0");
        assert_int_equal(other.gpus[1].kind, XPM_GPU_CUDA);
        assert_int_equal(other.gpus[1].memory, 40 * G);
        assert_int_equal(other.gpus[2].memory, 0);
        assert_int_equal(other.gpus[2].numa, 0); /* there is but one node */
        end(&other);
}

/* There, CUDA's devices are known with all that is needed, and AMD's lack what the driver tells. */
static void what_is_known_at_one_place_is_one_device(void **state)
{
        struct other other;
        begin(&other, *state, "node128");
        put_smi(&other, "#!/bin/sh\necho '0, GPU-wrong, Nobody asked, 1, 00000000:11:00.0'\n");
        find(&other);
        assert_int_equal(other.count, 8);
        assert_string_equal(other.gpus[0].visible, "GPU-00000000-0000-0000-0000-000000000000");
        assert_int_equal(other.gpus[0].memory, 80 * G);
        end(&other);

        begin(&other, *state, "node_amd");
        mkdirat(other.place->dir, "kfd/2", 0700);
        mkdirat(other.place->dir, "kfd/2/mem_banks", 0700);
        mkdirat(other.place->dir, "kfd/2/mem_banks/0", 0700);
        place_put(other.place, "kfd/2/properties",
                  "simd_count 440\nvendor_id 4098\nlocation_id 12544\ndomain 0\nunique_id 2\n");
        place_put(other.place, "kfd/2/mem_banks/0/properties", "heap_type 1\nsize_in_bytes 68719476736\nflags 0\n");
        find(&other);
        assert_int_equal(other.count, 4);
        assert_string_equal(other.gpus[2].pci, "0000:31:00.0");
        assert_string_equal(other.gpus[2].model, "MI250X");
        assert_string_equal(other.gpus[2].visible, "GPU-0000000000000002");
        assert_int_equal(other.gpus[2].memory, 64 * G);
        assert_int_equal(other.gpus[2].numa, 4);
        assert_int_equal(other.gpus[1].memory, 0);
        end(&other);
}

static void a_device_on_the_bus_has_its_numa_node(void **state)
{
        struct other other;
        begin(&other, *state, "node_intel"); /* of somebody else, but it is where the device is */
        put_smi(&other, "#!/bin/sh\necho '0, GPU-aaaa, X, 1024, 00000000:31:00.0'\n"
                        "echo '1, GPU-bbbb, X, 1024, 00000000:99:00.0'\n");
        find(&other);
        assert_int_equal(other.count, 5);
        assert_string_equal(other.gpus[2].visible, "GPU-aaaa");
        assert_int_equal(other.gpus[2].numa, 4);
        assert_int_equal(other.gpus[4].numa, -1);
        end(&other);
}

static void a_mask_of_level_zero_that_is_there_already_stays(void **state)
{
        struct other other;
        begin(&other, *state, "node_intel");
        find(&other);
        assert_true(other.count == 4 && other.gpus[0].level_zero && other.gpus[3].level_zero);
        setenv("ZE_AFFINITY_MASK", "2,3", 1);
        find(&other);
        assert_true(other.count == 4 && !other.gpus[0].level_zero && !other.gpus[3].level_zero);
        end(&other);
}

static void only_visible_devices_count(void **state)
{
        static const struct {
                const char *visible, *first;
                size_t count;
        } cases[] = {
                {"1", "GPU-bbbb0000", 1},
                {"2,0", "GPU-aaaa0000", 2},
                {"GPU-cccc", "GPU-cccc0000", 1},
                {" GPU-bbbb0000, 0", "GPU-aaaa0000", 2},
                {"", NULL, 0},
                {"-1", NULL, 0},
                {"NoDevFiles", NULL, 0},
                {"0,7,1", "GPU-aaaa0000", 1}, /* it ends at the first that is not there */
                {"MIG-1234", "MIG-1234", 1},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct other other;
                begin(&other, *state, "hybrid");
                put_smi(&other, smi);
                setenv("CUDA_VISIBLE_DEVICES", cases[i].visible, 1);
                find(&other);
                assert_int_equal(other.count, cases[i].count);
                if (cases[i].first)
                        assert_string_equal(other.gpus[0].visible, cases[i].first);
                end(&other);
        }
}

static void words_are_devices_where_nothing_is_known(void **state)
{
        static const struct {
                const char *name, *value;
                enum xpm_gpu_kind kind;
                const char *last;
        } cases[] = {
                {"CUDA_VISIBLE_DEVICES", "GPU-1234,3", XPM_GPU_CUDA, "3"},
                {"ROCR_VISIBLE_DEVICES", "0,GPU-00ff", XPM_GPU_ROCM, "GPU-00ff"},
                {"SLURM_STEP_GPUS", "2,3", XPM_GPU_CUDA, "3"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct other other;
                begin(&other, *state, "hybrid");
                setenv(cases[i].name, cases[i].value, 1);
                find(&other);
                assert_int_equal(other.count, 2);
                assert_int_equal(other.gpus[1].kind, cases[i].kind);
                assert_string_equal(other.gpus[1].visible, cases[i].last);
                end(&other);
        }
}

static void variables_of_both_kinds_are_devices_of_one(void **state)
{
        struct other other;
        begin(&other, *state, "hybrid");
        setenv("CUDA_VISIBLE_DEVICES", "0,1", 1);
        setenv("ROCR_VISIBLE_DEVICES", "0,1", 1);
        find(&other);
        assert_int_equal(other.count, 2);
        assert_int_equal(other.gpus[1].kind, XPM_GPU_CUDA);
        end(&other);
}

static void without_nvidia_smi_the_driver_tells(void **state)
{
        struct other other;
        begin(&other, *state, "hybrid");
        mkdirat(other.place->dir, "nvidia/0000:81:00.0", 0700);
        mkdirat(other.place->dir, "nvidia/0000:C1:00.0", 0700);
        mkdirat(other.place->dir, "nvidia/0000:E1:00.0", 0700);
        place_put(other.place, "nvidia/0000:81:00.0/information", "Model:  \t NVIDIA L4\nDevice Minor: \t 0\n");
        place_put(other.place, "nvidia/0000:C1:00.0/information",
                  "Model: \t\t NVIDIA L40\nGPU UUID: \t GPU-1111\nDevice Minor: \t 1\n");
        place_put(other.place, "nvidia/0000:E1:00.0/information",
                  "Model: \t\t NVIDIA L4\nGPU UUID: \t GPU-????????\nDevice Minor: \t 2\n");
        place_put(other.place, "dev/nvidia1", "");
        place_put(other.place, "dev/nvidia2", "");
        put_smi(&other, "#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n");
        find(&other);
        assert_int_equal(other.count, 2); /* the first may not be opened */
        assert_string_equal(other.gpus[0].visible, "GPU-1111");
        assert_string_equal(other.gpus[0].model, "NVIDIA L40");
        assert_string_equal(other.gpus[0].pci, "0000:c1:00.0");
        assert_string_equal(other.gpus[1].visible, "1");
        assert_string_equal(other.gpus[1].name, "cuda1");
        end(&other);
}

static void devices_of_amd_are_counted_in_the_order_of_its_driver(void **state)
{
        struct other other;
        begin(&other, *state, "hybrid");
        static const char *const nodes[] = {"kfd/0", "kfd/2", "kfd/10"};
        static const char *const properties[] = {
                "cpu_cores_count 64\nsimd_count 0\nvendor_id 0\n",
                "simd_count 440\nvendor_id 4098\nlocation_id 49408\ndomain 0\nunique_id 16045690984833335023\n",
                "simd_count 440\nvendor_id 4098\nlocation_id 8963\ndomain 1\nunique_id 0\n",
        };
        for (size_t i = 0; i < 3; i++) {
                char name[64];
                mkdirat(other.place->dir, nodes[i], 0700);
                snprintf(name, sizeof name, "%s/properties", nodes[i]);
                place_put(other.place, name, properties[i]);
        }
        place_put(other.place, "kfd/2/name", "aldebaran\n");
        find(&other);
        assert_int_equal(other.count, 2);
        assert_int_equal(other.gpus[0].kind, XPM_GPU_ROCM);
        assert_string_equal(other.gpus[0].pci, "0000:c1:00.0");
        assert_string_equal(other.gpus[0].visible, "GPU-deadbeefdeadbeef");
        assert_string_equal(other.gpus[0].model, "aldebaran");
        assert_string_equal(other.gpus[1].pci, "0001:23:00.3");
        assert_string_equal(other.gpus[1].visible, "1");
        assert_string_equal(other.gpus[1].name, "rocm1");
        setenv("ROCR_VISIBLE_DEVICES", "1", 1);
        find(&other);
        assert_int_equal(other.count, 1);
        assert_string_equal(other.gpus[0].pci, "0001:23:00.3");
        end(&other);
}

#define MASKS " cpuset=\"0x1\" complete_cpuset=\"0x1\" nodeset=\"0x1\" complete_nodeset=\"0x1\""
#define CUDA(bus, number)                                                            \
        "<object type=\"PCIDev\" gp_index=\"" bus "0\" pci_busid=\"0000:" bus        \
        ":00.0\" pci_type=\"0302 [10de:2330] [0000:0000] a1\" pci_link_speed=\"0\">" \
        "<object type=\"OSDev\" gp_index=\"" bus "1\" name=\"" number                \
        "\" subtype=\"CUDA\" osdev_type=\"5\"/></object>"
static const char two_of_cuda[] =
        "<?xml version=\"1.0\"?>\n<topology version=\"2.0\">"
        "<object type=\"Machine\" os_index=\"0\"" MASKS
        " allowed_cpuset=\"0x1\" allowed_nodeset=\"0x1\" gp_index=\"1\">"
        "<object type=\"NUMANode\" os_index=\"0\"" MASKS " gp_index=\"2\" local_memory=\"1024\"/>"
        "<object type=\"PU\" os_index=\"0\"" MASKS " gp_index=\"3\"/>" CUDA("11", "cuda0")
                CUDA("21", "cuda1") "</object></topology>\n";

/* CUDA counts only what it shows: its device 0 is the one that stands first in the variable. */
static void what_cuda_shows_is_named_by_the_variable(void **state)
{
        struct other other;
        place_put(*state, "cuda.xml", two_of_cuda);
        begin(&other, *state, "cuda");
        find(&other);
        assert_int_equal(other.count, 2);
        assert_string_equal(other.gpus[1].visible, "1");
        setenv("CUDA_VISIBLE_DEVICES", "GPU-x,5", 1);
        find(&other);
        assert_int_equal(other.count, 2);
        assert_string_equal(other.gpus[0].visible, "GPU-x");
        assert_string_equal(other.gpus[1].visible, "5");
        assert_string_equal(other.gpus[1].pci, "0000:21:00.0");
        end(&other);
}

/* The names of the next layers are better known: their UUIDs hold, whatever the variable says. */
static void what_cuda_shows_is_what_there_is(void **state)
{
        struct other other;
        begin(&other, *state, "node128");
        setenv("CUDA_VISIBLE_DEVICES", "0", 1);
        find(&other);
        assert_int_equal(other.count, 8);
        assert_string_equal(other.gpus[0].visible, "GPU-00000000-0000-0000-0000-000000000000");
        end(&other);
}

static void nothing_is_no_gpu(void **state)
{
        struct other other;
        begin(&other, *state, "hybrid");
        find(&other);
        assert_int_equal(other.count, 0);
        put_smi(&other, "#!/bin/sh\necho 'No devices were found'\n");
        find(&other);
        assert_int_equal(other.count, 0);
        end(&other);
}

static void devices_without_memory_are_an_error(void **state)
{
        struct other other;
        if (!failing_malloc_works)
                skip();
        begin(&other, *state, "node128");
        for (long n = 1;; n++) {
                xpm_error err = XPM_ERROR_NONE;
                failing_malloc_arm(n);
                xpm_arena *arena = xpm_arena_create();
                int rc = arena ? xpm_gpus_find(other.hw, NULL, arena, &other.gpus, &other.count, &err) : XPM_ENOMEM;
                bool struck = failing_malloc_disarm();
                xpm_arena_destroy(arena);
                assert_int_equal(rc, struck ? XPM_ENOMEM : 0);
                if (!struck)
                        break;
        }
        end(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(nvidia_smi_tells_what_hwloc_does_not),
                TEST(what_is_known_at_one_place_is_one_device),
                TEST(a_device_on_the_bus_has_its_numa_node),
                TEST(a_mask_of_level_zero_that_is_there_already_stays),
                TEST(only_visible_devices_count),
                TEST(words_are_devices_where_nothing_is_known),
                TEST(variables_of_both_kinds_are_devices_of_one),
                TEST(without_nvidia_smi_the_driver_tells),
                TEST(devices_of_amd_are_counted_in_the_order_of_its_driver),
                TEST(what_cuda_shows_is_named_by_the_variable),
                TEST(what_cuda_shows_is_what_there_is),
                TEST(nothing_is_no_gpu),
                TEST(devices_without_memory_are_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
