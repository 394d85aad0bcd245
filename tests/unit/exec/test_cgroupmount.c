#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exec/cgroupmount.h"
#include "failing_malloc.h"
#include "place.h"

/* The directories `top`, `top/mine`, `one` and `one/mine`, each with a file `limit`. */
struct seen {
        const struct place *place;
        char self[128], mounts[128];
};

static void make(struct seen *seen, const struct place *place, const char *self, const char *mounts)
{
        static const char *const directories[] = {"top", "top/mine", "one", "one/mine"};
        char text[1024];
        seen->place = place;
        snprintf(seen->self, sizeof seen->self, "%s/self", place->path);
        snprintf(seen->mounts, sizeof seen->mounts, "%s/mounts", place->path);
        snprintf(text, sizeof text, mounts, place->path, place->path);
        place_put(place, "self", self);
        place_put(place, "mounts", text);
        for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
                char name[64];
                mkdirat(place->dir, directories[i], 0700);
                snprintf(name, sizeof name, "%s/limit", directories[i]);
                place_put(place, name, "1\n");
        }
}

/* END is what stands behind the place; NULL: it is not found. */
static void expect(const struct seen *seen, const char *controller, const char *end, const char *top_end)
{
        size_t top = 0;
        char expected[256];
        char *path = xpm_cgroup_find(seen->self, seen->mounts, controller, "limit", &top);
        if (!end) {
                assert_null(path);
                return;
        }
        assert_non_null(path);
        snprintf(expected, sizeof expected, "%s%s", seen->place->path, end);
        assert_string_equal(path, expected);
        assert_int_equal(top, strlen(seen->place->path) + strlen(top_end));
        free(path);
}

#define SELF "3:cpu,memory:/box/mine\n1:name=systemd:/x\n0::/mine\n"
#define MOUNTS                                             \
        "30 22 0:26 / %s/top rw shared:4 - cgroup2 c rw\n" \
        "31 22 0:27 /box %s/one rw - cgroup c rw,cpu,memory\n"

static void each_version_has_its_directory(void **state)
{
        struct seen seen;
        make(&seen, *state, SELF, MOUNTS);
        expect(&seen, NULL, "/top/mine", "/top");
        expect(&seen, "memory", "/one/mine", "/one");
        expect(&seen, "cpu", "/one/mine", "/one");
        expect(&seen, "mem", NULL, "");
        expect(&seen, "systemd", NULL, "");
}

static void a_group_beside_what_is_mounted_is_not_seen(void **state)
{
        struct seen seen;
        make(&seen, *state, "3:memory:/boxes/mine\n0::/../mine\n", MOUNTS);
        expect(&seen, "memory", NULL, "");
        expect(&seen, NULL, NULL, "");
}

static void the_top_is_a_group_too(void **state)
{
        struct seen seen;
        make(&seen, *state, "3:memory:/box\n0::/\n", MOUNTS);
        expect(&seen, "memory", "/one", "/one");
        expect(&seen, NULL, "/top/", "/top");
}

/* The first is mounted over: it has none of the files. */
static void a_mount_without_the_file_is_passed_over(void **state)
{
        struct seen seen;
        make(&seen, *state, SELF, "29 22 0:26 / %s rw - cgroup2 c rw\n30 22 0:26 / %s/top rw - cgroup2 c rw\n");
        expect(&seen, NULL, "/top/mine", "/top");
}

static void what_is_torn_is_not_seen(void **state)
{
        struct seen seen;
        static const char *const broken[] = {"", "0::", "0:", ":\n::\n", "0::mine\n"};
        for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
                make(&seen, *state, broken[i], MOUNTS);
                expect(&seen, NULL, NULL, "");
        }
        make(&seen, *state, SELF, "30 22 0:26 / %s/top - cgroup2");
        expect(&seen, NULL, NULL, "");
        make(&seen, *state, SELF, "\n - cgroup2 \n - cgroup rw,memory\n");
        expect(&seen, NULL, NULL, "");
        expect(&seen, "memory", NULL, "");
}

/* sscanf() does well without some of what it asks for. */
static void without_memory_it_is_right_or_not_seen(void **state)
{
        struct seen seen;
        char expected[128];
        long missed = 0;
        if (!failing_malloc_works)
                skip();
        make(&seen, *state, SELF, MOUNTS);
        snprintf(expected, sizeof expected, "%s/one/mine", seen.place->path);
        for (long n = 1;; n++) {
                failing_malloc_arm(n);
                char *path = xpm_cgroup_find(seen.self, seen.mounts, "memory", "limit", NULL);
                bool struck = failing_malloc_disarm(), right = path && strcmp(path, expected) == 0;
                assert_true(right || (struck && !path));
                missed += !path;
                free(path);
                if (!struck)
                        break;
        }
        assert_true(missed > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(each_version_has_its_directory), TEST(a_group_beside_what_is_mounted_is_not_seen),
                TEST(the_top_is_a_group_too),         TEST(a_mount_without_the_file_is_passed_over),
                TEST(what_is_torn_is_not_seen),       TEST(without_memory_it_is_right_or_not_seen),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
