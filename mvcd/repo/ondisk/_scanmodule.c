/* Python's view of scan.c: a path in, a listing out, the GIL released while the system is asked.
 *
 *     list_directory(path: bytes, names: bytes | None = None, follow: bool = False) -> bytes
 *     list_directories(paths: list[bytes]) -> list[bytes | int]
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <errno.h>
#include <stdlib.h>

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

/* One of many directories: its path, then its listing or why there is none. */
struct task {
    const char *path;
    char *listing;
    size_t size;
    int status;
};

static void run(struct task *task)
{
    struct scan_found found = {0};
    task->status = scan_directory(&found, task->path, NULL, 0, 0);
    if (task->status == 0) {
        task->size = scan_size(&found);
        task->listing = malloc(task->size);
        if (task->listing)
            scan_write(&found, task->listing);
        else
            task->status = ENOMEM;
    }
    scan_free(&found);
}

/* A listing, or an errno; NULL with an exception. */
static PyObject *result_of(const struct task *task)
{
    if (task->status == SCAN_TOO_LARGE)
        return failure(task->status, NULL);
    if (task->status)
        return PyLong_FromLong(task->status);
    return PyBytes_FromStringAndSize(task->listing, (Py_ssize_t)task->size);
}

/* The paths live as long as `held`, a tuple. */
static PyObject *list_all(PyObject *held, struct task *tasks, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        char *path;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(held, i), &path, NULL))
            return NULL;
        tasks[i].path = path;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count; i++)
        run(&tasks[i]);
    Py_END_ALLOW_THREADS
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        PyObject *result = result_of(&tasks[i]);
        if (result == NULL || PyList_SetItem(list, i, result) < 0)
            Py_CLEAR(list);
    }
    return list;
}

PyDoc_STRVAR(list_directories_doc, "list_directories(paths, /)\n--\n\n"
                                   "The listing of each directory, or the errno that it met.");

static PyObject *py_list_directories(PyObject *module, PyObject *paths)
{
    (void)module;
    PyObject *held = PySequence_Tuple(paths);
    if (held == NULL)
        return NULL;
    Py_ssize_t count = PyTuple_Size(held);
    struct task *tasks = calloc(count ? (size_t)count : 1, sizeof *tasks);
    PyObject *list = tasks ? list_all(held, tasks, count) : PyErr_NoMemory();
    for (Py_ssize_t i = 0; tasks && i < count; i++)
        free(tasks[i].listing);
    free(tasks);
    Py_DECREF(held);
    return list;
}

static PyMethodDef methods[] = {
    {"list_directory", py_list_directory, METH_VARARGS, list_directory_doc},
    {"list_directories", py_list_directories, METH_O, list_directories_doc},
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
