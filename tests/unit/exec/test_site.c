#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "exec/attempt.h"

static void the_grace_is_what_the_environment_says_in_whole_seconds(void **state)
{
        static const struct {
                const char *text;
                int grace;
        } table[] = {{NULL, 30}, {"5", 5}, {"0", 0}, {"", 30}, {"x", 30}, {"5s", 30}, {"-1", 30}, {"99999999999", 30}};
        (void)state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_site site;
                if (table[i].text)
                        setenv("XPM_GRACE", table[i].text, 1);
                else
                        unsetenv("XPM_GRACE");
                assert_int_equal(xpm_site_init(&site, environ, NULL), 0);
                assert_int_equal(site.grace, table[i].grace);
                assert_int_equal(site.pid, getpid());
                assert_true(site.host[0] && site.start_time > 0);
                xpm_site_release(&site);
        }
        unsetenv("XPM_GRACE");
}

static void files_of_a_group_are_the_groups(void **state)
{
        xpm_site site;
        mode_t before = umask(022);
        (void)state;
        assert_int_equal(xpm_site_init(&site, environ, NULL), 0);
        xpm_site_share(&site, 02770, 0660);
        assert_int_equal(umask(before), 002);
        umask(022);
        xpm_site_share(&site, 0700, 0600);
        assert_int_equal(umask(before), 022);
        assert_int_equal(site.directory_mode, 0700);
        xpm_site_release(&site);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_grace_is_what_the_environment_says_in_whole_seconds),
                cmocka_unit_test(files_of_a_group_are_the_groups),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
