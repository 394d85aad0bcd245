/* Times of the last submissions, as many as a minute may have, in a ring: the oldest of them says when the next one may
 * go. A bucket of tokens would let twice as many through in the minute in which it is full at first; the ring never
 * lets more through than was said, in whichever minute, and nothing waits that need not. */
#include "slurm.h"

#include <stdlib.h>

enum { MINUTE = 60000, MOST = 60000 };

int pace_init(pace *pace_, size_t limit)
{
        *pace_ = (pace){.limit = limit > MOST ? 0 : limit}; /* nobody submits so often */
        pace_->sent = pace_->limit ? calloc(pace_->limit, sizeof *pace_->sent) : NULL;
        return pace_->limit && !pace_->sent ? XPM_ENOMEM : 0;
}

void pace_release(pace *pace_)
{
        free(pace_->sent);
        *pace_ = (pace){0};
}

int64_t pace_next(const pace *pace_, int64_t at)
{
        if (pace_->limit == 0 || pace_->count < pace_->limit)
                return at;
        int64_t free_ = pace_->sent[pace_->oldest] + MINUTE;
        return free_ > at ? free_ : at;
}

void pace_sent(pace *pace_, int64_t now)
{
        if (pace_->limit == 0)
                return;
        if (pace_->count < pace_->limit) {
                pace_->sent[pace_->count++] = now;
                return;
        }
        pace_->sent[pace_->oldest] = now;
        pace_->oldest = (pace_->oldest + 1) % pace_->limit;
}
