/* What goes is renamed to `.tmp` of the workspace first, and removed there: nothing else of the workspace changes while
 * that lasts. But `jobs` or `experiments` may be a link to another filesystem, and no rename leaves that: there it gets
 * a hidden name beside its own. */
#include "workspace/discard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

enum { ELSEWHERE = 1 };

/* PLACE may have been left by a process that died and had our number. ELSEWHERE when no rename leads to it. */
static int move_and_remove(int dir, const char *name, int to, const char *place, xpm_error *err)
{
        int rc = xpm_remove_tree(to, place, err);
        if (rc != 0)
                return rc;
        if (renameat(dir, name, to, place) == 0)
                return xpm_remove_tree(to, place, err);
        if (errno == EXDEV)
                return ELSEWHERE;
        return errno == ENOENT ? xpm_fail(err, XPM_ENOTFOUND, "there is no '%s'", name)
                               : xpm_fail_errno(err, "cannot move '%s' away", name);
}

int xpm_discard(const xpm_workspace *workspace, int dir, const char *name, xpm_error *err)
{
        static const char hidden[] = ".tmp/";
        char *place = NULL;
        if (asprintf(&place, "%s.removed-%ld-%s", hidden, (long)getpid(), name) < 0)
                return xpm_fail_memory(err);
        int rc = xpm_mkdir_p(workspace->dir, ".tmp", workspace->directory_mode, err);
        if (rc == 0)
                rc = move_and_remove(dir, name, workspace->dir, place, err);
        if (rc == ELSEWHERE)
                rc = move_and_remove(dir, name, dir, place + sizeof hidden - 1, err);
        free(place);
        return rc;
}
