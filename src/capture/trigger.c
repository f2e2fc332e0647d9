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
 * raise are evaluated as they are.  Others are evaluated in subtransactions
 * that write nothing (chunk.c, guard.c).  A row whose expression raises, or
 * whose customer is NULL, becomes a capture_failure.  Events and failures are
 * written after the evaluation, in the user's own (sub)transaction: so a
 * savepoint that is rolled back takes its events with it.  What is not caught:
 * cancel, shutdown, and exhausted memory or disk, which the statement would
 * have met anyway.
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

#include "capture/row.h"
#include "core/leaf.h"

PG_FUNCTION_INFO_V1(journey_orch_capture);

/* Make the leaves of the log; only after a restore that left them out. */
static void
ensure_leaves(void *arg)
{
	jo_leaf_ensure();
}

static bool
has_writer(JoCapture *capture)
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

void
jo_row_record(JoCapture *capture, JoServed *served, JoOutcome *outcome,
			  TupleTableSlot *old_slot, TupleTableSlot *new_slot)
{
	JoWatch    *watch = served->watch;
	JoEvent		event = {0};

	if (outcome->customer == NULL && outcome->sqlstate == NULL)
		return;

	if (outcome->customer != NULL && !has_writer(capture))
		jo_row_set_failure(outcome, capture->writer_error->sqlstate,
						   capture->writer_error->message);
	if (outcome->sqlstate != NULL)
	{
		jo_failures_add(capture->failures, watch->event,
						jo_row_key(capture, old_slot, new_slot),
						jo_row_customer(served, old_slot, new_slot),
						outcome->sqlstate, outcome->message);
		return;
	}

	event.watch_id = watch->watch_id;
	event.kind = watch->event[0] == '$' ? JO_EVENT_KIND_COMMAND :
		JO_EVENT_KIND_EVENT;
	event.customer_id = outcome->customer;
	event.name = watch->event;
	event.payload = outcome->payload;
	jo_event_write(capture->writer, &event);
}

/* One row, when no expression can raise. */
static void
capture_plainly(JoCapture *capture, TupleTableSlot *old_slot,
				TupleTableSlot *new_slot)
{
	MemoryContext old_context = MemoryContextSwitchTo(capture->row_context);

	for (int i = 0; i < capture->count; i++)
	{
		JoOutcome	outcome;

		jo_row_compute(&capture->served[i], old_slot, new_slot, &outcome);
		jo_row_record(capture, &capture->served[i], &outcome, old_slot,
					  new_slot);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(capture->row_context);
}

/* Say for each watch that OLD was NULL for some rows. */
static void
report_unpaired(JoCapture *capture, int64 unpaired)
{
	for (int i = 0; i < capture->count; i++)
		jo_failures_add(capture->failures, capture->served[i].watch->event,
						NULL, NULL, "55000",
						psprintf("OLD was NULL for " INT64_FORMAT
								 " updated rows: their old rows could not be told apart",
								 unpaired));
}

static void
capture_statement(JoCapture *capture, TriggerData *trigger)
{
	JoChangeSource *source =
	jo_change_source_begin(capture->relation, trigger->tg_oldtable,
						   trigger->tg_newtable, capture->watched,
						   trigger->tg_updatedcols);
	JoChunk    *chunk = capture->can_raise ? jo_chunk_begin(capture) : NULL;
	TupleTableSlot *old_slot;
	TupleTableSlot *new_slot;

	while (jo_change_source_next(source, &old_slot, &new_slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (chunk == NULL)
			capture_plainly(capture, old_slot, new_slot);
		else
			jo_chunk_add(chunk, old_slot, new_slot);
	}
	if (chunk != NULL)
		jo_chunk_end(chunk);
	if (jo_change_source_unpaired(source) > 0)
		report_unpaired(capture, jo_change_source_unpaired(source));
	jo_change_source_end(source);
}

static void
capture_row(JoCapture *capture, TriggerData *trigger)
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
		JoChunk    *chunk = jo_chunk_begin(capture);

		jo_chunk_add(chunk, old_slot, new_slot);
		jo_chunk_end(chunk);
	}
	else
		capture_plainly(capture, old_slot, new_slot);
}

/* True when a trigger of this form serves the watch. */
static bool
serves(const JoWatch *watch, const JoCapture *capture, const Trigger *trigger,
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
choose_watches(JoCapture *capture, const Trigger *trigger, bool is_row)
{
	LookUp		look = {capture->relation};
	JoError    *error = NULL;

	look.watched = jo_watched_relation_if_cached(RelationGetRelid(capture->relation));
	if (look.watched == NULL)
		error = jo_guard(look_up, &look, InvalidOid);
	if (error != NULL)
	{
		jo_failures_add(capture->failures, "", NULL, NULL, error->sqlstate,
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
			jo_failures_add(capture->failures, watch->event, NULL, NULL,
							error->sqlstate, error->message);
			continue;
		}

		if (capture->served == NULL)
			capture->served = palloc(look.watched->count * sizeof(JoServed));
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
	JoCapture	capture = {trigger->tg_relation, operation};

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
