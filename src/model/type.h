/* type.h: types and parameters, as the experiment file declares them
 */
#ifndef XPM_MODEL_TYPE_H
#define XPM_MODEL_TYPE_H

#include "base/map.h"
#include "experimaestro/error.h"
#include "model/value.h"

typedef struct xpm_type xpm_type;
typedef struct xpm_param xpm_param;
typedef struct xpm_config_type xpm_config_type;

typedef struct xpm_enum_type {
        const char *name; /* case kept */
        const xpm_enum_member *members;
        size_t count;
} xpm_enum_type;

/* A type expression: kind XPM_BOOL, INT, FLOAT, STR, PATH, FILE, ENUM, LIST, SET, DICT or CONFIG (configs and tasks).
 */
struct xpm_type {
        enum xpm_kind kind;
        bool optional;        /* T? */
        const xpm_type *key;  /* DICT: scalar */
        const xpm_type *item; /* LIST, SET, DICT */
        const xpm_enum_type *enumeration;
        const xpm_config_type *config;
};

struct xpm_param {
        const char *name;
        const xpm_type *type; /* of a constant and a generated one too (generated: path) */
        xpm_value fallback;   /* `default` or `constant`, UNSET when there is none */
        bool constant, meta, ignore_default;
        const char *generated; /* NAME, or NULL */
        const char *partial;   /* of a generated one: the partial whose directory it is in, or NULL */
        const char *const *groups;
        size_t group_count;
        xpm_value min, max;       /* UNSET: none */
        const xpm_array *choices; /* NULL: any */
        const char *pattern;      /* PCRE; NULL: any */
        void *pattern_code;       /* compiled (pcre2_code *) */
        const char *help;
        size_t declared; /* place in the order of writing, inherited ones first */
};

typedef struct xpm_partial {
        const char *name;
        const char *const *exclude_groups;
        size_t group_count;
} xpm_partial;

struct xpm_config_type {
        const char *name;  /* as written */
        const char *lower; /* TASK of the workspace, what is hashed */
        const char *help;
        const xpm_config_type *parent; /* extends, or NULL */
        bool is_task, instance;
        bool reaches_instance;   /* an instance type can be inside: identifiers of nested configs are not cached */
        const xpm_param *params; /* inherited ones included, ascending by code point of the name */
        size_t param_count;
        const size_t *declared; /* indexes into params in the order of writing, for showing */
        const xpm_partial *partials;
        size_t partial_count;
        const struct xpm_task *task; /* what plan/ knows of a task; NULL for configs */
};

/* A config: one value for each parameter of its type, in the same order. A generated parameter's value is XPM_NULL. */
struct xpm_config {
        const xpm_config_type *type;
        struct xpm_job *job; /* when it is a job's: identity, dependency; else NULL */
        bool has_id;
        uint8_t id[32]; /* of a job always; of another config when it was cached */
        xpm_value values[];
};

/* All names: xpm_config_type by name and enum type by name, and what suggestions are made from. */
typedef struct xpm_types {
        xpm_map configs; /* xpm_config_type: configs and tasks, in order of declaration */
        xpm_map enums;   /* xpm_enum_type */
} xpm_types;

/* Parse `list[nn.Model?]`, `dict[str, int]`… Errors (XPM_EPLAN, without position: the caller knows it) say what is
 * wrong and suggest a near name. */
int xpm_type_parse(xpm_arena *arena, const xpm_types *types, const char *text, const xpm_type **out, xpm_error *err);

/* How a user would write it. */
void xpm_type_print(const xpm_type *type, xpm_text *text);

/* The constant type of a basic kind (BOOL, INT, FLOAT, STR, PATH, FILE); NULL for another. */
const xpm_type *xpm_type_basic(enum xpm_kind kind);

/* NAME means a type of the language (`int`, `list`…) and can be no other's. */
bool xpm_type_is_reserved(const char *name);

/* Index into params, or -1. */
long xpm_param_find(const xpm_config_type *type, const char *name, size_t length);

/* TYPE is ANCESTOR or extends it, directly or not. */
bool xpm_config_type_is(const xpm_config_type *type, const xpm_config_type *ancestor);

/* A config with all values UNSET; NULL when out of memory. */
xpm_config *xpm_config_create(xpm_arena *arena, const xpm_config_type *type);
/* The same type and values, no job, no cached identifier. */
xpm_config *xpm_config_copy(xpm_arena *arena, const xpm_config *config);

#endif
