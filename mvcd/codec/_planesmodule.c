/* Python's view of planes.c: buffers in, buffers out, the GIL released while bytes are touched.
 * Limited API 3.11, so that one wheel serves every later Python. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <string.h>

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
    {"split", py_split, METH_VARARGS, split_doc}, {"join", py_join, METH_VARARGS, join_doc},
    {"period", py_period, METH_O, period_doc},    {"probe", py_probe, METH_O, probe_doc},
    {"lanes", py_lanes, METH_O, lanes_doc},       {NULL, NULL, 0, NULL},
};

extern PyMethodDef tiers_calls[]; /* _tiersmodule.c */
extern PyMethodDef body_calls[];  /* _bodymodule.c */

static int start(PyObject *module)
{
    planes_init();
    tiers_select(2);
    if (PyModule_AddFunctions(module, tiers_calls) < 0)
        return -1;
    return PyModule_AddFunctions(module, body_calls);
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
