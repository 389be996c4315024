/* Last words of a process that a fault ends: LMDB trusts its pages, and a damaged one raises
 * SIGABRT, SIGSEGV or SIGBUS in whoever reads it. No Python here. */
#ifndef MVCD_LAST_WORDS_H
#define MVCD_LAST_WORDS_H

#include <stddef.h>

enum { LAST_WORDS_MOST = 4096 };

/* From now on, SIGABRT, SIGSEGV, SIGBUS, SIGFPE and SIGILL write these bytes (`size` of at most
 * LAST_WORDS_MOST, which are copied) to stderr and end the process with exit code `code`. Returns 0
 * or an errno. */
int last_words(const char *text, size_t size, int code);

#endif
