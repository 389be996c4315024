#include "small.h"

#include <string.h>

/* Fields of Recipe, Segment and ChunkLeaf in objects.proto, as protobuf tags them. */
enum {
    RECIPE_SIZE = 1 << 3,
    RECIPE_SEGMENT = 3 << 3 | 2,
    SEGMENT_LITERAL = 2 << 3 | 2,
    SEGMENT_CHUNKS = 3 << 3 | 2,
    CHUNK_IDS = 1 << 3 | 2,
    CHUNK_SIZES = 2 << 3 | 2
};

bool small_has_chunk(size_t size) { return size > SMALL_LITERAL; }

static size_t varint(uint8_t *out, size_t value)
{
    size_t at = 0;
    for (; value >= 128; value >>= 7)
        out[at++] = (uint8_t)(value | 128);
    out[at++] = (uint8_t)value;
    return at;
}

static size_t field(uint8_t *out, uint8_t tag, const uint8_t *data, size_t size)
{
    out[0] = tag;
    size_t at = 1 + varint(out + 1, size);
    memcpy(out + at, data, size);
    return at + size;
}

void small_recipe(const struct blake3_input *file, struct small_recipe *recipe)
{
    uint8_t segment[SMALL_RECIPE], chunks[SMALL_RECIPE], sizes[10];
    size_t segment_size, at;
    recipe->size = 0;
    if (file->size == 0)
        return;
    if (small_has_chunk(file->size)) {
        at = field(chunks, CHUNK_IDS, file->digest, BLAKE3_OUT);
        at += field(chunks + at, CHUNK_SIZES, sizes, varint(sizes, file->size));
        segment_size = field(segment, SEGMENT_CHUNKS, chunks, at);
    } else {
        segment_size = field(segment, SEGMENT_LITERAL, file->data, file->size);
    }
    recipe->bytes[0] = RECIPE_SIZE;
    at = 1 + varint(recipe->bytes + 1, file->size);
    recipe->size = at + field(recipe->bytes + at, RECIPE_SEGMENT, segment, segment_size);
}

/* The number at `data`, and in *width its bytes; 0 bytes where none ends within a small recipe. */
static size_t number(const uint8_t *data, size_t size, size_t *width)
{
    size_t value = 0;
    for (*width = 0; *width < size && *width < 5;) {
        uint8_t byte = data[*width];
        value |= (size_t)(byte & 127) << (7 * (*width)++);
        if (byte < 128)
            return value;
    }
    *width = 0;
    return 0;
}

bool small_file(const uint8_t *data, size_t size, struct blake3_input *file)
{
    struct small_recipe again;
    size_t width, behind;
    if (size < 2 || size > SMALL_RECIPE || data[0] != RECIPE_SIZE)
        return false;
    file->size = number(data + 1, size - 1, &width);
    if (width == 0 || file->size == 0 || file->size > SMALL_CHUNK)
        return false;
    if (small_has_chunk(file->size)) {
        behind = 1 + 1 + width + BLAKE3_OUT; /* from the digest on */
        if (size < behind)
            return false;
        memcpy(file->digest, data + size - behind, BLAKE3_OUT);
    } else {
        if (size < file->size)
            return false;
        file->data = data + size - file->size;
    }
    small_recipe(file, &again); /* who writes the same has read all of it */
    return again.size == size && memcmp(again.bytes, data, size) == 0;
}
