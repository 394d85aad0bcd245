#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define fail helper_fail
#include "../../../launchers/slurm/helper.c"
#undef fail

#include <cmocka.h>

#include "place.h"

static void use(const struct place *place, const char *script)
{
        char path[128];
        place_put(place, "helper", script);
        snprintf(path, sizeof path, "%s/helper", place->path);
        assert_int_equal(chmod(path, 0700), 0);
        setenv("XPM_SLURM_HELPER", path, 1);
}

static void a_request_has_its_answer(void **state)
{
        helper one = {.fd = -1};
        use(*state, "#!/bin/sh\nread line; echo '{\"id\": 7}'; echo '{\"id\": 1, \"job\": 5}'; read line\n");
        int64_t id = helper_send(&one, json_pack("{s:s}", "do", "list"), NULL);
        assert_int_equal(id, 1);
        json_t *answer = helper_wait(&one, id, 10000);
        assert_int_equal(json_integer_value(json_object_get(answer, "job")), 5);
        json_decref(answer);
        helper_stop(&one);
        assert_int_equal(one.fd, -1);
}

static void one_that_dies_is_told_and_replaced(void **state)
{
        helper one = {.fd = -1};
        bool died = false;
        use(*state, "#!/bin/sh\nread line; exit 1\n");
        for (int i = 0; i < 2; i++) {
                assert_true(helper_send(&one, json_pack("{s:s}", "do", "list"), NULL) > 0);
                while (!died) {
                        struct pollfd poll_ = {.fd = one.fd, .events = POLLIN};
                        poll(&poll_, 1, -1);
                        assert_null(helper_receive(&one, &died));
                }
                died = false;
        }
        assert_int_equal(one.restarts, 2);
        helper_stop(&one);
}

static void garbage_is_an_answer_to_nobody(void **state)
{
        helper one = {.fd = -1};
        use(*state, "#!/bin/sh\nread line; echo nonsense; echo '{\"id\": 1}'; read line\n");
        int64_t id = helper_send(&one, json_pack("{s:s}", "do", "list"), NULL);
        json_t *answer = helper_wait(&one, id, 10000);
        assert_non_null(answer);
        json_decref(answer);
        helper_stop(&one);
}

static void one_that_cannot_be_started_is_an_error(void **state)
{
        helper one = {.fd = -1};
        xpm_error err = XPM_ERROR_NONE;
        (void)state;
        setenv("XPM_SLURM_HELPER", "/no/such/helper", 1);
        assert_int_equal(helper_send(&one, json_pack("{s:s}", "do", "list"), &err), 0);
        assert_int_equal(err.code, XPM_ELAUNCHER);
        assert_non_null(strstr(err.message, "/no/such/helper"));
        helper_stop(&one);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_request_has_its_answer),
                TEST(one_that_dies_is_told_and_replaced),
                TEST(garbage_is_an_answer_to_nobody),
                TEST(one_that_cannot_be_started_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
