/* On one host such locks are as good as others, so this is a warning: the promise that no job runs twice at once is
 * lost only when engines on two hosts share the workspace. */
#include "workspace/mount.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"

enum { LIMIT = 16 << 20 };

/* Options that make flock() local; a type stands for all that begin with it. */
static const struct {
        const char *type, *option;
} local_options[] = {
        {"nfs", "nolock"},
        {"nfs", "local_lock=all"},
        {"nfs", "local_lock=flock"},
        {"lustre", "localflock"},
};

/* The field at *AT, which ends with a blank or the line; *AT moves behind it. */
static size_t next_field(const char **at, const char **field)
{
        *field = *at;
        size_t length = strcspn(*at, " \n");
        *at += length + ((*at)[length] == ' ');
        return length;
}

/* A place is written with blanks and backslashes as octal numbers. */
static void unescape(const char *field, size_t length, char *out, size_t size)
{
        size_t used = 0;
        for (size_t i = 0; i < length && used + 1 < size; i++) {
                unsigned octal;
                if (field[i] == '\\' && length - i > 3 && sscanf(field + i + 1, "%3o", &octal) == 1) {
                        out[used++] = (char)octal;
                        i += 3;
                } else {
                        out[used++] = field[i];
                }
        }
        out[used] = '\0';
}

static bool has_option(const char *options, size_t length, const char *wanted)
{
        size_t size = strlen(wanted);
        for (const char *at = options, *end = options + length; at < end; at += strcspn(at, ",\n ") + 1)
                if ((size_t)(end - at) >= size && memcmp(at, wanted, size) == 0 &&
                    (at + size == end || at[size] == ','))
                        return true;
        return false;
}

/* What follows ` - `: the type, the source, the options of the filesystem. Whether it is local. */
static bool read_type(const char *at, xpm_mount *out)
{
        const char *type, *source, *options;
        size_t type_length = next_field(&at, &type);
        next_field(&at, &source);
        size_t length = next_field(&at, &options);
        snprintf(out->type, sizeof out->type, "%.*s", (int)type_length, type);
        out->option[0] = '\0';
        for (size_t i = 0; i < sizeof local_options / sizeof *local_options; i++)
                if (strncmp(type, local_options[i].type, strlen(local_options[i].type)) == 0 &&
                    has_option(options, length, local_options[i].option)) {
                        snprintf(out->option, sizeof out->option, "%s", local_options[i].option);
                        return true;
                }
        return false;
}

/* The first mount of DEVICE, or the first whose locks are local. */
static bool find(const char *mountinfo, dev_t device, bool local, xpm_mount *out)
{
        char wanted[32];
        snprintf(wanted, sizeof wanted, "%u:%u", major(device), minor(device));
        for (const char *line = mountinfo; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                const char *at = line, *field, *place;
                next_field(&at, &field);
                next_field(&at, &field);
                size_t length = next_field(&at, &field);
                if (length != strlen(wanted) || memcmp(field, wanted, length) != 0)
                        continue;
                next_field(&at, &field);
                length = next_field(&at, &place);
                const char *end = line + strcspn(line, "\n"), *rest = strstr(at, " - ");
                if (!rest || rest > end || (!read_type(rest + 3, out) && local))
                        continue;
                unescape(place, length, out->place, sizeof out->place);
                return true;
        }
        return false;
}

bool xpm_mount_find_local(const char *mountinfo, dev_t device, xpm_mount *out)
{
        return find(mountinfo, device, true, out);
}

void xpm_mount_describe(int dir, xpm_text *text)
{
        struct stat st;
        xpm_mount mount;
        xpm_text table = XPM_TEXT_INIT;
        bool known = fstat(dir, &st) == 0 &&
                     xpm_file_read(AT_FDCWD, "/proc/self/mountinfo", LIMIT, &table, NULL) == 0 &&
                     (find(xpm_text_string(&table), st.st_dev, true, &mount) ||
                      find(xpm_text_string(&table), st.st_dev, false, &mount));
        if (!known)
                xpm_text_puts(text, "the filesystem of the workspace");
        else if (mount.option[0])
                xpm_text_printf(text, "'%s' (%s, mounted with '%s')", mount.place, mount.type, mount.option);
        else
                xpm_text_printf(text, "'%s' (%s)", mount.place, mount.type);
        xpm_text_release(&table);
}

int xpm_mount_check(int dir, xpm_error *err)
{
        struct stat st;
        xpm_mount mount;
        xpm_text text = XPM_TEXT_INIT;
        int rc = 0;
        if (fstat(dir, &st) == 0 && xpm_file_read(AT_FDCWD, "/proc/self/mountinfo", LIMIT, &text, NULL) == 0 &&
            xpm_mount_find_local(xpm_text_string(&text), st.st_dev, &mount))
                rc = xpm_fail(
                        err, XPM_EIO,
                        "locks on '%s' (%s, mounted with '%s') hold on one host only, so two hosts could run one job "
                        "at once: use a workspace on another filesystem, or have it mounted with locks",
                        mount.place, mount.type, mount.option);
        xpm_text_release(&text);
        return rc;
}
