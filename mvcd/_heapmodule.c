/* What heap.py asks of malloc. ctypes asks it as well, and takes as long to load as ten modules. */
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

static PyObject *py_keep(PyObject *module, PyObject *args)
{
    (void)module;
    int kept_bytes, heaps;
    if (!PyArg_ParseTuple(args, "ii:keep", &kept_bytes, &heaps))
        return NULL;
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, kept_bytes);
    mallopt(M_TRIM_THRESHOLD, kept_bytes);
    if (heaps > 0)
        mallopt(M_ARENA_MAX, heaps);
#endif
    Py_RETURN_NONE;
}

static PyObject *py_trim(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
#ifdef __GLIBC__
    Py_BEGIN_ALLOW_THREADS
    malloc_trim(0);
    Py_END_ALLOW_THREADS
#endif
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"keep", py_keep, METH_VARARGS, "See _heap.pyi."},
    {"trim", py_trim, METH_NOARGS, "See _heap.pyi."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_heap", .m_doc = "Settings of the C library's heap.",
    .m_methods = methods,  .m_slots = slots,
};

PyMODINIT_FUNC PyInit__heap(void) { return PyModuleDef_Init(&definition); }
