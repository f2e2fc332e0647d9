/*
 * capture/trigger.c
 *	  The trigger function: turns the changed rows of one statement into events.
 *
 * One function serves every trigger that watch() makes (install.c).  Statement
 * triggers read the transition tables and serve the watches of mode
 * 'statement'; row triggers get one row and serve those of mode 'row'.  A row
 * trigger that PostgreSQL cloned from a partitioned table serves the watches
 * declared above the partition, the partition's own trigger those declared on
 * itself, so a row is never captured twice.
 *
 * The user's statement never fails because of us.  Expressions that cannot
 * raise are evaluated as they are.  Others are evaluated for up to CHUNK_ROWS
 * rows in one subtransaction that writes nothing (guard.c); when that raises,
 * row by row.  A row whose expression raises, or whose customer is NULL,
 * becomes a capture_failure.  Events and failures are written after the
 * evaluation, in the user's own (sub)transaction: so a savepoint that is rolled
 * back takes its events with it.  What is not caught: cancel, shutdown, and
 * exhausted memory or disk, which the statement would have met anyway.
 *
 * Order: by row, within a row by watch_id.
 */
#include "postgres.h"

#include "access/tupconvert.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "capture/internal.h"
#include "core/leaf.h"

#define CHUNK_ROWS 256
#define CHUNK_BYTES (1024 * 1024)

PG_FUNCTION_INFO_V1(journey_orch_capture);

/* What a watch made of a row. */
typedef struct Outcome
{
	char	   *customer;		/* NULL: no event */
	Jsonb	   *payload;
	const char *sqlstate;		/* not NULL: a failure, with its message */
	const char *message;
} Outcome;

/* A watch that this call serves. */
typedef struct Served
{
	JoWatch    *watch;
	AttrMap    *map;
	TupleTableSlot *old_slot;	/* rows converted by "map" */
	TupleTableSlot *new_slot;
} Served;

/* One call of the trigger function. */
typedef struct Capture
{
	Relation	relation;
	int			operation;
	JoWatchedRelation *watched;
	int			count;
	Served	   *served;
	bool		can_raise;		/* one of them can */
	bool		needs_settings; /* one of them reads settings */
	JoFailures *failures;
	JoEventWriter *writer;		/* made by the first event */
	JoError    *writer_error;	/* why there can be none */
	MemoryContext context;		/* of the call */
	MemoryContext row_context;	/* of a row or a chunk */
} Capture;

/* Rows copied out of the transition tables to be evaluated together. */
typedef struct Chunk
{
	int			count;
	Size		bytes;
	MinimalTuple old_rows[CHUNK_ROWS];
	MinimalTuple new_rows[CHUNK_ROWS];
	Outcome    *outcomes;		/* count * capture->count */
	TupleTableSlot *old_slot;
	TupleTableSlot *new_slot;
} Chunk;

/* Argument of the guarded evaluation: one watch over rows [from, to). */
typedef struct Evaluation
{
	Capture    *capture;
	Chunk	   *chunk;
	int			served;
	int			from;
	int			to;
} Evaluation;

/* The row as the watch's relation has it. */
static TupleTableSlot *
converted(AttrMap *map, TupleTableSlot *in, TupleTableSlot *out)
{
	if (in == NULL || map == NULL)
		return in;
	return execute_attr_map_slot(map, in, out);
}

static void
set_failure(Outcome *outcome, const char *sqlstate, const char *message)
{
	outcome->sqlstate = sqlstate;
	outcome->message = message;
	outcome->customer = NULL;
}

/* The payload of an event; NULL after setting a failure. */
static Jsonb *
compute_payload(JoWatch *watch, TupleTableSlot *old_slot,
				TupleTableSlot *new_slot, Outcome *outcome)
{
	Jsonb	   *payload;
	Datum		value;
	bool		isnull;

	if (watch->columns_payload != NULL)
	{
		payload = jo_row_payload_build(watch->columns_payload,
									   new_slot != NULL ? new_slot : old_slot);
		if (payload == NULL)
			set_failure(outcome, "54000", "the payload is too large for jsonb");
		return payload;
	}

	value = jo_row_expression_value(watch->payload, old_slot, new_slot,
									&isnull);
	if (isnull)
		return jo_empty_payload();
	payload = DatumGetJsonbP(value);
	if (!JB_ROOT_IS_OBJECT(payload))
	{
		set_failure(outcome, "22023", "payload_sql did not yield an object");
		return NULL;
	}
	return payload;
}

/*
 * What one watch makes of one row, in CurrentMemoryContext.  Runs authors'
 * expressions: under jo_guard() if they can raise.
 */
static void
compute(Served *served, TupleTableSlot *old_slot, TupleTableSlot *new_slot,
		Outcome *outcome)
{
	JoWatch    *watch = served->watch;
	Datum		value;
	bool		isnull;
	text	   *customer;

	memset(outcome, 0, sizeof(Outcome));
	old_slot = converted(served->map, old_slot, served->old_slot);
	new_slot = converted(served->map, new_slot, served->new_slot);

	if (watch->condition != NULL)
	{
		value = jo_row_expression_value(watch->condition, old_slot, new_slot,
										&isnull);
		if (isnull || !DatumGetBool(value))
			return;
	}

	value = jo_row_expression_value(watch->customer, old_slot, new_slot,
									&isnull);
	if (isnull)
	{
		set_failure(outcome, "22004", "customer_sql yielded NULL");
		return;
	}
	customer = DatumGetTextPP(value);
	if (VARSIZE_ANY_EXHDR(customer) == 0)
	{
		set_failure(outcome, "22023", "customer_sql yielded an empty string");
		return;
	}
	if (VARSIZE_ANY_EXHDR(customer) > JO_CUSTOMER_BYTES)
	{
		set_failure(outcome, "22001",
					"customer_sql yielded a string that is too long for a customer id");
		return;
	}

	outcome->payload = compute_payload(watch, old_slot, new_slot, outcome);
	if (outcome->payload != NULL)
		outcome->customer = text_to_cstring(customer);
}

/* Make the leaves of the log; only after a restore that left them out. */
static void
ensure_leaves(void *arg)
{
	jo_leaf_ensure();
}

static bool
has_writer(Capture *capture)
{
	MemoryContext old_context;

	if (capture->writer != NULL)
		return true;
	if (capture->writer_error != NULL)
		return false;

	old_context = MemoryContextSwitchTo(capture->context);
	if (!jo_leaf_exists())
		capture->writer_error = jo_guard(ensure_leaves, NULL, InvalidOid);
	if (capture->writer_error == NULL)
		capture->writer = jo_event_writer_begin();
	MemoryContextSwitchTo(old_context);

	return capture->writer != NULL;
}

/* Argument of the guarded computation of a row's key. */
typedef struct KeyText
{
	const JoWatchedRelation *watched;
	TupleTableSlot *slot;
	StringInfoData text;
} KeyText;

static void
print_key(void *arg)
{
	KeyText    *key = arg;
	const JoWatchedRelation *watched = key->watched;

	for (int i = 0; i < watched->key_count; i++)
	{
		AttrNumber	attnum = watched->key[i];
		bool		isnull;
		Datum		value = slot_getattr(key->slot, attnum, &isnull);
		Oid			output;
		bool		is_varlena;

		if (i > 0)
			appendStringInfoString(&key->text, ", ");
		if (isnull)
			continue;
		getTypeOutputInfo(TupleDescAttr(key->slot->tts_tupleDescriptor,
										attnum - 1)->atttypid,
						  &output, &is_varlena);
		appendStringInfoString(&key->text, OidOutputFunctionCall(output, value));
	}
}

/* The key of a row as text, or NULL. */
static char *
row_key(Capture *capture, TupleTableSlot *old_slot, TupleTableSlot *new_slot)
{
	KeyText		key = {capture->watched};

	if (capture->watched->key_count == 0)
		return NULL;
	key.slot = new_slot != NULL ? new_slot : old_slot;
	initStringInfo(&key.text);
	if (jo_guard(print_key, &key, capture->relation->rd_rel->relowner) != NULL)
		return NULL;
	return key.text.data;
}

/* Write what came of one row and watch. */
static void
record(Capture *capture, JoWatch *watch, Outcome *outcome,
	   TupleTableSlot *old_slot, TupleTableSlot *new_slot)
{
	JoEvent		event = {0};

	if (outcome->customer == NULL && outcome->sqlstate == NULL)
		return;

	if (outcome->customer != NULL && !has_writer(capture))
		set_failure(outcome, capture->writer_error->sqlstate,
					capture->writer_error->message);
	if (outcome->sqlstate != NULL)
	{
		jo_failures_add(capture->failures, watch->event,
						row_key(capture, old_slot, new_slot),
						outcome->sqlstate, outcome->message);
		return;
	}

	event.watch_id = watch->watch_id;
	event.kind = JO_EVENT_KIND_EVENT;
	event.customer_id = outcome->customer;
	event.name = watch->event;
	event.payload = outcome->payload;
	jo_event_write(capture->writer, &event);
}

/* One row, when no expression can raise. */
static void
capture_plainly(Capture *capture, TupleTableSlot *old_slot,
				TupleTableSlot *new_slot)
{
	MemoryContext old_context = MemoryContextSwitchTo(capture->row_context);

	for (int i = 0; i < capture->count; i++)
	{
		Outcome		outcome;

		compute(&capture->served[i], old_slot, new_slot, &outcome);
		record(capture, capture->served[i].watch, &outcome, old_slot, new_slot);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(capture->row_context);
}

/* Put a row of a chunk back into the slots. */
static void
load_row(Chunk *chunk, int row, TupleTableSlot **old_slot,
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
	Capture    *capture = evaluation->capture;
	Chunk	   *chunk = evaluation->chunk;

	for (int row = evaluation->from; row < evaluation->to; row++)
	{
		TupleTableSlot *old_slot;
		TupleTableSlot *new_slot;

		CHECK_FOR_INTERRUPTS();
		load_row(chunk, row, &old_slot, &new_slot);
		compute(&capture->served[evaluation->served], old_slot, new_slot,
				&chunk->outcomes[row * capture->count + evaluation->served]);
	}
}

/* Evaluate one watch over a chunk: together, or else row by row. */
static void
evaluate_chunk(Capture *capture, Chunk *chunk, int served)
{
	JoWatch    *watch = capture->served[served].watch;
	Evaluation	evaluation = {capture, chunk, served, 0, chunk->count};
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
		Outcome    *outcome = &chunk->outcomes[row * capture->count + served];

		if (chunk->count > 1)
		{
			evaluation.from = row;
			evaluation.to = row + 1;
			error = jo_guard(evaluate, &evaluation, watch->owner);
		}
		if (error != NULL)
			set_failure(outcome, error->sqlstate, error->message);
	}
}

/* Evaluate what the chunk holds, write what came of it, and empty it. */
static void
flush_chunk(Capture *capture, Chunk *chunk)
{
	MemoryContext old_context = MemoryContextSwitchTo(capture->row_context);

	chunk->outcomes = palloc0(sizeof(Outcome) * chunk->count * capture->count);
	for (int i = 0; i < capture->count; i++)
		evaluate_chunk(capture, chunk, i);

	for (int row = 0; row < chunk->count; row++)
	{
		TupleTableSlot *old_slot;
		TupleTableSlot *new_slot;

		load_row(chunk, row, &old_slot, &new_slot);
		for (int i = 0; i < capture->count; i++)
			record(capture, capture->served[i].watch,
				   &chunk->outcomes[row * capture->count + i],
				   old_slot, new_slot);
	}

	MemoryContextSwitchTo(old_context);
	MemoryContextReset(capture->row_context);
	chunk->count = 0;
	chunk->bytes = 0;
}

static Chunk *
make_chunk(Capture *capture)
{
	Chunk	   *chunk = palloc(sizeof(Chunk));

	chunk->count = 0;
	chunk->bytes = 0;
	chunk->old_slot = MakeSingleTupleTableSlot(RelationGetDescr(capture->relation),
											   &TTSOpsMinimalTuple);
	chunk->new_slot = MakeSingleTupleTableSlot(RelationGetDescr(capture->relation),
											   &TTSOpsMinimalTuple);
	return chunk;
}

static void
drop_chunk(Chunk *chunk)
{
	ExecDropSingleTupleTableSlot(chunk->old_slot);
	ExecDropSingleTupleTableSlot(chunk->new_slot);
}

static MinimalTuple
copy_row(Capture *capture, Chunk *chunk, TupleTableSlot *slot)
{
	MemoryContext old_context;
	MinimalTuple tuple;

	if (slot == NULL)
		return NULL;
	old_context = MemoryContextSwitchTo(capture->row_context);
	tuple = ExecCopySlotMinimalTuple(slot);
	MemoryContextSwitchTo(old_context);
	chunk->bytes += tuple->t_len;
	return tuple;
}

/* Add a row to the chunk; evaluate it when it is full. */
static void
capture_guarded(Capture *capture, Chunk *chunk, TupleTableSlot *old_slot,
				TupleTableSlot *new_slot)
{
	chunk->old_rows[chunk->count] = copy_row(capture, chunk, old_slot);
	chunk->new_rows[chunk->count] = copy_row(capture, chunk, new_slot);
	chunk->count++;
	if (chunk->count == CHUNK_ROWS || chunk->bytes >= CHUNK_BYTES)
		flush_chunk(capture, chunk);
}

/* Say for each watch that OLD was NULL for some rows. */
static void
report_unpaired(Capture *capture, int64 unpaired)
{
	for (int i = 0; i < capture->count; i++)
		jo_failures_add(capture->failures, capture->served[i].watch->event,
						NULL, "55000",
						psprintf("OLD was NULL for " INT64_FORMAT
								 " updated rows: their old rows could not be told apart",
								 unpaired));
}

static void
capture_statement(Capture *capture, TriggerData *trigger)
{
	JoChangeSource *source =
		jo_change_source_begin(capture->relation, trigger->tg_oldtable,
							   trigger->tg_newtable, capture->watched,
							   trigger->tg_updatedcols);
	Chunk	   *chunk = capture->can_raise ? make_chunk(capture) : NULL;
	TupleTableSlot *old_slot;
	TupleTableSlot *new_slot;

	while (jo_change_source_next(source, &old_slot, &new_slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (chunk == NULL)
			capture_plainly(capture, old_slot, new_slot);
		else
			capture_guarded(capture, chunk, old_slot, new_slot);
	}
	if (chunk != NULL)
	{
		if (chunk->count > 0)
			flush_chunk(capture, chunk);
		drop_chunk(chunk);
	}
	if (jo_change_source_unpaired(source) > 0)
		report_unpaired(capture, jo_change_source_unpaired(source));
	jo_change_source_end(source);
}

static void
capture_row(Capture *capture, TriggerData *trigger)
{
	TupleTableSlot *old_slot = NULL;
	TupleTableSlot *new_slot = NULL;

	if (capture->operation == JO_OPERATION_INSERT)
		new_slot = trigger->tg_trigslot;
	else
		old_slot = trigger->tg_trigslot;
	if (capture->operation == JO_OPERATION_UPDATE)
		new_slot = trigger->tg_newslot;

	if (capture->can_raise)
	{
		Chunk	   *chunk = make_chunk(capture);

		capture_guarded(capture, chunk, old_slot, new_slot);
		flush_chunk(capture, chunk);
		drop_chunk(chunk);
	}
	else
		capture_plainly(capture, old_slot, new_slot);
}

/* True when a trigger of this form serves the watch. */
static bool
serves(const JoWatch *watch, const Capture *capture, const Trigger *trigger,
	   bool is_row)
{
	if (!(watch->operations & capture->operation) || watch->by_row != is_row)
		return false;
	if (is_row && capture->relation->rd_rel->relispartition)
		return trigger->tgisclone ==
			(watch->relation != RelationGetRelid(capture->relation));
	return true;
}

/* Argument of the guarded look-up. */
typedef struct LookUp
{
	Relation	relation;
	JoWatchedRelation *watched;
} LookUp;

static void
look_up(void *arg)
{
	LookUp	   *look = arg;

	look->watched = jo_watched_relation(look->relation);
}

static void
compile(void *arg)
{
	jo_watch_compile(arg);
}

static TupleTableSlot *
conversion_slot(const JoWatchUse *use)
{
	return use->map == NULL ? NULL :
		MakeSingleTupleTableSlot(use->watch->descriptor, &TTSOpsVirtual);
}

/*
 * Find the watches this call serves.  One that does not compile is reported
 * here, once a statement, and left out.
 */
static void
choose_watches(Capture *capture, const Trigger *trigger, bool is_row)
{
	LookUp		look = {capture->relation};
	JoError    *error = NULL;

	look.watched = jo_watched_relation_if_cached(RelationGetRelid(capture->relation));
	if (look.watched == NULL)
		error = jo_guard(look_up, &look, InvalidOid);
	if (error != NULL)
	{
		jo_failures_add(capture->failures, "", NULL, error->sqlstate,
						error->message);
		return;
	}
	capture->watched = look.watched;

	for (int i = 0; i < look.watched->count; i++)
	{
		JoWatchUse *use = &look.watched->uses[i];
		JoWatch    *watch = use->watch;

		if (!serves(watch, capture, trigger, is_row))
			continue;

		error = watch->is_compiled ? watch->error :
			jo_guard(compile, watch, InvalidOid);
		if (error == NULL)
			error = watch->error;
		if (error != NULL)
		{
			jo_failures_add(capture->failures, watch->event, NULL,
							error->sqlstate, error->message);
			continue;
		}

		if (capture->served == NULL)
			capture->served = palloc(look.watched->count * sizeof(Served));
		capture->served[capture->count].watch = watch;
		capture->served[capture->count].map = use->map;
		capture->served[capture->count].old_slot = conversion_slot(use);
		capture->served[capture->count].new_slot = conversion_slot(use);
		capture->count++;
		capture->can_raise |= watch->can_raise;
		capture->needs_settings |= watch->needs_settings;
	}
}

/* True when the statement changed no row at all. */
static bool
changed_nothing(const TriggerData *trigger)
{
	return (trigger->tg_newtable == NULL ||
			tuplestore_tuple_count(trigger->tg_newtable) == 0) &&
		(trigger->tg_oldtable == NULL ||
		 tuplestore_tuple_count(trigger->tg_oldtable) == 0);
}

static void
capture_changes(TriggerData *trigger, int operation, const char *name)
{
	bool		is_row = TRIGGER_FIRED_FOR_ROW(trigger->tg_event);
	Capture		capture = {trigger->tg_relation, operation};

	if (!is_row && changed_nothing(trigger))
		return;

	jo_watch_cache_begin();
	capture.context = CurrentMemoryContext;
	capture.failures = jo_failures_begin(RelationGetRelid(trigger->tg_relation),
										 name);
	choose_watches(&capture, trigger->tg_trigger, is_row);
	if (capture.count > 0)
	{
		int			level = NewGUCNestLevel();

		capture.row_context = AllocSetContextCreate(capture.context,
													"journey_orch capture",
													ALLOCSET_DEFAULT_SIZES);
		if (capture.needs_settings)
			jo_expression_pin_settings();
		if (is_row)
			capture_row(&capture, trigger);
		else
			capture_statement(&capture, trigger);
		AtEOXact_GUC(false, level);
		if (capture.writer != NULL)
			jo_event_writer_end(capture.writer);
		for (int i = 0; i < capture.count; i++)
			if (capture.served[i].map != NULL)
			{
				ExecDropSingleTupleTableSlot(capture.served[i].old_slot);
				ExecDropSingleTupleTableSlot(capture.served[i].new_slot);
			}
		MemoryContextDelete(capture.row_context);
	}
	jo_failures_end(capture.failures);
	jo_watch_cache_end();
}

/* Raise unless we are called by a trigger of the form install.c makes. */
static void
check_protocol(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (CALLED_AS_TRIGGER(fcinfo) &&
		TRIGGER_FIRED_AFTER(trigger->tg_event) &&
		(TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		 TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) ||
		 ((TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		   trigger->tg_oldtable != NULL) &&
		  (TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ||
		   trigger->tg_newtable != NULL))))
		return;

	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function \"journey_orch.capture\" can only be called by triggers of journey_orch"),
			 errhint("Let journey_orch.watch() make the triggers.")));
}

/* SQL: journey_orch.capture() */
Datum
journey_orch_capture(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	check_protocol(fcinfo);

	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		jo_capture_truncate(trigger->tg_relation);
	else if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		capture_changes(trigger, JO_OPERATION_INSERT, "insert");
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		capture_changes(trigger, JO_OPERATION_UPDATE, "update");
	else
		capture_changes(trigger, JO_OPERATION_DELETE, "delete");

	return PointerGetDatum(NULL);
}
