/* yaml_case.h: a YAML text in, JSON or an error message out, for tables of cases
 */
#ifndef XPM_TEST_YAML_CASE_H
#define XPM_TEST_YAML_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "plan/load.h"
#include "plan/scalar.h"

static const xpm_source yaml_case_source = {.name = "x.yaml", .path = "/dir/x.yaml", .dir = "/dir"};

/* Parse TEXT as x.yaml; it must be right. */
__attribute__((unused)) static xpm_node *yaml_case_parse(xpm_arena *arena, const char *text, uint32_t layer)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_node *node = NULL;
        if (xpm_yaml_parse(arena, &yaml_case_source, text, strlen(text), layer, &node, &err) != 0)
                fail_msg("%s: %s", text, err.message);
        return node;
}

/* NODE as JSON must be EXPECTED; INPUT is for the message. */
__attribute__((unused)) static void yaml_case_check(const char *input, const xpm_node *node, const char *expected)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        if (xpm_node_json(node, &text, &err) != 0)
                fail_msg("%s: %s", input, err.message);
        if (strcmp(xpm_text_string(&text), expected) != 0)
                fail_msg("%s\ngives    %s\nexpected %s", input, xpm_text_string(&text), expected);
        xpm_text_release(&text);
}

__attribute__((unused)) static void yaml_case_check_error(const char *input, int rc, int expected_rc,
                                                          const xpm_error *err, const char *expected)
{
        if (rc != expected_rc || err->code != rc || strcmp(err->message, expected) != 0)
                fail_msg("%s\ngives    %d %s\nexpected %d %s", input, rc, err->message, expected_rc, expected);
}

#endif
