/* What differs between compilers and processors, for the kernels of codec and inspect. */
#ifndef MVCD_PORTABLE_H
#define MVCD_PORTABLE_H

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && __GNUC__ >= 12
#define CLONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONED
#endif

/* Intrinsics, and functions for one kind of processor. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define X86 1
#include <immintrin.h>
#endif

/* Floats are computed as written, on every processor. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF /* GCC is told by -std=c11 */
#endif

#if defined(__GNUC__) || defined(__clang__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* A number between this machine's memory and the formats, which are little-endian. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define IS_LITTLE_ENDIAN 0
#define LITTLE8(x) (x)
#define LITTLE16(x) __builtin_bswap16(x)
#define LITTLE32(x) __builtin_bswap32(x)
#define LITTLE64(x) __builtin_bswap64(x)
#else
#define IS_LITTLE_ENDIAN 1
#define LITTLE8(x) (x)
#define LITTLE16(x) (x)
#define LITTLE32(x) (x)
#define LITTLE64(x) (x)
#endif

#endif
