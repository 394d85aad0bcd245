/* Nothing here is an error: a run is saved with what is known of its repository. The question about changes is `git
 * diff --quiet HEAD`, which knows of changes to tracked files only; files that were never added are usually results. It
 * takes no lock in the repository, for somebody may be working there. */
#include "workspace/git.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

enum { SMALL = 64 << 10, BIG = 64 << 20 };

static void trim(xpm_text *text)
{
        while (text->length > 0 && isspace((unsigned char)text->data[text->length - 1]))
                xpm_text_cut(text, text->length - 1);
}

/* The content of DIR/NAME without the end of line, or NULL; the caller frees. */
static char *read_line(const char *dir, const char *name)
{
        xpm_text text = XPM_TEXT_INIT;
        char *path = xpm_path_join(dir, name);
        char *line = NULL;
        if (path && xpm_file_read(AT_FDCWD, path, SMALL, &text, NULL) == 0) {
                trim(&text);
                line = xpm_text_take(&text);
        }
        xpm_text_release(&text);
        free(path);
        return line;
}

/* The repository of DIR: its `.git`, or what a file of that name says (worktrees, submodules). */
static char *git_dir(const char *dir)
{
        struct stat st;
        char *path = xpm_path_join(dir, ".git");
        if (!path || stat(path, &st) != 0) {
                free(path);
                return NULL;
        }
        if (S_ISDIR(st.st_mode))
                return path;
        free(path);
        char *line = read_line(dir, ".git");
        char *target = line && strncmp(line, "gitdir: ", 8) == 0 ? xpm_path_join(dir, line + 8) : NULL;
        free(line);
        return target;
}

static char *find_repository(const char *dir)
{
        char *at = strdup(dir), *found = NULL;
        while (at && !(found = git_dir(at))) {
                char *slash = strrchr(at, '/');
                if (!slash || strcmp(at, "/") == 0)
                        break;
                slash[slash == at] = '\0';
        }
        free(at);
        return found;
}

static bool take_commit(xpm_git *git, const char *text)
{
        size_t length = text ? strspn(text, "0123456789abcdef") : 0;
        if (length < 40 || length >= sizeof git->commit)
                return false;
        memcpy(git->commit, text, length);
        git->commit[length] = '\0';
        return true;
}

/* Lines of packed-refs are `COMMIT REF`. */
static void find_packed(xpm_git *git, const char *repository, const char *ref)
{
        xpm_text text = XPM_TEXT_INIT;
        char *path = xpm_path_join(repository, "packed-refs");
        size_t length = strlen(ref);
        if (path && xpm_file_read(AT_FDCWD, path, BIG, &text, NULL) == 0)
                for (const char *line = xpm_text_string(&text); line; line = strchr(line, '\n')) {
                        line += *line == '\n';
                        const char *space = strpbrk(line, " \n");
                        if (space && *space == ' ' && strncmp(space + 1, ref, length) == 0 &&
                            (space[1 + length] == '\n' || !space[1 + length]) && take_commit(git, line))
                                break;
                }
        xpm_text_release(&text);
        free(path);
}

/* Worktrees share their references with the main repository, which `commondir` names. */
static void resolve(xpm_git *git, const char *repository, const char *ref)
{
        char *line = read_line(repository, "commondir");
        char *common = line ? xpm_path_join(repository, line) : strdup(repository);
        char *commit = common ? read_line(common, ref) : NULL;
        if (common && !take_commit(git, commit))
                find_packed(git, common, ref);
        free(commit);
        free(common);
        free(line);
}

static void read_head(xpm_git *git, const char *repository)
{
        static const char symbolic[] = "ref: ", branches[] = "refs/heads/";
        char *head = read_line(repository, "HEAD");
        if (!head)
                return;
        git->found = true;
        if (strncmp(head, symbolic, sizeof symbolic - 1) == 0) {
                const char *ref = head + sizeof symbolic - 1;
                if (strncmp(ref, branches, sizeof branches - 1) == 0)
                        snprintf(git->branch, sizeof git->branch, "%s", ref + sizeof branches - 1);
                resolve(git, repository, ref);
        } else {
                take_commit(git, head);
        }
        free(head);
}

void xpm_git_open(xpm_git *git, const char *dir)
{
        *git = XPM_GIT_INIT;
        char *repository = find_repository(dir);
        if (repository)
                read_head(git, repository);
        free(repository);
        if (!git->commit[0])
                return;
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv =
                (const char *const[]){"git", "--no-optional-locks", "diff", "--quiet", "--no-ext-diff", "HEAD", NULL};
        spawn.cwd = dir;
        spawn.session = true;
        if (xpm_spawn_start(&spawn, &git->child, NULL, NULL) != 0)
                git->child = (xpm_child){.pidfd = -1};
}

static bool has_answered(const xpm_git *git, int milliseconds)
{
        struct pollfd ended = {.fd = git->child.pidfd, .events = POLLIN};
        return poll(&ended, 1, milliseconds) > 0;
}

void xpm_git_ask(xpm_git *git)
{
        if (git->child.pid != 0 && has_answered(git, 0))
                xpm_git_settle(git, 0);
}

void xpm_git_settle(xpm_git *git, int milliseconds)
{
        if (git->child.pid == 0)
                return;
        int status;
        if (!has_answered(git, milliseconds))
                kill(git->child.pid, SIGKILL);
        if (waitpid(git->child.pid, &status, 0) == git->child.pid && WIFEXITED(status) && WEXITSTATUS(status) <= 1)
                git->state = WEXITSTATUS(status) ? XPM_GIT_DIRTY : XPM_GIT_CLEAN;
        close(git->child.pidfd);
        git->child = (xpm_child){.pidfd = -1};
}
