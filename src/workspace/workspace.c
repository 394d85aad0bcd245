/* A workspace is opened in two steps by those who run something: first to look (nothing is written, it may not even
 * exist), later to write. Its path is kept as the user named it, made absolute, so that what is printed and recorded
 * can be found again by the same name on every host.
 *
 * `sharing: group` needs group permissions that the umask of most people takes away; while such a workspace is open for
 * writing, the umask of the process leaves them. */
#include "workspace/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static const char mark[] = ".__experimaestro__";
enum { GROUP = 0070 };

static char *absolute(const char *path)
{
        if (*path == '/')
                return xpm_path_join("/", path);
        char *cwd = getcwd(NULL, 0);
        char *joined = cwd ? xpm_path_join(cwd, path) : NULL;
        free(cwd);
        return joined;
}

static int make_mark(const xpm_workspace *workspace, xpm_error *err)
{
        if (faccessat(workspace->dir, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return 0;
        int fd = openat(workspace->dir, mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, workspace->file_mode);
        if (fd < 0)
                return xpm_fail_errno(err, "cannot create '%s/%s'", workspace->path, mark);
        close(fd);
        return 0;
}

/* The set-group-id bit, which mkdir() does not set, makes everything below belong to the group of the workspace. */
static int make_directory(const xpm_workspace *workspace, xpm_error *err)
{
        struct stat st;
        if (stat(workspace->path, &st) == 0)
                return 0;
        xpm_error inner = XPM_ERROR_NONE;
        int rc = xpm_mkdir_p(AT_FDCWD, workspace->path, workspace->directory_mode, &inner);
        if (rc != 0)
                return xpm_fail(err, rc, "cannot make the workspace '%s': %s", workspace->path, inner.message);
        if ((workspace->directory_mode & S_ISGID) && chmod(workspace->path, workspace->directory_mode) != 0)
                return xpm_fail_errno(err, "cannot share the workspace '%s' with its group", workspace->path);
        return 0;
}

static int open_directory(xpm_workspace *workspace, bool create, xpm_error *err)
{
        workspace->dir = open(workspace->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (workspace->dir >= 0 || (errno == ENOENT && !create))
                return 0;
        if (errno == ENOTDIR)
                return xpm_fail(err, XPM_EIO, "the workspace '%s' is not a directory", workspace->path);
        return xpm_fail_errno(err, "cannot open the workspace '%s'", workspace->path);
}

int xpm_workspace_open(const char *path, bool create, bool group, xpm_workspace **out, xpm_error *err)
{
        xpm_workspace *workspace = malloc(sizeof *workspace);
        if (!workspace)
                return xpm_fail_memory(err);
        *workspace = (xpm_workspace){
                .path = absolute(path),
                .dir = -1,
                .directory_mode = group ? S_ISGID | 0770 : 0700,
                .file_mode = group ? 0660 : 0600,
        };
        int rc = workspace->path ? 0 : xpm_fail_memory(err);
        if (rc == 0 && create && group) {
                workspace->old_umask = umask(0);
                workspace->umask_changed = true;
                umask(workspace->old_umask & ~(mode_t)GROUP);
        }
        if (rc == 0 && create)
                rc = make_directory(workspace, err);
        if (rc == 0)
                rc = open_directory(workspace, create, err);
        if (rc == 0 && create)
                rc = make_mark(workspace, err);
        if (rc != 0)
                xpm_workspace_close(workspace);
        else
                *out = workspace;
        return rc;
}

void xpm_workspace_close(xpm_workspace *workspace)
{
        if (!workspace)
                return;
        if (workspace->umask_changed)
                umask(workspace->old_umask);
        if (workspace->dir >= 0)
                close(workspace->dir);
        free(workspace->path);
        free(workspace);
}
