#include "probes/discover/name_map.h"

#include <string.h>

enum { NAMES_EXPECTED = 256 };

void name_map_init(struct name_map *map) { name_table_init(&map->names, NAMES_EXPECTED); }

/* The table's 0 says "not there", so values stand one higher. */
bool name_map_add(struct name_map *map, const char *name, int value)
{
    size_t length = strlen(name);

    if (name_table_find(&map->names, name, length) != 0)
        return false;
    name_table_add(&map->names, name, length, (unsigned)value + 1);
    return true;
}

int name_map_find(const struct name_map *map, const char *name)
{
    return (int)name_table_find(&map->names, name, strlen(name)) - 1;
}

int name_map_find_suffix(const struct name_map *map, const char *name)
{
    for (; name != NULL && *name != '\0'; name = strchr(name, '.')) {
        name += *name == '.';
        int value = name_map_find(map, name);
        if (value != NAME_MAP_NONE)
            return value;
    }
    return NAME_MAP_NONE;
}
