/* The numbers of stat(2) by which a file is known again: the first fields of statcache.py's
 * FileStat. A file that includes this defines _GNU_SOURCE (for st_mtim under -std=c11) and
 * _FILE_OFFSET_BITS 64 before anything else. */
#ifndef MVCD_FILE_STAT_H
#define MVCD_FILE_STAT_H

#include <stdint.h>
#include <sys/stat.h>

struct file_stat {
    int64_t size, mtime, ctime; /* bytes; nanoseconds since 1970 */
    uint64_t inode;
    int executable; /* 1 if the owner may execute it */
};

static inline int64_t file_nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline struct file_stat file_stat_of(const struct stat *found)
{
    return (struct file_stat){
        .size = found->st_size,
#ifdef __APPLE__
        .mtime = file_nanoseconds(found->st_mtimespec),
        .ctime = file_nanoseconds(found->st_ctimespec),
#else
        .mtime = file_nanoseconds(found->st_mtim),
        .ctime = file_nanoseconds(found->st_ctim),
#endif
        .inode = (uint64_t)found->st_ino,
        .executable = (found->st_mode & S_IXUSR) != 0,
    };
}

#endif
