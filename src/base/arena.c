/* Chunks in a list; the first is the one that is allocated from, by moving a pointer. Chunks double from 64 KiB to 1
 * MiB, so that a small plan costs little and a million jobs cost few calls. What is large for a chunk gets one of its
 * own behind the first, so that the rest of the first is not lost.
 *
 * Invariant: every byte between `used` and `size` of a chunk is zero; calloc() made it so, for nothing where the memory
 * is fresh, and no allocation needs to clear anything. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK = 64 << 10, LAST_CHUNK = 1 << 20, ALIGNMENT = alignof(max_align_t) };

struct chunk {
        struct chunk *next;
        size_t size, used; /* of bytes[] */
        alignas(max_align_t) char bytes[];
};

struct deferred {
        struct deferred *next;
        void (*function)(void *);
        void *data;
};

struct xpm_arena {
        struct chunk *first;
        struct deferred *deferred;
        size_t next_chunk; /* size of the next ordinary chunk, header included */
        size_t total;
};

xpm_arena *xpm_arena_create(void)
{
        xpm_arena *arena = calloc(1, sizeof *arena);
        if (arena)
                *arena = (xpm_arena){.next_chunk = FIRST_CHUNK, .total = sizeof *arena};
        return arena;
}

void xpm_arena_destroy(xpm_arena *arena)
{
        if (!arena)
                return;
        for (struct deferred *deferred = arena->deferred; deferred; deferred = deferred->next)
                deferred->function(deferred->data);
        for (struct chunk *chunk = arena->first, *next; chunk; chunk = next) {
                next = chunk->next;
                free(chunk);
        }
        free(arena);
}

static struct chunk *chunk_create(xpm_arena *arena, size_t bytes)
{
        if (bytes > SIZE_MAX - sizeof(struct chunk))
                return NULL;
        size_t size = sizeof(struct chunk) + bytes;
        struct chunk *chunk = calloc(1, size);
        if (!chunk)
                return NULL;
        chunk->size = bytes;
        arena->total += size;
        return chunk;
}

/* The slow way: the first chunk has no room. */
static void *alloc_from_new_chunk(xpm_arena *arena, size_t size)
{
        bool own = size > arena->next_chunk / 4;
        struct chunk *chunk = chunk_create(arena, own ? size : arena->next_chunk - sizeof(struct chunk));
        if (!chunk)
                return NULL;
        chunk->used = size;
        if (own && arena->first) {
                chunk->next = arena->first->next;
                arena->first->next = chunk;
        } else {
                chunk->next = arena->first;
                arena->first = chunk;
        }
        if (!own && arena->next_chunk < LAST_CHUNK)
                arena->next_chunk *= 2;
        return chunk->bytes;
}

static inline void *alloc_aligned(xpm_arena *arena, size_t size, size_t alignment)
{
        struct chunk *chunk = arena->first;
        if (chunk) {
                size_t start = (chunk->used + alignment - 1) & ~(alignment - 1);
                if (start <= chunk->size && size <= chunk->size - start) {
                        chunk->used = start + size;
                        return chunk->bytes + start;
                }
        }
        return alloc_from_new_chunk(arena, size);
}

void *xpm_arena_alloc(xpm_arena *arena, size_t size)
{
        return alloc_aligned(arena, size ? size : 1, ALIGNMENT);
}

void *xpm_arena_calloc(xpm_arena *arena, size_t count, size_t size)
{
        size_t product;
        if (__builtin_mul_overflow(count, size, &product))
                return NULL;
        return xpm_arena_alloc(arena, product);
}

void *xpm_arena_memdup(xpm_arena *arena, const void *data, size_t size)
{
        void *copy = xpm_arena_alloc(arena, size);
        if (copy && size > 0)
                memcpy(copy, data, size);
        return copy;
}

char *xpm_arena_strdup(xpm_arena *arena, const char *string)
{
        return xpm_arena_strndup(arena, string, strlen(string));
}

char *xpm_arena_strndup(xpm_arena *arena, const char *string, size_t length)
{
        if (length == SIZE_MAX)
                return NULL;
        char *copy = alloc_aligned(arena, length + 1, 1);
        if (copy && length > 0)
                memcpy(copy, string, length);
        return copy;
}

char *xpm_arena_vprintf(xpm_arena *arena, const char *format, va_list args)
{
        char small[256];
        va_list again;
        va_copy(again, args);
        int length = vsnprintf(small, sizeof small, format, args);
        char *text = NULL;
        if (length >= 0 && (size_t)length < sizeof small)
                text = xpm_arena_strndup(arena, small, (size_t)length);
        else if (length >= 0 && (text = alloc_aligned(arena, (size_t)length + 1, 1)))
                vsnprintf(text, (size_t)length + 1, format, again);
        va_end(again);
        return text;
}

char *xpm_arena_printf(xpm_arena *arena, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        char *text = xpm_arena_vprintf(arena, format, args);
        va_end(args);
        return text;
}

int xpm_arena_reserve(xpm_arena *arena, void *items, size_t *capacity, size_t count, size_t size)
{
        if (count <= *capacity)
                return 0;
        size_t wanted = *capacity < 4 ? 8 : *capacity;
        while (wanted < count)
                if (__builtin_mul_overflow(wanted, (size_t)2, &wanted))
                        return -1;
        void *bigger = xpm_arena_calloc(arena, wanted, size);
        if (!bigger)
                return -1;
        /* ITEMS is a pointer to a pointer of whatever type: read and written as bytes, for aliasing. */
        void *old;
        memcpy(&old, items, sizeof old);
        if (*capacity > 0)
                memcpy(bigger, old, *capacity * size);
        memcpy(items, &bigger, sizeof bigger);
        *capacity = wanted;
        return 0;
}

int xpm_arena_defer(xpm_arena *arena, void (*function)(void *), void *data)
{
        struct deferred *deferred = xpm_arena_alloc(arena, sizeof *deferred);
        if (!deferred)
                return -1;
        *deferred = (struct deferred){.next = arena->deferred, .function = function, .data = data};
        arena->deferred = deferred;
        return 0;
}

size_t xpm_arena_size(const xpm_arena *arena)
{
        return arena->total;
}
