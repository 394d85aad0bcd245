/* The job's name here is the test: what has a directory of its own in the workspace, done or not, is the workspace's.
 */
#include "workspace/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

static bool is_done(xpm_text *path, const char *folder, const char *task_id, const char *script, const char *job_id)
{
        xpm_text_clear(path);
        xpm_text_printf(path, "%s/jobs/%s/%s/%s.done", folder, task_id, job_id, script);
        return !path->failed && faccessat(AT_FDCWD, path->data, F_OK, 0) == 0;
}

const char *xpm_folder_find(const xpm_workspace *workspace, const char *task_id, const char *script, const char *job_id)
{
        xpm_text path = XPM_TEXT_INIT;
        const char *const *folder = workspace->folders;
        while (folder && *folder && !is_done(&path, *folder, task_id, script, job_id))
                folder++;
        xpm_text_release(&path);
        return folder ? *folder : NULL;
}

static int link_job(const xpm_workspace *workspace, const char *folder, const char *task_id, const char *job_id,
                    xpm_error *err)
{
        xpm_text target = XPM_TEXT_INIT, name = XPM_TEXT_INIT;
        xpm_error inner = XPM_ERROR_NONE;
        xpm_text_printf(&target, "%s/jobs/%s/%s", folder, task_id, job_id);
        xpm_text_printf(&name, "jobs/%s", task_id);
        int rc = target.failed || name.failed
                         ? xpm_fail_memory(err)
                         : xpm_mkdir_p(workspace->dir, name.data, workspace->directory_mode, &inner);
        if (inner.code)
                xpm_fail(err, inner.code, "%s (in '%s')", inner.message, workspace->path);
        xpm_text_printf(&name, "/%s", job_id);
        if (rc == 0 && name.failed)
                rc = xpm_fail_memory(err);
        if (rc == 0 && symlinkat(target.data, workspace->dir, name.data) != 0 && errno != EEXIST)
                rc = xpm_fail_errno(err, "cannot make the link '%s/%s'", workspace->path, name.data);
        xpm_text_release(&target);
        xpm_text_release(&name);
        return rc;
}

/* What stands at jobs/TASK/JOB: 0 nothing, 1 a link, 2 something else. */
static int what_is_there(const xpm_workspace *workspace, const char *task_id, const char *job_id, xpm_error *err)
{
        struct stat st;
        xpm_text name = XPM_TEXT_INIT;
        int rc = 0;
        xpm_text_printf(&name, "jobs/%s/%s", task_id, job_id);
        if (name.failed)
                rc = xpm_fail_memory(err);
        else if (fstatat(workspace->dir, name.data, &st, AT_SYMLINK_NOFOLLOW) == 0)
                rc = S_ISLNK(st.st_mode) ? 1 : 2;
        else if (errno != ENOENT)
                rc = xpm_fail_errno(err, "cannot look at '%s/%s'", workspace->path, name.data);
        xpm_text_release(&name);
        return rc;
}

int xpm_folder_adopt(const xpm_workspace *workspace, const char *task_id, const char *script, const char *job_id,
                     xpm_error *err)
{
        if (!workspace->folders || !*workspace->folders)
                return 0;
        int there = what_is_there(workspace, task_id, job_id, err);
        if (there != 0)
                return there < 0 ? there : 0;
        const char *folder = xpm_folder_find(workspace, task_id, script, job_id);
        return folder ? link_job(workspace, folder, task_id, job_id, err) : 0;
}

int xpm_folder_leave(const xpm_workspace *workspace, const char *task_id, const char *job_id, xpm_error *err)
{
        int there = what_is_there(workspace, task_id, job_id, err);
        if (there != 1)
                return there < 0 ? there : 0;
        xpm_text name = XPM_TEXT_INIT;
        xpm_text_printf(&name, "jobs/%s/%s", task_id, job_id);
        int rc = name.failed ? xpm_fail_memory(err) : 0;
        if (rc == 0 && unlinkat(workspace->dir, name.data, 0) != 0 && errno != ENOENT)
                rc = xpm_fail_errno(err, "cannot remove the link '%s/%s'", workspace->path, name.data);
        xpm_text_release(&name);
        return rc;
}

/* Whether the link leads to what is, or was, a job of a folder that is there. */
static bool leads_to_folder(const xpm_workspace *workspace, const char *task_id, const char *job_id)
{
        char target[PATH_MAX];
        bool leads = false;
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_printf(&text, "jobs/%s/%s", task_id, job_id);
        ssize_t length = text.failed ? -1 : readlinkat(workspace->dir, text.data, target, sizeof target);
        for (const char *const *folder = workspace->folders; length > 0 && !leads && *folder; folder++) {
                xpm_text_clear(&text);
                xpm_text_printf(&text, "%s/jobs", *folder);
                leads = !text.failed && (size_t)length > text.length && memcmp(target, text.data, text.length) == 0 &&
                        target[text.length] == '/' && faccessat(AT_FDCWD, text.data, F_OK, 0) == 0;
        }
        xpm_text_release(&text);
        return leads;
}

int xpm_folder_forsake(const xpm_workspace *workspace, const char *task_id, const char *job_id, xpm_error *err)
{
        if (!workspace->folders || !leads_to_folder(workspace, task_id, job_id))
                return 0;
        return xpm_folder_leave(workspace, task_id, job_id, err);
}
