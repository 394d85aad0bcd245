#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/attempt.h"
#include "exec/leftover.h"

enum { GRACE = 30 };

static int read_grace(void)
{
        const char *text = getenv("XPM_GRACE");
        char *end;
        long seconds = text ? strtol(text, &end, 10) : -1;
        return text && *text && !*end && seconds >= 0 && seconds < 1 << 20 ? (int)seconds : GRACE;
}

int xpm_site_init(xpm_site *site, char *const *environment, xpm_error *err)
{
        pid_t pid = getpid();
        *site = (xpm_site){.pid = pid,
                           .start_time = xpm_process_start_time(pid),
                           .grace = read_grace(),
                           .directory_mode = 0700,
                           .file_mode = 0600};
        if (gethostname(site->host, sizeof site->host - 1) != 0)
                strcpy(site->host, "localhost");
        return xpm_environ_init(&site->environment, environment, err);
}

void xpm_site_share(xpm_site *site, mode_t directory_mode, mode_t file_mode)
{
        site->directory_mode = directory_mode;
        site->file_mode = file_mode;
        mode_t mask = umask(077);
        umask(file_mode & 0070 ? mask & ~(mode_t)0070 : mask);
}

void xpm_site_limit_memory(xpm_site *site, const pid_t *company, size_t count)
{
        if (!site->cgroup_tried)
                site->cgroup = xpm_cgroup_open(&XPM_CGROUP_HERE, company, count);
        site->cgroup_tried = true;
}

void xpm_site_release(xpm_site *site)
{
        xpm_cgroup_close(site->cgroup);
        site->cgroup = NULL;
        xpm_environ_release(&site->environment);
}
