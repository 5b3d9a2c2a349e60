#include "team.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct leeway_team {
    _Atomic size_t members;
    size_t threads;             // started so far
    pthread_t *handles;
    _Atomic size_t arrived;     // members at the meeting under way
    _Atomic unsigned meeting;   // its number
    _Atomic unsigned sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t awake;
    leeway_work work;           // NULL ends the threads
    void *context;
};

typedef struct {
    leeway_team *team;
    size_t member;
} leeway_member;

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void wait_for(leeway_team *team, unsigned meeting)
{
    enum { looks = 4096 };
    for (int look = 0; look < looks; look++) {
        if (atomic_load_explicit(&team->meeting, memory_order_acquire) != meeting) return;
        relax();
    }
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&team->sleepers, 1);
    while (atomic_load(&team->meeting) == meeting)
        pthread_cond_wait(&team->awake, &team->mutex);
    atomic_fetch_sub(&team->sleepers, 1);
    pthread_mutex_unlock(&team->mutex);
}

void leeway_team_meet(leeway_team *team)
{
    if (team->members == 1) return;
    const unsigned meeting = atomic_load_explicit(&team->meeting, memory_order_relaxed);
    // Only then is the number of members read: it may have been lowered before (see `end`).
    const size_t arrived = atomic_fetch_add(&team->arrived, 1) + 1;
    if (arrived < atomic_load(&team->members)) {
        wait_for(team, meeting);
        return;
    }
    // The last one to come opens the next meeting. A sleeper has said so before it looked at the
    // number, so it either sees the new one or is seen here.
    atomic_store(&team->arrived, 0);
    atomic_fetch_add(&team->meeting, 1);
    if (atomic_load(&team->sleepers) > 0) {
        pthread_mutex_lock(&team->mutex);
        pthread_cond_broadcast(&team->awake);
        pthread_mutex_unlock(&team->mutex);
    }
}

static void *live(void *argument)
{
    const leeway_member member = *(leeway_member *)argument;
    free(argument);
    for (;;) {
        leeway_team_meet(member.team);
        if (!member.team->work) return NULL;
        member.team->work(member.team->context, member.member);
        leeway_team_meet(member.team);
    }
}

void leeway_team_run(leeway_team *team, leeway_work work, void *context)
{
    team->work = work;
    team->context = context;
    leeway_team_meet(team);
    work(context, 0);
    leeway_team_meet(team);
}

// Threads that could be started wait for members that could not: they are counted off and ended.
static void end(leeway_team *team)
{
    if (team->threads > 0) {
        team->members = team->threads + 1;
        team->work = NULL;
        leeway_team_meet(team);
        for (size_t i = 0; i < team->threads; i++) pthread_join(team->handles[i], NULL);
    }
    pthread_cond_destroy(&team->awake);
    pthread_mutex_destroy(&team->mutex);
    free(team->handles);
    free(team);
}

leeway_team *leeway_team_create(size_t members)
{
    if (members < 1 || members > 1024) return NULL;
    leeway_team *team = calloc(1, sizeof *team);
    if (!team) return NULL;
    team->members = members;
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->awake, NULL);
    team->handles = calloc(members, sizeof *team->handles);
    for (size_t i = 1; team->handles && i < members; i++) {
        leeway_member *member = malloc(sizeof *member);
        if (!member) break;
        *member = (leeway_member){team, i};
        if (pthread_create(&team->handles[i - 1], NULL, live, member) != 0) {
            free(member);
            break;
        }
        team->threads++;
    }
    if (team->handles && team->threads + 1 == members) return team;
    end(team);
    return NULL;
}

void leeway_team_destroy(leeway_team *team)
{
    end(team);
}

float *leeway_floats_allocate(size_t count)
{
    const size_t huge = (size_t)2 << 20;
    if (count > SIZE_MAX / sizeof(float) - huge) return NULL;
    size_t bytes = count * sizeof(float);
    const size_t alignment = bytes >= 2 * huge ? huge : 64;
    bytes = (bytes + 63) / 64 * 64;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, bytes > 0 ? bytes : 64) != 0) return NULL;
#if defined(MADV_HUGEPAGE)
    if (alignment == huge) madvise(memory, bytes / huge * huge, MADV_HUGEPAGE);
#endif
    memset(memory, 0, bytes);
    return memory;
}

void leeway_floats_free(float *floats)
{
    free(floats);
}
