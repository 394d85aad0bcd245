/* Layers are gathered first and merged afterwards: a file's parents come before it, and become layers before it. They
 * are merged in order, each with its number on its nodes, then `-c` settings one by one, then `${…}`.
 *
 * An executable plan stands in the middle (its output is a layer between the file and --post-yaml), but is given the
 * configuration of all layers but its own; so with one the layers are merged twice, the first time as copies. */
#include "plan/load.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "plan/interpolate.h"
#include "plan/merge.h"
#include "plan/override.h"
#include "plan/program.h"
#include "plan/yaml.h"
#include "plan/yamltext.h"

enum { MOST_FILES = 1000, DEEPEST_CHAIN = 100 };

struct layer {
        xpm_node *root;
        bool inherited; /* from a parent of the experiment file */
};

struct loader {
        xpm_arena *arena;
        const xpm_load_options *options;
        struct layer *layers;
        size_t layer_count, layer_capacity;
        size_t program_layer; /* where the output of the executable plan belongs */
        size_t files;
        xpm_error *err;
};

/* A file that is being read, and the one that named it. */
struct link {
        const struct link *child;
        const xpm_source *source;
        dev_t device;
        ino_t inode;
        size_t length;
};

static int add_layer(struct loader *loader, xpm_node *root, bool inherited)
{
        if (xpm_arena_reserve(loader->arena, &loader->layers, &loader->layer_capacity, loader->layer_count + 1,
                              sizeof *loader->layers) != 0)
                return xpm_fail_memory(loader->err);
        loader->layers[loader->layer_count++] = (struct layer){.root = root, .inherited = inherited};
        return 0;
}

static char *join(struct loader *loader, const char *dir, const char *name)
{
        char *path = xpm_path_join(dir, name);
        char *kept = path ? xpm_arena_strdup(loader->arena, path) : NULL;
        free(path);
        return kept;
}

static xpm_source *create_source(struct loader *loader, const char *name, const char *path)
{
        const char *slash = strrchr(path, '/');
        xpm_source *source = xpm_arena_alloc(loader->arena, sizeof *source);
        char *shown = xpm_arena_strdup(loader->arena, name);
        char *dir = xpm_arena_strndup(loader->arena, path, slash == path ? 1 : (size_t)(slash - path));
        if (!source || !shown || !dir)
                return NULL;
        *source = (xpm_source){.name = shown, .path = path, .dir = dir};
        return source;
}

/* A parent is shown as it would be typed here: relative to the current directory when it lies there. */
static const char *shown_name(const struct loader *loader, const char *path)
{
        size_t length = strlen(loader->options->cwd);
        if (strncmp(path, loader->options->cwd, length) == 0 && path[length] == '/')
                return path + length + 1;
        return path;
}

static int check_circle(const struct link *link, xpm_pos pos, xpm_error *err)
{
        const struct link *again = link->child;
        while (again && (again->device != link->device || again->inode != link->inode))
                again = again->child;
        if (!again)
                return link->length <= DEEPEST_CHAIN ? 0 : xpm_fail_at(err, pos, "more than 100 parents in a chain");
        xpm_text chain = XPM_TEXT_INIT;
        const struct link *names[DEEPEST_CHAIN + 2];
        size_t count = 0;
        for (const struct link *l = link; l != again; l = l->child)
                names[count++] = l;
        xpm_text_puts(&chain, again->source->name);
        while (count > 0)
                xpm_text_printf(&chain, " → %s", names[--count]->source->name);
        int rc = chain.failed ? xpm_fail_memory(err)
                              : xpm_fail_at(err, pos, "the files include each other in a circle: %s",
                                            xpm_text_string(&chain));
        xpm_text_release(&chain);
        return rc;
}

static bool is_file(const char *path)
{
        struct stat status;
        return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

/* Errors of a file that another one names have the position where it does; the experiment file was looked for with
 * `.yaml` too. */
static int fail_open(struct loader *loader, const xpm_source *source, xpm_pos pos, int error)
{
        const char *longer = xpm_arena_printf(loader->arena, "%s.yaml", source->path);
        if (!longer)
                return xpm_fail_memory(loader->err);
        char why[128];
        snprintf(why, sizeof why, "%s", error == ENOENT ? "no such file" : strerror(error));
        why[0] = (char)tolower((unsigned char)why[0]);
        if (pos.source)
                return xpm_fail_at(loader->err, pos, "cannot open '%s': %s%s%s%s", source->name, why,
                                   is_file(longer) ? ": did you mean '" : "",
                                   is_file(longer) ? strrchr(longer, '/') + 1 : "", is_file(longer) ? "'?" : "");
        return xpm_fail(loader->err,
                        error == ENOENT   ? XPM_ENOTFOUND
                        : error == EISDIR ? XPM_EPLAN
                                          : XPM_EIO,
                        "cannot open '%s': %s", source->name, why);
}

/* Read LINK's file and parse it; POS is where it was named. */
static int read_file(struct loader *loader, struct link *link, xpm_pos pos, xpm_node **root)
{
        const xpm_source *source = link->source;
        xpm_pos start = {.source = source, .line = 1, .column = 1};
        struct stat status;
        if (stat(source->path, &status) != 0)
                return fail_open(loader, source, pos, errno);
        if (S_ISDIR(status.st_mode))
                return fail_open(loader, source, pos, EISDIR);
        link->device = status.st_dev;
        link->inode = status.st_ino;
        int rc = check_circle(link, pos, loader->err);
        if (rc != 0)
                return rc;
        if (++loader->files > MOST_FILES)
                return xpm_fail_at(loader->err, pos, "more than 1,000 files, with those that are named again");
        if (status.st_size > XPM_YAML_LIMIT)
                return xpm_yaml_text_check(source, NULL, (size_t)status.st_size, loader->err);
        xpm_text text = XPM_TEXT_INIT;
        xpm_error own = XPM_ERROR_NONE;
        rc = xpm_file_read(AT_FDCWD, source->path, XPM_YAML_LIMIT, &text, &own);
        if (rc == XPM_EIO) /* a file that cannot be read is a wrong name, not a broken system */
                rc = xpm_fail_at(loader->err, pos, "%s", own.message);
        else if (rc != 0)
                rc = xpm_fail(loader->err, rc, "%s", own.message);
        if (rc == 0)
                rc = xpm_yaml_parse(loader->arena, source, xpm_text_string(&text), text.length, 0, root, loader->err);
        xpm_text_release(&text);
        if (rc == 0 && (*root)->kind != XPM_NODE_MAPPING && !xpm_node_is_null(*root))
                return xpm_fail_at(loader->err, (*root)->pos,
                                   "the file holds a %s, but a mapping of keys to values is expected",
                                   (*root)->kind == XPM_NODE_SEQUENCE ? "list" : "text");
        if (rc == 0 && (*root)->kind != XPM_NODE_MAPPING && !(*root = xpm_node_mapping(loader->arena, start)))
                return xpm_fail_memory(loader->err);
        return rc;
}

static int load_file(struct loader *loader, const char *name, const char *path, xpm_pos pos, const struct link *child,
                     bool parents_inherited, const xpm_source **source_out);

static int load_parent(struct loader *loader, const struct link *link, const char *key, const xpm_node *node,
                       bool inherited)
{
        if (node->kind != XPM_NODE_SCALAR || xpm_node_is_null(node) || memchr(node->text, '\0', node->length))
                return xpm_fail_at(loader->err, node->pos, "'%s' takes the path of a file%s", key,
                                   strcmp(key, "parent") == 0 ? ": several are named by 'imports'" : " for each item");
        const char *path = join(loader, link->source->dir, node->text);
        if (!path)
                return xpm_fail_memory(loader->err);
        return load_file(loader, shown_name(loader, path), path, node->pos, link, inherited, NULL);
}

static int load_parents(struct loader *loader, const struct link *link, const xpm_node *root, bool inherited)
{
        const xpm_node *parent = xpm_node_get(root, "parent"), *imports = xpm_node_get(root, "imports");
        if (parent && imports)
                return xpm_fail_at(loader->err, xpm_node_find(root, "imports")->key_pos,
                                   "'parent' and 'imports' cannot stand together: put the parent first in 'imports'");
        if (parent)
                return load_parent(loader, link, "parent", parent, inherited);
        if (!imports)
                return 0;
        if (imports->kind != XPM_NODE_SEQUENCE)
                return xpm_fail_at(loader->err, imports->pos,
                                   "'imports' takes a list of paths: one is named by 'parent'");
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < imports->item_count; i++)
                rc = load_parent(loader, link, "imports", imports->items[i], inherited);
        return rc;
}

static int load_file(struct loader *loader, const char *name, const char *path, xpm_pos pos, const struct link *child,
                     bool inherited, const xpm_source **source_out)
{
        const xpm_source *source = create_source(loader, name, path);
        if (!source)
                return xpm_fail_memory(loader->err);
        struct link link = {.child = child, .source = source, .length = child ? child->length + 1 : 0};
        xpm_node *root;
        int rc = read_file(loader, &link, pos, &root);
        if (rc == 0)
                rc = load_parents(loader, &link, root, inherited || source_out);
        if (rc == 0)
                rc = add_layer(loader, root, inherited);
        if (rc == 0 && source_out)
                *source_out = source;
        return rc;
}

static int load_extra(struct loader *loader, const char *const *names)
{
        int rc = 0;
        for (; rc == 0 && names && *names; names++) {
                const char *path = join(loader, loader->options->cwd, *names);
                rc = path ? load_file(loader, *names, path, (xpm_pos){0}, NULL, false, NULL)
                          : xpm_fail_memory(loader->err);
        }
        return rc;
}

/* The experiment file, as it was given or with `.yaml`. */
static int load_experiment(struct loader *loader, const xpm_source **source)
{
        const char *name = loader->options->file;
        const char *path = join(loader, loader->options->cwd, name);
        char *longer = xpm_arena_printf(loader->arena, "%s.yaml", name);
        const char *longer_path = longer ? join(loader, loader->options->cwd, longer) : NULL;
        if (!path || !longer_path)
                return xpm_fail_memory(loader->err);
        bool appended = !is_file(path) && is_file(longer_path);
        return load_file(loader, appended ? longer : name, appended ? longer_path : path, (xpm_pos){0}, NULL, false,
                         source);
}

static int load_layers(struct loader *loader, const xpm_source **source)
{
        int rc = load_extra(loader, loader->options->pre);
        if (rc == 0)
                rc = load_experiment(loader, source);
        loader->program_layer = loader->layer_count;
        if (rc == 0)
                rc = add_layer(loader, NULL, false);
        return rc == 0 ? load_extra(loader, loader->options->post) : rc;
}

/* All layers, as copies when COPIES, into one mapping. */
static int merge_layers(struct loader *loader, bool copies, xpm_node **out)
{
        xpm_node *root = NULL;
        for (size_t i = 0; i < loader->layer_count; i++) {
                xpm_node *layer = loader->layers[i].root;
                if (!layer)
                        continue;
                if (copies && !(layer = xpm_node_copy(loader->arena, layer)))
                        return xpm_fail_memory(loader->err);
                if (xpm_merge_root(loader->arena, &root, layer, (uint32_t)i + 1) != 0)
                        return xpm_fail_memory(loader->err);
        }
        int rc = 0;
        uint32_t number = (uint32_t)loader->layer_count;
        for (const char *const *setting = loader->options->settings; rc == 0 && setting && *setting; setting++)
                rc = xpm_override(loader->arena, &root, *setting, loader->options->cwd, ++number, loader->err);
        if (rc == 0)
                *out = root;
        return rc;
}

static int find_program(struct loader *loader, const xpm_document *document, const char **path)
{
        const xpm_node *file = xpm_node_get(document->root, "file");
        const char *option = loader->options->code;
        if (option)
                return xpm_program_find(loader->arena, option, document->source->dir, loader->options->cwd,
                                        (xpm_pos){0}, path, loader->err);
        if (!file || xpm_node_is_null(file))
                return 0;
        if (file->kind != XPM_NODE_SCALAR || memchr(file->text, '\0', file->length))
                return xpm_fail_at(loader->err, file->pos, "'file' takes the name of the plan as code");
        return xpm_program_find(loader->arena, file->text, file->pos.source->dir, NULL, file->pos, path, loader->err);
}

static void release_maps(void *data)
{
        xpm_document *document = data;
        xpm_map_release(&document->env_values);
        xpm_map_release(&document->keys_read);
}

static int interpolate(struct loader *loader, xpm_document *document)
{
        return xpm_interpolate(loader->arena, document, loader->options->getenv, loader->options->getenv_data,
                               loader->err);
}

/* Find and run the executable plan, if there is one, and make its output a layer. */
static int add_program(struct loader *loader, const xpm_document *document, const char **path)
{
        xpm_document draft = {.source = document->source};
        int rc = merge_layers(loader, true, &draft.root);
        if (rc == 0)
                rc = interpolate(loader, &draft);
        if (rc == 0)
                rc = find_program(loader, &draft, path);
        if (rc == 0 && *path)
                rc = xpm_program_run(loader->arena, loader->options, *path, document->source->dir, draft.root,
                                     (uint32_t)loader->program_layer + 1, &loader->layers[loader->program_layer].root,
                                     loader->err);
        release_maps(&draft);
        return rc;
}

/* Is there code at all, whatever it is? Without it nothing need be merged twice. */
static bool has_program(const struct loader *loader)
{
        if (loader->options->code)
                return true;
        for (size_t i = 0; i < loader->layer_count; i++)
                if (loader->layers[i].root && xpm_node_get(loader->layers[i].root, "file"))
                        return true;
        for (const char *const *setting = loader->options->settings; setting && *setting; setting++)
                if (strncmp(*setting, "file=", 5) == 0)
                        return true;
        return false;
}

const char *const xpm_language_keys[] = {
        "id",     "title",         "subtitle",  "description", "paper",    "parent",  "imports",
        "file",   "add_timestamp", "dirty_git", "enums",       "configs",  "tasks",   "plan",
        "tokens", "launcher",      "env",       "secrets",     "services", "results", NULL};

static bool is_language_key(const char *key, size_t length)
{
        for (size_t i = 0; xpm_language_keys[i]; i++)
                if (strlen(xpm_language_keys[i]) == length && memcmp(xpm_language_keys[i], key, length) == 0)
                        return true;
        return false;
}

bool xpm_config_value_exists(const xpm_document *document, const char *name, size_t length)
{
        const xpm_node *node = document->root;
        if (length == 0 || length > XPM_ADDRESS_LIMIT)
                return false;
        for (size_t at = 0, taken; at < length; at += taken) {
                xpm_node **next = xpm_address_step(node, name + at, length - at, &taken);
                size_t key = next && at + taken < length ? taken - 1 : taken;
                if (!next || (at == 0 && is_language_key(name, key)))
                        return false;
                node = *next;
        }
        return true;
}

/* A dict's key may hold a NUL; what else is a key is a name, and names are C strings to whoever reads them. Dicts stand
 * in configuration values, below what a step sets or sweeps (step, `params`, parameter), and below the default of a
 * parameter (type, `params`, parameter, `default`). */
static int check_names(const xpm_node *node, size_t levels, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && node->kind == XPM_NODE_SEQUENCE && i < node->item_count; i++)
                rc = check_names(node->items[i], levels, err);
        for (size_t i = 0; rc == 0 && levels > 0 && node->kind == XPM_NODE_MAPPING && i < node->pair_count; i++) {
                const xpm_pair *pair = &node->pairs[i];
                if (memchr(pair->key, '\0', pair->key_length))
                        rc = xpm_fail_at(err, pair->key_pos, "only a key of a dict can hold the character U+0000");
                else
                        rc = check_names(pair->value, levels - 1, err);
        }
        return rc;
}

static int check_root(const xpm_node *root, xpm_error *err)
{
        int rc = check_names(root, 1, err);
        for (size_t i = 0; rc == 0 && i < root->pair_count; i++) {
                const xpm_pair *pair = &root->pairs[i];
                if (is_language_key(pair->key, pair->key_length))
                        rc = check_names(pair->value, strcmp(pair->key, "plan") == 0 ? 3 : 4, err);
        }
        return rc;
}

static void warn_of_inherited_id(const struct loader *loader, const xpm_document *document)
{
        const xpm_node *id = xpm_node_get(document->root, "id");
        if (!id || id->layer == 0 || id->layer > loader->layer_count || !loader->layers[id->layer - 1].inherited)
                return;
        char where[512];
        xpm_pos_print(id->pos, where, sizeof where);
        xpm_warn(loader->options->log,
                 "%s:1:1: the 'id' is that of a parent (%s), so its runs are those of the parent: give this file an "
                 "'id' of "
                 "its own",
                 document->source->name, where);
}

/* Parents are read before any setting is applied. */
static int check_settings(const xpm_load_options *options, xpm_error *err)
{
        for (const char *const *setting = options->settings; setting && *setting; setting++)
                if (strncmp(*setting, "parent=", 7) == 0 || strncmp(*setting, "imports=", 8) == 0)
                        return xpm_fail(err, XPM_EUSAGE, "-c '%s' comes too late to name a file: use --pre-yaml",
                                        *setting);
        return 0;
}

int xpm_load(xpm_arena *arena, const xpm_load_options *options, xpm_document *out, xpm_error *err)
{
        struct loader loader = {.arena = arena, .options = options, .err = err};
        xpm_document document = {0};
        int rc = check_settings(options, err);
        if (rc == 0)
                rc = load_layers(&loader, &document.source);
        if (rc == 0 && has_program(&loader))
                rc = add_program(&loader, &document, &document.code);
        if (rc == 0)
                rc = merge_layers(&loader, false, &document.root);
        if (rc == 0)
                warn_of_inherited_id(&loader, &document);
        if (rc == 0)
                rc = interpolate(&loader, &document);
        if (rc == 0)
                rc = check_root(document.root, err);
        if (rc != 0)
                goto fail;
        *out = document;
        if (xpm_arena_defer(arena, release_maps, out) != 0) {
                rc = xpm_fail_memory(err);
                goto fail;
        }
        return 0;
fail:
        release_maps(&document);
        return rc;
}
