/* The time of day as a test wants it, for a process that this is preloaded into. The monotonic clock, by
   which everything is waited for, is left alone: so it is where somebody sets the clock of a machine. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *set_by_s;

__attribute__((constructor)) static void find_offset(void)
{
    const char *path = getenv("CLOCK_SET_BY");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *place = mmap(NULL, sizeof *set_by_s, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (place != MAP_FAILED)
        set_by_s = place;
}

int clock_gettime(clockid_t which, struct timespec *now)
{
    int failed = (int)syscall(SYS_clock_gettime, which, now);
    if (!failed && set_by_s && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        now->tv_sec += *set_by_s;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME_COARSE, &precise);
    if (now)
        *now = precise.tv_sec;
    return precise.tv_sec;
}

/* PortAudio waits for its own threads until a time of day. The kernel knows only the true one: left as it
   is, such a wait would end at once, or after years. A condition does not tell by which of the two clocks
   it waits, but only one of them can be near. */
int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    static int (*original)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    struct timespec day, monotonic, translated = *until;
    if (!original)
        original = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    clock_gettime(CLOCK_REALTIME, &day);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    if (set_by_s && llabs(until->tv_sec - day.tv_sec) < llabs(until->tv_sec - monotonic.tv_sec))
        translated.tv_sec -= *set_by_s;
    return original(cond, mutex, &translated);
}
