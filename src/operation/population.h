/*
 * operation/population.h
 *	  Whom a simulation is about, and what happens to them (population.c,
 *	  given.c, history.c).
 */
#ifndef JO_POPULATION_H
#define JO_POPULATION_H

#include "enrollment/simulation.h"

/* An event of argument "events" or of a value of "events_sql". */
typedef struct JoGivenEvent
{
	char	   *customer_id;	/* NULL: of everybody */
	char		kind;			/* JO_EVENT_KIND_EVENT or .._COMMAND */
	char	   *name;
	TimestampTz at;
	Jsonb	   *payload;
	JoReaction *reaction;		/* not NULL: it is one, and no event by itself */
} JoGivenEvent;

typedef struct JoPopulation
{
	const char *journey;		/* that an "enter" is about */
	TimestampTz since;
	TimestampTz until;
	int64		seed;
	int			nvirtual;		/* this many customers who do not exist */
	int			nchosen;		/* or these */
	char	  **chosen;
	bool		is_history;		/* events come from the log: of those chosen,
								 * or of everybody */
	List	   *given;			/* of JoGivenEvent *: argument "events" */
	JoExpression *customer;		/* "customer_sql", or NULL */
	JoExpression *events;		/* "events_sql", or NULL */
	int			next;			/* how many were made already */
	struct HTAB *seen;			/* ids of virtual customers */
	struct JoHistory *history;
} JoPopulation;

/*
 * The next subjects (JoSubject *), about "n" of them, in CurrentMemoryContext;
 * NIL: that was all.
 */
extern List *jo_population_next(JoPopulation *population, int n);

/* Compile "customer_sql" or "events_sql", which give jsonb, as the caller's. */
extern JoExpression *jo_population_expression(const char *sql, int variables);

/*
 * given.c: read an array of events, which lie between since and until;
 * "argument" says in errors where it is from.  22023 for anything else.  A list
 * of JoGivenEvent *, by instant.
 */
extern List *jo_given_read(const JoPopulation *population, Jsonb *array,
						   const char *argument);

/* One list, by instant; what is in the first comes first.  Uses both up. */
extern List *jo_given_merge(List *first, List *second);

/* Give the subject those of the events that are his, or everybody's. */
extern void jo_given_add(JoSubject *subject, const List *given);

/* history.c: begin reading the log, SPI being connected; then subjects with
 * their events, in order of customer. */
extern struct JoHistory *jo_history_begin(JoPopulation *population);
extern List *jo_history_next(struct JoHistory *history, int n);

#endif							/* JO_POPULATION_H */
