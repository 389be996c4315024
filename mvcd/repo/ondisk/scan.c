#define _GNU_SOURCE /* fdopendir, d_type, O_DIRECTORY and st_mtim under -std=c11 */
#define _FILE_OFFSET_BITS 64
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_stat.h"

enum { HEADER = 16, RECORD = 33, DIRECTORY = 'd' };

struct scan_entry {
    const char *name; /* an offset into the arena until all names are read, then a pointer */
    size_t length;
    struct file_stat stat;
    char kind;
};

/* Makes room for `need` items of `item` bytes. */
static int grow(void **memory, size_t *room, size_t need, size_t item)
{
    if (need <= *room)
        return 0;
    size_t more = *room ? *room * 2 : 256;
    while (more < need)
        more *= 2;
    void *larger = realloc(*memory, more * item);
    if (!larger)
        return ENOMEM;
    *memory = larger;
    *room = more;
    return 0;
}

static char kind_of(mode_t mode)
{
    if (S_ISREG(mode))
        return mode & S_IXUSR ? 'x' : 'f';
    if (S_ISDIR(mode))
        return DIRECTORY;
    if (S_ISLNK(mode))
        return 'l';
    if (S_ISFIFO(mode))
        return 'p';
    return S_ISSOCK(mode) ? 's' : 'v';
}

/* Adds one name; `known_directory` spares the stat where readdir told the kind. 0 or an errno. */
static int add(struct scan_found *found, int fd, const char *name, int known_directory)
{
    struct scan_entry entry = {.length = strlen(name), .kind = DIRECTORY};
    if (!known_directory) {
        struct stat st;
        if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
            return errno == ENOENT ? 0 : errno;
        entry.kind = kind_of(st.st_mode);
        if (entry.kind == 'f' || entry.kind == 'x' || entry.kind == 'l')
            entry.stat = file_stat_of(&st);
    }
    int failed = grow((void **)&found->entries, &found->room, found->count + 1, sizeof entry);
    if (!failed)
        failed =
            grow((void **)&found->arena, &found->arena_room, found->used + entry.length + 1, 1);
    if (failed)
        return failed;
    entry.name = (const char *)(uintptr_t)found->used;
    memcpy(found->arena + found->used, name, entry.length + 1);
    found->used += entry.length + 1;
    found->entries[found->count++] = entry;
    return 0;
}

/* Adds every entry of the directory. Closes fd in any case. */
static int add_all(struct scan_found *found, int fd)
{
    DIR *directory = fdopendir(fd);
    if (!directory) {
        int failed = errno;
        close(fd);
        return failed;
    }
    int failed = 0;
    while (!failed) {
        errno = 0;
        struct dirent *item = readdir(directory);
        if (!item) {
            failed = errno;
            break;
        }
        const char *name = item->d_name;
        if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
            continue;
        failed = add(found, fd, name, item->d_type == DT_DIR);
    }
    closedir(directory);
    return failed;
}

/* Adds those of the names that exist. Closes fd. */
static int add_named(struct scan_found *found, int fd, const char *names, size_t size)
{
    int failed = 0;
    for (const char *name = names; !failed && name < names + size; name += strlen(name) + 1)
        failed = add(found, fd, name, 0);
    close(fd);
    return failed;
}

/* Directories first, then by name. */
static int in_order(const void *a, const void *b)
{
    const struct scan_entry *x = a, *y = b;
    int order = (y->kind == DIRECTORY) - (x->kind == DIRECTORY);
    return order ? order : strcmp(x->name, y->name);
}

/* Puts all in order and measures the sections. */
static int arrange(struct scan_found *found)
{
    if (found->count > UINT32_MAX || found->used > UINT32_MAX - 2)
        return SCAN_TOO_LARGE;
    for (size_t i = 0; i < found->count; i++)
        found->entries[i].name = found->arena + (uintptr_t)found->entries[i].name;
    if (found->count)
        qsort(found->entries, found->count, sizeof *found->entries, in_order);
    size_t i = 0, bytes = 1;
    for (; i < found->count && found->entries[i].kind == DIRECTORY; i++)
        bytes += found->entries[i].length + 1;
    found->directories = i;
    found->directory_bytes = bytes;
    return 0;
}

int scan_directory(struct scan_found *found, const char *path, const char *names, size_t names_size,
                   int follow)
{
    int fd;
    do
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return errno;
    int failed = names ? add_named(found, fd, names, names_size) : add_all(found, fd);
    return failed ? failed : arrange(found);
}

size_t scan_size(const struct scan_found *found)
{
    return HEADER + RECORD * (found->count - found->directories) + found->used + 2;
}

static char *put(char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *to++ = (char)(value >> (8 * i));
    return to;
}

/* The section of the names from entry `first` to before `end`. */
static char *put_names(char *to, const struct scan_found *found, size_t first, size_t end)
{
    *to++ = 0;
    for (size_t i = first; i < end; i++) {
        memcpy(to, found->entries[i].name, found->entries[i].length + 1);
        to += found->entries[i].length + 1;
    }
    return to;
}

void scan_write(const struct scan_found *found, char *to)
{
    to = put(to, found->directories, 4);
    to = put(to, found->count - found->directories, 4);
    to = put(to, found->directory_bytes, 4);
    to = put(to, found->used + 2 - found->directory_bytes, 4);
    to = put_names(to, found, 0, found->directories);
    for (size_t i = found->directories; i < found->count; i++) {
        const struct scan_entry *one = &found->entries[i];
        *to++ = one->kind;
        to = put(to, (uint64_t)one->stat.size, 8);
        to = put(to, (uint64_t)one->stat.mtime, 8);
        to = put(to, (uint64_t)one->stat.ctime, 8);
        to = put(to, one->stat.inode, 8);
    }
    put_names(to, found, found->directories, found->count);
}

void scan_free(struct scan_found *found)
{
    free(found->entries);
    free(found->arena);
}
