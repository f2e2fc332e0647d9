/*
 * enrollment/simulation.h
 *	  The engine over customers and events that somebody hands in, with nothing
 *	  written (simulation.c).
 */
#ifndef JO_SIMULATION_H
#define JO_SIMULATION_H

#include "enrollment/batch.h"

/* What a subject does with every message of a step. */
typedef struct JoReaction
{
	const char *step;
	const char *name;			/* message.opened and the like */
	Interval   *after;			/* in UTC, from when it is enqueued */
	Jsonb	   *detail;			/* of the report; or NULL */
} JoReaction;

/* A customer to simulate. */
typedef struct JoSubject
{
	JoCustomer	profile;		/* loaded, or invented */
	List	   *events;			/* of JoEvent *, in order;
								 * jo_subject_add_event */
	List	   *reactions;		/* of JoReaction * */
} JoSubject;

/* One row of the result: pointers are good during the call only. */
typedef struct JoSimulatedRow
{
	int			subject;		/* index in the list of subjects */
	const char *journey;
	const char *event;			/* input under way; NULL: a timer */
	const JoLogRow *log;
} JoSimulatedRow;

/* Who wants to know, and how much. */
typedef struct JoSimulation
{
	TimestampTz since;			/* when the customers' dates become known; not
								 * finite: never */
	TimestampTz until;			/* the clock goes no further */
	int64		max_rows;		/* 54000 beyond */
	int64		rows;			/* so far */
	void		(*receive) (void *arg, const JoSimulatedRow *row);
	void	   *arg;
	Size		bytes;			/* out: memory that the last run took */
	List	   *subjects;		/* private: of the run under way */
} JoSimulation;

/*
 * Give the subject one more event.  Instants never go back: an earlier one is
 * lifted to the last.  "seq" 0: the event is nobody's but this simulation's;
 * it gets a ticket and an identity that are the same every time, and meets what
 * is declared now (the global holdout).
 */
extern void jo_subject_add_event(JoSubject *subject, JoEvent *event);

/*
 * Simulate the subjects (JoSubject *), whose ids are distinct, from their first
 * event on, and hand over each row as it comes: the rows of a subject in order,
 * those of different subjects mixed.  Nobody is in a journey at first.  Inside
 * jo_pretence_begin(), with an active snapshot.
 */
extern void jo_simulation_run(JoSimulation *simulation, List *subjects);

#endif							/* JO_SIMULATION_H */
