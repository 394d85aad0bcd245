/* Opening a workspace to look at it, and what all lists are made from: names in directories, JSON in files. What cannot
 * be understood counts as absent: others write to a workspace, too, and a file may be half written by a program that
 * does not rename. */
#include "monitor/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "monitor/viewstate.h"

enum { FILE_LIMIT = 1 << 30 };

static int check(const xpm_view *view, xpm_error *err)
{
        const xpm_workspace *workspace = view->workspace;
        if (workspace->dir < 0)
                return xpm_fail(err, XPM_ENOTFOUND, "there is no workspace '%s' (--workdir chooses another)",
                                workspace->path);
        if (faccessat(workspace->dir, ".__experimaestro__", F_OK, 0) != 0)
                return xpm_fail(err, XPM_ENOTFOUND,
                                "'%s' is not a workspace: it has no '.__experimaestro__' (--workdir chooses another)",
                                workspace->path);
        return 0;
}

int xpm_view_open(const xpm_view_place *place, xpm_view **out, xpm_error *err)
{
        xpm_workspace_choice choice;
        xpm_view *view = calloc(1, sizeof *view);
        if (!view)
                return xpm_fail_memory(err);
        view->arena = xpm_arena_create();
        int rc = view->arena ? xpm_settings_load(place->config_dir, &view->settings, err) : xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_settings_choose(view->settings, place->workdir, place->workspace, NULL, &choice, err);
        if (rc == 0)
                rc = xpm_workspace_open(choice.path, false, choice.group_sharing, &view->workspace, err);
        if (rc == 0)
                view->workspace->folders = choice.folders;
        if (rc == 0)
                rc = check(view, err);
        if (rc != 0)
                xpm_view_close(view);
        else
                *out = view;
        return rc;
}

void xpm_view_close(xpm_view *view)
{
        if (!view)
                return;
        xpm_underway_close(view->underway);
        xpm_workspace_close(view->workspace);
        xpm_settings_destroy(view->settings);
        xpm_arena_destroy(view->arena);
        free(view);
}

const char *xpm_view_path(const xpm_view *view)
{
        return view->workspace->path;
}

static int by_version(const void *a, const void *b)
{
        return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_directory(DIR *stream, const struct dirent *entry, bool links)
{
        struct stat st;
        if (entry->d_type == DT_DIR)
                return true;
        if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
                return false;
        int flags = links ? 0 : AT_SYMLINK_NOFOLLOW;
        return fstatat(dirfd(stream), entry->d_name, &st, flags) == 0 && S_ISDIR(st.st_mode);
}

static int collect(xpm_view *view, DIR *stream, const char *dir, bool links, const char ***names, size_t *count,
                   xpm_error *err)
{
        size_t capacity = 0;
        const char **list = NULL;
        int rc = 0;
        errno = 0;
        for (const struct dirent *entry; rc == 0 && (entry = readdir(stream)); errno = 0) {
                if (entry->d_name[0] == '.' || !is_directory(stream, entry, links))
                        continue;
                if (*count == capacity) {
                        capacity = capacity ? capacity * 2 : 32;
                        const char **more = realloc(list, capacity * sizeof *more);
                        rc = more ? 0 : xpm_fail_memory(err);
                        list = more ? more : list;
                }
                if (rc == 0 && !(list[(*count)++] = xpm_arena_strdup(view->arena, entry->d_name)))
                        rc = xpm_fail_memory(err);
        }
        if (rc == 0 && errno != 0)
                rc = xpm_fail_errno(err, "cannot list '%s/%s'", view->workspace->path, dir);
        if (rc == 0 && *count > 0)
                qsort(list, *count, sizeof *list, by_version);
        if (rc == 0 && !(*names = xpm_arena_memdup(view->arena, list, *count * sizeof *list)))
                rc = xpm_fail_memory(err);
        free(list);
        return rc;
}

int xpm_view_directories(xpm_view *view, const char *dir, bool links, const char ***names, size_t *count,
                         xpm_error *err)
{
        *count = 0;
        *names = NULL;
        int fd = openat(view->workspace->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
                return 0;
        DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
        if (!stream) {
                int rc = errno == ENOMEM ? xpm_fail_memory(err)
                                         : xpm_fail_errno(err, "cannot list '%s/%s'", view->workspace->path, dir);
                if (fd >= 0)
                        close(fd);
                return rc;
        }
        int rc = collect(view, stream, dir, links, names, count, err);
        closedir(stream);
        return rc;
}

/* Without memory jansson says so, or nothing, or calls the text wrong: so a wrong text is read twice. */
int xpm_view_parse(const char *text, size_t length, json_t **out, xpm_error *err)
{
        json_error_t error;
        *out = json_loadb(text, length, 0, &error);
        if (!*out && *error.text)
                *out = json_loadb(text, length, 0, &error);
        if (!*out && (!*error.text || json_error_code(&error) == json_error_out_of_memory))
                return xpm_fail_memory(err);
        if (*out && !json_is_object(*out)) {
                json_decref(*out);
                *out = NULL;
        }
        return 0;
}

int xpm_view_load(xpm_view *view, const char *path, json_t **out, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        *out = NULL;
        int rc = xpm_file_read(view->workspace->dir, path, FILE_LIMIT, &text, NULL);
        if (rc == 0)
                rc = xpm_view_parse(xpm_text_string(&text), text.length, out, err);
        else
                rc = rc == XPM_ENOMEM ? xpm_fail_memory(err) : 0;
        xpm_text_release(&text);
        return rc;
}

int xpm_view_string(xpm_view *view, const json_t *object, const char *key, const char **out, xpm_error *err)
{
        const char *string = json_string_value(json_object_get(object, key));
        *out = string ? xpm_arena_strdup(view->arena, string) : NULL;
        return string && !*out ? xpm_fail_memory(err) : 0;
}

const char *xpm_view_script(const char *task_id)
{
        const char *dot = strrchr(task_id, '.');
        return dot ? dot + 1 : task_id;
}
