/* memory.h: how much memory a job uses
 *
 * Of all processes of the command's session and all their descendants, as /proc tells, and of what this process's
 * guardian has adopted if its environment names the attempt. One pass over /proc serves all
 * who ask within a short time, so that many jobs cost no more than one. Thread-safe.
 */
#ifndef XPM_EXEC_MEMORY_H
#define XPM_EXEC_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The sum of the resident sizes of what belongs to COMMAND (its pid, which is its session's; NONCE is its attempt's, or
 * NULL), in bytes; 0 where there is no /proc. Pages that several of them share count several times. */
uint64_t xpm_memory_resident(pid_t command, const char *nonce);

/* Whether it uses more than LIMIT bytes, *USED. Shared pages are counted once (PSS) before that is said. */
bool xpm_memory_over(pid_t command, const char *nonce, uint64_t limit, uint64_t *used);

#endif
