/* load.h: from files to one configuration
 *
 * Section 2 of docs/reference/experiment-file.md: layers in order, parents, merging, executable plan, -c,
 * interpolation.
 */
#ifndef XPM_PLAN_LOAD_H
#define XPM_PLAN_LOAD_H

#include "base/log.h"
#include "base/text.h"
#include "plan/node.h"

typedef struct xpm_load_options {
        const char *file;            /* the experiment file as given; found with `.yaml` appended too */
        const char *cwd;             /* absolute: for relative paths of `file`, pre, post, -c */
        const char *const *pre;      /* --pre-yaml, NULL-terminated or NULL */
        const char *const *post;     /* --post-yaml */
        const char *const *settings; /* -c key.path=value */
        const char *code;            /* --file, or NULL */
        const char *(*getenv)(void *data, const char *name); /* for ${oc.env:…}; NULL: none is set */
        void *getenv_data;
        /* Run the executable plan at PATH (absolute; with python3 when PYTHON) in the experiment's directory with the
         * configuration on its standard input; its standard output goes to OUTPUT. NULL: executable plans are refused.
         */
        int (*run)(void *data, const char *path, bool python, const char *dir, const xpm_text *input, xpm_text *output,
                   xpm_error *err);
        void *run_data;
        const xpm_log *log;
} xpm_load_options;

typedef struct xpm_document {
        xpm_node *root;           /* merged and interpolated mapping */
        const xpm_source *source; /* of the experiment file: absolute path and directory */
        const char *code;         /* absolute path of the executable plan, or NULL: it counts as reading every key */
        xpm_map env_values;       /* paths "a.b.0" of scalars that came from ${oc.env:…}: any non-NULL value */
        xpm_map keys_read;        /* top-level keys that some ${…} read: any non-NULL value; templates add theirs */
} xpm_document;

/* Everything is made in ARENA. OUT must live as long: its maps, which may still grow, are released with the arena.
 * XPM_EPLAN, XPM_ENOTFOUND when the file does not exist, XPM_EIO. */
int xpm_load(xpm_arena *arena, const xpm_load_options *options, xpm_document *out, xpm_error *err);

/* The top-level keys that are the language's own, NULL-terminated. */
extern const char *const xpm_language_keys[];

/* Is NAME (a dotted address) a configuration value: is it there, under a top-level key that is none of the language's
 * own? */
bool xpm_config_value_exists(const xpm_document *document, const char *name, size_t length);

/* Parse one YAML (or JSON) text of at most 64 MiB: UTF-8, no tabs, no duplicate keys, at most 1,000 levels, aliases
 * expanded within a budget. An empty document is an empty mapping. LAYER is given to every node. */
int xpm_yaml_parse(xpm_arena *arena, const xpm_source *source, const char *text, size_t length, uint32_t layer,
                   xpm_node **out, xpm_error *err);

#endif
