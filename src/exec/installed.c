/* The executable comes first: a library that was found by another way (LD_LIBRARY_PATH) must not bring its own modules
 * to an xpm of another version. A program of the user's that links the library has no such tree, so the library's place
 * is asked next. */
#include "exec/installed.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

static const char share[] = "../share/experimaestro", modules[] = "../lib/experimaestro/launchers";

/* The directory of the object that holds this function; the caller frees. */
static char *object_dir(void)
{
        Dl_info info;
        if (dladdr(share, &info) == 0 || !info.dli_fname)
                return NULL;
        char *path = realpath(info.dli_fname, NULL);
        char *slash = path ? strrchr(path, '/') : NULL;
        if (slash)
                *slash = '\0';
        return path;
}

/* DIR/RELATIVE[/NAME] when it is there; frees DIR. TRIED collects what is not. */
static char *look(char *dir, const char *relative, const char *name, xpm_text *tried)
{
        char *base = dir ? xpm_path_join(dir, relative) : NULL;
        char *path = base && *name ? xpm_path_join(base, name) : base;
        if (path != base)
                free(base);
        free(dir);
        if (path && access(path, F_OK) == 0)
                return path;
        if (path)
                xpm_text_printf(tried, "%s'%s'", tried->length ? ", nor " : "", path);
        free(path);
        return NULL;
}

static int find(const char *variable, const char *relative, const char *name, char **out, xpm_error *err)
{
        const char *given = getenv(variable);
        xpm_text tried = XPM_TEXT_INIT;
        if (given && *given)
                *out = look(strdup(given), "", name, &tried);
        else if (!(*out = look(xpm_executable_dir(), relative, name, &tried)))
                *out = look(object_dir(), relative, name, &tried);
        int rc = 0;
        if (!*out)
                rc = xpm_fail(err, XPM_ENOTFOUND,
                              "this installation is not whole: there is no %s (%s names another place)",
                              xpm_text_string(&tried), variable);
        xpm_text_release(&tried);
        return rc;
}

int xpm_locate_data(const char *name, char **out, xpm_error *err)
{
        return find("XPM_DATADIR", share, name, out, err);
}

#ifdef XPM_STATIC
#include "exec/embedded.h"

static int read_embedded(const char *name, char **file, xpm_text *text, xpm_error *err)
{
        for (const xpm_embedded *one = xpm_embedded_files; one->name; one++)
                if (strcmp(one->name, name) == 0) {
                        xpm_text_append(text, (const char *)one->data, one->length);
                        *file = strdup(name);
                        return *file && !text->failed ? 0 : xpm_fail_memory(err);
                }
        return XPM_ENOTFOUND;
}
#else
static int read_embedded(const char *name, char **file, xpm_text *text, xpm_error *err)
{
        (void)name, (void)file, (void)text, (void)err;
        return XPM_ENOTFOUND;
}
#endif

int xpm_read_data(const char *name, char **file, xpm_text *text, xpm_error *err)
{
        xpm_error missing = XPM_ERROR_NONE;
        int rc = xpm_locate_data(name, file, &missing);
        if (rc == XPM_ENOTFOUND) {
                rc = read_embedded(name, file, text, err);
                return rc == XPM_ENOTFOUND ? xpm_fail(err, rc, "%s", missing.message) : rc;
        }
        if (rc != 0)
                return xpm_fail(err, rc, "%s", missing.message);
        rc = xpm_file_read(AT_FDCWD, *file, 0, text, err);
        if (rc != 0) {
                free(*file);
                *file = NULL; /* the caller frees what it has */
        }
        return rc;
}

/* DIR/RELATIVE when it is a program; frees DIR. */
static char *look_program(char *dir, const char *relative, xpm_text *tried)
{
        struct stat st;
        char *path = look(dir, relative, "", tried);
        if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
                return path;
        free(path);
        return NULL;
}

/* What PATH has relative to the current directory would be another one for a worker. */
static char *look_in_path(xpm_text *tried)
{
        char *found = NULL;
        for (const char *entry = getenv("PATH"); entry && *entry && !found;) {
                size_t length = strcspn(entry, ":");
                if (*entry == '/')
                        found = look_program(strndup(entry, length), "xpm", tried);
                entry += length + (entry[length] == ':');
        }
        return found;
}

int xpm_locate_program(char **out, xpm_error *err)
{
        xpm_text tried = XPM_TEXT_INIT, in_path = XPM_TEXT_INIT;
        *out = look_program(xpm_executable_dir(), "xpm", &tried);
        if (!*out)
                *out = look_program(object_dir(), "../bin/xpm", &tried);
        if (!*out)
                *out = look_in_path(&in_path);
        int rc = *out ? 0
                      : xpm_fail(err, XPM_ENOTFOUND,
                                 "the program xpm, which starts the jobs, is not to be found: there is no %s, and none "
                                 "in PATH",
                                 xpm_text_string(&tried));
        xpm_text_release(&tried);
        xpm_text_release(&in_path);
        return rc;
}

int xpm_locate_modules(char **out, xpm_error *err)
{
        return find("XPM_MODULEDIR", modules, "", out, err);
}
