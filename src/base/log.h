/* log.h: warnings, notes and debug lines, wherever the caller wants them
 *
 * The library never prints: it hands lines to the xpm_log that it was given. A NULL log swallows them.
 */
#ifndef XPM_BASE_LOG_H
#define XPM_BASE_LOG_H

enum xpm_log_level { XPM_LOG_ERROR, XPM_LOG_WARNING, XPM_LOG_NOTE, XPM_LOG_DEBUG };

typedef struct xpm_log {
        void (*write)(void *data, enum xpm_log_level level, const char *line); /* line without newline */
        void *data;
        enum xpm_log_level level; /* lines above it are dropped before they are formatted */
} xpm_log;

void xpm_log_write(const xpm_log *log, enum xpm_log_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

#define xpm_warn(log, ...) xpm_log_write(log, XPM_LOG_WARNING, __VA_ARGS__)
#define xpm_note(log, ...) xpm_log_write(log, XPM_LOG_NOTE, __VA_ARGS__)
#define xpm_debug(log, ...) xpm_log_write(log, XPM_LOG_DEBUG, __VA_ARGS__)

#endif
