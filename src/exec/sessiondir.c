#include "exec/sessiondir.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *value_of(const char *const *environment, const char *name)
{
        size_t length = strlen(name);
        for (; *environment; environment++)
                if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
                        return *environment + length + 1;
        return NULL;
}

/* As opal_tmp_directory() of opal/util/opal_environ.c looks for it. */
static const char *temporary(const char *const *environment)
{
        static const char *const names[] = {"TMPDIR", "TEMP", "TMP"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                const char *value = value_of(environment, names[i]);
                if (value)
                        return value;
        }
        return "/tmp";
}

void xpm_sessiondir_make(const char *const *environment, const char *host)
{
        char path[PATH_MAX];
        int domain = (int)strcspn(host, ".");
        int length = snprintf(path, sizeof path, "%s/ompi.%.*s.%lu", temporary(environment), domain, host,
                              (unsigned long)geteuid());
        if (length > 0 && (size_t)length < sizeof path)
                mkdir(path, 0700);
}
