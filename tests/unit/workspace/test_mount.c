#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "workspace/mount.h"

static void options_tell_where_locks_hold(void **state)
{
        static const struct {
                const char *rest;   /* of the line of device 0:55, after its place */
                const char *option; /* NULL: locks are everybody's */
        } cases[] = {
                {"rw,relatime shared:5 - nfs4 server:/export rw,vers=4.2,local_lock=none,addr=10.0.0.1", NULL},
                {"rw,relatime shared:5 - nfs server:/export rw,vers=3,nolock,proto=tcp,local_lock=all,addr=10.0.0.1",
                 "nolock"},
                {"rw - nfs server:/export rw,local_lock=all", "local_lock=all"},
                {"rw - nfs4 server:/export local_lock=flock,rw", "local_lock=flock"},
                {"rw - nfs4 server:/export rw,local_lock=flocks", NULL},
                {"rw - nfs4 server:/export rw,xnolock", NULL},
                {"rw,nolock - nfs4 server:/nolock rw", NULL},
                {"rw master:1 propagate_from:2 - lustre 10.0.0.1@tcp:/fs rw,localflock", "localflock"},
                {"rw - lustre 10.0.0.1@tcp:/fs rw,flock,lazystatfs", NULL},
                {"rw - ext4 /dev/sda1 rw,nolock", NULL},
                {"rw", NULL},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[1024];
                xpm_mount mount;
                snprintf(text, sizeof text,
                         "22 1 254:0 / / rw - ext4 /dev/root rw\n"
                         "90 22 0:55 / /home/a\\040b %s\n"
                         "91 22 0:56 / /other rw - nfs other:/x rw,nolock\n",
                         cases[i].rest);
                bool local = xpm_mount_find_local(text, makedev(0, 55), &mount);
                assert_int_equal(local, cases[i].option != NULL);
                if (!local)
                        continue;
                assert_string_equal(mount.option, cases[i].option);
                assert_string_equal(mount.place, "/home/a b");
        }
}

static void device_that_is_not_listed_is_nobodys(void **state)
{
        xpm_mount mount;
        (void)state;
        assert_false(xpm_mount_find_local("", makedev(0, 55), &mount));
        assert_false(xpm_mount_find_local("91 22 0:5 / /x rw - nfs o:/x rw,nolock", makedev(0, 55), &mount));
        assert_false(xpm_mount_find_local("91 22 0:55", makedev(0, 55), &mount));
}

static void filesystem_is_described_for_a_message(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        int dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        xpm_mount_describe(dir, &text);
        assert_string_equal(xpm_text_string(&text), "'/proc' (proc)");
        close(dir);
        xpm_text_release(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(options_tell_where_locks_hold),
                cmocka_unit_test(device_that_is_not_listed_is_nobodys),
                cmocka_unit_test(filesystem_is_described_for_a_message),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
