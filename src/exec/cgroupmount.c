/* Which group we are in says one file, as a path of its hierarchy; where that is mounted, and from which group on,
 * another. A container sees its own group as the top. */
#include "exec/cgroupmount.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum { FILE_LIMIT = 1 << 20 };

/* Is WORD one of a list with commas of LENGTH bytes? */
static bool has_word(const char *list, size_t length, const char *word)
{
        size_t size = strlen(word);
        for (const char *end = list + length; list < end; list++) {
                size_t part = strcspn(list, ",");
                if (part > (size_t)(end - list))
                        part = (size_t)(end - list);
                if (part == size && memcmp(list, word, size) == 0)
                        return true;
                list += part;
        }
        return false;
}

/* `HIERARCHY:CONTROLLERS:/PATH`; of v2 there are no controllers and the number is 0. */
static const char *match_self(const char *line, const char *controller)
{
        const char *list = strchr(line, ':'), *path = list ? strchr(++list, ':') : NULL;
        if (!path || path[1] != '/')
                return NULL;
        if (!controller)
                return strncmp(line, "0::", 3) == 0 ? path + 1 : NULL;
        return has_word(list, (size_t)(path - list), controller) ? path + 1 : NULL;
}

/* Blanks and the like stand as \040 there. */
static void unescape(char *path)
{
        char *to = path;
        for (const char *from = path; *from;) {
                bool octal = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && isdigit((unsigned char)from[2]) &&
                             isdigit((unsigned char)from[3]);
                *to++ = octal ? (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0') : *from;
                from += octal ? 4 : 1;
        }
        *to = '\0';
}

/* ` - TYPE SOURCE OPTIONS` at the end of a line of mountinfo. */
static bool is_hierarchy(const char *line, const char *controller)
{
        const char *type = strstr(line, " - "), *end = line + strcspn(line, "\n");
        if (!type || type > end)
                return false;
        if (!controller)
                return strncmp(type, " - cgroup2 ", 11) == 0;
        if (strncmp(type, " - cgroup ", 10) != 0)
                return false;
        const char *options = end;
        while (options > type && options[-1] != ' ')
                options--;
        return has_word(options, (size_t)(end - options), controller);
}

/* `ID PARENT DEVICE ROOT POINT OPTIONS … - TYPE SOURCE …`: where GROUP is, when this mounts it. The caller frees. */
static char *match_mount(const char *line, const char *group, const char *controller, size_t *top)
{
        char *root = NULL, *point = NULL, *path = NULL;
        if (!is_hierarchy(line, controller) || sscanf(line, "%*s %*s %*s %ms %ms", &root, &point) != 2)
                goto out;
        unescape(root);
        unescape(point);
        size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
        if (strncmp(group, root, length) != 0 || (group[length] != '/' && group[length] != '\0'))
                goto out;
        if (asprintf(&path, "%s%s", point, group + length) < 0)
                path = NULL;
        else if (top)
                *top = strlen(point);
out:
        free(root);
        free(point);
        return path;
}

static bool has_file(const char *directory, const char *file)
{
        int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool has = dir >= 0 && faccessat(dir, file, F_OK, 0) == 0;
        if (dir >= 0)
                close(dir);
        return has;
}

static const char *next_line(const char *line)
{
        line = strchr(line, '\n');
        return line ? line + 1 : NULL;
}

static char *read_group(const char *self, const char *controller)
{
        xpm_text text = XPM_TEXT_INIT;
        const char *line = NULL, *path = NULL;
        if (xpm_file_read(AT_FDCWD, self, FILE_LIMIT, &text, NULL) == 0)
                line = xpm_text_string(&text);
        for (; line && !path; line = next_line(line))
                path = match_self(line, controller);
        char *group = path ? strndup(path, strcspn(path, "\n")) : NULL;
        xpm_text_release(&text);
        return group;
}

char *xpm_cgroup_find(const char *self, const char *mounts, const char *controller, const char *file, size_t *top)
{
        xpm_text text = XPM_TEXT_INIT;
        const char *line = NULL;
        char *path = NULL, *group = read_group(self, controller);
        if (group && xpm_file_read(AT_FDCWD, mounts, FILE_LIMIT, &text, NULL) == 0)
                line = xpm_text_string(&text);
        for (; line && *line && !path; line = next_line(line)) {
                path = match_mount(line, group, controller, top);
                /* One that is mounted over is another filesystem's: it has no such file. */
                if (path && !has_file(path, file)) {
                        free(path);
                        path = NULL;
                }
        }
        xpm_text_release(&text);
        free(group);
        return path;
}
