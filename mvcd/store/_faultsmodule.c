/* Last words of a process that a fault ends: LMDB trusts its pages, and a damaged one raises
   SIGABRT, SIGSEGV or SIGBUS in whoever reads it. Everything is prepared beforehand, for a handler
   may only write and exit. */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOST 4096

static char words[MOST];
static volatile size_t length;
static volatile int status;
static char held[MOST];

static void say(int signal)
{
    (void)signal;
    size_t done = 0;
    while (done < length) {
        ssize_t n = write(2, words + done, length - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    _exit(status);
}

static PyObject *last_words(PyObject *Py_UNUSED(module), PyObject *args)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    const char *text;
    Py_ssize_t size;
    int code;
    if (!PyArg_ParseTuple(args, "y#i:last_words", &text, &size, &code))
        return NULL;
    if (size > MOST) {
        PyErr_SetString(PyExc_ValueError, "too long");
        return NULL;
    }
    length = 0;
    memcpy(words, text, (size_t)size);
    status = code;
    length = (size_t)size;
    /* What C libraries print is held back until the process ends in peace or the buffer is full:
       else LMDB's assertion would stand in front of these words. Python writes past this stream. */
    setvbuf(stderr, held, _IOFBF, sizeof held);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = say;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (sigaction(signals[i], &action, NULL) != 0)
            return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"last_words", last_words, METH_VARARGS, "See _faults.pyi."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_faults",
    .m_doc = "What a process says when a fault ends it.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__faults(void) { return PyModuleDef_Init(&module); }
