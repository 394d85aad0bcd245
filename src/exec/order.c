/* Encoding and decoding stand side by side, field by field, so that they are seen to agree. Only what a worker uses is
 * sent: retries and requirements but for the need are the engine's. */
#include "exec/order.h"

#include <string.h>

static void put_list(xpm_text *text, const char *const *items, size_t count)
{
        xpm_frame_put_u32(text, (uint32_t)count);
        for (size_t i = 0; i < count; i++)
                xpm_frame_put_string(text, items[i]);
}

static size_t list_length(const char *const *items)
{
        size_t count = 0;
        while (items && items[count])
                count++;
        return count;
}

/* COUNT things of SIZE bytes that take at least FEWEST bytes in the frame each, so that a false count asks for no
 * memory. */
static void *get_array(xpm_frame_reader *reader, xpm_arena *arena, size_t *count, size_t size, size_t fewest)
{
        *count = xpm_frame_u32(reader);
        if (*count > (size_t)(reader->end - reader->at) / fewest) {
                reader->bad = true;
                *count = 0;
        }
        void *array = xpm_arena_calloc(arena, *count + 1, size);
        if (!array) {
                reader->bad = true;
                *count = 0;
        }
        return array;
}

static const char *const *get_list(xpm_frame_reader *reader, xpm_arena *arena, size_t *count)
{
        const char **items = get_array(reader, arena, count, sizeof *items, 4);
        for (size_t i = 0; i < *count; i++)
                if (!(items[i] = xpm_frame_string(reader)))
                        reader->bad = true;
        return items;
}

static void put_names(xpm_text *text, const xpm_jobspec *spec)
{
        const char *const names[] = {spec->job_id,    spec->task_id,       spec->script,         spec->path,
                                     spec->workspace, spec->experiment_id, spec->experiment_dir, spec->results,
                                     spec->recipe,    spec->command};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                xpm_frame_put_string(text, names[i] ? names[i] : "");
}

static void get_names(xpm_frame_reader *reader, xpm_jobspec *spec)
{
        const char **const names[] = {&spec->job_id,    &spec->task_id,       &spec->script,         &spec->path,
                                      &spec->workspace, &spec->experiment_id, &spec->experiment_dir, &spec->results,
                                      &spec->recipe,    &spec->command};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (!(*names[i] = xpm_frame_string(reader)))
                        reader->bad = true;
}

static void put_command(xpm_text *text, const xpm_jobspec *spec)
{
        xpm_frame_put_u8(text, spec->argv != NULL);
        put_list(text, spec->argv, list_length(spec->argv));
        xpm_frame_put_string(text, spec->text);
        put_list(text, spec->shell, list_length(spec->shell));
        xpm_frame_put_string(text, spec->setup);
        put_list(text, spec->modules, spec->module_count);
        xpm_frame_put_string(text, spec->cwd);
}

static void get_command(xpm_frame_reader *reader, xpm_arena *arena, xpm_jobspec *spec)
{
        size_t count;
        bool list = xpm_frame_u8(reader);
        spec->argv = get_list(reader, arena, &count);
        if (list && count == 0)
                reader->bad = true;
        if (!list)
                spec->argv = NULL;
        spec->text = xpm_frame_string(reader);
        spec->shell = get_list(reader, arena, &count);
        spec->setup = xpm_frame_string(reader);
        spec->modules = get_list(reader, arena, &spec->module_count);
        spec->cwd = xpm_frame_string(reader);
}

static void put_env(xpm_text *text, const xpm_jobspec *spec)
{
        xpm_frame_put_u32(text, (uint32_t)spec->env_count);
        for (size_t i = 0; i < spec->env_count; i++) {
                xpm_frame_put_string(text, spec->env[i].name);
                xpm_frame_put_string(text, spec->env[i].value);
        }
}

static void get_env(xpm_frame_reader *reader, xpm_arena *arena, xpm_jobspec *spec)
{
        xpm_binding *env = get_array(reader, arena, &spec->env_count, sizeof *env, 8);
        for (size_t i = 0; i < spec->env_count; i++) {
                env[i].name = xpm_frame_string(reader);
                env[i].value = xpm_frame_string(reader);
                if (!env[i].name || !env[i].value)
                        reader->bad = true;
        }
        spec->env = env;
}

static void put_files(xpm_text *text, const xpm_jobspec *spec)
{
        xpm_frame_put_u32(text, (uint32_t)(spec->file_count + spec->paths_file_count));
        for (size_t i = 0; i < spec->file_count; i++) {
                xpm_frame_put_string(text, spec->files[i].name);
                xpm_frame_put_bytes(text, spec->files[i].content, spec->files[i].length);
        }
        for (size_t i = 0; i < spec->paths_file_count; i++) {
                xpm_frame_put_string(text, spec->paths_files[i].name);
                xpm_frame_put_bytes(text, spec->paths_files[i].content, spec->paths_files[i].length);
        }
}

/* Input files and path files are written alike: on arrival they are one list. */
static void get_files(xpm_frame_reader *reader, xpm_arena *arena, xpm_jobspec *spec)
{
        xpm_input_file *files = get_array(reader, arena, &spec->file_count, sizeof *files, 8);
        for (size_t i = 0; i < spec->file_count; i++) {
                files[i].name = xpm_frame_string(reader);
                files[i].content = xpm_frame_bytes(reader, &files[i].length);
                if (!files[i].name)
                        reader->bad = true;
        }
        spec->files = files;
}

static void put_need(xpm_text *text, const xpm_jobspec *spec)
{
        xpm_frame_put_u64(text, (uint64_t)spec->need.cores);
        xpm_frame_put_u64(text, spec->need.memory);
        xpm_frame_put_u64(text, (uint64_t)spec->need.ranks);
        xpm_frame_put_u64(text, (uint64_t)spec->need.duration);
        xpm_frame_put_u8(text, spec->need.implied);
        xpm_frame_put_u8(text, spec->resumable);
        xpm_frame_put_u32(text, (uint32_t)spec->need.gpu_count);
        for (size_t i = 0; i < spec->need.gpu_count; i++) {
                xpm_frame_put_u8(text, (uint8_t)spec->need.gpus[i].kind);
                xpm_frame_put_u64(text, spec->need.gpus[i].memory);
                xpm_frame_put_u64(text, (uint64_t)spec->need.gpus[i].count);
        }
}

static void get_need(xpm_frame_reader *reader, xpm_arena *arena, xpm_jobspec *spec)
{
        spec->need.cores = (int64_t)xpm_frame_u64(reader);
        spec->need.memory = xpm_frame_u64(reader);
        spec->need.ranks = (int64_t)xpm_frame_u64(reader);
        spec->need.duration = (int64_t)xpm_frame_u64(reader);
        spec->need.implied = xpm_frame_u8(reader);
        spec->resumable = xpm_frame_u8(reader);
        xpm_gpu_need *gpus = get_array(reader, arena, &spec->need.gpu_count, sizeof *gpus, 17);
        for (size_t i = 0; i < spec->need.gpu_count; i++) {
                gpus[i].kind = (enum xpm_gpu_kind)xpm_frame_u8(reader);
                gpus[i].memory = xpm_frame_u64(reader);
                gpus[i].count = (int64_t)xpm_frame_u64(reader);
        }
        spec->need.gpus = gpus;
}

static void put_tokens(xpm_text *text, const xpm_jobspec *spec)
{
        xpm_frame_put_u32(text, (uint32_t)spec->token_count);
        for (size_t i = 0; i < spec->token_count; i++) {
                xpm_frame_put_string(text, spec->tokens[i].name);
                xpm_frame_put_u64(text, (uint64_t)spec->tokens[i].count);
        }
}

static void get_tokens(xpm_frame_reader *reader, xpm_arena *arena, xpm_jobspec *spec)
{
        xpm_count *tokens = get_array(reader, arena, &spec->token_count, sizeof *tokens, 12);
        for (size_t i = 0; i < spec->token_count; i++) {
                tokens[i].name = xpm_frame_string(reader);
                tokens[i].count = (int64_t)xpm_frame_u64(reader);
                if (!tokens[i].name)
                        reader->bad = true;
        }
        spec->tokens = tokens;
}

void xpm_order_put(xpm_text *text, const xpm_launch *launch, int64_t submitted)
{
        const xpm_jobspec *spec = launch->spec;
        size_t begin = xpm_frame_begin(text, XPM_FRAME_JOB);
        xpm_frame_put_u64(text, launch->tag);
        xpm_frame_put_u32(text, launch->attempt);
        xpm_frame_put_u8(text, launch->again);
        xpm_frame_put_u64(text, (uint64_t)submitted);
        put_names(text, spec);
        put_command(text, spec);
        put_env(text, spec);
        put_list(text, spec->secrets, spec->secret_count);
        put_files(text, spec);
        put_list(text, spec->outputs, spec->output_count);
        put_list(text, spec->partials, spec->partial_count);
        put_need(text, spec);
        put_tokens(text, spec);
        xpm_frame_put_bytes(text, launch->params, launch->params_length);
        xpm_frame_put_bytes(text, launch->script, launch->script_length);
        xpm_frame_end(text, begin);
}

static bool read_order(xpm_frame_reader *reader, xpm_order *order)
{
        xpm_jobspec *spec = &order->spec;
        order->tag = xpm_frame_u64(reader);
        order->attempt = xpm_frame_u32(reader);
        order->again = xpm_frame_u8(reader);
        order->submitted = (int64_t)xpm_frame_u64(reader);
        get_names(reader, spec);
        get_command(reader, order->arena, spec);
        get_env(reader, order->arena, spec);
        spec->secrets = get_list(reader, order->arena, &spec->secret_count);
        get_files(reader, order->arena, spec);
        spec->outputs = get_list(reader, order->arena, &spec->output_count);
        spec->partials = get_list(reader, order->arena, &spec->partial_count);
        get_need(reader, order->arena, spec);
        get_tokens(reader, order->arena, spec);
        order->params = xpm_frame_bytes(reader, &order->params_length);
        order->script = xpm_frame_bytes(reader, &order->script_length);
        return !reader->bad && (spec->argv || spec->text);
}

int xpm_order_take(const xpm_frame *frame, xpm_order **out, xpm_error *err)
{
        xpm_order *order = xpm_order_create();
        char *body = order ? xpm_arena_memdup(order->arena, frame->body, frame->length) : NULL;
        if (!body) {
                xpm_order_destroy(order);
                return xpm_fail_memory(err);
        }
        xpm_frame_reader reader = {body, body + frame->length, false};
        if (!read_order(&reader, order)) {
                xpm_order_destroy(order);
                return xpm_fail(err, XPM_EFORMAT, "a job from the engine cannot be read");
        }
        *out = order;
        return 0;
}

xpm_order *xpm_order_create(void)
{
        xpm_arena *arena = xpm_arena_create();
        xpm_order *order = arena ? xpm_arena_alloc(arena, sizeof *order) : NULL;
        if (!order) {
                xpm_arena_destroy(arena);
                return NULL;
        }
        order->arena = arena;
        return order;
}

void xpm_order_destroy(xpm_order *order)
{
        if (order)
                xpm_arena_destroy(order->arena);
}

bool xpm_order_is_direct(const xpm_jobspec *spec)
{
        return spec->argv && !spec->setup && spec->module_count == 0 && spec->need.ranks == 0;
}
