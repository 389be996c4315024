/* The bytes of a version, read without protobuf: loading that takes a sixth of the time of
 * `mvc status`, and it takes ten times as long for each record.
 *
 * Only what is in canonical form for certain (canonical.py) is read here. Of anything else nothing
 * is said, be it legal or damaged: protobuf reads it then, and is who refuses. Tests hold this
 * against protobuf and against the same reader in Python (tests/objects/plainrecord.py).
 *
 * How a field is written is in https://protobuf.dev/programming-guides/encoding. In canonical form
 * tags ascend, numbers are as short as they can be, and a number that is 0 or a text that is empty
 * is not written. Values of Python are made as they are read, so all of it knows Python. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* How a value is written: the lowest three bits of a tag. The others are the field's number. */
enum { NUMBER = 0, EIGHT_BYTES = 1, BYTES = 2, LAST_TAG = 16 << 3 | BYTES };
enum { PARENT = 1, GENERATION, COMPONENTS, AUTHOR = 8, TIME, OFFSET, MESSAGE, TRIGGER };
enum { SETTING = 13, METRIC, PROVENANCE, TRACKED, FIELDS };
enum { COMPONENT_COUNT = 5 };

struct bytes {
    const uint8_t *at, *end;
};

/* A field of a message: a number, or the bytes that it holds. */
struct field {
    unsigned number;
    uint64_t value;
    struct bytes held;
};

/* What every reader of a part answers. FAILED: with an exception. */
enum outcome { READ, OTHER_FORM, FAILED };

/* A number in groups of seven bits, the lowest first, as short as it can be. */
static bool varint(struct bytes *from, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (from->at == from->end)
            return false;
        uint8_t byte = *from->at++;
        if (shift == 63 && byte > 1)
            return false;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return byte || !shift;
    }
    return false;
}

/* What a tag of this kind stands before. */
static bool content(struct bytes *from, unsigned kind, struct field *field)
{
    if (!varint(from, &field->value))
        return false;
    if (kind == NUMBER)
        return true;
    if (field->value > (uint64_t)(from->end - from->at))
        return false;
    field->held = (struct bytes){from->at, from->at + field->value};
    from->at += field->value;
    return true;
}

/* The next field; false unless its tag is one of the `count` first of `kinds` (by number; -1: none
 * such), is not below the one before, and is repeated only where `repeated` has its bit. */
static bool next(struct bytes *from, const int8_t *kinds, unsigned count, uint32_t repeated,
                 struct field *field)
{
    uint64_t tag;
    unsigned last = field->number;
    if (!varint(from, &tag) || tag > LAST_TAG)
        return false;
    field->number = (unsigned)tag >> 3;
    if (field->number >= count || kinds[field->number] != (int)(tag & 7))
        return false;
    bool many = repeated >> field->number & 1;
    if (field->number < last || (field->number == last && !many))
        return false;
    return content(from, tag & 7, field) && (many || field->value);
}

static int64_t unfolded(uint64_t number) { return (int64_t)(number >> 1 ^ (0 - (number & 1))); }

static PyObject *bytes_of(struct bytes held)
{
    return PyBytes_FromStringAndSize((const char *)held.at, held.end - held.at);
}

/* A text. What is no UTF-8 is another form: protobuf refuses it. */
static enum outcome text(struct bytes held, PyObject **found)
{
    *found = PyUnicode_DecodeUTF8((const char *)held.at, held.end - held.at, NULL);
    if (*found)
        return READ;
    if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
        return FAILED;
    PyErr_Clear();
    return OTHER_FORM;
}

static enum outcome append(PyObject *list, PyObject *value)
{
    int failed = value ? PyList_Append(list, value) : -1;
    Py_XDECREF(value);
    return failed ? FAILED : READ;
}

static enum outcome append_text(PyObject *list, struct bytes held)
{
    PyObject *found;
    enum outcome outcome = text(held, &found);
    return outcome == READ ? append(list, found) : outcome;
}

/* (root, files, size) */
static enum outcome component(struct bytes from, PyObject **found)
{
    static const int8_t kinds[] = {-1, BYTES, NUMBER, NUMBER};
    struct field field = {0};
    struct bytes root = {0};
    uint64_t numbers[4] = {0};
    while (from.at < from.end) {
        if (!next(&from, kinds, 4, 0, &field))
            return OTHER_FORM;
        if (field.number == 1)
            root = field.held;
        else
            numbers[field.number] = field.value;
    }
    *found = Py_BuildValue("(NKK)", bytes_of(root), (unsigned long long)numbers[2],
                           (unsigned long long)numbers[3]);
    return *found ? READ : FAILED;
}

/* (commit, dirty, command, host, python, digest of packages) */
static enum outcome provenance(struct bytes from, PyObject **found)
{
    static const int8_t kinds[] = {-1, BYTES, NUMBER, BYTES, BYTES, BYTES, BYTES};
    struct field field = {0};
    PyObject *texts[7] = {0}, *command = PyList_New(0), *words = NULL;
    uint64_t dirty = 0;
    enum outcome outcome = command ? READ : FAILED;
    while (outcome == READ && from.at < from.end) {
        if (!next(&from, kinds, 7, 1 << 3, &field))
            outcome = OTHER_FORM;
        else if (field.number == 3)
            outcome = append_text(command, field.held);
        else if (field.number == 2)
            dirty = field.value;
        else
            outcome = text(field.held, &texts[field.number]);
    }
    if (outcome == READ && dirty > 1)
        outcome = OTHER_FORM;
    for (int i = 1; outcome == READ && i < 7; i++)
        if (!texts[i] && !(texts[i] = PyUnicode_FromString("")))
            outcome = FAILED;
    if (outcome == READ && !(words = PyList_AsTuple(command)))
        outcome = FAILED;
    if (outcome == READ) {
        PyObject *flag = dirty ? Py_True : Py_False;
        *found = Py_BuildValue("(OOOOOO)", texts[1], flag, words, texts[4], texts[5], texts[6]);
        outcome = *found ? READ : FAILED;
    }
    for (int i = 1; i < 7; i++)
        Py_XDECREF(texts[i]);
    Py_XDECREF(command);
    Py_XDECREF(words);
    return outcome;
}

/* A float; of numbers that are none, only the canonical one. */
static enum outcome eight_bytes(struct bytes *from, PyObject **found)
{
    static const uint8_t nan_bytes[8] = {0, 0, 0, 0, 0, 0, 0xF8, 0x7F};
    if (from->end - from->at < 8)
        return OTHER_FORM;
    uint64_t bits = 0;
    for (int i = 7; i >= 0; i--)
        bits = bits << 8 | from->at[i];
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isnan(value) && memcmp(from->at, nan_bytes, 8) != 0)
        return OTHER_FORM;
    from->at += 8;
    *found = PyFloat_FromDouble(value);
    return *found ? READ : FAILED;
}

/* The value of a key; unlike in other fields, one that is 0 or empty is written too. */
static enum outcome scalar(struct bytes from, PyObject **found)
{
    if (from.at == from.end) {
        Py_INCREF(Py_None);
        *found = Py_None;
        return READ;
    }
    unsigned tag = *from.at++;
    struct field field = {0};
    enum outcome outcome = READ;
    if (tag == (3 << 3 | EIGHT_BYTES))
        outcome = eight_bytes(&from, found);
    else if (!content(&from, tag & 7, &field))
        return OTHER_FORM;
    else if (tag == (2 << 3 | BYTES))
        outcome = text(field.held, found);
    else if (tag == (4 << 3 | NUMBER))
        *found = PyLong_FromLongLong(unfolded(field.value));
    else if (tag == (5 << 3 | NUMBER) && field.value <= 1)
        *found = PyBool_FromLong((long)field.value);
    else
        return OTHER_FORM;
    if (outcome == READ && !*found)
        return FAILED;
    if (outcome == READ && from.at != from.end) {
        Py_CLEAR(*found);
        return OTHER_FORM;
    }
    return outcome;
}

/* Whether a key comes after another: in order of their bytes, which is that of code points. */
static bool ascends(struct bytes last, struct bytes key)
{
    size_t a = (size_t)(last.end - last.at), b = (size_t)(key.end - key.at);
    int order = a && b ? memcmp(last.at, key.at, a < b ? a : b) : 0;
    return order < 0 || (order == 0 && a < b);
}

/* Adds a key with its value. `last` is the key before it, whose `at` is NULL before the first. */
static enum outcome add_value(PyObject *values, struct bytes from, struct bytes *last)
{
    struct field key = {0};
    key.held = (struct bytes){from.at, from.at};
    if (from.at < from.end && *from.at == (1 << 3 | BYTES)) {
        from.at++;
        if (!content(&from, BYTES, &key) || key.held.at == key.held.end)
            return OTHER_FORM;
    }
    if (last->at && !ascends(*last, key.held))
        return OTHER_FORM;
    *last = key.held;
    PyObject *name = NULL, *value = NULL;
    enum outcome outcome = text(key.held, &name);
    if (outcome == READ)
        outcome = scalar(from, &value);
    if (outcome == READ && PyDict_SetItem(values, name, value) < 0)
        outcome = FAILED;
    Py_XDECREF(name);
    Py_XDECREF(value);
    return outcome;
}

/* What is read of a version. */
struct record {
    PyObject *parents, *components, *settings, *metrics, *tracked;
    PyObject *author, *message, *provenance; /* NULL where there is none */
    struct bytes last_setting, last_metric;
    uint64_t numbers[FIELDS];
};

static bool begin(struct record *record)
{
    record->parents = PyList_New(0);
    record->components = PyList_New(COMPONENT_COUNT);
    record->settings = PyDict_New();
    record->metrics = PyDict_New();
    record->tracked = PyList_New(0);
    if (!record->parents || !record->components || !record->settings || !record->metrics ||
        !record->tracked)
        return false;
    for (Py_ssize_t i = 0; i < COMPONENT_COUNT; i++) {
        Py_INCREF(Py_None);
        PyList_SetItem(record->components, i, Py_None);
    }
    return true;
}

static void end(struct record *record)
{
    Py_XDECREF(record->parents);
    Py_XDECREF(record->components);
    Py_XDECREF(record->settings);
    Py_XDECREF(record->metrics);
    Py_XDECREF(record->tracked);
    Py_XDECREF(record->author);
    Py_XDECREF(record->message);
    Py_XDECREF(record->provenance);
}

static enum outcome take(struct record *record, const struct field *field)
{
    PyObject *found = NULL;
    enum outcome outcome;
    switch (field->number) {
    case PARENT:
        return append(record->parents, bytes_of(field->held));
    case AUTHOR:
        return text(field->held, &record->author);
    case MESSAGE:
        return text(field->held, &record->message);
    case SETTING:
        return add_value(record->settings, field->held, &record->last_setting);
    case METRIC:
        return add_value(record->metrics, field->held, &record->last_metric);
    case PROVENANCE:
        return provenance(field->held, &record->provenance);
    case TRACKED:
        return append_text(record->tracked, field->held);
    case GENERATION:
    case TIME:
    case OFFSET:
    case TRIGGER:
        record->numbers[field->number] = field->value;
        return READ;
    default:
        outcome = component(field->held, &found);
        if (outcome == READ &&
            PyList_SetItem(record->components, (Py_ssize_t)field->number - COMPONENTS, found) < 0)
            return FAILED;
        return outcome;
    }
}

static const int8_t version_kinds[FIELDS] = {-1,     BYTES, NUMBER, BYTES,  BYTES,  BYTES,
                                             BYTES,  BYTES, BYTES,  NUMBER, NUMBER, BYTES,
                                             NUMBER, BYTES, BYTES,  BYTES,  BYTES};
static const uint32_t version_repeated =
    1u << PARENT | 1u << SETTING | 1u << METRIC | 1u << TRACKED;

static PyObject *answer(const struct record *record)
{
    const uint64_t *numbers = record->numbers;
    PyObject *tracked = PyList_AsTuple(record->tracked), *none = PyUnicode_FromString("");
    PyObject *found = NULL;
    if (tracked && none)
        found = Py_BuildValue(
            "(OKOOLLOKOOOO)", record->parents, (unsigned long long)numbers[GENERATION],
            record->components, record->author ? record->author : none,
            (long long)unfolded(numbers[TIME]), (long long)unfolded(numbers[OFFSET]),
            record->message ? record->message : none, (unsigned long long)numbers[TRIGGER],
            record->settings, record->metrics, record->provenance ? record->provenance : Py_None,
            tracked);
    Py_XDECREF(tracked);
    Py_XDECREF(none);
    return found;
}

/* The bytes of an object of Python; false with an exception for one that has none. */
static bool given(PyObject *data, struct bytes *found)
{
    char *start;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(data, &start, &size) < 0)
        return false;
    *found = (struct bytes){(const uint8_t *)start, (const uint8_t *)start + size};
    return true;
}

static PyObject *py_read(PyObject *module, PyObject *data)
{
    (void)module;
    struct bytes from;
    if (!given(data, &from))
        return NULL;
    struct field field = {0};
    struct record record = {0};
    enum outcome outcome = begin(&record) ? READ : FAILED;
    while (outcome == READ && from.at < from.end)
        outcome = next(&from, version_kinds, FIELDS, version_repeated, &field)
                      ? take(&record, &field)
                      : OTHER_FORM;
    if (record.numbers[OFFSET] >> 32)
        outcome = outcome == READ ? OTHER_FORM : outcome;
    PyObject *found = outcome == READ ? answer(&record) : NULL;
    end(&record);
    if (outcome == OTHER_FORM)
        Py_RETURN_NONE;
    return found;
}

/* Parents, generation and time; what comes after them is not looked at. */
static PyObject *py_read_front(PyObject *module, PyObject *data)
{
    (void)module;
    struct bytes from;
    if (!given(data, &from))
        return NULL;
    struct field field = {0};
    uint64_t numbers[FIELDS] = {0};
    PyObject *parents = PyList_New(0);
    enum outcome outcome = parents ? READ : FAILED;
    while (outcome == READ && from.at < from.end && *from.at <= (TIME << 3 | NUMBER)) {
        if (!next(&from, version_kinds, FIELDS, version_repeated, &field))
            outcome = OTHER_FORM;
        else if (field.number == PARENT)
            outcome = append(parents, bytes_of(field.held));
        else
            numbers[field.number] = field.value;
    }
    if (outcome == READ && !numbers[GENERATION])
        outcome = OTHER_FORM;
    PyObject *found = NULL;
    if (outcome == READ)
        found = Py_BuildValue("(OKL)", parents, (unsigned long long)numbers[GENERATION],
                              (long long)unfolded(numbers[TIME]));
    Py_XDECREF(parents);
    if (outcome == OTHER_FORM)
        Py_RETURN_NONE;
    return found;
}

static PyMethodDef methods[] = {
    {"read", py_read, METH_O, "See _version.pyi."},
    {"read_front", py_read_front, METH_O, "See _version.pyi."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_version", .m_doc = "Records of versions.",
    .m_methods = methods,  .m_slots = slots,
};

PyMODINIT_FUNC PyInit__version(void) { return PyModuleDef_Init(&definition); }
