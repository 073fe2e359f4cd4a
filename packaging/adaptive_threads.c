/* Gives each llama.cpp graph as many OpenMP threads as there are processors free right now.
 *
 * ggml opens one OpenMP parallel region per graph (one per generated token) and then meets at hundreds of barriers inside
 * it. When another program takes one of the processors, the thread that shares it holds every other thread up at each of
 * those barriers: two threads on two processors become several times slower than one. ggml takes its thread count
 * from the team it gets, so a smaller team at the next region is safe.
 *
 * This library stands before libgomp (LD_PRELOAD, set by engine/tuning.py) and lowers the team size that ggml asked for,
 * never raises it. "Free" is what the processors of our affinity mask did since the last look, less what we did ourselves:
 *
 *     taken by others = busy time of those processors in /proc/stat - CPU time of this process
 *
 * A look costs about 20 microseconds and happens at most every LOOK_NS. Giving way is quick and taking back is slow,
 * because one thread too few costs a fraction and one too many costs most of the speed. Linux only: elsewhere it is not
 * built.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 60000000LL     /* look at most every 60 ms: /proc/stat counts in ticks of 10 ms */
#define SMOOTH_S 0.12          /* time constant of the moving average over looks */
#define GIVE_WAY 0.40          /* a processor counts as taken from this share of it on ... */
#define TAKE_BACK 0.22         /* ... and as free again below this one: the gap keeps the team from flapping */
#define HOLD_NS 250000000LL    /* after giving way, nothing is taken back for this long */
#define PAUSE_NS 250000000LL   /* after such a pause of ours, what others did in it says nothing about now */

typedef void (*parallel_fn)(void (*)(void *), void *, unsigned, unsigned);

static _Atomic(parallel_fn) real_parallel;
static atomic_flag looking = ATOMIC_FLAG_INIT;
static atomic_uint processors_taken;   /* whole processors that others use, after smoothing and hysteresis */
static atomic_llong last_look_ns;
static atomic_llong hold_until_ns;
static atomic_llong last_end_ns;       /* of the region before this one */

/* Touched only by the thread that holds `looking`. */
static int stat_file = -1;
static long long last_wall_ns, last_own_ns;
static double last_busy_s, taken_average;

static long long now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (long long) t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Seconds that the processors of `mask` have been busy since boot, from /proc/stat; negative when it cannot be read. */
static double busy_seconds(const cpu_set_t *mask) {
    static char text[64 * 1024];
    if (stat_file < 0 && (stat_file = open("/proc/stat", O_RDONLY | O_CLOEXEC)) < 0) {
        return -1;
    }
    ssize_t size = pread(stat_file, text, sizeof text - 1, 0);
    if (size <= 0) {
        return -1;
    }
    text[size] = 0;
    unsigned long long ticks = 0;
    for (char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        unsigned cpu;
        /* user nice system idle iowait irq softirq steal: proc_stat(5) */
        unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
        if (strncmp(line, "cpu", 3) != 0) {
            break;
        }
        if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &user, &nice, &system, &idle, &iowait,
                   &irq, &softirq, &steal) == 9 && cpu < CPU_SETSIZE && CPU_ISSET(cpu, mask)) {
            ticks += user + nice + system + irq + softirq + steal;
        }
    }
    return (double) ticks / (double) sysconf(_SC_CLK_TCK);
}

static unsigned with_hysteresis(double taken, unsigned before, int may_take_back) {
    unsigned whole = before;
    while (taken > whole + GIVE_WAY) {
        whole++;
    }
    while (may_take_back && whole > 0 && taken < whole - 1 + TAKE_BACK) {
        whole--;
    }
    return whole;
}

static void look(const cpu_set_t *mask) {
    long long wall = now_ns(CLOCK_MONOTONIC);
    long long own = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    double busy = busy_seconds(mask);
    double seconds = (double) (wall - last_wall_ns) / 1e9;
    int paused = wall - atomic_load_explicit(&last_end_ns, memory_order_relaxed) > PAUSE_NS;
    if (!paused && busy >= 0 && last_wall_ns > 0 && seconds > 0) {
        double taken = (busy - last_busy_s - (double) (own - last_own_ns) / 1e9) / seconds;
        double weight = seconds / (seconds + SMOOTH_S);
        taken_average += weight * ((taken > 0 ? taken : 0) - taken_average);
        unsigned before = atomic_load_explicit(&processors_taken, memory_order_relaxed);
        int may_take_back = wall >= atomic_load_explicit(&hold_until_ns, memory_order_relaxed);
        unsigned taken_now = with_hysteresis(taken_average, before, may_take_back);
        if (taken_now > before) {
            atomic_store_explicit(&hold_until_ns, wall + HOLD_NS, memory_order_relaxed);
        }
        atomic_store_explicit(&processors_taken, taken_now, memory_order_relaxed);
    }
    last_wall_ns = wall;
    last_own_ns = own;
    last_busy_s = busy;
}

static unsigned team_size(unsigned wanted) {
    cpu_set_t mask;
    if (wanted < 2 || sched_getaffinity(0, sizeof mask, &mask) != 0) {
        return wanted;
    }
    long long wall = now_ns(CLOCK_MONOTONIC);
    if (wall - atomic_load_explicit(&last_look_ns, memory_order_relaxed) >= LOOK_NS && !atomic_flag_test_and_set(&looking)) {
        atomic_store_explicit(&last_look_ns, wall, memory_order_relaxed);
        look(&mask);
        atomic_flag_clear(&looking);
    }
    int free_processors = CPU_COUNT(&mask) - (int) atomic_load_explicit(&processors_taken, memory_order_relaxed);
    if (free_processors < 1) {
        free_processors = 1;
    }
    return (unsigned) free_processors < wanted ? (unsigned) free_processors : wanted;
}

/* The entry point that gcc emits for `#pragma omp parallel`; `threads` 0 means the runtime's default. */
void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags) {
    parallel_fn real = atomic_load_explicit(&real_parallel, memory_order_acquire);
    if (!real) {
        real = (parallel_fn) dlsym(RTLD_NEXT, "GOMP_parallel");
        if (!real) {
            fputs("adaptive_threads: no libgomp behind this library\n", stderr);
            abort();
        }
        atomic_store_explicit(&real_parallel, real, memory_order_release);
    }
    real(body, data, team_size(threads), flags);
    atomic_store_explicit(&last_end_ns, now_ns(CLOCK_MONOTONIC), memory_order_relaxed);
}
