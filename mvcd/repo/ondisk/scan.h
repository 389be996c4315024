/* One directory, named and stat'ed. No Python here; tests/support/kernels.py has the same function
 * in short Python, and the tests compare both.
 *
 * The listing, in the order of fields; integers are little-endian:
 *
 *     u32  number of directories D
 *     u32  number of other entries N
 *     u32  bytes of the section of directory names
 *     u32  bytes of the section of other names
 *          directory names:  NUL, then each name with a NUL behind it
 *     33·N records of the other entries, in the order of their names:
 *            u8  kind: 'f' regular file, 'x' regular file its owner may execute, 'l' symbolic link,
 *                'p' fifo, 's' socket, 'v' device
 *            u64 size, i64 mtime in ns, i64 ctime in ns, u64 inode; all zero unless 'f', 'x' or 'l'
 *          names of the other entries:  NUL, then each name with a NUL behind it
 *
 * Names are in ascending order of their bytes. A directory is recorded by name alone, so what
 * happens inside it leaves this listing as it was; fifos, sockets and devices too, since using one
 * moves its times. So two listings are equal bytes exactly when nothing that can be versioned has
 * changed, as far as stat can tell, and a directory of 100,000 files is compared by one memcmp. The
 * NUL in front of each section lets a caller find one name by a search for NUL + name + NUL. */
#ifndef MVCD_SCAN_H
#define MVCD_SCAN_H

#include <stddef.h>
#include <stdint.h>

enum { SCAN_TOO_LARGE = -1 }; /* more than 4 GiB of names */

struct scan_entry;

/* What was found in one directory. Zeros before scan_directory; scan_free frees it. */
struct scan_found {
    struct scan_entry *entries; /* directories first, then by name */
    size_t count, room;
    size_t directories, directory_bytes; /* of the entries; of the section of their names */
    char *arena;                         /* the names, each with its NUL */
    size_t used, arena_room;
};

/* Looks at all entries of the directory `path`, or with `names` (names_size bytes, each name
 * followed by a NUL) only at these; those that do not exist are left out. A directory that is
 * itself a symbolic link is refused (ELOOP or ENOTDIR) unless `follow`. Entries that vanish while
 * we look are left out. Any other failure is one of the whole: a listing is never partial. Returns
 * 0, an errno, or SCAN_TOO_LARGE. */
int scan_directory(struct scan_found *found, const char *path, const char *names, size_t names_size,
                   int follow);

/* Bytes of the listing. */
size_t scan_size(const struct scan_found *found);

/* Writes the listing, scan_size bytes, to `to`. */
void scan_write(const struct scan_found *found, char *to);

void scan_free(struct scan_found *found);

#endif
