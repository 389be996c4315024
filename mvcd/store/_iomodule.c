/* What Python's os module has not: reading stretches of files into one new bytes object, starting
 * write-back.
 *
 * In Python a read with flags (preadv2) needs a buffer that bytearray first fills with zeros,
 * holding the GIL, and stretches that do not lie side by side are copied once more to be joined:
 * 0.15 of the 3.65 s that a push of 2 GiB takes.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* preadv2, sync_file_range */
#endif
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define HOLE 4096     /* bytes between two stretches up to which both come in one call */
#define MAX_PARTS 256 /* of one call; IOV_MAX is 1024 */

typedef struct {
    int file;
    long long offset;
    Py_ssize_t size;
} Stretch;

static ssize_t read_parts(int file, const struct iovec *parts, int count, long long offset,
                          int flags)
{
    ssize_t done;
    do {
#ifdef __linux__
        done = preadv2(file, parts, count, offset, flags);
        if (done < 0 && flags && errno == EOPNOTSUPP) /* as on tmpfs */
            done = preadv2(file, parts, count, offset, 0);
#else
        (void)flags;
        done = preadv(file, parts, count, offset);
#endif
    } while (done < 0 && errno == EINTR);
    return done;
}

/* Reads until all parts are full or the file ends. Returns the bytes read, or -1 with errno set. */
static ssize_t fill(int file, struct iovec *parts, int count, long long offset, int flags)
{
    ssize_t total = 0;
    while (count) {
        ssize_t done = read_parts(file, parts, count, offset + total, flags);
        if (done < 0)
            return -1;
        if (done == 0)
            break;
        total += done;
        while (count && (size_t)done >= parts->iov_len) {
            done -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= (size_t)done;
        }
    }
    return total;
}

/* How many of the first `read` bytes from the first one's offset on belong to stretches, not to
 * holes. */
static Py_ssize_t kept(const Stretch *stretches, Py_ssize_t count, ssize_t read)
{
    Py_ssize_t sum = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        long long there = stretches[0].offset + read - stretches[i].offset;
        if (there <= 0)
            break;
        sum += there < stretches[i].size ? (Py_ssize_t)there : stretches[i].size;
    }
    return sum;
}

/* Reads stretches one after another to `data`, with `flags` in calls of `least` bytes or more.
 * Returns the bytes there, fewer than all of them where a file ends before its stretch does, or -1
 * with errno set. */
static Py_ssize_t read_all(const Stretch *stretches, Py_ssize_t count, char *data, int flags,
                           Py_ssize_t least)
{
    char hole[HOLE];
    Py_ssize_t total = 0;
    for (Py_ssize_t i = 0, next; i < count; i = next) {
        struct iovec parts[MAX_PARTS];
        int used = 0;
        Py_ssize_t sum = 0;
        ssize_t want = 0;
        for (next = i; next < count && used + 2 <= MAX_PARTS; next++) {
            const Stretch *s = &stretches[next];
            long long gap = s->offset - stretches[i].offset - want;
            if (s->file != stretches[i].file || gap < 0 || gap > HOLE)
                break;
            if (used && gap == 0) {
                parts[used - 1].iov_len += (size_t)s->size;
            } else {
                if (gap)
                    parts[used++] = (struct iovec){hole, (size_t)gap};
                parts[used++] = (struct iovec){data + total + sum, (size_t)s->size};
            }
            want += gap + s->size;
            sum += s->size;
        }
        ssize_t got =
            fill(stretches[i].file, parts, used, stretches[i].offset, want < least ? 0 : flags);
        if (got < 0)
            return -1;
        total += kept(stretches + i, next - i, got);
        if (got < want)
            break;
    }
    return total;
}

/* Fills `stretches` from a list of tuples; returns the sum of their sizes, or -1 with an exception
 * set. */
static Py_ssize_t parse(PyObject *list, Stretch *stretches)
{
    Py_ssize_t sum = 0;
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++) {
        Stretch *s = &stretches[i];
        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "iLn", &s->file, &s->offset, &s->size))
            return -1;
        if (s->offset < 0 || s->size < 0 || s->size > PY_SSIZE_T_MAX - sum) {
            PyErr_SetString(PyExc_ValueError, "no stretch of a file");
            return -1;
        }
        sum += s->size;
    }
    return sum;
}

static PyObject *read_stretches(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *list, *data = NULL;
    Py_ssize_t least;
    int flags;
    if (!PyArg_ParseTuple(args, "O!in:read_stretches", &PyList_Type, &list, &flags, &least))
        return NULL;
    Py_ssize_t count = PyList_Size(list), size, got;
    Stretch *stretches = calloc(count ? (size_t)count : 1, sizeof(Stretch));
    if (stretches == NULL)
        return PyErr_NoMemory();
    size = parse(list, stretches);
    if (size >= 0)
        data = PyBytes_FromStringAndSize(NULL, size);
    if (data != NULL) {
        char *start = PyBytes_AsString(data);
        Py_BEGIN_ALLOW_THREADS
        got = read_all(stretches, count, start, flags, least);
        Py_END_ALLOW_THREADS
        if (got < 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            Py_CLEAR(data);
        } else if (got < size) {
            PyObject *whole = data;
            data = PyBytes_FromStringAndSize(start, got);
            Py_DECREF(whole);
        }
    }
    free(stretches);
    return data;
}

static PyObject *start_write_back(PyObject *Py_UNUSED(module), PyObject *args)
{
    int file;
    long long offset, size;
    if (!PyArg_ParseTuple(args, "iLL:start_write_back", &file, &offset, &size))
        return NULL;
#ifdef __linux__
    int failed;
    Py_BEGIN_ALLOW_THREADS
    do {
        failed = sync_file_range(file, offset, size, SYNC_FILE_RANGE_WRITE) != 0 && errno != ENOSYS;
    } while (failed && errno == EINTR);
    Py_END_ALLOW_THREADS
    if (failed)
        return PyErr_SetFromErrno(PyExc_OSError);
#endif
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"read_stretches", read_stretches, METH_VARARGS, "See _io.pyi."},
    {"start_write_back", start_write_back, METH_VARARGS, "See _io.pyi."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    "_io",
    "Reading stretches of files, starting write-back.",
    0,
    methods,
    slots,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__io(void) { return PyModuleDef_Init(&module); }
