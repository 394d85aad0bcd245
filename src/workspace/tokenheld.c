/* The worker's part of the tokens: it knows the job's directory and that of the workspace, no engine. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "workspace/token.h"
#include "workspace/tokenfile.h"

static int holder_path(const xpm_token_request *request, size_t i, char path[PATH_MAX], xpm_error *err)
{
        xpm_token_file directory;
        xpm_token_file file;
        xpm_token_file_name(request->task_id, request->job_id, file);
        int rc = xpm_token_directory(request->wanted[i].name, directory, err);
        if (rc == 0)
                snprintf(path, PATH_MAX, "%s/jobs/%s", directory, file);
        return rc;
}

/* Whoever buries a holder looks at SCRIPT.lock first and has ipc.lock meanwhile: now it is done, or will not be. */
static int is_held(int workspace_dir, const char *name, const char *holder, xpm_error *err)
{
        xpm_token_file directory;
        int lock = -1, rc = xpm_token_directory(name, directory, err);
        if (rc != 0)
                return rc;
        rc = xpm_file_exists(workspace_dir, holder, err);
        if (rc <= 0) /* and no lock is made where there was none */
                return rc;
        int token = openat(workspace_dir, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (token < 0)
                return errno == ENOENT ? 0 : xpm_fail_errno(err, "cannot open '%s'", directory);
        xpm_error inner;
        do {
                inner = XPM_ERROR_NONE;
                rc = xpm_lock_take(token, xpm_token_lock_name, 0660, true, &lock, &inner);
        } while (rc == XPM_EINTERRUPTED);
        if (rc == 0)
                rc = xpm_file_exists(workspace_dir, holder, err);
        else
                rc = xpm_fail(err, rc, "%s (in '%s')", inner.message, directory);
        xpm_lock_release(lock);
        close(token);
        return rc;
}

int xpm_tokens_are_held(int workspace_dir, const xpm_token_request *request, xpm_error *err)
{
        char path[PATH_MAX];
        int held = 1;
        for (size_t i = 0; i < request->count && held > 0; i++) {
                if (request->wanted[i].count <= 0)
                        continue;
                int rc = holder_path(request, i, path, err);
                held = rc == 0 ? is_held(workspace_dir, request->wanted[i].name, path, err) : rc;
        }
        return held;
}

int xpm_tokens_drop(int workspace_dir, const xpm_token_request *request, xpm_error *err)
{
        char path[PATH_MAX];
        int first = 0;
        for (size_t i = 0; i < request->count; i++) {
                int rc = holder_path(request, i, path, err);
                if (rc == 0 && unlinkat(workspace_dir, path, 0) != 0 && errno != ENOENT)
                        rc = xpm_fail_errno(err, "cannot remove '%s'", path);
                first = first ? first : rc;
        }
        return first;
}

void xpm_tokens_json(const xpm_token_request *request, xpm_text *text)
{
        xpm_text_putc(text, '{');
        for (size_t i = 0; i < request->count; i++) {
                xpm_json_key(text, request->wanted[i].name);
                xpm_json_int(text, request->wanted[i].count);
        }
        xpm_text_puts(text, "}");
}
