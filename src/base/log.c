/* A line is formatted here and handed to whoever wants it. Lines are cut at a size rather than allocated: what cannot
 * be said because memory ran out is what one wants to be told. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { LONGEST_LINE = 2048 };

void xpm_log_write(const xpm_log *log, enum xpm_log_level level, const char *format, ...)
{
        if (!log || !log->write || level > log->level)
                return;
        int saved = errno;
        char line[LONGEST_LINE];
        va_list args;
        va_start(args, format);
        if (vsnprintf(line, sizeof line, format, args) >= 0)
                log->write(log->data, level, line);
        va_end(args);
        errno = saved;
}
