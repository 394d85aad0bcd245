/* hold.h: what an attempt holds beyond its own lock: partials, tokens
 */
#ifndef XPM_EXEC_HOLD_H
#define XPM_EXEC_HOLD_H

#include "exec/attempt.h"

/* Take the partials of the job, and make sure of its tokens; locks.json says which. Under SCRIPT.lock, before anything
 * in the directory is changed. 1 when its tokens are gone: the engine that took them died, and they were given to
 * others. XPM_ELOCKED when something is in use, saying what; what was taken is let go by xpm_hold_release. */
int xpm_hold_take(const xpm_site *site, xpm_attempt *attempt, xpm_error *err);

/* Tokens, before SCRIPT.lock is let go. */
void xpm_hold_give_back(const xpm_attempt *attempt);

/* Partials; may be called twice. */
void xpm_hold_release(xpm_attempt *attempt);

#endif
