/* filter.h: which jobs are meant
 *
 * The language of `--where` and of `xpm jobs list --filter`, the reference implementation's with what it lacks:
 *
 *     @state = "DONE" and model in ["a", "b"] or lr != 0.1 and name ~ "run[0-9]+"
 *
 *     filter     := conjunction ('or' conjunction)*
 *     conjunction:= condition ('and' condition)*
 *     condition  := '(' filter ')' | NAME ('=' | '!=') (NAME | LITERAL) | NAME '~' STRING
 *                 | NAME ['not'] 'in' '[' LITERAL (',' LITERAL)* ']'
 *     LITERAL    := STRING | number | true | false | null
 *
 * A STRING stands in double or single quotes and has no escapes. A NAME has letters, digits, `_`, `-` and dots; one
 * that begins with `@` is a property of the job, any other a tag. A regular expression is matched from the beginning of
 * the value, as the reference does, and of a property in any case. Numbers compare by value, also with a string that
 * spells one; what a job lacks is null.
 */
#ifndef XPM_MODEL_FILTER_H
#define XPM_MODEL_FILTER_H

#include "base/arena.h"
#include "experimaestro/error.h"
#include "model/value.h"

typedef struct xpm_filter xpm_filter;

/* What a name stands for; strings are borrowed until the evaluation is over. */
typedef struct xpm_filter_value {
        enum xpm_kind kind; /* XPM_UNSET (lacking), NULL, BOOL, INT, FLOAT or STR */
        union {
                bool boolean;
                int64_t integer;
                double number;
                struct {
                        const char *string;
                        size_t length;
                };
        };
        bool any_case; /* of a STR: upper and lower case are the same in comparisons */
} xpm_filter_value;

/* *OUT is all zero (lacking) on entry. 0, or a negative code, which ends the evaluation. */
typedef int (*xpm_filter_lookup)(void *data, const char *name, xpm_filter_value *out, xpm_error *err);

/* Everything is made in ARENA. XPM_EUSAGE with the column in TEXT and what was expected. A filter is not safe for use
 * by several threads at once. */
int xpm_filter_parse(xpm_arena *arena, const char *text, xpm_filter **out, xpm_error *err);

/* 1 when it holds, 0 when not, or a negative code: LOOKUP's, or XPM_EUSAGE for a regular expression that needs too
 * long. */
int xpm_filter_eval(const xpm_filter *filter, xpm_filter_lookup lookup, void *data, xpm_error *err);

/* The name at INDEX (from 0, in order of writing, repeated ones too), NULL beyond the last: to check them before. */
const char *xpm_filter_name(const xpm_filter *filter, size_t index);

#endif
