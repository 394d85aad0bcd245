/* error.h: what went wrong, in words
 *
 * Every function that can fail returns 0 or a negative code from the table below, and explains itself in an xpm_error
 * that the caller may pass (or NULL). The first message wins: the innermost function knows best what happened.
 * Messages are lower case, without full stop, with the thing quoted; those about an experiment file begin with
 * `file:line:column: `.
 */
#ifndef EXPERIMAESTRO_ERROR_H
#define EXPERIMAESTRO_ERROR_H

#include <stdarg.h>

/* What libexperimaestro exports. */
#define XPM_API __attribute__((visibility("default")))

/* name, number, meaning, exit status of `xpm` */
#define XPM_ERRORS(X)                                  \
        X(ENOMEM, 1, "out of memory", 3)               \
        X(EIO, 2, "the system refused", 3)             \
        X(EPLAN, 3, "the experiment file is wrong", 2) \
        X(EUSAGE, 4, "wrong usage", 2)                 \
        X(ESETTINGS, 5, "the settings are wrong", 2)   \
        X(EFORMAT, 6, "not in the expected format", 3) \
        X(ENOTFOUND, 7, "not found", 2)                \
        X(ELOCKED, 8, "held by another process", 3)    \
        X(ELAUNCHER, 9, "the launcher failed", 3)      \
        X(ERANGE, 10, "out of range", 2)               \
        X(EINTERRUPTED, 11, "interrupted", 130)

enum {
#define X(name, number, text, status) XPM_##name = -(number),
        XPM_ERRORS(X)
#undef X
};

typedef struct xpm_error {
        int code;           /* 0 while nothing is wrong */
        char message[1536]; /* cut at the end, never overrun */
} xpm_error;

#define XPM_ERROR_NONE ((xpm_error){.code = 0})

/* The general meaning of a code, for a caller that passed no error. Never NULL. */
XPM_API const char *xpm_strerror(int code);

/* The exit status of a command that ends with CODE: 0, 2, 3 or 130. */
XPM_API int xpm_error_exit_status(int code);

/* Record CODE with a message unless ERR already has one, and return CODE, so that a function can end in
 * `return xpm_fail(err, XPM_EPLAN, "'%s' is not a number", text);`. */
XPM_API int xpm_fail(xpm_error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
XPM_API int xpm_vfail(xpm_error *err, int code, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

/* The same with code XPM_EIO for a failed system call: appends ": " and the text of errno, in lower case. */
XPM_API int xpm_fail_errno(xpm_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `return xpm_fail_memory(err);` */
XPM_API int xpm_fail_memory(xpm_error *err);

#endif
