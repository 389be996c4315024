/* Python's view of tiers.c: the functions of the module `_planes` about tiers, which
 * _planesmodule.c adds to its own. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include "tiers.h"

/* A buffer that C may write to, of at least `size` bytes. */
static int get_scratch(PyObject *object, Py_buffer *view, size_t size)
{
    if (PyObject_GetBuffer(object, view, PyBUF_WRITABLE) < 0)
        return -1;
    if ((size_t)view->len >= size)
        return 0;
    PyErr_Format(PyExc_ValueError, "scratch has %zd bytes, not %zd", view->len, (Py_ssize_t)size);
    PyBuffer_Release(view);
    return -1;
}

PyDoc_STRVAR(tiers_doc, "tiers(data, limit, scratch)\n--\n\n"
                        "The tiers of a plane, or None if they have not fewer than limit bytes.");

static PyObject *py_tiers(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer data, scratch;
    Py_ssize_t limit;
    PyObject *scratch_object, *result = NULL;
    if (!PyArg_ParseTuple(args, "y*nO:tiers", &data, &limit, &scratch_object))
        return NULL;
    if (data.len == 0 || limit < 0) {
        PyErr_SetString(PyExc_ValueError, "no data, or a negative limit");
    } else if (get_scratch(scratch_object, &scratch, tiers_scratch((size_t)data.len)) == 0) {
        uint8_t *stored;
        size_t size;
        Py_BEGIN_ALLOW_THREADS
        size = tiers_encode(scratch.buf, data.buf, (size_t)data.len, (size_t)limit, &stored);
        Py_END_ALLOW_THREADS
        result =
            size ? PyBytes_FromStringAndSize((char *)stored, (Py_ssize_t)size) : Py_NewRef(Py_None);
        PyBuffer_Release(&scratch);
    }
    PyBuffer_Release(&data);
    return result;
}

PyDoc_STRVAR(untier_doc,
             "untier(stored, size, scratch)\n--\n\n"
             "The plane of size bytes, or None if the stored bytes are not of the form.");

static PyObject *py_untier(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer stored, scratch;
    Py_ssize_t size;
    PyObject *scratch_object, *result = NULL;
    if (!PyArg_ParseTuple(args, "y*nO:untier", &stored, &size, &scratch_object))
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "a negative size");
    } else if (get_scratch(scratch_object, &scratch, tiers_scratch((size_t)size)) == 0) {
        result = PyBytes_FromStringAndSize(NULL, size);
        if (result != NULL) {
            int bad;
            uint8_t *out = (uint8_t *)PyBytes_AsString(result);
            Py_BEGIN_ALLOW_THREADS
            bad = tiers_decode(scratch.buf, out, stored.buf, (size_t)stored.len, (size_t)size);
            Py_END_ALLOW_THREADS
            if (bad) {
                Py_DecRef(result);
                result = Py_NewRef(Py_None);
            }
        }
        PyBuffer_Release(&scratch);
    }
    PyBuffer_Release(&stored);
    return result;
}

PyDoc_STRVAR(tiers_scratch_doc,
             "tiers_scratch(size)\n--\n\nBytes of scratch for a plane of size bytes.");

static PyObject *py_tiers_scratch(PyObject *module, PyObject *size_object)
{
    (void)module;
    size_t size = PyLong_AsSize_t(size_object);
    return PyErr_Occurred() ? NULL : PyLong_FromSize_t(tiers_scratch(size));
}

PyDoc_STRVAR(tiers_select_doc,
             "tiers_select(level)\n--\n\n"
             "Uses AVX-512 (2), AVX2 (1) or portable C (0), or what comes nearest; returns what.");

static PyObject *py_tiers_select(PyObject *module, PyObject *level)
{
    (void)module;
    long wanted = PyLong_AsLong(level);
    return PyErr_Occurred() ? NULL : PyLong_FromLong(tiers_select((int)wanted));
}

extern PyMethodDef tiers_calls[];

PyMethodDef tiers_calls[] = {
    {"tiers", py_tiers, METH_VARARGS, tiers_doc},
    {"untier", py_untier, METH_VARARGS, untier_doc},
    {"tiers_scratch", py_tiers_scratch, METH_O, tiers_scratch_doc},
    {"tiers_select", py_tiers_select, METH_O, tiers_select_doc},
    {NULL, NULL, 0, NULL},
};
