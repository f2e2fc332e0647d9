/*
 * enrollment/careful.h
 *	  A batch that has failed, done again one customer at a time (careful.c).
 */
#ifndef JO_CAREFUL_H
#define JO_CAREFUL_H

#include "enrollment/batch.h"

/* What a member is doing, so that an error can be blamed. */
typedef enum JoCarePhase
{
	JO_CARE_READING,
	JO_CARE_COMPUTING,
	JO_CARE_WRITING
} JoCarePhase;

/* What is known to raise. */
typedef enum JoFaultKind
{
	JO_FAULT_RUN,				/* park the run */
	JO_FAULT_ENTRY,				/* refuse the entry */
	JO_FAULT_INPUT				/* set the event aside */
} JoFaultKind;

/* Stands for every input of the member. */
#define JO_ANY_INPUT (-1)

/*
 * One fault of the member.  A run is named by its id, which is the same in
 * every computation, and by the visit at which it raised.
 */
typedef struct JoFault
{
	JoFaultKind kind;
	int			input;			/* ordinal, from 1; or JO_ANY_INPUT */
	pg_uuid_t	enrollment_id;
	int32		visit;
	int32		journey_id;
	JoError    *error;
} JoFault;

/* The careful computation under way. */
typedef struct JoCare
{
	int			timeout_ms;		/* of one member; 0: none */
	MemoryContext context;		/* of the member: outlives its attempts */
	List	   *faults;			/* of JoFault * */
	JoCarePhase phase;
	int			input;			/* ordinal of the input under way */
	JoRun	   *run;			/* to blame; NULL: no run */
	const JoGraph *graph;		/* to blame when there is no run: its entry */
} JoCare;

/* An event that was set aside: one row of event_failure. */
typedef struct JoSetAside
{
	const char *customer_id;
	const JoEvent *event;
	TimestampTz clock;
	const JoError *error;
} JoSetAside;

extern void jo_careful_run(JoBatch *batch);

/* Set right before an error that concerns every customer of a lane. */
extern bool jo_care_lane_is_at_fault;

/* blame.c: for careful.c */
extern bool jo_care_assign(JoCare *care, const JoMember *member,
						   JoError *error);
extern void jo_care_set_aside(JoBatch *batch, const JoMember *member,
							  const JoEvent *event, const JoError *error);

/*
 * For the code that computes and writes; only while batch->care is not NULL.
 * Each remembers whom to blame if what follows raises.
 */
extern bool jo_care_sets_aside(JoBatch *batch);
extern bool jo_care_parks(JoBatch *batch, JoRun *run);
extern bool jo_care_refuses(JoBatch *batch, JoMember *member,
							const JoGraph *graph);
extern void jo_care_blame_id(JoBatch *batch, const pg_uuid_t *enrollment_id);
extern void jo_care_blame_memory(JoBatch *batch, JoMember *member,
								 const JoMemory *memory);
extern void jo_care_blame_log(JoBatch *batch, const JoLogRow *row);

/* If what follows raises, it is the fault of "run", else of "graph". */
static inline void
jo_care_blame(JoBatch *batch, JoRun *run, const JoGraph *graph)
{
	if (batch->care == NULL)
		return;
	batch->care->run = run;
	batch->care->graph = graph;
}

#endif							/* JO_CAREFUL_H */
