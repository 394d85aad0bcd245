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

/* Why a parameter is no part of an identifier. */
enum xpm_skip {
        XPM_SKIP_NOT, /* it is one */
        XPM_SKIP_EXCLUDED,
        XPM_SKIP_GENERATED,
        XPM_SKIP_META,
        XPM_SKIP_NULL,
        XPM_SKIP_DEFAULT,
};

/* One stretch of what is hashed: the type's name (PARAM is NULL) or a parameter; without bytes when it is skipped. */
typedef struct xpm_identifier_field {
        const xpm_param *param;
        const xpm_value *value;
        enum xpm_skip skip;
        const uint8_t *bytes;
        size_t length;
} xpm_identifier_field;

/* As xpm_identifier, telling VISIT of each stretch in order: the bytes of all of them, one after the other, are what is
 * hashed. VISIT returns 0 to go on, or a code that ends it. */
typedef int (*xpm_identifier_visitor)(void *data, const xpm_identifier_field *field);
int xpm_identifier_trace(const xpm_config *config, xpm_identifier_visitor visit, void *data, uint8_t id[32],
                         xpm_error *err);

/* The order in which the elements of a set are hashed and shown: indexes into it go to ORDER, which has room for all of
 * them; *COUNT of them, since elements with one encoding count once. XPM_ENOMEM; XPM_EPLAN for a value that is not
 * finished. */
int xpm_set_order(const xpm_array *set, size_t *order, size_t *count, xpm_error *err);

#endif
