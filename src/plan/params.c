/* What a job's directory says of its parameters: the plain tree for people, and `objects` for programs, in the layout
 * that the reference implementation loads.
 *
 * Objects are written in one walk, each after all that it refers to, so that their numbers ascend and the job is the
 * last. Configs are shared between jobs and inside of one, so they are told apart by address. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/sha256.h"
#include "model/identifier.h"
#include "plan/names.h"

typedef struct writer {
        const char *workspace;
        const xpm_job *job;       /* whose objects they are */
        const xpm_config **slots; /* open addressing by address; a power of two of them */
        size_t *numbers;          /* of each slot */
        size_t slot_count, count;
        xpm_text *text;
        xpm_error *err;
} writer;

/* --- which objects were written --- */

static size_t find_slot(const writer *w, const xpm_config *config)
{
        size_t slot = xpm_hash_bytes(&config, sizeof config) & (w->slot_count - 1);
        while (w->slots[slot] && w->slots[slot] != config)
                slot = (slot + 1) & (w->slot_count - 1);
        return slot;
}

/* The number of CONFIG, 0 when it was not written. */
static size_t number_of(const writer *w, const xpm_config *config)
{
        return w->slot_count > 0 ? w->numbers[find_slot(w, config)] : 0;
}

static int grow(writer *w)
{
        writer old = *w;
        w->slot_count = old.slot_count ? 2 * old.slot_count : 16;
        w->slots = calloc(w->slot_count, sizeof *w->slots);
        w->numbers = calloc(w->slot_count, sizeof *w->numbers);
        bool failed = !w->slots || !w->numbers;
        for (size_t i = 0; i < old.slot_count && !failed; i++)
                if (old.slots[i]) {
                        size_t slot = find_slot(w, old.slots[i]);
                        w->slots[slot] = old.slots[i];
                        w->numbers[slot] = old.numbers[i];
                }
        free(failed ? (void *)w->slots : (void *)old.slots);
        free(failed ? w->numbers : old.numbers);
        if (!failed)
                return 0;
        *w = old;
        return xpm_fail_memory(w->err);
}

static int remember(writer *w, const xpm_config *config)
{
        if (2 * w->count >= w->slot_count && grow(w) != 0)
                return XPM_ENOMEM;
        size_t slot = find_slot(w, config);
        w->slots[slot] = config;
        w->numbers[slot] = ++w->count;
        return 0;
}

/* --- fields --- */

/* `nn.Train` is Train of module nn; what has no dot is of the main program. */
static const char *split(const char *name, size_t *module)
{
        const char *dot = strrchr(name, '.');
        *module = dot ? (size_t)(dot - name) : 0;
        return dot ? dot + 1 : name;
}

static void write_module(xpm_text *text, const char *name)
{
        size_t module;
        split(name, &module);
        xpm_json_key(text, "module");
        if (module > 0)
                xpm_json_string(text, name, module);
        else
                xpm_json_cstring(text, "__main__");
}

/* An absolute path, written so that a workspace can be moved. */
static void write_path(const writer *w, const char *path, size_t length)
{
        xpm_text own = XPM_TEXT_INIT;
        const char *base = NULL;
        size_t workspace = strlen(w->workspace);
        xpm_job_path(w->workspace, w->job, &own);
        size_t skip = 0;
        if (length > own.length && strncmp(path, xpm_text_string(&own), own.length) == 0 && path[own.length] == '/') {
                base = "job";
                skip = own.length + 1;
        } else if (length > workspace && strncmp(path, w->workspace, workspace) == 0 && path[workspace] == '/') {
                base = "workspace";
                skip = workspace + 1;
        }
        xpm_text_putc(w->text, '{');
        xpm_json_key(w->text, "type");
        xpm_json_cstring(w->text, "path");
        xpm_json_key(w->text, "value");
        xpm_json_string(w->text, path + skip, length - skip);
        if (base) {
                xpm_json_key(w->text, "base");
                xpm_json_cstring(w->text, base);
        }
        xpm_text_putc(w->text, '}');
        w->text->failed |= own.failed;
        xpm_text_release(&own);
}

static void write_enum(const writer *w, const xpm_enum_member *member)
{
        size_t module;
        xpm_text *text = w->text;
        xpm_text_putc(text, '{');
        xpm_json_key(text, "type");
        xpm_json_cstring(text, "enum");
        write_module(text, member->type->name);
        xpm_json_key(text, "enum");
        xpm_json_cstring(text, split(member->type->name, &module));
        xpm_json_key(text, "value");
        xpm_json_cstring(text, member->name);
        xpm_text_putc(text, '}');
}

static void write_value(const writer *w, const xpm_value *value);

static void write_array(const writer *w, const xpm_array *array)
{
        xpm_text_putc(w->text, '[');
        for (size_t i = 0; i < array->count; i++) {
                xpm_json_item(w->text);
                write_value(w, &array->items[i]);
        }
        xpm_text_putc(w->text, ']');
}

/* Keys are strings in JSON: what a key is as text. */
static void write_key(const writer *w, const xpm_value *key)
{
        xpm_json_item(w->text);
        if (key->kind == XPM_STR) {
                xpm_json_string(w->text, key->string->data, key->string->length);
        } else {
                size_t start = w->text->length;
                xpm_value_json(key, NULL, w->text);
                if (!w->text->failed && w->text->data[start] != '"') {
                        xpm_text_putc(w->text, '"');
                        memmove(w->text->data + start + 1, w->text->data + start, w->text->length - start - 1);
                        w->text->data[start] = '"';
                        xpm_text_putc(w->text, '"');
                }
        }
        xpm_text_puts(w->text, ": ");
}

static void write_dict(const writer *w, const xpm_dict *dict)
{
        xpm_text_putc(w->text, '{');
        for (size_t i = 0; i < dict->count; i++) {
                write_key(w, &dict->items[i].key);
                write_value(w, &dict->items[i].value);
        }
        xpm_text_putc(w->text, '}');
}

static void write_value(const writer *w, const xpm_value *value)
{
        switch (value->kind) {
        case XPM_PATH: write_path(w, value->string->data, value->string->length); break;
        case XPM_FILE: write_path(w, value->file->path->data, value->file->path->length); break;
        case XPM_ENUM: write_enum(w, value->member); break;
        case XPM_LIST: write_array(w, value->array); break;
        case XPM_SET:
                xpm_text_puts(w->text, "{\"type\": \"set\", \"items\": ");
                write_array(w, value->array);
                xpm_text_putc(w->text, '}');
                break;
        case XPM_DICT: write_dict(w, value->dict); break;
        case XPM_CONFIG:
                xpm_text_printf(w->text, "{\"type\": \"python\", \"value\": %zu}", number_of(w, value->config));
                break;
        default: xpm_value_json(value, w->workspace, w->text); break;
        }
}

static int write_generated(const writer *w, const xpm_job *owner, const xpm_config *config, const xpm_param *param)
{
        xpm_text path = XPM_TEXT_INIT;
        int rc = xpm_generated_path(w->workspace, owner, config, param, &path, w->err);
        if (rc == 0)
                write_path(w, xpm_text_string(&path), path.length);
        w->text->failed |= path.failed;
        xpm_text_release(&path);
        return rc;
}

/* --- objects --- */

static int write_object(writer *w, const xpm_job *owner, const xpm_config *config)
{
        uint8_t id[XPM_SHA256_SIZE];
        char digits[XPM_SHA256_HEX];
        size_t module;
        const xpm_config_type *type = config->type;
        xpm_text *text = w->text;
        memcpy(id, config->id, sizeof id);
        int rc = config->has_id ? 0 : xpm_identifier(config, id, w->err);
        if (rc == 0)
                rc = remember(w, config);
        if (rc != 0)
                return rc;
        xpm_hex(id, sizeof id, digits);
        xpm_json_item(text);
        xpm_text_printf(text, "{\"id\": %zu", w->count);
        write_module(text, type->name);
        xpm_json_key(text, "type");
        xpm_json_cstring(text, split(type->name, &module));
        xpm_json_key(text, "typename");
        xpm_json_cstring(text, type->name);
        xpm_json_key(text, "identifier");
        xpm_json_cstring(text, digits);
        if (config->job)
                xpm_text_printf(text, ", \"task\": %zu", w->count);
        xpm_json_key(text, "fields");
        xpm_text_putc(text, '{');
        for (size_t i = 0; i < type->param_count && rc == 0; i++) {
                const xpm_param *param = &type->params[i];
                xpm_json_key(text, param->name);
                if (param->generated)
                        rc = write_generated(w, owner, config, param);
                else
                        write_value(w, &config->values[i]);
        }
        xpm_text_puts(text, "}}");
        return rc;
}

static int collect(writer *w, const xpm_job *owner, const xpm_value *value);

static int collect_config(writer *w, const xpm_job *owner, const xpm_config *config)
{
        int rc = 0;
        if (number_of(w, config) != 0)
                return 0;
        if (config->job)
                owner = config->job;
        for (size_t i = 0; i < config->type->param_count && rc == 0; i++)
                rc = collect(w, owner, &config->values[i]);
        return rc == 0 ? write_object(w, owner, config) : rc;
}

/* Write the objects that VALUE refers to. */
static int collect(writer *w, const xpm_job *owner, const xpm_value *value)
{
        int rc = 0;
        switch (value->kind) {
        case XPM_CONFIG: return collect_config(w, owner, value->config);
        case XPM_LIST:
        case XPM_SET:
                for (size_t i = 0; i < value->array->count && rc == 0; i++)
                        rc = collect(w, owner, &value->array->items[i]);
                return rc;
        case XPM_DICT:
                for (size_t i = 0; i < value->dict->count && rc == 0; i++)
                        rc = collect(w, owner, &value->dict->items[i].value);
                return rc;
        default: return 0;
        }
}

int xpm_render_objects(const xpm_render_context *context, const xpm_job *job, xpm_text *text, xpm_error *err)
{
        writer w = {.workspace = context->workspace, .job = job, .text = text, .err = err};
        xpm_text_putc(text, '[');
        int rc = collect_config(&w, job, job->config);
        xpm_text_putc(text, ']');
        free(w.slots);
        free(w.numbers);
        return rc == 0 && text->failed ? xpm_fail_memory(err) : rc;
}

int xpm_render_params(const xpm_render_context *context, const xpm_job *job, xpm_text *text, xpm_error *err)
{
        return xpm_job_params_json(job->config, context->workspace, text) == 0 ? 0 : xpm_fail_memory(err);
}

int xpm_render_partials(const xpm_render_context *context, const xpm_job *job, xpm_text *text, xpm_error *err)
{
        const xpm_config_type *type = job->config->type;
        uint8_t id[XPM_SHA256_SIZE];
        char digits[XPM_SHA256_HEX];
        (void)context;
        xpm_text_putc(text, '{');
        for (size_t i = 0; i < type->partial_count; i++) {
                int rc = xpm_identifier_partial(job->config, &type->partials[i], id, err);
                if (rc != 0)
                        return rc;
                xpm_hex(id, sizeof id, digits);
                xpm_json_key(text, type->partials[i].name);
                xpm_json_cstring(text, digits);
        }
        xpm_text_putc(text, '}');
        return text->failed ? xpm_fail_memory(err) : 0;
}
