/* Measures what a process takes of the machine, and notes it in the shared map. */
#include "shm/usage.h"

#include "base/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define GET(member)        __atomic_load_n(&(member), __ATOMIC_RELAXED)
#define SET(member, value) __atomic_store_n(&(member), value, __ATOMIC_RELAXED)

struct tg_usage_map {
    uint64_t told; /* the time of all that was told last */
    struct tg_usage of[TG_STATS_SLOTS];
};

struct tg_usage_map *tg_usage_new(void)
{
    struct tg_usage_map *m =
        mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(m != MAP_FAILED);
    return m;
}

void tg_usage_end(struct tg_usage_map *m)
{
    if (m != NULL)
        munmap(m, sizeof(*m));
}

void tg_usage_forget(struct tg_usage_map *m, unsigned i)
{
    CHECK(i < TG_USAGE_MASTER);
    SET(m->of[i].pid, 0);
}

/* --- measuring --- */

struct tg_usage_meter tg_usage_open(void)
{
    return (struct tg_usage_meter){open("/proc/self/statm", O_RDONLY | O_CLOEXEC),
                                   open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
}

void tg_usage_close(struct tg_usage_meter *meter)
{
    if (meter->memory >= 0)
        close(meter->memory);
    if (meter->descriptors >= 0)
        close(meter->descriptors);
}

static uint64_t time_of(const struct rusage *r)
{
    return (uint64_t)(r->ru_utime.tv_sec + r->ru_stime.tv_sec) * 1000000 +
           (uint64_t)(r->ru_utime.tv_usec + r->ru_stime.tv_usec);
}

/* proc(5): size, resident and shared pages. */
static void note_memory(struct tg_usage *out, int fd)
{
    unsigned long size, resident, shared;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    char text[128];
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : -1;

    if (n <= 0)
        return;
    text[n] = '\0';
    if (sscanf(text, "%lu %lu %lu", &size, &resident, &shared) != 3)
        return;
    SET(out->size, size * page);
    SET(out->resident, resident * page);
    SET(out->shared, shared * page);
}

/* Linux counts them in the size of the folder since 6.2; before, each has to be looked at. */
static uint64_t count_descriptors(int fd)
{
    char entries[4096];
    struct stat st;
    uint64_t n = 0;
    ssize_t bytes;

    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        return (uint64_t)st.st_size;
    if (lseek(fd, 0, SEEK_SET) != 0)
        return 0;
    while ((bytes = getdents64(fd, entries, sizeof(entries))) > 0)
        for (ssize_t at = 0; at < bytes; n++)
            at += ((const struct dirent64 *)(const void *)(entries + at))->d_reclen;
    return n > 2 ? n - 2 : 0; /* "." and ".." */
}

void tg_usage_note(struct tg_usage_map *m, unsigned i, const struct tg_usage_meter *meter)
{
    struct tg_usage *out = &m->of[i];
    struct rusage own, ended;
    struct rlimit limit;

    CHECK(i < TG_STATS_SLOTS);
    CHECK(getrusage(RUSAGE_SELF, &own) == 0 && getrusage(RUSAGE_CHILDREN, &ended) == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    SET(out->cpu_us, time_of(&own) + time_of(&ended));
    note_memory(out, meter->memory);
    SET(out->open, count_descriptors(meter->descriptors));
    SET(out->most, limit.rlim_cur);
    SET(out->pid, getpid());
}

/* --- adding up --- */

/* True when `a` has a greater part of its descriptors open. */
static bool is_fuller(const struct tg_usage *a, const struct tg_usage *b)
{
    return b->most == 0 || (double)a->open * (double)b->most > (double)b->open * (double)a->most;
}

static void add(struct tg_usage *sum, const struct tg_usage *p)
{
    sum->pid++;
    sum->cpu_us += p->cpu_us;
    sum->size += p->size;
    sum->resident += p->resident > p->shared ? p->resident - p->shared : 0;
    if (p->shared > sum->shared)
        sum->shared = p->shared;
    if (is_fuller(p, sum)) {
        sum->open = p->open;
        sum->most = p->most;
    }
}

struct tg_usage tg_usage_sum(struct tg_usage_map *m)
{
    struct tg_usage sum = {0};
    uint64_t told = GET(m->told);

    for (unsigned i = 0; i < TG_STATS_SLOTS; i++) {
        struct tg_usage one = m->of[i];

        if (one.pid > 0)
            add(&sum, &one);
    }
    sum.resident += sum.shared;
    while (told < sum.cpu_us && !__atomic_compare_exchange_n(&m->told, &told, sum.cpu_us, true,
                                                             __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    if (told > sum.cpu_us)
        sum.cpu_us = told;
    return sum;
}
