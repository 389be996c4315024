#include "records.h"

#include <string.h>

enum { HAS_BASE = 1, SLICES = 8 };

static const uint8_t magic[4] = {0x89, 'O', 'B', 'J'};
static uint32_t tables[SLICES][256];

/* CRC-32 as in zlib: tables[k][b] is the checksum of byte b followed by k zeros. */
void records_init(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
        tables[0][byte] = crc;
    }
    for (int k = 1; k < SLICES; k++)
        for (int byte = 0; byte < 256; byte++)
            tables[k][byte] = tables[k - 1][byte] >> 8 ^ tables[0][tables[k - 1][byte] & 255];
}

static uint32_t word_at(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* `crc` is what came of the bytes before, 0 for none. */
static uint32_t crc32(uint32_t crc, const uint8_t *data, size_t size)
{
    crc = ~crc;
    for (; size >= SLICES; data += SLICES, size -= SLICES) {
        uint32_t low = crc ^ word_at(data), high = word_at(data + 4);
        crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
              tables[4][low >> 24] ^ tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^
              tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
    }
    for (; size; size--)
        crc = crc >> 8 ^ tables[0][(crc ^ *data++) & 255];
    return ~crc;
}

bool record_at(const uint8_t *data, size_t size, size_t at, struct record_place *place)
{
    const uint8_t *head = data + at;
    if (at > size || size - at < RECORD_LEAST || memcmp(head, magic, sizeof magic) != 0)
        return false;
    uint8_t flags = head[6];
    uint32_t body_size = word_at(head + 12);
    place->start = at;
    place->kind = head[4];
    place->codec = head[5];
    place->has_base = flags == HAS_BASE;
    place->raw_size = word_at(head + 8);
    if (flags & ~HAS_BASE || head[7] || place->kind < RECORD_FIRST_KIND ||
        place->kind > RECORD_LAST_KIND || place->raw_size > RECORD_MOST_RAW ||
        body_size > RECORD_MOST_BODY)
        return false;
    place->body = at + RECORD_LEAST + (place->has_base ? RECORD_DIGEST_SIZE : 0);
    place->end = place->body + body_size;
    return place->end <= size;
}

bool record_is_sound(const uint8_t *data, const struct record_place *place)
{
    size_t stored = place->body - RECORD_CRC_SIZE;
    uint32_t crc = crc32(0, data + place->start, stored - place->start);
    return crc32(crc, data + place->body, place->end - place->body) == word_at(data + stored);
}

static void put_word(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++, value >>= 8)
        at[i] = (uint8_t)value;
}

uint8_t *record_write(uint8_t *out, const struct record_body *body)
{
    memcpy(out, magic, sizeof magic);
    out[4] = body->kind;
    out[5] = body->codec;
    out[6] = out[7] = 0;
    put_word(out + 8, body->raw_size);
    put_word(out + 12, (uint32_t)body->size);
    memcpy(out + RECORD_DIGEST_AT, body->id, RECORD_DIGEST_SIZE);
    uint32_t crc = crc32(0, out, RECORD_HEAD_SIZE);
    put_word(out + RECORD_HEAD_SIZE, crc32(crc, body->data, body->size));
    memcpy(out + RECORD_LEAST, body->data, body->size);
    return out + RECORD_LEAST + body->size;
}

void record_row(uint8_t *out, const struct record_place *place, uint32_t pack, uint32_t offset)
{
    put_word(out, pack);
    put_word(out + 4, offset);
    put_word(out + 8, (uint32_t)(place->end - place->body));
    put_word(out + 12, place->raw_size);
    out[16] = place->kind;
}
