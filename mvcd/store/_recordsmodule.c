/* Python's door to records.c: a frame in, its records out, and the other way round; the GIL
 * is released while checksums are made. In Python a record takes 5 us, of which a push of small
 * files has a quarter of a million. Limited API 3.11, so that one wheel serves every later Python.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdlib.h>
#include <string.h>

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

/* Bodies that stay as they are while records are made of them. */
struct bodies {
    struct record_body *all;
    Py_buffer *held;
    size_t count, size; /* of those held, and of their records together */
};

static void let_go(struct bodies *bodies)
{
    for (size_t i = 0; i < bodies->count; i++)
        PyBuffer_Release(&bodies->held[i]);
    free(bodies->held);
    free(bodies->all);
}

/* Holds the body of (id, (codec, raw size, body, base)), whose codec and raw size these are; -1
 * with an exception. */
static int hold(struct bodies *bodies, PyObject *id, long codec, long raw_size, PyObject *body)
{
    struct record_body *one = &bodies->all[bodies->count];
    Py_buffer *held = &bodies->held[bodies->count];
    if (PyObject_GetBuffer(body, held, PyBUF_SIMPLE) != 0)
        return -1;
    bodies->count++;
    one->id = (const uint8_t *)PyBytes_AsString(id);
    one->data = held->buf;
    one->size = (size_t)held->len;
    one->codec = (uint8_t)codec;
    one->raw_size = (uint32_t)raw_size;
    if (codec < 0 || codec > 255 || raw_size < 0 || raw_size > RECORD_MOST_RAW ||
        held->len > RECORD_MOST_BODY) {
        PyErr_SetString(PyExc_ValueError, "a record is beyond the limits");
        return -1;
    }
    bodies->size += RECORD_LEAST + one->size;
    return 0;
}

/* Reads one object; -1 with an exception for what is none, or has a base. */
static int take(struct bodies *bodies, PyObject *object)
{
    if (!PyTuple_Check(object) || PyTuple_Size(object) != 2) {
        PyErr_SetString(PyExc_TypeError, "an object is its id and its stored form");
        return -1;
    }
    PyObject *id = PyTuple_GetItem(object, 0), *stored = PyTuple_GetItem(object, 1);
    if (!PyBytes_Check(id) || PyBytes_Size(id) != RECORD_DIGEST_SIZE || !PyTuple_Check(stored) ||
        PyTuple_Size(stored) != 4) {
        PyErr_SetString(PyExc_TypeError, "ids are 32 bytes, a stored form has four fields");
        return -1;
    }
    if (PyTuple_GetItem(stored, 3) != Py_None) {
        PyErr_SetString(PyExc_ValueError, "an object with a base");
        return -1;
    }
    long codec = PyLong_AsLong(PyTuple_GetItem(stored, 0));
    long raw_size = PyLong_AsLong(PyTuple_GetItem(stored, 1));
    if (PyErr_Occurred())
        return -1;
    return hold(bodies, id, codec, raw_size, PyTuple_GetItem(stored, 2));
}

static PyObject *written(const struct bodies *bodies, uint8_t kind)
{
    PyObject *frame = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bodies->size);
    if (frame == NULL)
        return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AsString(frame); /* nobody else has it yet */
    Py_BEGIN_ALLOW_THREADS
    for (size_t i = 0; i < bodies->count; i++) {
        bodies->all[i].kind = kind;
        out = record_write(out, &bodies->all[i]);
    }
    Py_END_ALLOW_THREADS
    return frame;
}

static PyObject *py_make(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *given, *frame = NULL;
    unsigned char kind;
    if (!PyArg_ParseTuple(args, "bO:make", &kind, &given))
        return NULL;
    PyObject *objects = PySequence_Tuple(given);
    if (objects == NULL)
        return NULL;
    size_t count = (size_t)PyTuple_Size(objects), room = count ? count : 1;
    struct bodies bodies = {calloc(room, sizeof *bodies.all), calloc(room, sizeof *bodies.held), 0,
                            0};
    if (bodies.all == NULL || bodies.held == NULL) {
        PyErr_NoMemory();
    } else {
        size_t i = 0;
        while (i < count && take(&bodies, PyTuple_GetItem(objects, (Py_ssize_t)i)) == 0)
            i++;
        if (i == count)
            frame = written(&bodies, kind);
    }
    let_go(&bodies);
    Py_DECREF(objects);
    return frame;
}

/* The row of a record, with its base if it has one. */
static PyObject *row(const uint8_t *data, const struct record_place *place, uint32_t pack,
                     uint32_t offset)
{
    uint8_t bytes[RECORD_ROW_SIZE + RECORD_DIGEST_SIZE];
    record_row(bytes, place, pack, offset + (uint32_t)place->start);
    if (place->has_base)
        memcpy(bytes + RECORD_ROW_SIZE, data + place->start + RECORD_HEAD_SIZE, RECORD_DIGEST_SIZE);
    Py_ssize_t size = RECORD_ROW_SIZE + (place->has_base ? RECORD_DIGEST_SIZE : 0);
    return PyBytes_FromStringAndSize((const char *)bytes, size);
}

static PyObject *py_rows(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer data;
    unsigned int pack, offset;
    struct places found = {0};
    PyObject *list = NULL;
    if (!PyArg_ParseTuple(args, "y*II:rows", &data, &pack, &offset))
        return NULL;
    int whole = find(&data, &found);
    if (whole < 0)
        PyErr_NoMemory();
    else if (whole == 0)
        PyErr_SetString(PyExc_ValueError, "no whole records");
    else
        list = PyList_New((Py_ssize_t)found.count);
    for (size_t i = 0; list != NULL && i < found.count; i++) {
        PyObject *one = row(data.buf, &found.all[i], pack, offset);
        if (one == NULL || PyList_SetItem(list, (Py_ssize_t)i, one) < 0)
            Py_CLEAR(list);
    }
    free(found.all);
    PyBuffer_Release(&data);
    return list;
}

/* The raw bytes of the record at a place (pack, offset, body size, raw size, kind, base), or None
 * where the record is not plain, or not as the place says; NULL with an exception. */
static PyObject *raw(const Py_buffer *data, unsigned long long start, PyObject *place)
{
    if (!PyTuple_Check(place) || PyTuple_Size(place) != 6) {
        PyErr_SetString(PyExc_TypeError, "a place has six fields");
        return NULL;
    }
    unsigned long long offset = PyLong_AsUnsignedLongLong(PyTuple_GetItem(place, 1));
    unsigned long body = PyLong_AsUnsignedLong(PyTuple_GetItem(place, 2));
    unsigned long raw_size = PyLong_AsUnsignedLong(PyTuple_GetItem(place, 3));
    if (PyErr_Occurred())
        return NULL;
    struct record_place found;
    size_t size = (size_t)data->len;
    if (PyTuple_GetItem(place, 5) != Py_None || offset < start || offset - start > size ||
        !record_at(data->buf, size, (size_t)(offset - start), &found) || found.has_base ||
        found.codec != RECORD_PLAIN_CODEC || found.raw_size != raw_size || body != raw_size ||
        found.end - found.body != body)
        return Py_NewRef(Py_None);
    return PyBytes_FromStringAndSize((const char *)data->buf + found.body, (Py_ssize_t)body);
}

static PyObject *py_raws(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer data;
    unsigned long long start;
    PyObject *places;
    if (!PyArg_ParseTuple(args, "y*KO!:raws", &data, &start, &PyList_Type, &places))
        return NULL;
    Py_ssize_t count = PyList_Size(places);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        PyObject *one = raw(&data, start, PyList_GetItem(places, i));
        if (one == NULL || PyList_SetItem(list, i, one) < 0)
            Py_CLEAR(list);
    }
    PyBuffer_Release(&data);
    return list;
}

static PyMethodDef methods[] = {
    {"parse", py_parse, METH_VARARGS, "See _records.pyi."},
    {"make", py_make, METH_VARARGS, "See _records.pyi."},
    {"rows", py_rows, METH_VARARGS, "See _records.pyi."},
    {"raws", py_raws, METH_VARARGS, "See _records.pyi."},
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
