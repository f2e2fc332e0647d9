/*
 * capture/chunk.c
 *	  Rows whose expressions may raise: evaluated together under one guard.
 *
 * A subtransaction a row would cost more than the row.  So rows are copied
 * out of the transition tables and evaluated in chunks, one subtransaction a
 * watch; when that raises, its rows are tried again one by one, and only those
 * that raise alone become failures.  What came of the chunk is recorded
 * afterwards, outside every subtransaction.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "capture/row.h"

#define CHUNK_ROWS 256
#define CHUNK_BYTES (1024 * 1024)

/* Rows copied out of the transition tables to be evaluated together. */
struct JoChunk
{
	JoCapture  *capture;
	int			count;
	Size		bytes;
	MinimalTuple old_rows[CHUNK_ROWS];
	MinimalTuple new_rows[CHUNK_ROWS];
	JoOutcome  *outcomes;		/* count * capture->count */
	TupleTableSlot *old_slot;
	TupleTableSlot *new_slot;
};

/* Argument of the guarded evaluation: one watch over rows [from, to). */
typedef struct Evaluation
{
	JoChunk    *chunk;
	int			served;
	int			from;
	int			to;
} Evaluation;

/* Put a row of a chunk back into the slots. */
static void
load_row(JoChunk *chunk, int row, TupleTableSlot **old_slot,
		 TupleTableSlot **new_slot)
{
	*old_slot = chunk->old_rows[row] == NULL ? NULL :
		ExecStoreMinimalTuple(chunk->old_rows[row], chunk->old_slot, false);
	*new_slot = chunk->new_rows[row] == NULL ? NULL :
		ExecStoreMinimalTuple(chunk->new_rows[row], chunk->new_slot, false);
}

static void
evaluate(void *arg)
{
	Evaluation *evaluation = arg;
	JoChunk    *chunk = evaluation->chunk;
	JoCapture  *capture = chunk->capture;

	for (int row = evaluation->from; row < evaluation->to; row++)
	{
		TupleTableSlot *old_slot;
		TupleTableSlot *new_slot;

		CHECK_FOR_INTERRUPTS();
		load_row(chunk, row, &old_slot, &new_slot);
		jo_row_compute(&capture->served[evaluation->served], old_slot, new_slot,
					   &chunk->outcomes[row * capture->count + evaluation->served]);
	}
}

/* Evaluate one watch over the chunk: together, or else row by row. */
static void
evaluate_watch(JoChunk *chunk, int served)
{
	JoCapture  *capture = chunk->capture;
	JoWatch    *watch = capture->served[served].watch;
	Evaluation	evaluation = {chunk, served, 0, chunk->count};
	JoError    *error;

	if (!watch->can_raise)
	{
		evaluate(&evaluation);
		return;
	}

	error = jo_guard(evaluate, &evaluation, watch->owner);
	if (error == NULL)
		return;

	for (int row = 0; row < chunk->count; row++)
	{
		if (chunk->count > 1)
		{
			evaluation.from = row;
			evaluation.to = row + 1;
			error = jo_guard(evaluate, &evaluation, watch->owner);
		}
		if (error != NULL)
			jo_row_set_failure(&chunk->outcomes[row * capture->count + served],
							   error->sqlstate, error->message);
	}
}

/* Evaluate what the chunk holds, record what came of it, and empty it. */
static void
flush(JoChunk *chunk)
{
	JoCapture  *capture = chunk->capture;
	MemoryContext old_context = MemoryContextSwitchTo(capture->row_context);

	chunk->outcomes = palloc0(sizeof(JoOutcome) * chunk->count *
							  capture->count);
	for (int i = 0; i < capture->count; i++)
		evaluate_watch(chunk, i);

	for (int row = 0; row < chunk->count; row++)
	{
		TupleTableSlot *old_slot;
		TupleTableSlot *new_slot;

		load_row(chunk, row, &old_slot, &new_slot);
		for (int i = 0; i < capture->count; i++)
			jo_row_record(capture, &capture->served[i],
						  &chunk->outcomes[row * capture->count + i],
						  old_slot, new_slot);
	}

	MemoryContextSwitchTo(old_context);
	MemoryContextReset(capture->row_context);
	chunk->count = 0;
	chunk->bytes = 0;
}

JoChunk *
jo_chunk_begin(JoCapture *capture)
{
	JoChunk    *chunk = palloc(sizeof(JoChunk));
	TupleDesc	descriptor = RelationGetDescr(capture->relation);

	chunk->capture = capture;
	chunk->count = 0;
	chunk->bytes = 0;
	chunk->old_slot = MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);
	chunk->new_slot = MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);
	return chunk;
}

static MinimalTuple
copy_row(JoChunk *chunk, TupleTableSlot *slot)
{
	MemoryContext old_context;
	MinimalTuple tuple;

	if (slot == NULL)
		return NULL;
	old_context = MemoryContextSwitchTo(chunk->capture->row_context);
	tuple = ExecCopySlotMinimalTuple(slot);
	MemoryContextSwitchTo(old_context);
	chunk->bytes += tuple->t_len;
	return tuple;
}

void
jo_chunk_add(JoChunk *chunk, TupleTableSlot *old_slot,
			 TupleTableSlot *new_slot)
{
	chunk->old_rows[chunk->count] = copy_row(chunk, old_slot);
	chunk->new_rows[chunk->count] = copy_row(chunk, new_slot);
	chunk->count++;
	if (chunk->count == CHUNK_ROWS || chunk->bytes >= CHUNK_BYTES)
		flush(chunk);
}

void
jo_chunk_end(JoChunk *chunk)
{
	if (chunk->count > 0)
		flush(chunk);
	ExecDropSingleTupleTableSlot(chunk->old_slot);
	ExecDropSingleTupleTableSlot(chunk->new_slot);
	pfree(chunk);
}
