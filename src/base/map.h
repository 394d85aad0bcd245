/* map.h: from strings to pointers, in order of insertion
 *
 * Keys are borrowed: they must outlive the map (keep them in the arena, or in what the value points to). Deletion is
 * not needed and not there.
 */
#ifndef XPM_BASE_MAP_H
#define XPM_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct xpm_map_entry {
        const char *key;
        size_t length;
        void *value;
} xpm_map_entry;

typedef struct xpm_map {
        xpm_map_entry *entries; /* in order of insertion */
        size_t count, capacity;
        uint32_t *slots; /* index + 1 into entries; 0 is free */
        size_t slot_count;
} xpm_map;

#define XPM_MAP_INIT ((xpm_map){0})

/* The value, or NULL. */
void *xpm_map_get(const xpm_map *map, const char *key);
void *xpm_map_get_n(const xpm_map *map, const char *key, size_t length);

/* Add or replace (the place of a replaced key stays). VALUE must not be NULL. 0, or -1 when out of memory, with the map
 * as it was. */
int xpm_map_put(xpm_map *map, const char *key, void *value);
int xpm_map_put_n(xpm_map *map, const char *key, size_t length, void *value);

void xpm_map_release(xpm_map *map);

/* The hash that the map uses, for tables of one's own. */
uint64_t xpm_hash_bytes(const void *data, size_t length);

#endif
