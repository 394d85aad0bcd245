#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "runs.h"
#include "workspace/git.h"

static const char commit[] = "0123456789abcdef0123456789abcdef01234567";

/* What is found for the directory NAME; nothing is asked about changes. */
static xpm_git find(const struct place *place, const char *name)
{
        char path[256];
        xpm_git git;
        snprintf(path, sizeof path, "%s/%s", place->path, name);
        xpm_git_open(&git, path);
        xpm_git_settle(&git, 5000);
        return git;
}

static void commit_and_branch_are_read(void **state)
{
        static const struct {
                const char *head, *loose, *packed, *commit, *branch;
        } cases[] = {
                {"ref: refs/heads/main\n", commit, NULL, commit, "main"},
                {"ref: refs/heads/a/b\n", NULL, "# pack-refs\n%s refs/heads/a/bc\n%s refs/heads/a/b\n", commit, "a/b"},
                {"ref: refs/heads/new\n", NULL, NULL, "", "new"},
                {"0123456789abcdef0123456789abcdef01234567\n", NULL, NULL, commit, ""},
                {"rubbish\n", NULL, NULL, "", ""},
        };
        setenv("PATH", "/nonexistent", 1);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char path[128], text[512];
                runs_mkdir(*state, "r%zu/.git/refs/heads/a", i);
                runs_mkdir(*state, "r%zu/below/it", i);
                snprintf(path, sizeof path, "r%zu/.git/HEAD", i);
                place_put(*state, path, cases[i].head);
                if (cases[i].loose) {
                        snprintf(path, sizeof path, "r%zu/.git/refs/heads/main", i);
                        snprintf(text, sizeof text, "%s\n", cases[i].loose);
                        place_put(*state, path, text);
                }
                if (cases[i].packed) {
                        snprintf(path, sizeof path, "r%zu/.git/packed-refs", i);
                        snprintf(text, sizeof text, "# pack-refs\n%s refs/heads/a/bc\n%s refs/heads/a/b\n",
                                 "ffffffffffffffffffffffffffffffffffffffff", commit);
                        place_put(*state, path, text);
                }
                snprintf(path, sizeof path, "r%zu/below/it", i);
                xpm_git git = find(*state, path);
                assert_true(git.found);
                assert_string_equal(git.commit, cases[i].commit);
                assert_string_equal(git.branch, cases[i].branch);
                assert_int_equal(git.state, XPM_GIT_UNKNOWN); /* there is no git to ask */
        }
}

static void worktree_shares_the_references(void **state)
{
        char text[256];
        const struct place *place = *state;
        setenv("PATH", "/nonexistent", 1);
        runs_mkdir(place, "main/.git/worktrees/w");
        runs_mkdir(place, "main/.git/refs/heads");
        runs_mkdir(place, "tree");
        snprintf(text, sizeof text, "gitdir: %s/main/.git/worktrees/w\n", place->path);
        place_put(place, "tree/.git", text);
        place_put(place, "main/.git/worktrees/w/HEAD", "ref: refs/heads/topic\n");
        place_put(place, "main/.git/worktrees/w/commondir", "../..\n");
        place_put(place, "main/.git/refs/heads/topic", commit);
        xpm_git git = find(place, "tree");
        assert_string_equal(git.commit, commit);
        assert_string_equal(git.branch, "topic");
}

static void nothing_is_found_where_there_is_nothing(void **state)
{
        runs_mkdir(*state, "a/b");
        xpm_git git = find(*state, "a/b");
        assert_false(git.found);
        assert_int_equal(git.state, XPM_GIT_UNKNOWN);
}

static bool run(const struct place *place, const char *command)
{
        char line[512];
        snprintf(line, sizeof line,
                 "cd %s && export HOME=. GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a "
                 "GIT_COMMITTER_NAME=a "
                 "GIT_COMMITTER_EMAIL=a && %s",
                 place->path, command);
        return system(line) == 0;
}

static void change_to_a_known_file_is_dirt(void **state)
{
        setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
        if (!run(*state, "git --version >/dev/null 2>&1"))
                skip();
        assert_true(run(*state, "git init -q . && echo a > known && git add known && git commit -qm a"));
        assert_int_equal(find(*state, ".").state, XPM_GIT_CLEAN);
        assert_true(run(*state, "echo b > unknown"));
        assert_int_equal(find(*state, ".").state, XPM_GIT_CLEAN);
        assert_true(run(*state, "echo b > known"));
        assert_int_equal(find(*state, ".").state, XPM_GIT_DIRTY);
}

static void slow_answer_is_not_waited_for(void **state)
{
        const struct place *place = *state;
        xpm_git git;
        char bin[128];
        runs_mkdir(place, ".git");
        runs_mkdir(place, "bin");
        place_put(place, ".git/HEAD", commit);
        place_put(place, "bin/git", "#!/bin/sh\nexec /bin/sleep 1000\n");
        fchmodat(place->dir, "bin/git", 0700, 0);
        snprintf(bin, sizeof bin, "%s/bin", place->path);
        setenv("PATH", bin, 1);
        xpm_git_open(&git, place->path);
        assert_int_not_equal(git.child.pid, 0);
        xpm_git_settle(&git, 0);
        assert_int_equal(git.state, XPM_GIT_UNKNOWN);
        assert_int_equal(git.child.pid, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(commit_and_branch_are_read),
                T(worktree_shares_the_references),
                T(nothing_is_found_where_there_is_nothing),
                T(change_to_a_known_file_is_dirt),
                T(slow_answer_is_not_waited_for),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
