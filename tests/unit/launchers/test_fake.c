/* The launcher of the engine's tests, as the engine drives it. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../launchers/fake/fake.h"
#include "base/file.h"
#include "place.h"

struct fixture {
        void *module;
        const xpm_launcher *launcher;
        xpm_fake *control;
        xpm_core core;
        void *instance;
        xpm_launch_event events[8]; /* in order */
        size_t count;
};

static void on_event(const xpm_core *core, const xpm_launch_event *event)
{
        struct fixture *fixture = core->data;
        assert_true(fixture->count < 8);
        fixture->events[fixture->count++] = *event;
}

static int enter(void **state)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        char *dir = xpm_executable_dir(), path[600];
        if (!fixture || !dir)
                return -1;
        snprintf(path, sizeof path, "%s/launchers/fake.so", dir);
        free(dir);
        if (!(fixture->module = dlopen(path, RTLD_NOW))) {
                fprintf(stderr, "%s\n", dlerror());
                return -1;
        }
        fixture->launcher = dlsym(fixture->module, "xpm_launcher_fake");
        fixture->control = dlsym(fixture->module, "xpm_fake_control");
        if (!fixture->launcher || !fixture->control)
                return -1;
        *fixture->control = (xpm_fake){.room = 3};
        fixture->core =
                (xpm_core){.abi = XPM_LAUNCHER_ABI, .size = sizeof fixture->core, .data = fixture, .event = on_event};
        *state = fixture;
        return fixture->launcher->open(&fixture->core, NULL, &fixture->instance, NULL);
}

static int leave(void **state)
{
        struct fixture *fixture = *state;
        fixture->launcher->close(fixture->instance);
        dlclose(fixture->module);
        free(fixture);
        return 0;
}

static void submit(struct fixture *fixture, uint64_t tag, const char *path)
{
        const xpm_launch launch = {.tag = tag, .attempt = 2, .path = path}, *batch = &launch;
        assert_int_equal(fixture->launcher->submit(fixture->instance, &batch, 1, NULL), 0);
}

static void job_ends_at_the_next_dispatch(void **state)
{
        struct fixture *fixture = *state;
        assert_int_equal(fixture->launcher->deadline(fixture->instance), -1);
        submit(fixture, 7, "/x");
        submit(fixture, 5, "/y");
        assert_int_equal(fixture->launcher->room(fixture->instance, NULL), 1);
        assert_int_equal(fixture->launcher->deadline(fixture->instance), 0);
        assert_int_equal(fixture->count, 0);
        assert_int_equal(fixture->launcher->dispatch(fixture->instance, NULL), 0);
        assert_int_equal(fixture->count, 2);
        assert_int_equal(fixture->events[0].kind, XPM_LAUNCH_ENDED);
        assert_true(fixture->events[0].done);
        assert_int_equal(fixture->events[0].tag, 7);
        assert_int_equal(fixture->events[0].attempt, 2);
        assert_int_equal(fixture->events[1].tag, 5);
        assert_int_equal(fixture->launcher->room(fixture->instance, NULL), 3);
        assert_int_equal(fixture->control->submitted, 2);
        assert_int_equal(fixture->control->most, 2);
}

/* `/on` runs on; what else there is fails. */
static bool fail_or_run_on(void *data, const char *path, xpm_launch_event *event)
{
        ++*(size_t *)data;
        event->done = false;
        event->code = 3;
        return strcmp(path, "/on") != 0;
}

static void outcome_decides_and_what_runs_on_is_asked_about_again(void **state)
{
        struct fixture *fixture = *state;
        size_t asked = 0;
        fixture->control->outcome = fail_or_run_on;
        fixture->control->data = &asked;
        submit(fixture, 1, "/on");
        submit(fixture, 2, "/x");
        assert_int_equal(fixture->launcher->dispatch(fixture->instance, NULL), 0);
        assert_int_equal(fixture->count, 1);
        assert_int_equal(fixture->events[0].tag, 2);
        assert_false(fixture->events[0].done);
        assert_int_equal(fixture->events[0].code, 3);
        assert_int_equal(fixture->launcher->dispatch(fixture->instance, NULL), 0);
        assert_int_equal(asked, 3);
        assert_int_equal(fixture->count, 1);
        assert_int_equal(fixture->control->submitted, 2);
        assert_int_equal(fixture->launcher->room(fixture->instance, NULL), 2);
}

static void cancelled_job_says_so(void **state)
{
        struct fixture *fixture = *state;
        const uint64_t tag = 4;
        submit(fixture, tag, "/x");
        assert_int_equal(fixture->launcher->cancel(fixture->instance, &tag, 1, NULL), 0);
        assert_int_equal(fixture->count, 1);
        assert_false(fixture->events[0].done);
        assert_string_equal(fixture->events[0].reason, "cancelled");
        assert_int_equal(fixture->control->cancelled, 1);
        assert_int_equal(fixture->launcher->room(fixture->instance, NULL), 3);
}

static void job_of_before_is_given_back(void **state)
{
        struct fixture *fixture = *state;
        const uint64_t tag = 6;
        const char *const handle = "";
        assert_int_equal(fixture->launcher->reattach(fixture->instance, &tag, &handle, 1, NULL), 0);
        assert_int_equal(fixture->count, 1);
        assert_int_equal(fixture->events[0].tag, 6);
        assert_int_equal(fixture->events[0].kind, XPM_LAUNCH_RETURNED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(job_ends_at_the_next_dispatch),
                T(outcome_decides_and_what_runs_on_is_asked_about_again),
                T(cancelled_job_says_so),
                T(job_of_before_is_given_back),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
