/* environ.h: the environment of a job (docs/reference/launchers.md, "The environment of a job")
 *
 * The worker's own, scrubbed once of what leaks from an outer job or MPI; for each job XPM_… and then the plan's `env`,
 * whose values may name variables as $NAME and ${NAME}.
 */
#ifndef XPM_EXEC_ENVIRON_H
#define XPM_EXEC_ENVIRON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/text.h"
#include "exec/seat.h"
#include "experimaestro/error.h"
#include "model/jobspec.h"

typedef struct xpm_environ {
        const char **base; /* scrubbed; strings borrowed from the environment it was made of */
        size_t count;
} xpm_environ;

/* ENVIRONMENT ends with NULL and must stay. */
int xpm_environ_init(xpm_environ *environ_, char *const *environment, xpm_error *err);
void xpm_environ_release(xpm_environ *environ_);

/* Whether a variable (NAME=VALUE) is kept from jobs. */
bool xpm_environ_is_scrubbed(const char *variable);

/* What one attempt has of its own. */
typedef struct xpm_environ_attempt {
        const xpm_seat *seat; /* NULL: it is bound to nothing */
        const char *nonce;
        int64_t deadline; /* seconds since the epoch, 0: none: XPM_DEADLINE */
        bool guest;       /* an allocation around it is shared with others: ranks are started on this host alone */
} xpm_environ_attempt;

/* The environment of a job for exec, made in ARENA. With BY_RUN_FILE the plan's `env` is left to the run file, but for
 * the secrets, which it does not hold; it gets XPM_WORKER. */
int xpm_environ_make(const xpm_environ *environ_, xpm_arena *arena, const xpm_jobspec *spec, bool by_run_file,
                     const xpm_environ_attempt *attempt, const char *const **out, xpm_error *err);

/* Append what VALUE of an `env` is in ENVIRONMENT, which ends with NULL. */
void xpm_environ_expand(char *const *environment, const char *value, xpm_text *out);

/* VALUE of the plan's `env` as a word for a POSIX shell, which makes the same of it as xpm_environ_make. */
void xpm_environ_quote(xpm_text *out, const char *value);

#endif
