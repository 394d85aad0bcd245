/* arena.h: memory that lives and dies together
 *
 * Everything that a plan is made of is allocated from one arena and freed by one call; nothing in it is freed alone. An
 * arena is not safe for use by several threads at once.
 */
#ifndef XPM_BASE_ARENA_H
#define XPM_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct xpm_arena xpm_arena;

/* NULL when out of memory. */
xpm_arena *xpm_arena_create(void);
void xpm_arena_destroy(xpm_arena *arena); /* NULL accepted */

/* SIZE bytes, zeroed, aligned for any type; NULL when out of memory. SIZE 0 gives a valid pointer. */
void *xpm_arena_alloc(xpm_arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));

/* COUNT * SIZE zeroed bytes; NULL when out of memory or when the product overflows. */
void *xpm_arena_calloc(xpm_arena *arena, size_t count, size_t size) __attribute__((malloc, alloc_size(2, 3)));

/* A copy; NULL when out of memory. The string functions end it with NUL. */
void *xpm_arena_memdup(xpm_arena *arena, const void *data, size_t size);
char *xpm_arena_strdup(xpm_arena *arena, const char *string);
char *xpm_arena_strndup(xpm_arena *arena, const char *string, size_t length);
char *xpm_arena_printf(xpm_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *xpm_arena_vprintf(xpm_arena *arena, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Grow the array *ITEMS (of elements of SIZE bytes, *CAPACITY of them allocated) in the arena so that it has room for
 * COUNT elements; the old array stays until the arena dies (capacity doubles, so at most as much again is wasted).
 * 0, or -1 when out of memory. */
int xpm_arena_reserve(xpm_arena *arena, void *items, size_t *capacity, size_t count, size_t size);

/* Have FUNCTION(DATA) called when the arena is destroyed, last registered first: for what malloc gave inside an arena's
 * object. 0, or -1 when out of memory. */
int xpm_arena_defer(xpm_arena *arena, void (*function)(void *), void *data);

/* Bytes taken from the system, for memory figures. */
size_t xpm_arena_size(const xpm_arena *arena);

#endif
