/* Paths as text. They are resolved by their letters alone: what `..` of a link is, only the filesystem knows, and
 * nobody who writes `a/../b` into a plan means that. */
#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The next component from *PATH on; false at the end. */
static bool next_component(const char **path, const char **component, size_t *length)
{
        *path += strspn(*path, "/");
        *component = *path;
        *length = strcspn(*path, "/");
        *path += *length;
        return *length > 0;
}

static bool is_dots(const char *component, size_t length, size_t dots)
{
        return length == dots && strncmp(component, "..", dots) == 0;
}

/* The last component of PATH that can be taken back, or NULL: the root has none, and `..` stays. */
static char *last_component(xpm_text *path)
{
        if (path->length == 0)
                return NULL;
        char *slash = strrchr(path->data, '/');
        char *last = slash ? slash + 1 : path->data;
        return *last == '\0' || strcmp(last, "..") == 0 ? NULL : last;
}

static void append_component(xpm_text *path, const char *component, size_t length)
{
        if (is_dots(component, length, 1))
                return;
        if (is_dots(component, length, 2)) {
                char *last = last_component(path);
                if (last) {
                        size_t cut = (size_t)(last - path->data);
                        xpm_text_cut(path, cut > 1 ? cut - 1 : cut);
                        return;
                }
                if (path->length > 0 && path->data[0] == '/')
                        return;
        }
        if (path->length > 0 && path->data[path->length - 1] != '/')
                xpm_text_putc(path, '/');
        xpm_text_append(path, component, length);
}

char *xpm_path_join(const char *dir, const char *name)
{
        const char *const parts[] = {*name == '/' ? "" : dir, name};
        xpm_text path = XPM_TEXT_INIT;
        if (parts[0][0] == '/' || *name == '/')
                xpm_text_putc(&path, '/');
        for (int i = 0; i < 2; i++) {
                const char *rest = parts[i], *component;
                size_t length;
                while (!path.failed && next_component(&rest, &component, &length))
                        append_component(&path, component, length);
        }
        if (path.length == 0)
                xpm_text_putc(&path, '.');
        return xpm_text_take(&path);
}

bool xpm_path_is_inside(const char *path)
{
        bool names_something = false;
        for (;;) {
                size_t length = strcspn(path, "/");
                if (length == 0 || is_dots(path, length, 2))
                        return false;
                names_something = names_something || !is_dots(path, length, 1);
                if (path[length] == '\0')
                        return names_something;
                path += length + 1;
        }
}

char *xpm_executable_dir(void)
{
        char path[PATH_MAX];
        ssize_t length = readlink("/proc/self/exe", path, sizeof path);
        if (length < 0)
                return NULL;
        char *slash = memrchr(path, '/', (size_t)length);
        if (!slash || (size_t)length == sizeof path) {
                errno = ENAMETOOLONG;
                return NULL;
        }
        return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}
