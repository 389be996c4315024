/* BLAKE3 of many short inputs at once, of up to BLAKE3_MAX bytes each. The specification is
 * https://github.com/BLAKE3-team/BLAKE3-specs (blake3.pdf, sections 2.1 to 2.4); the package of the
 * same name gives the same digests, and the tests compare them. No allocation but in
 * blake3_digests, no state, any number of threads.
 *
 * Why not the package: it takes one input a call, which is 1.7 us for 40 bytes and 3.6 us for 1.5
 * KB, most of it Python's, and of short inputs it can use one lane of eight. */
#ifndef MVCD_BLAKE3_H
#define MVCD_BLAKE3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLAKE3_OUT = 32, BLAKE3_CHUNK = 1024, BLAKE3_MAX = 8 * BLAKE3_CHUNK };

/* How inputs are hashed: the initial key words and a flag for every block. */
struct blake3_mode {
    uint32_t key[8];
    uint32_t flags;
};

/* One input and its digest. */
struct blake3_input {
    const uint8_t *data;
    size_t size; /* at most BLAKE3_MAX */
    uint8_t digest[BLAKE3_OUT];
};

/* A chunk of an input; the digest of an input of one chunk is the chunk's. */
struct blake3_job {
    const uint8_t *data;
    uint32_t size;
    uint32_t counter; /* of chunks in the input */
    bool root;        /* the input's only chunk */
    uint32_t words[8];
};

typedef void blake3_run(struct blake3_job *jobs, size_t count, const struct blake3_mode *mode);

struct blake3_kernel {
    const char *name;
    blake3_run *run;
    bool (*usable)(void); /* on this machine */
};

/* Best first; the last one is portable and always usable. */
extern const struct blake3_kernel blake3_kernels[];
extern const size_t blake3_kernel_count;

/* The mode that hashes plainly, and the one that derives keys in a context of at most 64 bytes. */
struct blake3_mode blake3_plain(void);
struct blake3_mode blake3_derive(const uint8_t *context, size_t size);

/* Computes all digests. 0, or -1 where there is no memory. */
int blake3_digests(struct blake3_input *inputs, size_t count, const struct blake3_mode *mode,
                   blake3_run *run);

#endif
