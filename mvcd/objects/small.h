/* Ids and recipes of small files without tensors: those of one chunk, or held in the recipe.
 * recipe.py rules what a recipe is; this writes the same bytes. */
#ifndef MVCD_SMALL_H
#define MVCD_SMALL_H

#include "blake3.h"

enum { SMALL_LITERAL = 128, SMALL_RECIPE = 160, SMALL_CHUNK = 1 << 20 };

struct small_recipe {
    uint8_t bytes[SMALL_RECIPE];
    size_t size;
};

/* Whether a file of `size` bytes has a chunk, or lies in its recipe. */
bool small_has_chunk(size_t size);

/* Writes the recipe of a file, which a chunk's digest is part of if it has a chunk. */
void small_recipe(const struct blake3_input *file, struct small_recipe *recipe);

/* The way back: what `small_recipe` wrote `size` bytes from, with the chunk's digest, or `data`
 * within the recipe. False for anything else, a file of more than one chunk as well as what is no
 * recipe. */
bool small_file(const uint8_t *data, size_t size, struct blake3_input *file);

#endif
