/* value.h: what parameters hold
 *
 * A value is 16 bytes, copied freely; what it points to lives in the plan's arena and is never changed once it is
 * shared, so lists, strings and configs are shared between the thousands of jobs of a sweep. XPM_UNSET, the value of
 * zeroed memory, is a parameter that nothing has set yet; it never appears in a finished job.
 */
#ifndef XPM_MODEL_VALUE_H
#define XPM_MODEL_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

enum xpm_kind {
        XPM_UNSET,
        XPM_NULL,
        XPM_BOOL,
        XPM_INT,
        XPM_FLOAT,
        XPM_STR,
        XPM_PATH, /* absolute, a string */
        XPM_FILE, /* absolute path and the hash of the content */
        XPM_ENUM,
        XPM_LIST,
        XPM_SET, /* an array without equal elements, first kept */
        XPM_DICT,
        XPM_CONFIG,
        XPM_HOLE, /* inside plan/ only: filled for each job from a reference (`hole` is its index) */
};

typedef struct xpm_value xpm_value;
typedef struct xpm_config xpm_config;

typedef struct xpm_string {
        size_t length;
        char data[]; /* UTF-8, may hold NUL; NUL-terminated */
} xpm_string;

typedef struct xpm_file {
        const xpm_string *path;
        char hash[72]; /* sha256:HEX; "" for a default that nobody has used yet */
} xpm_file;

typedef struct xpm_enum_member {
        const struct xpm_enum_type *type;
        const char *name;
} xpm_enum_member;

typedef struct xpm_array xpm_array;
typedef struct xpm_dict xpm_dict;

struct xpm_value {
        enum xpm_kind kind;
        union {
                bool boolean;
                int64_t integer;
                double number;
                const xpm_string *string; /* STR, PATH */
                const xpm_file *file;
                const xpm_enum_member *member;
                const xpm_array *array; /* LIST, SET */
                const xpm_dict *dict;
                xpm_config *config;
                size_t hole;
        };
};

struct xpm_array {
        size_t count;
        xpm_value items[];
};

struct xpm_dict {
        size_t count;
        struct xpm_item {
                xpm_value key, value;
        } items[];
};

/* Equality by value: numbers by number (1 = 1.0 = true), lists in order, sets as sets, dicts whatever the order,
 * configs of one type by all parameters (meta ones too), jobs by identifier. */
bool xpm_value_equal(const xpm_value *a, const xpm_value *b);

/* For tables: equal values have equal hashes. */
uint64_t xpm_value_hash(const xpm_value *value);

/* Equality of strings. */
bool xpm_string_equal(const xpm_string *a, const xpm_string *b);

/* A new string in the arena; NULL when out of memory. */
xpm_string *xpm_string_create(xpm_arena *arena, const char *data, size_t length);

/* The plain JSON tree of plan-language.md "Showing": a config is the mapping of its parameters with "type" first, a job
 * has "job" {"id", "path"} too, an enum its name, a set a list in hash order, infinities strings, paths and files
 * absolute. WORKSPACE (may be NULL) is the absolute path that makes jobs' paths and those of generated parameters. */
int xpm_value_json(const xpm_value *value, const char *workspace, xpm_text *text);
/* The parameters of a job alone, without its own type and `job`: the `params` of --json and params.json. */
int xpm_job_params_json(const xpm_config *config, const char *workspace, xpm_text *text);

#endif
