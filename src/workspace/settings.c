/* settings.yaml is shared with the reference implementation and with whatever it grows: keys that are not known here
 * are left alone, those that are known must be right, for a typing error in a path would put a month of results
 * somewhere else.
 *
 * Everything lives in one arena, so that a choice may be borrowed until the settings go. */
#include "workspace/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/number.h"
#include "base/words.h"
#include "plan/load.h"

enum { LIMIT = 16 << 20, MAX_DONE = 5, MAX_FAILED = 1 };

/* `history`: that of a workspace counts as a whole instead of the one at the top. */
typedef struct history {
        bool given;
        size_t max_done, max_failed;
} history;

/* One entry of `workspaces`. */
typedef struct entry {
        const char *id, *path; /* path is absolute */
        bool group, remote, durable;
        int64_t max_retries; /* -1: not said */
        xpm_pos pos;
        const xpm_node *env, *triggers;
        const char **folders;
        history history;
} entry;

struct xpm_settings {
        xpm_arena *arena;
        xpm_source source;
        const xpm_node *env; /* top level, or NULL */
        bool durable;
        history history;
        entry *entries;
        size_t count;
};

/* The home of USER (of LENGTH; nothing: ours), the caller's. NULL with errno 0 when there is none, ENOMEM. */
static char *home_of(const char *user, size_t length)
{
        char name[64], buffer[4096];
        struct passwd user_entry, *found = NULL;
        const char *home = length == 0 ? getenv("HOME") : NULL;
        if (!home || !*home) {
                snprintf(name, sizeof name, "%.*s", (int)length, user);
                if (length > 0)
                        getpwnam_r(name, &user_entry, buffer, sizeof buffer, &found);
                else
                        getpwuid_r(geteuid(), &user_entry, buffer, sizeof buffer, &found);
                home = found ? found->pw_dir : NULL;
        }
        errno = 0;
        return home ? strdup(home) : NULL;
}

char *xpm_settings_path(const char *dir, const char *name)
{
        const char *config = getenv("XDG_CONFIG_HOME");
        if (dir)
                return xpm_path_join(dir, name);
        bool given = config && *config;
        char *home = given ? NULL : home_of("", 0);
        char *base = given        ? strdup(config)
                     : home       ? xpm_path_join(home, ".config")
                     : errno == 0 ? strdup("/.config")
                                  : NULL;
        char *directory = base ? xpm_path_join(base, "experimaestro") : NULL;
        char *path = directory ? xpm_path_join(directory, name) : NULL;
        free(directory);
        free(home);
        free(base);
        return path;
}

/* Fail with the code of the settings, at a place of the file. */
#define wrong(err, pos, ...) (xpm_fail_at(err, pos, __VA_ARGS__), recode(err))

static int recode(xpm_error *err)
{
        if (err && err->code == XPM_EPLAN)
                err->code = XPM_ESETTINGS;
        return err ? err->code : XPM_ESETTINGS;
}

/* `${env:NAME}`, `${env.NAME}`, also with `oc.` before; what is not set stays as it is written. */
static const char *interpolate(xpm_settings *settings, const char *string, xpm_error *err)
{
        static const char *const openings[] = {"${env:", "${env.", "${oc.env:", "${oc.env."};
        xpm_text text = XPM_TEXT_INIT;
        while (*string) {
                size_t skip = 0, length = 0;
                for (size_t i = 0; skip == 0 && i < sizeof openings / sizeof *openings; i++)
                        if (strncmp(string, openings[i], strlen(openings[i])) == 0)
                                skip = strlen(openings[i]);
                length = skip ? strcspn(string + skip, "}") : 0;
                char *name = length && string[skip + length] ? strndup(string + skip, length) : NULL;
                const char *value = name ? getenv(name) : NULL;
                text.failed |= length && string[skip + length] && !name;
                if (value) {
                        xpm_text_puts(&text, value);
                        string += skip + length + 1;
                } else {
                        xpm_text_putc(&text, *string++);
                }
                free(name);
        }
        const char *kept = text.failed ? NULL : xpm_arena_strdup(settings->arena, xpm_text_string(&text));
        xpm_text_release(&text);
        if (!kept)
                xpm_fail_memory(err);
        return kept;
}

/* A node that must be of KIND; NULL in *OUT where there is none. */
static int take(const xpm_node *mapping, const char *key, enum xpm_node_kind kind, const xpm_node **out, xpm_error *err)
{
        static const char *const kinds[] = {"a text", "a list", "a mapping"};
        const xpm_node *node = xpm_node_get(mapping, key);
        *out = NULL;
        if (!node || (kind != XPM_NODE_SCALAR && xpm_node_is_null(node)))
                return 0;
        if (node->kind != kind)
                return wrong(err, node->pos, "'%s' must be %s", key, kinds[kind]);
        *out = node;
        return 0;
}

static int take_text(xpm_settings *settings, const xpm_node *mapping, const char *key, const char **out, xpm_error *err)
{
        const xpm_node *node;
        int rc = take(mapping, key, XPM_NODE_SCALAR, &node, err);
        *out = NULL;
        if (rc != 0 || !node || xpm_node_is_null(node))
                return rc;
        *out = interpolate(settings, node->text, err);
        return *out ? 0 : XPM_ENOMEM;
}

/* One of two words; *SECOND tells which, false where nothing is said. */
static int take_word(const xpm_node *mapping, const char *key, const char *first, const char *second, bool *is_second,
                     xpm_error *err)
{
        const xpm_node *node;
        int rc = take(mapping, key, XPM_NODE_SCALAR, &node, err);
        *is_second = false;
        if (rc != 0 || !node)
                return rc;
        *is_second = strcmp(node->text, second) == 0;
        if (!*is_second && strcmp(node->text, first) != 0)
                return wrong(err, node->pos, "'%s' is '%s': it must be %s or %s", key, node->text, first, second);
        return 0;
}

/* *VALUE is -1 where nothing is said. */
static int take_count(const xpm_node *mapping, const char *key, int64_t *value, xpm_error *err)
{
        const xpm_node *node;
        int rc = take(mapping, key, XPM_NODE_SCALAR, &node, err);
        *value = -1;
        if (rc == 0 && node && (!xpm_int_parse(node->text, node->length, value, NULL) || *value < 0))
                rc = wrong(err, node->pos, "'%s' is '%s': it must be a whole number, 0 or more", key, node->text);
        return rc;
}

/* *COUNT stays where nothing is said. */
static int take_limit(const xpm_node *mapping, const char *key, size_t *count, xpm_error *err)
{
        int64_t value;
        int rc = take_count(mapping, key, &value, err);
        if (rc == 0 && value >= 0)
                *count = (size_t)value;
        return rc;
}

static int take_history(const xpm_node *mapping, history *out, xpm_error *err)
{
        const xpm_node *node;
        int rc = take(mapping, "history", XPM_NODE_MAPPING, &node, err);
        *out = (history){.given = node != NULL, .max_done = MAX_DONE, .max_failed = MAX_FAILED};
        if (rc == 0 && node)
                rc = take_limit(node, "max_done", &out->max_done, err);
        if (rc == 0 && node)
                rc = take_limit(node, "max_failed", &out->max_failed, err);
        return rc;
}

static int check_texts(const xpm_node *list, const char *what, xpm_error *err)
{
        for (size_t i = 0; list && i < list->item_count; i++)
                if (list->items[i]->kind != XPM_NODE_SCALAR)
                        return wrong(err, list->items[i]->pos, "each of '%s' must be a text", what);
        return 0;
}

static int take_env(const xpm_node *mapping, const xpm_node **env, xpm_error *err)
{
        int rc = take(mapping, "env", XPM_NODE_MAPPING, env, err);
        for (size_t i = 0; rc == 0 && *env && i < (*env)->pair_count; i++) {
                const xpm_pair *pair = &(*env)->pairs[i];
                if (pair->key_length == 0 || strchr(pair->key, '=') || strlen(pair->key) != pair->key_length)
                        rc = wrong(err, pair->key_pos, "'%s' is no name of an environment variable", pair->key);
                else if (pair->value->kind != XPM_NODE_SCALAR || xpm_node_is_null(pair->value))
                        rc = wrong(err, pair->value->pos, "the value of '%s' must be a text", pair->key);
        }
        return rc;
}

/* PATH, written at POS, with `~` and made absolute, in the arena. */
static int expand(xpm_settings *settings, const char *path, xpm_pos pos, const char **out, xpm_error *err)
{
        size_t length = *path == '~' ? strcspn(path, "/") : 0;
        char *base = length ? home_of(path + 1, length - 1) : getcwd(NULL, 0);
        if (!base && length && errno == 0)
                return wrong(err, pos, "there is no home directory '%.*s'", (int)length, path);
        const char *rest = path + length + (length ? strspn(path + length, "/") : 0);
        char *joined = base ? xpm_path_join(base, *rest ? rest : ".") : NULL;
        *out = joined ? xpm_arena_strdup(settings->arena, joined) : NULL;
        free(joined);
        free(base);
        return *out ? 0 : xpm_fail_memory(err);
}

static int read_folder(xpm_settings *settings, const xpm_node *node, const char **out, xpm_error *err)
{
        static const char *const modes[] = {"use", "backup", "move"};
        const char *path, *mode;
        if (node->kind != XPM_NODE_MAPPING)
                return wrong(err, node->pos, "a folder must be a mapping with 'path' and 'mode'");
        int rc = take_text(settings, node, "path", &path, err);
        if (rc == 0)
                rc = take_text(settings, node, "mode", &mode, err);
        if (rc != 0)
                return rc;
        if (!path)
                return wrong(err, node->pos, "this folder has no 'path'");
        bool known = !mode;
        for (size_t i = 0; !known && i < sizeof modes / sizeof *modes; i++)
                known = strcmp(mode, modes[i]) == 0;
        if (!known)
                return wrong(err, node->pos, "the 'mode' of a folder is '%s': it must be use, backup or move", mode);
        return expand(settings, path, node->pos, out, err);
}

static int read_folders(xpm_settings *settings, const xpm_node *node, entry *out, xpm_error *err)
{
        const xpm_node *folders;
        int rc = take(node, "folders", XPM_NODE_SEQUENCE, &folders, err);
        size_t count = folders ? folders->item_count : 0;
        out->folders = xpm_arena_calloc(settings->arena, count + 1, sizeof *out->folders);
        if (!out->folders)
                return xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < count; i++)
                rc = read_folder(settings, folders->items[i], &out->folders[i], err);
        return rc;
}

static int read_rest(xpm_settings *settings, const xpm_node *node, entry *out, xpm_error *err)
{
        const xpm_node *ssh;
        const char *host = NULL;
        int rc = take_env(node, &out->env, err);
        if (rc == 0)
                rc = take(node, "triggers", XPM_NODE_SEQUENCE, &out->triggers, err);
        if (rc == 0)
                rc = check_texts(out->triggers, "triggers", err);
        if (rc == 0)
                rc = take_word(node, "sharing", "private", "group", &out->group, err);
        if (rc == 0)
                rc = take_word(node, "durability", "process", "machine", &out->durable, err);
        if (rc == 0)
                rc = take_count(node, "max_retries", &out->max_retries, err);
        if (rc == 0)
                rc = take_history(node, &out->history, err);
        if (rc == 0)
                rc = read_folders(settings, node, out, err);
        if (rc == 0)
                rc = take(node, "ssh", XPM_NODE_MAPPING, &ssh, err);
        if (rc == 0 && ssh)
                rc = take_text(settings, ssh, "host", &host, err);
        out->remote = host && *host;
        return rc;
}

static int read_entry(xpm_settings *settings, const xpm_node *node, entry *out, xpm_error *err)
{
        const char *path;
        if (node->kind != XPM_NODE_MAPPING)
                return wrong(err, node->pos, "a workspace must be a mapping with 'id' and 'path'");
        out->pos = node->pos;
        int rc = take_text(settings, node, "id", &out->id, err);
        if (rc == 0)
                rc = take_text(settings, node, "path", &path, err);
        if (rc != 0)
                return rc;
        if (!out->id || !*out->id)
                return wrong(err, node->pos, "this workspace has no 'id'");
        if (!path || !*path)
                return wrong(err, node->pos, "the workspace '%s' has no 'path'", out->id);
        rc = expand(settings, path, node->pos, &out->path, err);
        return rc == 0 ? read_rest(settings, node, out, err) : rc;
}

static int read_workspaces(xpm_settings *settings, const xpm_node *root, xpm_error *err)
{
        const xpm_node *list;
        int rc = take(root, "workspaces", XPM_NODE_SEQUENCE, &list, err);
        if (rc != 0 || !list)
                return rc;
        settings->entries = xpm_arena_calloc(settings->arena, list->item_count, sizeof *settings->entries);
        if (!settings->entries)
                return xpm_fail_memory(err);
        for (; rc == 0 && settings->count < list->item_count; settings->count++) {
                entry *one = &settings->entries[settings->count];
                rc = read_entry(settings, list->items[settings->count], one, err);
                for (size_t i = 0; rc == 0 && i < settings->count; i++)
                        if (strcmp(settings->entries[i].id, one->id) == 0)
                                rc = wrong(err, one->pos, "a second workspace has the id '%s'", one->id);
        }
        return rc;
}

static int read_settings(xpm_settings *settings, const xpm_text *text, xpm_error *err)
{
        xpm_node *root;
        xpm_error inner = XPM_ERROR_NONE;
        int rc = xpm_yaml_parse(settings->arena, &settings->source, xpm_text_string(text), text->length, 0, &root,
                                &inner);
        if (rc != 0)
                return xpm_fail(err, rc == XPM_EPLAN ? XPM_ESETTINGS : rc, "%s", inner.message);
        if (root->kind != XPM_NODE_MAPPING)
                return wrong(err, root->pos, "the settings must be a mapping");
        rc = take_env(root, &settings->env, err);
        if (rc == 0)
                rc = take_history(root, &settings->history, err);
        if (rc == 0)
                rc = take_word(root, "durability", "process", "machine", &settings->durable, err);
        return rc == 0 ? read_workspaces(settings, root, err) : rc;
}

static int load(xpm_settings *settings, const char *dir, xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        settings->history = (history){.max_done = MAX_DONE, .max_failed = MAX_FAILED};
        char *path = xpm_settings_path(dir, "settings.yaml");
        settings->source.name = path ? xpm_arena_strdup(settings->arena, path) : NULL;
        settings->source.path = settings->source.name;
        settings->source.dir = "/";
        free(path);
        if (!settings->source.name)
                return xpm_fail_memory(err);
        int rc = xpm_file_read(AT_FDCWD, settings->source.name, LIMIT, &text, &inner);
        if (rc == 0)
                rc = read_settings(settings, &text, err);
        else if (rc == XPM_ENOTFOUND)
                rc = 0;
        else
                xpm_fail(err, rc, "%s", inner.message);
        xpm_text_release(&text);
        return rc;
}

int xpm_settings_load(const char *dir, xpm_settings **out, xpm_error *err)
{
        xpm_arena *arena = xpm_arena_create();
        xpm_settings *settings = arena ? xpm_arena_alloc(arena, sizeof *settings) : NULL;
        if (!settings) {
                xpm_arena_destroy(arena);
                return xpm_fail_memory(err);
        }
        settings->arena = arena;
        int rc = load(settings, dir, err);
        if (rc != 0)
                xpm_settings_destroy(settings);
        else
                *out = settings;
        return rc;
}

void xpm_settings_destroy(xpm_settings *settings)
{
        if (settings)
                xpm_arena_destroy(settings->arena);
}

static int unknown(const xpm_settings *settings, const char *id, xpm_error *err)
{
        const char **names = xpm_arena_calloc(settings->arena, settings->count + 1, sizeof *names);
        if (!names)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < settings->count; i++)
                names[i] = settings->entries[i].id;
        const char *near = xpm_words_nearest(id, names, settings->count);
        if (near)
                return xpm_fail(err, XPM_ESETTINGS, "there is no workspace '%s' in '%s': did you mean '%s'?", id,
                                settings->source.name, near);
        return xpm_fail(err, XPM_ESETTINGS, "there is no workspace '%s' in '%s'", id, settings->source.name);
}

static int find_id(const xpm_settings *settings, const char *id, const entry **out, xpm_error *err)
{
        for (size_t i = 0; i < settings->count; i++) {
                const entry *one = &settings->entries[i];
                if (strcmp(one->id, id) != 0)
                        continue;
                if (one->remote)
                        return wrong(err, one->pos, "the workspace '%s' is on another host ('ssh'): log in there", id);
                *out = one;
                return 0;
        }
        return unknown(settings, id, err);
}

static bool triggered(const entry *one, const char *experiment)
{
        for (size_t i = 0; one->triggers && i < one->triggers->item_count; i++)
                if (xpm_words_match(one->triggers->items[i]->text, experiment))
                        return true;
        return false;
}

/* By trigger, or the first one that is here. */
static const entry *find_default(const xpm_settings *settings, const char *experiment)
{
        const entry *first = NULL;
        for (size_t i = 0; i < settings->count; i++) {
                const entry *one = &settings->entries[i];
                if (one->remote)
                        continue;
                if (experiment && triggered(one, experiment))
                        return one;
                if (!first)
                        first = one;
        }
        return first;
}

/* The variables of both mappings, the workspace's last: later wins. */
static int collect_env(xpm_settings *settings, const entry *one, const char *const **out, xpm_error *err)
{
        const xpm_node *const mappings[] = {settings->env, one ? one->env : NULL};
        size_t count = 0, used = 0;
        for (int i = 0; i < 2; i++)
                count += mappings[i] ? mappings[i]->pair_count : 0;
        const char **env = xpm_arena_calloc(settings->arena, count * 2 + 1, sizeof *env);
        if (!env)
                return xpm_fail_memory(err);
        for (int i = 0; i < 2; i++)
                for (size_t j = 0; mappings[i] && j < mappings[i]->pair_count; j++) {
                        const xpm_pair *pair = &mappings[i]->pairs[j];
                        env[used++] = pair->key;
                        env[used] = interpolate(settings, pair->value->text, err);
                        if (!env[used++])
                                return XPM_ENOMEM;
                }
        *out = env;
        return 0;
}

int xpm_settings_choose(xpm_settings *settings, const char *workdir, const char *workspace, const char *experiment,
                        xpm_workspace_choice *out, xpm_error *err)
{
        static const char *const no_folders[] = {NULL};
        const entry *one = NULL;
        int rc = 0;
        if (workspace)
                rc = find_id(settings, workspace, &one, err);
        else if (!workdir)
                one = find_default(settings, experiment);
        xpm_workspace_choice choice = {
                .by_default = !one && !workdir, .durable = settings->durable, .max_retries = -1, .folders = no_folders};
        if (rc == 0)
                rc = collect_env(settings, one, &choice.env, err);
        if (rc != 0)
                return rc;
        const history *past = one && one->history.given ? &one->history : &settings->history;
        choice.max_done = past->max_done;
        choice.max_failed = past->max_failed;
        if (one) {
                choice.id = one->id;
                choice.path = one->path;
                choice.group_sharing = one->group;
                choice.durable |= one->durable;
                choice.max_retries = one->max_retries;
                choice.folders = one->folders;
        }
        if (workdir || !one) {
                char *cwd = getcwd(NULL, 0);
                char *path = cwd ? xpm_path_join(cwd, workdir ? workdir : "experimaestro") : NULL;
                choice.path = path ? xpm_arena_strdup(settings->arena, path) : NULL;
                free(path);
                free(cwd);
        }
        if (!choice.path)
                return xpm_fail_memory(err);
        *out = choice;
        return 0;
}

/* Folders are compared as directories: one may have several names. */
static bool uses(const entry *one, const struct stat *directory)
{
        struct stat st;
        for (const char **folder = one->folders; !one->remote && folder && *folder; folder++)
                if (stat(*folder, &st) == 0 && st.st_dev == directory->st_dev && st.st_ino == directory->st_ino)
                        return true;
        return false;
}

int xpm_settings_users(xpm_settings *settings, const char *path, const char *const **out, xpm_error *err)
{
        struct stat st, own;
        size_t count = 1;
        const char **users = xpm_arena_calloc(settings->arena, settings->count + 2, sizeof *users);
        if (!users || !(users[0] = xpm_arena_strdup(settings->arena, path)))
                return xpm_fail_memory(err);
        if (stat(path, &st) != 0)
                return xpm_fail_errno(err, "cannot look at '%s'", path);
        for (size_t i = 0; i < settings->count; i++) {
                const entry *one = &settings->entries[i];
                bool is_itself = stat(one->path, &own) == 0 && own.st_dev == st.st_dev && own.st_ino == st.st_ino;
                if (!is_itself && uses(one, &st))
                        users[count++] = one->path;
        }
        *out = users;
        return 0;
}
