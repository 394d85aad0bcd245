/* content.h: the content of files that are parameters
 *
 * A `file` is part of the identifier by the SHA-256 of its content. That of a default is looked at when the default is
 * used: it may be large, and is nobody's loss while every step gives another. Until then its hash is "".
 */
#ifndef XPM_PLAN_CONTENT_H
#define XPM_PLAN_CONTENT_H

#include "plan/convert.h"

/* Set FILE's hash, by the converter's function or here. XPM_EPLAN when it cannot be read, without a position. */
int xpm_content_hash(const xpm_converter *converter, xpm_file *file, xpm_error *err);

/* The same for every file in VALUE that has no hash yet, the parameters of configs included. */
int xpm_content_hash_all(const xpm_converter *converter, const xpm_value *value, xpm_error *err);

#endif
