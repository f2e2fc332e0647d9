/*
 * enrollment/life.h
 *	  What is done to a whole journey, as the functions that do it share it.
 *
 * An act is a row of "publication" with a ticket.  What it means to the people
 * inside is carried out by the lanes (act.c); the functions here write the act
 * and, in the same transaction, the commands that tell the lanes of it.
 */
#ifndef JO_LIFE_H
#define JO_LIFE_H

#include "journey/acts.h"
#include "journey/store.h"

/* Commands of the engine's own; see capture/capture.h. */
#define JO_COMMAND_ACT		"$act"	/* customer_id '': the lane looks for
									 * those whom an act concerns; else: there
									 * is one for this customer */
#define JO_COMMAND_EXISTING "$existing" /* enters on an event of the past */
#define JO_COMMAND_FAN_OUT	"$fan_out"	/* customer_id '': there is an
										 * audience to be told */
#define JO_COMMAND_RELEASE	"$release"	/* a held run's place in the queue */

/* A word of a closed list: its index in "words".  Raises 22023. */
extern int	jo_word_argument(FunctionCallInfo fcinfo, int number,
							 const char *name, const char *const *words,
							 int nwords);

/*
 * Lock the name (until the end of the transaction), find the journey and see
 * that the current user may act on it: its owner, and, if "operators", an
 * operator.  Returns the newest act, NULL for a draft.  Between this and
 * jo_journey_cache_end(), which the caller owes, acts may be read.
 */
extern const JoAct *jo_life_begin(const char *name, bool operators,
								  JoStoredJourney *journey);

/* Append an act; "policy" is its text as JSON.  Returns its ticket. */
extern int64 jo_life_act(const JoStoredJourney *journey, JoActKind kind,
						 int32 version, const char *policy, TimestampTz at);

/* Tell every lane to look for the people whom the act concerns. */
extern void jo_life_announce(const JoStoredJourney *journey, JoActKind kind,
							 TimestampTz at);

/* fan_out.c: ring a lane because there is an audience to be told. */
extern void jo_fan_out_ring(void);
extern void jo_fan_out_init(void);

/* prune.c */
extern void jo_prune_init(void);

/* schedule.c: raise unless somebody wakes us for schedules, or the clock is
 * virtual. */
extern void jo_schedule_ensure_timer(void);

/* people.c: live runs of a journey; "state" NULL: in any state. */
extern int64 jo_people_inside(int32 journey_id, const char *state);

/* Give every held run its place: one release each 1/rate seconds from "at" on,
 * in the order in which they arrived where they are held.  Returns how many. */
extern int64 jo_people_release(int32 journey_id, double rate, TimestampTz at);

/*
 * Take the locks of all lanes, until the end of the transaction: whatever the
 * caller finds in live tables with a snapshot taken later stays true until he
 * commits.  Raises 25001 where the isolation level lets nobody take one.
 */
extern void jo_life_hold_lanes(void);

/*
 * existing.c: customers whose newest event before ticket "before", as
 * "snapshot" sees it, meets the entry of the graph.  With "enters" each is told
 * to enter, at "at".  Returns how many.
 */
extern int64 jo_existing_customers(const JoGraph *graph, Snapshot snapshot,
								   int64 before, bool enters, TimestampTz at);

#endif							/* JO_LIFE_H */
