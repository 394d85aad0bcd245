#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "exec/seat.h"
#include "hosts.h"

struct fixture {
        struct host host;
        xpm_arena *arena;
};

/* 16 cores; core N has the hardware threads N and N + 16. */
static int enter(void **state)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        if (!fixture || !(fixture->arena = xpm_arena_create()))
                return -1;
        host_make(&fixture->host, 16, 2);
        *state = fixture;
        return 0;
}

static int leave(void **state)
{
        struct fixture *fixture = *state;
        xpm_arena_destroy(fixture->arena);
        free(fixture);
        return 0;
}

/* A portion of these cores and devices; a negative number ends either list. */
static xpm_portion portion_of(const int *cores, const int *gpus)
{
        xpm_portion portion = {.memory = 0};
        for (; *cores >= 0; cores++)
                xpm_bits_add(&portion.cores, (unsigned)*cores);
        for (; *gpus >= 0; gpus++)
                xpm_bits_add(&portion.gpus, (unsigned)*gpus);
        return portion;
}
#define LIST(...) ((const int[]){__VA_ARGS__ __VA_OPT__(, ) - 1})

static xpm_seat describe(struct fixture *fixture, const int *cores, const int *gpus)
{
        const xpm_portion portion = portion_of(cores, gpus);
        xpm_placement *placement;
        xpm_seat seat;
        assert_int_equal(xpm_placement_create(&fixture->host.topology, 0, 0, &placement, NULL), 0);
        assert_int_equal(xpm_seat_describe(&seat, &fixture->host.topology, placement, &portion, fixture->arena, NULL),
                         0);
        xpm_placement_destroy(placement);
        return seat;
}

static void cores_are_told_as_lists_of_hardware_threads(void **state)
{
        xpm_seat seat = describe(*state, LIST(1, 2, 3, 8), LIST());
        assert_int_equal(seat.cores, 4);
        assert_string_equal(seat.cpuset, "1-3,8,17-19,24");
        assert_string_equal(seat.places, "{1,17},{2,18},{3,19},{8,24}");
        assert_int_equal(xpm_bits_count(&seat.cpus), 8);
        assert_true(xpm_bits_has(&seat.cpus, 24));
        seat = describe(*state, LIST(0), LIST());
        assert_string_equal(seat.cpuset, "0,16");
        assert_string_equal(seat.places, "{0,16}");
}

static void host_without_devices_has_no_word_of_them(void **state)
{
        const xpm_seat seat = describe(*state, LIST(0), LIST());
        assert_null(seat.cuda);
        assert_null(seat.rocm);
        assert_null(seat.devices);
}

static void devices_are_told_for_each_vendor_and_none_is_told_too(void **state)
{
        struct fixture *fixture = *state;
        for (unsigned i = 0; i < 4; i++) {
                static const char *const names[] = {"GPU-a", "GPU-b", "0", "card"};
                static const enum xpm_gpu_kind kinds[] = {XPM_GPU_CUDA, XPM_GPU_CUDA, XPM_GPU_ROCM, XPM_GPU_ANY};
                host_add_gpu(&fixture->host, i);
                fixture->host.gpus[i].visible = names[i];
                fixture->host.gpus[i].kind = kinds[i];
        }
        xpm_seat seat = describe(fixture, LIST(0), LIST(0, 1, 2, 3));
        assert_string_equal(seat.cuda, "GPU-a,GPU-b");
        assert_string_equal(seat.rocm, "0");
        assert_string_equal(seat.devices, "GPU-a,GPU-b,0,card");
        seat = describe(fixture, LIST(0), LIST(1, 3));
        assert_string_equal(seat.cuda, "GPU-b");
        assert_string_equal(seat.rocm, ""); /* so that it sees none of those that others have */
        assert_string_equal(seat.devices, "GPU-b,card");
}

static void who_has_no_device_of_level_zero_is_shown_none(void **state)
{
        struct fixture *fixture = *state;
        assert_null(describe(fixture, LIST(0), LIST()).level_zero);
        for (unsigned i = 0; i < 4; i++) {
                static const char *const names[] = {"0", "GPU-a", "1", "card"};
                host_add_gpu(&fixture->host, i);
                fixture->host.gpus[i].visible = names[i];
                fixture->host.gpus[i].kind = i == 1 ? XPM_GPU_CUDA : XPM_GPU_ANY;
                fixture->host.gpus[i].level_zero = i == 0 || i == 2;
        }
        assert_string_equal(describe(fixture, LIST(0), LIST(0, 1, 2, 3)).level_zero, "0,1");
        assert_string_equal(describe(fixture, LIST(0), LIST(2)).level_zero, "1");
        assert_string_equal(describe(fixture, LIST(0), LIST(1, 3)).level_zero, "9999"); /* "" would be all of them */
}

static void jobs_are_bound_on_this_system_alone(void **state)
{
        struct fixture *fixture = *state;
        xpm_seat seat = describe(fixture, LIST(0), LIST());
        assert_false(seat.this_system);
        assert_false(seat.bind_memory);
        fixture->host.topology.this_system = true;
        seat = describe(fixture, LIST(0), LIST());
        assert_true(seat.this_system);
        assert_false(seat.bind_memory); /* there is one node */
}

static void memory_is_bound_to_the_nodes_of_the_cores(void **state)
{
        static const xpm_host_numa numa[] = {{.os_index = 4}, {.os_index = 7}};
        static const uint16_t distances[] = {10, 20, 20, 10};
        struct fixture *fixture = *state;
        xpm_topology *topology = &fixture->host.topology;
        topology->this_system = true;
        topology->numa = numa;
        topology->numa_count = 2;
        topology->distances = distances;
        for (size_t i = 8; i < 16; i++)
                fixture->host.cores[i].numa = 1;
        xpm_seat seat = describe(fixture, LIST(9, 10), LIST());
        assert_true(seat.bind_memory);
        assert_int_equal(xpm_bits_count(&seat.nodes), 1);
        assert_true(xpm_bits_has(&seat.nodes, 7));
        seat = describe(fixture, LIST(7, 8), LIST());
        assert_true(xpm_bits_has(&seat.nodes, 4) && xpm_bits_has(&seat.nodes, 7));
        topology->this_system = false;
        assert_false(describe(fixture, LIST(9), LIST()).bind_memory);
}

static void thread_whose_number_is_too_great_leaves_the_job_unbound(void **state)
{
        struct fixture *fixture = *state;
        fixture->host.topology.this_system = true;
        fixture->host.pus[1] = XPM_BITS; /* of core 0 */
        assert_false(describe(fixture, LIST(0, 1), LIST()).this_system);
        assert_true(describe(fixture, LIST(1), LIST()).this_system);
}

/* What this process may run on now. */
static xpm_bits own_processors(void)
{
        cpu_set_t *set = CPU_ALLOC(XPM_BITS);
        xpm_bits bits = {0};
        assert_int_equal(sched_getaffinity(0, CPU_ALLOC_SIZE(XPM_BITS), set), 0);
        for (unsigned i = 0; i < XPM_BITS; i++)
                if (CPU_ISSET_S(i, CPU_ALLOC_SIZE(XPM_BITS), set))
                        xpm_bits_add(&bits, i);
        CPU_FREE(set);
        return bits;
}

static void process_that_runs_on_what_was_not_given_is_told(void **state)
{
        struct fixture *fixture = *state;
        xpm_seat seat = {.this_system = true, .cpus = own_processors()};
        assert_null(xpm_seat_mismatch(&seat, getpid(), fixture->arena));
        xpm_bits_add(&seat.cpus, XPM_BITS - 1); /* a program may choose among what it was given */
        assert_null(xpm_seat_mismatch(&seat, getpid(), fixture->arena));

        /* The kernel writes the list in the same way. */
        char line[4096], expected[4096] = "";
        FILE *stream = fopen("/proc/self/status", "re");
        assert_non_null(stream);
        while (fgets(line, sizeof line, stream))
                if (sscanf(line, "Cpus_allowed_list: %4095s", expected) == 1)
                        break;
        fclose(stream);
        xpm_bits_remove(&seat.cpus, (unsigned)xpm_bits_next(&seat.cpus, -1));
        const char *told = xpm_seat_mismatch(&seat, getpid(), fixture->arena);
        assert_non_null(told);
        assert_string_equal(told, expected);
        seat.this_system = false; /* it was not bound */
        assert_null(xpm_seat_mismatch(&seat, getpid(), fixture->arena));
}

static void process_that_is_gone_runs_nowhere(void **state)
{
        struct fixture *fixture = *state;
        const xpm_seat seat = {.this_system = true};
        pid_t pid = fork();
        if (pid == 0)
                _exit(0);
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_null(xpm_seat_mismatch(&seat, pid, fixture->arena));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(cores_are_told_as_lists_of_hardware_threads),
                T(host_without_devices_has_no_word_of_them),
                T(devices_are_told_for_each_vendor_and_none_is_told_too),
                T(who_has_no_device_of_level_zero_is_shown_none),
                T(jobs_are_bound_on_this_system_alone),
                T(memory_is_bound_to_the_nodes_of_the_cores),
                T(thread_whose_number_is_too_great_leaves_the_job_unbound),
                T(process_that_runs_on_what_was_not_given_is_told),
                T(process_that_is_gone_runs_nowhere),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
