/* What the run file does when it is run by hand is what the worker does with the `run` object: both are made here from
 * one jobspec, and the worker loads the object, not the file. Secrets are in neither. */
#include "exec/runfile.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "exec/installed.h"
#include "exec/script.h"
#include "workspace/jobdir.h"

/* Templates, compiled once for the whole process: rendering happens for each of a million jobs. */
static struct compiled {
        struct compiled *next;
        xpm_arena *arena; /* that it lives in; never freed */
        char *name;
        xpm_mustache script;
} * cache;
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;

/* What several templates have in common stands beside them. */
static int find_partial(void *data, const char *name, const char **out, size_t *length, xpm_error *err)
{
        xpm_arena *arena = data;
        char *file = NULL, *path = xpm_path_join("templates", name);
        xpm_text text = XPM_TEXT_INIT;
        int rc = path ? xpm_read_data(path, &file, &text, err) : xpm_fail_memory(err);
        if (rc == 0 && !(*out = xpm_arena_strndup(arena, xpm_text_string(&text), text.length)))
                rc = xpm_fail_memory(err);
        *length = text.length;
        xpm_text_release(&text);
        free(file);
        free(path);
        return rc;
}

static int compile(const char *name, struct compiled **out, xpm_error *err)
{
        char *file = NULL, *path = xpm_path_join("templates", name);
        xpm_text text = XPM_TEXT_INIT;
        xpm_arena *arena = xpm_arena_create();
        struct compiled *compiled = arena ? xpm_arena_alloc(arena, sizeof *compiled) : NULL;
        const xpm_mustache_partials partials = {arena, find_partial};
        int rc = path && compiled ? xpm_read_data(path, &file, &text, err) : xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_script_compile(arena, file, xpm_text_string(&text), text.length, &partials, &compiled->script,
                                        err);
        if (rc == 0 && !(compiled->name = xpm_arena_strdup(arena, name)))
                rc = xpm_fail_memory(err);
        if (rc == 0) {
                compiled->arena = arena;
                compiled->next = cache;
                *out = cache = compiled;
        } else
                xpm_arena_destroy(arena);
        xpm_text_release(&text);
        free(file);
        free(path);
        return rc;
}

static int find_template(const char *name, const xpm_mustache **out, xpm_error *err)
{
        int rc = 0;
        pthread_mutex_lock(&cache_lock);
        struct compiled *compiled = cache;
        while (compiled && strcmp(compiled->name, name) != 0)
                compiled = compiled->next;
        if (!compiled)
                rc = compile(name, &compiled, err);
        if (rc == 0)
                *out = &compiled->script;
        pthread_mutex_unlock(&cache_lock);
        return rc;
}

int xpm_runfile_script(const xpm_jobspec *spec, const char *template_name, const char *executable, xpm_text *text,
                       xpm_error *err)
{
        const xpm_mustache *script;
        int rc = find_template(template_name, &script, err);
        return rc == 0 ? xpm_script_render(script, spec, executable, text, err) : rc;
}

static void put_string(xpm_text *text, const char *key, const char *value)
{
        xpm_json_key(text, key);
        xpm_json_cstring(text, value);
}

static void put_int(xpm_text *text, const char *key, int64_t value)
{
        xpm_json_key(text, key);
        xpm_json_int(text, value);
}

static void put_strings(xpm_text *text, const char *key, const char *const *items, size_t count)
{
        xpm_json_key(text, key);
        xpm_text_putc(text, '[');
        for (size_t i = 0; items && i < count && items[i]; i++) {
                xpm_json_item(text);
                xpm_json_cstring(text, items[i]);
        }
        xpm_text_putc(text, ']');
}

static bool is_secret(const xpm_jobspec *spec, const char *name)
{
        for (size_t i = 0; i < spec->secret_count; i++)
                if (strcmp(spec->secrets[i], name) == 0)
                        return true;
        return false;
}

static void put_env(xpm_text *text, const xpm_jobspec *spec)
{
        xpm_json_key(text, "env");
        xpm_text_putc(text, '[');
        for (size_t i = 0; i < spec->env_count; i++) {
                if (is_secret(spec, spec->env[i].name))
                        continue;
                xpm_json_item(text);
                xpm_text_putc(text, '[');
                xpm_json_cstring(text, spec->env[i].name);
                xpm_text_puts(text, ", ");
                xpm_json_cstring(text, spec->env[i].value);
                xpm_text_putc(text, ']');
        }
        xpm_text_putc(text, ']');
}

static void put_command(xpm_text *text, const xpm_jobspec *spec)
{
        if (spec->argv)
                put_strings(text, "argv", spec->argv, SIZE_MAX);
        else
                put_string(text, "text", spec->text);
        put_strings(text, "shell", spec->shell, SIZE_MAX);
        put_string(text, "setup", spec->setup);
        put_strings(text, "modules", spec->modules, spec->module_count);
        put_string(text, "cwd", spec->cwd);
        put_env(text, spec);
        put_strings(text, "required_env", spec->required_env, spec->required_env_count);
        put_strings(text, "secrets", spec->secrets, spec->secret_count);
}

static void put_files(xpm_text *text, const xpm_jobspec *spec)
{
        xpm_json_key(text, "files");
        xpm_text_putc(text, '[');
        for (size_t i = 0; i < spec->file_count; i++) {
                xpm_json_item(text);
                xpm_json_cstring(text, spec->files[i].name);
        }
        for (size_t i = 0; i < spec->paths_file_count; i++) {
                xpm_json_item(text);
                xpm_json_cstring(text, spec->paths_files[i].name);
        }
        xpm_text_putc(text, ']');
        put_strings(text, "outputs", spec->outputs, spec->output_count);
        put_strings(text, "partials", spec->partials, spec->partial_count);
        put_strings(text, "dependencies", spec->dependencies, spec->dependency_count);
}

static void put_gpus(xpm_text *text, const xpm_need *need)
{
        static const char *const kinds[] = {[XPM_GPU_ANY] = "gpu", [XPM_GPU_CUDA] = "cuda", [XPM_GPU_ROCM] = "rocm"};
        xpm_json_key(text, "gpus");
        xpm_text_putc(text, '[');
        for (size_t i = 0; i < need->gpu_count; i++) {
                xpm_json_item(text);
                xpm_text_putc(text, '{');
                put_string(text, "kind", kinds[need->gpus[i].kind]);
                put_int(text, "memory", (int64_t)need->gpus[i].memory);
                put_int(text, "count", need->gpus[i].count);
                xpm_text_putc(text, '}');
        }
        xpm_text_putc(text, ']');
}

static void put_resources(xpm_text *text, const xpm_jobspec *spec)
{
        const xpm_need *need = &spec->need;
        xpm_json_key(text, "resources");
        xpm_text_putc(text, '{');
        put_int(text, "cores", need->cores);
        put_int(text, "memory", (int64_t)need->memory);
        put_int(text, "duration", need->duration);
        put_int(text, "nodes", need->nodes);
        put_int(text, "ranks", need->ranks);
        put_int(text, "per_node", need->per_node);
        put_gpus(text, need);
        xpm_text_putc(text, '}');
        xpm_json_key(text, "tokens");
        xpm_text_putc(text, '{');
        for (size_t i = 0; i < spec->token_count; i++)
                put_int(text, spec->tokens[i].name, spec->tokens[i].count);
        xpm_text_putc(text, '}');
}

static void put_retry(xpm_text *text, const xpm_retry *retry)
{
        const struct {
                bool on;
                const char *word;
        } reasons[] = {{retry->on_timeout, "timeout"},
                       {retry->on_memory, "memory"},
                       {retry->on_lost, "lost"},
                       {retry->on_failed, "failed"}};
        xpm_json_key(text, "retry");
        xpm_text_putc(text, '{');
        xpm_json_key(text, "on");
        xpm_text_putc(text, '[');
        for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
                if (reasons[i].on) {
                        xpm_json_item(text);
                        xpm_json_cstring(text, reasons[i].word);
                }
        xpm_text_putc(text, ']');
        if (retry->times >= 0)
                put_int(text, "times", retry->times);
        xpm_json_key(text, "scale");
        xpm_text_putc(text, '{');
        xpm_json_key(text, "mem");
        xpm_json_float(text, retry->scale_memory);
        xpm_json_key(text, "duration");
        xpm_json_float(text, retry->scale_duration);
        xpm_text_puts(text, "}}");
}

static void put_run(xpm_text *text, const xpm_jobspec *spec)
{
        static const char *const transients[] = {
                [XPM_TRANSIENT_NO] = "no", [XPM_TRANSIENT_YES] = "yes", [XPM_TRANSIENT_REMOVE] = "remove"};
        xpm_text_putc(text, '{');
        put_string(text, "job_id", spec->job_id);
        put_string(text, "task_id", spec->task_id);
        put_string(text, "experiment_id", spec->experiment_id);
        put_string(text, "experiment_dir", spec->experiment_dir);
        put_string(text, "results", spec->results);
        put_command(text, spec);
        put_files(text, spec);
        put_resources(text, spec);
        put_retry(text, &spec->retry);
        if (spec->max_retries >= 0)
                put_int(text, "max_retries", spec->max_retries);
        xpm_json_key(text, "resumable");
        xpm_json_bool(text, spec->resumable);
        put_string(text, "transient", transients[spec->transient]);
        put_string(text, "launcher", spec->launcher);
        put_string(text, "recipe", spec->recipe);
        put_string(text, "command", spec->command);
        xpm_text_putc(text, '}');
}

int xpm_runfile_params(const xpm_jobspec *spec, const char *objects, const char *params, xpm_text *text, xpm_error *err)
{
        xpm_text_putc(text, '{');
        put_string(text, "workspace", spec->workspace);
        put_int(text, "version", 3);
        put_string(text, "experimaestro", XPM_VERSION);
        xpm_json_key(text, "objects");
        xpm_text_puts(text, objects);
        xpm_json_key(text, "params");
        xpm_text_puts(text, params);
        xpm_json_key(text, "run");
        put_run(text, spec);
        xpm_text_puts(text, "}\n");
        return text->failed ? xpm_fail_memory(err) : 0;
}

static int write_all(const xpm_jobdir *job, const xpm_jobspec *spec, const char *script, size_t script_length,
                     const char *params, size_t params_length, xpm_error *err)
{
        xpm_jobdir_name name;
        xpm_jobdir_file(job, "sh", name);
        int rc = xpm_jobdir_content(job, "params.json", params, params_length, err);
        if (rc == 0)
                rc = xpm_jobdir_content(job, name, script, script_length, err);
        for (size_t i = 0; rc == 0 && i < spec->file_count; i++)
                rc = xpm_jobdir_content(job, spec->files[i].name, spec->files[i].content, spec->files[i].length, err);
        for (size_t i = 0; rc == 0 && i < spec->paths_file_count; i++)
                rc = xpm_jobdir_content(job, spec->paths_files[i].name, spec->paths_files[i].content,
                                        spec->paths_files[i].length, err);
        return rc;
}

int xpm_runfile_write(const xpm_jobspec *spec, const char *script, size_t script_length, const char *params,
                      size_t params_length, mode_t directory_mode, mode_t file_mode, xpm_error *err)
{
        xpm_jobdir job = XPM_JOBDIR_INIT;
        job.path = spec->path;
        job.script = spec->script;
        job.directory_mode = directory_mode;
        job.file_mode = file_mode;
        int rc = xpm_jobdir_open(&job, true, err);
        for (size_t i = 0; rc == 0 && i < spec->partial_count; i++)
                rc = xpm_mkdir_p(AT_FDCWD, spec->partials[i], directory_mode, err);
        /* Nobody's files are changed while he runs. */
        if (rc == 0 && !job.fresh)
                rc = xpm_jobdir_lock(&job, err);
        if (rc == 0)
                rc = write_all(&job, spec, script, script_length, params, params_length, err);
        xpm_jobdir_release(&job);
        return rc;
}
