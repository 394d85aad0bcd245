/* Links that lead nowhere: to a filesystem that is not mounted, to a run that was removed by hand. Lists pass them
 * over; that they do is said. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/viewstate.h"

typedef struct search {
        xpm_view *view;
        xpm_view_link *links;
        size_t count, capacity;
        xpm_error *err;
} search;

static int add(search *of, int dir, const char *parent, const char *name)
{
        char target[PATH_MAX];
        ssize_t length = readlinkat(dir, name, target, sizeof target);
        if (length < 0) /* no link, or it has gone */
                return 0;
        xpm_view_link link = {
                .path = xpm_arena_printf(of->view->arena, "%s/%s", parent, name),
                .target = xpm_arena_strndup(of->view->arena, target, (size_t)length),
                .current = strcmp(name, "current") == 0,
        };
        if (!link.path || !link.target ||
            xpm_arena_reserve(of->view->arena, &of->links, &of->capacity, of->count + 1, sizeof *of->links) != 0)
                return xpm_fail_memory(of->err);
        of->links[of->count++] = link;
        return 0;
}

static int look_in(search *of, const char *parent)
{
        struct stat st;
        int rc = 0, fd = openat(of->view->workspace->dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
        if (!stream) {
                if (errno != ENOENT && errno != ENOTDIR)
                        rc = xpm_fail_errno(of->err, "cannot list '%s/%s'", of->view->workspace->path, parent);
                if (fd >= 0)
                        close(fd);
                return rc;
        }
        errno = 0;
        for (const struct dirent *entry; rc == 0 && (entry = readdir(stream)); errno = 0)
                if (entry->d_name[0] != '.' && (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) &&
                    fstatat(fd, entry->d_name, &st, 0) != 0)
                        rc = add(of, fd, parent, entry->d_name);
        if (rc == 0 && errno != 0)
                rc = xpm_fail_errno(of->err, "cannot list '%s/%s'", of->view->workspace->path, parent);
        closedir(stream);
        return rc;
}

int xpm_view_broken_links(xpm_view *view, xpm_view_links *out, xpm_error *err)
{
        search of = {.view = view, .err = err};
        const char **ids;
        size_t count;
        int rc = look_in(&of, "experiments");
        if (rc == 0)
                rc = xpm_view_ids(view, NULL, &ids, &count, err);
        for (size_t i = 0; rc == 0 && i < count; i++) {
                const char *path = xpm_arena_printf(view->arena, "experiments/%s", ids[i]);
                rc = path ? look_in(&of, path) : xpm_fail_memory(err);
        }
        if (rc == 0)
                *out = (xpm_view_links){.items = of.links, .count = of.count};
        return rc;
}
