/* A plan as code is a program that gets the configuration as JSON and prints declarations and steps as YAML. Starting
 * it is the caller's: this room does not know processes. */
#include "plan/program.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/words.h"
#include "plan/scalar.h"

static const char *const endings[] = {".c", ".so", "", ".sh", ".py"};
enum { ENDINGS = sizeof endings / sizeof *endings };

static bool is_file(const char *path)
{
        struct stat status;
        return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static const char *base_name(const char *path)
{
        const char *slash = strrchr(path, '/');
        return slash ? slash + 1 : path;
}

static bool has_extension(const char *path)
{
        const char *name = base_name(path), *dot = strrchr(name, '.');
        return dot && dot > name;
}

static int fail(xpm_pos pos, xpm_text *text, xpm_error *err)
{
        int rc = text->failed ? xpm_fail_memory(err) : xpm_fail_at(err, pos, "%s", xpm_text_string(text));
        xpm_text_release(text);
        return rc;
}

static int fail_none(const char *name, const char *dir, bool literal, xpm_pos pos, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_printf(&text, "the plan '%s' does not exist in '%s'", name, dir);
        for (size_t i = 0; !literal && i < ENDINGS; i++)
                if (*endings[i])
                        xpm_text_printf(&text, "%s '%s%s'", i == 0 ? ": neither does any of" : ",", name, endings[i]);
        return fail(pos, &text, err);
}

static int fail_several(const char *const *found, size_t count, xpm_pos pos, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, "several files could be the plan:");
        for (size_t i = 0; i < count; i++)
                xpm_text_printf(&text, "%s '%s'", i == 0 ? "" : " and", base_name(found[i]));
        xpm_text_puts(&text, ": write the name with its extension");
        return fail(pos, &text, err);
}

/* What NAME can mean in DIR; 0 with *PATH NULL when nothing. */
static int find_in(xpm_arena *arena, const char *name, const char *dir, xpm_pos pos, const char **path, xpm_error *err)
{
        const char *found[ENDINGS];
        size_t count = 0;
        bool literal = has_extension(name);
        *path = NULL;
        for (size_t i = 0; i < ENDINGS; i++) {
                if (literal && *endings[i])
                        continue;
                char *file = xpm_arena_printf(arena, "%s%s", name, endings[i]);
                char *joined = file ? xpm_path_join(dir, file) : NULL;
                char *kept = joined ? xpm_arena_strdup(arena, joined) : NULL;
                free(joined);
                if (!kept)
                        return xpm_fail_memory(err);
                if (is_file(kept))
                        found[count++] = kept;
        }
        if (count > 1)
                return fail_several(found, count, pos, err);
        if (count == 1)
                *path = found[0];
        return 0;
}

static bool ends_with(const char *path, const char *ending)
{
        size_t length = strlen(path), tail = strlen(ending);
        return length > tail && strcmp(path + length - tail, ending) == 0;
}

static int check_kind(const char *path, xpm_pos pos, xpm_error *err)
{
        if (ends_with(path, ".c") || ends_with(path, ".so"))
                return xpm_fail_at(
                        err, pos,
                        "the plan '%s' is C code, which cannot be run: a plan is an executable or a Python script "
                        "that prints YAML",
                        base_name(path));
        if (access(path, X_OK) != 0 && !ends_with(path, ".py"))
                return xpm_fail_at(err, pos, "the plan '%s' is not executable: chmod +x '%s'", base_name(path), path);
        return 0;
}

int xpm_program_find(xpm_arena *arena, const char *name, const char *dir, const char *cwd, xpm_pos pos,
                     const char **path, xpm_error *err)
{
        const char *found;
        int rc = find_in(arena, name, dir, pos, &found, err);
        if (rc == 0 && !found && cwd)
                rc = find_in(arena, name, cwd, pos, &found, err);
        if (rc == 0 && !found)
                rc = fail_none(name, dir, has_extension(name), pos, err);
        if (rc == 0)
                rc = check_kind(found, pos, err);
        if (rc == 0)
                *path = found;
        return rc;
}

static int check_output(const xpm_node *root, xpm_error *err)
{
        static const char *const keys[] = {"enums", "configs", "tasks", "plan", "results"};
        enum { KEYS = sizeof keys / sizeof *keys };
        if (root->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, root->pos,
                                   "a mapping with any of enums, configs, tasks, plan, results is expected");
        for (size_t i = 0; i < root->pair_count; i++) {
                const xpm_pair *pair = &root->pairs[i];
                bool known = false;
                for (size_t k = 0; k < KEYS; k++)
                        known |= strcmp(pair->key, keys[k]) == 0;
                if (known)
                        continue;
                const char *near = xpm_words_nearest(pair->key, keys, KEYS);
                return xpm_fail_at(err, pair->key_pos,
                                   "a plan may print enums, configs, tasks, plan and results, not '%s'%s%s%s",
                                   pair->key, near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
        }
        return 0;
}

static int parse_output(xpm_arena *arena, const char *path, const char *dir, const xpm_text *output, uint32_t layer,
                        xpm_node **out, xpm_error *err)
{
        xpm_source *source = xpm_arena_alloc(arena, sizeof *source);
        char *name = xpm_arena_printf(arena, "output of '%s'", base_name(path));
        if (!source || !name)
                return xpm_fail_memory(err);
        *source = (xpm_source){.name = name, .dir = dir};
        xpm_node *root;
        int rc = xpm_yaml_parse(arena, source, output->data ? output->data : "", output->length, layer, &root, err);
        if (rc == 0)
                rc = check_output(root, err);
        if (rc == 0)
                *out = root;
        return rc;
}

int xpm_program_run(xpm_arena *arena, const xpm_load_options *options, const char *path, const char *dir,
                    const xpm_node *configuration, uint32_t layer, xpm_node **out, xpm_error *err)
{
        if (!options->run)
                return xpm_fail(err, XPM_EPLAN, "the plan '%s' is a program, and programs are not run here", path);
        xpm_text input = XPM_TEXT_INIT, output = XPM_TEXT_INIT;
        int rc = xpm_node_json(configuration, &input, err);
        if (rc != 0)
                goto out;
        bool python = ends_with(path, ".py") && access(path, X_OK) != 0;
        xpm_error own = XPM_ERROR_NONE;
        const xpm_node *file = options->code ? NULL : xpm_node_get(configuration, "file");
        rc = options->run(options->run_data, path, python, dir, &input, &output, &own);
        if (rc == XPM_EPLAN && file)
                rc = xpm_fail_at(err, file->pos, "%s", own.message);
        else if (rc != 0)
                rc = xpm_fail(err, rc, "%s", own.message);
        if (rc == 0 && output.failed)
                rc = xpm_fail_memory(err);
        if (rc == 0)
                rc = parse_output(arena, path, dir, &output, layer, out, err);
out:
        xpm_text_release(&input);
        xpm_text_release(&output);
        return rc;
}
