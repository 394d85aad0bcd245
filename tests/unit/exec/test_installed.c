#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "exec/installed.h"
#include "place.h"

static void variable_names_the_place(void **state)
{
        const struct place *place = *state;
        char *path = NULL, expected[128];
        snprintf(expected, sizeof expected, "%s/templates/x.sh", place->path);
        assert_int_equal(xpm_mkdir_p(place->dir, "templates", 0700, NULL), 0);
        assert_int_equal(xpm_file_write(place->dir, "templates/x.sh", "", 0, 0600, NULL), 0);
        setenv("XPM_DATADIR", place->path, 1);
        setenv("XPM_MODULEDIR", place->path, 1);
        assert_int_equal(xpm_locate_data("templates/x.sh", &path, NULL), 0);
        assert_string_equal(path, expected);
        free(path);
        assert_int_equal(xpm_locate_modules(&path, NULL), 0);
        assert_string_equal(path, place->path);
        free(path);
        unsetenv("XPM_DATADIR");
        unsetenv("XPM_MODULEDIR");
}

static void what_is_nowhere_is_named_with_the_remedy(void **state)
{
        (void)state;
        char *path = NULL;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_locate_data("templates/no-such", &path, &err), XPM_ENOTFOUND);
        assert_non_null(strstr(err.message, "templates/no-such"));
        assert_non_null(strstr(err.message, "XPM_DATADIR"));
        assert_null(path);
}

static void what_cannot_be_read_leaves_nothing_to_free(void **state)
{
        const struct place *place = *state;
        char *path = NULL;
        xpm_text text = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_mkdir_p(place->dir, "templates/x.sh", 0700, NULL), 0);
        setenv("XPM_DATADIR", place->path, 1);
        assert_int_not_equal(xpm_read_data("templates/x.sh", &path, &text, &err), 0);
        unsetenv("XPM_DATADIR");
        assert_non_null(strstr(err.message, "templates/x.sh"));
        assert_null(path);
        xpm_text_release(&text);
}

static void build_tree_has_the_shape_of_an_installed_one(void **state)
{
        (void)state;
        char *path = NULL;
        assert_int_equal(xpm_locate_data("templates/local.sh", &path, NULL), 0);
        assert_int_equal(path[0], '/');
        free(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(variable_names_the_place),
                T(what_is_nowhere_is_named_with_the_remedy),
                T(what_cannot_be_read_leaves_nothing_to_free),
                T(build_tree_has_the_shape_of_an_installed_one),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
