#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "failing_malloc.h"

static void paths_are_joined_and_resolved_by_their_letters(void **state)
{
        (void)state;
        static const struct {
                const char *dir, *name, *joined;
        } table[] = {
                {"/a", "b", "/a/b"},
                {"/a/", "b/", "/a/b"},
                {"/a//b", ".//c", "/a/b/c"},
                {"/a/b", "../c", "/a/c"},
                {"/a", "..", "/"},
                {"/a", "../..", "/"},
                {"/", "../b", "/b"},
                {"/", "", "/"},
                {"/a", "", "/a"},
                {"/a", "/b/../c", "/c"},
                {"/a", "//", "/"},
                {"a", "b", "a/b"},
                {"a", "..", "."},
                {"a/b", "..", "a"},
                {"a", "../..", ".."},
                {"a", "../../b", "../b"},
                {"..", "..", "../.."},
                {"../a", "..", ".."},
                {"", "", "."},
                {".", ".", "."},
                {"", "x", "x"},
                {"./a", "x", "a/x"},
                {"a", "...", "a/..."},
                {"a", "..b", "a/..b"},
                {"a", ".b/..", "a"},
                {"with space", "new\nline", "with space/new\nline"},
        };
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                char *joined = xpm_path_join(table[i].dir, table[i].name);
                assert_string_equal(joined, table[i].joined);
                free(joined);
        }
}

static void joining_without_memory_gives_null(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        failing_malloc_arm(1);
        char *joined = xpm_path_join("a", "b");
        assert_true(failing_malloc_disarm());
        assert_null(joined);
}

static void only_paths_that_stay_below_are_inside(void **state)
{
        (void)state;
        static const char *const inside[] = {"a", "a/b", ".a", "...", "a/..b", "./a", "a/.", "a b", "a\nb"};
        static const char *const outside[] = {"",       "/",    "/a", "..", "../a", "a/..",
                                              "a/../b", "a//b", "a/", ".",  "./.",  "./"};
        for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
                assert_true(xpm_path_is_inside(inside[i]));
        for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
                assert_false(xpm_path_is_inside(outside[i]));
}

static void executable_is_in_its_directory(void **state)
{
        (void)state;
        char exe[PATH_MAX] = "";
        assert_true(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
        char *dir = xpm_executable_dir();
        assert_non_null(dir);
        assert_int_equal(strncmp(exe, dir, strlen(dir)), 0);
        assert_int_equal(exe[strlen(dir)], '/');
        assert_null(strchr(exe + strlen(dir) + 1, '/'));
        free(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(paths_are_joined_and_resolved_by_their_letters),
                cmocka_unit_test(joining_without_memory_gives_null),
                cmocka_unit_test(only_paths_that_stay_below_are_inside),
                cmocka_unit_test(executable_is_in_its_directory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
