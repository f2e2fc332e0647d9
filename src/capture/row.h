/*
 * capture/row.h
 *	  One call of the trigger function, shared by the files it is made of:
 *	  trigger.c (what to do), row.c (one row), chunk.c (rows whose expressions
 *	  may raise).
 */
#ifndef JO_CAPTURE_ROW_H
#define JO_CAPTURE_ROW_H

#include "capture/internal.h"

/* What a watch made of a row. */
typedef struct JoOutcome
{
	char	   *customer;		/* NULL: no event */
	Jsonb	   *payload;
	const char *sqlstate;		/* not NULL: a failure, with its message */
	const char *message;
} JoOutcome;

/* A watch that this call serves. */
typedef struct JoServed
{
	JoWatch    *watch;
	AttrMap    *map;
	TupleTableSlot *old_slot;	/* rows converted by "map" */
	TupleTableSlot *new_slot;
} JoServed;

/* One call of the trigger function. */
typedef struct JoCapture
{
	Relation	relation;
	int			operation;
	JoWatchedRelation *watched;
	int			count;
	JoServed   *served;
	bool		can_raise;		/* one of them can */
	bool		needs_settings; /* one of them reads settings */
	JoFailures *failures;
	JoEventWriter *writer;		/* made by the first event */
	JoError    *writer_error;	/* why there can be none */
	MemoryContext context;		/* of the call */
	MemoryContext row_context;	/* of a row or a chunk */
} JoCapture;

/* ---- row.c ---- */

/*
 * What one watch makes of one row, in CurrentMemoryContext.  Runs authors'
 * expressions: under jo_guard() if they can raise.
 */
extern void jo_row_compute(JoServed *served, TupleTableSlot *old_slot,
						   TupleTableSlot *new_slot, JoOutcome *outcome);
extern void jo_row_set_failure(JoOutcome *outcome, const char *sqlstate,
							   const char *message);

/* The key of a row as text, in CurrentMemoryContext, or NULL. */
extern char *jo_row_key(JoCapture *capture, TupleTableSlot *old_slot,
						TupleTableSlot *new_slot);

/*
 * Whose row it is, for a failure, in CurrentMemoryContext; NULL when that is
 * what cannot be told.
 */
extern char *jo_row_customer(JoServed *served, TupleTableSlot *old_slot,
							 TupleTableSlot *new_slot);

/* ---- chunk.c ---- */

typedef struct JoChunk JoChunk;

extern JoChunk *jo_chunk_begin(JoCapture *capture);

/* Add a row; evaluates and records the chunk when it is full. */
extern void jo_chunk_add(JoChunk *chunk, TupleTableSlot *old_slot,
						 TupleTableSlot *new_slot);

/* Evaluate and record what is left, and free the chunk. */
extern void jo_chunk_end(JoChunk *chunk);

/* ---- trigger.c ---- */

/* Write what came of one row and watch. */
extern void jo_row_record(JoCapture *capture, JoServed *served, JoOutcome *outcome,
						  TupleTableSlot *old_slot, TupleTableSlot *new_slot);

#endif							/* JO_CAPTURE_ROW_H */
