#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/words.h"
#include "experimaestro/error.h"

static void every_code_has_its_text_and_exit_status(void **state)
{
        (void)state;
        static const struct {
                int code, status;
                const char *text;
        } table[] = {
#define X(name, number, meaning, exit_status) {XPM_##name, exit_status, meaning},
                XPM_ERRORS(X)
#undef X
                        {0, 0, "no error"},
                {-9999, 3, "unknown error"},
                {7, 3, "unknown error"},
        };
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                assert_string_equal(xpm_strerror(table[i].code), table[i].text);
                assert_int_equal(xpm_error_exit_status(table[i].code), table[i].status);
        }
}

static void first_message_wins(void **state)
{
        (void)state;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_fail(&err, XPM_EPLAN, "'%s' is %d", "x", 3), XPM_EPLAN);
        assert_int_equal(xpm_fail(&err, XPM_EIO, "later"), XPM_EIO);
        errno = ENOENT;
        assert_int_equal(xpm_fail_errno(&err, "later still"), XPM_EIO);
        assert_int_equal(xpm_fail_memory(&err), XPM_ENOMEM);
        assert_int_equal(err.code, XPM_EPLAN);
        assert_string_equal(err.message, "'x' is 3");
}

static void null_error_only_returns_the_code(void **state)
{
        (void)state;
        assert_int_equal(xpm_fail(NULL, XPM_ERANGE, "%d", 1), XPM_ERANGE);
        assert_int_equal(xpm_fail_errno(NULL, "%d", 1), XPM_EIO);
        assert_int_equal(xpm_fail_memory(NULL), XPM_ENOMEM);
}

static void system_errors_are_told_in_lower_case(void **state)
{
        (void)state;
        static const struct {
                int number;
                const char *message;
        } table[] = {
                {ENOENT, "cannot open 'x': no such file or directory"},
                {EISDIR, "cannot open 'x': is a directory"},
                {EIO, "cannot open 'x': input/output error"},
                {EDOTDOT, "cannot open 'x': RFS specific error"},
                {123456, "cannot open 'x': unknown reason"},
        };
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_error err = XPM_ERROR_NONE;
                errno = table[i].number;
                assert_int_equal(xpm_fail_errno(&err, "cannot open '%s'", "x"), XPM_EIO);
                assert_string_equal(err.message, table[i].message);
        }
}

static void errno_is_kept(void **state)
{
        (void)state;
        xpm_error err = XPM_ERROR_NONE, other = XPM_ERROR_NONE;
        errno = EACCES;
        xpm_fail(&err, XPM_EIO, "%s %f", "x", 1.5);
        assert_int_equal(errno, EACCES);
        xpm_fail_errno(&other, "%s %f", "x", 1.5);
        assert_int_equal(errno, EACCES);
}

static void long_message_is_cut_between_characters(void **state)
{
        (void)state;
        char text[4 * sizeof(xpm_error)];
        for (size_t shift = 0; shift < 4; shift++) {
                xpm_error err = XPM_ERROR_NONE;
                memset(text, 'x', shift);
                text[shift] = '\0';
                while (strlen(text) + 4 < sizeof text)
                        strcat(text, "\xF0\x9F\x90\x8C");
                xpm_fail(&err, XPM_EPLAN, "%s", text);
                size_t length = strlen(err.message);
                assert_in_range(length, sizeof err.message - 5, sizeof err.message - 1);
                assert_int_equal(xpm_utf8_check(err.message, length), length);
        }
}

static void reason_survives_a_name_that_is_too_long(void **state)
{
        (void)state;
        char name[4 * sizeof(xpm_error)];
        memset(name, 'n', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        xpm_error err = XPM_ERROR_NONE;
        errno = ENOSPC;
        xpm_fail_errno(&err, "cannot write '%s'", name);
        assert_non_null(strstr(err.message, "nnn: no space left on device"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_code_has_its_text_and_exit_status),
                cmocka_unit_test(first_message_wins),
                cmocka_unit_test(null_error_only_returns_the_code),
                cmocka_unit_test(system_errors_are_told_in_lower_case),
                cmocka_unit_test(errno_is_kept),
                cmocka_unit_test(long_message_is_cut_between_characters),
                cmocka_unit_test(reason_survives_a_name_that_is_too_long),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
