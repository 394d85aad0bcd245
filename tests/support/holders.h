/* holders.h: who holds what, in words
 */
#ifndef XPM_TEST_HOLDERS_H
#define XPM_TEST_HOLDERS_H

#include <stdio.h>

#include "exec/stock.h"

/* A holder of COUNT cores from FIRST on. */
static inline xpm_holder holders_one(pid_t pid, const char *label, unsigned first, unsigned count, uint64_t memory)
{
        xpm_holder holder = {.pid = pid, .portion.memory = memory};
        snprintf(holder.label, sizeof holder.label, "%s", label);
        for (unsigned i = first; i < first + count; i++)
                xpm_bits_add(&holder.portion.cores, i);
        return holder;
}

#endif
