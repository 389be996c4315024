/* Python's view of compare.c: buffers in, a tuple out, the GIL released between.
 * Limited API 3.11, so that one wheel serves every later Python. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <math.h>

#include "compare.h"
#include "histogram.h"

/* The number of elements, or -1 with an exception set. */
static Py_ssize_t count(int old_dtype, const Py_buffer *old, int new_dtype, const Py_buffer *new)
{
    if (old_dtype < 0 || old_dtype >= COMPARE_DTYPES || new_dtype < 0 ||
        new_dtype >= COMPARE_DTYPES) {
        PyErr_SetString(PyExc_ValueError, "no dtype has this number");
        return -1;
    }
    Py_ssize_t old_width = compare_width(old_dtype), new_width = compare_width(new_dtype);
    Py_ssize_t old_units = old->len / old_width, new_units = new->len / new_width;
    Py_ssize_t n = old_units * compare_elements(old_dtype);
    if (old_units * old_width != old->len || new_units * new_width != new->len ||
        n != new_units * (Py_ssize_t)compare_elements(new_dtype)) {
        PyErr_Format(PyExc_ValueError, "%zd and %zd bytes are not equally many elements", old->len,
                     new->len);
        return -1;
    }
    return n;
}

PyDoc_STRVAR(compare_doc, "compare(old_dtype, old, new_dtype, new)\n--\n\n"
                          "The sums over two runs of equally many elements; see compare.py.");

static PyObject *py_compare(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer old, new;
    int old_dtype, new_dtype;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "iy*iy*:compare", &old_dtype, &old, &new_dtype, &new))
        return NULL;
    Py_ssize_t n = count(old_dtype, &old, new_dtype, &new);
    if (n >= 0) {
        struct compare_sums s = {0};
        Py_BEGIN_ALLOW_THREADS
        compare_add(&s, old_dtype, old.buf, new_dtype, new.buf, (size_t)n);
        Py_END_ALLOW_THREADS
        const struct compare_side *a = &s.side[0], *b = &s.side[1];
        result = Py_BuildValue(
            "(KKKdddddKKKddKKKdd)", (unsigned long long)s.elements, (unsigned long long)s.changed,
            (unsigned long long)s.pairs, s.squares, s.dot, s.most, s.powers[0], s.powers[1],
            (unsigned long long)a->finite, (unsigned long long)a->nans,
            (unsigned long long)a->infinities, a->mean, a->spread, (unsigned long long)b->finite,
            (unsigned long long)b->nans, (unsigned long long)b->infinities, b->mean, b->spread);
    }
    PyBuffer_Release(&old);
    PyBuffer_Release(&new);
    return result;
}

/* Fills a run from buffers, of which `old` may be that of None; false with an exception set. */
static int fill(struct histogram_run *run, int dtype, const Py_buffer *new, int old_dtype,
                const Py_buffer *old)
{
    int alone = old->buf == NULL;
    Py_ssize_t n = alone ? count(dtype, new, dtype, new) : count(old_dtype, old, dtype, new);
    if (n < 0)
        return 0;
    *run = (struct histogram_run){alone ? dtype : old_dtype, dtype, old->buf, new->buf, (size_t)n};
    return 1;
}

PyDoc_STRVAR(extent_doc, "extent(dtype, data, old_dtype=0, old=None)\n--\n\n"
                         "The least and the greatest finite value, infinity and -infinity without "
                         "one; with `old`, of data - old.");

static PyObject *py_extent(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer new, old = {0};
    int dtype, old_dtype = 0;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "iy*|iz*:extent", &dtype, &new, &old_dtype, &old))
        return NULL;
    struct histogram_run run;
    if (fill(&run, dtype, &new, old_dtype, &old)) {
        double low = INFINITY, high = -INFINITY;
        Py_BEGIN_ALLOW_THREADS
        histogram_extent(&run, &low, &high);
        Py_END_ALLOW_THREADS
        result = Py_BuildValue("(dd)", low, high);
    }
    PyBuffer_Release(&new);
    PyBuffer_Release(&old);
    return result;
}

/* A list of `bins` numbers. */
static PyObject *listed(const uint64_t *counts, Py_ssize_t bins)
{
    PyObject *list = PyList_New(bins);
    for (Py_ssize_t i = 0; list != NULL && i < bins; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(counts[i]);
        if (number == NULL || PyList_SetItem(list, i, number) < 0)
            Py_CLEAR(list);
    }
    return list;
}

#define MAX_BINS 1024

PyDoc_STRVAR(histogram_doc,
             "histogram(low, high, bins, dtype, data, old_dtype=0, old=None)\n--\n\n"
             "Numbers of values in each of at most 1024 equal parts of [low, high]; with `old`, of "
             "data - old.");

static PyObject *py_histogram(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer new, old = {0};
    int dtype, old_dtype = 0;
    Py_ssize_t bins;
    double low, high;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "ddniy*|iz*:histogram", &low, &high, &bins, &dtype, &new,
                          &old_dtype, &old))
        return NULL;
    struct histogram_run run;
    if (bins < 1 || bins > MAX_BINS || !isfinite(low) || !isfinite(high) || low > high) {
        PyErr_SetString(PyExc_ValueError, "no such bins");
    } else if (fill(&run, dtype, &new, old_dtype, &old)) {
        uint64_t counts[MAX_BINS] = {0};
        Py_BEGIN_ALLOW_THREADS
        histogram_add(&run, low, high, counts, (size_t)bins);
        Py_END_ALLOW_THREADS
        result = listed(counts, bins);
    }
    PyBuffer_Release(&new);
    PyBuffer_Release(&old);
    return result;
}

PyDoc_STRVAR(select_doc,
             "select(level)\n--\n\n"
             "Uses AVX-512 (2), AVX2 (1) or portable C (0), or what comes nearest; returns what.");

static PyObject *py_select(PyObject *module, PyObject *level)
{
    (void)module;
    long wanted = PyLong_AsLong(level);
    return PyErr_Occurred() ? NULL : PyLong_FromLong(compare_select((int)wanted));
}

static PyMethodDef methods[] = {
    {"compare", py_compare, METH_VARARGS, compare_doc},
    {"extent", py_extent, METH_VARARGS, extent_doc},
    {"histogram", py_histogram, METH_VARARGS, histogram_doc},
    {"select", py_select, METH_O, select_doc},
    {NULL, NULL, 0, NULL},
};

static int start(PyObject *module)
{
    (void)module;
    compare_init();
    compare_select(2);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, start},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_compare",
    .m_doc = "Runs of tensor elements compared in C; see compare.py for what is computed.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__compare(void) { return PyModuleDef_Init(&definition); }
