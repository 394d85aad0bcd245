#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "place.h"
#include "workspace/tokenfile.h"

struct fixture {
        xpm_workspace *workspace;
        xpm_token_place at;
        xpm_token_list list;
};

/* The place is a workspace and a token's directory at once. */
static struct fixture enter(const struct place *place)
{
        struct fixture fixture;
        assert_int_equal(xpm_workspace_open(place->path, true, false, &fixture.workspace, NULL), 0);
        fixture.at = (xpm_token_place){fixture.workspace, "one", "r", place->dir, place->path};
        fixture.list = (xpm_token_list){.kind = XPM_TOKEN_HOLDERS};
        assert_int_equal(mkdirat(place->dir, "jobs", 0700), 0);
        return fixture;
}

static void leave(struct fixture *fixture)
{
        xpm_token_list_release(&fixture->list);
        xpm_workspace_close(fixture->workspace);
}

static void put(struct fixture *fixture, const char *name, const char *uri, int64_t count)
{
        assert_int_equal(xpm_token_list_put(&fixture->list, &fixture->at, name, uri, count, 0, NULL), 0);
}

static void scan(struct fixture *fixture)
{
        assert_int_equal(xpm_token_list_scan(&fixture->list, &fixture->at, NULL), 0);
}

static void what_was_written_is_what_is_read(void **state)
{
        struct fixture fixture = enter(*state);
        xpm_token_list other = {.kind = XPM_TOKEN_HOLDERS};
        put(&fixture, "b.t@2.json", "/w \"\n/jobs/b.t/2/t", 4);
        put(&fixture, "a.t@1.json", "/w/jobs/a.t/1/t", 3);
        assert_int_equal(xpm_token_list_scan(&other, &fixture.at, NULL), 0);
        scan(&fixture);
        for (int i = 0; i < 2; i++) {
                const xpm_token_list *list = i ? &fixture.list : &other;
                assert_int_equal(list->count, 2);
                assert_string_equal(list->entries[0].name, "a.t@1.json");
                assert_string_equal(list->entries[0].lock, "jobs/a.t/1/t.lock");
                assert_string_equal(list->entries[1].lock, "jobs/b.t/2/t.lock");
                assert_string_equal(list->entries[1].experiment, "one");
                assert_string_equal(list->entries[1].run, "r");
                assert_int_equal(list->entries[0].count, 3);
                assert_int_equal(list->entries[1].count, 4);
                assert_true(list->entries[0].ours);
                assert_null(xpm_token_list_find(list, "b"));
        }
        fixture.at.run = "s"; /* to a later run they are a stranger's */
        xpm_token_list_release(&other);
        assert_int_equal(xpm_token_list_scan(&other, &fixture.at, NULL), 0);
        assert_false(other.entries[0].ours);
        xpm_token_list_release(&other);
        leave(&fixture);
}

static void what_changed_is_read_again(void **state)
{
        const struct place *place = *state;
        struct fixture fixture = enter(place);
        put(&fixture, "t@1.json", "/w/jobs/t/1/t", 1);
        put(&fixture, "t@2.json", "/w/jobs/t/2/t", 1);
        scan(&fixture);
        static const char text[] = "{\"information\": {\"count\": 7}, \"experiment\": \"two\", \"run\": \"x\"}";
        assert_int_equal(xpm_file_replace(place->dir, "jobs/t@2.json", text, sizeof text - 1, 0600, NULL), 0);
        assert_int_equal(unlinkat(place->dir, "jobs/t@1.json", 0), 0);
        place_put(place, "jobs/t@3.json", text);
        place_put(place, "jobs/.t@3.json.77.0.tmp", text);
        scan(&fixture);
        assert_int_equal(fixture.list.count, 2);
        const xpm_token_entry *entry = xpm_token_list_find(&fixture.list, "t@2.json");
        assert_int_equal(entry->count, 7);
        assert_string_equal(entry->experiment, "two");
        assert_string_equal(entry->lock, "jobs/t/2/t.lock");
        assert_false(entry->ours);
        assert_int_equal(place_count(place, "jobs"), 2);
        leave(&fixture);
}

/* A file may stand for less than was written, never for another job's lock or a negative count. */
static void check_damaged(struct fixture *fixture, const char *text, size_t length)
{
        assert_int_equal(xpm_file_replace(fixture->at.token, "jobs/a.t@1.json", text, length, 0600, NULL), 0);
        scan(fixture);
        assert_int_equal(fixture->list.count, 1);
        const xpm_token_entry *entry = &fixture->list.entries[0];
        assert_true(entry->count >= -1);
        assert_non_null(entry->lock);
        assert_int_equal(strncmp(entry->lock, "jobs/", 5), 0);
        assert_null(strstr(entry->lock, "/../"));
        xpm_token_list_is_alive(&fixture->list, entry, fixture->workspace);
}

static void damaged_files_are_no_holders_of_ours(void **state)
{
        const struct place *place = *state;
        struct fixture fixture = enter(place);
        char whole[4096];
        put(&fixture, "a.t@1.json", "/w/jobs/a.t/1/t", 3);
        place_get(place, "jobs/a.t@1.json", whole);
        size_t length = strlen(whole);
        for (size_t cut = 0; cut + 1 < length; cut++) { /* the last byte is the end of the line */
                check_damaged(&fixture, whole, cut);
                assert_int_equal(fixture.list.entries[0].count, -1);
                assert_false(fixture.list.entries[0].ours);
                assert_string_equal(fixture.list.entries[0].lock, "jobs/a.t/1/t.lock");
        }
        for (size_t i = 0; i < length; i++)
                for (int bit = 0; bit < 8; bit++) {
                        whole[i] ^= (char)(1 << bit);
                        check_damaged(&fixture, whole, length);
                        whole[i] ^= (char)(1 << bit);
                }
        check_damaged(&fixture, whole, length);
        assert_int_equal(fixture.list.entries[0].count, 3);
        leave(&fixture);
}

static void lock_is_found_by_the_uri_or_else_by_the_name(void **state)
{
        static const char *const uris[][2] = {
                {"\"/w/jobs/long.er/77/er\"", "jobs/long.er/77/er.lock"},
                {"\"long.er/77/er\"", "jobs/a.t/1/t.lock"},
                {"\"/w/../77/er\"", "jobs/a.t/1/t.lock"},
                {"\"/w/a/./er\"", "jobs/a.t/1/t.lock"},
                {"\"/w/a//er\"", "jobs/a.t/1/t.lock"},
                {"\"\"", "jobs/a.t/1/t.lock"},
                {"5", "jobs/a.t/1/t.lock"},
        };
        const struct place *place = *state;
        struct fixture fixture = enter(place);
        char text[256];
        for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
                snprintf(text, sizeof text, "{\"job_uri\": %s}", uris[i][0]);
                place_put(place, "jobs/a.t@1.json", text);
                xpm_token_list_release(&fixture.list);
                scan(&fixture);
                assert_string_equal(fixture.list.entries[0].lock, uris[i][1]);
        }
        place_put(place, "jobs/@.json", ""); /* nobody's */
        scan(&fixture);
        assert_int_equal(fixture.list.count, 1);
        leave(&fixture);
}

static void only_ours_is_taken_back(void **state)
{
        const struct place *place = *state;
        struct fixture fixture = enter(place);
        put(&fixture, "t@1.json", "/w/jobs/t/1/t", 1);
        put(&fixture, "t@2.json", "/w/jobs/t/2/t", 1);
        put(&fixture, "t@3.json", "/w/jobs/t/3/t", 1);
        place_put(place, "jobs/t@2.json", "{\"information\": {\"count\": 1}, \"experiment\": \"one\", \"run\": \"s\"}");
        assert_int_equal(xpm_token_list_take_back(&fixture.list, &fixture.at, "t@1.json", NULL), 0);
        assert_int_equal(xpm_token_list_take_back(&fixture.list, &fixture.at, "t@2.json", NULL), 0);
        assert_int_equal(xpm_token_list_take_back(&fixture.list, &fixture.at, "t@9.json", NULL), 0);
        assert_int_equal(fixture.list.count, 1);
        assert_int_equal(place_count(place, "jobs"), 2);
        xpm_token_list_release(&fixture.list); /* what is not remembered is read */
        assert_int_equal(xpm_token_list_take_back(&fixture.list, &fixture.at, "t@3.json", NULL), 0);
        assert_int_equal(place_count(place, "jobs"), 1);
        leave(&fixture);
}

static void long_names_are_cut(void **state)
{
        (void)state;
        char task[201], job[65];
        xpm_token_file name;
        memset(task, 't', sizeof task - 1);
        memset(job, '5', sizeof job - 1);
        task[200] = job[64] = '\0';
        xpm_token_file_name(task, job, name);
        assert_int_equal(strlen(name), 180 + 1 + 64 + 5);
        assert_string_equal(name + 180 + 1 + 64, ".json");
        xpm_token_file_name("a.b", "1", name);
        assert_string_equal(name, "a.b@1.json");
}

static void names_of_tokens_stay_inside(void **state)
{
        (void)state;
        static const char *const bad[] = {"", "..", "a/b", "/a", "."};
        char longest[300];
        xpm_token_file directory;
        assert_int_equal(xpm_token_directory("a.b", directory, NULL), 0);
        assert_string_equal(directory, "tokens/a.b.counter");
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(xpm_token_directory(bad[i], directory, NULL), XPM_EIO);
        memset(longest, 'x', sizeof longest);
        longest[299] = '\0';
        assert_int_equal(xpm_token_directory(longest, directory, NULL), XPM_EIO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_was_written_is_what_is_read),
                TEST(what_changed_is_read_again),
                TEST(damaged_files_are_no_holders_of_ours),
                TEST(lock_is_found_by_the_uri_or_else_by_the_name),
                TEST(only_ours_is_taken_back),
                cmocka_unit_test(long_names_are_cut),
                cmocka_unit_test(names_of_tokens_stay_inside),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
