/* declare.h: enums, configs and tasks, from nodes to types
 */
#ifndef XPM_PLAN_DECLARE_H
#define XPM_PLAN_DECLARE_H

#include "model/type.h"
#include "plan/convert.h"
#include "plan/node.h"

/* What a task says beyond its parameters; nodes are NULL where nothing is said. Their keys and shapes were checked,
 * their templates are compiled by plan/template.h. Inherited from an extended task key by key. */
typedef struct xpm_task {
        const xpm_config_type *type;
        const xpm_node *node; /* the declaration, for positions */
        const xpm_node *command, *shell, *setup, *modules, *env, *files, *cwd, *requirements, *mpi, *tokens, *outputs,
                *resumable, *retry, *max_retries, *transient, *launcher;
} xpm_task;

/* Read `enums`, `configs`, `tasks` of ROOT into TYPES, which is empty, stays where it is, and is released with the
 * converter's arena. CONVERTER, whose `types` it becomes, is used for defaults, constants, choices. */
int xpm_declare(xpm_converter *converter, const xpm_node *root, xpm_types *types, xpm_error *err);

/* Helpers for reading mappings with known keys, used by plan/step too: every key of NODE must be one of KEYS
 * (NULL-terminated), else an error with a suggestion; WHAT names the thing: "a task". */
int xpm_check_keys(const xpm_node *node, const char *what, const char *const *keys, xpm_error *err);
/* A name `[A-Za-z_][A-Za-z0-9_]*`, with DOTS also `a.b`; at most 200 bytes. */
int xpm_check_name(const char *name, xpm_pos pos, bool dots, const char *what, xpm_error *err);

#endif
