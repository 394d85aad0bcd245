#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/text.h"

static void append(void *data, enum xpm_log_level level, const char *line)
{
        xpm_text_printf(data, "%d %s\n", level, line);
        errno = EINVAL;
}

static void lines_above_the_level_are_dropped(void **state)
{
        (void)state;
        static const char *const expected[] = {
                "0 x1\n",
                "0 x1\n1 w\n",
                "0 x1\n1 w\n2 n\n",
                "0 x1\n1 w\n2 n\n3 d\n",
        };
        for (enum xpm_log_level level = XPM_LOG_ERROR; level <= XPM_LOG_DEBUG; level++) {
                xpm_text text = XPM_TEXT_INIT;
                xpm_log log = {.write = append, .data = &text, .level = level};
                xpm_log_write(&log, XPM_LOG_ERROR, "x%d", 1);
                xpm_warn(&log, "w");
                xpm_note(&log, "n");
                xpm_debug(&log, "d");
                assert_string_equal(xpm_text_string(&text), expected[level]);
                xpm_text_release(&text);
        }
}

static void no_log_swallows_everything(void **state)
{
        (void)state;
        xpm_log log = {.level = XPM_LOG_DEBUG};
        xpm_warn(NULL, "%s", "x");
        xpm_warn(&log, "%s", "x");
}

static void long_line_is_cut_and_errno_kept(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_log log = {.write = append, .data = &text, .level = XPM_LOG_NOTE};
        errno = ENOENT;
        xpm_note(&log, "%100000d", 1);
        assert_int_equal(errno, ENOENT);
        assert_in_range(text.length, 1000, 3000);
        xpm_text_release(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lines_above_the_level_are_dropped),
                cmocka_unit_test(no_log_swallows_everything),
                cmocka_unit_test(long_line_is_cut_and_errno_kept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
