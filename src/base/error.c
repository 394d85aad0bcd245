/* An error is a code and one sentence. The first one wins because it was written where the thing happened; whatever is
 * added on the way up knows less.
 *
 * Invariants: errno survives every function here, so that a caller may still look at it; a message that is too long
 * loses its end, never the reason that the system gave, and is never cut inside a character. */
#include "experimaestro/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *xpm_strerror(int code)
{
        switch (code) {
#define X(name, number, text, status) \
        case XPM_##name: return text;
                XPM_ERRORS(X)
#undef X
        default: return code == 0 ? "no error" : "unknown error";
        }
}

int xpm_error_exit_status(int code)
{
        switch (code) {
#define X(name, number, text, status) \
        case XPM_##name: return status;
                XPM_ERRORS(X)
#undef X
        default: return code == 0 ? 0 : 3;
        }
}

/* Text of SIZE bytes that snprintf may have cut: drop the character of which only the beginning is there. */
static void trim_partial_character(char *text, size_t size)
{
        size_t length = strlen(text);
        if (length + 1 < size)
                return;
        size_t start = length;
        while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
                start--;
        if (start == 0 || (unsigned char)text[start - 1] < 0xC0)
                return;
        unsigned char lead = (unsigned char)text[start - 1];
        size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (length - (start - 1) < wanted)
                text[start - 1] = '\0';
}

int xpm_vfail(xpm_error *err, int code, const char *format, va_list args)
{
        int saved = errno;
        if (err && err->code == 0) {
                if (vsnprintf(err->message, sizeof err->message, format, args) < 0)
                        snprintf(err->message, sizeof err->message, "%s", xpm_strerror(code));
                trim_partial_character(err->message, sizeof err->message);
                err->code = code;
        }
        errno = saved;
        return code;
}

int xpm_fail(xpm_error *err, int code, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        xpm_vfail(err, code, format, args);
        va_end(args);
        return code;
}

int xpm_fail_errno(xpm_error *err, const char *format, ...)
{
        int saved = errno;
        if (!err || err->code != 0)
                return XPM_EIO;
        /* Never translated, and safe with threads, unlike strerror(). */
        const char *known = strerrordesc_np(saved);
        char reason[80];
        snprintf(reason, sizeof reason, "%s", known ? known : "unknown reason");
        if (!isupper((unsigned char)reason[1]))
                reason[0] = (char)tolower((unsigned char)reason[0]);

        size_t room = sizeof err->message - strlen(": ") - strlen(reason);
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, room, format, args);
        va_end(args);
        trim_partial_character(err->message, room);
        strcat(strcat(err->message, ": "), reason);
        err->code = XPM_EIO;
        errno = saved;
        return XPM_EIO;
}

int xpm_fail_memory(xpm_error *err)
{
        return xpm_fail(err, XPM_ENOMEM, "out of memory");
}
