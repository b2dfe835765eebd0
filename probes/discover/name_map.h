/* name_map.h - domain names to numbers, also by suffix; over the table of the lists.
 * Filled once, then only read. */
#pragma once

#include <stdbool.h>

#include "probes/lists/name_table.h"

enum { NAME_MAP_NONE = -1 };

struct name_map {
    struct name_table names;
};

void name_map_init(struct name_map *map);
/* False if the name is there already. `name` must outlive the map; `value` below 65535. */
bool name_map_add(struct name_map *map, const char *name, int value);
/* NAME_MAP_NONE if it is not there. ASCII case does not count. */
int name_map_find(const struct name_map *map, const char *name);
/* The value of the longest suffix, by whole labels: "a.b.c", "b.c", "c". */
int name_map_find_suffix(const struct name_map *map, const char *name);
