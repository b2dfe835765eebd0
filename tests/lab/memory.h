/* memory.h - when was something first seen? Keys are hashes; all is forgotten at a new epoch. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory {
    struct memory_slot *slots;
    size_t count, room;
    uint64_t epoch;
};

void memory_free(struct memory *memory);
/* Milliseconds since `key` was first seen; 0 = this is the first time. */
uint64_t memory_age_ms(struct memory *memory, uint64_t epoch, uint64_t key, uint64_t now_ms);
