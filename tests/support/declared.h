/* declared.h: an experiment file's types, read from a text
 *
 *     struct declared declared;
 *     assert_int_equal(declared_read(&declared, "tasks: {…}"), 0);
 *     const xpm_config_type *type = xpm_map_get(&declared.types.configs, "T");
 *     declared_release(&declared);
 *
 * The file is called t.yaml and stands in /dir. Warnings are collected, a line each.
 */
#ifndef XPM_TEST_DECLARED_H
#define XPM_TEST_DECLARED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/declare.h"
#include "plan/load.h"

struct declared {
        xpm_arena *arena;
        xpm_types types;
        xpm_converter converter;
        xpm_node *root;
        xpm_error err;
        xpm_text warnings;
        xpm_log log;
};

static inline void declared_log(void *data, enum xpm_log_level level, const char *line)
{
        if (level <= XPM_LOG_WARNING)
                xpm_text_printf(data, "%s\n", line);
}

static inline int declared_release(struct declared *declared)
{
        xpm_arena_destroy(declared->arena);
        xpm_text_release(&declared->warnings);
        return 0;
}

/* The code of the first error; the message is in err. To be released in any case. */
static inline int declared_read(struct declared *declared, const char *text)
{
        static const xpm_source source = {.name = "t.yaml", .path = "/dir/t.yaml", .dir = "/dir"};
        *declared = (struct declared){.arena = xpm_arena_create()};
        if (!declared->arena)
                return xpm_fail_memory(&declared->err);
        declared->log = (xpm_log){.write = declared_log, .data = &declared->warnings, .level = XPM_LOG_WARNING};
        declared->converter = (xpm_converter){.arena = declared->arena, .log = &declared->log};
        int rc = xpm_yaml_parse(declared->arena, &source, text, strlen(text), 0, &declared->root, &declared->err);
        if (rc == 0)
                rc = xpm_declare(&declared->converter, declared->root, &declared->types, &declared->err);
        return rc;
}

/* The parameter NAME of the type TYPE, or NULL. */
static inline const xpm_param *declared_param(const struct declared *declared, const char *type, const char *name)
{
        const xpm_config_type *found = xpm_map_get(&declared->types.configs, type);
        long index = found ? xpm_param_find(found, name, strlen(name)) : -1;
        return index < 0 ? NULL : &found->params[index];
}

/* Read TEXT and expect the error MESSAGE; "" expects none. */
static inline void declared_expect(const char *text, const char *message)
{
        struct declared declared;
        int rc = declared_read(&declared, text);
        if (strcmp(declared.err.message, message) != 0 || rc != (*message ? XPM_EPLAN : 0))
                fail_msg("%s\ngives    %s\nexpected %s", text, declared.err.message, message);
        declared_release(&declared);
}

#endif
