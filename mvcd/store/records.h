/* Heads and checksums of a frame's records (FORMAT.md, section Packs). record.py rules what a
 * record is; this reads and writes the same bytes. No Python here, no allocation, no state. */
#ifndef MVCD_RECORDS_H
#define MVCD_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_HEAD_SIZE = 48,
    RECORD_CRC_SIZE = 4,
    RECORD_DIGEST_SIZE = 32,
    RECORD_DIGEST_AT = RECORD_HEAD_SIZE - RECORD_DIGEST_SIZE,
    RECORD_LEAST = RECORD_HEAD_SIZE + RECORD_CRC_SIZE,
    RECORD_MOST_RAW = 2 << 20,
    RECORD_MOST_BODY = RECORD_MOST_RAW + (64 << 10),
    RECORD_PLAIN_CODEC = 0, /* the body is the raw bytes */
    RECORD_FIRST_KIND = 1,
    RECORD_LAST_KIND = 4
};

/* Where one record of a frame is, and what its head says. */
struct record_place {
    size_t start, body, end;
    uint32_t raw_size;
    uint8_t kind, codec;
    bool has_base;
};

/* Reads the head of the record at `at`; false for what is no record, or is cut short. */
bool record_at(const uint8_t *data, size_t size, size_t at, struct record_place *place);

/* Whether the record's checksum is that of its bytes. */
bool record_is_sound(const uint8_t *data, const struct record_place *place);

/* Where a record without a base is to be written, and of what. */
struct record_body {
    const uint8_t *id, *data;
    size_t size;
    uint32_t raw_size;
    uint8_t kind, codec;
};

/* Writes the record, RECORD_LEAST + size bytes; returns what lies behind it. */
uint8_t *record_write(uint8_t *out, const struct record_body *body);

enum { RECORD_ROW_SIZE = 17 };

/* Writes the row of the objects table for a record that lies at `offset` of a pack, RECORD_ROW_SIZE
 * bytes; a base follows it (FORMAT.md, section Index). */
void record_row(uint8_t *out, const struct record_place *place, uint32_t pack, uint32_t offset);

/* Fills the tables of the checksum. Call once before `record_is_sound` and
 * `record_write`. */
void records_init(void);

#endif
