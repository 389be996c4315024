/* Python's view of write.c: the system calls of a whole group of files under one release of the
 * GIL, so that a thread that makes files and one that decodes the next ones do not wait for each
 * other. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <errno.h>
#include <stdlib.h>

#include "write.h"

/* Takes one (path, bits, content), whose bytes are borrowed. 0, or -1 with an exception. */
static int hold(struct write_file *file, PyObject *item)
{
    PyObject *path, *data;
    char *start;
    Py_ssize_t size;
    if (!PyTuple_Check(item)) {
        PyErr_SetString(PyExc_TypeError, "a file is a tuple of path, bits and content");
        return -1;
    }
    if (!PyArg_ParseTuple(item, "SiS:write_files", &path, &file->bits, &data))
        return -1;
    if (PyBytes_AsStringAndSize(path, &start, NULL) < 0) /* NULL: no NUL inside */
        return -1;
    file->path = start;
    PyBytes_AsStringAndSize(data, &start, &size);
    file->data = start;
    file->size = (size_t)size;
    return 0;
}

/* A list of tuples, or NULL with an exception. */
static PyObject *states(const struct write_file *files, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        const struct file_stat *s = &files[i].stat;
        PyObject *state =
            Py_BuildValue("LLLKO", (long long)s->size, (long long)s->mtime, (long long)s->ctime,
                          (unsigned long long)s->inode, s->executable ? Py_True : Py_False);
        if (state == NULL)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, i, state);
    }
    return list;
}

static PyObject *py_write_files(PyObject *module, PyObject *list)
{
    (void)module;
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "write_files takes a list");
        return NULL;
    }
    Py_ssize_t count = PyList_Size(list);
    struct write_file *files = calloc(count ? (size_t)count : 1, sizeof *files);
    if (files == NULL)
        return PyErr_NoMemory();
    PyObject *result = NULL;
    for (Py_ssize_t i = 0; i < count; i++)
        if (hold(&files[i], PyList_GetItem(list, i)) < 0)
            goto end;
    size_t done;
    int status;
    Py_BEGIN_ALLOW_THREADS
    done = write_files(files, (size_t)count, &status);
    Py_END_ALLOW_THREADS
    if (status == 0) {
        result = states(files, count);
    } else {
        errno = status;
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, files[done].path);
    }
end:
    free(files);
    return result;
}

static PyMethodDef methods[] = {
    {"write_files", py_write_files, METH_O, "See _write.pyi."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_write", .m_doc = "Making many small files in one call.",
    .m_methods = methods,  .m_slots = slots,
};

PyMODINIT_FUNC PyInit__write(void) { return PyModuleDef_Init(&definition); }
