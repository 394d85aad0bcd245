#include "exec/nonce.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int xpm_nonce_draw(char nonce[XPM_NONCE_SIZE], xpm_error *err)
{
        uint64_t number;
        if (getrandom(&number, sizeof number, 0) != sizeof number)
                return xpm_fail_errno(err, "cannot get random bytes");
        snprintf(nonce, XPM_NONCE_SIZE, "%016" PRIx64, number);
        return 0;
}

void xpm_nonce_number(const char *given, uint32_t restart, char nonce[XPM_NONCE_SIZE])
{
        snprintf(nonce, XPM_NONCE_SIZE, "%016" PRIx64, (uint64_t)strtoull(given, NULL, 16) + restart);
}

bool xpm_nonce_is_named(const xpm_order *order, const xpm_job_past *past)
{
        return past->state == XPM_JOB_SCHEDULED && strcmp(past->nonce, order->nonce) == 0;
}

/* The scheduler starts what it was given, also when that has been given to somebody else meanwhile, or has ended. What
 * others of its jobs follow by its end is done in any case: whoever holds the lock first, instead of who was to come
 * later, or after a start that had no end; but not the same start twice. */
bool xpm_nonce_is_expected(const xpm_order *order, const char *nonce, const xpm_job_past *past)
{
        if (!order->nonce || xpm_nonce_is_named(order, past))
                return true;
        bool begun = past->state == XPM_JOB_RUNNING && past->nonce[0] && strcmp(past->nonce, nonce) != 0;
        return order->requeue && (past->state == XPM_JOB_SCHEDULED || begun);
}
