/*
 * enrollment/plan.h
 *	  Entries by a date, as the acts on a journey share them (plan_watch.c).
 */
#ifndef JO_PLAN_H
#define JO_PLAN_H

#include "journey/journey.h"

/*
 * In the transaction of an act that was written already: bring the watch on the
 * customers up to what journeys need after it, and tell the lanes.  "before":
 * the graph that was live, "after": the one that is; NULL: none.  The journey
 * cache is in use and may know the state before the act.
 */
extern void jo_plan_follow(int32 journey_id, const JoGraph *before,
						   const JoGraph *after, TimestampTz at);

/* The journey is archived: forget what its dates have done.  The caller holds
 * the lanes. */
extern void jo_plan_forget(int32 journey_id);

extern void jo_plan_init(void);

#endif							/* JO_PLAN_H */
