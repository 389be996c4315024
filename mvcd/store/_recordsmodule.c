/* Python's door to records.c: a frame in, its records out, the GIL released while checksums are
 * made. In Python a record takes 5 us, of which a push of small files has a quarter of a million.
 * Limited API 3.11, so that one wheel serves every later Python. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdlib.h>

#include "records.h"

/* What records are made of: types and numbers of `parse`. */
struct makers {
    PyTypeObject *record;
    PyObject *types;  /* dict of a kind's number to the type of its ids */
    PyObject *codecs; /* dict of a codec's number to the codec */
    newfunc new_tuple, new_bytes;
};

struct places {
    struct record_place *all;
    size_t count, room;
    unsigned long long raw_size;
};

/* Appends one; -1 where there is no memory. */
static int add(struct places *found, const struct record_place *place)
{
    if (found->count == found->room) {
        size_t room = found->room ? 2 * found->room : 64;
        struct record_place *more = realloc(found->all, room * sizeof *more);
        if (more == NULL)
            return -1;
        found->all = more;
        found->room = room;
    }
    found->all[found->count++] = *place;
    found->raw_size += place->raw_size;
    return 0;
}

/* 1 when `data` is whole records and nothing else, 0 when it is not, -1 where there is no memory.
 */
static int find(const Py_buffer *data, struct places *found)
{
    size_t size = (size_t)data->len;
    for (size_t at = 0; at < size; at = found->all[found->count - 1].end) {
        struct record_place place;
        if (!record_at(data->buf, size, at, &place))
            return 0;
        if (add(found, &place) < 0)
            return -1;
    }
    return 1;
}

static int all_sound(const Py_buffer *data, const struct places *found)
{
    for (size_t i = 0; i < found->count; i++)
        if (!record_is_sound(data->buf, &found->all[i]))
            return 0;
    return 1;
}

/* `type`, a subtype of that whose `new` this is, of `value`, to which this takes the reference. */
static PyObject *made(newfunc new, PyTypeObject *type, PyObject *value)
{
    if (value == NULL)
        return NULL;
    PyObject *arguments = PyTuple_Pack(1, value), *result = NULL;
    Py_DECREF(value);
    if (arguments != NULL)
        result = new(type, arguments, NULL);
    Py_XDECREF(arguments);
    return result;
}

static PyObject *digest(const struct makers *makers, PyObject *type, const uint8_t *at)
{
    if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, &PyBytes_Type)) {
        PyErr_SetString(PyExc_TypeError, "ids are bytes");
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)at, RECORD_DIGEST_SIZE);
    return made(makers->new_bytes, (PyTypeObject *)type, bytes);
}

static PyObject *value_of(PyObject *dict, long key)
{
    PyObject *number = PyLong_FromLong(key);
    PyObject *value = number == NULL ? NULL : PyDict_GetItemWithError(dict, number);
    Py_XDECREF(number);
    return value; /* borrowed; NULL without an exception for what is not there */
}

/* (Record, its bytes); NULL with an exception, or without one for a codec that is not known. */
static PyObject *record(const struct makers *makers, PyObject *view, const uint8_t *data,
                        const struct record_place *place)
{
    PyObject *result = NULL, *id = NULL, *base = NULL, *body = NULL, *size = NULL, *whole = NULL;
    PyObject *codec = value_of(makers->codecs, place->codec);
    PyObject *type = codec == NULL ? NULL : value_of(makers->types, place->kind);
    PyObject *base_type = type == NULL ? NULL : value_of(makers->types, RECORD_FIRST_KIND);
    if (base_type == NULL)
        return NULL;
    id = digest(makers, type, data + place->start + RECORD_DIGEST_AT);
    base = place->has_base ? digest(makers, base_type, data + place->start + RECORD_HEAD_SIZE)
                           : Py_NewRef(Py_None);
    body = PySequence_GetSlice(view, (Py_ssize_t)place->body, (Py_ssize_t)place->end);
    whole = PySequence_GetSlice(view, (Py_ssize_t)place->start, (Py_ssize_t)place->end);
    size = PyLong_FromUnsignedLong(place->raw_size);
    if (id != NULL && base != NULL && body != NULL && whole != NULL && size != NULL) {
        PyObject *fields = PyTuple_Pack(5, id, codec, size, base, body);
        PyObject *one = made(makers->new_tuple, makers->record, fields);
        if (one != NULL)
            result = PyTuple_Pack(2, one, whole);
        Py_XDECREF(one);
    }
    Py_XDECREF(id);
    Py_XDECREF(base);
    Py_XDECREF(body);
    Py_XDECREF(size);
    Py_XDECREF(whole);
    return result;
}

/* A list of them; NULL with an exception, or without one for a codec that is not known. */
static PyObject *records(const struct makers *makers, PyObject *view, const uint8_t *data,
                         const struct places *found)
{
    PyObject *list = PyList_New((Py_ssize_t)found->count);
    for (size_t i = 0; list != NULL && i < found->count; i++) {
        PyObject *one = record(makers, view, data, &found->all[i]);
        if (one == NULL || PyList_SetItem(list, (Py_ssize_t)i, one) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* What `parse` answers of a held frame. */
static PyObject *answer(const struct makers *makers, PyObject *view, const Py_buffer *data,
                        unsigned long long most_raw, unsigned long long small)
{
    struct places found = {0};
    PyObject *list = NULL, *result = NULL;
    int whole, checked = 0;
    Py_BEGIN_ALLOW_THREADS
    whole = find(data, &found);
    if (whole > 0 && found.raw_size > most_raw)
        whole = 0;
    if (whole > 0 && (unsigned long long)data->len < small * found.count) {
        checked = 1;
        whole = all_sound(data, &found);
    }
    Py_END_ALLOW_THREADS
    if (whole < 0)
        PyErr_NoMemory();
    else if (whole > 0)
        list = records(makers, view, data->buf, &found);
    free(found.all);
    if (list != NULL)
        result = PyTuple_Pack(2, list, checked ? Py_True : Py_False);
    Py_XDECREF(list);
    return result == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : result;
}

static PyObject *py_parse(PyObject *module, PyObject *args)
{
    (void)module;
    struct makers makers;
    Py_buffer data;
    PyObject *view, *type, *result = NULL;
    unsigned long long most_raw, small;
    if (!PyArg_ParseTuple(args, "OOO!O!KK:parse", &view, &type, &PyDict_Type, &makers.types,
                          &PyDict_Type, &makers.codecs, &most_raw, &small))
        return NULL;
    makers.new_tuple = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    makers.new_bytes = (newfunc)PyType_GetSlot(&PyBytes_Type, Py_tp_new);
    makers.record = (PyTypeObject *)type;
    if (!PyType_Check(type) || !PyType_IsSubtype(makers.record, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "records are tuples");
        return NULL;
    }
    PyObject *whole = PyMemoryView_FromObject(view);
    if (whole == NULL)
        return NULL;
    if (PyObject_GetBuffer(whole, &data, PyBUF_SIMPLE) == 0) {
        result = answer(&makers, whole, &data, most_raw, small);
        PyBuffer_Release(&data);
    }
    Py_DECREF(whole);
    return result;
}

static PyMethodDef methods[] = {
    {"parse", py_parse, METH_VARARGS, "See _records.pyi."},
    {NULL, NULL, 0, NULL},
};

static int start(PyObject *module)
{
    (void)module;
    records_init();
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, start}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_records", .m_doc = "Records of frames.",
    .m_methods = methods,  .m_slots = slots,
};

PyMODINIT_FUNC PyInit__records(void) { return PyModuleDef_Init(&definition); }
