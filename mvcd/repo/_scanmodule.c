/* One directory, named and stat'ed in one call with the GIL released.
 *
 *     list_directory(path: bytes, names: bytes | None = None, follow: bool = False) -> bytes
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
 * NUL in front of each section lets a caller find one name by a search for NUL + name + NUL.
 *
 * With `names` (each name followed by a NUL) only these are looked up; those that do not exist are
 * left out. A directory that is itself a symbolic link is refused (ELOOP or ENOTDIR) unless
 * `follow`. Entries that vanish while we look are left out. Any other failure raises OSError: a
 * listing is never partial.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* fdopendir, d_type, O_DIRECTORY and st_mtim under -std=c11 */
#endif
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define MTIME(st) ((st).st_mtimespec)
#define CTIME(st) ((st).st_ctimespec)
#else
#define MTIME(st) ((st).st_mtim)
#define CTIME(st) ((st).st_ctim)
#endif

enum { HEADER = 16, RECORD = 33, DIRECTORY = 'd' };

typedef struct {
    const char *name; /* an offset into the arena until all names are read, then a pointer */
    size_t length;
    uint64_t size, inode;
    int64_t mtime, ctime;
    char kind;
} Entry;

typedef struct {
    Entry *entries;
    size_t count, room;
    char *arena; /* the names, each with its NUL */
    size_t used, arena_room;
} Found;

static int grow(void **memory, size_t *room, size_t need, size_t item)
{
    if (need <= *room)
        return 0;
    size_t more = *room ? *room * 2 : 256;
    while (more < need)
        more *= 2;
    void *larger = realloc(*memory, more * item);
    if (!larger) {
        errno = ENOMEM;
        return -1;
    }
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

static int64_t nanoseconds(struct timespec t) { return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec; }

/* Adds one name; `known_directory` spares the stat where readdir told the kind. */
static int add(Found *found, int fd, const char *name, int known_directory)
{
    Entry entry = {.length = strlen(name), .kind = DIRECTORY};
    if (!known_directory) {
        struct stat st;
        if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
            return errno == ENOENT ? 0 : -1;
        entry.kind = kind_of(st.st_mode);
        if (entry.kind == 'f' || entry.kind == 'x' || entry.kind == 'l') {
            entry.size = (uint64_t)st.st_size;
            entry.inode = (uint64_t)st.st_ino;
            entry.mtime = nanoseconds(MTIME(st));
            entry.ctime = nanoseconds(CTIME(st));
        }
    }
    if (grow((void **)&found->entries, &found->room, found->count + 1, sizeof(Entry)) ||
        grow((void **)&found->arena, &found->arena_room, found->used + entry.length + 1, 1))
        return -1;
    entry.name = (const char *)(uintptr_t)found->used;
    memcpy(found->arena + found->used, name, entry.length + 1);
    found->used += entry.length + 1;
    found->entries[found->count++] = entry;
    return 0;
}

static int add_all(Found *found, DIR *directory)
{
    for (;;) {
        errno = 0;
        struct dirent *item = readdir(directory);
        if (!item)
            return errno ? -1 : 0;
        const char *name = item->d_name;
        if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
            continue;
        if (add(found, dirfd(directory), name, item->d_type == DT_DIR))
            return -1;
    }
}

/* Directories first, then by name. */
static int in_order(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    int order = (y->kind == DIRECTORY) - (x->kind == DIRECTORY);
    return order ? order : strcmp(x->name, y->name);
}

/* Returns 0, or -1 with errno set. */
static int look(Found *found, const char *path, const char *names, size_t names_size, int follow)
{
    int fd;
    do
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -1;
    int failed = 0;
    if (names) {
        for (const char *name = names; !failed && name < names + names_size;
             name += strlen(name) + 1)
            failed = add(found, fd, name, 0);
        int why = errno;
        close(fd);
        errno = why;
    } else {
        DIR *directory = fdopendir(fd);
        if (!directory) {
            int why = errno;
            close(fd);
            errno = why;
            return -1;
        }
        failed = add_all(found, directory);
        int why = errno;
        closedir(directory);
        errno = why;
    }
    if (failed)
        return -1;
    for (size_t i = 0; i < found->count; i++)
        found->entries[i].name = found->arena + (uintptr_t)found->entries[i].name;
    if (found->count)
        qsort(found->entries, found->count, sizeof(Entry), in_order);
    return 0;
}

static char *put(char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *to++ = (char)(value >> (8 * i));
    return to;
}

static char *put_names(char *to, const Entry *entries, size_t count)
{
    *to++ = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(to, entries[i].name, entries[i].length + 1);
        to += entries[i].length + 1;
    }
    return to;
}

static void write_listing(char *to, const Found *found, size_t directories, size_t directory_bytes)
{
    const Entry *others = found->entries + directories;
    size_t count = found->count - directories;
    to = put(to, directories, 4);
    to = put(to, count, 4);
    to = put(to, directory_bytes, 4);
    to = put(to, found->used + 2 - directory_bytes, 4);
    to = put_names(to, found->entries, directories);
    for (size_t i = 0; i < count; i++) {
        *to++ = others[i].kind;
        to = put(to, others[i].size, 8);
        to = put(to, (uint64_t)others[i].mtime, 8);
        to = put(to, (uint64_t)others[i].ctime, 8);
        to = put(to, others[i].inode, 8);
    }
    put_names(to, others, count);
}

static PyObject *listing_of(const Found *found)
{
    size_t directories = 0, directory_bytes = 1;
    while (directories < found->count && found->entries[directories].kind == DIRECTORY)
        directory_bytes += found->entries[directories++].length + 1;
    if (found->count > UINT32_MAX || found->used > UINT32_MAX - 2) {
        PyErr_SetString(PyExc_OverflowError, "a directory with more than 4 GiB of names");
        return NULL;
    }
    size_t total = HEADER + RECORD * (found->count - directories) + found->used + 2;
    PyObject *listing = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)total);
    if (!listing)
        return NULL;
    char *to = PyBytes_AsString(listing);
    Py_BEGIN_ALLOW_THREADS
    write_listing(to, found, directories, directory_bytes);
    Py_END_ALLOW_THREADS
    return listing;
}

static PyObject *list_directory(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *path_object, *names_object = Py_None;
    int follow = 0;
    if (!PyArg_ParseTuple(args, "S|Op", &path_object, &names_object, &follow))
        return NULL;
    char *path, *names = NULL;
    Py_ssize_t names_size = 0;
    if (PyBytes_AsStringAndSize(path_object, &path, NULL)) /* refuses an embedded NUL */
        return NULL;
    if (names_object != Py_None) {
        if (PyBytes_AsStringAndSize(names_object, &names, &names_size))
            return NULL;
        if (names_size && names[names_size - 1]) {
            PyErr_SetString(PyExc_ValueError, "each name must be followed by a NUL");
            return NULL;
        }
    }
    Found found = {0};
    int failed, why;
    Py_BEGIN_ALLOW_THREADS
    failed = look(&found, path, names, (size_t)names_size, follow);
    why = errno;
    Py_END_ALLOW_THREADS
    PyObject *listing = NULL;
    if (!failed) {
        listing = listing_of(&found);
    } else {
        errno = why;
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path_object);
    }
    free(found.entries);
    free(found.arena);
    return listing;
}

static PyMethodDef methods[] = {
    {"list_directory", list_directory, METH_VARARGS,
     "list_directory(path, names=None, follow=False, /)\n--\n\n"
     "All entries of one directory with their stat, as one packed listing."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_scan",
    .m_doc = "Directory listings in one call; the layout is described in _scanmodule.c.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__scan(void) { return PyModuleDef_Init(&definition); }
