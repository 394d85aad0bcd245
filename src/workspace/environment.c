/* Of the environment itself nothing is written: it has secrets. */
#include "workspace/environment.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "workspace/status.h"

/* A run that is over does not stay for a slow answer. */
enum { PATIENCE = 200 };

static void put_string(xpm_text *text, const char *key, const char *value)
{
        xpm_json_key(text, key);
        xpm_json_cstring(text, value);
}

static void put_time(xpm_text *text, const char *key, int64_t microseconds)
{
        char iso[XPM_ISO_TIME_SIZE];
        if (microseconds)
                xpm_iso_time(microseconds, iso);
        put_string(text, key, microseconds ? iso : NULL);
}

static void put_user(xpm_text *text)
{
        char buffer[4096];
        struct passwd entry, *found = NULL;
        const char *name = getenv("LOGNAME");
        if ((!name || !*name) && getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found)
                name = entry.pw_name;
        put_string(text, "user", name && *name ? name : NULL);
}

static void put_versions(xpm_text *text)
{
        struct utsname system;
        xpm_json_key(text, "versions");
        xpm_text_putc(text, '{');
        put_string(text, "experimaestro", XPM_VERSION);
        if (uname(&system) == 0) {
                put_string(text, system.sysname, system.release);
                put_string(text, "machine", system.machine);
        }
        xpm_text_putc(text, '}');
}

/* What `module load` says that it loaded, separated by colons. */
static void put_modules(xpm_text *text)
{
        const char *at = getenv("LOADEDMODULES");
        xpm_json_key(text, "modules");
        xpm_text_putc(text, '[');
        while (at && *at) {
                size_t length = strcspn(at, ":");
                if (length > 0) {
                        xpm_json_item(text);
                        xpm_json_string(text, at, length);
                }
                at += length + (at[length] == ':');
        }
        xpm_text_putc(text, ']');
}

static void put_command_line(xpm_text *text, const char *const *argv)
{
        xpm_json_key(text, "command_line");
        xpm_text_putc(text, '[');
        for (; argv && *argv; argv++) {
                xpm_json_item(text);
                xpm_json_cstring(text, *argv);
        }
        xpm_text_putc(text, ']');
}

int xpm_environment_begin(xpm_environment *environment, const xpm_run_info *info, xpm_error *err)
{
        xpm_text *text = &environment->rest;
        if (info->experiment_dir)
                xpm_git_open(&environment->git, info->experiment_dir);
        put_user(text);
        put_versions(text);
        put_modules(text);
        put_command_line(text, info->argv);
        put_string(text, "directory", info->experiment_dir);
        xpm_json_key(text, "configuration");
        xpm_text_puts(text, info->configuration ? info->configuration : "null");
        return text->failed ? xpm_fail_memory(err) : 0;
}

static void put_git(xpm_text *text, const xpm_git *git)
{
        static const char *const dirty[] = {
                [XPM_GIT_UNKNOWN] = "null", [XPM_GIT_CLEAN] = "false", [XPM_GIT_DIRTY] = "true"};
        xpm_json_key(text, "git");
        if (!git->found) {
                xpm_text_puts(text, "null");
                return;
        }
        xpm_text_putc(text, '{');
        put_string(text, "commit", git->commit[0] ? git->commit : NULL);
        put_string(text, "branch", git->branch[0] ? git->branch : NULL);
        xpm_json_key(text, "dirty");
        xpm_text_puts(text, dirty[git->state]);
        xpm_text_putc(text, '}');
}

void xpm_environment_json(const xpm_environment *environment, const char *host, int64_t started, int64_t ended,
                          const char *status, xpm_text *text)
{
        xpm_text_puts(text, "{\"run\": {");
        put_string(text, "hostname", host);
        put_string(text, "boot_id", xpm_boot_id());
        put_time(text, "started_at", started);
        put_time(text, "ended_at", ended);
        put_string(text, "status", status);
        xpm_text_putc(text, '}');
        put_git(text, &environment->git);
        xpm_text_puts(text, ", ");
        xpm_text_append(text, environment->rest.data, environment->rest.length);
        xpm_text_puts(text, "}\n");
}

void xpm_environment_settle(xpm_environment *environment)
{
        xpm_git_settle(&environment->git, PATIENCE);
}

void xpm_environment_release(xpm_environment *environment)
{
        xpm_git_settle(&environment->git, 0);
        xpm_text_release(&environment->rest);
        *environment = XPM_ENVIRONMENT_INIT;
}
