/* Tokens as the worker of a job sees them: there or not, and given back. Nothing here takes the token's lock: a
 * holder's file is made by rename and removed by unlink, and counts only fall. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"
#include "workspace/token.h"
#include "workspace/tokenfile.h"

/* The path of the holder's file for wanted[i], relative to the workspace. */
static int holder_path(const xpm_token_request *request, size_t i, xpm_text *path, xpm_error *err)
{
        xpm_token_file name;
        xpm_token_file_name(request->task_id, request->job_id, name);
        xpm_text_clear(path);
        xpm_text_printf(path, "tokens/%s.counter/jobs/%s", request->wanted[i].name, name);
        return path->failed ? xpm_fail_memory(err) : 0;
}

int xpm_tokens_are_held(int workspace_dir, const xpm_token_request *request, xpm_error *err)
{
        xpm_text path = XPM_TEXT_INIT;
        int rc = 1;
        for (size_t i = 0; rc == 1 && i < request->count; i++) {
                if (request->wanted[i].count < 1)
                        continue;
                int failed = holder_path(request, i, &path, err);
                if (failed != 0)
                        rc = failed;
                else if (faccessat(workspace_dir, path.data, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
                        rc = errno == ENOENT ? 0 : xpm_fail_errno(err, "cannot look at '%s'", path.data);
        }
        xpm_text_release(&path);
        return rc;
}

int xpm_tokens_drop(int workspace_dir, const xpm_token_request *request, xpm_error *err)
{
        xpm_text path = XPM_TEXT_INIT;
        int rc = 0;
        for (size_t i = 0; i < request->count; i++) {
                int failed = holder_path(request, i, &path, err);
                if (failed == 0 && unlinkat(workspace_dir, path.data, 0) != 0 && errno != ENOENT)
                        failed = xpm_fail_errno(err, "cannot remove '%s'", path.data);
                if (rc == 0)
                        rc = failed;
        }
        xpm_text_release(&path);
        return rc;
}

void xpm_tokens_json(const xpm_token_request *request, xpm_text *text)
{
        xpm_text_putc(text, '{');
        for (size_t i = 0; i < request->count; i++) {
                if (request->wanted[i].count < 1)
                        continue;
                xpm_json_key(text, request->wanted[i].name);
                xpm_json_int(text, request->wanted[i].count);
        }
        xpm_text_puts(text, "}\n");
}
