/* Python's view of body.c: the functions of the module `_planes` about whole bodies, which
 * _planesmodule.c adds to its own. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include "body.h"

enum { MOST_ROOM = 1024 };

struct body {
    Py_buffer view;
    int width;
    Py_ssize_t size;
    PyObject *raw;
    uint8_t *out; /* the bytes of raw */
    int bad;
};

/* Takes the buffer of one (width, size, body) and makes room for its raw bytes. */
static int hold_body(struct body *item, PyObject *tuple)
{
    if (!PyArg_ParseTuple(tuple, "iny*:decode_bodies", &item->width, &item->size, &item->view))
        return -1;
    item->raw = NULL;
    if ((item->width != 2 && item->width != 4 && item->width != 8) || item->size < 0)
        PyErr_SetString(PyExc_ValueError, "the width is 2, 4 or 8, the size not negative");
    else
        item->raw = PyBytes_FromStringAndSize(NULL, item->size);
    if (item->raw == NULL) {
        PyBuffer_Release(&item->view);
        return -1;
    }
    item->out = (uint8_t *)PyBytes_AsString(item->raw);
    return 0;
}

static void decode_items(struct body *items, Py_ssize_t count, uint8_t *scratch)
{
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count; i++) {
        struct body *one = &items[i];
        one->bad = body_decode(scratch, one->out, (size_t)one->size, (unsigned)one->width,
                               one->view.buf, (size_t)one->view.len);
    }
    Py_END_ALLOW_THREADS
}

PyDoc_STRVAR(decode_bodies_doc,
             "decode_bodies(items)\n--\n\n"
             "The raw bytes of each (width, size, body), None for a body that is malformed or has\n"
             "planes in zstd. The GIL is released once for all of them.");

static PyObject *py_decode_bodies(PyObject *module, PyObject *list)
{
    (void)module;
    Py_ssize_t count = PyList_Size(list), held = 0, largest = 0;
    if (count < 0)
        return NULL;
    PyObject *result = NULL;
    uint8_t *scratch = NULL;
    struct body *items = PyMem_Calloc((size_t)count + 1, sizeof *items);
    if (items == NULL)
        return PyErr_NoMemory();
    for (; held < count; held++) {
        if (hold_body(&items[held], PyList_GetItem(list, held)) < 0)
            goto release;
        if (items[held].size > largest)
            largest = items[held].size;
    }
    scratch = PyMem_Malloc(body_scratch((size_t)largest));
    result = scratch == NULL ? PyErr_NoMemory() : PyList_New(count);
    if (result == NULL)
        goto release;
    decode_items(items, count, scratch);
    for (Py_ssize_t i = 0; i < count; i++)
        PyList_SetItem(result, i, Py_NewRef(items[i].bad ? Py_None : items[i].raw));
release:
    for (Py_ssize_t i = 0; i < held; i++) {
        Py_DecRef(items[i].raw);
        PyBuffer_Release(&items[i].view);
    }
    PyMem_Free(scratch);
    PyMem_Free(items);
    return result;
}

/* Room for `size` bytes: in `object`, a buffer of so many, or if that is None in new bytes, which
 * are then `*result`. */
static uint8_t *room(PyObject *object, Py_buffer *view, Py_ssize_t size, PyObject **result)
{
    if (object == Py_None) {
        *result = PyBytes_FromStringAndSize(NULL, size);
        return *result == NULL ? NULL : (uint8_t *)PyBytes_AsString(*result);
    }
    if (PyObject_GetBuffer(object, view, PyBUF_WRITABLE) < 0)
        return NULL;
    if (view->len == size) {
        *result = Py_NewRef(Py_True);
        return view->buf;
    }
    PyErr_Format(PyExc_ValueError, "out has %zd bytes, not %zd", view->len, size);
    PyBuffer_Release(view);
    return NULL;
}

PyDoc_STRVAR(decode_body_doc,
             "decode_body(width, size, body, out, scratch)\n--\n\n"
             "The raw bytes of a body; with out, not None, they are written there and True is\n"
             "returned. None for a body that is malformed or has planes in zstd.");

static PyObject *py_decode_body(PyObject *module, PyObject *args)
{
    (void)module;
    int width, bad = 1;
    Py_ssize_t size;
    Py_buffer body, scratch, out = {0};
    PyObject *out_object, *result = NULL;
    if (!PyArg_ParseTuple(args, "iny*Ow*:decode_body", &width, &size, &body, &out_object, &scratch))
        return NULL;
    if ((width != 2 && width != 4 && width != 8) || size < 0) {
        PyErr_SetString(PyExc_ValueError, "the width is 2, 4 or 8, the size not negative");
    } else if ((size_t)scratch.len < body_scratch((size_t)size)) {
        PyErr_SetString(PyExc_ValueError, "scratch is too short");
    } else {
        uint8_t *to = room(out_object, &out, size, &result);
        if (to != NULL) {
            Py_BEGIN_ALLOW_THREADS
            bad = body_decode(scratch.buf, to, (size_t)size, (unsigned)width, body.buf,
                              (size_t)body.len);
            Py_END_ALLOW_THREADS
            PyBuffer_Release(&out);
        }
    }
    PyBuffer_Release(&body);
    PyBuffer_Release(&scratch);
    if (result != NULL && bad) {
        Py_DecRef(result);
        result = Py_NewRef(Py_None);
    }
    return result;
}

/* One of many that are encoded in a call, and the length of its body. */
struct piece {
    Py_buffer data;
    size_t length;
};

/* Writes bodies one after another, each behind so many bytes of room, up to the first that needs
 * zstd. Returns how many. */
static Py_ssize_t encode_pieces(struct piece *pieces, Py_ssize_t count, uint8_t *out,
                                Py_ssize_t room, uint8_t *scratch, unsigned width, int floats,
                                const struct body_choices *choices)
{
    for (Py_ssize_t k = 0; k < count; k++) {
        struct piece *one = &pieces[k];
        out += room;
        one->length =
            body_encode(out, scratch, one->data.buf, (size_t)one->data.len, width, floats, choices);
        if (one->length == 0)
            return k;
        out += one->length;
    }
    return count;
}

/* (out, a list of lengths), or NULL with an error set. */
static PyObject *bodies_of(const struct piece *pieces, Py_ssize_t count, PyObject *out)
{
    PyObject *lengths = PyList_New(count), *result = NULL;
    for (Py_ssize_t k = 0; k < count && lengths != NULL; k++) {
        PyObject *length = PyLong_FromSize_t(pieces[k].length);
        if (length == NULL || PyList_SetItem(lengths, k, length) < 0)
            Py_CLEAR(lengths);
    }
    if (lengths != NULL)
        result = PyTuple_Pack(2, out, lengths);
    Py_XDECREF(lengths);
    return result;
}

/* 0, or -1 with an error set. The sum of what bodies may take goes to *most, the size of the
 * longest piece to *longest. */
static int hold_pieces(struct piece *pieces, Py_ssize_t count, PyObject *datas, Py_ssize_t *most,
                       Py_ssize_t *longest)
{
    for (Py_ssize_t k = 0; k < count; k++) {
        Py_buffer *data = &pieces[k].data;
        if (PyObject_GetBuffer(PyList_GetItem(datas, k), data, PyBUF_SIMPLE) < 0)
            return -1;
        *most += (Py_ssize_t)body_most((size_t)data->len);
        *longest = data->len > *longest ? data->len : *longest;
    }
    return 0;
}

PyDoc_STRVAR(
    encode_bodies_doc,
    "encode_bodies(datas, width, floats, choices, room, scratch)\n--\n\n"
    "The bodies of many without a base in one buffer, each behind room bytes that are undefined,\n"
    "and their lengths, up to the first of which a plane needs zstd. The GIL is released once.\n"
    "Choices are those of alone.py: TINY_BYTES, FLAT_MILLIBITS, FEW_REPEATS_PER_MILLE,\n"
    "TIERS_PAY_PER_CENT.");

static PyObject *py_encode_bodies(PyObject *module, PyObject *args)
{
    (void)module;
    int width, floats;
    Py_ssize_t tiny, room, most = 0, longest = 0;
    struct body_choices choices;
    Py_buffer scratch;
    PyObject *datas, *out = NULL, *result = NULL;
    if (!PyArg_ParseTuple(args, "O!ip(nIII)nw*:encode_bodies", &PyList_Type, &datas, &width,
                          &floats, &tiny, &choices.flat_millibits, &choices.few_repeats,
                          &choices.tiers_per_cent, &room, &scratch))
        return NULL;
    choices.tiny_bytes = (size_t)tiny;
    Py_ssize_t count = PyList_Size(datas);
    struct piece *pieces = PyMem_Calloc((size_t)count + 1, sizeof *pieces);
    if (pieces == NULL) {
        PyErr_NoMemory();
    } else if ((width != 2 && width != 4 && width != 8) || room < 0 || room > MOST_ROOM) {
        PyErr_SetString(PyExc_ValueError, "the width is 2, 4 or 8, the room at most 1024 bytes");
    } else if (hold_pieces(pieces, count, datas, &most, &longest) == 0) {
        if ((size_t)scratch.len < body_scratch((size_t)longest))
            PyErr_SetString(PyExc_ValueError, "scratch is too short");
        else
            out = PyByteArray_FromStringAndSize(NULL, most + count * room);
    }
    if (out != NULL) {
        uint8_t *to = (uint8_t *)PyByteArray_AsString(out); /* nobody else has it yet */
        Py_ssize_t done;
        Py_BEGIN_ALLOW_THREADS
        done =
            encode_pieces(pieces, count, to, room, scratch.buf, (unsigned)width, floats, &choices);
        Py_END_ALLOW_THREADS
        result = bodies_of(pieces, done, out);
    }
    Py_XDECREF(out);
    for (Py_ssize_t k = 0; k < count && pieces != NULL; k++)
        PyBuffer_Release(&pieces[k].data);
    PyMem_Free(pieces);
    PyBuffer_Release(&scratch);
    return result;
}

PyDoc_STRVAR(body_scratch_doc,
             "body_scratch(size)\n--\n\nBytes of scratch for a body of size raw bytes.");

static PyObject *py_body_scratch(PyObject *module, PyObject *size_object)
{
    (void)module;
    size_t size = PyLong_AsSize_t(size_object);
    return PyErr_Occurred() ? NULL : PyLong_FromSize_t(body_scratch(size));
}

extern PyMethodDef body_calls[];

PyMethodDef body_calls[] = {
    {"decode_bodies", py_decode_bodies, METH_O, decode_bodies_doc},
    {"decode_body", py_decode_body, METH_VARARGS, decode_body_doc},
    {"encode_bodies", py_encode_bodies, METH_VARARGS, encode_bodies_doc},
    {"body_scratch", py_body_scratch, METH_O, body_scratch_doc},
    {NULL, NULL, 0, NULL},
};
