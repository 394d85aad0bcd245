#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mustache.h"
#include "failing_malloc.h"

/* Contexts made of JSON; escaping as in HTML, which is what the specification's suite has. */

static xpm_mustache_item item_of(const json_t *value)
{
        return (xpm_mustache_item){.owner = value};
}

static int find(void *data, const xpm_mustache_item *item, size_t depth, const xpm_mustache_tag *tag,
                xpm_mustache_item *out, xpm_error *err)
{
        (void)data;
        (void)depth;
        (void)err;
        const json_t *value = item->owner;
        const char *name = tag->text;
        for (bool first = true; *name; first = false) {
                size_t length = strcspn(name, ".");
                value = json_object_getn(value, name, length);
                if (!value)
                        return first ? XPM_MUSTACHE_ELSEWHERE : XPM_MUSTACHE_BROKEN;
                name += length + (name[length] == '.');
        }
        *out = item_of(value);
        return XPM_MUSTACHE_FOUND;
}

/* DATA, when it is given, forbids names that mean nothing, and gets the place of the first. */
static int missing(void *data, const xpm_mustache_tag *tag, xpm_error *err)
{
        if (!data)
                return 0;
        *(size_t *)data = tag->offset;
        return xpm_fail(err, XPM_EPLAN, "no '%s'", tag->text);
}

static bool truth(void *data, const xpm_mustache_item *item)
{
        (void)data;
        return !json_is_false((const json_t *)item->owner) && !json_is_null((const json_t *)item->owner);
}

static long count(void *data, const xpm_mustache_item *item)
{
        (void)data;
        return json_is_array((const json_t *)item->owner) ? (long)json_array_size(item->owner) : -1;
}

static void element(void *data, const xpm_mustache_item *list, size_t index, xpm_mustache_item *out)
{
        (void)data;
        *out = item_of(json_array_get(list->owner, index));
}

static void escape(const char *string, xpm_text *out)
{
        for (; *string; string++)
                switch (*string) {
                case '&': xpm_text_puts(out, "&amp;"); break;
                case '"': xpm_text_puts(out, "&quot;"); break;
                case '<': xpm_text_puts(out, "&lt;"); break;
                case '>': xpm_text_puts(out, "&gt;"); break;
                default: xpm_text_putc(out, *string);
                }
}

static int print(void *data, const xpm_mustache_tag *tag, const xpm_mustache_item *item, xpm_text *out, xpm_error *err)
{
        (void)data;
        (void)err;
        const json_t *value = item->owner;
        if (json_is_integer(value))
                xpm_text_printf(out, "%lld", (long long)json_integer_value(value));
        else if (json_is_real(value))
                xpm_text_printf(out, "%g", json_real_value(value));
        else if (json_is_string(value) && tag->kind == XPM_MUSTACHE_VARIABLE)
                escape(json_string_value(value), out);
        else if (json_is_string(value))
                xpm_text_puts(out, json_string_value(value));
        return 0;
}

static const xpm_mustache_view view = {
        .find = find, .missing = missing, .truth = truth, .count = count, .item = element, .print = print};

static int find_partial(void *data, const char *name, const char **text, size_t *length, xpm_error *err)
{
        *text = json_string_value(json_object_get(data, name));
        *length = *text ? strlen(*text) : 0;
        return *text ? 0 : xpm_fail(err, XPM_ENOTFOUND, "no partial '%s'", name);
}

static int compile_and_render_with(const char *template, json_t *texts, const json_t *data, size_t *offset,
                                   xpm_text *out, xpm_error *err)
{
        xpm_arena *arena = xpm_arena_create();
        xpm_mustache compiled;
        size_t place = 0;
        const xpm_mustache_partials partials = {texts, find_partial};
        xpm_mustache_place wrong = {0};
        int rc;
        if (!arena)
                rc = xpm_fail_memory(err);
        else if (texts)
                rc = xpm_mustache_compile_with(arena, template, strlen(template), &partials, &compiled, &wrong, err);
        else
                rc = xpm_mustache_compile(arena, template, strlen(template), &compiled, &place, err);
        if (rc == 0) {
                xpm_mustache_item root = item_of(data);
                rc = xpm_mustache_render(&compiled, &view, offset, &root, out, err);
        } else if (offset) {
                *offset = place;
        }
        xpm_arena_destroy(arena);
        return rc;
}

static int compile_and_render(const char *template, const json_t *data, size_t *offset, xpm_text *out, xpm_error *err)
{
        return compile_and_render_with(template, NULL, data, offset, out, err);
}

static void suite_is_passed(void **state)
{
        const char *name = *state;
        char path[512];
        json_error_t wrong;
        snprintf(path, sizeof path, "%s/mustache/%s.json", XPM_TEST_DATA, name);
        json_t *suite = json_load_file(path, 0, &wrong);
        if (!suite)
                fail_msg("%s:%d: %s", path, wrong.line, wrong.text);
        size_t index;
        json_t *one;
        assert_true(json_array_size(json_object_get(suite, "cases")) > 10);
        json_array_foreach(json_object_get(suite, "cases"), index, one)
        {
                xpm_text text = XPM_TEXT_INIT;
                xpm_error err = XPM_ERROR_NONE;
                const char *template = json_string_value(json_object_get(one, "template"));
                const char *gives = json_string_value(json_object_get(one, "gives"));
                int rc = compile_and_render_with(template, json_object_get(one, "partials"),
                                                 json_object_get(one, "given"), NULL, &text, &err);
                if (rc != 0 || strcmp(xpm_text_string(&text), gives) != 0)
                        fail_msg("%s: %s: '%s' gives '%s' (%s), not '%s'", name,
                                 json_string_value(json_object_get(one, "what")), template, xpm_text_string(&text),
                                 err.message, gives);
                xpm_text_release(&text);
        }
        json_decref(suite);
}

static void template_that_is_wrong_is_refused_at_its_place(void **state)
{
        static const struct {
                const char *template;
                size_t offset;
                const char *message;
        } cases[] = {
                {"a {{x", 2, "'{{x' is never closed"},
                {"a {{{x}} b", 2, "'{{{x}} b' is never closed"},
                {"a {{}} b", 2, "a tag without a name: '{{}}'"},
                {"a {{ # }} b", 2, "a tag without a name: '{{ # }}'"},
                {"{{x y}}", 0, "the name 'x y' has a blank in it"},
                {"{{x..y}}", 0, "'x..y' has a dot without a name beside it"},
                {"{{.x}}", 0, "'.x' has a dot without a name beside it"},
                {"{{x.}}", 0, "'x.' has a dot without a name beside it"},
                {"one\n{{#x}}\n", 4, "the section 'x' is never closed"},
                {"{{#x}}{{#y}}{{/x}}{{/y}}", 12, "the section 'y' ends as 'x'"},
                {"abc{{/x}}", 3, "the section 'x' ends here and begins nowhere"},
                {"ab{{> x}}", 2, "'{{> x}}': templates have no partials and no inheritance"},
                {"ab{{<x}}", 2, "'{{<x}}': templates have no partials and no inheritance"},
                {"ab{{$x}}", 2, "'{{$x}}': templates have no partials and no inheritance"},
                {"{{=<%=}}", 0, "'{{=<%=}}' does not set delimiters: write two words without '=', as in '{{=<% %>=}}'"},
                {"{{=a b c=}}", 0,
                 "'{{=a b c=}}' does not set delimiters: write two words without '=', as in '{{=<% %>=}}'"},
                {"{{=0123456789abcdef x=}}", 0,
                 "'{{=0123456789abcdef x=}}' does not set delimiters: write two words without '=', as in '{{=<% "
                 "%>=}}'"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_text text = XPM_TEXT_INIT;
                xpm_error err = XPM_ERROR_NONE;
                size_t offset = 99;
                assert_int_equal(compile_and_render(cases[i].template, NULL, &offset, &text, &err), XPM_EFORMAT);
                assert_string_equal(err.message, cases[i].message);
                assert_int_equal(offset, cases[i].offset);
                xpm_text_release(&text);
        }
}

static void what_is_wrong_with_a_partial_is_refused_at_its_place(void **state)
{
        static const struct {
                const char *template, *partial, *message, *in;
                int line;
        } cases[] = {
                {"\n\n{{> no-such}}", "", "no partial 'no-such'", NULL, 3},
                {"{{> p}}\n{{x", "one\ntwo\n", "'{{x' is never closed", NULL, 2},
                {"\n\n\n{{> p}}", "one\n{{x", "'{{x' is never closed", "p", 2},
                {"{{> p}}", "{{#x}}\n\n", "the section 'x' is never closed", "p", 1},
                {"{{#x}}\n{{> p}}\n{{/x}}", "\n{{/x}}", "the section 'x' ends here and begins nowhere", "p", 2},
                {"\n{{#x}}\n{{> p}}", "{{! }}", "the section 'x' is never closed", NULL, 2},
                {"{{> p}}", "\n{{> p}}", "the partial 'p' includes itself", "p", 2},
                {"{{< p}}", "", "'{{< p}}': templates have no partials and no inheritance", NULL, 1},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_mustache compiled;
                xpm_mustache_place place = {0};
                xpm_error err = XPM_ERROR_NONE;
                json_t *texts = json_pack("{s:s}", "p", cases[i].partial);
                const xpm_mustache_partials partials = {texts, find_partial};
                assert_int_not_equal(xpm_mustache_compile_with(arena, cases[i].template, strlen(cases[i].template),
                                                               &partials, &compiled, &place, &err),
                                     0);
                assert_string_equal(err.message, cases[i].message);
                assert_int_equal(place.line, cases[i].line);
                if (cases[i].in)
                        assert_string_equal(place.partial, cases[i].in);
                else
                        assert_null(place.partial);
                json_decref(texts);
                xpm_arena_destroy(arena);
        }
}

static void nesting_has_an_end(void **state)
{
        (void)state;
        xpm_text template = XPM_TEXT_INIT, out = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        for (int i = 0; i <= XPM_MUSTACHE_DEPTH; i++)
                xpm_text_puts(&template, "{{#x}}");
        assert_int_equal(compile_and_render(xpm_text_string(&template), NULL, NULL, &out, &err), XPM_EFORMAT);
        assert_string_equal(err.message, "the section 'x' is nested too deeply");
        xpm_text_release(&template);
        xpm_text_release(&out);
}

static void view_may_refuse_what_is_unknown(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        size_t offset = 0;
        json_t *data = json_pack("{s:{}}", "a");
        assert_int_equal(compile_and_render("one {{a.b}}", data, &offset, &text, &err), XPM_EPLAN);
        assert_string_equal(err.message, "no 'a.b'");
        assert_int_equal(offset, 4);
        json_decref(data);
        xpm_text_release(&text);
}

static void text_may_hold_nul(void **state)
{
        (void)state;
        static const char template[] = "a\0b{{! c }}d";
        xpm_arena *arena = xpm_arena_create();
        xpm_mustache compiled;
        xpm_mustache_item root = {0};
        xpm_text text = XPM_TEXT_INIT;
        size_t offset;
        assert_int_equal(xpm_mustache_compile(arena, template, sizeof template - 1, &compiled, &offset, NULL), 0);
        assert_int_equal(xpm_mustache_render(&compiled, &view, NULL, &root, &text, NULL), 0);
        assert_int_equal(text.length, 4);
        assert_memory_equal(text.data, "a\0bd", 4);
        xpm_text_release(&text);
        xpm_arena_destroy(arena);
}

static void memory_that_runs_out_is_an_error(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        json_t *data = json_pack("{s:[{s:s},{s:s}]}", "l", "x", "1", "x", "2");
        json_t *texts = json_pack("{s:s}", "p", "{{x}}\n");
        for (long n = 1;; n++) {
                xpm_text text = XPM_TEXT_INIT;
                failing_malloc_arm(n);
                int rc = compile_and_render_with("a{{#l}}\n {{x}} {{{x}}}\n {{> p}}\n{{/l}}b", texts, data, NULL, &text,
                                                 NULL);
                bool struck = failing_malloc_disarm();
                assert_int_equal(rc, struck ? XPM_ENOMEM : 0);
                xpm_text_release(&text);
                if (!struck)
                        break;
        }
        json_decref(texts);
        json_decref(data);
}

int main(void)
{
#define SUITE(name)                                                         \
        {                                                                   \
                "suite_is_passed: " name, suite_is_passed, NULL, NULL, name \
        }
        const struct CMUnitTest tests[] = {
                SUITE("comments"),
                SUITE("delimiters"),
                SUITE("interpolation"),
                SUITE("inverted"),
                SUITE("partials"),
                SUITE("sections"),
                cmocka_unit_test(template_that_is_wrong_is_refused_at_its_place),
                cmocka_unit_test(what_is_wrong_with_a_partial_is_refused_at_its_place),
                cmocka_unit_test(nesting_has_an_end),
                cmocka_unit_test(view_may_refuse_what_is_unknown),
                cmocka_unit_test(text_may_hold_nul),
                cmocka_unit_test(memory_that_runs_out_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
