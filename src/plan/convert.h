/* convert.h: from nodes to typed values
 *
 * The wanted type decides what a scalar means (sections 1, 4 and 9 of docs/reference/experiment-file.md).
 */
#ifndef XPM_PLAN_CONVERT_H
#define XPM_PLAN_CONVERT_H

#include "base/log.h"
#include "model/type.h"
#include "plan/node.h"

typedef struct xpm_converter {
        xpm_arena *arena;
        const xpm_types *types;
        const xpm_log *log;
        /* The SHA-256 of a file's content as 64 digits; NULL: the file is hashed here without a cache. */
        int (*hash_file)(void *data, const char *path, char hex[65], xpm_error *err);
        void *hash_data;
        /* A mapping that is a reference (xpm_node_is_reference) where a value of TYPE is wanted, and no dict: gives a
         * value, usually a HOLE. NULL: references are refused. NODE's own keys are the callee's to check. */
        int (*reference)(void *data, const xpm_node *node, const xpm_type *type, xpm_value *out, xpm_error *err);
        void *reference_data;
        /* While types are declared: makes the default of parameter PARAM of TYPE (an index) before it is used. NULL
         * otherwise. */
        int (*fallback)(void *data, const xpm_config_type *type, size_t param, xpm_error *err);
        void *fallback_data;
        bool allow_missing; /* leave parameters without value UNSET instead of failing: the step's sweep may set them */
} xpm_converter;

/* The value of NODE as TYPE. PARAM (may be NULL) gives bounds, choices and pattern, held for every leaf. Errors have
 * the node's position and say the parameter, what was expected and what was found, with the remedy. */
int xpm_convert(const xpm_converter *converter, const xpm_node *node, const xpm_type *type, const xpm_param *param,
                xpm_value *out, xpm_error *err);

/* The mapping NODE (NULL: an empty one at POS) as a config of TYPE or, when it names one, of a subtype of it; defaults,
 * constants and generated ones are filled in; every key is checked. */
int xpm_convert_config(const xpm_converter *converter, const xpm_node *node, xpm_pos pos, const xpm_config_type *type,
                       xpm_config **out, xpm_error *err);

/* Bounds, choices, pattern for a value that came from elsewhere (a range, a reference). WHERE is for the message. */
int xpm_check_value(const xpm_converter *converter, const xpm_param *param, const xpm_value *value, xpm_pos where,
                    xpm_error *err);

/* Does VALUE suit TYPE; an int becomes a float where one is wanted, a whole float an int when WHOLE_FLOATS. */
bool xpm_value_adapt(const xpm_type *type, bool whole_floats, xpm_value *value);

/* The same inside lists, sets and dicts, which are made anew in ARENA where an item changes. XPM_EPLAN without a
 * position when VALUE does not suit; XPM_ENOMEM. */
int xpm_value_fit(xpm_arena *arena, const xpm_type *type, bool whole_floats, xpm_value *value, xpm_error *err);

/* VALUE with every config in it that is not a job a new object: what a default is each time it is used. */
int xpm_value_renew(xpm_arena *arena, xpm_value *value, xpm_error *err);

/* Leave the first of equal elements of ARRAY and cut the rest off. */
int xpm_array_unique(xpm_array *array, xpm_error *err);

#endif
