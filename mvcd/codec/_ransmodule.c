/* Python's view of rans.h: buffers in, buffers out, the GIL released while bytes are touched.
 * Limited API 3.11, so that one wheel serves every later Python. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "rans.h"

static int check_width(int width)
{
    if (width == 1 || width == 2 || width == 4 || width == 8)
        return 0;
    PyErr_Format(PyExc_ValueError, "the width is 1, 2, 4 or 8, not %d", width);
    return -1;
}

static int check_length(const Py_buffer *view, Py_ssize_t size, const char *what)
{
    if (view->len == size)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s has %zd bytes, not %zd", what, view->len, size);
    return -1;
}

PyDoc_STRVAR(scratch_doc, "scratch(size, width)\n--\n\n"
                          "Bytes of scratch to encode size bytes in elements of width bytes.");

static PyObject *py_scratch(PyObject *module, PyObject *args)
{
    (void)module;
    Py_ssize_t size;
    int width;
    if (!PyArg_ParseTuple(args, "ni:scratch", &size, &width) || check_width(width) < 0)
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "a negative size");
        return NULL;
    }
    return PyLong_FromSize_t(rans_scratch((size_t)size, (unsigned)width));
}

static size_t length_of(const struct rans_body *body)
{
    return body->length[0] + body->length[1] + body->length[2];
}

static void copy_body(uint8_t *at, const struct rans_body *body)
{
    for (int k = 0; k < 3; k++) {
        memcpy(at, body->part[k], body->length[k]);
        at += body->length[k];
    }
}

static PyObject *joined(const struct rans_body *body)
{
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length_of(body));
    if (result != NULL)
        copy_body((uint8_t *)PyBytes_AsString(result), body);
    return result;
}

PyDoc_STRVAR(encode_doc, "encode(data, base, width, floats, shift, scratch)\n--\n\n"
                         "The body of data against a base of the same length; see rans.py.");

static PyObject *py_encode(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer data, base, scratch;
    PyObject *result = NULL;
    int width, floats, shift;
    if (!PyArg_ParseTuple(args, "y*y*ipiw*:encode", &data, &base, &width, &floats, &shift,
                          &scratch))
        return NULL;
    if (check_width(width) < 0 || check_length(&base, data.len, "the base") < 0)
        goto release;
    if (shift < 0 || shift >= 8 * width || (floats && width == 1)) {
        PyErr_SetString(PyExc_ValueError, "no such shift, or floats of one byte");
    } else if ((size_t)scratch.len < rans_scratch((size_t)data.len, (unsigned)width)) {
        PyErr_SetString(PyExc_ValueError, "scratch is too short");
    } else {
        struct rans_body body;
        Py_BEGIN_ALLOW_THREADS
        rans_encode(&body, scratch.buf, data.buf, base.buf, (size_t)data.len, (unsigned)width,
                    floats, (unsigned)shift);
        Py_END_ALLOW_THREADS
        result = joined(&body);
    }
release:
    PyBuffer_Release(&data);
    PyBuffer_Release(&base);
    PyBuffer_Release(&scratch);
    return result;
}

/* One of many that are encoded in a call: what is given, and the body as it lies in `made`. */
struct piece {
    Py_buffer data, base;
    uint8_t *made;
    size_t length;
};

/* The body in memory of its own, for the next one needs the scratch; none where there is none. */
static void keep_body(struct piece *piece, const struct rans_body *body)
{
    piece->length = length_of(body);
    piece->made = malloc(piece->length);
    if (piece->made != NULL)
        copy_body(piece->made, body);
}

/* 0, or -1 with an error set. */
static int take_pieces(struct piece *pieces, Py_ssize_t count, PyObject *datas, PyObject *bases)
{
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *data = PyList_GetItem(datas, k), *base = PyList_GetItem(bases, k);
        if (data == NULL || base == NULL ||
            PyObject_GetBuffer(data, &pieces[k].data, PyBUF_SIMPLE) < 0 ||
            PyObject_GetBuffer(base, &pieces[k].base, PyBUF_SIMPLE) < 0 ||
            check_length(&pieces[k].base, pieces[k].data.len, "the base") < 0)
            return -1;
    }
    return 0;
}

/* A new list of the bodies, or NULL with an error set. */
static PyObject *bodies_of(const struct piece *pieces, Py_ssize_t count)
{
    PyObject *result = PyList_New(count);
    for (Py_ssize_t k = 0; k < count && result != NULL; k++) {
        PyObject *body = pieces[k].made == NULL
                             ? PyErr_NoMemory()
                             : PyBytes_FromStringAndSize((const char *)pieces[k].made,
                                                         (Py_ssize_t)pieces[k].length);
        if (body == NULL || PyList_SetItem(result, k, body) < 0)
            Py_CLEAR(result);
    }
    return result;
}

PyDoc_STRVAR(encode_each_doc, "encode_each(data, bases, width, floats, shift, scratch)\n--\n\n"
                              "encode of each of a list, the GIL released once.");

static PyObject *py_encode_each(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *datas, *bases, *result = NULL;
    Py_buffer scratch;
    int width, floats, shift;
    if (!PyArg_ParseTuple(args, "O!O!ipiw*:encode_each", &PyList_Type, &datas, &PyList_Type, &bases,
                          &width, &floats, &shift, &scratch))
        return NULL;
    Py_ssize_t count = PyList_Size(datas), longest = 0;
    struct piece *pieces = NULL;
    if (check_width(width) < 0)
        goto release;
    if (shift < 0 || shift >= 8 * width || (floats && width == 1) || count != PyList_Size(bases)) {
        PyErr_SetString(PyExc_ValueError,
                        "no such shift, floats of one byte, or not as many bases");
        goto release;
    }
    pieces = calloc((size_t)count + 1, sizeof *pieces);
    if (pieces == NULL) {
        PyErr_NoMemory();
        goto release;
    }
    if (take_pieces(pieces, count, datas, bases) < 0)
        goto release;
    for (Py_ssize_t k = 0; k < count; k++)
        longest = pieces[k].data.len > longest ? pieces[k].data.len : longest;
    if ((size_t)scratch.len < rans_scratch((size_t)longest, (unsigned)width)) {
        PyErr_SetString(PyExc_ValueError, "scratch is too short");
        goto release;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t k = 0; k < count; k++) {
        struct rans_body body;
        rans_encode(&body, scratch.buf, pieces[k].data.buf, pieces[k].base.buf,
                    (size_t)pieces[k].data.len, (unsigned)width, floats, (unsigned)shift);
        keep_body(&pieces[k], &body);
    }
    Py_END_ALLOW_THREADS
    result = bodies_of(pieces, count);
release:
    for (Py_ssize_t k = 0; k < count && pieces != NULL; k++) {
        if (pieces[k].data.obj != NULL)
            PyBuffer_Release(&pieces[k].data);
        if (pieces[k].base.obj != NULL)
            PyBuffer_Release(&pieces[k].base);
        free(pieces[k].made);
    }
    free(pieces);
    PyBuffer_Release(&scratch);
    return result;
}

/* 0, or -1 with an error set. */
static int decode_to(uint8_t *out, Py_ssize_t size, int width, const Py_buffer *base,
                     const Py_buffer *body)
{
    int bad;
    Py_BEGIN_ALLOW_THREADS
    bad = rans_decode(out, (size_t)size, (unsigned)width, base->buf, body->buf, (size_t)body->len);
    Py_END_ALLOW_THREADS
    if (bad)
        PyErr_SetString(PyExc_ValueError, "its classes do not make up a body");
    return bad;
}

PyDoc_STRVAR(
    decode_doc,
    "decode(body, size, base, width, out)\n--\n\n"
    "The size bytes of a body: new bytes if out is None, else written there. ValueError if\n"
    "the body is not of the form.");

static PyObject *py_decode(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer body, base, out = {0};
    PyObject *out_object, *result = NULL;
    Py_ssize_t size;
    int width;
    if (!PyArg_ParseTuple(args, "y*ny*iO:decode", &body, &size, &base, &width, &out_object))
        return NULL;
    if (check_width(width) < 0 || check_length(&base, size, "the base") < 0)
        goto release;
    if (out_object == Py_None) {
        result = PyBytes_FromStringAndSize(NULL, size);
        if (result != NULL &&
            decode_to((uint8_t *)PyBytes_AsString(result), size, width, &base, &body) < 0) {
            Py_DecRef(result);
            result = NULL;
        }
    } else if (PyObject_GetBuffer(out_object, &out, PyBUF_WRITABLE) == 0) {
        if (check_length(&out, size, "out") == 0 &&
            decode_to(out.buf, size, width, &base, &body) == 0)
            result = Py_NewRef(Py_None);
        PyBuffer_Release(&out);
    }
release:
    PyBuffer_Release(&body);
    PyBuffer_Release(&base);
    return result;
}

/* One of those that `decode_each` decodes together. */
struct decoded {
    Py_buffer body, base;
    Py_ssize_t size;
    int width, bad;
    PyObject *raw;
    uint8_t *out;
};

/* Holds one; -1 with an error set. What it holds is released with the others either way. */
static int hold_decoded(struct decoded *one, PyObject *tuple)
{
    if (!PyArg_ParseTuple(tuple, "y*ny*i:decode_each", &one->body, &one->size, &one->base,
                          &one->width))
        return -1;
    if (check_width(one->width) < 0 || check_length(&one->base, one->size, "the base") < 0)
        return -1;
    one->raw = PyBytes_FromStringAndSize(NULL, one->size);
    if (one->raw == NULL)
        return -1;
    one->out = (uint8_t *)PyBytes_AsString(one->raw); /* nobody else has it yet */
    return 0;
}

PyDoc_STRVAR(decode_each_doc,
             "decode_each(items)\n--\n\n"
             "The raw bytes of each (body, size, base, width), None for a body that is not of the\n"
             "form. The GIL is released once for all of them.");

static PyObject *py_decode_each(PyObject *module, PyObject *list)
{
    (void)module;
    Py_ssize_t count = PyList_Size(list), held = 0;
    if (count < 0)
        return NULL;
    struct decoded *items = PyMem_Calloc((size_t)count + 1, sizeof *items);
    if (items == NULL)
        return PyErr_NoMemory();
    while (held < count && hold_decoded(&items[held], PyList_GetItem(list, held)) == 0)
        held++;
    PyObject *result = held == count ? PyList_New(count) : NULL;
    if (result != NULL) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < count; i++) {
            struct decoded *one = &items[i];
            one->bad = rans_decode(one->out, (size_t)one->size, (unsigned)one->width, one->base.buf,
                                   one->body.buf, (size_t)one->body.len);
        }
        Py_END_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < count; i++)
            PyList_SetItem(result, i, Py_NewRef(items[i].bad ? Py_None : items[i].raw));
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_DecRef(items[i].raw); /* these three do nothing where there is nothing */
        PyBuffer_Release(&items[i].body);
        PyBuffer_Release(&items[i].base);
    }
    PyMem_Free(items);
    return result;
}

PyDoc_STRVAR(select_doc,
             "select(level)\n--\n\n"
             "Uses AVX-512 (2), AVX2 (1) or portable C (0), or what comes nearest; returns what.");

static PyObject *py_select(PyObject *module, PyObject *level)
{
    (void)module;
    long wanted = PyLong_AsLong(level);
    return PyErr_Occurred() ? NULL : PyLong_FromLong(rans_select((int)wanted));
}

static PyMethodDef methods[] = {
    {"scratch", py_scratch, METH_VARARGS, scratch_doc},
    {"encode", py_encode, METH_VARARGS, encode_doc},
    {"encode_each", py_encode_each, METH_VARARGS, encode_each_doc},
    {"decode", py_decode, METH_VARARGS, decode_doc},
    {"decode_each", py_decode_each, METH_O, decode_each_doc},
    {"select", py_select, METH_O, select_doc},
    {NULL, NULL, 0, NULL},
};

static int start(PyObject *module)
{
    (void)module;
    rans_select(2);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, start},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_rans",
    .m_doc = "Classes of differences in C; see rans.py for what each function computes.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__rans(void) { return PyModuleDef_Init(&definition); }
