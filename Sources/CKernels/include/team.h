// A team of threads that work on one thing at a time, and the memory they work on.
//
// The products of one training step take tens of microseconds, so a thread that has nothing to do
// looks for work for about as long before it sleeps.
#pragma once

#include <stddef.h>

typedef struct leeway_team leeway_team;

/// What a member does: its number is 0 for the caller of leeway_team_run, and below `members`.
typedef void (*leeway_work)(void *context, size_t member);

/// Starts a team; the caller is a member, so that one fewer thread is made. NULL without memory
/// or threads.
leeway_team *leeway_team_create(size_t members);

/// Has every member do the work; returns when all have.
void leeway_team_run(leeway_team *team, leeway_work work, void *context);

/// Called by every member within its work: none goes on before all have come.
void leeway_team_meet(leeway_team *team);

/// Ends the threads.
void leeway_team_destroy(leeway_team *team);

/// Zeros that begin on a cache line, in huge pages where that helps; NULL without memory.
float *leeway_floats_allocate(size_t count);

/// Gives them back.
void leeway_floats_free(float *floats);
