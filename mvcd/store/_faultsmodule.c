/* Python's view of last_words.c. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <errno.h>

#include "last_words.h"

static PyObject *py_last_words(PyObject *module, PyObject *args)
{
    (void)module;
    const char *text;
    Py_ssize_t size;
    int code;
    if (!PyArg_ParseTuple(args, "y#i:last_words", &text, &size, &code))
        return NULL;
    if (size > LAST_WORDS_MOST) {
        PyErr_SetString(PyExc_ValueError, "too long");
        return NULL;
    }
    int failed = last_words(text, (size_t)size, code);
    if (failed) {
        errno = failed;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"last_words", py_last_words, METH_VARARGS, "See _faults.pyi."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_faults",
    .m_doc = "What a process says when a fault ends it.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__faults(void) { return PyModuleDef_Init(&definition); }
