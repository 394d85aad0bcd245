#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/spawn.h"
#include "exec/loader.h"
#include "place.h"

/* Compile a module of NAME from the initializers of its constant. */
static void compile(const struct place *place, const char *name, const char *initializers)
{
        char source[128], module[128];
        xpm_text text = XPM_TEXT_INIT, output = XPM_TEXT_INIT, errors = XPM_TEXT_INIT;
        int status = -1;
        snprintf(source, sizeof source, "%s/%s.c", place->path, name);
        snprintf(module, sizeof module, "%s/%s.so", place->path, name);
        xpm_text_printf(&text, "#include <experimaestro/launcher.h>\nconst xpm_launcher xpm_launcher_%s = {%s};\n",
                        name, initializers);
        assert_int_equal(xpm_file_write(AT_FDCWD, source, text.data, text.length, 0600, NULL), 0);
        const char *const argv[] = {"cc", "-shared", "-fPIC", "-I" XPM_TEST_DATA "/../../src/include",
                                    "-o", module,    source,  NULL};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = argv;
        assert_int_equal(xpm_spawn_capture(&spawn, "", 0, 1 << 16, &output, &errors, &status, NULL), 0);
        assert_int_equal(status, 0);
        setenv("XPM_MODULEDIR", place->path, 1);
        xpm_text_release(&text);
        xpm_text_release(&output);
        xpm_text_release(&errors);
}

static void assert_refused(const char *name, const char *words)
{
        const xpm_launcher *launcher = NULL;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_launcher_find(name, &launcher, &err), XPM_ELAUNCHER);
        if (!strstr(err.message, words))
                fail_msg("'%s' does not say '%s'", err.message, words);
        assert_null(launcher);
}

static void module_is_found_by_its_name(void **state)
{
        const xpm_launcher *launcher = NULL;
        compile(*state, "first", "XPM_LAUNCHER_ABI, sizeof(xpm_launcher), \"first\"");
        assert_int_equal(xpm_launcher_find("first", &launcher, NULL), 0);
        assert_string_equal(launcher->name, "first");
        unsetenv("XPM_MODULEDIR");
}

static void local_launcher_is_there(void **state)
{
        (void)state;
        const xpm_launcher *launcher = NULL;
        if (access("../lib/experimaestro/launchers/local.so", F_OK) != 0 &&
            access("lib/experimaestro/launchers/local.so", F_OK) != 0)
                skip(); /* the modules are not built */
        assert_int_equal(xpm_launcher_find("local", &launcher, NULL), 0);
        assert_string_equal(launcher->script, "local.sh");
}

static void module_of_another_interface_is_refused_with_both_numbers(void **state)
{
        compile(*state, "second", "77, sizeof(xpm_launcher), \"second\"");
        assert_refused("second", "its interface is 77");
        compile(*state, "third", "XPM_LAUNCHER_ABI, 8, \"third\"");
        assert_refused("third", "(8 bytes)");
        compile(*state, "fourth", "XPM_LAUNCHER_ABI, sizeof(xpm_launcher), \"another\"");
        assert_refused("fourth", "calls itself 'another'");
        unsetenv("XPM_MODULEDIR");
}

static void name_that_is_not_there_gets_a_suggestion(void **state)
{
        compile(*state, "slurm", "XPM_LAUNCHER_ABI, sizeof(xpm_launcher), \"slurm\"");
        assert_refused("slrum", "did you mean 'slurm'?");
        assert_refused("something", "there are: 'slurm'");
        assert_refused("../slurm", "there is no launcher");
        unsetenv("XPM_MODULEDIR");
}

static void what_is_no_module_is_refused(void **state)
{
        const struct place *place = *state;
        setenv("XPM_MODULEDIR", place->path, 1);
        assert_int_equal(xpm_file_write(place->dir, "text.so", "x", 1, 0600, NULL), 0);
        assert_refused("text", "cannot load");
        compile(place, "fifth", "XPM_LAUNCHER_ABI, sizeof(xpm_launcher), \"fifth\"");
        assert_int_equal(renameat(place->dir, "fifth.so", place->dir, "sixth.so"), 0);
        assert_refused("sixth", "has no 'xpm_launcher_sixth'");
        unsetenv("XPM_MODULEDIR");
}

static void module_that_anybody_may_write_is_not_loaded(void **state)
{
        const struct place *place = *state;
        compile(place, "seventh", "XPM_LAUNCHER_ABI, sizeof(xpm_launcher), \"seventh\"");
        assert_int_equal(fchmodat(place->dir, "seventh.so", 0777, 0), 0);
        assert_refused("seventh", "anybody may write it");
        unsetenv("XPM_MODULEDIR");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(module_is_found_by_its_name),
                T(local_launcher_is_there),
                T(module_of_another_interface_is_refused_with_both_numbers),
                T(name_that_is_not_there_gets_a_suggestion),
                T(what_is_no_module_is_refused),
                T(module_that_anybody_may_write_is_not_loaded),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
