/* The bytes of docs/reference/identifier.md, and their SHA-256.
 *
 * Each config on the way down has a buffer of its own on the stack, since what its parent hashes is its digest; nothing
 * is allocated for a job unless it has more than a few hundred bytes of parameters, a set, or a dict out of order.
 *
 * Invariants:
 * - A `scope` is one computation: one path of configs and one table of instances. A job that is met inside another has
 *   been through its own, so its digest is taken as it is. The elements of a set are ordered, and configs among them
 *   named, in scopes of their own: an order that depended on what was met before would not be one.
 * - A digest is kept in a config only when it says the same wherever the config stands: not when it refers to a config
 *   above it, nor when an instance can be inside. */
#include "model/identifier.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

enum tag {
        TAG_CONFIG = 0x00,
        TAG_INT = 0x01,
        TAG_FLOAT = 0x02,
        TAG_STR = 0x03,
        TAG_NAME = 0x05,
        TAG_NULL = 0x06,
        TAG_LIST = 0x07,
        TAG_DICT = 0x09,
        TAG_ENUM = 0x0a,
        TAG_CYCLE = 0x0b,
        TAG_INSTANCE = 0x0d,
        TAG_SET = 0x0e,
};

enum { SMALL = 512, DEEPEST = 2000, ID = XPM_SHA256_SIZE };

struct buffer {
        uint8_t *data;
        size_t length, capacity;
        bool failed;
        uint8_t small[SMALL];
};

struct instance {
        uint8_t id[ID];
        const xpm_config *config;
};

struct scope {
        struct instance *instances;
        size_t count, capacity;
        bool lenient; /* only an order is wanted: paths count as text */
};

struct trace { /* who is told of what is hashed */
        xpm_identifier_visitor visit;
        void *data;
};

struct frame { /* a config whose identifier is being computed */
        const xpm_config *config;
        struct frame *up;
        int depth;
        bool looped;               /* something in it refers to it or to a config above it */
        const char *param;         /* being encoded, for messages */
        const struct trace *trace; /* of the outermost config, or NULL */
};

static void buffer_init(struct buffer *buffer)
{
        buffer->data = buffer->small;
        buffer->length = 0;
        buffer->capacity = SMALL;
        buffer->failed = false;
}

static void buffer_release(struct buffer *buffer)
{
        if (buffer->data != buffer->small)
                free(buffer->data);
}

static void grow(struct buffer *buffer, size_t length)
{
        size_t capacity = buffer->capacity;
        while (capacity < length)
                capacity *= 2;
        uint8_t *data = realloc(buffer->data == buffer->small ? NULL : buffer->data, capacity);
        if (!data) {
                buffer->failed = true;
                return;
        }
        if (buffer->data == buffer->small)
                memcpy(data, buffer->small, buffer->length);
        buffer->data = data;
        buffer->capacity = capacity;
}

static void put(struct buffer *buffer, const void *data, size_t length)
{
        if (buffer->length + length > buffer->capacity)
                grow(buffer, buffer->length + length);
        if (buffer->failed)
                return;
        memcpy(buffer->data + buffer->length, data, length);
        buffer->length += length;
}

static void put_tag(struct buffer *buffer, enum tag tag)
{
        uint8_t byte = (uint8_t)tag;
        put(buffer, &byte, 1);
}

static void put_string(struct buffer *buffer, const char *string)
{
        put(buffer, string, strlen(string));
}

static void put_bits(struct buffer *buffer, uint64_t bits)
{
        uint8_t bytes[8];
        for (int i = 0; i < 8; i++)
                bytes[i] = (uint8_t)(bits >> (56 - 8 * i));
        put(buffer, bytes, sizeof bytes);
}

static void put_double(struct buffer *buffer, double number)
{
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        put_bits(buffer, bits);
}

static void put_count(struct buffer *buffer, enum tag tag, size_t count)
{
        put_tag(buffer, tag);
        put_double(buffer, (double)count);
}

static int fail(const struct frame *frame, xpm_error *err, const char *what)
{
        if (!frame)
                return xpm_fail(err, XPM_EPLAN, "%s", what);
        return xpm_fail(err, XPM_EPLAN, "parameter '%s' of '%s': %s", frame->param ? frame->param : "",
                        frame->config->type->name, what);
}

static int encode(struct scope *scope, struct frame *frame, const xpm_value *value, struct buffer *buffer,
                  xpm_error *err);
static int compute(struct scope *scope, struct frame *up, const xpm_config *config, const xpm_partial *partial,
                   const struct trace *trace, bool *looped, uint8_t id[ID], xpm_error *err);

/* Nested configs. */

/* 0 when CONFIG is not on the path. */
static int64_t distance_up(struct frame *frame, const xpm_config *config)
{
        int64_t distance = 1;
        for (struct frame *at = frame; at; at = at->up, distance++)
                if (at->config == config) {
                        for (struct frame *in = frame; in != at->up; in = in->up)
                                in->looped = true;
                        return distance;
                }
        return 0;
}

static int nested_id(struct scope *scope, struct frame *frame, xpm_config *config, bool apart, uint8_t id[ID],
                     xpm_error *err)
{
        if (config->has_id) {
                memcpy(id, config->id, ID);
                return 0;
        }
        bool looped = false;
        struct scope own = {.lenient = scope->lenient};
        bool alone = apart || config->job;
        int rc = compute(alone ? &own : scope, frame, config, NULL, NULL, &looped, id, err);
        free(own.instances);
        if (rc == 0 && !looped && (config->job || !config->type->reaches_instance) && !scope->lenient) {
                memcpy(config->id, id, ID);
                config->has_id = true;
        }
        return rc;
}

/* How many other objects with this identifier were met before CONFIG was. */
static int instance_number(struct scope *scope, const xpm_config *config, const uint8_t id[ID], int64_t *number,
                           xpm_error *err)
{
        *number = 0;
        for (size_t i = 0; i < scope->count; i++)
                if (memcmp(scope->instances[i].id, id, ID) == 0) {
                        if (scope->instances[i].config == config)
                                return 0;
                        ++*number;
                }
        if (scope->count == scope->capacity) {
                size_t capacity = scope->capacity ? 2 * scope->capacity : 8;
                struct instance *instances = realloc(scope->instances, capacity * sizeof *instances);
                if (!instances)
                        return xpm_fail_memory(err);
                scope->instances = instances;
                scope->capacity = capacity;
        }
        struct instance *instance = &scope->instances[scope->count++];
        memcpy(instance->id, id, ID);
        instance->config = config;
        return 0;
}

static int encode_config(struct scope *scope, struct frame *frame, xpm_config *config, bool apart,
                         struct buffer *buffer, xpm_error *err)
{
        put_tag(buffer, TAG_CONFIG);
        int64_t number = distance_up(frame, config);
        if (number > 0) {
                put_tag(buffer, TAG_CYCLE);
                put_bits(buffer, (uint64_t)number);
                return 0;
        }
        uint8_t id[ID];
        int rc = nested_id(scope, frame, config, apart, id, err);
        if (rc != 0)
                return rc;
        put(buffer, id, ID);
        if (!config->type->instance)
                return 0;
        rc = instance_number(scope, config, id, &number, err);
        if (rc == 0 && number > 0) {
                put_tag(buffer, TAG_INSTANCE);
                put_bits(buffer, (uint64_t)number);
        }
        return rc;
}

/* Sets: by the digest of each element alone, equal digests once. */

struct element {
        uint8_t digest[ID];
        size_t index;
};

static int compare_elements(const void *a, const void *b)
{
        const struct element *x = a, *y = b;
        int order = memcmp(x->digest, y->digest, ID);
        return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int digest_element(bool lenient, struct frame *frame, const xpm_value *value, uint8_t digest[ID], xpm_error *err)
{
        struct scope scope = {.lenient = lenient};
        struct buffer buffer;
        buffer_init(&buffer);
        int rc = encode(&scope, frame, value, &buffer, err);
        if (rc == 0 && buffer.failed)
                rc = xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_sha256(buffer.data, buffer.length, digest, err);
        buffer_release(&buffer);
        free(scope.instances);
        return rc;
}

/* *OUT is malloc'ed, *COUNT elements of it are different. */
static int sort_set(bool lenient, struct frame *frame, const xpm_array *array, struct element **out, size_t *count,
                    xpm_error *err)
{
        struct element *elements = calloc(array->count + 1, sizeof *elements);
        if (!elements)
                return xpm_fail_memory(err);
        int rc = 0;
        for (size_t i = 0; i < array->count && rc == 0; i++) {
                elements[i].index = i;
                rc = digest_element(lenient, frame, &array->items[i], elements[i].digest, err);
        }
        if (rc != 0) {
                free(elements);
                return rc;
        }
        qsort(elements, array->count, sizeof *elements, compare_elements);
        size_t kept = 0;
        for (size_t i = 0; i < array->count; i++)
                if (kept == 0 || memcmp(elements[kept - 1].digest, elements[i].digest, ID) != 0)
                        elements[kept++] = elements[i];
        *out = elements;
        *count = kept;
        return 0;
}

static int encode_set(struct scope *scope, struct frame *frame, const xpm_array *array, struct buffer *buffer,
                      xpm_error *err)
{
        struct element *elements;
        size_t count;
        int rc = sort_set(scope->lenient, frame, array, &elements, &count, err);
        if (rc != 0)
                return rc;
        put_count(buffer, TAG_SET, count);
        for (size_t i = 0; i < count && rc == 0; i++) {
                const xpm_value *value = &array->items[elements[i].index];
                rc = value->kind == XPM_CONFIG ? encode_config(scope, frame, value->config, true, buffer, err)
                                               : encode(scope, frame, value, buffer, err);
        }
        free(elements);
        return rc;
}

int xpm_set_order(const xpm_array *set, size_t *order, size_t *count, xpm_error *err)
{
        struct element *elements;
        int rc = sort_set(true, NULL, set, &elements, count, err);
        if (rc != 0)
                return rc;
        for (size_t i = 0; i < *count; i++)
                order[i] = elements[i].index;
        free(elements);
        return 0;
}

/* Dicts: by key. */

static int compare_keys(const xpm_value *a, const xpm_value *b)
{
        switch (a->kind) {
        case XPM_BOOL: return a->boolean - b->boolean;
        case XPM_INT: return (a->integer > b->integer) - (a->integer < b->integer);
        case XPM_FLOAT: return (a->number > b->number) - (a->number < b->number);
        default: break;
        }
        const xpm_string *x = a->string, *y = b->string;
        int order = memcmp(x->data, y->data, x->length < y->length ? x->length : y->length);
        return order ? order : (x->length > y->length) - (x->length < y->length);
}

static int compare_items(const void *a, const void *b)
{
        const struct xpm_item *const *x = a, *const *y = b;
        return compare_keys(&(*x)->key, &(*y)->key);
}

static bool is_sorted(const xpm_dict *dict)
{
        for (size_t i = 1; i < dict->count; i++)
                if (compare_keys(&dict->items[i - 1].key, &dict->items[i].key) > 0)
                        return false;
        return true;
}

static int encode_dict(struct scope *scope, struct frame *frame, const xpm_dict *dict, struct buffer *buffer,
                       xpm_error *err)
{
        const struct xpm_item **sorted = NULL;
        int rc = 0;
        put_tag(buffer, TAG_DICT);
        if (!is_sorted(dict)) {
                sorted = malloc(dict->count * sizeof *sorted);
                if (!sorted)
                        return xpm_fail_memory(err);
                for (size_t i = 0; i < dict->count; i++)
                        sorted[i] = &dict->items[i];
                qsort(sorted, dict->count, sizeof *sorted, compare_items);
        }
        for (size_t i = 0; i < dict->count && rc == 0; i++) {
                const struct xpm_item *item = sorted ? sorted[i] : &dict->items[i];
                rc = encode(scope, frame, &item->key, buffer, err);
                if (rc == 0)
                        rc = encode(scope, frame, &item->value, buffer, err);
        }
        free(sorted);
        return rc;
}

static int encode_list(struct scope *scope, struct frame *frame, const xpm_array *array, struct buffer *buffer,
                       xpm_error *err)
{
        int rc = 0;
        put_count(buffer, TAG_LIST, array->count);
        for (size_t i = 0; i < array->count && rc == 0; i++)
                rc = encode(scope, frame, &array->items[i], buffer, err);
        return rc;
}

static int encode_file(const struct scope *scope, struct frame *frame, const xpm_file *file, struct buffer *buffer,
                       xpm_error *err)
{
        if (!*file->hash && !scope->lenient)
                return fail(frame, err, "the file that is its default cannot be read");
        put_tag(buffer, TAG_STR);
        put_string(buffer, *file->hash ? file->hash : file->path->data);
        return 0;
}

static int encode(struct scope *scope, struct frame *frame, const xpm_value *value, struct buffer *buffer,
                  xpm_error *err)
{
        switch (value->kind) {
        case XPM_NULL: put_tag(buffer, TAG_NULL); return 0;
        case XPM_BOOL:
                put_tag(buffer, TAG_INT);
                put_bits(buffer, value->boolean);
                return 0;
        case XPM_INT:
                put_tag(buffer, TAG_INT);
                put_bits(buffer, (uint64_t)value->integer);
                return 0;
        case XPM_FLOAT:
                if (value->number != value->number)
                        return fail(frame, err, "a NaN cannot be part of an identifier");
                put_tag(buffer, TAG_FLOAT);
                put_double(buffer, value->number);
                return 0;
        case XPM_PATH:
                if (!scope->lenient)
                        return fail(frame, err, "a path cannot be part of an identifier: make it meta, or a file");
                /* fall through */
        case XPM_STR:
                put_tag(buffer, TAG_STR);
                put(buffer, value->string->data, value->string->length);
                return 0;
        case XPM_FILE: return encode_file(scope, frame, value->file, buffer, err);
        case XPM_ENUM:
                put_tag(buffer, TAG_ENUM);
                put_string(buffer, value->member->type->name);
                put(buffer, ":", 1);
                put_string(buffer, value->member->name);
                return 0;
        case XPM_LIST: return encode_list(scope, frame, value->array, buffer, err);
        case XPM_SET: return encode_set(scope, frame, value->array, buffer, err);
        case XPM_DICT: return encode_dict(scope, frame, value->dict, buffer, err);
        case XPM_CONFIG: return encode_config(scope, frame, value->config, false, buffer, err);
        case XPM_UNSET:
        case XPM_HOLE: break;
        }
        return fail(frame, err, "it has no value");
}

/* The config itself. */

static bool is_excluded(const xpm_partial *partial, const xpm_param *param)
{
        for (size_t i = 0; i < param->group_count; i++)
                for (size_t j = 0; j < partial->group_count; j++)
                        if (strcmp(param->groups[i], partial->exclude_groups[j]) == 0)
                                return true;
        return false;
}

static enum xpm_skip skip_of(const xpm_partial *partial, const xpm_param *param, const xpm_value *value)
{
        if (partial && param->group_count > 0 && is_excluded(partial, param))
                return XPM_SKIP_EXCLUDED;
        if (param->generated)
                return XPM_SKIP_GENERATED;
        if (param->meta)
                return XPM_SKIP_META;
        if (param->constant)
                return XPM_SKIP_NOT;
        bool no_default = param->fallback.kind == XPM_UNSET || param->fallback.kind == XPM_NULL;
        if (no_default)
                return value->kind == XPM_NULL && param->type->optional ? XPM_SKIP_NULL : XPM_SKIP_NOT;
        return param->ignore_default && xpm_value_equal(value, &param->fallback) ? XPM_SKIP_DEFAULT : XPM_SKIP_NOT;
}

/* What BUFFER has from FROM on is of FIELD. */
static int tell(const struct frame *frame, xpm_identifier_field field, const struct buffer *buffer, size_t from,
                xpm_error *err)
{
        if (!frame->trace)
                return 0;
        if (buffer->failed)
                return xpm_fail_memory(err);
        field.bytes = buffer->data + from;
        field.length = buffer->length - from;
        return frame->trace->visit(frame->trace->data, &field);
}

static int encode_params(struct scope *scope, struct frame *frame, const xpm_partial *partial, struct buffer *buffer,
                         xpm_error *err)
{
        const xpm_config *config = frame->config;
        const xpm_config_type *type = config->type;
        int rc = 0;
        put_tag(buffer, TAG_CONFIG);
        put_string(buffer, type->lower);
        rc = tell(frame, (xpm_identifier_field){0}, buffer, 0, err);
        for (size_t i = 0; i < type->param_count && rc == 0; i++) {
                const xpm_param *param = &type->params[i];
                size_t from = buffer->length;
                xpm_identifier_field field = {.param = param, .value = &config->values[i]};
                field.skip = skip_of(partial, param, field.value);
                if (field.skip == XPM_SKIP_NOT) {
                        frame->param = param->name;
                        put_tag(buffer, TAG_STR);
                        put_string(buffer, param->name);
                        put_tag(buffer, TAG_NAME);
                        rc = encode(scope, frame, field.value, buffer, err);
                }
                if (rc == 0)
                        rc = tell(frame, field, buffer, from, err);
        }
        return rc;
}

static int compute(struct scope *scope, struct frame *up, const xpm_config *config, const xpm_partial *partial,
                   const struct trace *trace, bool *looped, uint8_t id[ID], xpm_error *err)
{
        struct frame frame = {.config = config, .up = up, .depth = up ? up->depth + 1 : 0, .trace = trace};
        if (frame.depth > DEEPEST)
                return xpm_fail(err, XPM_EPLAN, "'%s' is nested more than %d deep", config->type->name, DEEPEST);
        struct buffer buffer;
        buffer_init(&buffer);
        int rc = encode_params(scope, &frame, partial, &buffer, err);
        if (rc == 0 && buffer.failed)
                rc = xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_sha256(buffer.data, buffer.length, id, err);
        buffer_release(&buffer);
        *looped = frame.looped;
        return rc;
}

int xpm_identifier_partial(const xpm_config *config, const xpm_partial *partial, uint8_t id[ID], xpm_error *err)
{
        struct scope scope = {0};
        bool looped;
        int rc = compute(&scope, NULL, config, partial, NULL, &looped, id, err);
        free(scope.instances);
        return rc;
}

int xpm_identifier(const xpm_config *config, uint8_t id[ID], xpm_error *err)
{
        return xpm_identifier_partial(config, NULL, id, err);
}

int xpm_identifier_trace(const xpm_config *config, xpm_identifier_visitor visit, void *data, uint8_t id[ID],
                         xpm_error *err)
{
        struct scope scope = {0};
        bool looped;
        int rc = compute(&scope, NULL, config, NULL, &(struct trace){visit, data}, &looped, id, err);
        free(scope.instances);
        return rc;
}
