/* Python's view of read.c: the system calls of a whole group of files under one release of the GIL.
 *
 * In Python each file costs five calls (open, fstat, read, fstat, close), each of which gives up
 * the GIL and must win it back from the other workers: 30-40 us a file, most of it waiting. Here it
 * is 4-6 us.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdlib.h>

#include "read.h"

static PyObject *result(const struct read_file *file)
{
    if (file->status != 0)
        return PyLong_FromLong(file->status);
    const struct file_stat *s = &file->stat;
    return Py_BuildValue("(y#LLLKi)", file->data, (Py_ssize_t)s->size, (long long)s->size,
                         (long long)s->mtime, (long long)s->ctime, (unsigned long long)s->inode,
                         s->executable);
}

static PyObject *results(const struct read_file *files, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = result(&files[i]);
        if (item == NULL || PyList_SetItem(list, i, item) != 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *py_read_files(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *paths, *list = NULL;
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(args, "O!n:read_files", &PyList_Type, &paths, &limit))
        return NULL;
    if (limit < 0) {
        PyErr_SetString(PyExc_ValueError, "a negative limit");
        return NULL;
    }
    Py_ssize_t count = PyList_Size(paths);
    struct read_file *files = calloc(count ? (size_t)count : 1, sizeof *files);
    if (files == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        char *path;
        if (PyBytes_AsStringAndSize(PyList_GetItem(paths, i), &path, NULL) < 0) /* no NUL inside */
            goto done;
        files[i].path = path;
    }
    Py_BEGIN_ALLOW_THREADS
    read_files(files, (size_t)count, (size_t)limit);
    Py_END_ALLOW_THREADS
    list = results(files, count);
done:
    for (Py_ssize_t i = 0; i < count; i++)
        free(files[i].data);
    free(files);
    return list;
}

static PyMethodDef methods[] = {
    {"read_files", py_read_files, METH_VARARGS, "See _read.pyi."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_read", .m_doc = "Reading many small files in one call.",
    .m_methods = methods,  .m_slots = slots,
};

PyMODINIT_FUNC PyInit__read(void) { return PyModuleDef_Init(&definition); }
