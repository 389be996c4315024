/* Python's door to cut.c: buffers in, lists of ints out, the GIL released in between. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "cut.h"

/* The named kernel, or the best for NULL; NULL with ValueError when this machine cannot run it. */
static const struct cut_kernel *find_kernel(const char *name)
{
    for (size_t i = 0; i < cut_kernel_count; i++) {
        const struct cut_kernel *kernel = &cut_kernels[i];
        if ((name == NULL || strcmp(name, kernel->name) == 0) && kernel->usable())
            return kernel;
    }
    PyErr_Format(PyExc_ValueError, "no usable kernel named %s", name);
    return NULL;
}

static PyObject *list_of(const uint64_t *points, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *point = PyLong_FromUnsignedLongLong(points[i]);
        if (point == NULL || PyList_SetItem(list, (Py_ssize_t)i, point) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *cut_buffer(const Py_buffer *view, bool final, const struct cut_params *params,
                            cut_scan *scan)
{
    size_t size = (size_t)view->len;
    uint64_t *points = malloc(cut_capacity(size, params) * sizeof *points);
    if (points == NULL)
        return PyErr_NoMemory();
    size_t count;
    Py_BEGIN_ALLOW_THREADS
    count = cut_points(view->buf, size, final, params, scan, points);
    Py_END_ALLOW_THREADS
    PyObject *list = list_of(points, count);
    free(points);
    return list;
}

PyDoc_STRVAR(
    cut_points_doc,
    "cut_points(data, final, min_size, max_size, limit, kernel=None, /)\n--\n\n"
    "Ends of all chunks of a buffer that begins at a chunk's start; see chunker.cut_points.");

static PyObject *py_cut_points(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer view;
    int final;
    Py_ssize_t min_size, max_size;
    unsigned long long limit;
    const char *name = NULL;
    if (!PyArg_ParseTuple(args, "y*pnnK|z", &view, &final, &min_size, &max_size, &limit, &name))
        return NULL;
    PyObject *list = NULL;
    if (min_size < CUT_WINDOW || max_size <= min_size) {
        PyErr_Format(PyExc_ValueError, "sizes must obey %d <= min_size < max_size", CUT_WINDOW);
    } else {
        const struct cut_kernel *kernel = find_kernel(name);
        struct cut_params params = {(size_t)min_size, (size_t)max_size, limit};
        if (kernel != NULL)
            list = cut_buffer(&view, final, &params, kernel->scan);
    }
    PyBuffer_Release(&view);
    return list;
}

PyDoc_STRVAR(kernels_doc,
             "kernels()\n--\n\nNames of the kernels that this machine can run, best first.");

static PyObject *py_kernels(PyObject *module, PyObject *ignored)
{
    (void)module, (void)ignored;
    PyObject *names = PyList_New(0);
    for (size_t i = 0; names != NULL && i < cut_kernel_count; i++) {
        if (!cut_kernels[i].usable())
            continue;
        PyObject *name = PyUnicode_FromString(cut_kernels[i].name);
        if (name == NULL || PyList_Append(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

static PyMethodDef methods[] = {
    {"cut_points", py_cut_points, METH_VARARGS, cut_points_doc},
    {"kernels", py_kernels, METH_NOARGS, kernels_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "mvcd.chunking._cut",
    .m_doc = "The gear cutter in C. chunker.py is its face.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__cut(void) { return PyModuleDef_Init(&definition); }
