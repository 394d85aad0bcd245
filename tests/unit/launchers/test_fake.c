/* The launcher of the engine's tests keeps to the same contract as the real ones. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../launchers/fake/fake.h"
#include "base/file.h"
#include "exec/loader.h"

enum { MOST = 16 };

struct fixture {
        xpm_core core;
        const xpm_launcher *launcher;
        xpm_fake *control;
        void *instance;
        struct event {
                enum xpm_launch_event_kind kind;
                uint64_t tag;
                uint32_t attempt;
                bool done;
                int code;
                char reason[16];
        } events[MOST];
        size_t count;
        int more; /* jobs to be handed over at the next event */
};

/* Jobs with tags from FIRST on; their attempt is ten times as much. */
static void submit(struct fixture *fixture, uint64_t first, size_t count)
{
        char paths[MOST][16];
        xpm_launch launches[MOST];
        const xpm_launch *batch[MOST];
        for (size_t i = 0; i < count; i++) {
                snprintf(paths[i], sizeof paths[i], "/job/%d", (int)(first + i));
                launches[i] = (xpm_launch){.tag = first + i, .attempt = (uint32_t)(10 * (first + i)), .path = paths[i]};
                batch[i] = &launches[i];
        }
        assert_int_equal(fixture->launcher->submit(fixture->instance, batch, count, NULL), 0);
}

static void on_event(const xpm_core *core, const xpm_launch_event *event)
{
        struct fixture *fixture = core->data;
        assert_true(fixture->count < MOST);
        struct event *kept = &fixture->events[fixture->count++];
        *kept = (struct event){event->kind, event->tag, event->attempt, event->done, event->code, ""};
        snprintf(kept->reason, sizeof kept->reason, "%s", event->reason ? event->reason : "");
        if (fixture->more > 0) {
                fixture->more--;
                submit(fixture, event->tag + 1, 1);
        }
}

static int enter(void **state)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        char *dir = xpm_executable_dir(), modules[512], module[600];
        xpm_error err = XPM_ERROR_NONE;
        if (!fixture || !dir)
                return -1;
        snprintf(modules, sizeof modules, "%s/launchers", dir);
        snprintf(module, sizeof module, "%s/fake.so", modules);
        free(dir);
        setenv("XPM_MODULEDIR", modules, 1);
        void *handle = dlopen(module, RTLD_NOW);
        fixture->control = handle ? dlsym(handle, "xpm_fake_control") : NULL;
        if (!fixture->control || xpm_launcher_find("fake", &fixture->launcher, &err) != 0) {
                fprintf(stderr, "%s\n", fixture->control ? err.message : dlerror());
                return -1;
        }
        *fixture->control = (xpm_fake){.room = 3};
        fixture->core =
                (xpm_core){.abi = XPM_LAUNCHER_ABI, .size = sizeof fixture->core, .data = fixture, .event = on_event};
        *state = fixture;
        return fixture->launcher->open(&fixture->core, "name", NULL, &fixture->instance, NULL);
}

static int leave(void **state)
{
        struct fixture *fixture = *state;
        fixture->launcher->close(fixture->instance);
        free(fixture);
        return 0;
}

static void dispatch(const struct fixture *fixture)
{
        assert_int_equal(fixture->launcher->dispatch(fixture->instance, NULL), 0);
}

static void jobs_end_at_the_next_dispatch_in_order(void **state)
{
        struct fixture *fixture = *state;
        const xpm_launcher *launcher = fixture->launcher;
        assert_int_equal(launcher->fd(fixture->instance), -1);
        assert_int_equal(launcher->events(fixture->instance), 0);
        assert_int_equal(launcher->deadline(fixture->instance), -1);
        submit(fixture, 1, 3);
        assert_int_equal(fixture->count, 0);
        assert_int_equal(launcher->deadline(fixture->instance), 0); /* at once */
        dispatch(fixture);
        assert_int_equal(fixture->count, 3);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(fixture->events[i].kind, XPM_LAUNCH_ENDED);
                assert_int_equal(fixture->events[i].tag, i + 1);
                assert_int_equal(fixture->events[i].attempt, 10 * (i + 1));
                assert_true(fixture->events[i].done);
        }
        assert_int_equal(launcher->deadline(fixture->instance), -1);
        dispatch(fixture);
        assert_int_equal(fixture->count, 3);
}

static void room_is_what_the_test_says_without_what_is_held(void **state)
{
        struct fixture *fixture = *state;
        const xpm_launcher *launcher = fixture->launcher;
        assert_int_equal(launcher->check(fixture->instance, NULL, NULL), 0);
        assert_int_equal(launcher->room(fixture->instance, NULL), 3);
        submit(fixture, 1, 2);
        assert_int_equal(launcher->room(fixture->instance, NULL), 1);
        fixture->control->room = 1; /* there are more than that */
        assert_int_equal(launcher->room(fixture->instance, NULL), 0);
        dispatch(fixture);
        assert_int_equal(launcher->room(fixture->instance, NULL), 1);
        submit(fixture, 3, 1);
        assert_int_equal(fixture->control->submitted, 3);
        assert_int_equal(fixture->control->most, 2);
}

static bool decide(void *data, const char *path, xpm_launch_event *event)
{
        int *asked = data;
        ++*asked;
        if (strcmp(path, "/job/1") == 0 && *asked < 4)
                return false; /* runs on */
        if (strcmp(path, "/job/2") == 0) {
                event->kind = XPM_LAUNCH_LOST;
                event->done = false;
        }
        return true;
}

static void outcome_is_what_the_test_says_and_may_take_its_time(void **state)
{
        struct fixture *fixture = *state;
        int asked = 0;
        fixture->control->outcome = decide;
        fixture->control->data = &asked;
        submit(fixture, 1, 2);
        dispatch(fixture);
        assert_int_equal(fixture->count, 1);
        assert_int_equal(fixture->events[0].tag, 2);
        assert_int_equal(fixture->events[0].kind, XPM_LAUNCH_LOST);
        dispatch(fixture);
        assert_int_equal(fixture->count, 1);
        assert_int_equal(fixture->control->submitted, 2); /* one that runs on was handed over once */
        dispatch(fixture);
        assert_int_equal(fixture->count, 2);
        assert_int_equal(fixture->events[1].tag, 1);
        assert_int_equal(fixture->events[1].attempt, 10);
        assert_true(fixture->events[1].done);
}

static void job_that_is_handed_over_during_a_dispatch_waits_for_the_next(void **state)
{
        struct fixture *fixture = *state;
        fixture->more = 1;
        submit(fixture, 1, 1);
        dispatch(fixture);
        assert_int_equal(fixture->count, 1);
        dispatch(fixture);
        assert_int_equal(fixture->count, 2);
        assert_int_equal(fixture->events[1].tag, 2);
}

static void what_is_cancelled_ends_so_and_nothing_is_withdrawn(void **state)
{
        static const uint64_t tags[] = {1, 2};
        struct fixture *fixture = *state;
        submit(fixture, 1, 2);
        assert_int_equal(fixture->launcher->withdraw(fixture->instance, NULL), 0);
        assert_int_equal(fixture->count, 0);
        assert_int_equal(fixture->launcher->cancel(fixture->instance, tags, 2, NULL), 0);
        assert_int_equal(fixture->count, 2);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(fixture->events[i].kind, XPM_LAUNCH_ENDED);
                assert_false(fixture->events[i].done);
                assert_int_equal(fixture->events[i].code, -1);
                assert_string_equal(fixture->events[i].reason, "cancelled");
        }
        assert_int_equal(fixture->control->cancelled, 2);
        assert_int_equal(fixture->launcher->room(fixture->instance, NULL), 3);
}

static void nothing_is_attached_to(void **state)
{
        static const uint64_t tags[] = {4, 5};
        static const char *const handles[] = {"a", "b"};
        struct fixture *fixture = *state;
        assert_int_equal(fixture->launcher->reattach(fixture->instance, tags, handles, 2, NULL), 0);
        assert_int_equal(fixture->count, 2);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(fixture->events[i].kind, XPM_LAUNCH_RETURNED);
                assert_int_equal(fixture->events[i].tag, tags[i]);
        }
}

static void jobs_that_are_left_at_the_end_are_told_of_to_nobody(void **state)
{
        struct fixture *fixture = *state;
        submit(fixture, 1, 3);
        fixture->launcher->close(fixture->instance);
        assert_int_equal(fixture->count, 0);
        assert_int_equal(fixture->launcher->open(&fixture->core, "name", NULL, &fixture->instance, NULL), 0);
        dispatch(fixture);
        assert_int_equal(fixture->count, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(jobs_end_at_the_next_dispatch_in_order),
                T(room_is_what_the_test_says_without_what_is_held),
                T(outcome_is_what_the_test_says_and_may_take_its_time),
                T(job_that_is_handed_over_during_a_dispatch_waits_for_the_next),
                T(what_is_cancelled_ends_so_and_nothing_is_withdrawn),
                T(nothing_is_attached_to),
                T(jobs_that_are_left_at_the_end_are_told_of_to_nobody),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
