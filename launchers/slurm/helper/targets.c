/* Each target is a request to the controller, and arrays have thousands of elements: those of one array are one target,
 * their indices in ranges. */
#include "targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *id_at(const json_t *jobs, size_t at)
{
        return json_string_value(json_array_get(jobs, at));
}

/* The index in ID when that is an element of the array whose id, with its underscore, is the first LENGTH bytes of
 * ARRAY; -1: it is not. */
static long index_of(const char *id, const char *array, size_t length)
{
        char *end;
        if (!id || strncmp(id, array, length) != 0)
                return -1;
        long index = strtol(id + length, &end, 10);
        return end > id + length && *end == '\0' ? index : -1;
}

char *targets_next(const json_t *jobs, size_t *at)
{
        char *text = NULL;
        size_t length = 0;
        const char *array = id_at(jobs, (*at)++);
        const char *bar = array ? strchr(array, '_') : NULL;
        size_t prefix = bar ? (size_t)(bar + 1 - array) : 0;
        long first = bar ? index_of(array, array, prefix) : -1;
        if (first < 0)
                return array ? strdup(array) : NULL;
        FILE *stream = open_memstream(&text, &length);
        if (!stream)
                return NULL;
        fprintf(stream, "%.*s[", (int)prefix, array);
        for (const char *comma = ""; first >= 0; comma = ",") {
                long last = first, next;
                while ((next = index_of(id_at(jobs, *at), array, prefix)) == last + 1) {
                        last = next;
                        ++*at;
                }
                fprintf(stream, last > first ? "%s%ld-%ld" : "%s%ld", comma, first, last);
                first = next;
                *at += next >= 0;
        }
        fputc(']', stream);
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        return text;
}
