/* Python's view of scan.c: a path in, a listing out, the GIL released while the system is asked.
 *
 *     list_directory(path: bytes, names: bytes | None = None, follow: bool = False) -> bytes
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <errno.h>

#include "scan.h"

static PyObject *listing_of(const struct scan_found *found)
{
    PyObject *listing = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)scan_size(found));
    if (listing == NULL)
        return NULL;
    char *to = PyBytes_AsString(listing);
    Py_BEGIN_ALLOW_THREADS
    scan_write(found, to);
    Py_END_ALLOW_THREADS
    return listing;
}

/* Sets the exception that scan_directory's status stands for; returns NULL. */
static PyObject *failure(int status, PyObject *path)
{
    if (status == SCAN_TOO_LARGE) {
        PyErr_SetString(PyExc_OverflowError, "a directory with more than 4 GiB of names");
        return NULL;
    }
    errno = status;
    return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
}

PyDoc_STRVAR(list_directory_doc,
             "list_directory(path, names=None, follow=False, /)\n--\n\n"
             "All entries of one directory with their stat, as one packed listing; see scan.h.");

static PyObject *py_list_directory(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *path_object, *names_object = Py_None;
    int follow = 0;
    if (!PyArg_ParseTuple(args, "S|Op:list_directory", &path_object, &names_object, &follow))
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
    struct scan_found found = {0};
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = scan_directory(&found, path, names, (size_t)names_size, follow);
    Py_END_ALLOW_THREADS
    PyObject *listing = status ? failure(status, path_object) : listing_of(&found);
    scan_free(&found);
    return listing;
}

static PyMethodDef methods[] = {
    {"list_directory", py_list_directory, METH_VARARGS, list_directory_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_scan",
    .m_doc = "Directory listings in one call; the layout is described in scan.h.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__scan(void) { return PyModuleDef_Init(&definition); }
