#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "described.h"
#include "exec/hostmemory.h"
#include "place.h"

enum { K = 1024 };

/* Hierarchies of plain files, and a host of 1000 kilobytes. */
struct host {
        char total[128], self[128], mounts[128];
        xpm_memory_place place;
};

#define MOUNTS                                                     \
        "22 1 0:5 / /sys rw - sysfs sysfs rw\n"                    \
        "30 22 0:26 / %s/two rw shared:4 - cgroup2 cgroup2 rw\n"   \
        "31 22 0:27 / %s/cpu rw shared:4 - cgroup cgroup rw,cpu\n" \
        "32 22 0:28 /box %s/one\\040v1 rw - cgroup cgroup rw,hugetlb,memory\n"

static void make(const struct place *place, struct host *host, const char *self)
{
        char mounts[1024];
        described_forget();
        snprintf(host->total, sizeof host->total, "%s/meminfo", place->path);
        snprintf(host->self, sizeof host->self, "%s/self", place->path);
        snprintf(host->mounts, sizeof host->mounts, "%s/mounts", place->path);
        host->place = (xpm_memory_place){host->total, host->self, host->mounts};
        snprintf(mounts, sizeof mounts, MOUNTS, place->path, place->path, place->path);
        static const char *const directories[] = {"two", "two/user", "two/user/me", "cpu", "one v1", "one v1/me"};
        for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
                mkdirat(place->dir, directories[i], 0700);
        place_put(place, "meminfo", "MemFree:    1 kB\nMemTotal:       1000 kB\n");
        place_put(place, "self", self);
        place_put(place, "mounts", mounts);
        place_put(place, "two/user/me/cgroup.controllers", "memory\n");
        place_put(place, "two/user/me/memory.max", "max\n");
}

static void a_host_without_limits_has_what_it_has(void **state)
{
        struct host host;
        make(*state, &host, "0::/user/me\n");
        assert_int_equal(xpm_host_memory(&host.place), 1000 * K);
        place_put(*state, "two/user/me/memory.max", "99999999999999\n");
        assert_int_equal(xpm_host_memory(&host.place), 1000 * K);
}

static void nothing_known_is_no_limit(void **state)
{
        struct host host;
        make(*state, &host, "");
        place_put(*state, "meminfo", "");
        assert_true(xpm_host_memory(&host.place) == UINT64_MAX);
        host.place = (xpm_memory_place){"/nowhere/1", "/nowhere/2", "/nowhere/3"};
        assert_true(xpm_host_memory(&host.place) == UINT64_MAX);
}

static void the_least_limit_counts_at_any_height(void **state)
{
        struct host host;
        make(*state, &host, "0::/user/me\n");
        place_put(*state, "two/user/me/memory.max", "5000\n");
        assert_int_equal(xpm_host_memory(&host.place), 5000);
        place_put(*state, "two/user/memory.max", "4000\n");
        assert_int_equal(xpm_host_memory(&host.place), 4000);
        place_put(*state, "two/memory.max", "3000\n");
        assert_int_equal(xpm_host_memory(&host.place), 3000);
        place_put(*state, "memory.max", "2000\n"); /* above what is mounted: no group */
        assert_int_equal(xpm_host_memory(&host.place), 3000);
}

static void the_first_version_of_groups_counts_too(void **state)
{
        struct host host;
        make(*state, &host, "7:cpu:/other\n5:hugetlb,memory:/box/me\n0::/user/me\n");
        assert_int_equal(xpm_host_memory(&host.place), 1000 * K);
        place_put(*state, "one v1/me/memory.limit_in_bytes", "9223372036854771712\n");
        assert_int_equal(xpm_host_memory(&host.place), 1000 * K);
        place_put(*state, "one v1/memory.limit_in_bytes", "7000\n");
        assert_int_equal(xpm_host_memory(&host.place), 7000);
        place_put(*state, "two/user/me/memory.max", "6000\n");
        assert_int_equal(xpm_host_memory(&host.place), 6000);
}

static void a_group_of_another_controller_has_no_limit(void **state)
{
        struct host host;
        make(*state, &host, "5:memoryx,xmemory:/box/me\n");
        place_put(*state, "one v1/me/memory.limit_in_bytes", "7000\n");
        assert_int_equal(xpm_host_memory(&host.place), 1000 * K);
}

static void slurm_counts_in_a_job_of_it(void **state)
{
        static const struct {
                const char *job, *node, *cpu, *cpus;
                uint64_t expected;
        } jobs[] = {
                {"1", "512", NULL, NULL, UINT64_C(512) << 20},
                {NULL, "512", NULL, NULL, UINT64_MAX},
                {"1", "0", NULL, NULL, UINT64_MAX}, /* all that the node has */
                {"1", NULL, "100", "4", UINT64_C(400) << 20},
                {"1", NULL, "100", NULL, UINT64_MAX},
                {"1", NULL, "0", "4", UINT64_MAX},
                {"1", "50", "100", "4", UINT64_C(50) << 20},
                {"1", "lots", "x", "-1", UINT64_MAX},
                {"1", "18446744073709551615", NULL, NULL, UINT64_MAX},
        };
        struct host host;
        make(*state, &host, "");
        place_put(*state, "meminfo", "");
        for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
                const char *const names[] = {"SLURM_JOB_ID", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU",
                                             "SLURM_CPUS_ON_NODE"};
                const char *const values[] = {jobs[i].job, jobs[i].node, jobs[i].cpu, jobs[i].cpus};
                described_forget();
                for (size_t j = 0; j < 4; j++)
                        if (values[j])
                                setenv(names[j], values[j], 1);
                assert_true(xpm_host_memory(&host.place) == jobs[i].expected);
        }
        described_forget();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_host_without_limits_has_what_it_has),      TEST(nothing_known_is_no_limit),
                TEST(the_least_limit_counts_at_any_height),       TEST(the_first_version_of_groups_counts_too),
                TEST(a_group_of_another_controller_has_no_limit), TEST(slurm_counts_in_a_job_of_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
