#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "exec/sessiondir.h"
#include "place.h"

static void check(const struct place *place, const char *variable, const char *host)
{
        char setting[4200], path[4300];
        struct stat about;
        snprintf(setting, sizeof setting, "%s=%s", variable, place->path);
        snprintf(path, sizeof path, "%s/ompi.node7.%lu", place->path, (unsigned long)geteuid());
        const char *const environment[] = {"TMPDIRECTORY=/nowhere", setting, "TMP=/nowhere", NULL};
        xpm_sessiondir_make(environment, host);
        xpm_sessiondir_make(environment, host);
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(about.st_mode & 07777, 0700);
        assert_int_equal(rmdir(path), 0);
}

static void it_is_called_after_the_host_and_its_user(void **state)
{
        check(*state, "TMPDIR", "node7");
        check(*state, "TEMP", "node7.cluster.example");
}

static void where_it_cannot_be_made_nothing_is_said(void **state)
{
        (void)state;
        const char *const environment[] = {"TMPDIR=/dev/null", NULL};
        xpm_sessiondir_make(environment, "node7");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(it_is_called_after_the_host_and_its_user, place_enter, place_leave),
                cmocka_unit_test(where_it_cannot_be_made_nothing_is_said),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
