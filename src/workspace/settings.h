/* settings.h: settings.yaml of the configuration directory, and which workspace to use
 */
#ifndef XPM_WORKSPACE_SETTINGS_H
#define XPM_WORKSPACE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "experimaestro/error.h"

typedef struct xpm_settings xpm_settings; /* everything the file says; unknown keys are left alone */

/* The directory: DIR (--xpm-config-dir), else $XDG_CONFIG_HOME/experimaestro, else ~/.config/experimaestro. No file:
 * empty settings. XPM_ESETTINGS with file:line:column. */
int xpm_settings_load(const char *dir, xpm_settings **out, xpm_error *err);
void xpm_settings_destroy(xpm_settings *settings);

/* The path of the file NAME of the configuration directory DIR, found as above; the caller frees. NULL when out of
 * memory. */
char *xpm_settings_path(const char *dir, const char *name);

typedef struct xpm_workspace_choice {
        const char *path;            /* absolute; owned by the settings */
        const char *id;              /* or NULL */
        bool group_sharing;          /* sharing: group */
        bool by_default;             /* ./experimaestro: worth a note */
        const char *const *env;      /* NAME, VALUE, …, NULL: settings' env, then the workspace's */
        bool durable;                /* durability: machine */
        int64_t max_retries;         /* -1: not said */
        const char *const *folders;  /* absolute paths, NULL-terminated: where finished jobs may be found, too */
        size_t max_done, max_failed; /* history: how many old runs are kept (history.h) */
} xpm_workspace_choice;

/* --workdir PATH, or --workspace ID, or a trigger that matches EXPERIMENT (may be NULL), or the first one, or
 * ./experimaestro. XPM_ESETTINGS for an unknown ID, with a suggestion. */
int xpm_settings_choose(xpm_settings *settings, const char *workdir, const char *workspace, const char *experiment,
                        xpm_workspace_choice *out, xpm_error *err);

/* Who may count on jobs of the workspace PATH: PATH, then the workspaces here whose `folders` have it. NULL-terminated,
 * owned by the settings. XPM_EIO, XPM_ENOMEM. */
int xpm_settings_users(xpm_settings *settings, const char *path, const char *const **out, xpm_error *err);

#endif
