#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "views.h"

static int enter(void **state)
{
        int rc = place_enter(state);
        views_put_run(*state, "one", "20260101_000000", "{}", "");
        return rc;
}

static void link_to(const struct place *place, const char *target, const char *path)
{
        assert_int_equal(symlinkat(target, place->dir, path), 0);
}

static void links_that_lead_nowhere_are_found(void **state)
{
        const struct place *place = *state;
        xpm_view *view = views_open(place);
        xpm_view_links links;
        link_to(place, "one", "experiments/fine");
        link_to(place, "20260101_000000", "experiments/one/fine");
        place_put(place, "experiments/file", "");
        assert_int_equal(xpm_view_broken_links(view, &links, NULL), 0);
        assert_int_equal(links.count, 0);
        link_to(place, "/not/there", "experiments/two");
        link_to(place, "/nor/there", "experiments/one/20260101_000001");
        runs_mkdir(place, "experiments/three");
        link_to(place, "gone", "experiments/three/current");
        assert_int_equal(unlinkat(place->dir, "experiments/fine", 0), 0);
        assert_int_equal(xpm_view_broken_links(view, &links, NULL), 0);
        assert_int_equal(links.count, 3);
        assert_string_equal(links.items[0].path, "experiments/two");
        assert_string_equal(links.items[0].target, "/not/there");
        assert_false(links.items[0].current);
        assert_string_equal(links.items[1].path, "experiments/one/20260101_000001");
        assert_string_equal(links.items[1].target, "/nor/there");
        assert_string_equal(links.items[2].path, "experiments/three/current");
        assert_true(links.items[2].current);
        xpm_view_close(view);
}

static void lack_of_memory_is_an_error(void **state)
{
        if (!failing_malloc_works)
                skip();
        link_to(*state, "/not/there", "experiments/two");
        for (long n = 1;; n++) {
                xpm_view *view = views_open(*state);
                xpm_view_links links = {0};
                failing_malloc_arm(n);
                int rc = xpm_view_broken_links(view, &links, NULL);
                bool failed = failing_malloc_disarm();
                assert_true((rc == 0 && links.count == 1) || (failed && (rc == XPM_ENOMEM || rc == XPM_EIO)));
                xpm_view_close(view);
                if (!failed)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(links_that_lead_nowhere_are_found),
                T(lack_of_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
