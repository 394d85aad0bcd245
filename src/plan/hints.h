/* hints.h: what a person meant where YAML reads something else
 *
 * Templates, types and requirements use `{ } [ ] ,`, which YAML takes for its own. When libyaml stops, or reads what
 * nobody means (a mapping as a key), the text is read again as people read it, and the message says which scalar wants
 * quotes, and shows it with them.
 */
#ifndef XPM_PLAN_HINTS_H
#define XPM_PLAN_HINTS_H

#include <yaml.h>

#include "plan/node.h"

typedef struct xpm_yaml_trouble {
        const xpm_source *source;
        const char *text; /* as written */
        size_t length;
        uint32_t first_column; /* added to columns of the first line */
        bool in_flow;          /* inside [ ] or { }: FLOW is the outermost that is open */
        yaml_mark_t flow;
        yaml_mark_t scalar, scalar_end;   /* the last scalar that was read */
        size_t known_index, known_offset; /* a character and its byte, kept by xpm_yaml_check_cut */
} xpm_yaml_trouble;

xpm_pos xpm_yaml_position(const xpm_yaml_trouble *trouble, yaml_mark_t mark);

/* XPM_EPLAN (or XPM_ENOMEM) for the error that PARSER stopped with. */
int xpm_yaml_explain(const xpm_yaml_trouble *trouble, const yaml_parser_t *parser, xpm_error *err);

/* XPM_EPLAN for a list or a mapping that begins at MARK where a key is expected. */
int xpm_yaml_explain_key(const xpm_yaml_trouble *trouble, yaml_mark_t mark, xpm_error *err);

/* XPM_EPLAN when the plain scalar at MARK, inside [ ] or { }, was cut at a comma between parentheses: cpu(cores=2,
 * mem=2G). */
int xpm_yaml_check_cut(xpm_yaml_trouble *trouble, const yaml_event_t *scalar, xpm_error *err);

#endif
