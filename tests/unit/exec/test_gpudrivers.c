/* What drivers say, without hwloc: an nvidia-smi and files of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "exec/gpus.h"
#include "place.h"

static const uint64_t G = UINT64_C(1) << 30;

struct drivers {
        const struct place *place;
        char nvidia[128], devices[128], kfd[128], bin[128];
        xpm_gpu_place where;
        xpm_found_gpus found;
};

static void begin(struct drivers *drivers, const struct place *place)
{
        *drivers = (struct drivers){.place = place};
        snprintf(drivers->nvidia, sizeof drivers->nvidia, "%s/nvidia", place->path);
        snprintf(drivers->devices, sizeof drivers->devices, "%s/dev", place->path);
        snprintf(drivers->kfd, sizeof drivers->kfd, "%s/kfd", place->path);
        snprintf(drivers->bin, sizeof drivers->bin, "%s/bin", place->path);
        drivers->where = (xpm_gpu_place){drivers->nvidia, drivers->devices, drivers->kfd};
        drivers->found = (xpm_found_gpus){.arena = xpm_arena_create(), .place = &drivers->where};
        assert_int_equal(mkdirat(place->dir, "bin", 0700), 0);
        setenv("PATH", drivers->bin, 1);
}

static void end(struct drivers *drivers)
{
        assert_false(drivers->found.failed);
        xpm_arena_destroy(drivers->found.arena);
        setenv("PATH", "/usr/bin:/bin", 1);
}

static void put(const struct drivers *drivers, const char *folder, const char *name, const char *text)
{
        char path[256];
        assert_int_equal(xpm_mkdir_p(drivers->place->dir, folder, 0700, NULL), 0);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        place_put(drivers->place, path, text);
}

static void put_smi(const struct drivers *drivers, const char *text)
{
        put(drivers, "bin", "nvidia-smi", text);
        assert_int_equal(fchmodat(drivers->place->dir, "bin/nvidia-smi", 0755, 0), 0);
}

static const xpm_host_gpu *gpu(const struct drivers *drivers, size_t i)
{
        assert_true(i < drivers->found.count);
        return &drivers->found.items[i].gpu;
}

static void where_there_is_no_driver_there_is_nothing(void **state)
{
        struct drivers drivers;
        begin(&drivers, *state);
        xpm_found_gpus_ask(&drivers.found);
        assert_int_equal(drivers.found.count, 0);
        end(&drivers);
}

static void lines_that_tell_of_no_device_are_left_out(void **state)
{
        struct drivers drivers;
        begin(&drivers, *state);
        put_smi(&drivers, "#!/bin/sh\n"
                          "echo 'No devices were found'\n"
                          "echo\n"
                          "echo 'x, GPU-0, a name, 1, 00000000:01:00.0'\n"
                          "echo '0, MIG-0, a name, 1, 00000000:02:00.0'\n"
                          "echo '0, GPU-0, a name, 1'\n"
                          "echo '3, GPU-3, NVIDIA H100, 81920, 0000FFFF:AB:00.0'\n");
        xpm_found_gpus_ask(&drivers.found);
        assert_int_equal(drivers.found.count, 1);
        assert_string_equal(gpu(&drivers, 0)->pci, "ffff:ab:00.0");
        assert_string_equal(gpu(&drivers, 0)->visible, "GPU-3");
        assert_string_equal(gpu(&drivers, 0)->model, "NVIDIA H100");
        assert_int_equal(gpu(&drivers, 0)->memory, 80 * G);
        assert_int_equal(gpu(&drivers, 0)->kind, XPM_GPU_CUDA);
        assert_int_equal(drivers.found.items[0].number, 3);
        end(&drivers);
}

static void files_of_the_driver_count_where_the_program_fails_and_only_there(void **state)
{
        static const struct {
                const char *smi, *visible;
        } cases[] = {
                {"#!/bin/sh\necho '0, GPU-told, M, 1, 00000000:01:00.0'\n", "GPU-told"},
                {"#!/bin/sh\necho '0, GPU-told, M, 1, 00000000:01:00.0'\nexit 1\n", "GPU-read"},
                {"#!/bin/sh\nkill -TERM $$\n", "GPU-read"},
                {"no program", "GPU-read"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct drivers drivers;
                begin(&drivers, *state);
                put_smi(&drivers, cases[i].smi);
                put(&drivers, "nvidia/0000:01:00.0", "information", "GPU UUID: \t GPU-read\n");
                xpm_found_gpus_ask(&drivers.found);
                assert_int_equal(drivers.found.count, 1);
                assert_string_equal(gpu(&drivers, 0)->visible, cases[i].visible);
                end(&drivers);
                assert_int_equal(unlinkat(drivers.place->dir, "bin/nvidia-smi", 0), 0);
                assert_int_equal(unlinkat(drivers.place->dir, "bin", AT_REMOVEDIR), 0);
        }
}

static void device_that_may_not_be_opened_is_not_ours(void **state)
{
        struct drivers drivers;
        begin(&drivers, *state);
        put(&drivers, "nvidia/0000:01:00.0", "information", "Device Minor: \t 0\n");
        put(&drivers, "nvidia/0000:02:00.0", "information", "Model: M\nDevice Minor: \t 12\n");
        put(&drivers, "nvidia/0000:03:00.0", "information", "Model: N\n"); /* an old driver: nobody can tell */
        put(&drivers, "nvidia/0000:04:00.0", "registry", "");
        put(&drivers, "dev", "nvidia12", "");
        xpm_found_gpus_ask(&drivers.found);
        assert_int_equal(drivers.found.count, 2);
        assert_string_equal(gpu(&drivers, 0)->pci, "0000:02:00.0");
        assert_string_equal(gpu(&drivers, 0)->model, "M");
        assert_string_equal(gpu(&drivers, 0)->visible, ""); /* nobody has said its UUID */
        assert_int_equal(drivers.found.items[0].number, 0);
        assert_string_equal(gpu(&drivers, 1)->pci, "0000:03:00.0");
        assert_int_equal(drivers.found.items[1].number, 1);
        end(&drivers);
}

static void nodes_of_amd_count_by_number_and_processors_do_not(void **state)
{
        struct drivers drivers;
        begin(&drivers, *state);
        put(&drivers, "kfd/0", "properties", "simd_count 0\nvendor_id 4098\n");
        put(&drivers, "kfd/1", "properties", "simd_count 8\nvendor_id 32902\n");
        put(&drivers, "kfd/10", "properties", "simd_count 8\nvendor_id 4098\nlocation_id 512\n");
        put(&drivers, "kfd/9", "properties",
            "simd_count 8\nvendor_id 4098\nlocation_id 256\ndomain 1\nunique_id 171\n");
        put(&drivers, "kfd/9", "name", "gfx90a\n");
        put(&drivers, "kfd/9/mem_banks/0", "properties", "size_in_bytes 68719476736\n");
        put(&drivers, "kfd/11", "name", "a node without properties\n");
        xpm_found_gpus_ask(&drivers.found);
        assert_int_equal(drivers.found.count, 2);
        assert_int_equal(gpu(&drivers, 0)->kind, XPM_GPU_ROCM);
        assert_string_equal(gpu(&drivers, 0)->pci, "0001:01:00.0");
        assert_string_equal(gpu(&drivers, 0)->visible, "GPU-00000000000000ab");
        assert_string_equal(gpu(&drivers, 0)->model, "gfx90a");
        assert_int_equal(gpu(&drivers, 0)->memory, 64 * G);
        assert_string_equal(gpu(&drivers, 1)->pci, "0000:02:00.0");
        assert_string_equal(gpu(&drivers, 1)->visible, "");
        assert_int_equal(gpu(&drivers, 1)->memory, 0);
        assert_int_equal(drivers.found.items[1].number, 1);
        end(&drivers);
}

static void driver_of_devices_that_are_known_is_not_asked(void **state)
{
        struct drivers drivers;
        begin(&drivers, *state);
        char script[256];
        snprintf(script, sizeof script, "#!/bin/sh\n: >'%s/asked'\n", ((struct place *)*state)->path);
        put_smi(&drivers, script);
        xpm_found_gpu *known = xpm_found_gpus_at(&drivers.found, "0000:01:00.0");
        known->gpu.kind = XPM_GPU_CUDA;
        known->gpu.visible = "GPU-known";
        known->gpu.memory = G;
        xpm_found_gpus_ask(&drivers.found);
        assert_int_equal(xpm_file_exists(drivers.place->dir, "asked", NULL), 0);
        known->gpu.memory = 0;
        xpm_found_gpus_ask(&drivers.found);
        assert_int_equal(xpm_file_exists(drivers.place->dir, "asked", NULL), 1);
        assert_string_equal(known->gpu.visible, "GPU-known");
        end(&drivers);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(where_there_is_no_driver_there_is_nothing),
                T(lines_that_tell_of_no_device_are_left_out),
                T(files_of_the_driver_count_where_the_program_fails_and_only_there),
                T(device_that_may_not_be_opened_is_not_ours),
                T(nodes_of_amd_count_by_number_and_processors_do_not),
                T(driver_of_devices_that_are_known_is_not_asked),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
