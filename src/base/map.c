/* Entries in an array, in order of insertion, and beside it a table of indices that is searched by linear probing from
 * the hash. The table is a power of two and at most half full: it always has a free slot, where each search ends.
 *
 * Invariant: entry i is found from its hash; a failed put has changed nothing that a caller can see. */
#include "base/map.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST_SLOTS = 16 };

static inline uint64_t mix(uint64_t a, uint64_t b)
{
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load(const unsigned char *bytes, size_t length)
{
        uint64_t word = 0;
        memcpy(&word, bytes, length);
        return word;
}

uint64_t xpm_hash_bytes(const void *data, size_t length)
{
        const unsigned char *bytes = data;
        /* Digits of pi: odd, with about as many ones as zeros, and nobody's choice. */
        const uint64_t first = 0x243f6a8885a308d3, second = 0x13198a2e03707345;
        uint64_t hash = first ^ length;
        size_t left = length;
        for (; left > 8; left -= 8, bytes += 8)
                hash = mix(hash ^ load(bytes, 8), second);
        if (left > 0)
                hash = mix(hash ^ load(bytes, left), second);
        return mix(hash ^ second, first);
}

/* The slot of KEY, or the free one where it belongs. The table must exist. */
static uint32_t *find_slot(const xpm_map *map, const char *key, size_t length)
{
        size_t mask = map->slot_count - 1;
        for (size_t i = xpm_hash_bytes(key, length) & mask;; i = (i + 1) & mask) {
                uint32_t *slot = &map->slots[i];
                if (*slot == 0)
                        return slot;
                const xpm_map_entry *entry = &map->entries[*slot - 1];
                if (entry->length == length && (length == 0 || memcmp(entry->key, key, length) == 0))
                        return slot;
        }
}

void *xpm_map_get_n(const xpm_map *map, const char *key, size_t length)
{
        if (map->count == 0)
                return NULL;
        uint32_t slot = *find_slot(map, key, length);
        return slot ? map->entries[slot - 1].value : NULL;
}

void *xpm_map_get(const xpm_map *map, const char *key)
{
        return xpm_map_get_n(map, key, strlen(key));
}

static bool grow_entries(xpm_map *map)
{
        if (map->count < map->capacity)
                return true;
        if (map->count >= UINT32_MAX / 4)
                return false;
        size_t capacity = map->capacity ? map->capacity * 2 : FEWEST_SLOTS / 2;
        xpm_map_entry *entries = reallocarray(map->entries, capacity, sizeof *entries);
        if (!entries)
                return false;
        map->entries = entries;
        map->capacity = capacity;
        return true;
}

static bool grow_slots(xpm_map *map)
{
        if ((map->count + 1) * 2 <= map->slot_count)
                return true;
        size_t slot_count = map->slot_count ? map->slot_count * 2 : FEWEST_SLOTS;
        uint32_t *slots = calloc(slot_count, sizeof *slots);
        if (!slots)
                return false;
        free(map->slots);
        map->slots = slots;
        map->slot_count = slot_count;
        for (size_t i = 0; i < map->count; i++)
                *find_slot(map, map->entries[i].key, map->entries[i].length) = (uint32_t)(i + 1);
        return true;
}

int xpm_map_put_n(xpm_map *map, const char *key, size_t length, void *value)
{
        uint32_t *slot = map->slot_count ? find_slot(map, key, length) : NULL;
        if (slot && *slot) {
                map->entries[*slot - 1].value = value;
                return 0;
        }
        if (!grow_entries(map) || !grow_slots(map))
                return -1;
        map->entries[map->count] = (xpm_map_entry){.key = key, .length = length, .value = value};
        *find_slot(map, key, length) = (uint32_t)++map->count;
        return 0;
}

int xpm_map_put(xpm_map *map, const char *key, void *value)
{
        return xpm_map_put_n(map, key, strlen(key), value);
}

void xpm_map_release(xpm_map *map)
{
        free(map->entries);
        free(map->slots);
        *map = XPM_MAP_INIT;
}
