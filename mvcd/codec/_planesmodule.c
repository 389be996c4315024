/* Python's view of planes.c: buffers in, buffers out, the GIL released while bytes are touched.
 * Limited API 3.11, so that one wheel serves every later Python. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <string.h>

#include "body.h"
#include "planes.h"
#include "tiers.h"

static int check_width(int width)
{
    if (width == 1 || width == 2 || width == 4 || width == 8)
        return 0;
    PyErr_Format(PyExc_ValueError, "the width is 1, 2, 4 or 8, not %d", width);
    return -1;
}

/* None, or a buffer of exactly `size` bytes. view->buf is NULL for None. */
static int get_base(PyObject *object, Py_buffer *view, Py_ssize_t size)
{
    memset(view, 0, sizeof *view);
    if (object == Py_None)
        return 0;
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE) < 0)
        return -1;
    if (view->len == size)
        return 0;
    PyErr_Format(PyExc_ValueError, "the base has %zd bytes, not %zd", view->len, size);
    PyBuffer_Release(view);
    return -1;
}

PyDoc_STRVAR(split_doc, "split(out, data, width, floats, base)\n--\n\n"
                        "Writes the planes of data, relative to base, into out, then what follows "
                        "the last whole element.");

static PyObject *py_split(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer out, data, base;
    PyObject *base_object, *result = NULL;
    int width, floats;
    if (!PyArg_ParseTuple(args, "w*y*ipO:split", &out, &data, &width, &floats, &base_object))
        return NULL;
    if (check_width(width) < 0 || get_base(base_object, &base, data.len) < 0)
        goto release;
    if (out.len < data.len) {
        PyErr_SetString(PyExc_ValueError, "out is shorter than data");
        goto release_base;
    }
    Py_BEGIN_ALLOW_THREADS
    size_t n = (size_t)data.len / (size_t)width, whole = n * (size_t)width;
    planes_split(out.buf, data.buf, base.buf, n, (unsigned)width, floats);
    for (size_t i = whole; i < (size_t)data.len; i++)
        ((uint8_t *)out.buf)[i] =
            ((uint8_t *)data.buf)[i] ^ (base.buf ? ((uint8_t *)base.buf)[i] : 0);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
release_base:
    PyBuffer_Release(&base);
release:
    PyBuffer_Release(&out);
    PyBuffer_Release(&data);
    return result;
}

struct join_input {
    Py_buffer views[PLANES_MAX_WIDTH], tail;
    const uint8_t *planes[PLANES_MAX_WIDTH];
    int fill[PLANES_MAX_WIDTH];
    int width; /* views held so far */
    Py_ssize_t size;
};

static void release_input(struct join_input *input)
{
    for (int k = 0; k < input->width; k++)
        PyBuffer_Release(&input->views[k]);
    PyBuffer_Release(&input->tail);
}

/* Takes the planes' buffers and checks that planes and tail make up exactly `size` bytes. */
static int hold_planes(struct join_input *input, PyObject *planes)
{
    Py_ssize_t width = PyTuple_Size(planes);
    if (width < 0 || width > PLANES_MAX_WIDTH || check_width((int)width) < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "more than 8 planes");
        return -1;
    }
    Py_ssize_t n = input->size / width;
    if (input->size < 0 || input->tail.len != input->size % width) {
        PyErr_SetString(PyExc_ValueError, "size and tail do not agree");
        return -1;
    }
    for (int k = 0; k < width; k++) {
        Py_buffer *view = &input->views[k];
        if (PyObject_GetBuffer(PyTuple_GetItem(planes, k), view, PyBUF_SIMPLE) < 0)
            return -1;
        input->width = k + 1;
        input->planes[k] = view->buf;
        input->fill[k] = view->len == 1 && n != 1;
        if (view->len != n && view->len != 1) {
            PyErr_Format(PyExc_ValueError, "plane %d has %zd bytes, not %zd", k, view->len, n);
            return -1;
        }
    }
    return 0;
}

static void join_all(const struct join_input *input, uint8_t *out, const uint8_t *base, int floats)
{
    size_t n = (size_t)(input->size / input->width), whole = n * (size_t)input->width;
    planes_join(out, input->planes, input->fill, base, n, (unsigned)input->width, floats);
    for (size_t i = 0; i < (size_t)input->tail.len; i++)
        out[whole + i] = ((uint8_t *)input->tail.buf)[i] ^ (base ? base[whole + i] : 0);
}

PyDoc_STRVAR(
    join_doc,
    "join(size, planes, tail, floats, base, out)\n--\n\n"
    "The inverse of split; a plane of one byte is filled with it. Returns new bytes if out is\n"
    "None, else writes there and returns None.");

static PyObject *py_join(PyObject *module, PyObject *args)
{
    (void)module;
    struct join_input input = {0};
    Py_buffer base, out = {0};
    PyObject *planes, *base_object, *out_object, *result = NULL;
    int floats;
    if (!PyArg_ParseTuple(args, "nO!y*pOO:join", &input.size, &PyTuple_Type, &planes, &input.tail,
                          &floats, &base_object, &out_object))
        return NULL;
    if (hold_planes(&input, planes) < 0 || get_base(base_object, &base, input.size) < 0)
        goto release;
    uint8_t *target;
    if (out_object == Py_None) {
        result = PyBytes_FromStringAndSize(NULL, input.size);
        if (result == NULL)
            goto release_base;
        target = (uint8_t *)PyBytes_AsString(result);
    } else {
        if (PyObject_GetBuffer(out_object, &out, PyBUF_WRITABLE) < 0)
            goto release_base;
        if (out.len != input.size) {
            PyErr_Format(PyExc_ValueError, "out has %zd bytes, not %zd", out.len, input.size);
            goto release_base;
        }
        result = Py_NewRef(Py_None);
        target = out.buf;
    }
    Py_BEGIN_ALLOW_THREADS
    join_all(&input, target, base.buf, floats);
    Py_END_ALLOW_THREADS
release_base:
    PyBuffer_Release(&out);
    PyBuffer_Release(&base);
release:
    release_input(&input);
    return result;
}

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

PyDoc_STRVAR(
    encode_body_doc,
    "encode_body(data, width, floats, choices, scratch)\n--\n\n"
    "The body of data without a base, or None if a plane needs zstd. Choices are those of\n"
    "encode.py: TINY_BYTES, FLAT_MILLIBITS, FEW_REPEATS_PER_MILLE, TIERS_PAY_PER_CENT.");

static PyObject *py_encode_body(PyObject *module, PyObject *args)
{
    (void)module;
    int width, floats;
    Py_ssize_t tiny;
    struct body_choices choices;
    Py_buffer data, scratch;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "y*ip(nIII)w*:encode_body", &data, &width, &floats, &tiny,
                          &choices.flat_millibits, &choices.few_repeats, &choices.tiers_per_cent,
                          &scratch))
        return NULL;
    choices.tiny_bytes = (size_t)tiny;
    if (width != 2 && width != 4 && width != 8) {
        PyErr_SetString(PyExc_ValueError, "the width is 2, 4 or 8");
    } else if ((size_t)scratch.len < body_scratch((size_t)data.len)) {
        PyErr_SetString(PyExc_ValueError, "scratch is too short");
    } else {
        uint8_t *body;
        size_t length;
        Py_BEGIN_ALLOW_THREADS
        length = body_encode(scratch.buf, data.buf, (size_t)data.len, (unsigned)width, floats,
                             &choices, &body);
        Py_END_ALLOW_THREADS
        result = length ? PyBytes_FromStringAndSize((char *)body, (Py_ssize_t)length)
                        : Py_NewRef(Py_None);
    }
    PyBuffer_Release(&data);
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

PyDoc_STRVAR(period_doc,
             "period(data)\n--\n\n"
             "The smallest of 1, 2, 4, 8 such that data repeats its first bytes, else 0.");

enum { BEGINNING = 1024 };

static PyObject *py_period(PyObject *module, PyObject *data_object)
{
    (void)module;
    Py_buffer data;
    if (PyObject_GetBuffer(data_object, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    /* What begins without a period has none. Nearly all does, and is told before others could have
     * had the lock. */
    size_t size = (size_t)data.len, first = size < BEGINNING ? size : BEGINNING;
    unsigned period = planes_period(data.buf, first);
    if (period != 0 && first < size) {
        Py_BEGIN_ALLOW_THREADS
        period = planes_period(data.buf, size);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&data);
    return PyLong_FromUnsignedLong(period);
}

PyDoc_STRVAR(
    probe_doc,
    "probe(data)\n--\n\n"
    "(entropy in 1/1000 bit per byte, per mille of 8-byte strings seen before) of a sample.");

static PyObject *py_probe(PyObject *module, PyObject *data_object)
{
    (void)module;
    Py_buffer data;
    if (PyObject_GetBuffer(data_object, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    struct planes_probe probe = planes_probe(data.buf, (size_t)data.len);
    PyBuffer_Release(&data);
    return Py_BuildValue("(II)", probe.millibits, probe.repeats);
}

PyDoc_STRVAR(lanes_doc,
             "lanes(data)\n--\n\n"
             "Entropy in 1/1000 bit per byte of a sample read as 1, 2, 4 and 8 interleaved lanes.");

static PyObject *py_lanes(PyObject *module, PyObject *data_object)
{
    (void)module;
    Py_buffer data;
    if (PyObject_GetBuffer(data_object, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    unsigned lanes[4];
    planes_lanes(data.buf, (size_t)data.len, lanes);
    PyBuffer_Release(&data);
    return Py_BuildValue("(IIII)", lanes[0], lanes[1], lanes[2], lanes[3]);
}

static PyMethodDef methods[] = {
    {"split", py_split, METH_VARARGS, split_doc},
    {"join", py_join, METH_VARARGS, join_doc},
    {"decode_bodies", py_decode_bodies, METH_O, decode_bodies_doc},
    {"decode_body", py_decode_body, METH_VARARGS, decode_body_doc},
    {"encode_body", py_encode_body, METH_VARARGS, encode_body_doc},
    {"body_scratch", py_body_scratch, METH_O, body_scratch_doc},
    {"period", py_period, METH_O, period_doc},
    {"probe", py_probe, METH_O, probe_doc},
    {"lanes", py_lanes, METH_O, lanes_doc},
    {NULL, NULL, 0, NULL},
};

extern PyMethodDef tiers_calls[]; /* _tiersmodule.c */

static int start(PyObject *module)
{
    planes_init();
    tiers_select(2);
    return PyModule_AddFunctions(module, tiers_calls);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, start},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_planes",
    .m_doc = "Byte planes and statistics in C; see planes.py for what each function computes.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__planes(void) { return PyModuleDef_Init(&definition); }
