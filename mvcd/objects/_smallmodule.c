/* Python's door to small.c and blake3.c: lists of bytes in, lists of bytes out, the GIL released in
 * between. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "small.h"

/* The named kernel, or the best for NULL; NULL with ValueError when this machine cannot run it. */
static blake3_run *find_kernel(const char *name)
{
    for (size_t i = 0; i < blake3_kernel_count; i++) {
        const struct blake3_kernel *kernel = &blake3_kernels[i];
        if ((name == NULL || strcmp(name, kernel->name) == 0) && kernel->usable())
            return kernel->run;
    }
    PyErr_Format(PyExc_ValueError, "no usable kernel named %s", name);
    return NULL;
}

/* 0, or -1 with ValueError for a context that is too long. */
static int find_mode(const char *context, Py_ssize_t size, struct blake3_mode *mode)
{
    if (context == NULL) {
        *mode = blake3_plain();
        return 0;
    }
    if (size > 64) {
        PyErr_SetString(PyExc_ValueError, "a context of more than 64 bytes");
        return -1;
    }
    *mode = blake3_derive((const uint8_t *)context, (size_t)size);
    return 0;
}

/* Inputs that live as long as `held`, a tuple of bytes; NULL with an exception. */
static struct blake3_input *inputs_of(PyObject *held)
{
    Py_ssize_t count = PyTuple_Size(held);
    struct blake3_input *inputs = calloc(count ? (size_t)count : 1, sizeof *inputs);
    if (inputs == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        char *data;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(held, i), &data, &size) < 0)
            goto failed;
        if (size > BLAKE3_MAX) {
            PyErr_Format(PyExc_ValueError, "an input of %zd bytes, more than %d", size, BLAKE3_MAX);
            goto failed;
        }
        inputs[i].data = (const uint8_t *)data;
        inputs[i].size = (size_t)size;
    }
    return inputs;
failed:
    free(inputs);
    return NULL;
}

static int append(PyObject *list, Py_ssize_t at, const uint8_t *data, size_t size)
{
    PyObject *item = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    return item == NULL ? -1 : PyList_SetItem(list, at, item);
}

static PyObject *digest_item(const struct blake3_input *input)
{
    return PyBytes_FromStringAndSize((const char *)input->digest, BLAKE3_OUT);
}

static PyObject *point_item(const struct blake3_input *input)
{
    uint64_t point = 0;
    for (int i = 7; i >= 0; i--)
        point = point << 8 | input->digest[i];
    return PyLong_FromUnsignedLongLong(point);
}

/* A list of what `item` makes of each digest. */
static PyObject *each(PyObject *given, const struct blake3_mode *mode, blake3_run *run,
                      PyObject *item(const struct blake3_input *input))
{
    PyObject *held, *list = NULL;
    if ((held = PySequence_Tuple(given)) == NULL)
        return NULL;
    Py_ssize_t count = PyTuple_Size(held);
    struct blake3_input *inputs = inputs_of(held);
    if (inputs != NULL) {
        int failed;
        Py_BEGIN_ALLOW_THREADS
        failed = blake3_digests(inputs, (size_t)count, mode, run);
        Py_END_ALLOW_THREADS
        list = failed ? PyErr_NoMemory() : PyList_New(count);
        for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
            PyObject *made = item(&inputs[i]);
            if (made == NULL || PyList_SetItem(list, i, made) < 0)
                Py_CLEAR(list);
        }
    }
    free(inputs);
    Py_DECREF(held);
    return list;
}

static PyObject *py_digests(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *given;
    const char *context, *kernel = NULL;
    Py_ssize_t size;
    struct blake3_mode mode;
    if (!PyArg_ParseTuple(args, "Oz#|z:digests", &given, &context, &size, &kernel))
        return NULL;
    blake3_run *run = find_kernel(kernel);
    if (run == NULL || find_mode(context, size, &mode) < 0)
        return NULL;
    return each(given, &mode, run, digest_item);
}

static PyObject *py_points(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *given;
    const char *kernel = NULL;
    if (!PyArg_ParseTuple(args, "O|z:points", &given, &kernel))
        return NULL;
    blake3_run *run = find_kernel(kernel);
    const struct blake3_mode mode = blake3_plain();
    return run == NULL ? NULL : each(given, &mode, run, point_item);
}

/* Digests of the chunks, recipes, and digests of these. `again` takes the recipes as inputs. 0, or
 * -1 where there is no memory. */
static int all_digests(struct blake3_input *files, struct small_recipe *recipes,
                       struct blake3_input *again, size_t count, const struct blake3_mode modes[2],
                       blake3_run *run)
{
    if (blake3_digests(files, count, &modes[0], run) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        small_recipe(&files[i], &recipes[i]);
        again[i].data = recipes[i].bytes;
        again[i].size = recipes[i].size;
    }
    return blake3_digests(again, count, &modes[1], run);
}

static PyObject *answer(const struct blake3_input *files, const struct small_recipe *recipes,
                        const struct blake3_input *again, Py_ssize_t count)
{
    PyObject *ids = PyList_New(count), *data = PyList_New(count), *names = PyList_New(count);
    PyObject *found = NULL;
    if (ids == NULL || data == NULL || names == NULL)
        goto done;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (small_has_chunk(files[i].size)) {
            if (append(ids, i, files[i].digest, BLAKE3_OUT) < 0)
                goto done;
        } else {
            Py_INCREF(Py_None);
            if (PyList_SetItem(ids, i, Py_None) < 0)
                goto done;
        }
        if (append(data, i, recipes[i].bytes, recipes[i].size) < 0 ||
            append(names, i, again[i].digest, BLAKE3_OUT) < 0)
            goto done;
    }
    found = Py_BuildValue("(OOO)", ids, data, names);
done:
    Py_XDECREF(ids);
    Py_XDECREF(data);
    Py_XDECREF(names);
    return found;
}

static PyObject *py_recipes(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *given, *held, *found = NULL;
    const char *chunk, *recipe, *kernel = NULL;
    Py_ssize_t chunk_size, recipe_size;
    struct blake3_mode modes[2];
    if (!PyArg_ParseTuple(args, "Os#s#|z:recipes", &given, &chunk, &chunk_size, &recipe,
                          &recipe_size, &kernel))
        return NULL;
    blake3_run *run = find_kernel(kernel);
    if (run == NULL || find_mode(chunk, chunk_size, &modes[0]) < 0 ||
        find_mode(recipe, recipe_size, &modes[1]) < 0)
        return NULL;
    if ((held = PySequence_Tuple(given)) == NULL)
        return NULL;
    Py_ssize_t count = PyTuple_Size(held);
    size_t room = count ? (size_t)count : 1;
    struct blake3_input *files = inputs_of(held), *again = calloc(room, sizeof *again);
    struct small_recipe *recipes = malloc(room * sizeof *recipes);
    if (files != NULL && (again == NULL || recipes == NULL))
        PyErr_NoMemory();
    else if (files != NULL) {
        int failed;
        Py_BEGIN_ALLOW_THREADS
        failed = all_digests(files, recipes, again, (size_t)count, modes, run);
        Py_END_ALLOW_THREADS
        found = failed ? PyErr_NoMemory() : answer(files, recipes, again, count);
    }
    free(files);
    free(again);
    free(recipes);
    Py_DECREF(held);
    return found;
}

/* (size, chunk, literal) of a recipe, or None; NULL with an exception. */
static PyObject *opened(PyObject *recipe)
{
    struct blake3_input file = {0};
    char *data;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(recipe, &data, &size) < 0)
        return NULL;
    if (!small_file((const uint8_t *)data, (size_t)size, &file)) {
        Py_INCREF(Py_None);
        return Py_None;
    }
    bool chunk = small_has_chunk(file.size);
    return Py_BuildValue("(ny#y#)", (Py_ssize_t)file.size, chunk ? file.digest : NULL,
                         (Py_ssize_t)BLAKE3_OUT, file.data, (Py_ssize_t)file.size);
}

static PyObject *py_files(PyObject *module, PyObject *given)
{
    (void)module;
    PyObject *held = PySequence_Tuple(given);
    if (held == NULL)
        return NULL;
    Py_ssize_t count = PyTuple_Size(held);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        PyObject *made = opened(PyTuple_GetItem(held, i));
        if (made == NULL || PyList_SetItem(list, i, made) < 0)
            Py_CLEAR(list);
    }
    Py_DECREF(held);
    return list;
}

static PyObject *py_kernels(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < blake3_kernel_count; i++) {
        if (!blake3_kernels[i].usable())
            continue;
        PyObject *name = PyUnicode_FromString(blake3_kernels[i].name);
        if (name == NULL || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyMethodDef methods[] = {
    {"digests", py_digests, METH_VARARGS, "See _small.pyi."},
    {"points", py_points, METH_VARARGS, "See _small.pyi."},
    {"recipes", py_recipes, METH_VARARGS, "See _small.pyi."},
    {"files", py_files, METH_O, "See _small.pyi."},
    {"kernels", py_kernels, METH_NOARGS, "See _small.pyi."},
    {NULL, NULL, 0, NULL},
};

static int add_constants(PyObject *module)
{
    return PyModule_AddIntConstant(module, "MOST_BYTES", BLAKE3_MAX);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_constants}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_small", .m_doc = "Ids and recipes of many small files.",
    .m_methods = methods,  .m_slots = slots,
};

PyMODINIT_FUNC PyInit__small(void) { return PyModuleDef_Init(&definition); }
