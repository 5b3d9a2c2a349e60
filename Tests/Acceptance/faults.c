// Makes one system call of a program fail, by being loaded before its C library.
//
// Calls are counted that concern files below a folder (FAULTS_FOLDER). A control file
// (FAULTS_CONTROL), mapped by both sides, says which of them is to go wrong and how; it holds
// the count, so that a whole run without a fault tells how many there are.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum action { NONE, FAIL, SHORT, KILL_BEFORE, KILL_AFTER };

struct control {
    atomic_int count;   // calls so far
    atomic_int at;      // the call that goes wrong; 0 for none
    atomic_int action;  // enum action
    atomic_int error;   // errno of FAIL
    atomic_int hit;     // 1 when it went wrong
    char name[32];      // the call that did
    char names[4096];   // the calls so far, a space after each; cut when full
};

static struct control *control;
static const char *folder;
static __thread int inside;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    folder = getenv("FAULTS_FOLDER");
    const char *path = getenv("FAULTS_CONTROL");
    if (!folder || !path) return;
    int descriptor = REAL(open)(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    void *map = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    REAL(close)(descriptor);
    if (map != MAP_FAILED) control = map;
}

static int below(const char *path) {
    return control && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int concerns(int descriptor) {
    if (!control || inside) return 0;
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t count = readlink(link, path, sizeof path - 1);
    if (count < 0) return 0;
    path[count] = 0;
    return below(path);
}

// Counts a call, and says what is to become of it.
static enum action next(const char *name) {
    int number = atomic_fetch_add(&control->count, 1) + 1;
    size_t used = strnlen(control->names, sizeof control->names - 1);
    if (used + strlen(name) + 2 < sizeof control->names) {
        strcpy(control->names + used, name);
        strcat(control->names + used, " ");
    }
    if (number != atomic_load(&control->at)) return NONE;
    enum action action = atomic_load(&control->action);
    if (action == NONE) return NONE;
    snprintf(control->name, sizeof control->name, "%s", name);
    atomic_store(&control->hit, 1);
    if (action == KILL_BEFORE) raise(SIGKILL);
    if (action == FAIL) errno = atomic_load(&control->error);
    return action;
}

// A call that concerns the folder, with what it returns when it is made to fail.
#define CALL(type, name, whether, failure, parameters, ...)                   \
    type name parameters {                                                    \
        enum action action = (whether) ? next(#name) : NONE;                  \
        if (action == FAIL) return failure;                                   \
        type result = REAL(name)(__VA_ARGS__);                                \
        if (action == KILL_AFTER) raise(SIGKILL);                             \
        return result;                                                        \
    }

CALL(int, mkdir, below(path), -1, (const char *path, mode_t mode), path, mode)
CALL(int, rmdir, below(path), -1, (const char *path), path)
CALL(int, unlink, below(path), -1, (const char *path), path)
CALL(int, access, below(path), -1, (const char *path, int mode), path, mode)
CALL(int, stat, below(path), -1, (const char *path, struct stat *to), path, to)
CALL(int, rename, below(from), -1, (const char *from, const char *to), from, to)
CALL(int, link, below(from), -1, (const char *from, const char *to), from, to)
CALL(DIR *, opendir, below(path), NULL, (const char *path), path)
CALL(struct dirent *, readdir, concerns(dirfd(dir)), NULL, (DIR *dir), dir)
CALL(int, fsync, concerns(fd), -1, (int fd), fd)
CALL(int, ftruncate, concerns(fd), -1, (int fd, off_t size), fd, size)
CALL(int, fstat, concerns(fd), -1, (int fd, struct stat *to), fd, to)
CALL(int, flock, concerns(fd), -1, (int fd, int how), fd, how)
CALL(ssize_t, read, concerns(fd), -1, (int fd, void *to, size_t size), fd, to, size)

ssize_t write(int fd, const void *from, size_t size) {
    enum action action = concerns(fd) ? next("write") : NONE;
    if (action == FAIL) return -1;
    if (action == SHORT && size > 1) return REAL(write)(fd, from, size / 2);
    ssize_t result = REAL(write)(fd, from, size);
    if (action == KILL_AFTER) raise(SIGKILL);
    return result;
}

// The result of close is not looked at: a fault there can only be a kill.
int close(int fd) {
    enum action action = concerns(fd) ? next("close") : NONE;
    int result = REAL(close)(fd);
    if (action == KILL_AFTER) raise(SIGKILL);
    return action == FAIL ? -1 : result;
}

int open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    enum action action = below(path) ? next("open") : NONE;
    if (action == FAIL) return -1;
    int result = REAL(open)(path, flags, mode);
    if (action == KILL_AFTER) raise(SIGKILL);
    return result;
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
