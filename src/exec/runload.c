/* The way back from params.json to what a worker runs by. The job's place is where the file was found, so that a
 * workspace that was moved still runs; everything else is what was written. */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "exec/runfile.h"

enum { LIMIT = 1 << 30 };

/* Copies strings of a JSON document to an arena; `failed` when memory runs out. */
typedef struct loader {
        xpm_arena *arena;
        const json_t *run;
        bool failed;
} loader;

static const char *copy(loader *loader_, const json_t *string)
{
        if (!json_is_string(string))
                return NULL;
        const char *made = xpm_arena_strndup(loader_->arena, json_string_value(string), json_string_length(string));
        loader_->failed |= !made;
        return made;
}

static const char *get(loader *loader_, const char *key)
{
        return copy(loader_, json_object_get(loader_->run, key));
}

static const char *get_or_empty(loader *loader_, const char *key)
{
        const char *value = get(loader_, key);
        return value ? value : "";
}

/* NULL-terminated. */
static const char *const *get_strings(loader *loader_, const char *key, size_t *count)
{
        const json_t *array = json_object_get(loader_->run, key);
        size_t size = json_array_size(array);
        const char **items = xpm_arena_calloc(loader_->arena, size + 1, sizeof *items);
        *count = 0;
        loader_->failed |= !items;
        for (size_t i = 0; items && i < size; i++)
                if ((items[*count] = copy(loader_, json_array_get(array, i))))
                        ++*count;
        return items;
}

static void get_env(loader *loader_, xpm_jobspec *spec)
{
        const json_t *array = json_object_get(loader_->run, "env");
        size_t size = json_array_size(array);
        xpm_binding *env = xpm_arena_calloc(loader_->arena, size + 1, sizeof *env);
        loader_->failed |= !env;
        for (size_t i = 0; env && i < size; i++) {
                const json_t *pair = json_array_get(array, i);
                env[spec->env_count].name = copy(loader_, json_array_get(pair, 0));
                env[spec->env_count].value = copy(loader_, json_array_get(pair, 1));
                if (env[spec->env_count].name && env[spec->env_count].value)
                        spec->env_count++;
        }
        spec->env = env;
}

static int64_t get_int(const json_t *object, const char *key)
{
        return json_integer_value(json_object_get(object, key));
}

static enum xpm_gpu_kind get_gpu_kind(const json_t *gpu)
{
        const char *kind = json_string_value(json_object_get(gpu, "kind"));
        return !kind                       ? XPM_GPU_ANY
               : strcmp(kind, "cuda") == 0 ? XPM_GPU_CUDA
               : strcmp(kind, "rocm") == 0 ? XPM_GPU_ROCM
                                           : XPM_GPU_ANY;
}

static void get_resources(loader *loader_, xpm_jobspec *spec)
{
        const json_t *resources = json_object_get(loader_->run, "resources");
        const json_t *gpus = json_object_get(resources, "gpus");
        size_t count = json_array_size(gpus);
        xpm_gpu_need *needs = xpm_arena_calloc(loader_->arena, count + 1, sizeof *needs);
        loader_->failed |= !needs;
        for (size_t i = 0; needs && i < count; i++) {
                const json_t *gpu = json_array_get(gpus, i);
                needs[i] = (xpm_gpu_need){get_gpu_kind(gpu), (uint64_t)get_int(gpu, "memory"), get_int(gpu, "count")};
        }
        spec->need = (xpm_need){
                .duration = get_int(resources, "duration"),
                .cores = get_int(resources, "cores"),
                .memory = (uint64_t)get_int(resources, "memory"),
                .nodes = get_int(resources, "nodes"),
                .ranks = get_int(resources, "ranks"),
                .per_node = get_int(resources, "per_node"),
                .gpus = needs,
                .gpu_count = needs ? count : 0,
        };
}

static void get_tokens(loader *loader_, xpm_jobspec *spec)
{
        json_t *object = json_object_get(loader_->run, "tokens"), *count;
        const char *name;
        xpm_count *tokens = xpm_arena_calloc(loader_->arena, json_object_size(object) + 1, sizeof *tokens);
        loader_->failed |= !tokens;
        spec->tokens = tokens;
        if (!tokens)
                return;
        json_object_foreach(object, name, count)
        {
                xpm_count *token = &tokens[spec->token_count++];
                *token = (xpm_count){xpm_arena_strdup(loader_->arena, name), json_integer_value(count)};
                loader_->failed |= !token->name;
        }
}

static void get_command(loader *loader_, xpm_jobspec *spec)
{
        size_t count;
        spec->argv = get_strings(loader_, "argv", &count);
        if (count == 0)
                spec->argv = NULL;
        spec->text = get(loader_, "text");
        spec->shell = get_strings(loader_, "shell", &count);
        spec->setup = get(loader_, "setup");
        spec->modules = get_strings(loader_, "modules", &spec->module_count);
        spec->cwd = get(loader_, "cwd");
        spec->required_env = get_strings(loader_, "required_env", &spec->required_env_count);
        spec->secrets = get_strings(loader_, "secrets", &spec->secret_count);
}

/* One of FILES is OUTPUT or stands in it. */
static bool holds_input(const char *output, const char *const *files, size_t count)
{
        size_t length = strlen(output);
        for (size_t i = 0; i < count; i++)
                if (strncmp(files[i], output, length) == 0 && (files[i][length] == '\0' || files[i][length] == '/'))
                        return true;
        return false;
}

/* Input files were made with the directory, and nobody makes them again for the next attempt. */
static void get_outputs(loader *loader_, xpm_jobspec *spec)
{
        size_t file_count, count = 0;
        const char *const *files = get_strings(loader_, "files", &file_count);
        const char *const *listed = get_strings(loader_, "outputs", &spec->output_count);
        const char **outputs = xpm_arena_calloc(loader_->arena, spec->output_count + 1, sizeof *outputs);
        loader_->failed |= !outputs;
        if (loader_->failed)
                return;
        for (int last = 0; last < 2; last++)
                for (size_t i = 0; i < spec->output_count; i++)
                        if (holds_input(listed[i], files, file_count) == (last == 1)) {
                                outputs[count++] = listed[i];
                                spec->input_output_count += (size_t)last;
                        }
        spec->outputs = outputs;
}

static void get_all(loader *loader_, xpm_jobspec *spec)
{
        spec->job_id = get_or_empty(loader_, "job_id");
        spec->task_id = get_or_empty(loader_, "task_id");
        const char *dot = strrchr(spec->task_id, '.');
        spec->script = dot ? dot + 1 : spec->task_id;
        spec->experiment_id = get_or_empty(loader_, "experiment_id");
        spec->experiment_dir = get_or_empty(loader_, "experiment_dir");
        spec->results = get_or_empty(loader_, "results");
        get_command(loader_, spec);
        get_env(loader_, spec);
        get_outputs(loader_, spec);
        spec->partials = get_strings(loader_, "partials", &spec->partial_count);
        spec->dependencies = get_strings(loader_, "dependencies", &spec->dependency_count);
        get_resources(loader_, spec);
        get_tokens(loader_, spec);
        spec->max_retries = -1;
        spec->resumable = json_is_true(json_object_get(loader_->run, "resumable"));
        spec->launcher = get(loader_, "launcher");
        spec->recipe = get_or_empty(loader_, "recipe");
        spec->command = get_or_empty(loader_, "command");
}

/* WORKSPACE of a directory WORKSPACE/jobs/TASK/JOB; FALLBACK when it has another place. */
static const char *workspace_of(xpm_arena *arena, const xpm_jobspec *spec, const char *fallback)
{
        char *tail = xpm_arena_printf(arena, "/jobs/%s/%s", spec->task_id, spec->job_id);
        if (!tail)
                return NULL;
        size_t length = strlen(spec->path), end = strlen(tail);
        if (length <= end || strcmp(spec->path + length - end, tail) != 0)
                return fallback;
        return xpm_arena_strndup(arena, spec->path, length - end);
}

static int load(xpm_arena *arena, const json_t *document, const char *job_dir, xpm_jobspec *out, xpm_error *err)
{
        loader loader_ = {.arena = arena, .run = json_object_get(document, "run")};
        if (!json_is_object(loader_.run))
                return xpm_fail(err, XPM_EFORMAT,
                                "'%s/params.json' does not say how the job is run: xpm did not write it", job_dir);
        xpm_jobspec spec = {.path = xpm_arena_strdup(arena, job_dir)};
        get_all(&loader_, &spec);
        const char *workspace = copy(&loader_, json_object_get(document, "workspace"));
        spec.workspace = spec.path && workspace ? workspace_of(arena, &spec, workspace) : NULL;
        if (loader_.failed || !spec.path || (workspace && !spec.workspace))
                return xpm_fail_memory(err);
        if (!*spec.job_id || !*spec.task_id || !spec.workspace || (!spec.argv && !spec.text) ||
            (!spec.argv && !spec.shell[0]))
                return xpm_fail(err, XPM_EFORMAT,
                                "'%s/params.json' is not whole: make it again with --run-mode generate", job_dir);
        *out = spec;
        return 0;
}

/* What stands in it is going to be run. */
static int check_owner(const char *path, xpm_error *err)
{
        struct stat st;
        if (stat(path, &st) == 0 && st.st_uid != geteuid())
                return xpm_fail(err, XPM_EFORMAT, "'%s' belongs to another user and is not run", path);
        return 0;
}

int xpm_runfile_load(xpm_arena *arena, const char *job_dir, xpm_jobspec *out, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        json_error_t error;
        char *path = xpm_path_join(job_dir, "params.json");
        int rc = path ? check_owner(path, err) : xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_file_read(AT_FDCWD, path, LIMIT, &text, err);
        if (rc == 0) {
                /* Parameters may hold a NUL; what is run cannot. */
                xpm_json_hide_nul(text.data, text.length);
                json_t *document = json_loadb(xpm_text_string(&text), text.length, 0, &error);
                rc = document ? load(arena, document, job_dir, out, err)
                              : xpm_fail(err, XPM_EFORMAT, "'%s': line %d: %s", path, error.line, error.text);
                json_decref(document);
        }
        xpm_text_release(&text);
        free(path);
        return rc;
}
