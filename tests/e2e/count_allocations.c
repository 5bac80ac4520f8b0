/*
 * Counts the allocations of a process by the object (program or library) that asked for them, for
 * test_allocations.py: preloaded with LD_PRELOAD, the counters in the file $TG_ALLOCATIONS, shared
 * with the processes that are forked.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_OBJECTS = 64, NAME = 56 };

/* A row of the file; row 0 counts callers that are in no known object. */
struct row {
    char name[NAME];
    uint64_t count;
};

struct range {
    uintptr_t start;
    uintptr_t end;
};

static struct row unseen[MAX_OBJECTS]; /* before the file is there, and without one */
static struct row *rows = unseen;
static struct range ranges[MAX_OBJECTS];
static unsigned objects = 1;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
int posix_memalign(void **out, size_t alignment, size_t size);

static void count(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    unsigned i = objects - 1;

    while (i > 0 && (at < ranges[i].start || at >= ranges[i].end))
        i--;
    __atomic_fetch_add(&rows[i].count, 1, __ATOMIC_RELAXED);
}

static int add_object(struct dl_phdr_info *info, size_t size, void *context)
{
    const char *slash = strrchr(info->dlpi_name, '/');

    (void)size;
    (void)context;
    for (int i = 0; i < info->dlpi_phnum && objects < MAX_OBJECTS; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_X) == 0)
            continue;
        ranges[objects].start = info->dlpi_addr + segment->p_vaddr;
        ranges[objects].end = ranges[objects].start + segment->p_memsz;
        strncpy(rows[objects].name,
                slash != NULL ? slash + 1
                              : (*info->dlpi_name != '\0' ? info->dlpi_name : "program"),
                NAME - 1);
        objects++;
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("TG_ALLOCATIONS");
    int fd = name != NULL ? open(name, O_RDWR) : -1;
    void *map = MAP_FAILED;

    if (fd >= 0) {
        map = mmap(NULL, sizeof(unseen), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }
    if (map != MAP_FAILED)
        rows = map;
    dl_iterate_phdr(add_object, NULL);
}

void *malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(p, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    *out = __libc_memalign(alignment, size);
    return *out != NULL ? 0 : ENOMEM;
}
