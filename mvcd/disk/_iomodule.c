/* Python's view of io.c: what the os module has not, with the GIL released.
 *
 * In Python a read with flags (preadv2) needs a buffer that bytearray first fills with zeros,
 * holding the GIL, and stretches that do not lie side by side are copied once more to be joined:
 * 0.15 of the 3.65 s that a push of 2 GiB takes.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <errno.h>
#include <stdlib.h>

#include "io.h"

/* Fills `stretches` from a list of tuples; returns the sum of their sizes, or -1 with an exception
 * set. */
static Py_ssize_t parse(PyObject *list, struct io_stretch *stretches)
{
    Py_ssize_t sum = 0;
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++) {
        int file;
        long long offset;
        Py_ssize_t size;
        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "iLn", &file, &offset, &size))
            return -1;
        if (offset < 0 || size < 0 || size > PY_SSIZE_T_MAX - sum) {
            PyErr_SetString(PyExc_ValueError, "no stretch of a file");
            return -1;
        }
        stretches[i] = (struct io_stretch){file, offset, size};
        sum += size;
    }
    return sum;
}

/* New bytes of at most `size`, or NULL with an exception set. */
static PyObject *read_bytes(const struct io_stretch *stretches, Py_ssize_t count, Py_ssize_t size,
                            int flags, Py_ssize_t least)
{
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    if (data == NULL)
        return NULL;
    char *start = PyBytes_AsString(data);
    Py_ssize_t got;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = io_read_stretches(stretches, (size_t)count, start, flags, least, &got);
    Py_END_ALLOW_THREADS
    if (failed) {
        errno = failed;
        PyErr_SetFromErrno(PyExc_OSError);
        Py_CLEAR(data);
    } else if (got < size) {
        PyObject *whole = data;
        data = PyBytes_FromStringAndSize(start, got);
        Py_DECREF(whole);
    }
    return data;
}

static PyObject *py_read_stretches(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *list, *data = NULL;
    Py_ssize_t least;
    int flags;
    if (!PyArg_ParseTuple(args, "O!in:read_stretches", &PyList_Type, &list, &flags, &least))
        return NULL;
    Py_ssize_t count = PyList_Size(list);
    struct io_stretch *stretches = calloc(count ? (size_t)count : 1, sizeof *stretches);
    if (stretches == NULL)
        return PyErr_NoMemory();
    Py_ssize_t size = parse(list, stretches);
    if (size >= 0)
        data = read_bytes(stretches, count, size, flags, least);
    free(stretches);
    return data;
}

static PyObject *py_start_write_back(PyObject *module, PyObject *args)
{
    (void)module;
    int file, failed;
    long long offset, size;
    if (!PyArg_ParseTuple(args, "iLL:start_write_back", &file, &offset, &size))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    failed = io_start_write_back(file, offset, size);
    Py_END_ALLOW_THREADS
    if (failed) {
        errno = failed;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"read_stretches", py_read_stretches, METH_VARARGS, "See _io.pyi."},
    {"start_write_back", py_start_write_back, METH_VARARGS, "See _io.pyi."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_io",
    .m_doc = "Reading stretches of files, starting write-back.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__io(void) { return PyModuleDef_Init(&definition); }
