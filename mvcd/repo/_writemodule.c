/* Making many small files in one call: the system calls of a whole group under one release of the
 * GIL, so that a thread that makes files and one that decodes the next ones do not wait for each
 * other. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_CLOEXEC under -std=c11 */
#endif
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *path; /* borrowed, as the data, from the caller's list */
    char *data;
    Py_ssize_t size;
    int bits;
    struct stat status;
} File;

#ifdef __APPLE__
#define MTIME st_mtimespec
#define CTIME st_ctimespec
#else
#define MTIME st_mtim
#define CTIME st_ctim
#endif

/* 0 or an errno. */
static int write_file(File *file)
{
    int fd;
    do {
        fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->bits);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return errno;
    int status = 0;
    for (Py_ssize_t done = 0; status == 0 && done < file->size;) {
        ssize_t n = write(fd, file->data + done, (size_t)(file->size - done));
        if (n >= 0)
            done += n;
        else if (errno != EINTR)
            status = errno;
    }
    if (status == 0 && fstat(fd, &file->status) != 0)
        status = errno;
    if (close(fd) != 0 && status == 0 && errno != EINTR)
        status = errno;
    return status;
}

static long long nanoseconds(struct timespec time)
{
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* A list of tuples, or NULL with an exception. */
static PyObject *states(const File *files, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        const struct stat *s = &files[i].status;
        PyObject *executable = s->st_mode & S_IXUSR ? Py_True : Py_False;
        PyObject *state =
            Py_BuildValue("LLLKO", (long long)s->st_size, nanoseconds(s->MTIME),
                          nanoseconds(s->CTIME), (unsigned long long)s->st_ino, executable);
        if (state == NULL)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, i, state);
    }
    return list;
}

static PyObject *write_files(PyObject *Py_UNUSED(module), PyObject *list)
{
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "write_files takes a list");
        return NULL;
    }
    Py_ssize_t count = PyList_Size(list), done = 0;
    File *files = calloc(count ? (size_t)count : 1, sizeof(File));
    if (files == NULL)
        return PyErr_NoMemory();
    PyObject *result = NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *path, *data, *item = PyList_GetItem(list, i);
        if (!PyTuple_Check(item)) {
            PyErr_SetString(PyExc_TypeError, "a file is a tuple of path, bits and content");
            goto end;
        }
        if (!PyArg_ParseTuple(item, "SiS:write_files", &path, &files[i].bits, &data))
            goto end;
        if (PyBytes_AsStringAndSize(path, &files[i].path, NULL) < 0)
            goto end; /* NULL: no NUL inside */
        PyBytes_AsStringAndSize(data, &files[i].data, &files[i].size);
    }
    int status = 0;
    Py_BEGIN_ALLOW_THREADS
    while (done < count && (status = write_file(&files[done])) == 0)
        done++;
    Py_END_ALLOW_THREADS
    if (status == 0) {
        result = states(files, count);
    } else {
        errno = status;
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, files[done].path);
    }
end:
    free(files);
    return result;
}

static PyMethodDef methods[] = {
    {"write_files", write_files, METH_O, "See _write.pyi."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    "_write",
    "Making many small files in one call.",
    0,
    methods,
    slots,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__write(void) { return PyModuleDef_Init(&module); }
