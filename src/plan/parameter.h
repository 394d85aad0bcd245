/* parameter.h: one parameter, as it is declared
 *
 * All but its default is read here: a default may need types and other defaults that stand further down in the file, so
 * its node is kept, for the caller to convert when all types are known.
 */
#ifndef XPM_PLAN_PARAMETER_H
#define XPM_PLAN_PARAMETER_H

#include "plan/convert.h"

typedef struct xpm_parameter {
        xpm_param param;
        const xpm_node *fallback; /* of `default` or `constant`, still to be converted; NULL: none, or known already */
        xpm_pos pos;              /* of the name, for messages */
} xpm_parameter;

/* PAIR declares a parameter of TYPE (a name for messages). */
int xpm_parameter_read(const xpm_converter *converter, const xpm_pair *pair, const char *type, xpm_parameter *out,
                       xpm_error *err);

/* PAIR declares a parameter that is inherited: *PARAMETER is that of the parent, and is changed to what the subtype
 * makes of it. */
int xpm_parameter_redeclare(const xpm_converter *converter, const xpm_pair *pair, const char *type,
                            xpm_parameter *parameter, xpm_error *err);

#endif
