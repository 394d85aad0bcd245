/* A module is code that runs as the caller: one that somebody else could have put there is refused. Root may have, and
 * so may whoever owns the program that is running. Modules are never unloaded: their libraries may have started
 * threads. */
#include "exec/loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/words.h"
#include "exec/installed.h"

#ifdef XPM_STATIC
extern const xpm_launcher xpm_launcher_local;
static const xpm_launcher *const linked[] = {&xpm_launcher_local, NULL};
#else
static const xpm_launcher *const linked[] = {NULL};
#endif

enum { NAMES = 64 };

static int check(const char *path, const xpm_launcher *launcher, const char *name, xpm_error *err)
{
        if (launcher->abi != XPM_LAUNCHER_ABI || launcher->size != sizeof *launcher)
                return xpm_fail(
                        err, XPM_ELAUNCHER,
                        "the launcher module '%s' was built for another xpm: its interface is %u (%zu bytes), ours %u "
                        "(%zu bytes)",
                        path, launcher->abi, launcher->size, XPM_LAUNCHER_ABI, sizeof *launcher);
        if (strcmp(launcher->name, name) != 0)
                return xpm_fail(err, XPM_ELAUNCHER, "the launcher module '%s' calls itself '%s'", path, launcher->name);
        return 0;
}

static int check_owner(const char *path, xpm_error *err)
{
        struct stat module, program;
        if (stat(path, &module) != 0)
                return xpm_fail_errno(err, "cannot look at the launcher module '%s'", path);
        bool ours = module.st_uid == geteuid() || module.st_uid == 0 ||
                    (stat("/proc/self/exe", &program) == 0 && program.st_uid == module.st_uid);
        if (!ours || (module.st_mode & S_IWOTH))
                return xpm_fail(err, XPM_ELAUNCHER, "the launcher module '%s' is not loaded: %s", path,
                                ours ? "anybody may write it" : "it belongs to another user");
        return 0;
}

/* `local.so` gives `local`. */
static size_t list(const char *dir, char *names[NAMES])
{
        DIR *stream = opendir(dir);
        size_t count = 0;
        for (struct dirent *entry; stream && count < NAMES && (entry = readdir(stream));) {
                size_t length = strlen(entry->d_name);
                if (length > 3 && strcmp(entry->d_name + length - 3, ".so") == 0 &&
                    (names[count] = strndup(entry->d_name, length - 3)))
                        count++;
        }
        if (stream)
                closedir(stream);
        return count;
}

static int missing(const char *dir, const char *name, xpm_error *err)
{
        char *names[NAMES];
        size_t count = list(dir, names);
        const char *near = xpm_words_nearest(name, (const char *const *)names, count);
        xpm_text all = XPM_TEXT_INIT;
        for (size_t i = 0; i < count; i++)
                xpm_text_printf(&all, "%s'%s'", i ? ", " : "", names[i]);
        int rc = near ? xpm_fail(err, XPM_ELAUNCHER, "there is no launcher '%s': did you mean '%s'?", name, near)
                      : xpm_fail(err, XPM_ELAUNCHER, "there is no launcher '%s'; there are: %s", name,
                                 all.length ? all.data : "none");
        xpm_text_release(&all);
        while (count > 0)
                free(names[--count]);
        return rc;
}

static int load(const char *path, const char *name, const xpm_launcher **out, xpm_error *err)
{
        char symbol[NAME_MAX + 16];
        int rc = check_owner(path, err);
        if (rc != 0)
                return rc;
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle)
                return xpm_fail(err, XPM_ELAUNCHER, "cannot load the launcher module: %s", dlerror());
        snprintf(symbol, sizeof symbol, "xpm_launcher_%s", name);
        const xpm_launcher *launcher = dlsym(handle, symbol);
        if (!launcher)
                return xpm_fail(err, XPM_ELAUNCHER, "'%s' is no launcher module: it has no '%s'", path, symbol);
        rc = check(path, launcher, name, err);
        if (rc == 0)
                *out = launcher;
        return rc;
}

int xpm_launcher_find(const char *name, const xpm_launcher **out, xpm_error *err)
{
        char *dir, file[NAME_MAX + 1];
        for (size_t i = 0; linked[i]; i++)
                if (strcmp(linked[i]->name, name) == 0) {
                        *out = linked[i];
                        return 0;
                }
        int rc = xpm_locate_modules(&dir, err);
        if (rc != 0)
                return rc;
        snprintf(file, sizeof file, "%s.so", name);
        char *path = strchr(name, '/') || strlen(name) > NAME_MAX - 3 ? NULL : xpm_path_join(dir, file);
        if (!path || access(path, F_OK) != 0)
                rc = missing(dir, name, err);
        else
                rc = load(path, name, out, err);
        free(path);
        free(dir);
        return rc;
}
