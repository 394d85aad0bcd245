/* identifier.h: who a job is
 *
 * SHA-256 over the bytes that docs/reference/identifier.md describes, compatible with hash version 2 of experimaestro
 * for Python. A released identifier never changes: tests/data/identifiers.json is golden.
 */
#ifndef XPM_MODEL_IDENTIFIER_H
#define XPM_MODEL_IDENTIFIER_H

#include "experimaestro/error.h"
#include "model/type.h"

/* The identifier of CONFIG as a job. Nested configs get theirs cached where that is sound; nested jobs use config->id,
 * which must have been computed. XPM_EPLAN for a NaN or a path that is hashed, with the parameter's name. */
int xpm_identifier(const xpm_config *config, uint8_t id[32], xpm_error *err);

/* The same without the parameters of the partial's groups. */
int xpm_identifier_partial(const xpm_config *config, const xpm_partial *partial, uint8_t id[32], xpm_error *err);

/* The order in which the elements of a set are hashed and shown: indexes into it go to ORDER, which has room for all of
 * them; *COUNT of them, since elements with one encoding count once. XPM_ENOMEM; XPM_EPLAN for a value that is not
 * finished. */
int xpm_set_order(const xpm_array *set, size_t *order, size_t *count, xpm_error *err);

#endif
